// Calling the handler. Everything here runs once per invocation, so it avoids promises, closures
// and objects that a plain reply does not need. One heap serves one invocation at a time: its
// state lives in the module.
import { HostBody, isBodyUnusable } from "./body.js";
import { describeText, errorFrames, errorHead, errorName, isErrorLike, messageOf } from "./describe.js";
import { signalAbort } from "./abort.js";
import { inspect } from "./inspect.js";
import { native } from "./native.js";
import { startOp } from "./ops.js";
import { PromiseCtor, apply, isUint8Array, jsonParse, jsonStringify, promiseResolve, promiseThen } from "./primordials.js";
import { incomingRequest, requestState, signalOf } from "./request.js";
import { flatOf, responseState, stateIfResponse } from "./response.js";
import { acquireReader } from "./streams.js";
import { DOMException } from "./dom-exception.js";
import { defineInterface } from "./webidl.js";

const nothing = () => {};

let replied = true;
let waiting = 0;
let done = true;
let current = null; // the incoming request

class ExecutionContext {
  waitUntil(promise) {
    waiting++;
    promiseThen(promiseResolve(promise), waitEnded, waitFailed);
  }
  passThroughOnException() {}
}
defineInterface(ExecutionContext, "ExecutionContext", 0);

// The methods need no receiver, so one object made before the snapshot serves every invocation.
const context = new ExecutionContext();
const fetchArguments = [undefined, undefined, context];

function waitEnded() {
  waiting--;
  finishIfSettled();
}

function waitFailed(error) {
  native.log("error", `Rejected in waitUntil: ${describeText(error)}`);
  waitEnded();
}

function finishIfSettled() {
  if (!replied || waiting !== 0 || done) return;
  done = true;
  native.invocationDone();
}

function replyEnded() {
  replied = true;
  finishIfSettled();
}

function start() {
  replied = done = false;
  waiting = 0;
}

/**
 * Hook: an HTTP request for a handler in fetch style. `body` is null, the bytes of all of it, or
 * true for one that the operation body_read of resource 0 gives. Headers come from requestHeaders().
 */
export function dispatchFetch(handler, thisObj, method, url, body, env) {
  replied = done = false;
  waiting = 0;
  const request = (current = incomingRequest(method, url, body === true ? new HostBody(0) : body));
  let result;
  try {
    fetchArguments[0] = request;
    fetchArguments[1] = env;
    result = apply(handler, thisObj, fetchArguments);
  } catch (error) {
    return failFetch(error);
  }
  const state = stateIfResponse(result);
  if (state !== undefined) return sendState(state);
  if (!isThenable(result)) return failInvalid(result);
  let promise;
  try {
    promise = promiseResolve(result);
  } catch (error) {
    return failFetch(error);
  }
  promiseThen(promise, sendResponse, failFetch);
}

/** Hook: the client has left while the invocation goes on. */
export function clientLeft() {
  if (current === null) return;
  signalAbort(signalOf(requestState(current)), new DOMException("The client has closed the connection", "AbortError"));
}

const isThenable = (value) =>
  value instanceof PromiseCtor || (typeof value === "object" && value !== null && typeof value.then === "function");

function failFetch(error) {
  native.fail("function_error", errorHead(error), describeText(error));
  replyEnded();
}

function failInvalid(value) {
  native.fail("invalid_response", `the handler returned ${nameValue(value)}; ${remedy(value)}`, "");
  replyEnded();
}

function nameValue(value) {
  if (value === undefined) return "undefined";
  if (value === null) return "null";
  if (typeof value === "string") return `a string (${inspect(value.length > 60 ? `${value.slice(0, 60)}…` : value)})`;
  if (typeof value === "function") return "a function";
  if (typeof value !== "object") return `a ${typeof value} (${inspect(value)})`;
  if (Array.isArray(value)) return "an array";
  let name;
  try {
    name = value.constructor?.name;
  } catch {}
  return name === undefined || name === "" || name === "Object" ? "a plain object" : `an object of class ${name}`;
}

function remedy(value) {
  if (value === undefined) return "return a Response, and look for a path without `return`";
  if (typeof value === "string") return "return new Response(text)";
  if (typeof value === "object" && value !== null) {
    if ("statusCode" in value) return "this is the form of a Lambda handler: export it as `handler`, or return new Response(body, { status })";
    return "return Response.json(value)";
  }
  return "return a Response";
}

function sendResponse(response) {
  const state = stateIfResponse(response);
  if (state === undefined) failInvalid(response);
  else sendState(state);
}

function sendState(s) {
  const body = s.body;
  if (!s.used && (typeof body === "string" || body === null || isUint8Array(body))) {
    if (s.status === 0) return failError();
    native.reply(s.status, s.headers === null ? s.flat : flatOf(s), body, false, s.statusText);
    replied = true;
    if (waiting === 0) {
      done = true;
      native.invocationDone();
    }
    return;
  }
  if (isBodyUnusable(s)) {
    native.fail(
      "invalid_response",
      "the body of the Response was read already, or its stream is locked; return response.clone() where the body is read too",
      "",
    );
    return replyEnded();
  }
  s.used = true;
  native.reply(s.status, flatOf(s), null, true, s.statusText);
  if (body instanceof HostBody) pumpHost(body);
  else pumpStream(body);
}

function failError() {
  native.fail("invalid_response", "the handler returned Response.error(), which stands for a failed fetch; return a Response with a status", "");
  replyEnded();
}

function endReply() {
  native.replyEnd();
  replyEnded();
}

function breakReply(error) {
  native.replyError(describeText(error));
  replyEnded();
}

/** What the host fetched goes back to it without becoming a stream in between. */
function pumpHost(body) {
  const next = () => body.read(write, breakReply);
  const write = (bytes) => {
    if (bytes === null) return endReply();
    startOp("reply_write", "", bytes, next, (error) => {
      body.cancel(error);
      replyEnded();
    });
  };
  next();
}

function pumpStream(stream) {
  const reader = acquireReader(stream);
  const next = () => promiseThen(reader.read(), write, breakReply);
  const cancel = (error) => promiseThen(reader.cancel(error), nothing, nothing);
  const write = ({ done: ended, value }) => {
    if (ended) return endReply();
    if (!isUint8Array(value)) {
      const error = new TypeError(
        `the stream of the Response gave ${nameValue(value)}; its chunks must be Uint8Array: pipe text through new TextEncoderStream()`,
      );
      cancel(error);
      return breakReply(error);
    }
    if (value.byteLength === 0) return next();
    startOp("reply_write", "", value, next, (error) => {
      // The client has left: the source learns of it, and there is nobody to tell an error.
      cancel(error);
      replyEnded();
    });
  };
  next();
}

/** Hook: an event for a handler in event style; `contextObj` holds Lambda's fields and `deadlineMs` (Unix time). */
export function dispatchEvent(handler, eventJson, contextObj, env) {
  start();
  let answered = false;
  const succeed = (value) => {
    if (answered) return;
    answered = true;
    let json;
    try {
      json = jsonStringify(value);
    } catch (error) {
      failEvent(error);
      return;
    }
    native.replyEvent(json === undefined ? "null" : json);
    replyEnded();
  };
  const fail = (error) => {
    if (answered) return;
    answered = true;
    failEvent(error);
  };
  const callback = (error, value) => {
    if (error === undefined || error === null) succeed(value);
    else fail(error);
  };
  const deadline = contextObj.deadlineMs;
  delete contextObj.deadlineMs;
  contextObj.getRemainingTimeInMillis = () =>
    deadline === undefined ? 0 : Math.max(0, Math.floor(deadline - (native.timeOrigin() + native.now())));
  contextObj.callbackWaitsForEmptyEventLoop ??= true;
  contextObj.succeed = succeed;
  contextObj.fail = fail;
  contextObj.done = callback;
  let result;
  try {
    result = apply(handler, undefined, [jsonParse(eventJson), contextObj, callback]);
  } catch (error) {
    fail(error);
    return;
  }
  if (isThenable(result)) {
    try {
      promiseThen(promiseResolve(result), succeed, fail);
    } catch (error) {
      fail(error);
    }
    return;
  }
  // A handler that declares the callback answers through it, unless it returned a value.
  if (result === undefined && handler.length >= 3) return;
  succeed(result);
}

function failEvent(error) {
  if (isErrorLike(error)) {
    const lines = [errorHead(error), ...errorFrames(error).split("\n").filter((line) => line !== "")];
    native.failEvent(errorName(error), messageOf(error), jsonStringify(lines));
  } else {
    native.failEvent(typeof error, typeof error === "string" ? error : inspect(error), "[]");
  }
  replyEnded();
}

/** Hook: the flat header list of a Response. */
export const headersFlatOf = (response) => flatOf(responseState(response));
