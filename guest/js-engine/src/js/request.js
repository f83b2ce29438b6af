import { dependentSignal, isAbortSignal, newSignal } from "./abort.js";
import { bodyStream, cloneBody, defineBody, extractBody, extractedType, isBodyUnusable, isBodyUsed, takeBody } from "./body.js";
import { IMMUTABLE, MUTABLE, headerListOf, headersOver, listFromInit, listGet, listHas } from "./headers.js";
import { native } from "./native.js";
import { defineInterface, toDictionary, toEnum, toUSVString } from "./webidl.js";

const FAST = Symbol("fast");

/** What a request is; see ResponseState for why the defaults live on the prototype. */
class RequestState {
  constructor(method, url, flat, body) {
    this.method = method;
    this.url = url;
    this.flat = flat;
    this.body = body;
  }
}
Object.assign(RequestState.prototype, {
  headers: null,
  guard: IMMUTABLE,
  used: false,
  spentStream: undefined,
  signal: null,
  source: null, // the signals that `signal` depends on once it is made
  options: null, // the members that mean something to browsers alone, and `redirect`
});

export let requestState;
export let isRequest;

export class Request {
  #s;
  constructor(input, init, state) {
    if (input === FAST) {
      this.#s = state;
      return;
    }
    const dictionary = toDictionary(init, "Request: the second argument");
    const from = isRequest(input) ? input.#s : null;
    this.#s = from === null ? stateFromUrl(input) : stateFromRequest(from);
    applyInit(this.#s, dictionary, from);
  }
  get method() {
    return this.#s.method;
  }
  get url() {
    return this.#s.url;
  }
  get headers() {
    const s = this.#s;
    return (s.headers ??= headersOver(flatOf(s), s.guard));
  }
  get destination() {
    this.#s;
    return "";
  }
  get referrer() {
    return this.#s.options?.referrer ?? "about:client";
  }
  get referrerPolicy() {
    return this.#s.options?.referrerPolicy ?? "";
  }
  get mode() {
    return this.#s.options?.mode ?? "cors";
  }
  get credentials() {
    return this.#s.options?.credentials ?? "same-origin";
  }
  get cache() {
    return this.#s.options?.cache ?? "default";
  }
  get redirect() {
    return this.#s.options?.redirect ?? "follow";
  }
  get integrity() {
    return this.#s.options?.integrity ?? "";
  }
  get keepalive() {
    return this.#s.options?.keepalive ?? false;
  }
  get isReloadNavigation() {
    this.#s;
    return false;
  }
  get isHistoryNavigation() {
    this.#s;
    return false;
  }
  get signal() {
    return signalOf(this.#s);
  }
  get duplex() {
    this.#s;
    return "half";
  }
  get body() {
    return bodyStream(this.#s);
  }
  get bodyUsed() {
    return isBodyUsed(this.#s);
  }
  clone() {
    const s = this.#s;
    if (isBodyUnusable(s)) throw new TypeError("Request.clone: the body was read already, or its stream is locked");
    const state = new RequestState(s.method, s.url, flatOf(s).slice(), cloneBody(s));
    state.guard = s.guard;
    state.options = s.options;
    // Through the signal itself, which what the host reports may abort.
    state.source = [signalOf(s)];
    return new Request(FAST, undefined, state);
  }
  static {
    requestState = (request) => request.#s;
    isRequest = (value) => typeof value === "object" && value !== null && #s in value;
  }
}
defineInterface(Request, "Request", 1);
defineBody(Request, (request) => requestState(request), (state) => listGet(flatOf(state), "content-type"));

/**
 * A request that came from the host, whose HTTP parser has checked it: headers are immutable and
 * stay with the host until somebody reads them.
 */
export const incomingRequest = (method, url, body) => new Request(FAST, undefined, new RequestState(method, url, null, body));

/** The header list of a request's state. The host keeps that of the incoming request until it is wanted. */
export const flatOf = (state) => (state.headers === null ? (state.flat ??= native.requestHeaders()) : headerListOf(state.headers));

/** The signal, made when first asked for: a dependent of what the request was made with. */
export function signalOf(state) {
  return (state.signal ??= state.source === null ? newSignal() : dependentSignal(state.source));
}

function stateFromUrl(input) {
  const text = toUSVString(input);
  const parts = native.urlParse(text, undefined);
  if (parts === null) {
    const hint = text.startsWith("/") ? ": there is no base here, so write the whole URL" : "";
    throw new TypeError(`Request: invalid URL ${JSON.stringify(text)}${hint}`);
  }
  if (parts[2] !== "" || parts[3] !== "") throw new TypeError("Request: the URL carries a user name or a password; use an Authorization header");
  const state = new RequestState("GET", parts[0], [], null);
  state.guard = MUTABLE;
  return state;
}

function stateFromRequest(from) {
  const state = new RequestState(from.method, from.url, flatOf(from).slice(), null);
  state.guard = MUTABLE;
  state.source = [signalOf(from)];
  state.options = from.options;
  return state;
}

const standardMethods = { __proto__: null };
for (const method of ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"]) {
  standardMethods[method] = method;
  standardMethods[method.toLowerCase()] = method;
}
const token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

function normalizeMethod(value) {
  const method = `${value}`;
  if (standardMethods[method] !== undefined) return standardMethods[method];
  if (!token.test(method)) throw new TypeError(`Request: ${JSON.stringify(method)} is not a valid method`);
  const upper = method.toUpperCase();
  if (upper === "CONNECT" || upper === "TRACE" || upper === "TRACK") throw new TypeError(`Request: the method ${upper} is not allowed`);
  // Other methods keep their case: only these six are the same in any.
  return standardMethods[upper] ?? method;
}

const enums = {
  cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
  credentials: ["omit", "same-origin", "include"],
  mode: ["navigate", "same-origin", "no-cors", "cors"],
  redirect: ["follow", "error", "manual"],
  referrerPolicy: [
    "",
    "no-referrer",
    "no-referrer-when-downgrade",
    "same-origin",
    "origin",
    "strict-origin",
    "origin-when-cross-origin",
    "strict-origin-when-cross-origin",
    "unsafe-url",
  ],
};
const enumNames = Object.keys(enums);

function applyInit(s, init, from) {
  let body = null;
  if (init !== undefined) {
    applyOptions(s, init);
    if (init.method !== undefined) s.method = normalizeMethod(init.method);
    const signal = init.signal;
    if (signal !== undefined) {
      if (signal !== null && !isAbortSignal(signal)) throw new TypeError("Request: the signal is not an AbortSignal");
      s.source = signal === null ? null : [signal];
    }
    if (init.headers !== undefined) s.flat = listFromInit(init.headers);
    if (init.duplex !== undefined) toEnum(init.duplex, ["half"], "Request: duplex");
    if (init.body !== undefined) body = init.body;
  }
  const fromBody = from === null ? null : from.body;
  if ((body !== null || fromBody !== null) && (s.method === "GET" || s.method === "HEAD")) {
    throw new TypeError(`Request: a request with method ${s.method} cannot have a body`);
  }
  if (body !== null) {
    s.body = extractBody(body);
    if (extractedType !== null && !listHas(s.flat, "content-type")) s.flat.push("content-type", extractedType);
    return;
  }
  if (fromBody === null) return;
  if (isBodyUnusable(from)) throw new TypeError("Request: the body of the given request was read already, or its stream is locked");
  s.body = takeBody(from);
}

function applyOptions(s, init) {
  let options = null;
  for (const name of enumNames) {
    const value = init[name];
    if (value !== undefined) (options ??= { ...s.options })[name] = toEnum(value, enums[name], `Request: ${name}`);
  }
  if (options?.mode === "navigate") throw new TypeError('Request: the mode "navigate" is not allowed');
  if (init.integrity !== undefined) (options ??= { ...s.options }).integrity = `${init.integrity}`;
  if (init.keepalive !== undefined) (options ??= { ...s.options }).keepalive = !!init.keepalive;
  if (init.referrer !== undefined) {
    const referrer = toUSVString(init.referrer);
    const parts = referrer === "" ? undefined : native.urlParse(referrer, undefined);
    if (parts === null) throw new TypeError(`Request: invalid referrer ${JSON.stringify(referrer)}`);
    (options ??= { ...s.options }).referrer = parts === undefined ? "" : parts[0];
  }
  if (init.window !== undefined && init.window !== null) throw new TypeError("Request: window must be null");
  if (options !== null) s.options = options;
}
