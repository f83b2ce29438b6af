// Most tests run the same lines against Node's own classes and the light ones, and compare what a
// function would see: values, and the class of what is thrown. `node --test light.test.mjs`
import { test } from "node:test";
import assert from "node:assert/strict";
import { createServer } from "node:http";
import { once } from "node:events";
import { execFileSync } from "node:child_process";
import { Readable } from "node:stream";
import { inspect } from "node:util";
import { incoming, install, outgoing } from "./light.mjs";

const native = { Request, Response, Headers, fetch };
install();
const light = { Request, Response, Headers, fetch };

async function seen(run, kit) {
  try {
    return { value: await run(kit) };
  } catch (error) {
    return { thrown: error.constructor.name };
  }
}

/** Runs each of `cases` with both kits and compares. */
function same(name, cases) {
  test(name, async () => {
    for (const run of [cases].flat()) {
      const [theirs, ours] = [await seen(run, native), await seen(run, light)];
      assert.deepEqual(ours, theirs, `${run}`);
    }
  });
}

const headersOf = ({ headers }) => [...headers];
const bodyOf = async (message) => ({ text: await message.text(), used: message.bodyUsed, headers: headersOf(message) });
const streamOf = (...pieces) =>
  new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(new TextEncoder().encode(piece));
      controller.close();
    },
  });

/** The class of the same name in node.mjs, which cannot be imported: it takes over descriptor 3. */
class Body {
  constructor(...pieces) {
    this.pieces = pieces.map((piece) => Buffer.from(piece));
  }
  async next() {
    await null;
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

const URL_OF_CALL = "http://localhost:8080/a?b=c";

/** The same call for both kits; with the native one as node.mjs made it before there were light ones. */
function call(kit, { method = "GET", headers = [], pieces = null } = {}) {
  const body = pieces && new Body(...pieces);
  if (kit === light) return incoming({ method, url: URL_OF_CALL, headers, body });
  return new native.Request(URL_OF_CALL, { method, headers, ...(body && { body: body.stream(), duplex: "half" }) });
}

async function sent(response) {
  const { status, headers, body } = outgoing(response);
  let bytes = typeof body === "string" ? Buffer.from(body) : body;
  if (bytes !== null && !(bytes instanceof Uint8Array)) bytes = Buffer.concat(await Readable.from(bytes).toArray());
  return { status, headers: headers.sort(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0)), body: bytes && bytes.toString() };
}

// ---- Headers

const ODD = [undefined, null, 0, 5, true, "", "a", Symbol("s"), [], {}, [["a"]], [["a", "b", "c"]], [["a", "b"]], ["ab"], [null], [[]],
  { a: undefined }, { a: null }, { a: 1 }, { a: {} }, { a: ["x", "y"] }, { a: Symbol("s") }, new Map([["k", "v"]]), [new Set(["p", "q"])],
  { A: "1", a: "2" }, new URLSearchParams("q=1&q=2"), new Date(0), { "": "x" }, { "a b": "x" }, { "é": "x" }, { "a:": "x" }];
same("Headers are made from what Node's own are made from", ODD.map((init) => ({ Headers }) => [...new Headers(init)]));

const VALUES = ["", " ", " a ", "\ta\t", "a\r\n", "\r\na", "a\nb", "a\rb", "a\0b", "\x01", "a\tb", "é", "ÿ", "Ā", "日", "\x7f", "\x80", "a  b", undefined, null, 1.5, 10n];
same("values of headers are trimmed and refused as by Node's own", VALUES.flatMap((value) => [
  ({ Headers }) => [...new Headers({ a: value })],
  ({ Headers }) => [...new Headers([["a", value]])],
  ({ Headers }) => { const h = new Headers({ a: "0" }); h.append("A", value); return [...h]; },
  ({ Headers }) => { const h = new Headers({ a: "0" }); h.set("A", value); return h.get("a"); },
]));

const KEYS = ["a", "A", "X-Y", "!#$%&'*+-.^_`|~", "", " ", "a ", "a:b", "a\n", "é", "日", "(", "@", undefined, null, 1, Symbol("s")];
same("names of headers are refused as by Node's own", KEYS.flatMap((key) => ["get", "has", "delete", "append", "set"].map((does) => ({ Headers }) => {
  const headers = new Headers({ "X-Y": "1", a: "2" });
  return [headers[does](key, "v"), [...headers]];
})));

same("headers that repeat are joined, cookies are kept apart", ({ Headers }) => {
  const headers = new Headers([["b", "1"], ["Set-Cookie", "x=1"], ["B", "2"], ["set-cookie", "y=2"], ["a", "3"], ["cookie", "p=1"], ["cookie", "q=2"]]);
  const copy = new Headers(headers);
  copy.append("set-cookie", "z=3");
  copy.delete("b");
  headers.set("c", "4");
  const each = [];
  headers.forEach((value, name, all) => each.push([name, value, all === headers]));
  return [headers, copy].map((h) => [[...h], [...h.keys()], [...h.values()], [...h.entries()], h.getSetCookie(), h.get("set-cookie"), h.get("cookie"), h.get("B"), h.get("none"), each]);
});
same("set and delete treat cookies as one header", ({ Headers }) => {
  const headers = new Headers([["set-cookie", "x=1"], ["set-cookie", "y=2"]]);
  headers.set("Set-Cookie", "z=3");
  const set = [...headers];
  headers.delete("SET-COOKIE");
  return [set, [...headers], headers.getSetCookie(), headers.has("set-cookie")];
});
same("methods of Headers want their arguments", ["get", "has", "delete", "append", "set", "forEach"].flatMap((does) => [
  ({ Headers }) => new Headers()[does](),
  ({ Headers }) => new Headers()[does]("a"),
  ({ Headers }) => new Headers()[does](function () {}),
]));
test("headers go from light to native and back", () => {
  const pairs = [["a", "1"], ["set-cookie", "x=1"], ["set-cookie", "y=2"]];
  assert.deepEqual([...new native.Headers(new Headers(pairs))], pairs);
  assert.deepEqual([...new Headers(new native.Headers(pairs))], pairs);
  assert.deepEqual([...new Response("", { headers: new native.Headers([["content-type", "a/b"]]) }).headers], [["content-type", "a/b"]]);
});

// ---- Response

same("a Response takes the status and the text that Node's own takes", [200, 201, 299, 404, 599, 199, 600, 0, -1, 101, 204, 205, 304, "201", "x", 200.7, NaN, null, undefined, 65736, 10n, {}, Symbol("s")]
  .map((status) => ({ Response }) => { const r = new Response(null, { status }); return [r.status, r.ok, r.type, r.url, r.redirected, r.body, r.bodyUsed]; })
  .concat(["", "OK", " ", "a\tb", "é", "日", "a\nb", null, undefined, 5, Symbol("s")].map((statusText) => ({ Response }) => new Response(null, { statusText }).statusText)));
same("an odd init is refused as by Node's own", [undefined, null, 1, "x", true, Symbol("s"), [], () => 1, { headers: null }, { headers: "x" }, { headers: 1 }, { headers: undefined }, new Date(0)]
  .flatMap((init) => [({ Response }) => headersOf(new Response("x", init)), ({ Request }) => headersOf(new Request("http://a", init)), ({ Response }) => headersOf(Response.json(1, init ?? {}))]));
same("a status that allows no body refuses one", [204, 205, 304].flatMap((status) => ["", "x", new Uint8Array(0), null, undefined].map((body) => ({ Response }) => new Response(body, { status }).status)));

const bytes = new Uint8Array([0x66, 0x6f, 0xc3, 0xb6]);
const form = () => { const f = new FormData(); f.set("a", "b"); return f; };
const BODIES = {
  null: () => null, undefined: () => undefined, empty: () => "", string: () => "hö", surrogate: () => "a\ud800b", mark: () => "\ufeffx", number: () => 0, boolean: () => false,
  bytes: () => bytes, view: () => new DataView(bytes.buffer, 1, 2), words: () => new Uint16Array([0x6161, 0x6262]), buffer: () => bytes.buffer, "no bytes": () => new Uint8Array(0),
  invalid: () => new Uint8Array([0xf0, 0x9f, 0x98, 0x41, 0xff, 0xc0, 0xed, 0xa0, 0x80]), "marked bytes": () => new Uint8Array([0xef, 0xbb, 0xbf, 0x78]),
  Buffer: () => Buffer.from("hi"), search: () => new URLSearchParams({ a: "b c" }), blob: () => new Blob(["x"], { type: "a/b" }), untyped: () => new Blob(["x"]),
  stream: () => streamOf("a", "b"), object: () => ({}), list: () => ["x", "y"], url: () => new URL("http://a"), symbol: () => Symbol("s"), function: () => () => 1,
  generator: async function* () { yield Buffer.from("p"); yield Buffer.from("q"); }, readable: () => Readable.from([Buffer.from("r")]),
};
const READS = {
  text: (m) => m.text(),
  json: (m) => m.json(),
  arrayBuffer: async (m) => { const b = await m.arrayBuffer(); return [b instanceof ArrayBuffer, Buffer.from(b).toString("hex")]; },
  blob: async (m) => { const b = await m.blob(); return [b.type, await b.text()]; },
  formData: async (m) => [...(await m.formData())],
  body: async (m) => m.body && Buffer.concat(await Readable.from(m.body).toArray()).toString("hex"),
};
for (const [kind, body] of Object.entries(BODIES)) {
  same(`a body of kind ${kind} reads as from Node's own, once`, Object.entries(READS).flatMap(([name, read]) =>
    [{}, { headers: { "Content-Type": "application/x-www-form-urlencoded", b: "c" } }].flatMap((extra) => [
      ({ Response }) => new Response(body(), extra),
      ({ Request }) => new Request("http://a", { method: "POST", body: body(), duplex: "half", ...extra }),
      ({ Request }) => new Request("http://a", { method: "POST", body: body(), ...extra }),
    ].map((make) => async (kit) => {
      const message = make(kit);
      const before = [headersOf(message), message.bodyUsed, message.body === null];
      const first = await seen(() => read(message));
      return [name, before, first, message.bodyUsed, headersOf(message), await seen(() => message.text()), await seen(() => message.clone().status), message.bodyUsed];
    }))));
}
test("bytes() gives a Uint8Array whose memory is the body's alone", async () => {
  for (const make of [() => new Response("hö"), () => new Response(Buffer.from("hö")), () => new Response(streamOf("hö")), () => call(light, { method: "POST", pieces: ["h", "ö"] })]) {
    const read = await make().bytes();
    assert.equal(read.constructor, Uint8Array);
    assert.deepEqual([...read], [0x68, 0xc3, 0xb6]);
    assert.equal(read.buffer.byteLength, 3);
    assert.equal((await make().arrayBuffer()).byteLength, 3);
  }
  assert.equal((await new Response("x".repeat(100_000)).arrayBuffer()).byteLength, 100_000);
});
same("what the function writes into its bytes later is not sent", async ({ Response }) => {
  const given = Buffer.from("abc");
  const response = new Response(given);
  const second = response.clone();
  given[0] = 0x7a;
  new Uint8Array(await second.arrayBuffer())[1] = 0x7a;
  return response.text();
});
same("a stream that is locked or read is refused", [
  async ({ Response }) => { const s = streamOf("a"); s.getReader(); return new Response(s); },
  async ({ Response }) => { const s = streamOf("a"); await new native.Response(s).text(); return new Response(s); },
  async ({ Response }) => { const r = new Response("x"); await r.text(); return new Response(r.body); },
  async ({ Response }) => { const r = new Response("x"); r.body.getReader(); return [r.bodyUsed, await seen(() => r.text()), await seen(() => r.clone())]; },
  async ({ Response }) => { const r = new Response("x"); await r.text(); return [r.body.locked, r.bodyUsed, await seen(() => r.blob()), await seen(() => r.formData())]; },
  async ({ Response }) => { const r = new Response("x"); const { body } = r; await r.text(); return [r.body === body, body.locked]; },
]);
same("Response.json, redirect and error are as Node's own", [
  ...[{ a: 1 }, null, "x", 1, undefined, Symbol("s"), () => 1, 1n, NaN, { toJSON: () => undefined }].map((value) => ({ Response }) => bodyOf(Response.json(value))),
  ({ Response }) => { const a = {}; a.a = a; return Response.json(a); },
  ({ Response }) => Response.json(),
  ({ Response }) => bodyOf(Response.json(1, { status: 201, statusText: "Made", headers: { a: "b" } })),
  ({ Response }) => bodyOf(Response.json(1, { headers: { "CONTENT-type": "a/b" } })),
  ({ Response }) => Response.json(1, { status: 204 }),
  ...[[], ["/a"], ["http://a"], ["http://a b"], [new URL("http://a/ü?é#ß")], ["http://u:p@a/"], ["http://a", 301], ["http://a", 307], ["http://a", 200], ["http://a", "303"], ["http://a", 302.5], ["http://a", undefined], ["http://a", null], [Symbol("s")]]
    .map((given) => ({ Response }) => { const r = Response.redirect(...given); return [r.status, headersOf(r), r.type, r.body, r.redirected]; }),
  ({ Response }) => { const r = Response.error(); return [r.status, r.type, r.ok, headersOf(r), r.body]; },
  ...["error", "redirect"].flatMap((kind) => [(h) => h.set("a", "b"), (h) => h.append("a", "b"), (h) => h.delete("a"), (h) => h.set("a b", "c")].flatMap((change) => [
    ({ Response }) => change(Response[kind]("http://a").headers),
    ({ Response }) => change(Response[kind]("http://a").clone().headers),
    ({ Response }) => { const h = new Headers(Response[kind]("http://a").headers); h.set("a", "b"); return [...h]; },
  ])),
  ({ Response }) => { const r = new Response("x", Response.redirect("http://a")); r.headers.set("b", "c"); return bodyOf(r); },
]);
same("clones are apart", [
  async ({ Response }) => { const a = new Response("x", { status: 201, statusText: "t", headers: { a: "1" } }); const b = a.clone(); b.headers.set("a", "2"); return [a.bodyUsed, await bodyOf(a), b.bodyUsed, await bodyOf(b), b.status, b.statusText]; },
  async ({ Response }) => { const a = new Response("x"); const b = a.clone(); return [await bodyOf(b), await bodyOf(a)]; },
  async ({ Response }) => { const a = new Response("x"); await a.text(); return a.clone(); },
  async ({ Response }) => { const a = new Response(null); const b = a.clone(); return [await bodyOf(a), await bodyOf(b), await bodyOf(a.clone()), b.body]; },
  async ({ Response }) => { const a = new Response(streamOf("x", "y"), { headers: { a: "1" } }); const b = a.clone(); return [await bodyOf(a), await bodyOf(b)]; },
  async ({ Response }) => { const a = new Response("x"); a.body; const b = a.clone(); return [await bodyOf(a), await bodyOf(b), await seen(() => a.clone())]; },
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x", headers: { a: "1" } }); const b = a.clone(); b.headers.set("a", "2"); return [await bodyOf(a), await bodyOf(b), b.method, b.url, await seen(() => a.clone())]; },
  async ({ Request }) => { const a = new Request("http://a"); const b = a.clone(); return [await bodyOf(a), await bodyOf(b)]; },
]);
same("a Response is built from another's body", [
  async ({ Response }) => { const a = new Response("x", { status: 201, statusText: "t", headers: { a: "1" } }); const b = new Response(a.body, a); b.headers.set("b", "2"); return [await bodyOf(b), b.status, b.statusText, a.bodyUsed, headersOf(a)]; },
  async ({ Response }) => { const a = new Response(null, { status: 204 }); const b = new Response(a.body, a); return [await bodyOf(b), b.status]; },
  async ({ Response }) => { const a = Response.json({ a: 1 }); const b = new Response(a.body, { status: a.status, headers: a.headers }); return bodyOf(b); },
  async ({ Response }) => new Response("x", Response.error()),
  async ({ Response }) => { const a = new Response(streamOf("x")); return bodyOf(new Response(a.body, { headers: { a: "b" } })); },
]);
same("headers that change after the body became Node's own count for blobs and forms", [
  async ({ Response }) => { const r = new Response("a=b"); r.body; r.headers.set("content-type", "application/x-www-form-urlencoded"); return [...(await r.formData())]; },
  async ({ Request }) => { const r = new Request("http://a", { method: "POST", body: "x" }); r.signal; r.headers.set("content-type", "a/b"); return (await r.blob()).type; },
  async ({ Response }) => { const r = new Response("x"); r.headers.delete("content-type"); return (await r.blob()).type; },
]);
same("forms go in and out", [
  async ({ Response }) => { const r = new Response(form()); const type = r.headers.get("content-type").replace(/boundary=.*/, ""); return [type, [...(await r.formData())]]; },
  async ({ Request }) => { const r = new Request("http://a", { method: "POST", body: form() }); return [...(await r.formData())]; },
  async ({ Request }) => { const r = new Request("http://a", { method: "POST", body: new URLSearchParams("a=b&a=c") }); return [headersOf(r), [...(await r.formData())]]; },
]);

// ---- Request

same("a Request takes the addresses that Node's own takes", ["http://a", "HTTP://A:80/b/../c?d=é#f", "/a", "", "a", "http://u:p@a", "http://u@a", "http://", "http://a b", "data:,x", "about:blank", "file:///x", new URL("http://a/ü"), new URL("http://u:p@a"), { toString: () => "http://o/" }, ["http://l/"], undefined, null, 5, Symbol("s")]
  .map((url) => ({ Request }) => { const r = new Request(url); return [r.url, r.method, headersOf(r), r.body, r.bodyUsed]; })
  .concat(({ Request }) => new Request()));
same("a Request takes the methods that Node's own takes", ["GET", "get", "Get", "post", "PoSt", "put", "delete", "options", "head", "PATCH", "Patch", "QUERY", "query", "CONNECT", "trace", "TRACK", "", " ", "A B", "é", null, undefined, 5, Symbol("s")]
  .flatMap((method) => [({ Request }) => new Request("http://a", { method }).method, async ({ Request }) => bodyOf(new Request("http://a", { method, body: "x" }))]));
const PLAIN = ["destination", "referrer", "referrerPolicy", "mode", "credentials", "cache", "redirect", "integrity", "keepalive", "isReloadNavigation", "isHistoryNavigation", "duplex"];
const shown = (request) => [...PLAIN, "method", "url"].map((name) => request[name]).concat(request.signal.aborted, headersOf(request));
same("a Request has what it was made with", [{}, { redirect: "manual" }, { redirect: "x" }, { mode: "no-cors" }, { mode: "navigate" }, { cache: "no-store" }, { credentials: "omit" }, { keepalive: true }, { integrity: "sha256-x" }, { referrer: "" }, { referrerPolicy: "origin" },
  { duplex: "half" }, { duplex: "full" }, { signal: null }, { signal: 1 }, { window: null }, { window: 1 }, { signal: AbortSignal.abort() }, { mode: "cors", method: "post", body: "x", headers: { a: "b" } }]
  .flatMap((init) => [({ Request }) => shown(new Request("http://a", init)), ({ Request }) => shown(new Request("http://a", init).clone()), ({ Request }) => shown(new Request(new Request("http://a", init))), ({ Request }) => shown(new Request("http://b", new Request("http://a", init)))]));
same("a Request is made from another", [
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x", headers: { a: "1" } }); const b = new Request(a); b.headers.set("b", "2"); return [a.bodyUsed, headersOf(a), await bodyOf(b), b.method, await seen(() => a.text()), await seen(() => new Request(a)), a.body === null]; },
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x" }); const b = new Request(a, { body: "y", headers: { a: "1" } }); return [a.bodyUsed, await bodyOf(a), await bodyOf(b)]; },
  ...Object.values(BODIES).map((body) => async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x" }); const b = new Request(a, { body: body() }); return [a.bodyUsed, headersOf(b).join().replace(/boundary=.*/, ""), await b.text()]; }),
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x" }); const b = new Request(a, { headers: { a: "1" } }); return [await bodyOf(b), b.method]; },
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x" }); return [await seen(() => new Request(a, { method: "GET" })), await seen(() => new Request(a, { headers: { "a b": "" } })), a.bodyUsed]; },
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x" }); await a.text(); return [await seen(() => new Request(a)), await bodyOf(new Request(a, { body: "y" }))]; },
  async ({ Request }) => { const a = new Request("http://a", { method: "PUT", body: "x", headers: { a: "1" } }); const b = new Request("http://b/c", a); return [b.url, b.method, await bodyOf(b), a.bodyUsed]; },
  async ({ Request }) => { const a = new Request("http://a", { headers: { a: "1" } }); const b = new Request("http://b/c", a); b.headers.set("a", "2"); return [b.url, headersOf(a), await bodyOf(b)]; },
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: streamOf("x"), duplex: "half" }); const b = new Request(a, { method: "PUT" }); return [a.bodyUsed, b.method, await bodyOf(b)]; },
  async ({ Request }) => { const a = new Request("http://a", { method: "POST", body: "x" }); const b = new Request(a.url, { method: a.method, body: a.body, headers: a.headers, duplex: "half" }); return bodyOf(b); },
]);
same("the signal of a Request follows the one it was made with", async ({ Request }) => {
  const control = new AbortController();
  const a = new Request("http://a", { signal: control.signal, method: "POST", body: "x" });
  const b = new Request(a);
  control.abort();
  return [a.signal.aborted, b.signal.aborted, a.signal === a.signal];
});
test("a Request is made from one of Node's own", async () => {
  const request = new Request(new native.Request("http://a", { method: "POST", body: "x", headers: { a: "1" } }), { headers: { b: "2" } });
  assert.deepEqual([request.method, request.url, await bodyOf(request)], ["POST", "http://a/", { text: "x", used: true, headers: [["b", "2"]] }]);
});

// ---- incoming

const JSON_CALL = { method: "POST", headers: [["content-type", "application/json"], ["x", "1"], ["x", "2"], ["cookie", "a=1"], ["cookie", "b=2"], ["é".length === 1 ? "y" : "", "é"]], pieces: ['{"a":', '"ö"}'] };
same("a call is the Request that Node's own would be", [
  (kit) => shown(call(kit)),
  (kit) => bodyOf(call(kit)),
  (kit) => call(kit).body,
  (kit) => shown(call(kit, JSON_CALL)),
  (kit) => bodyOf(call(kit, JSON_CALL)),
  (kit) => call(kit, JSON_CALL).headers.get("x"),
  (kit) => call(kit, JSON_CALL).json(),
  (kit) => bodyOf(call(kit, { method: "POST", pieces: [] })),
  (kit) => call(kit, { method: "POST", pieces: [] }).json(),
  (kit) => call(kit, { method: "POST", pieces: ["{"] }).json(),
  (kit) => bodyOf(call(kit, { method: "POST", pieces: [[0xef, 0xbb, 0xbf, 0xc3], [0xb6, 0xff]] })),
  ...Object.entries(READS).map(([, read]) => async (kit) => { const r = call(kit, JSON_CALL); return [await seen(() => read(r)), r.bodyUsed, await seen(() => r.text()), await seen(() => r.clone()), await seen(() => r.blob()), r.body.locked]; }),
  async (kit) => { const r = call(kit, JSON_CALL); const reading = [r.text(), r.bodyUsed, seen(() => r.json())]; return Promise.all(reading); },
  async (kit) => { const r = call(kit, JSON_CALL); const c = r.clone(); return [await bodyOf(r), await bodyOf(c), c.url, c.method]; },
  async (kit) => { const r = call(kit, JSON_CALL); r.headers.set("x", "3"); const c = r.clone(); return [headersOf(c), await c.json(), await r.json()]; },
  async (kit) => { const r = call(kit, JSON_CALL); const c = new kit.Request(r); return [r.bodyUsed, await bodyOf(c)]; },
  async (kit) => { const r = call(kit, JSON_CALL); const c = new kit.Request("http://b", r); return [await bodyOf(c), r.bodyUsed, c.method]; },
  async (kit) => { const r = call(kit, JSON_CALL); const c = new kit.Request(r, { headers: { ...Object.fromEntries(r.headers), z: "1" } }); return bodyOf(c); },
  async (kit) => { const r = call(kit, JSON_CALL); const echo = new kit.Response(r.body, { headers: r.headers }); return [await bodyOf(echo), r.bodyUsed]; },
  async (kit) => { const r = call(kit, JSON_CALL); r.signal; return [r.signal.aborted, await r.json()]; },
  async (kit) => { const r = call(kit, { method: "POST", headers: [["content-type", "application/x-www-form-urlencoded"]], pieces: ["a=1&", "b=2"] }); return [...(await r.formData())]; },
  async (kit) => {
    const multipart = new native.Response(form());
    const r = call(kit, { method: "POST", headers: [...multipart.headers], pieces: [Buffer.from(await multipart.arrayBuffer())] });
    return [...(await r.formData())];
  },
]);
test("a call's body comes piece by piece to who reads it as a stream", async () => {
  const request = call(light, { method: "POST", pieces: ["a", "b", "c"] });
  const pieces = [];
  for await (const piece of request.body) pieces.push(Buffer.from(piece).toString());
  assert.deepEqual(pieces, ["a", "b", "c"]);
});

// ---- outgoing

const ANSWERS = {
  "a string": ({ Response }) => new Response("hö"),
  nothing: ({ Response }) => new Response(),
  "no text": ({ Response }) => new Response(""),
  "a string with headers": ({ Response }) => new Response("x", { status: 404, headers: { "X-A": "b", "content-type": "text/html" } }),
  "a string without a type": ({ Response }) => { const r = new Response("x"); r.headers.delete("content-type"); return r; },
  cookies: ({ Response }) => { const r = new Response(null, { status: 204 }); r.headers.append("set-cookie", "a=1"); r.headers.append("set-cookie", "b=2"); return r; },
  bytes: ({ Response }) => new Response(bytes),
  json: ({ Response }) => Response.json({ a: "ö" }),
  redirect: ({ Response }) => Response.redirect("http://a/b", 303),
  "a stream": ({ Response }) => new Response(streamOf("a", "b"), { status: 201 }),
  "a blob": ({ Response }) => new Response(new Blob(["x"], { type: "a/b" })),
  "a readable": ({ Response }) => new Response(Readable.from([Buffer.from("x"), Buffer.from("y")])),
  "what Node's own became of": ({ Response }) => { const r = new Response("x"); r.body; r.headers.set("a", "b"); return r; },
};
for (const [what, make] of Object.entries(ANSWERS)) {
  test(`${what} is sent alike from a light Response and from Node's own, once`, async () => {
    const [ours, theirs] = [make(light), make(native)];
    assert.deepEqual(await sent(ours), await sent(theirs));
    if (ours.body !== null) assert.throws(() => outgoing(ours), TypeError);
    if (ours.body !== null) assert.throws(() => outgoing(theirs), TypeError);
  });
}
test("a text or bytes are sent without a stream", () => {
  assert.deepEqual(outgoing(new Response("x")), { status: 200, headers: [["content-type", "text/plain;charset=UTF-8"]], body: "x" });
  assert.ok(outgoing(new Response(bytes)).body instanceof Uint8Array);
  assert.equal(outgoing(new Response(null)).body, null);
});
test("a body that was read or is being read is not sent", async () => {
  for (const make of [() => new Response("x"), () => new native.Response("x"), () => new Response(streamOf("x"))]) {
    const [read, locked] = [make(), make()];
    await read.text();
    locked.body.getReader();
    assert.throws(() => outgoing(read), TypeError);
    assert.throws(() => outgoing(locked), TypeError);
  }
});

// ---- classes

test("instanceof holds for light ones, Node's own and subclasses", () => {
  class My extends Response {
    extra = 1;
    constructor(text) {
      super(text, { status: 201 });
    }
    get shout() {
      return `${this.status}!`;
    }
  }
  const my = new My("x");
  assert.ok(my instanceof My && my instanceof Response && my.shout === "201!" && my.extra === 1);
  assert.ok(!(new Response() instanceof My) && !(new native.Response() instanceof My));
  assert.ok(!(my.clone() instanceof My) && my.clone() instanceof Response);
  assert.deepEqual(outgoing(my), { status: 201, headers: [["content-type", "text/plain;charset=UTF-8"]], body: "x" });
  class Ours extends Request {}
  class Theirs extends Headers {}
  assert.ok(new Ours("http://a") instanceof Ours && new Ours("http://a") instanceof Request && new Theirs({ a: "b" }).get("a") === "b");
  for (const [name, make] of [["Request", (C) => new C("http://a")], ["Response", (C) => new C()], ["Headers", (C) => new C()]]) {
    assert.ok(make(light[name]) instanceof globalThis[name] && make(native[name]) instanceof globalThis[name], name);
    for (const other of [undefined, null, 1, "x", {}, [], () => 1]) assert.ok(!(other instanceof globalThis[name]));
  }
  assert.ok(call(light) instanceof Request && new Response().headers instanceof Headers && !(new Response() instanceof Request));
});
const FIRST = { Request: "http://a" };
same("the classes look like Node's own", ["Request", "Response", "Headers"].flatMap((name) => [
  ({ [name]: Class }) => [Class.name, Class.length, typeof Class],
  ({ [name]: Class }) => Object.prototype.toString.call(new Class(FIRST[name])),
  ({ [name]: Class }) => Object.keys(Object.getOwnPropertyDescriptors(Class.prototype)).filter((key) => !["bytes", "attribute"].includes(key)).sort(),
  ({ [name]: Class }) => { const all = []; for (const key in new Class(FIRST[name])) if (!["bytes", "attribute"].includes(key)) all.push(key); return all.sort(); },
  ({ [name]: Class }) => Class("http://a"),
  ({ [name]: Class }) => Object.keys(new Class(FIRST[name])),
  ({ [name]: Class }) => Object.assign(new Class(FIRST[name]), { url: "x" }).url,
]));
test("a Proxy around a Request is as good as the Request", async () => {
  const plain = new Proxy(call(light, JSON_CALL), {});
  assert.deepEqual([plain.url, plain.headers.get("x"), plain instanceof Request, await plain.json()], [URL_OF_CALL, "1, 2", true, { a: "ö" }]);
  // As itty-router does it: it binds whatever it finds, and spreads the result as an init.
  const request = call(light);
  const bound = new Proxy(request, { get: (target, key) => (target[key] === undefined ? undefined : (target[key].bind?.(target) ?? target[key])) });
  const { ...init } = bound;
  assert.deepEqual([bound.url, new Response("x", init).status], [URL_OF_CALL, 200]);
});
test("inspect shows what matters and makes nothing of Node's own", () => {
  assert.match(inspect(call(light, JSON_CALL)), /^Request \{\s+method: 'POST',\s+url: 'http:\/\/localhost:8080\/a\?b=c',\s+headers: Headers \{/);
  assert.match(inspect({ r: Response.json(1) }), /Response \{\s+status: 200,[^]*'content-type': 'application\/json'/);
  assert.equal(inspect(new Headers({ a: "b" })), "Headers { a: 'b' }");
  for (const { prototype } of [Request, Response, Headers]) inspect(prototype);
});
test("the globals are as hidden and as replaceable as Node's own", () => {
  for (const name of ["Request", "Response", "Headers"]) {
    const { value, enumerable, writable, configurable } = Object.getOwnPropertyDescriptor(globalThis, name);
    assert.deepEqual([value, enumerable, writable, configurable], [light[name], false, true, true]);
  }
});
test("Node's own classes are not loaded until something needs them, and do not come back as globals", () => {
  const script = `
    import { install, incoming, outgoing } from ${JSON.stringify(new URL("light.mjs", import.meta.url).href)};
    const loaded = () => process.moduleLoadList.some((name) => name.includes("undici/undici"));
    const before = loaded();
    install();
    const { Response: light } = globalThis;
    const request = incoming({ method: "POST", url: "http://a/", headers: [["a", "b"]], body: { all: async () => [Buffer.from("{}")] } });
    await request.json();
    new Request(request.url, { method: "put", body: "x", headers: { a: 1 } }).clone();
    outgoing(Response.redirect("http://a"));
    outgoing(Response.json({}, { headers: request.headers }));
    console.log(before, loaded(), ({}) instanceof Response);
    new Response("x").body;
    console.log(loaded(), Response === light, new Response() instanceof Response);
  `;
  const shown = execFileSync(process.execPath, ["--input-type=module", "-e", script], { encoding: "utf8" });
  const [first, second] = shown.trim().split("\n");
  assert.match(first, / false$/);
  const [before, after] = first.split(" ");
  assert.equal(after, before);
  assert.equal(second, "true true true");
});

// ---- fetch and other takers

test("fetch takes light Requests and Headers, and gives Node's own Response", async (context) => {
  const server = createServer(async (request, response) => {
    const body = Buffer.concat(await request.toArray()).toString();
    response.setHeader("set-cookie", ["a=1", "b=2"]);
    response.end(JSON.stringify({ method: request.method, path: request.url, a: request.headers.a, type: request.headers["content-type"], body }));
  }).listen(0, "127.0.0.1");
  await once(server, "listening");
  context.after(() => (server.close(), server.closeAllConnections()));
  const at = `http://127.0.0.1:${server.address().port}`;
  const moved = (headers = []) => incoming({ method: "POST", url: `${at}/i`, headers: [["a", "1"], ...headers], body: new Body("p", "q") });
  const json = "application/json";
  const cases = [
    [() => fetch(`${at}/s`, { headers: new Headers({ a: "1" }) }), { method: "GET", path: "/s", a: "1", body: "" }],
    [() => fetch(new URL(`${at}/u`)), { method: "GET", path: "/u", body: "" }],
    [() => fetch(new Request(`${at}/r`, { headers: { a: "1" } })), { method: "GET", path: "/r", a: "1", body: "" }],
    [() => fetch(new Request(`${at}/p`, { method: "post", body: "x", headers: { a: "1", "content-type": json } })), { method: "POST", path: "/p", a: "1", type: json, body: "x" }],
    [() => fetch(new Request(`${at}/f`, { method: "POST", body: new URLSearchParams("a=b") })), { method: "POST", path: "/f", type: "application/x-www-form-urlencoded;charset=UTF-8", body: "a=b" }],
    [() => fetch(new Request(`${at}/o`, { method: "POST", body: "x" }), { method: "PUT", body: "y" }), { method: "PUT", path: "/o", type: "text/plain;charset=UTF-8", body: "y" }],
    [() => fetch(moved([["content-type", json]])), { method: "POST", path: "/i", a: "1", type: json, body: "pq" }],
    [() => fetch(`${at}/k`, moved()), { method: "POST", path: "/k", a: "1", body: "pq" }],
    [() => fetch(new Request(`${at}/l`, moved())), { method: "POST", path: "/l", a: "1", body: "pq" }],
    [() => { const r = moved(); r.body; r.headers.set("a", "2"); return fetch(r); }, { method: "POST", path: "/i", a: "2", body: "pq" }],
    [() => fetch(new (class extends Request {})(`${at}/c`)), { method: "GET", path: "/c", body: "" }],
  ];
  for (const [run, expected] of cases) {
    const response = await run();
    assert.ok(response instanceof Response && response instanceof native.Response && response.headers instanceof Headers);
    assert.deepEqual(await response.json(), expected);
  }
  const taken = new Request(at, { method: "POST", body: "x" });
  await (await fetch(taken)).text();
  assert.equal(taken.bodyUsed, true);
  await assert.rejects(fetch(taken), TypeError);

  const passed = outgoing(await fetch(at));
  assert.deepEqual(passed.headers.filter(([name]) => name === "set-cookie"), [["set-cookie", "a=1"], ["set-cookie", "b=2"]]);
  assert.equal(JSON.parse(Buffer.concat(await Readable.from(passed.body).toArray())).method, "GET");
  const upstream = await fetch(at);
  const rebuilt = new Response(upstream.body, upstream);
  rebuilt.headers.set("x", "1");
  const { status, headers, body } = await sent(rebuilt);
  assert.deepEqual([status, headers.filter(([name]) => ["set-cookie", "x"].includes(name)).length, JSON.parse(body).path], [200, 3, "/"]);
});
test("fetch refuses as Node's own does", async () => {
  assert.equal(fetch.name, "fetch");
  assert.equal(fetch.length, native.fetch.length);
  for (const given of [[], ["/x"], ["http://u:p@a"], [Symbol("s")], ["http://a", 1], [new Request("http://a", { signal: AbortSignal.abort() })]]) {
    const [ours, theirs] = await Promise.all([light, native].map((kit) => seen(() => kit.fetch(...given.map((g) => (kit === native && g instanceof Request ? new native.Request("http://a", { signal: AbortSignal.abort() }) : g))))));
    assert.deepEqual(ours, theirs);
  }
});
test("WebAssembly compiles from a light Response", async () => {
  const wasm = Buffer.from([0, 0x61, 0x73, 0x6d, 1, 0, 0, 0]);
  const headers = { "content-type": "application/wasm" };
  assert.ok((await WebAssembly.compileStreaming(new Response(wasm, { headers }))) instanceof WebAssembly.Module);
  const made = await WebAssembly.instantiateStreaming(Promise.resolve(new Response(wasm, { headers })), {});
  assert.ok(made.instance instanceof WebAssembly.Instance);
  await assert.rejects(WebAssembly.compileStreaming(new Response(wasm)), TypeError);
  await assert.rejects(WebAssembly.compileStreaming(new Response(wasm, { headers, status: 404 })), TypeError);
});
