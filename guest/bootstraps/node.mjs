// What runs inside a `nodejs` sandbox: loads the function and runs it for each call that the host
// sends over descriptor 3. Node 18 and newer.
//
// A frame is: length of the rest (4 bytes, little-endian), kind (1 byte), number of the call (4 bytes),
// payload. The host has the same table in crates/runtime-process/src/frames.rs.
import { Socket } from "node:net";
import { existsSync } from "node:fs";
import { inspect, format } from "node:util";
import { pathToFileURL } from "node:url";
import { join } from "node:path";

const LOAD = 1, CALL = 2, DATA = 3, END = 4;
const READY = 16, REFUSED = 17, HEAD = 18, PIECE = 19, FINISH = 20, RESULT = 21, FAULT = 22, LOG = 23, DONE = 24;

const socket = new Socket({ fd: 3, readable: true, writable: true });
const calls = new Map(); // number -> {head, pieces, controller, ended}
let run;
let current = 0;

function send(kind, call, payload = "") {
  const body = typeof payload === "string" ? Buffer.from(payload) : payload;
  const head = Buffer.allocUnsafe(9);
  head.writeUInt32LE(5 + body.length, 0);
  head[4] = kind;
  head.writeUInt32LE(call, 5);
  socket.cork();
  socket.write(head);
  const room = socket.write(body);
  socket.uncork();
  return room;
}

const drained = () => new Promise((resolve) => socket.once("drain", resolve));

for (const [method, level] of [["debug", "debug"], ["log", "info"], ["info", "info"], ["warn", "warn"], ["error", "error"], ["trace", "error"]]) {
  console[method] = (...values) => send(LOG, current, JSON.stringify({ level, message: format(...values) }));
}

function described(error) {
  if (error instanceof Error) {
    return { name: error.name ?? "Error", message: String(error.message), stack: inspect(error) };
  }
  return { name: "Error", message: typeof error === "string" ? error : inspect(error), stack: "" };
}

process.on("uncaughtException", (error) => {
  send(FAULT, current, JSON.stringify({ crash: true, ...described(error) }));
  socket.end(() => process.exit(1));
});

async function load({ directory, entry, handler, environment }) {
  Object.assign(process.env, environment);
  process.chdir(directory);
  const file = join(directory, entry);
  if (!existsSync(file)) throw new Error(`there is no file ${entry}`);
  const loaded = await import(pathToFileURL(file));
  const found = (name) => loaded[name] ?? loaded.default?.[name];
  if (handler !== "" && handler !== "default") {
    const value = found(handler);
    if (typeof value === "function") return { style: "event", run: eventRunner(value) };
    if (typeof value?.fetch === "function") return { style: "fetch", run: fetchRunner(value) };
    throw new Error(`${entry} exports no handler \`${handler}\` (it exports ${Object.keys(loaded).join(", ") || "nothing"})`);
  }
  const app = typeof loaded.default?.fetch === "function" ? loaded.default : loaded.default?.default;
  if (typeof app?.fetch === "function") return { style: "fetch", run: fetchRunner(app) };
  const value = found("handler");
  if (typeof value === "function") return { style: "event", run: eventRunner(value) };
  throw new Error(`${entry} exports no handler: write \`export default { async fetch(request, env, ctx) { … } }\` or \`export async function handler(event, context) { … }\``);
}

function eventRunner(handler) {
  return async (call, { context }, body) => {
    const event = JSON.parse(Buffer.concat(await body.all()).toString());
    const result = await new Promise((resolve, reject) => {
      const done = (error, value) => (error ? reject(error) : resolve(value));
      const given = {
        ...context,
        callbackWaitsForEmptyEventLoop: true,
        getRemainingTimeInMillis: () => Math.max(0, context.deadlineMs - Date.now()),
        done,
        succeed: (value) => done(null, value),
        fail: (error) => done(error ?? new Error("the handler failed")),
      };
      delete given.deadlineMs;
      const returned = handler(event, given, done);
      if (typeof returned?.then === "function") returned.then(resolve, reject);
      // One that takes a callback answers by it, whatever else it returns.
      else if (handler.length < 3) resolve(returned);
    });
    send(RESULT, call, JSON.stringify(result) ?? "null");
  };
}

function fetchRunner(app) {
  return async (call, { method, url, headers }, body) => {
    const waiting = [];
    const ctx = { waitUntil: (promise) => void waiting.push(Promise.resolve(promise)), passThroughOnException() {} };
    const bodied = method !== "GET" && method !== "HEAD" && !body.empty;
    const request = new Request(url, { method, headers, ...(bodied && { body: body.stream(), duplex: "half" }) });
    const response = await app.fetch(request, process.env, ctx);
    if (!(response instanceof Response)) {
      const error = new TypeError(`the handler returned ${response === undefined ? "undefined" : inspect(response)}, not a Response`);
      error.invalid = true;
      throw error;
    }
    const pairs = [];
    for (const [name, value] of response.headers) if (name !== "set-cookie") pairs.push([name, value]);
    for (const cookie of response.headers.getSetCookie?.() ?? []) pairs.push(["set-cookie", cookie]);
    send(HEAD, call, JSON.stringify({ status: response.status, headers: pairs }));
    if (response.body !== null) {
      for await (const piece of response.body) {
        const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
        for (let at = 0; at < bytes.length; at += 1 << 20) {
          if (!send(PIECE, call, bytes.subarray(at, at + (1 << 20)))) await drained();
        }
      }
    }
    send(FINISH, call);
    for (const settled of await Promise.allSettled(waiting)) {
      if (settled.status === "rejected") console.error("a promise given to waitUntil was rejected:", settled.reason);
    }
  };
}

/** The body of a call, as its pieces come. */
class Body {
  pieces = [];
  ended = false;
  wake = () => {};
  constructor(empty) {
    this.empty = empty;
  }
  push(piece) {
    if (piece === null) this.ended = true;
    else this.pieces.push(piece);
    this.wake();
  }
  async next() {
    while (this.pieces.length === 0 && !this.ended) await new Promise((resolve) => (this.wake = resolve));
    return this.pieces.shift() ?? null;
  }
  async all() {
    const all = [];
    for (let piece; (piece = await this.next()) !== null; ) all.push(piece);
    return all;
  }
  stream() {
    return new ReadableStream({
      pull: async (controller) => {
        const piece = await this.next();
        if (piece === null) controller.close();
        else controller.enqueue(new Uint8Array(piece));
      },
    });
  }
}

async function serve(number, meta, body) {
  current = number;
  const before = process.cpuUsage();
  try {
    await run(number, meta, body);
  } catch (error) {
    send(FAULT, number, JSON.stringify({ invalid: error?.invalid === true, ...described(error) }));
  }
  const { user, system } = process.cpuUsage(before);
  send(DONE, number, JSON.stringify({ cpu_us: user + system, memory: process.memoryUsage.rss() }));
  calls.delete(number);
}

function received(kind, call, payload) {
  switch (kind) {
    case LOAD:
      load(JSON.parse(payload.toString())).then(
        (loaded) => {
          run = loaded.run;
          send(READY, 0, JSON.stringify({ style: loaded.style }));
        },
        (error) => send(REFUSED, 0, JSON.stringify(described(error))),
      );
      break;
    case CALL: {
      const meta = JSON.parse(payload.toString());
      const body = new Body(meta.empty === true);
      calls.set(call, body);
      serve(call, meta, body);
      break;
    }
    case DATA:
      calls.get(call)?.push(payload);
      break;
    case END:
      calls.get(call)?.push(null);
      break;
  }
}

let rest = Buffer.alloc(0);
socket.on("data", (data) => {
  rest = rest.length === 0 ? data : Buffer.concat([rest, data]);
  while (rest.length >= 4) {
    const length = rest.readUInt32LE(0);
    if (rest.length < 4 + length) break;
    received(rest[4], rest.readUInt32LE(5), rest.subarray(9, 4 + length));
    rest = rest.subarray(4 + length);
  }
});
socket.on("close", () => process.exit(0));
