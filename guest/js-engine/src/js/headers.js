// A header list is one flat array: name, value, name, value... with names in lower case. The
// host gives and takes that form, and most lists are short enough that a scan beats a map.
import { native } from "./native.js";
import { isArray, objectKeys } from "./primordials.js";
import { defineInterface, definePairIterable, isObject, needArguments } from "./webidl.js";

export const MUTABLE = 0;
export const IMMUTABLE = 1;

const tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const badValue = /[\0\r\n\u0100-\uffff]/;
// The host checks a value twenty times faster, where it offers to.
const isValue = native.headerValueOk ?? ((string) => !badValue.test(string));
const outerSpace = /^[\t\n\r ]+|[\t\n\r ]+$/g;

// Names that need neither check nor lowering: the spellings people write most.
const known = { __proto__: null };
for (const name of [
  "accept",
  "accept-encoding",
  "accept-language",
  "access-control-allow-credentials",
  "access-control-allow-headers",
  "access-control-allow-methods",
  "access-control-allow-origin",
  "access-control-expose-headers",
  "access-control-max-age",
  "age",
  "allow",
  "authorization",
  "cache-control",
  "content-disposition",
  "content-encoding",
  "content-language",
  "content-length",
  "content-location",
  "content-range",
  "content-security-policy",
  "content-type",
  "cookie",
  "date",
  "etag",
  "expires",
  "forwarded",
  "host",
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-unmodified-since",
  "last-modified",
  "link",
  "location",
  "origin",
  "range",
  "referer",
  "referrer-policy",
  "retry-after",
  "server",
  "server-timing",
  "set-cookie",
  "strict-transport-security",
  "transfer-encoding",
  "user-agent",
  "vary",
  "via",
  "www-authenticate",
  "x-content-type-options",
  "x-forwarded-for",
  "x-forwarded-host",
  "x-forwarded-proto",
  "x-frame-options",
  "x-powered-by",
  "x-real-ip",
  "x-request-id",
]) {
  known[name] = name;
  known[name.replace(/(^|-)[a-z]/g, (match) => match.toUpperCase())] = name;
}
known["ETag"] = "etag";
known["WWW-Authenticate"] = "www-authenticate";

/** Checks a header's name and lowers it. */
export function normalizeName(name) {
  const string = typeof name === "string" ? name : `${name}`;
  const lower = known[string];
  if (lower !== undefined) return lower;
  if (!tokenPattern.test(string)) throw new TypeError(`Headers: ${JSON.stringify(string)} is not a valid header name`);
  return string.toLowerCase();
}

/** Checks a header's value and strips the white space around it. */
export function normalizeValue(value) {
  let string = typeof value === "string" ? value : `${value}`;
  // Whatever can be stripped is at most a space; control characters may stay.
  if (string.charCodeAt(0) <= 0x20 || string.charCodeAt(string.length - 1) <= 0x20) string = string.replace(outerSpace, "");
  if (!isValue(string)) throw new TypeError(`Headers: ${JSON.stringify(string)} is not a valid header value`);
  return string;
}

/** The combined value of a lower-case name in a flat list, or null. */
export function listGet(list, name) {
  let value = null;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) value = value === null ? list[i + 1] : `${value}, ${list[i + 1]}`;
  }
  return value;
}

export function listHas(list, name) {
  for (let i = 0; i < list.length; i += 2) if (list[i] === name) return true;
  return false;
}

function listSet(list, name, value) {
  let kept = 0;
  let found = false;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) {
      if (found) continue;
      found = true;
      list[kept] = name;
      list[kept + 1] = value;
    } else if (kept !== i) {
      list[kept] = list[i];
      list[kept + 1] = list[i + 1];
    }
    kept += 2;
  }
  list.length = kept;
  if (!found) {
    list[kept] = name;
    list[kept + 1] = value;
  }
}

function listDelete(list, name) {
  let kept = 0;
  for (let i = 0; i < list.length; i += 2) {
    if (list[i] === name) continue;
    list[kept] = list[i];
    list[kept + 1] = list[i + 1];
    kept += 2;
  }
  list.length = kept;
}

/** Fills a flat list from a HeadersInit: another Headers, pairs, or a record. */
export function listFromInit(init) {
  const list = [];
  if (isHeaders(init)) {
    const from = listOf(init);
    for (let i = 0; i < from.length; i++) list[i] = from[i];
    return list;
  }
  if (!isObject(init)) throw new TypeError("Headers: the argument must be a Headers, an object, or an array of pairs");
  const iterator = init[Symbol.iterator];
  if (iterator !== undefined && iterator !== null) {
    if (typeof iterator !== "function") throw new TypeError("Headers: the argument is not iterable");
    for (const item of init) {
      if (!isObject(item)) throw new TypeError("Headers: each item must be a pair of name and value");
      const pair = isArray(item) ? item : [...item];
      if (pair.length !== 2) throw new TypeError("Headers: each item must be a pair of name and value");
      const name = normalizeName(pair[0]);
      list.push(name, normalizeValue(pair[1]));
    }
    return list;
  }
  const keys = objectKeys(init);
  for (let i = 0; i < keys.length; i++) {
    const name = normalizeName(keys[i]);
    list[list.length] = name;
    list[list.length] = normalizeValue(init[keys[i]]);
  }
  return list;
}

const RAW = Symbol("raw");

let listOf;
let sortedOf;
export let isHeaders;

export class Headers {
  #list;
  #guard;
  #sorted = undefined;
  constructor(init, list, guard) {
    if (init === RAW) {
      this.#list = list;
      this.#guard = guard;
      return;
    }
    this.#guard = MUTABLE;
    this.#list = init === undefined ? [] : listFromInit(init);
  }
  #change() {
    if (this.#guard === IMMUTABLE) {
      throw new TypeError("Headers: these headers are immutable; make a copy with new Headers(headers) or new Response(body, response)");
    }
    this.#sorted = undefined;
    return this.#list;
  }
  append(name, value) {
    this.#list;
    needArguments(arguments.length, 2, "Headers.append");
    const key = normalizeName(name);
    const text = normalizeValue(value);
    const list = this.#change();
    list[list.length] = key;
    list[list.length] = text;
  }
  delete(name) {
    this.#list;
    needArguments(arguments.length, 1, "Headers.delete");
    const key = normalizeName(name);
    listDelete(this.#change(), key);
  }
  get(name) {
    const list = this.#list;
    if (name === undefined) needArguments(arguments.length, 1, "Headers.get");
    return listGet(list, normalizeName(name));
  }
  getSetCookie() {
    const list = this.#list;
    const cookies = [];
    for (let i = 0; i < list.length; i += 2) if (list[i] === "set-cookie") cookies.push(list[i + 1]);
    return cookies;
  }
  has(name) {
    const list = this.#list;
    if (name === undefined) needArguments(arguments.length, 1, "Headers.has");
    return listHas(list, normalizeName(name));
  }
  set(name, value) {
    this.#list;
    if (value === undefined) needArguments(arguments.length, 2, "Headers.set");
    const key = normalizeName(name);
    const text = normalizeValue(value);
    listSet(this.#change(), key, text);
  }
  static {
    isHeaders = (value) => typeof value === "object" && value !== null && #list in value;
    listOf = (headers) => headers.#list;
    sortedOf = (headers) => (headers.#sorted ??= sortAndCombine(headers.#list));
  }
}
defineInterface(Headers, "Headers", 0);
definePairIterable(Headers, "Headers", (headers) => sortedOf(headers));

/** A Headers over a list that is known to be valid. The list is shared, not copied. */
export const headersOver = (list, guard) => new Headers(RAW, list, guard);

export const headerListOf = (headers) => listOf(headers);

function sortAndCombine(list) {
  const names = [];
  const values = new Map();
  const cookies = [];
  for (let i = 0; i < list.length; i += 2) {
    const name = list[i];
    if (name === "set-cookie") {
      cookies.push([name, list[i + 1]]);
      continue;
    }
    const before = values.get(name);
    if (before === undefined) names.push(name);
    values.set(name, before === undefined ? list[i + 1] : `${before}, ${list[i + 1]}`);
  }
  if (cookies.length > 0) names.push("set-cookie");
  names.sort();
  const pairs = [];
  for (const name of names) {
    if (name === "set-cookie") pairs.push(...cookies);
    else pairs.push([name, values.get(name)]);
  }
  return pairs;
}
