// The engine's side: hooks, replies, bodies that stream, failures.
import assert from "node:assert/strict";
import { test } from "node:test";
import { load, until } from "./harness.mjs";

/** Dispatches one request to a handler given as source text and waits until the invocation is done. */
async function serve(handler, { method = "GET", url = "http://app.example/path?q=1", headers = [], body = null, env = {}, chunks, prepare } = {}) {
  const all = load();
  const { run, hooks, state } = all;
  state.requestHeaders = headers;
  if (chunks !== undefined) state.incoming = chunks.map((chunk) => Buffer.from(chunk));
  prepare?.(all);
  const exported = run(`(${handler})`);
  const given = body instanceof Uint8Array ? run(`new Uint8Array([${[...body]}])`) : chunks !== undefined ? true : body;
  const fn = typeof exported === "function" ? exported : exported.fetch;
  hooks.dispatchFetch(fn, typeof exported === "function" ? undefined : exported, method, url, given, env);
  if (state.clientGone !== "early") await until(() => state.done > 0, "invocationDone");
  return { ...state, text: Buffer.concat(state.written).toString(), all };
}

test("a string body is replied as it is, in the same turn", () => {
  const { run, hooks, state } = load();
  hooks.dispatchFetch(run(`() => new Response("hi")`), undefined, "GET", "http://a/", null, {});
  assert.deepEqual(state.reply, { status: 200, headers: ["content-type", "text/plain;charset=UTF-8"], body: "hi", streaming: false, statusText: "" });
  assert.equal(state.done, 1);
  assert.equal(state.ops.length, 0);
});

test("an async handler replies, with its status and headers", async () => {
  const { reply, done } = await serve(`async () => new Response("no", { status: 404, statusText: "Nope", headers: [["X-A", "1"], ["Set-Cookie", "a"], ["Set-Cookie", "b"]] })`);
  assert.equal(reply.status, 404);
  assert.equal(reply.statusText, "Nope");
  assert.deepEqual(reply.headers, ["x-a", "1", "set-cookie", "a", "set-cookie", "b", "content-type", "text/plain;charset=UTF-8"]);
  assert.equal(done, 1);
});

test("headers changed after construction are what is sent, and others stay untouched", async () => {
  const { reply } = await serve(`() => { const r = new Response("x"); r.headers.set("content-type", "a/b"); r.headers.append("x", "y"); new Response("z"); return r }`);
  assert.deepEqual(reply.headers, ["content-type", "a/b", "x", "y"]);
  const again = await serve(`() => { new Response("x").headers.set("content-type", "a/b"); return new Response("z") }`);
  assert.deepEqual(again.reply.headers, ["content-type", "text/plain;charset=UTF-8"]);
});

test("bytes, blobs, forms and null are replied whole", async () => {
  assert.deepEqual([...(await serve(`() => new Response(new Uint8Array([1, 2]))`)).reply.body], [1, 2]);
  assert.deepEqual([...(await serve(`() => new Response(new Blob(["ab"], { type: "x/y" }))`)).reply.body], [97, 98]);
  assert.equal((await serve(`() => new Response(new URLSearchParams("a=1"))`)).reply.body, "a=1");
  const none = (await serve(`() => new Response(null, { status: 204 })`)).reply;
  assert.deepEqual([none.status, none.body, none.headers], [204, null, []]);
});

test("the handler sees its receiver, the environment and the context", async () => {
  const { reply } = await serve(`{ name: "me", fetch(request, env, ctx) { const { waitUntil } = ctx; waitUntil(1); ctx.passThroughOnException(); return Response.json([this.name, env.A, request.method, request.url, typeof ctx.waitUntil, request instanceof Request]) } }`, { env: { A: "b" }, method: "DELETE" });
  assert.deepEqual(JSON.parse(reply.body), ["me", "b", "DELETE", "http://app.example/path?q=1", "function", true]);
});

test("the incoming request's headers are lazy, combined and immutable", async () => {
  const { reply } = await serve(
    `(request) => { let threw; try { request.headers.set("a", "b") } catch (e) { threw = e.name } const copy = new Headers(request.headers); copy.set("new", "1"); return Response.json([request.headers.get("X-Two"), [...request.headers.keys()], threw, copy.get("new"), request.headers.has("nope")]) }`,
    { headers: ["host", "a", "x-two", "1", "x-two", "2"] },
  );
  assert.deepEqual(JSON.parse(reply.body), ["1, 2", ["host", "x-two"], "TypeError", "1", false]);
});

test("a body that the host gave at once is read without operations", async () => {
  const got = await serve(`async (r) => Response.json([await r.json(), r.bodyUsed, r.body !== null])`, { method: "POST", body: Buffer.from('{"a":1}') });
  assert.deepEqual(JSON.parse(got.reply.body), [{ a: 1 }, true, true]);
  assert.equal(got.ops.length, 0);
});

test("a streamed request body is read in chunks", async () => {
  const got = await serve(`async (r) => new Response(await r.text())`, { method: "POST", chunks: ["he", "llo", " wörld"] });
  assert.equal(got.reply.body, "hello wörld");
  const streamed = await serve(`async (r) => { let n = []; for await (const c of r.body) n.push(c.length); return Response.json(n) }`, { method: "POST", chunks: ["ab", "cde"] });
  assert.deepEqual(JSON.parse(streamed.reply.body), [2, 3]);
  const twice = await serve(`async (r) => { await r.text(); return new Response(await r.text().catch((e) => e.name)) }`, { method: "POST", chunks: ["x"] });
  assert.equal(twice.reply.body, "TypeError");
  const cloned = await serve(`async (r) => { const c = r.clone(); return Response.json([await r.text(), await c.text()]) }`, { method: "POST", chunks: ["x", "y"] });
  assert.deepEqual(JSON.parse(cloned.reply.body), ["xy", "xy"]);
  const form = await serve(`async (r) => Response.json([...await r.formData()])`, { method: "POST", chunks: ["a=1&", "b=2"], headers: ["content-type", "application/x-www-form-urlencoded"] });
  assert.deepEqual(JSON.parse(form.reply.body), [["a", "1"], ["b", "2"]]);
});

test("a request passed on to another Request keeps its streamed body", async () => {
  const { reply } = await serve(`async (r) => { const q = new Request("http://other.example/", r); return Response.json([q.method, q.headers.get("x-a"), await q.text(), r.bodyUsed]) }`, { method: "POST", headers: ["x-a", "1"], chunks: ["abc"] });
  assert.deepEqual(JSON.parse(reply.body), ["POST", "1", "abc", true]);
});

test("a stream is pumped in order, then ended", async () => {
  const got = await serve(`() => new Response(new ReadableStream({ async pull(c) { this.n = (this.n ?? 0) + 1; await null; if (this.n > 3) c.close(); else c.enqueue(new TextEncoder().encode("chunk" + this.n + ";")) } }))`);
  assert.deepEqual([got.reply.streaming, got.reply.body, got.text, got.ended, got.broken], [true, null, "chunk1;chunk2;chunk3;", true, undefined]);
});

test("a stream waits for the host to accept a chunk before it reads the next", async () => {
  const { run, hooks, state } = load();
  const host = state.host;
  const held = [];
  state.host = (id, name, meta, data) => (name === "reply_write" ? held.push(id) : host(id, name, meta, data));
  run(`var pulled = 0`);
  hooks.dispatchFetch(run(`() => new Response(new ReadableStream({ pull(c) { pulled++; c.enqueue(new Uint8Array([pulled])) } }, { highWaterMark: 0 }))`), undefined, "GET", "http://a/", null, {});
  await until(() => held.length === 1);
  for (let i = 0; i < 20; i++) await null;
  assert.equal(run("pulled"), 1);
  hooks.settle(held[0], true, "", null);
  await until(() => held.length === 2);
  assert.equal(run("pulled"), 2);
});

test("a stream that breaks breaks the reply", async () => {
  const got = await serve(`() => new Response(new ReadableStream({ start(c) { c.enqueue(new Uint8Array([65])) }, pull(c) { c.error(new RangeError("half way")) } }, { highWaterMark: 0 }))`);
  assert.match(got.broken, /^RangeError: half way/);
  assert.equal(got.ended, false);
  assert.equal(got.done, 1);
});

test("a stream of strings names the remedy", async () => {
  const got = await serve(`() => new Response(new ReadableStream({ start(c) { c.enqueue("text"); c.close() } }))`);
  assert.match(got.broken, /a string \('text'\).*TextEncoderStream/);
});

test("a client that leaves cancels the stream", async () => {
  const got = await serve(`() => new Response(new ReadableStream({ pull(c) { c.enqueue(new Uint8Array([65])) }, cancel(reason) { console.log("cancelled", reason.message) } }))`, { prepare: ({ state }) => (state.clientGone = true) });
  assert.deepEqual(got.logs, [["log", "cancelled the client has left"]]);
  assert.equal(got.ended, false);
});

test("the hook clientLeft aborts the request's signal and those that follow it", async () => {
  const { run, hooks } = load();
  hooks.dispatchFetch(run(`(r) => { var copy = r.clone(); globalThis.seen = () => [r.signal.aborted, r.signal.reason.name, copy.signal.aborted]; return new Promise(() => {}) }`), undefined, "GET", "http://a/", null, {});
  hooks.clientLeft();
  assert.equal(run("JSON.stringify(seen())"), '[true,"AbortError",true]');
});

test("an async generator is a body", async () => {
  const got = await serve(`() => new Response((async function* () { yield new Uint8Array([65]); yield new Uint8Array([66]) })())`);
  assert.equal(got.text, "AB");
});

test("the request's own stream can be the reply, without becoming a stream", async () => {
  const got = await serve(`(r) => new Response(r.body)`, { method: "POST", chunks: ["a", "b"] });
  assert.equal(got.text, "ab");
  assert.equal(got.ended, true);
});

for (const [what, handler, pattern] of [
  ["undefined", `() => {}`, /returned undefined; .*`return`/],
  ["null", `() => null`, /returned null/],
  ["a string", `() => "text"`, /a string \('text'\); return new Response\(text\)/],
  ["a number", `() => 5`, /a number \(5\)/],
  ["an object", `() => ({ a: 1 })`, /a plain object; return Response\.json/],
  ["a Lambda answer", `() => ({ statusCode: 200 })`, /export it as `handler`/],
  ["a promise of an array", `async () => []`, /an array/],
  ["an object of a class", `() => new (class Foo {})()`, /an object of class Foo/],
  ["Response.error()", `() => Response.error()`, /Response\.error\(\)/],
  ["a consumed Response", `async () => { const r = new Response("x"); await r.text(); return r }`, /read already/],
]) {
  test(`a handler that returns ${what} fails as invalid_response`, async () => {
    const { failure, reply, done } = await serve(handler);
    assert.equal(failure.code, "invalid_response");
    assert.match(failure.message, pattern);
    assert.equal(reply, undefined);
    assert.equal(done, 1);
  });
}

test("what a handler throws is named with its class, frames and causes", async () => {
  const sync = await serve(`() => { class Mine extends Error {} throw new Mine("bad", { cause: new TypeError("why") }) }`);
  assert.equal(sync.failure.code, "function_error");
  assert.equal(sync.failure.message, "Mine: bad");
  assert.match(sync.failure.stack, /^Mine: bad\n\s+at [\s\S]*Caused by: TypeError: why/);
  const rejected = await serve(`async () => { throw new RangeError("late") }`);
  assert.equal(rejected.failure.message, "RangeError: late");
  const text = await serve(`() => { throw "words" }`);
  assert.equal(text.failure.message, "Uncaught 'words'");
  const odd = await serve(`() => { throw { get message() { throw 1 } } }`);
  assert.equal(odd.done, 1);
  assert.equal((await serve(`() => ({ then() { throw new Error("x") } })`)).failure.message, "Error: x");
});

test("an invocation is done once the reply and every waitUntil are", async () => {
  const got = await serve(`(r, e, ctx) => { ctx.waitUntil(new Promise((f) => setTimeout(() => { console.log("waited"); f() }, 5))); ctx.waitUntil(Promise.reject(new Error("oops"))); return new Response("x") }`);
  assert.equal(got.reply.body, "x");
  assert.equal(got.done, 1);
  assert.match(got.logs[0][1], /^Rejected in waitUntil: Error: oops/);
  assert.equal(got.logs[1][1], "waited");
});

test("waitUntil holds after a failure too", async () => {
  const got = await serve(`(r, e, ctx) => { ctx.waitUntil(new Promise((f) => setTimeout(f, 5)).then(() => console.log("waited"))); throw new Error("x") }`);
  assert.deepEqual([got.failure.message, got.logs[0][1]], ["Error: x", "waited"]);
});

test("a reply survives patched prototypes", async () => {
  const got = await serve(`async () => { Promise.prototype.then = Map.prototype.get = Map.prototype.set = Array.prototype.push = Array.prototype.slice = Function.prototype.call = Function.prototype.apply = () => { throw new Error("poisoned") }; return new Response("x", { headers: { a: "b" } }) }`);
  assert.equal(got.reply.body, "x");
  const timed = await serve(`() => { Map.prototype.get = Map.prototype.set = Map.prototype.delete = () => { throw new Error("poisoned") }; return new Promise((r) => setTimeout(r, 1)).then(() => new Response("y")) }`);
  assert.equal(timed.reply.body, "y");
});

// --- Events -----------------------------------------------------------------------------------

async function deliver(handler, event = { a: 1 }, context = { functionName: "f", awsRequestId: "id" }) {
  const all = load();
  const { run, hooks, state } = all;
  state.now = 0;
  hooks.dispatchEvent(run(`(${handler})`), JSON.stringify(event), run(`(${JSON.stringify(context)})`), {});
  await until(() => state.done > 0, "invocationDone");
  return state;
}

test("an event handler answers by value, promise or callback", async () => {
  assert.equal((await deliver(`(e) => ({ got: e.a })`)).event, '{"got":1}');
  assert.equal((await deliver(`async (e) => e.a + 1`)).event, "2");
  assert.equal((await deliver(`async () => {}`)).event, "null");
  assert.equal((await deliver(`() => {}`)).event, "null");
  assert.equal((await deliver(`(e, c, cb) => { setTimeout(() => cb(null, "later"), 1) }`)).event, '"later"');
  assert.equal((await deliver(`(e, c, cb) => { cb(null, 1); cb(null, 2) }`)).event, "1");
  assert.equal((await deliver(`(e, c) => { setTimeout(() => c.succeed("old"), 1); return new Promise(() => {}) }`)).event, '"old"');
});

test("an event handler's context has Lambda's members", async () => {
  const deadlineMs = performance.timeOrigin + performance.now() + 5000;
  const state = await deliver(`(e, c) => [c.functionName, c.awsRequestId, typeof c.getRemainingTimeInMillis(), c.getRemainingTimeInMillis() > 1000, c.getRemainingTimeInMillis() <= 5000, "deadlineMs" in c]`, {}, { functionName: "f", awsRequestId: "id", deadlineMs });
  assert.deepEqual(JSON.parse(state.event), ["f", "id", "number", true, true, false]);
});

test("an event handler's failure has a type, a message and a trace", async () => {
  const thrown = (await deliver(`() => { throw new TypeError("bad") }`)).eventFailure;
  assert.deepEqual([thrown.type, thrown.message, thrown.trace[0]], ["TypeError", "bad", "TypeError: bad"]);
  assert.match(thrown.trace[1], /^\s+at /);
  assert.equal((await deliver(`(e, c, cb) => cb(new RangeError("r"))`)).eventFailure.type, "RangeError");
  assert.deepEqual((await deliver(`() => Promise.reject("text")`)).eventFailure, { type: "string", message: "text", trace: [] });
  assert.equal((await deliver(`() => 1n`)).eventFailure.type, "TypeError");
});
