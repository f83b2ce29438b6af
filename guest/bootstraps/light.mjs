// Light `Request`, `Response` and `Headers` for functions that answer fetch-style calls. Node's own
// cost some 20 µs a call and 20 ms to load; these hold strings and bytes as they are, and make Node's
// own object, once, when asked for what only that can do: body streams, forms, blobs, signals.
// What is invalid goes to Node's own too, so that the error is Node's.
import { formatWithOptions, inspect } from "node:util";

const NAMES = ["Request", "Response", "Headers"];
const originals = NAMES.map((name) => [name, Object.getOwnPropertyDescriptor(globalThis, name)]);
const originalFetch = globalThis.fetch;
let loaded;

/** Node's own classes. */
function natives() {
  if (loaded === undefined) {
    loaded = {};
    for (const [name, { get, value }] of originals) {
      const present = Object.getOwnPropertyDescriptor(globalThis, name);
      loaded[name] = get === undefined ? value : get.call(globalThis);
      // Node's getter overwrites the global with what it loaded.
      Object.defineProperty(globalThis, name, present);
    }
  }
  return loaded;
}

// State is under symbols, not in private fields: functions here reach into all classes, and it has to
// be found through the Proxy that some frameworks put around a Request.
const LIST = Symbol("list"); // of Headers: Map of name -> value, or -> array of values for set-cookie
const FIXED = Symbol("fixed"); // of Headers: they refuse changes
// Of Request and Response: what they show (method and url, or status and statusText) and
//   headers: Headers, or null until somebody asks for them
//   pairs: what to make those Headers from, known to be valid, or null
//   source: the body, which is null, a string, a Buffer, or a Body of the bootstrap
//   used: whether that was read or given away
//   native: Node's own object, or null; once it is there, it has the body
const STATE = Symbol("state");

const TRUSTED = Symbol("trusted"); // as first argument of a constructor: the second is the state
const TEXT = "text/plain;charset=UTF-8";

const own = (Class, value) => Object.prototype.isPrototypeOf.call(Class.prototype, value);
const stateOf = (Class, value) => (own(Class, value) ? value[STATE] : undefined);
const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";
const unusable = () => new TypeError("Body is unusable: Body has already been read");

function atLeast(needed, given) {
  if (given.length < needed) throw new TypeError(`${needed} argument${needed > 1 ? "s" : ""} required, but only ${given.length} present.`);
}

// ---- Headers

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const PLAIN = /^(?:[!-~](?:[ -~]*[!-~])?)?$/;

function nameOf(name) {
  if (typeof name !== "string" || !TOKEN.test(name)) new (natives().Headers)().has(name);
  return `${name}`.toLowerCase();
}

function valueOf(value) {
  const text = `${value}`;
  return PLAIN.test(text) ? text : new (natives().Headers)([["x", text]]).get("x");
}

function put(list, name, value) {
  const before = list.get(name);
  if (before === undefined) list.set(name, name === "set-cookie" ? [value] : value);
  else if (name === "set-cookie") before.push(value);
  // HTTP/2 splits cookies, and it is with this that they go together again.
  else list.set(name, `${before}${name === "cookie" ? "; " : ", "}${value}`);
}

function listed(init) {
  if (init === undefined) return new Map();
  if (!isObject(init)) new (natives().Headers)(init);
  const list = new Map();
  if (init[LIST] !== undefined) {
    for (const [name, value] of pairsOf(init[LIST])) put(list, name, value);
  } else if ((init[Symbol.iterator] ?? null) === null) {
    for (const name of Object.keys(init)) put(list, nameOf(name), valueOf(init[name]));
  } else {
    for (const pair of init) {
      const both = isObject(pair) ? [...pair] : [];
      if (both.length !== 2) new (natives().Headers)([both]);
      put(list, nameOf(both[0]), valueOf(both[1]));
    }
  }
  return list;
}

function pairsOf(list) {
  const pairs = [];
  for (const [name, value] of list) {
    if (typeof value === "string") pairs.push([name, value]);
    else for (const cookie of value) pairs.push([name, cookie]);
  }
  return pairs;
}

const sorted = (headers) => pairsOf(headers[LIST]).sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0));

function changeable(headers) {
  if (headers[FIXED]) throw new TypeError("immutable");
  return headers[LIST];
}

class Headers {
  constructor(init = undefined) {
    this[LIST] = listed(init);
    this[FIXED] = false;
  }
  append(name, value) {
    atLeast(2, arguments);
    put(changeable(this), nameOf(name), valueOf(value));
  }
  delete(name) {
    atLeast(1, arguments);
    changeable(this).delete(nameOf(name));
  }
  get(name) {
    atLeast(1, arguments);
    const value = this[LIST].get(nameOf(name)) ?? null;
    return Array.isArray(value) ? value.join(", ") : value;
  }
  has(name) {
    atLeast(1, arguments);
    return this[LIST].has(nameOf(name));
  }
  set(name, value) {
    atLeast(2, arguments);
    const [key, text] = [nameOf(name), valueOf(value)];
    changeable(this).set(key, key === "set-cookie" ? [text] : text);
  }
  getSetCookie() {
    return [...(this[LIST].get("set-cookie") ?? [])];
  }
  keys() {
    return sorted(this).map(([name]) => name).values();
  }
  values() {
    return sorted(this).map(([, value]) => value).values();
  }
  entries() {
    return sorted(this).values();
  }
  forEach(callback, self) {
    if (typeof callback !== "function") throw new TypeError("Headers.forEach: the callback is not a function.");
    for (const [name, value] of sorted(this)) callback.call(self, value, name, this);
  }
}
Object.defineProperty(Headers.prototype, Symbol.iterator, { value: Headers.prototype.entries, writable: true, configurable: true });

// ---- Bodies: what Request and Response have in common

const isBytes = (body) => ArrayBuffer.isView(body) || body instanceof ArrayBuffer;
const isStreamed = (source) => source !== null && typeof source !== "string" && !Buffer.isBuffer(source);

/** Makes `body`, neither null nor undefined, the body of a new message; `type` is what a string is. */
function give(state, body, type) {
  const { method, url, status } = state;
  if (status === 204 || status === 205 || status === 304) throw new TypeError(`Response constructor: Invalid response status code ${status}`);
  if (isBytes(body)) {
    // A copy, as whoever gave it may go on to write into theirs.
    state.source = Buffer.from(ArrayBuffer.isView(body) ? new Uint8Array(body.buffer, body.byteOffset, body.byteLength) : new Uint8Array(body));
  } else if (isObject(body)) {
    const { Request, Response } = natives();
    state.native = url === undefined ? new Response(body) : new Request(url, { method, body });
    typed(state, state.native.headers.get("content-type"));
  } else {
    // See `headersOf` for why this type needs none.
    if (type !== TEXT || state.headers !== null || state.pairs !== null) typed(state, type);
    state.source = `${body}`;
  }
}

function headersOf(state) {
  if (state.headers === null) {
    state.headers = new Headers();
    const list = state.headers[LIST];
    if (state.pairs !== null) for (const [name, value] of state.pairs) put(list, name, value);
    else if (typeof state.source === "string") list.set("content-type", TEXT);
  }
  return state.headers;
}

function typed(state, type) {
  const list = headersOf(state)[LIST];
  if (type !== null && !list.has("content-type")) list.set("content-type", type);
}

function take(state) {
  if (state.used) throw unusable();
  state.used = state.source !== null;
  return state.source;
}

/** The whole body, in a Buffer that nobody else has. */
async function read(state) {
  if (state.native !== null) return Buffer.from(await state.native.arrayBuffer());
  const source = take(state);
  return isStreamed(source) ? Buffer.concat(await source.all()) : Buffer.from(source ?? "");
}

async function readText(state) {
  const text = (await read(state)).toString();
  return text.charCodeAt(0) === 0xfeff ? text.slice(1) : text;
}

async function readBytes(state) {
  const bytes = await read(state);
  // A small Buffer is a part of Node's pool, which is not for the function to see.
  return bytes.length === bytes.buffer.byteLength ? new Uint8Array(bytes.buffer) : new Uint8Array(bytes);
}

/** Node's own object for a message, in which only the body counts. */
function nativeOf(state) {
  if (state.native === null) {
    const { Request, Response } = natives();
    const { method, url, status, statusText, source, used } = state;
    const body = used ? "" : isStreamed(source) ? source.stream() : source;
    if (status === 0) state.native = Response.error();
    else if (url === undefined) state.native = new Response(body, { status, statusText });
    else state.native = new Request(url, { method, body, duplex: "half" });
    // What was used here has to be used there.
    if (used) state.native.text();
  }
  return state.native;
}

/** Node's own object for a message, with the headers that the message has now. */
function synced(state) {
  const native = nativeOf(state);
  if (state.status === 0) return native;
  for (const name of [...native.headers.keys()]) native.headers.delete(name);
  for (const [name, value] of headersOf(state)) native.headers.append(name, value);
  return native;
}

/** `value`, or Node's own object for it if it is a light one. */
function unlit(Class, value) {
  const state = stateOf(Class, value);
  return state === undefined ? value : synced(state);
}

/** The state of a copy. */
function cloned(state) {
  const light = state.native === null && !isStreamed(state.source);
  if (light && state.used) throw unusable();
  const native = light ? null : nativeOf(state).clone();
  const headers = state.headers && new Headers(state.headers);
  if (headers !== null) headers[FIXED] = state.headers[FIXED];
  return { ...state, headers, native, source: isStreamed(state.source) ? null : state.source };
}

const content = {
  get headers() {
    return headersOf(this[STATE]);
  },
  get body() {
    const { native, source } = this[STATE];
    return native === null && source === null ? null : nativeOf(this[STATE]).body;
  },
  get bodyUsed() {
    return this[STATE].native?.bodyUsed ?? this[STATE].used;
  },
  text() {
    return readText(this[STATE]);
  },
  async json() {
    return JSON.parse(await readText(this[STATE]));
  },
  bytes() {
    return readBytes(this[STATE]);
  },
  async arrayBuffer() {
    return (await readBytes(this[STATE])).buffer;
  },
  async blob() {
    return synced(this[STATE]).blob();
  },
  async formData() {
    return synced(this[STATE]).formData();
  },
};

// ---- Request

const METHODS = new Map(["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS"].flatMap((name) => [[name, name], [name.toLowerCase(), name]]));
METHODS.set("PATCH", "PATCH"); // in lower case it is another method

// What a Request has that was made without these; one made with any of them is Node's own.
const DEFAULTS = {
  destination: "", referrer: "about:client", referrerPolicy: "", mode: "cors", credentials: "same-origin", cache: "default",
  redirect: "follow", integrity: "", keepalive: false, isReloadNavigation: false, isHistoryNavigation: false, duplex: "half",
};
const BEYOND = ["signal", "dispatcher", "window", "priority", ...Object.keys(DEFAULTS)];

function parsed(address) {
  try {
    return new URL(address);
  } catch {
    return null;
  }
}

/** The state of `new Request(input, init)`, or null where it takes Node's own. */
function understood(input, init) {
  const from = stateOf(Request, input);
  if (from !== undefined && (from.native !== null || from.used)) return null;
  const target = from === undefined && (typeof input === "string" || input instanceof URL) ? parsed(input) : null;
  if (from === undefined && (target === null || target.username !== "" || target.password !== "")) return null;
  init ??= {};
  if (!isObject(init)) return null;
  const like = stateOf(Request, init);
  if (like === undefined ? BEYOND.some((name) => init[name] !== undefined) : like.native !== null || like.source !== null) return null;
  const method = init.method === undefined ? from?.method ?? "GET" : METHODS.get(init.method);
  const body = init.body ?? null;
  const source = body === null ? from?.source ?? null : null;
  const bare = method === "GET" || method === "HEAD";
  if (method === undefined || (bare && (body !== null || source !== null))) return null;
  // A string's type has to stay when another body comes in its place.
  if (from !== undefined && body !== null) headersOf(from);
  const given = init.headers === undefined ? from?.headers ?? undefined : init.headers;
  const headers = given === undefined ? null : new Headers(given);
  const state = { method, url: from?.url ?? target.href, pairs: from?.pairs ?? null, headers, source, used: false, native: null };
  if (body !== null) give(state, body, TEXT);
  if (source !== null) from.used = true;
  return state;
}

function adopted(native) {
  const { method, url, headers } = native;
  return { method, url, pairs: null, headers: new Headers(headers), source: null, used: false, native };
}

class Request {
  constructor(input, init = undefined) {
    if (input === TRUSTED) this[STATE] = init;
    else this[STATE] = understood(input, init) ?? adopted(new (natives().Request)(unlit(Request, input), init));
  }
  get method() {
    return this[STATE].method;
  }
  get url() {
    return this[STATE].url;
  }
  get signal() {
    return nativeOf(this[STATE]).signal;
  }
  clone() {
    return new Request(TRUSTED, cloned(this[STATE]));
  }
}

// ---- Response

function described(init) {
  const state = { status: 200, statusText: "", pairs: null, headers: null, source: null, used: false, native: null };
  if (init === undefined || init === null) return state;
  if (!isObject(init)) new (natives().Response)(null, init);
  const { status, statusText, headers } = init;
  if (Number.isInteger(status) && status >= 200 && status <= 599) state.status = status;
  else if (status !== undefined) state.status = new (natives().Response)(null, { status }).status;
  if (typeof statusText === "string" && PLAIN.test(statusText)) state.statusText = statusText;
  else if (statusText !== undefined) state.statusText = new (natives().Response)(null, { statusText }).statusText;
  if (headers !== undefined) state.headers = new Headers(headers);
  return state;
}

class Response {
  constructor(body = null, init = undefined) {
    this[STATE] = body === TRUSTED ? init : described(init);
    if (body !== null && body !== TRUSTED) give(this[STATE], body, TEXT);
  }
  get type() {
    return this[STATE].status === 0 ? "error" : "default";
  }
  get status() {
    return this[STATE].status;
  }
  get ok() {
    return this[STATE].status >= 200 && this[STATE].status <= 299;
  }
  get statusText() {
    return this[STATE].statusText;
  }
  clone() {
    return new Response(TRUSTED, cloned(this[STATE]));
  }
  static error() {
    const state = described();
    state.status = 0;
    headersOf(state)[FIXED] = true;
    return new Response(TRUSTED, state);
  }
  static json(data, init) {
    atLeast(1, arguments);
    const text = JSON.stringify(data);
    if (text === undefined) throw new TypeError("Value is not JSON serializable");
    const state = described(init);
    give(state, text, "application/json");
    return new Response(TRUSTED, state);
  }
  static redirect(url, status = 302) {
    const location = [301, 302, 303, 307, 308].includes(status) ? parsed(url)?.href : undefined;
    const made = location === undefined ? natives().Response.redirect(url, status) : { status, headers: { location } };
    const state = described(made);
    state.headers[FIXED] = true;
    return new Response(TRUSTED, state);
  }
}

// ---- The globals

const classes = { Request, Response, Headers };
const CONSTANT = { Request: DEFAULTS, Response: { url: "", redirected: false }, Headers: {} };
const SHOWN = { Request: ["method", "url", "headers", "bodyUsed"], Response: ["status", "statusText", "headers", "bodyUsed", "type"] };

for (const [name, Class] of Object.entries(classes)) {
  const { prototype } = Class;
  if (Class !== Headers) Object.defineProperties(prototype, Object.getOwnPropertyDescriptors(content));
  for (const [key, value] of Object.entries(CONSTANT[name])) {
    const get = function () {
      return this[STATE].native === null ? value : this[STATE].native[key];
    };
    Object.defineProperty(prototype, key, { get, configurable: true });
  }
  for (const key of Object.getOwnPropertyNames(prototype)) Object.defineProperty(prototype, key, { enumerable: key !== "constructor" });
  Object.defineProperty(prototype, Symbol.toStringTag, { value: name, configurable: true });
  prototype[inspect.custom] = function (depth, options) {
    if ((this[STATE] ?? this[LIST]) === undefined) return `${name} {}`;
    const shown = Class === Headers ? [...this[LIST]] : SHOWN[name].map((key) => [key, this[key]]);
    return `${this.constructor.name} ${formatWithOptions({ ...options, depth }, Object.fromEntries(shown))}`;
  };
  // Node's own objects are instances too, though not of a subclass.
  const value = function (value) {
    return own(this, value) || (this === Class && loaded !== undefined && value instanceof loaded[name]);
  };
  Object.defineProperty(Class, Symbol.hasInstance, { value });
}

/** Puts the light classes in the place of Node's own, and has what takes those take these too. */
export function install() {
  for (const name of NAMES) Object.defineProperty(globalThis, name, { value: classes[name], writable: true, enumerable: false, configurable: true });
  globalThis.fetch = async function fetch(input, init = undefined) {
    natives(); // so that the Response that comes of it is an instance
    return originalFetch(unlit(Request, input), init);
  };
  for (const name of ["compileStreaming", "instantiateStreaming"]) {
    const original = WebAssembly[name];
    WebAssembly[name] = async (source, ...more) => original(unlit(Response, await source), ...more);
  }
}

/**
 * A Request from what the host sent, all of it valid: `url` normalised, `headers` pairs with names in
 * lower case, `body` null (always with GET and HEAD) or a Body.
 */
export function incoming({ method, url, headers, body }) {
  return new Request(TRUSTED, { method, url, pairs: headers, headers: null, source: body, used: false, native: null });
}

/**
 * What to send of a Response, light or Node's own: `body` is null, a string, a Buffer, or the stream,
 * and counts as read from then on. Throws a TypeError if somebody read it before.
 */
export function outgoing(response) {
  const state = response[STATE];
  if (state?.native === null) {
    const plain = typeof state.source === "string" ? [["content-type", TEXT]] : [];
    return { status: state.status, headers: state.headers === null ? plain : pairsOf(state.headers[LIST]), body: take(state) };
  }
  const { status, headers, body, bodyUsed } = response;
  if (bodyUsed || body?.locked) throw unusable();
  return { status, headers: [...headers], body };
}
