// What runs inside a `nodejs` sandbox: loads the function and runs it for each call that the host
// sends over descriptor 3. Node 18 and newer.
//
// A frame is: length of the rest (4 bytes, little-endian), kind (1 byte), number of the call (4 bytes),
// payload. The host has the same table in crates/runtime-process/src/frames.rs.
import { AsyncLocalStorage } from "node:async_hooks";
import { existsSync, readFileSync } from "node:fs";
import { Socket } from "node:net";
import { join } from "node:path";
import { Writable } from "node:stream";
import { pathToFileURL } from "node:url";
import { format, inspect } from "node:util";
import { incoming, install, outgoing } from "./light.mjs";

const LOAD = 1, CALL = 2, DATA = 3, END = 4, CREDIT = 5, EVENT = 6, ABORT = 7;
const READY = 16, REFUSED = 17, HEAD = 18, PIECE = 19, FINISH = 20, RESULT = 21, FAULT = 22, LOG = 23, DONE = 24, TAKEN = 25, ANSWER = 28, BOOTED = 29;

const LONGEST = 6 << 20; // of a result, in bytes
const SMALL = 256 << 10; // characters or bytes of a body that is sent with its head

const socket = new Socket({ fd: 3, readable: true, writable: true });
const calls = new Map(); // number -> Call
let ended = []; // those that ended in this turn of the loop
let run; // (call) => Promise
let context = {}; // what Lambda's context says of every call
let window = 1 << 20;

// Frames are gathered and sent once for each turn of the loop.
let out = Buffer.allocUnsafe(64 << 10), filled = 0, planned = false;

function flush() {
  planned = true; // whatever is added now is sent below
  if (ended.length > 0) settle();
  planned = false;
  write();
}

function write() {
  if (filled === 0) return;
  socket.write(out.subarray(0, filled));
  // Node may still hold what was written.
  out = Buffer.allocUnsafe(64 << 10);
  filled = 0;
}

function begin(kind, call, length) {
  if (filled + 9 + length > out.length) {
    write();
    if (9 + length > out.length) out = Buffer.allocUnsafe(9 + length);
  }
  out.writeUInt32LE(5 + length, filled);
  out[filled + 4] = kind;
  out.writeUInt32LE(call, filled + 5);
  filled += 9;
  plan();
}

function plan() {
  if (planned) return;
  planned = true;
  setImmediate(flush);
}

function send(kind, call, payload = "", encoding = "utf8") {
  if (typeof payload === "string") {
    begin(kind, call, Buffer.byteLength(payload, encoding));
    filled += out.write(payload, filled, encoding);
  } else {
    begin(kind, call, payload.length);
    out.set(payload, filled);
    filled += payload.length;
  }
}

function sendNumber(kind, call, number) {
  begin(kind, call, 4);
  filled = out.writeUInt32LE(number, filled);
}

// Which call a line of the log is of. Following that costs each promise something, so it begins with
// the first line that is written while several calls are under way.
const following = new AsyncLocalStorage();
let follows = false;

function current() {
  const call = following.getStore();
  if (call !== undefined) return call;
  if (calls.size > 1) follows = true;
  else for (const number of calls.keys()) return number;
  return 0;
}

const LEVELS = { debug: 0, log: 1, info: 1, warn: 2, error: 3, trace: 3 };
for (const [method, level] of Object.entries(LEVELS)) {
  console[method] = (...values) => send(LOG, current(), level + format(...values));
}

function described(error) {
  if (error instanceof Error) {
    // The function's own code is what its author can mend.
    const stack = inspect(error).split("\n").filter((line) => !/^\s+at .*\/var\/runtime\//.test(line));
    return { name: error.name ?? "Error", message: String(error.message), stack: stack.join("\n") };
  }
  return { name: "Error", message: typeof error === "string" ? error : inspect(error), stack: "" };
}

process.on("uncaughtException", (error) => {
  flush(); // what ended before is not its victim
  send(FAULT, current(), JSON.stringify({ crash: true, ...described(error) }));
  flush();
  socket.end(() => process.exit(1));
});
process.on("exit", flush);

/** The file that a directory's package.json names. */
function mainOf(directory) {
  const { main, exports } = JSON.parse(readFileSync(join(directory, "package.json"), "utf8"));
  const named = typeof exports === "string" ? exports : exports?.["."]?.import ?? exports?.["."]?.default ?? main;
  if (typeof named !== "string") throw new Error("package.json names no `main`: write it, or `handler` in mayfly.toml");
  return named;
}

async function load(wanted) {
  Object.assign(process.env, wanted.environment);
  process.env.LAMBDA_TASK_ROOT = wanted.directory;
  process.chdir(wanted.directory);
  context = wanted.context ?? {};
  window = wanted.window;
  const entry = wanted.entry === "package.json" ? mainOf(wanted.directory) : wanted.entry;
  const file = join(wanted.directory, entry);
  if (!existsSync(file)) throw new Error(`there is no file ${entry}`);
  let loaded;
  try {
    loaded = await import(pathToFileURL(file));
  } catch (error) {
    if (error?.code === "ERR_UNKNOWN_FILE_EXTENSION" && /\.[cm]?tsx?$/.test(file)) {
      throw new Error(`Node.js ${process.versions.node} does not run TypeScript (22.18 does): compile ${entry} first, or use a newer Node.js`);
    }
    throw error;
  }
  const handler = wanted.handler.slice(wanted.handler.lastIndexOf(".") + 1);
  const found = (name) => loaded[name] ?? loaded.default?.[name];
  if (handler !== "" && handler !== "default" && handler !== "fetch") {
    const value = found(handler);
    if (typeof value === "function") return { style: "event", run: eventRunner(value) };
    if (typeof value?.fetch === "function") return { style: "fetch", run: fetchRunner(value) };
    throw new Error(`${entry} exports no handler \`${handler}\` (it exports ${Object.keys(loaded).join(", ") || "nothing"})`);
  }
  const app = [loaded.default, loaded.default?.default, loaded].find((value) => typeof value?.fetch === "function");
  if (app !== undefined) return { style: "fetch", run: fetchRunner(app) };
  const value = found("handler");
  if (typeof value === "function") return { style: "event", run: eventRunner(value) };
  throw new Error(`${entry} exports no handler: write \`export default { async fetch(request, env, ctx) { … } }\` or \`export async function handler(event, context) { … }\``);
}

// --- Lambda's handlers ---

const STREAMS = Symbol("streams");

/** The stream that a handler of `streamifyResponse` writes its answer to. */
class ResponseStream extends Writable {
  constructor(call) {
    super({ highWaterMark: 64 << 10 });
    this.call = call;
    this.head = { statusCode: 200 };
    this.type = "application/octet-stream";
    this.begun = false;
  }
  setContentType(type) {
    this.type = type;
  }
  start() {
    if (this.begun) return;
    this.begun = true;
    const headers = Object.entries({ "content-type": this.type, ...lower(this.head.headers) });
    for (const cookie of this.head.cookies ?? []) headers.push(["set-cookie", cookie]);
    sendHead(this.call.number, this.head.statusCode ?? 200, headers);
  }
  _write(piece, encoding, done) {
    this.start();
    sendBody(this.call, piece).then(() => done(), done);
  }
  _final(done) {
    this.start();
    send(FINISH, this.call.number);
    done();
  }
}

function lower(headers) {
  return Object.fromEntries(Object.entries(headers ?? {}).map(([name, value]) => [name.toLowerCase(), value]));
}

globalThis.awslambda = {
  streamifyResponse(handler) {
    handler[STREAMS] = true;
    return handler;
  },
  HttpResponseStream: {
    from(stream, head) {
      stream.head = head ?? {};
      return stream;
    },
  },
};

function contextOf(id, deadline, attempt, finish) {
  return {
    ...context,
    awsRequestId: id,
    attempt,
    callbackWaitsForEmptyEventLoop: true,
    getRemainingTimeInMillis: () => Math.max(0, deadline - Date.now()),
    done: finish,
    succeed: (value) => finish(null, value),
    fail: (error) => finish(error ?? new Error("the handler failed")),
  };
}

function eventRunner(handler) {
  return async (call) => {
    const text = call.payload.toString();
    let at = 0;
    const line = () => {
      const end = text.indexOf("\n", at);
      const found = text.slice(at, end);
      at = end + 1;
      return found;
    };
    const id = line(), deadline = Number(line()), attempt = Number(line()), trace = line();
    if (trace !== "") process.env._X_AMZN_TRACE_ID = trace;
    const event = JSON.parse(text.slice(at));
    if (handler[STREAMS] === true) {
      const stream = new ResponseStream(call);
      const finished = new Promise((resolve, reject) => stream.once("finish", resolve).once("error", reject));
      await handler(event, stream, contextOf(id, deadline, attempt, () => {}));
      if (!stream.writableEnded) stream.end();
      return finished;
    }
    const result = await new Promise((resolve, reject) => {
      const done = (error, value) => (error ? reject(error) : resolve(value));
      const returned = handler(event, contextOf(id, deadline, attempt, done), done);
      if (typeof returned?.then === "function") returned.then(resolve, reject);
      // One that takes a callback answers by it, whatever else it returns.
      else if (handler.length < 3) resolve(returned);
    });
    let json;
    try {
      json = JSON.stringify(result) ?? "null";
    } catch (error) {
      throw Object.assign(new TypeError(`the result is no JSON: ${error.message}`), { invalid: true });
    }
    if (Buffer.byteLength(json) > LONGEST) {
      throw Object.assign(new RangeError(`the result is larger than ${LONGEST >> 20} MB`), { invalid: true });
    }
    send(RESULT, call.number, json);
  };
}

// --- handlers of requests ---

function sendHead(number, status, headers) {
  let text = String(status);
  for (const [name, value] of headers) text += `\n${name}\n${value}`;
  send(HEAD, number, text, "latin1");
}

/** Sends a piece of an answer, when the host has taken enough of those before. */
async function sendBody(call, piece) {
  const bytes = typeof piece === "string" ? Buffer.from(piece) : piece;
  for (let at = 0; at < bytes.length; ) {
    while (call.room <= 0) await new Promise((resolve) => (call.roomier = resolve));
    const part = bytes.subarray(at, at + Math.min(call.room, 256 << 10));
    call.room -= part.length;
    at += part.length;
    send(PIECE, call.number, part);
  }
}

/** Sends all that a call came to in one frame. */
function sendAnswer(call, cpu) {
  const { status, headers, body } = call.answer;
  let head = String(status);
  for (const [name, value] of headers) head += `\n${name}\n${value}`;
  const bytes = body === null ? 0 : typeof body === "string" ? Buffer.byteLength(body) : body.length;
  begin(ANSWER, call.number, 21 + head.length + bytes);
  sendCost(call, cpu);
  filled = out.writeUInt32LE(head.length, filled);
  filled += out.latin1Write(head, filled);
  if (typeof body === "string") filled += out.utf8Write(body, filled);
  else if (body !== null) {
    out.set(body, filled);
    filled += bytes;
  }
}

function headOf(payload) {
  const lines = payload.latin1Slice(0, payload.length).split("\n");
  const headers = [];
  for (let i = 2; i + 1 < lines.length; i += 2) headers.push([lines[i], lines[i + 1]]);
  return { bodied: lines[0][0] === "1", method: lines[0].slice(1), url: lines[1], headers };
}

function fetchRunner(app) {
  return async (call) => {
    const { bodied, method, url, headers } = headOf(call.payload);
    let waiting;
    const ctx = {
      waitUntil: (promise) => void (waiting ??= []).push(Promise.resolve(promise)),
      passThroughOnException() {},
    };
    const body = bodied && method !== "GET" && method !== "HEAD" ? call : null;
    const response = await app.fetch(incoming({ method, url, headers, body }), process.env, ctx);
    if (!(response instanceof Response)) {
      const what = response === undefined ? "undefined" : inspect(response);
      throw Object.assign(new TypeError(`the handler returned ${what}, not a Response`), { invalid: true });
    }
    const answer = outgoing(response);
    const whole = answer.body === null || typeof answer.body === "string" || answer.body instanceof Uint8Array;
    if (whole && waiting === undefined && (answer.body?.length ?? 0) <= SMALL) {
      call.answer = answer;
      return;
    }
    sendHead(call.number, answer.status, answer.headers);
    if (whole) await sendBody(call, answer.body ?? "");
    else for await (const piece of answer.body) await sendBody(call, piece);
    send(FINISH, call.number);
    if (waiting !== undefined) {
      for (const settled of await Promise.allSettled(waiting)) {
        if (settled.status === "rejected") console.error("a promise given to waitUntil was rejected:", settled.reason);
      }
    }
  };
}

/** A call, and its request's body as its pieces come. */
class Call {
  pieces = [];
  ended = false;
  error = null;
  wake = null;
  roomier = null;
  constructor(number, payload) {
    this.number = number;
    this.payload = payload;
    this.room = window;
    this.answer = null; // a whole one, with nothing to follow
    this.before = perCall;
    this.shared = false; // the process ran another call at the same time
  }
  push(piece) {
    this.pieces.push(piece);
    this.wake?.();
  }
  end(error = null) {
    this.ended = true;
    this.error = error;
    this.wake?.();
  }
  async next() {
    while (this.pieces.length === 0 && !this.ended) await new Promise((resolve) => (this.wake = resolve));
    const piece = this.pieces.shift();
    if (piece === undefined) {
      if (this.error !== null) throw this.error;
      return null;
    }
    sendNumber(TAKEN, this.number, piece.length);
    return piece;
  }
  async all() {
    const all = [];
    for (let piece; (piece = await this.next()) !== null; ) all.push(piece);
    return all;
  }
  stream() {
    return new ReadableStream({
      type: "bytes",
      pull: async (controller) => {
        const piece = await this.next();
        if (piece === null) {
          controller.close();
          controller.byobRequest?.respond(0);
        } else controller.enqueue(new Uint8Array(piece));
      },
    });
  }
}

// --- what calls cost ---

// Calls that share the process share its time too: `perCall` is what one would have used that ran all
// the time.
let cpu = 0, memory = 0, looked = 0, perCall = 0;

function look() {
  const { user, system } = process.cpuUsage();
  const running = Math.max(1, calls.size);
  perCall += (user + system - cpu) / running;
  cpu = user + system;
}

/** Tells what ended in this turn of the loop, and what it cost. */
function settle() {
  look();
  const now = performance.now();
  if (now - looked > 100) {
    looked = now;
    memory = process.memoryUsage.rss();
  }
  const all = ended;
  ended = [];
  for (const call of all) {
    calls.delete(call.number);
    const cpu = Math.max(0, Math.round(perCall - call.before));
    if (call.answer !== null) sendAnswer(call, cpu);
    else {
      begin(DONE, call.number, 17);
      sendCost(call, cpu);
    }
  }
}

function sendCost(call, cpu) {
  // Numbers of 8 bytes; what is above 32 bits is seldom there.
  filled = out.writeUInt32LE(cpu % 0x1_0000_0000, filled);
  filled = out.writeUInt32LE(Math.floor(cpu / 0x1_0000_0000), filled);
  filled = out.writeUInt32LE(memory % 0x1_0000_0000, filled);
  filled = out.writeUInt32LE(Math.floor(memory / 0x1_0000_0000), filled);
  filled = out.writeUInt8(call.shared ? 1 : 0, filled);
}

// Events run one after the other, as in Lambda; the host may send the next few before.
const events = [];
let serving = false;

async function serveEvents() {
  if (serving) return;
  serving = true;
  for (let event; (event = events.shift()) !== undefined; ) {
    // What the one before used is not this one's.
    if (ended.length > 0) settle();
    await serve(begun(...event));
  }
  serving = false;
}

/** A call that begins. */
function begun(number, payload) {
  const call = new Call(number, payload);
  if (calls.size > 0) {
    // Those before share the process's time from now on, unless they did already.
    if (calls.size === 1) for (const other of calls.values()) other.shared = true;
    call.shared = true;
  }
  calls.set(number, call);
  return call;
}

async function serve(call) {
  try {
    await (follows ? following.run(call.number, run, call) : run(call));
  } catch (error) {
    send(FAULT, call.number, JSON.stringify({ invalid: error?.invalid === true, ...described(error) }));
  }
  ended.push(call);
  plan();
}

function received(kind, number, payload) {
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
    case CALL:
      serve(begun(number, payload));
      break;
    case EVENT:
      events.push([number, payload]);
      serveEvents();
      break;
    case DATA:
      calls.get(number)?.push(payload);
      break;
    case END:
      calls.get(number)?.end();
      break;
    case ABORT:
      calls.get(number)?.end(new TypeError("the request's body broke off"));
      break;
    case CREDIT: {
      const call = calls.get(number);
      if (call === undefined) break;
      call.room += payload.readUInt32LE(0);
      call.roomier?.();
      break;
    }
  }
}

/** Loads and runs small functions of each kind before the first real one, which then finds it all done. */
async function warmUp() {
  for (const [file, payload] of [["./warm.cjs", "0\n0\n1\n\n{}"], ["./warm.mjs", "0GET\nhttp://localhost/\nhost\nlocalhost"]]) {
    const { default: loaded } = await import(file);
    const runner = typeof loaded.fetch === "function" ? fetchRunner(loaded) : eventRunner(loaded.handler);
    for (let i = 0; i < 3; i++) {
      const call = new Call(0, Buffer.from(payload));
      await runner(call);
      ended.push(call);
      settle();
      // Nobody shall hear of it.
      filled = 0;
    }
  }
}

install();
await warmUp();
let pieces = [], length = 0, wanted = 4;
socket.on("data", (data) => {
  pieces.push(data);
  length += data.length;
  if (length < wanted) return;
  const all = pieces.length === 1 ? data : Buffer.concat(pieces, length);
  let at = 0;
  wanted = 4;
  while (all.length - at >= 4) {
    const end = at + 4 + all.readUInt32LE(at);
    if (all.length < end) {
      wanted = end - at;
      break;
    }
    received(all[at + 4], all.readUInt32LE(at + 5), all.subarray(at + 9, end));
    at = end;
  }
  pieces = at === all.length ? [] : [all.subarray(at)];
  length = all.length - at;
});
socket.on("error", () => process.exit(0));
socket.on("close", () => process.exit(0));
send(BOOTED, 0);
