// What the globals do with the host: fetch, timers, logs, the snapshot's rules, the global scope.
import assert from "node:assert/strict";
import { test } from "node:test";
import vm from "node:vm";
import { load, outcome, until } from "./harness.mjs";

const json = (value) => JSON.parse(JSON.stringify(value));

function network(state) {
  const seen = [];
  state.responses.set("http://api.example/x", (meta, data) => {
    seen.push({ ...meta, data: data === null ? null : Buffer.from(data).toString() });
    state.bodies.set(7, [Buffer.from("he"), Buffer.from("llo")]);
    return { status: 201, statusText: "Created", headers: [["content-type", "text/plain"], ["set-cookie", "a"], ["set-cookie", "b"]], url: "http://api.example/x2", redirected: true, body: 7 };
  });
  return seen;
}

test("fetch sends what the Request says and gives what the host answers", async () => {
  const { run, state } = load();
  const seen = network(state);
  const got = await outcome(run, `async () => { const r = await fetch("http://api.example/x#frag", { method: "post", body: "data", headers: { "X-Y": "1" }, redirect: "manual" }); let guard; try { r.headers.set("a", "b") } catch (e) { guard = e.name } return [r.status, r.statusText, r.url, r.redirected, r.type, r.ok, r.headers.getSetCookie(), guard, await r.text(), r.bodyUsed] }`);
  assert.deepEqual(got.value, [201, "Created", "http://api.example/x2", true, "basic", true, ["a", "b"], "TypeError", "hello", true]);
  assert.deepEqual(seen, [{ method: "POST", url: "http://api.example/x", headers: [["x-y", "1"], ["content-type", "text/plain;charset=UTF-8"]], redirect: "manual", hasBody: true, bodyStream: false, data: "data" }]);
});

test("a fetched body can be streamed, cloned and cancelled", async () => {
  const { run, state } = load();
  network(state);
  assert.deepEqual((await outcome(run, `async () => { const r = await fetch("http://api.example/x"); const a = []; for await (const c of r.body) a.push(c.length); return a }`)).value, [2, 3]);
  assert.deepEqual((await outcome(run, `async () => { const r = await fetch("http://api.example/x"); const c = r.clone(); return [await c.text(), await r.text()] }`)).value, ["hello", "hello"]);
  await outcome(run, `async () => { const r = await fetch("http://api.example/x"); await r.body.cancel() }`);
  assert.equal(state.ops.at(-1).name, "body_cancel");
  assert.deepEqual((await outcome(run, `async () => { const r = await fetch("http://api.example/x"); const reader = r.body.getReader({ mode: "byob" }); const { value } = await reader.read(new Uint8Array(10)); return [...value] }`)).value, [104, 101]);
});

test("a failed fetch is a TypeError with a cause", async () => {
  const { run } = load();
  const got = await outcome(run, `async () => { try { await fetch("http://nowhere.example/") } catch (e) { return [e.name, e.message, e.cause.message] } }`);
  assert.deepEqual(got.value, ["TypeError", "fetch failed: no host for http://nowhere.example/", "no host for http://nowhere.example/"]);
});

test("an aborted fetch cancels its operation and rejects with the reason", async () => {
  const { run, state } = load();
  state.responses.set("http://slow.example/", "never");
  const got = await outcome(run, `async () => { const c = new AbortController(); const p = fetch("http://slow.example/", { signal: c.signal }); c.abort("stop"); return p.catch((e) => e) }`);
  assert.deepEqual(got.value, "stop");
  assert.equal(state.cancelled.length, 1);
  const timed = await outcome(run, `async () => fetch("http://slow.example/", { signal: AbortSignal.timeout(5) }).catch((e) => e.name)`);
  assert.equal(timed.value, "TimeoutError");
});

test("an abort reaches a body that is being read", async () => {
  const { run, state } = load();
  network(state);
  const host = state.host;
  state.host = (id, name, meta, data) => (name === "body_read" ? undefined : host(id, name, meta, data));
  const text = await outcome(run, `async () => { const c = new AbortController(); const r = await fetch("http://api.example/x", { signal: c.signal }); const p = r.text(); c.abort("late"); return p.catch((e) => e) }`);
  assert.equal(text.value, "late");
  const stream = await outcome(run, `async () => { const c = new AbortController(); const r = await fetch("http://api.example/x", { signal: c.signal }); const p = r.body.getReader().read(); c.abort("late"); return p.catch((e) => e) }`);
  assert.equal(stream.value, "late");
});

test("a stream is uploaded chunk by chunk", async () => {
  const { run, state } = load();
  const seen = network(state);
  const got = await outcome(run, `async () => { const body = new ReadableStream({ start(c) { c.enqueue(new Uint8Array([97])); c.enqueue(new Uint8Array([98])); c.close() } }); const r = await fetch("http://api.example/x", { method: "POST", body, duplex: "half" }); return [r.status, await r.text()] }`);
  assert.deepEqual(got.value, [201, "hello"]);
  assert.deepEqual([seen[0].bodyStream, seen[0].hasBody, seen[0].data], [true, true, "ab"]);
  assert.deepEqual(state.ops.map((op) => op.name).filter((name) => name.startsWith("fetch")), ["fetch_open", "fetch_head", "fetch_write", "fetch_write", "fetch_close"]);
  const broken = await outcome(run, `async () => fetch("http://api.example/x", { method: "POST", duplex: "half", body: new ReadableStream({ start(c) { c.error(new RangeError("source")) } }) }).catch((e) => [e.name, e.cause.message])`);
  assert.deepEqual(broken.value, ["TypeError", "source"]);
});

test("the incoming body can be the upload of a fetch", async () => {
  const { run, hooks, state } = load();
  const seen = network(state);
  state.incoming = [Buffer.from("up"), Buffer.from("load")];
  hooks.dispatchFetch(run(`async (r) => fetch("http://api.example/x", { method: r.method, body: r.body, duplex: "half" })`), undefined, "POST", "http://a/", true, {});
  await until(() => state.done > 0);
  assert.equal(seen[0].data, "upload");
  assert.equal(Buffer.concat(state.written).toString(), "hello");
  assert.deepEqual(state.reply.headers.slice(0, 2), ["content-type", "text/plain"]);
});

test("at the top level what the snapshot would repeat throws, and Math.random is merely fixed", async () => {
  const { run, state } = load();
  state.phase = 0;
  for (const text of [`() => setTimeout(() => {}, 1)`, `() => setInterval(() => {}, 1)`, `() => crypto.randomUUID()`, `() => crypto.getRandomValues(new Uint8Array(1))`, `() => AbortSignal.timeout(1)`, `() => fetch("http://a/")`]) {
    const message = await outcome(run, `async () => { try { await (${text})() } catch (e) { return e.message } }`);
    assert.match(message.value, /top level runs.*call it inside the handler/, text);
  }
  assert.equal(typeof run("Math.random()"), "number");
  assert.equal(run("new Response('x').status"), 200);
});

test("begin seeds Math.random", () => {
  const draw = (...seeds) => {
    const { run, hooks } = load();
    hooks.begin(...seeds);
    return json(run("Array.from({ length: 1000 }, () => Math.random())"));
  };
  const one = draw(1, 2, 3, 4);
  assert.deepEqual(one, draw(1, 2, 3, 4));
  assert.notDeepEqual(one, draw(1, 2, 3, 5));
  assert.ok(one.every((x) => x >= 0 && x < 1));
  const mean = one.reduce((a, b) => a + b) / one.length;
  assert.ok(mean > 0.45 && mean < 0.55);
});

test("nothing but standard names is on the global object", () => {
  const { run } = load();
  const bare = new Set(vm.runInNewContext("Object.getOwnPropertyNames(globalThis)"));
  const added = json(run("Object.getOwnPropertyNames(globalThis)")).filter((name) => !bare.has(name)).sort();
  const standard = Object.getOwnPropertyNames(globalThis);
  const beyond = added.filter((name) => !standard.includes(name));
  // `File` and `Navigator` are newer than Node 20's globals; the rest are browsers' own.
  assert.deepEqual(beyond, ["ErrorEvent", "File", "Navigator", "PromiseRejectionEvent", "addEventListener", "dispatchEvent", "navigator", "onerror", "onrejectionhandled", "onunhandledrejection", "removeEventListener", "reportError", "self"].filter((name) => beyond.includes(name)));
  assert.equal(run("typeof __mayfly_native + typeof __mayfly_prelude"), "undefinedundefined");
  assert.equal(run("Object.keys(process).join() + navigator.userAgent"), "envMayfly");
});

test("setEnv replaces process.env", () => {
  const { run, hooks } = load();
  hooks.setEnv(run("({ A: '1' })"));
  assert.equal(run("process.env.A"), "1");
});

test("every interface has its own name, tag and prototype", () => {
  const { run } = load();
  const names = json(run(`Object.getOwnPropertyNames(globalThis).filter((n) => /^(Abort|Blob|Byte|Count|Crypto|Custom|DOMEx|Error.?Event|Event|File|Form|Headers|Message|Performance|PromiseR|Readable|Request|Response|Text|Transform|URL|Writable)/.test(n))`));
  assert.ok(names.length >= 40, `${names.length}`);
  for (const name of names) {
    assert.equal(run(`${name}.name`), name);
    assert.equal(run(`${name}.prototype[Symbol.toStringTag]`) ?? name, name);
    assert.equal(run(`Object.getOwnPropertyDescriptor(globalThis, ${JSON.stringify(name)}).enumerable`), false);
  }
});

test("exceptions of timers and listeners go to the log, or to onerror", async () => {
  const { run, state } = load();
  run(`setTimeout(() => { throw new TypeError("in timer") }, 1)`);
  await until(() => state.logs.length === 1);
  assert.match(state.logs[0][1], /^Uncaught TypeError: in timer\n\s+at /);
  run(`globalThis.onerror = (message, file, line, column, error) => { globalThis.caught = [message, error.message]; return true }`);
  run(`reportError(new Error("mine"))`);
  assert.deepEqual(json(run("caught")), ["Error: mine", "mine"]);
  assert.equal(state.logs.length, 1);
  run(`globalThis.onerror = null; addEventListener("error", (e) => { globalThis.heard = e.error.message; e.preventDefault() }); reportError(new Error("two"))`);
  assert.equal(run("heard"), "two");
  assert.equal(state.logs.length, 1);
  assert.throws(() => run(`addEventListener("fetch", () => {})`), /export default/);
});

test("unhandled rejections are logged with class and cause", () => {
  const { run, hooks, state } = load();
  hooks.unhandledRejection(run(`new RangeError("lost", { cause: "because" })`));
  assert.match(state.logs[0][1], /^Unhandled rejection: RangeError: lost\n[\s\S]*Caused by: 'because'$/);
  run(`globalThis.onunhandledrejection = (e) => { globalThis.why = e.reason; e.preventDefault() }`);
  hooks.unhandledRejection("x");
  assert.equal(run("why"), "x");
  assert.equal(state.logs.length, 1);
});

test("describe gives name, message, stack and causes", () => {
  const { run, hooks } = load();
  const it = json(hooks.describe(run(`new (class Own extends Error {})("m", { cause: new TypeError("c", { cause: 5 }) })`)));
  assert.deepEqual([it.name, it.message, it.causes.map((c) => [c.name, c.message])], ["Own", "m", [["TypeError", "c"], ["Error", "5"]]]);
  assert.match(it.stack, /^\s+at /);
  assert.equal(hooks.describe(null).message, "Uncaught null");
  assert.match(hooks.describeText(run(`new AggregateError([new Error("one")], "many")`)), /^AggregateError: many[\s\S]*Error: one/);
});

const logs = [
  [`console.log("a", 1, "b", { c: "d" })`, "log", "a 1 b { c: 'd' }"],
  [`console.log("%s is %d and %i, %f, %j %%", "x", 4.5, 4.5, "1.5", { a: 1 }, "rest")`, "log", `x is 4.5 and 4, 1.5, {"a":1} % rest`],
  [`console.log("100%")`, "log", "100%"],
  [`console.log("%s", "only")`, "log", "only"],
  [`console.log()`, "log", ""],
  [`console.info([1, , 3], [], {}, null, undefined, -0, 5n, Symbol("s"), true)`, "info", "[ 1, <1 empty item>, 3 ] [] {} null undefined -0 5n Symbol(s) true"],
  [`console.warn({ a: { b: { c: { d: 1 } } } })`, "warn", "{ a: { b: { c: [Object] } } }"],
  [`console.error(new Map([["k", new Set([1])]]), function f() {}, class A {}, class B extends Array {}, () => {})`, "error", "Map(1) { 'k' => Set(1) { 1 } } [Function: f] [class A] [class B extends Array] [Function (anonymous)]"],
  [`console.debug(new Uint8Array([1, 2]), new Date(0), /x/g, Object.create(null))`, "debug", "Uint8Array(2) [ 1, 2 ] 1970-01-01T00:00:00.000Z /x/g [Object: null prototype] {}"],
  [`{ const o = { name: "o" }; o.self = o; console.log(o) }`, "log", "<ref *1> { name: 'o', self: [Circular *1] }"],
  [`console.log({ "a-b": 1, get x() { return 1 }, set y(v) {}, [Symbol("q")]: 2 })`, "log", "{ 'a-b': 1, x: [Getter], y: [Setter], [Symbol(q)]: 2 }"],
  [`console.log(["it's", 'say "hi"', "new\\nline"])`, "log", `[ "it's", 'say "hi"', 'new\\nline' ]`],
  [`class P { x = 1 } console.log(new P(), Promise.resolve(1), new WeakMap())`, "log", undefined],
  [`console.log(new Headers({ a: "b", "x-y": "z" }))`, "log", "Headers { a: 'b', 'x-y': 'z' }"],
  [`console.log(new URLSearchParams("a=1"), new Blob(["x"]))`, "log", "URLSearchParams { a: '1' } Blob { size: 1, type: '' }"],
  [`console.assert(1 === 2, "math %s", "x")`, "error", "Assertion failed: math x"],
  [`console.assert(false)`, "error", "Assertion failed"],
  [`console.count(), console.count()`, "log", "default: 1"],
  [`console.dir({ a: { b: { c: {} } } }, { depth: 0 })`, "log", "{ a: [Object] }"],
  [`console.group("G"); console.log("in\\nside"); console.groupEnd()`, "log", "G"],
  [`console.table([{ a: 1, b: "x" }])`, "log", "┌─────────┬───┬─────┐\n│ (index) │ a │ b   │\n├─────────┼───┼─────┤\n│ 0       │ 1 │ 'x' │\n└─────────┴───┴─────┘"],
  [`console.time("t"); console.timeEnd("t")`, "log", undefined],
  [`console.log("x".repeat(3), [["a", ["b", ["c", ["d"]]]]])`, "log", "xxx [ [ 'a', [ 'b', [Array] ] ] ]"],
  [`console.log(Array.from({ length: 120 }, (_, i) => i).slice(100))`, "log", undefined],
];
for (const [text, level, expected] of logs) {
  test(`console: ${text}`, () => {
    const { run, state } = load();
    run(text);
    assert.equal(state.logs[0][0], level);
    if (expected !== undefined) assert.equal(state.logs[0][1], expected);
  });
}

test("console groups indent every line, errors show class, frames and cause", () => {
  const { run, state } = load();
  run(`console.group("G"); console.log("in\\nside"); console.groupEnd(); console.log("out"); class Own extends Error {} console.log(new Own("m", { cause: new TypeError("c") }))`);
  assert.deepEqual(state.logs.slice(0, 3).map(([, text]) => text), ["G", "  in\n  side", "out"]);
  assert.match(state.logs[3][1], /^Own: m\n\s+at [\s\S]*\[cause\]: TypeError: c\n/);
});

const facts = [
  ["String(new URLSearchParams(null))", "null="],
  ["new Event('x').BUBBLING_PHASE", 3],
  ["(() => { try { structuredClone(new Response()) } catch (e) { return e.name } })()", "DataCloneError"],
  ["structuredClone(new DOMException('m', 'AbortError')).code", 20],
  ["structuredClone(new File(['ab'], 'n', { type: 'x/y' })).name", "n"],
  ["structuredClone(new Blob(['abc'])).size", 3],
  ["(() => { try { AbortSignal.timeout(-1) } catch (e) { return e.name } })()", "TypeError"],
  ["(() => { try { structuredClone(1, { transfer: [{}] }) } catch (e) { return e.name } })()", "DataCloneError"],
  ["typeof new Response('x').bytes", "function"],
  ["URL.parse('nope')", null],
  ["URL.parse('/x', 'http://a/').href", "http://a/x"],
  ["new DOMException('m', { name: 'X', cause: 5 }).cause", 5],
  ["new ErrorEvent('error', { message: 'm', lineno: 3 }).lineno", 3],
  ["new PromiseRejectionEvent('x', { promise: Promise.resolve(), reason: 1 }).reason", 1],
  ["self === globalThis", true],
  ["new Response('a').body instanceof ReadableStream", true],
];
for (const [text, expected] of facts) {
  test(`fact: ${text}`, () => assert.equal(load().run(text), expected));
}

test("bytes() gives a copy, and an empty body gives an empty array", async () => {
  const { run } = load();
  assert.deepEqual((await outcome(run, `async () => [...await new Response(new Uint8Array([1, 2])).bytes()]`)).value, [1, 2]);
  assert.deepEqual((await outcome(run, `async () => (await new Response().bytes()).length`)).value, 0);
  assert.deepEqual((await outcome(run, `async () => [...await new Blob(["a"]).bytes()]`)).value, [97]);
});

test("multipart survives boundaries in content, quoted boundaries and a preamble", async () => {
  const { run } = load();
  const text = `async () => { const body = "preamble\\r\\n--a b\\r\\nContent-Disposition: form-data; name=\\"x\\"\\r\\n\\r\\n--a\\r\\n--a b\\r\\nContent-Disposition: form-data; name=\\"e\\"\\r\\n\\r\\n\\r\\n--a b--"; const f = await new Response(body, { headers: { "content-type": "multipart/form-data; boundary=\\"a b\\"" } }).formData(); return [...f] }`;
  assert.deepEqual((await outcome(run, text)).value, [["x", "--a"], ["e", ""]]);
});
