// Runs the built prelude in QuickJS-NG and times a reply. The host's functions are plain
// JavaScript here, so the figures bound the prelude's own share from above.
import { readFileSync } from "node:fs";
import { newQuickJSWASMModuleFromVariant } from "quickjs-emscripten-core";
import variant from "@jitl/quickjs-ng-wasmfile-release-sync";

const quickjs = await newQuickJSWASMModuleFromVariant(variant);
const context = quickjs.newContext();
const evaluate = (text, name) => {
  const result = context.evalCode(text, name);
  if (result.error) {
    console.error(context.dump(result.error));
    process.exit(1);
  }
  const value = context.dump(result.value);
  result.value.dispose();
  return value;
};

const clock = context.newFunction("clock", () => context.newNumber(performance.now()));
context.setProp(context.global, "clock", clock);
evaluate(
  `globalThis.replies = []; globalThis.__mayfly_native = {
    utf8Encode(s) { const e = unescape(encodeURIComponent(s)); return Uint8Array.from(e, (c) => c.charCodeAt(0)); },
    utf8Decode(u) { return decodeURIComponent(escape(String.fromCharCode(...u))); },
    latin1Encode(s) { return Uint8Array.from(s, (c) => c.charCodeAt(0)); }, latin1Decode(u) { return String.fromCharCode(...u); },
    base64Encode() {}, base64Decode() {}, textLabel() { return null }, textDecode() {},
    urlParse(u) { return [u, "http:", "", "", "a", "a", "", "/", "", "", "http://a"] }, urlSet() { return null },
    randomFill() {}, phase() { return 1 }, now() { return 0 }, timeOrigin() { return 0 }, log(l, m) { replies.push(m) },
    op() { return 1 }, cancelOp() {}, requestHeaders() { return ['host', 'a', 'accept', '*/*', 'user-agent', 'x'] }, reply(a, b, c, d, e) { last = c }, replyEnd() {}, replyError() {}, fail(...a) { last = a },
    replyEvent(j) { last = j }, failEvent(...a) { last = a }, invocationDone() { done++ },
  }; var last, done = 0;`,
  "native.js",
);
const start = performance.now();
evaluate(readFileSync(new URL("../prelude/prelude.js", import.meta.url), "utf8"), "prelude.js");
console.log(`prelude evaluated in ${(performance.now() - start).toFixed(1)} ms`);
evaluate("var hooks = __mayfly_prelude.hooks; delete globalThis.__mayfly_prelude; hooks.begin(1, 2, 3, 4);", "take.js");
console.log("names added:", evaluate("Object.getOwnPropertyNames(globalThis).length", "x.js"), "prelude reachable:", evaluate("typeof __mayfly_prelude + typeof __mayfly_native", "x.js"));

const cases = {
  "empty loop with a call": "(() => { let f = () => {}; return () => f() })()",
  "dispatch, new Response(\"hi\")": "(() => { const h = () => new Response('hi'); return () => hooks.dispatchFetch(h, undefined, 'GET', 'http://a/', null, {}) })()",
  "dispatch, async handler": "(() => { const h = async () => new Response('hi'); return () => hooks.dispatchFetch(h, undefined, 'GET', 'http://a/', null, {}) })()",
  "new Response(\"hi\")": "() => new Response('hi')",
  "Response.json({ok:true})": "() => Response.json({ ok: true })",
  "new Response with a header": "() => new Response('hi', { status: 201, headers: { 'content-type': 'text/html', 'cache-control': 'no-store' } })",
  "new Response with an unknown header": "() => new Response('hi', { headers: { 'x-my-own': 'a rather long value of a header, as they come' } })",
  "request.headers.get": "(() => { let r; hooks.dispatchFetch((q) => { r = q; return new Response() }, undefined, 'GET', 'http://a/', null, {}); return () => r.headers.get('user-agent') })()",
  "new Headers, set, get": "() => { const h = new Headers(); h.set('a', 'b'); return h.get('a') }",
  "new URL + searchParams.get": "() => new URL('http://a/?x=1').searchParams.get('x')",
  "Math.random()": "() => Math.random()",
  "new Response(\"hi\").body (stream)": "() => new Response('hi').body",
  "event handler": "(() => { const h = () => ({ statusCode: 200, body: 'hi' }); return () => hooks.dispatchEvent(h, '{\"a\":1}', { deadlineMs: 1 }, {}) })()",
};
for (const [name, text] of Object.entries(cases)) {
  evaluate(`var f = ${text}; for (let i = 0; i < 200; i++) f();`, "warm.js");
  context.runtime.executePendingJobs();
  const rounds = [];
  for (let round = 0; round < 7; round++) {
    const ms = evaluate("(() => { const t = clock(); for (let i = 0; i < 2000; i++) f(); return clock() - t })()", "bench.js");
    rounds.push(ms / 2);
    context.runtime.executePendingJobs();
  }
  rounds.sort((a, b) => a - b);
  console.log(`${rounds[3].toFixed(2).padStart(8)} µs  ${name}`);
}
console.log("last reply:", evaluate("JSON.stringify(last)", "x.js"), "done:", evaluate("done", "x.js"));
