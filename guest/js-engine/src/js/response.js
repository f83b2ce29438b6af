import { bodyStream, cloneBody, defineBody, extractBody, extractedType, isBodyUnusable, isBodyUsed, textType } from "./body.js";
import { IMMUTABLE, MUTABLE, headerListOf, headersOver, listFromInit, listGet, listHas } from "./headers.js";
import { parseHref } from "./url.js";
import { jsonStringify } from "./primordials.js";
import { defineInterface, needArguments, setLengths, toByteString, toDictionary, toUSVString, toUnsigned } from "./webidl.js";

const FAST = Symbol("fast");

// Header lists that many responses share until somebody asks for their Headers.
const textFlat = Object.freeze(["content-type", textType]);
const jsonFlat = Object.freeze(["content-type", "application/json"]);
const noFlat = Object.freeze([]);

const reasonPhrase = /^[\t\x20-\x7e\x80-\xff]*$/;

/**
 * What a response is. Every request pays for each own property, so those that rarely differ from
 * their default live on the prototype until then.
 */
class ResponseState {
  constructor(status, statusText, flat, body) {
    this.status = status;
    this.statusText = statusText;
    this.flat = flat;
    this.body = body;
  }
}
Object.assign(ResponseState.prototype, { headers: null, guard: MUTABLE, used: false, spentStream: undefined, type: "default", url: "", redirected: false });

export let responseState;
export let stateIfResponse;
export const isResponse = (value) => stateIfResponse(value) !== undefined;

export class Response {
  #s;
  constructor(body, init, state) {
    if (body === FAST) {
      this.#s = state;
      return;
    }
    // The shortest way for what most handlers return.
    if (typeof body === "string" && init === undefined) {
      this.#s = new ResponseState(200, "", textFlat, body);
      return;
    }
    this.#s = build(body, init, extractBody, textFlat);
  }
  static error() {
    const state = new ResponseState(0, "", noFlat, null);
    state.type = "error";
    state.guard = IMMUTABLE;
    return new Response(FAST, undefined, state);
  }
  static redirect(url, status = 302) {
    needArguments(arguments.length, 1, "Response.redirect");
    const text = toUSVString(url);
    const href = parseHref(text);
    if (href === null) throw new TypeError(`Response.redirect: invalid URL ${JSON.stringify(text)}: write the whole URL, or set the Location header yourself`);
    const code = toUnsigned(status, 16);
    if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308) {
      throw new RangeError(`Response.redirect: ${code} is not a status of redirects`);
    }
    const state = new ResponseState(code, "", ["location", href], null);
    state.guard = IMMUTABLE;
    return new Response(FAST, undefined, state);
  }
  static json(data, init = undefined) {
    const text = jsonStringify(data);
    if (text === undefined) throw new TypeError("Response.json: the value has no JSON form");
    const state = init === undefined ? new ResponseState(200, "", jsonFlat, text) : build(text, init, undefined, jsonFlat);
    return new Response(FAST, undefined, state);
  }
  get type() {
    return this.#s.type;
  }
  get url() {
    return this.#s.url;
  }
  get redirected() {
    return this.#s.redirected;
  }
  get status() {
    return this.#s.status;
  }
  get ok() {
    const status = this.#s.status;
    return status >= 200 && status <= 299;
  }
  get statusText() {
    return this.#s.statusText;
  }
  get headers() {
    const s = this.#s;
    return (s.headers ??= headersOver(s.flat.slice(), s.guard));
  }
  get body() {
    return bodyStream(this.#s);
  }
  get bodyUsed() {
    return isBodyUsed(this.#s);
  }
  clone() {
    const s = this.#s;
    if (isBodyUnusable(s)) throw new TypeError("Response.clone: the body was read already, or its stream is locked");
    const state = new ResponseState(s.status, s.statusText, flatOf(s).slice(), cloneBody(s));
    state.guard = s.guard;
    state.type = s.type;
    state.url = s.url;
    state.redirected = s.redirected;
    return new Response(FAST, undefined, state);
  }
  static {
    responseState = (response) => response.#s;
    stateIfResponse = (value) => (typeof value === "object" && value !== null && #s in value ? value.#s : undefined);
  }
}
defineInterface(Response, "Response", 0);
setLengths(Response, { redirect: 1, json: 1 });
defineBody(Response, (response) => responseState(response), (state) => listGet(flatOf(state), "content-type"));

/** The header list of a response's state. */
export const flatOf = (state) => (state.headers === null ? state.flat : headerListOf(state.headers));

/** A response that the host fetched. */
export function fetchedResponse(status, statusText, flat, body, url, redirected) {
  const state = new ResponseState(status, statusText, flat, body);
  state.guard = IMMUTABLE;
  state.type = "basic";
  state.url = url;
  state.redirected = redirected;
  return new Response(FAST, undefined, state);
}

const isNullBodyStatus = (status) => status === 204 || status === 304 || status === 205 || status === 101 || status === 103;

/** The constructor's general case. `defaultFlat` is the list for a string body without other headers. */
function build(body, init, extract, defaultFlat) {
  let status = 200;
  let statusText = "";
  let list = null;
  let source = null;
  let type = null;
  if (typeof body === "string") {
    source = body;
    type = defaultFlat[1];
  } else if (body !== undefined && body !== null) {
    source = extract(body);
    type = extractedType;
  }
  if (init !== undefined && init !== null) {
    if (typeof init !== "object") toDictionary(init, "Response: the second argument");
    const headers = init.headers;
    const givenStatus = init.status;
    const givenText = init.statusText;
    if (givenStatus !== undefined) {
      status = toUnsigned(givenStatus, 16);
      if (status < 200 || status > 599) throw new RangeError(`Response: the status ${status} is not between 200 and 599`);
    }
    if (givenText !== undefined && givenText !== "") {
      statusText = toByteString(givenText, "Response: the status text");
      if (!reasonPhrase.test(statusText)) throw new TypeError("Response: the status text has a character that is not allowed");
    }
    if (headers !== undefined) list = listFromInit(headers);
  }
  if (source !== null && isNullBodyStatus(status)) throw new TypeError(`Response: a response with status ${status} cannot have a body`);
  if (list === null) {
    if (type === null) list = noFlat;
    else list = type === defaultFlat[1] ? defaultFlat : ["content-type", type];
  } else if (type !== null && !listHas(list, "content-type")) {
    list[list.length] = "content-type";
    list[list.length] = type;
  }
  return new ResponseState(status, statusText, list, source);
}
