// Loads the built prelude in a fresh context, with a host made of Node's own parts.
import { readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";
import vm from "node:vm";
import { randomFillSync } from "node:crypto";

const source = readFileSync(new URL("../prelude/prelude.js", import.meta.url), "utf8");
const script = new vm.Script(source, { filename: "prelude.js" });

const parts = (url) => [
  url.href, url.protocol, url.username, url.password, url.host, url.hostname, url.port, url.pathname, url.search, url.hash, url.origin,
];

/** The encodings of Node stand for the host's. */
export function makeNative(realm, state) {
  const bytes = (buffer) => new realm.Uint8Array(buffer);
  const raise = (error) => {
    throw new (realm[error.name] ?? realm.Error)(error.message);
  };
  return {
    utf8Encode: (text) => bytes(new TextEncoder().encode(text)),
    utf8Decode(data, fatal, ignoreBOM) {
      try {
        return new TextDecoder("utf-8", { fatal, ignoreBOM }).decode(data);
      } catch (error) {
        raise(error);
      }
    },
    latin1Encode: (text) => (/[^\x00-\xff]/.test(text) ? null : bytes(Buffer.from(text, "latin1"))),
    latin1Decode: (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("latin1"),
    base64Encode: (data) => Buffer.from(data.buffer, data.byteOffset, data.byteLength).toString("base64"),
    base64Decode(text) {
      try {
        return bytes(Buffer.from(atob(text), "latin1"));
      } catch {
        return null;
      }
    },
    urlParse(input, base) {
      try {
        return realm.Array.from(parts(new URL(input, base)));
      } catch {
        return null;
      }
    },
    urlSet(href, name, value) {
      const url = new URL(href);
      url[name] = value;
      return realm.Array.from(parts(url));
    },
    textLabel(label) {
      try {
        return new TextDecoder(label).encoding;
      } catch {
        return null;
      }
    },
    textDecode(label, data, fatal, ignoreBOM) {
      try {
        return new TextDecoder(label, { fatal, ignoreBOM }).decode(data);
      } catch (error) {
        raise(error);
      }
    },
    randomFill: (data) => void randomFillSync(data),
    requestHeaders: () => realm.Array.from(state.requestHeaders),
    phase: () => state.phase,
    now: () => performance.now(),
    timeOrigin: () => performance.timeOrigin,
    log: (level, message) => void state.logs.push([level, message]),
    call: () => raise(new Error("no such call")),
    op(name, meta, data) {
      const id = ++state.lastOp;
      state.ops.push({ id, name, meta: meta === "" ? undefined : JSON.parse(meta), data });
      state.live.add(id);
      state.host?.(id, name, meta === "" ? undefined : JSON.parse(meta), data);
      return id;
    },
    cancelOp(id) {
      state.live.delete(id);
      state.cancelled.push(id);
      clearTimeout(state.timers.get(id));
    },
    reply: (status, headers, body, streaming, statusText) => void (state.reply = { status, headers: [...headers], body, streaming, statusText }),
    replyEnd: () => void (state.ended = true),
    replyError: (message) => void (state.broken = message),
    fail: (code, message, stack) => void (state.failure = { code, message, stack }),
    replyEvent: (json) => void (state.event = json),
    failEvent: (type, message, trace) => void (state.eventFailure = { type, message, trace: JSON.parse(trace) }),
    invocationDone: () => void state.done++,
  };
}

/** {realm, hooks, state, run, settle}: `run(source)` evaluates in the context. */
export function load() {
  const realm = vm.createContext({});
  const own = vm.runInContext("({ Uint8Array, Array, Error, TypeError, RangeError })", realm);
  const state = {
    phase: 1, logs: [], ops: [], live: new Set(), cancelled: [], timers: new Map(), lastOp: 0, done: 0,
    reply: undefined, ended: false, broken: undefined, failure: undefined, event: undefined, eventFailure: undefined,
    written: [], incoming: [], requestHeaders: [], responses: new Map(), bodies: new Map(), uploads: new Map(),
  };
  // The engine has ArrayBuffer.prototype.transfer, and Node 20 does not.
  if (ArrayBuffer.prototype.transfer === undefined) {
    realm.detach = (buffer) => void structuredClone(buffer, { transfer: [buffer] });
    vm.runInContext(
      `{ const { detach } = globalThis; delete globalThis.detach;
         Object.defineProperty(ArrayBuffer.prototype, "transfer", { configurable: true, writable: true, value() { const copy = this.slice(0); detach(this); return copy; } }); }`,
      realm,
    );
  }
  realm.__mayfly_native = makeNative(own, state);
  script.runInContext(realm);
  const hooks = realm.__mayfly_prelude.hooks;
  vm.runInContext("delete globalThis.__mayfly_prelude", realm);
  hooks.begin(1, 2, 3, 4);
  const settle = (id, ok, meta, data) => {
    if (!state.live.delete(id)) return;
    hooks.settle(id, ok, meta === undefined ? "" : JSON.stringify(meta), data === undefined || data === null ? null : new own.Uint8Array(data));
  };
  // A host that does what the real one does, as far as tests look at it.
  state.host = (id, name, meta, data) => {
    const later = (action) => setImmediate(action);
    switch (name) {
      case "timer":
        state.timers.set(id, setTimeout(() => settle(id, true), meta.ms));
        break;
      case "reply_write":
        state.written.push(Buffer.from(data));
        later(() => (state.clientGone ? settle(id, false, { name: "Error", message: "the client has left" }) : settle(id, true)));
        break;
      case "body_read": {
        const chunks = meta.rid === 0 ? state.incoming : (state.bodies.get(meta.rid) ?? []);
        if (chunks === "never") break;
        later(() => settle(id, true, undefined, chunks.length > 0 ? chunks.shift() : null));
        break;
      }
      case "fetch":
      case "fetch_open": {
        if (name === "fetch_open") {
          const rid = 100 + id;
          state.uploads.set(rid, { meta, chunks: [], closed: false });
          later(() => settle(id, true, { rid }));
          break;
        }
        const answer = state.responses.get(meta.url);
        if (answer === "never") break;
        later(() => {
          if (answer === undefined) settle(id, false, { name: "Error", message: `no host for ${meta.url}` });
          else settle(id, true, answer(meta, data));
        });
        break;
      }
      case "fetch_write":
        state.uploads.get(meta.rid).chunks.push(Buffer.from(data));
        later(() => settle(id, true));
        break;
      case "fetch_close":
        state.uploads.get(meta.rid).closed = true;
        later(() => settle(id, true));
        break;
      case "fetch_head": {
        const upload = state.uploads.get(meta.rid);
        const wait = () => !state.live.has(id) || (upload.closed ? settle(id, true, state.responses.get(upload.meta.url)(upload.meta, Buffer.concat(upload.chunks))) : setImmediate(wait));
        wait();
        break;
      }
      default:
        later(() => settle(id, true));
    }
  };
  return { realm, hooks, state, settle, run: (text) => vm.runInContext(text, realm) };
}

/** What an async function expression gives, as JSON-able data, or what it throws. */
export async function outcome(evaluate, text) {
  try {
    const value = await evaluate(`(${text})`)();
    return { value: plain(value) };
  } catch (error) {
    return { threw: error?.name ?? String(error) };
  }
}

function plain(value) {
  if (value === undefined) return "undefined";
  if (typeof value === "bigint" || typeof value === "symbol") return String(value);
  return JSON.parse(JSON.stringify(value, (key, item) => (item === undefined ? "undefined" : typeof item === "bigint" ? `${item}n` : Object.is(item, -0) ? "-0" : item)));
}

export const tick = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

export async function until(condition, what = "the condition") {
  for (let i = 0; i < 2000; i++) {
    if (condition()) return;
    await new Promise((resolve) => setImmediate(resolve));
  }
  throw new Error(`${what} did not come true`);
}
