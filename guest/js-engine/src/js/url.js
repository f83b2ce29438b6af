// URL parsing is the host's; this module holds the objects.
import { native } from "./native.js";
import { parseUrlencoded, serializeUrlencoded } from "./urlencoded.js";
import { defineInterface, definePairIterable, isObject, needArguments, setLengths, toUSVString } from "./webidl.js";

// Places in the array that the host returns.
const HREF = 0;
const PROTOCOL = 1;
const USERNAME = 2;
const PASSWORD = 3;
const HOST = 4;
const HOSTNAME = 5;
const PORT = 6;
const PATHNAME = 7;
const SEARCH = 8;
const HASH = 9;
const ORIGIN = 10;

let linkedParams;
let resetParams;
let updateQuery;

/** The href of what a string names, or null. */
export function parseHref(input) {
  const parts = native.urlParse(input, undefined);
  return parts === null ? null : parts[HREF];
}

function parse(url, base) {
  const input = toUSVString(url);
  return native.urlParse(input, base === undefined ? undefined : toUSVString(base));
}

function parseOrThrow(url, base) {
  const parts = parse(url, base);
  if (parts !== null) return parts;
  const error = new TypeError(base === undefined ? `Invalid URL: ${quote(url)}` : `Invalid URL: ${quote(url)} with base ${quote(base)}`);
  Object.defineProperty(error, "code", { value: "ERR_INVALID_URL", configurable: true, writable: true, enumerable: true });
  throw error;
}

function quote(value) {
  const text = `${value}`;
  return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
}

const PARSED = Symbol("parsed");

export class URL {
  #parts;
  #params = undefined;
  constructor(url, base = undefined) {
    if (url === PARSED) {
      this.#parts = base;
      return;
    }
    if (url === undefined) needArguments(arguments.length, 1, "URL");
    this.#parts = parseOrThrow(url, base);
  }
  static parse(url, base = undefined) {
    needArguments(arguments.length, 1, "URL.parse");
    const parts = parse(url, base);
    return parts === null ? null : new URL(PARSED, parts);
  }
  static canParse(url, base = undefined) {
    needArguments(arguments.length, 1, "URL.canParse");
    return parse(url, base) !== null;
  }
  #set(name, value) {
    const parts = native.urlSet(this.#parts[HREF], name, toUSVString(value));
    if (parts !== null) this.#parts = parts;
  }
  get href() {
    return this.#parts[HREF];
  }
  set href(value) {
    this.#parts;
    this.#parts = parseOrThrow(value, undefined);
    if (this.#params !== undefined) resetParams(this.#params, this.#parts[SEARCH]);
  }
  get origin() {
    return this.#parts[ORIGIN];
  }
  get protocol() {
    return this.#parts[PROTOCOL];
  }
  set protocol(value) {
    this.#set("protocol", value);
  }
  get username() {
    return this.#parts[USERNAME];
  }
  set username(value) {
    this.#set("username", value);
  }
  get password() {
    return this.#parts[PASSWORD];
  }
  set password(value) {
    this.#set("password", value);
  }
  get host() {
    return this.#parts[HOST];
  }
  set host(value) {
    this.#set("host", value);
  }
  get hostname() {
    return this.#parts[HOSTNAME];
  }
  set hostname(value) {
    this.#set("hostname", value);
  }
  get port() {
    return this.#parts[PORT];
  }
  set port(value) {
    this.#set("port", value);
  }
  get pathname() {
    return this.#parts[PATHNAME];
  }
  set pathname(value) {
    this.#set("pathname", value);
  }
  get search() {
    return this.#parts[SEARCH];
  }
  set search(value) {
    this.#set("search", value);
    if (this.#params !== undefined) resetParams(this.#params, this.#parts[SEARCH]);
  }
  get searchParams() {
    this.#parts;
    return (this.#params ??= linkedParams(this, this.#parts[SEARCH]));
  }
  get hash() {
    return this.#parts[HASH];
  }
  set hash(value) {
    this.#set("hash", value);
  }
  toString() {
    return this.#parts[HREF];
  }
  toJSON() {
    return this.#parts[HREF];
  }
  static {
    updateQuery = (url, query) => url.#set("search", query);
  }
}
defineInterface(URL, "URL", 1);
setLengths(URL, { parse: 1, canParse: 1 });

let pairsOf;

export class URLSearchParams {
  #pairs; // [[name, value], ...], or undefined while only #query is known
  #query = "";
  #url = undefined;
  constructor(init = "") {
    if (init === PARSED) return;
    if (isObject(init)) this.#pairs = pairsFromObject(init);
    else this.#query = withoutQuestionMark(toUSVString(init));
  }
  get #list() {
    return (this.#pairs ??= parseUrlencoded(this.#query));
  }
  #changed() {
    if (this.#url !== undefined) updateQuery(this.#url, serializeUrlencoded(this.#pairs));
  }
  get size() {
    return this.#list.length;
  }
  append(name, value) {
    const list = this.#list;
    needArguments(arguments.length, 2, "URLSearchParams.append");
    list.push([toUSVString(name), toUSVString(value)]);
    this.#changed();
  }
  delete(name, value = undefined) {
    const list = this.#list;
    needArguments(arguments.length, 1, "URLSearchParams.delete");
    const key = toUSVString(name);
    const wanted = value === undefined ? undefined : toUSVString(value);
    let kept = 0;
    for (const pair of list) {
      if (pair[0] !== key || (wanted !== undefined && pair[1] !== wanted)) list[kept++] = pair;
    }
    list.length = kept;
    this.#changed();
  }
  get(name) {
    const list = this.#list;
    needArguments(arguments.length, 1, "URLSearchParams.get");
    const key = toUSVString(name);
    for (let i = 0; i < list.length; i++) if (list[i][0] === key) return list[i][1];
    return null;
  }
  getAll(name) {
    const list = this.#list;
    needArguments(arguments.length, 1, "URLSearchParams.getAll");
    const key = toUSVString(name);
    return list.filter((pair) => pair[0] === key).map((pair) => pair[1]);
  }
  has(name, value = undefined) {
    const list = this.#list;
    needArguments(arguments.length, 1, "URLSearchParams.has");
    const key = toUSVString(name);
    const wanted = value === undefined ? undefined : toUSVString(value);
    return list.some((pair) => pair[0] === key && (wanted === undefined || pair[1] === wanted));
  }
  set(name, value) {
    const list = this.#list;
    needArguments(arguments.length, 2, "URLSearchParams.set");
    const key = toUSVString(name);
    const text = toUSVString(value);
    let kept = 0;
    let found = false;
    for (const pair of list) {
      if (pair[0] !== key) {
        list[kept++] = pair;
      } else if (!found) {
        found = true;
        list[kept++] = [key, text];
      }
    }
    list.length = kept;
    if (!found) list.push([key, text]);
    this.#changed();
  }
  sort() {
    this.#list.sort((a, b) => (a[0] < b[0] ? -1 : a[0] > b[0] ? 1 : 0));
    this.#changed();
  }
  toString() {
    return serializeUrlencoded(this.#list);
  }
  static {
    pairsOf = (params) => params.#list;
    linkedParams = (url, search) => {
      const params = new URLSearchParams(PARSED);
      params.#url = url;
      params.#query = withoutQuestionMark(search);
      return params;
    };
    resetParams = (params, search) => {
      params.#pairs = undefined;
      params.#query = withoutQuestionMark(search);
    };
  }
}
defineInterface(URLSearchParams, "URLSearchParams", 0);
setLengths(URLSearchParams.prototype, { delete: 1, has: 1 });
definePairIterable(URLSearchParams, "URLSearchParams", (params) => pairsOf(params));

export const isURLSearchParams = (value) => value instanceof URLSearchParams;
export const queryOf = (params) => serializeUrlencoded(pairsOf(params));

const withoutQuestionMark = (text) => (text.charCodeAt(0) === 0x3f ? text.slice(1) : text);

function pairsFromObject(init) {
  const method = init[Symbol.iterator];
  if (method !== undefined && method !== null) {
    if (typeof method !== "function") throw new TypeError("URLSearchParams: the argument is not iterable");
    const pairs = [];
    for (const item of init) {
      if (!isObject(item) || typeof item[Symbol.iterator] !== "function") {
        throw new TypeError("URLSearchParams: each item must be a pair of name and value");
      }
      const pair = [...item];
      if (pair.length !== 2) throw new TypeError("URLSearchParams: each item must be a pair of name and value");
      pairs.push([toUSVString(pair[0]), toUSVString(pair[1])]);
    }
    return pairs;
  }
  // Two keys may become the same string once lone surrogates are replaced: the later value wins.
  const record = new Map();
  for (const key of Reflect.ownKeys(init)) {
    const descriptor = Reflect.getOwnPropertyDescriptor(init, key);
    if (descriptor === undefined || !descriptor.enumerable) continue;
    record.set(toUSVString(key), toUSVString(init[key]));
  }
  return [...record];
}
