// Bodies: every type in, every type out.
import { checks, equal, ok, rejects, utf8 } from "./lib/check.js";

const forms = {
  string: () => "grün",
  bytes: () => utf8("grün"),
  buffer: () => utf8("grün").buffer,
  view: () => new DataView(utf8("xxgrün").buffer, 2),
  blob: () => new Blob(["gr", utf8("ün")]),
  stream: () => new Blob(["grün"]).stream(),
};

export default checks({
  "every kind of body is read in every way": async () => {
    for (const [name, make] of Object.entries(forms)) {
      equal(await new Response(make()).text(), "grün", `${name} as text`);
      equal([...(await new Response(make()).bytes())], [103, 114, 195, 188, 110], `${name} as bytes`);
      equal((await new Response(make()).arrayBuffer()).byteLength, 5, `${name} as a buffer`);
      equal(await (await new Response(make()).blob()).text(), "grün", `${name} as a blob`);
      const parts = [];
      for await (const part of new Response(make()).body) parts.push(...part);
      equal(parts, [103, 114, 195, 188, 110], `${name} as a stream`);
    }
  },
  "a body is a copy of the bytes it was made of": async () => {
    const bytes = utf8("before");
    const response = new Response(bytes);
    bytes.fill(0);
    equal(await response.text(), "before");
    const other = new Response("abc");
    const first = await other.clone().bytes();
    first.fill(0);
    equal(await other.text(), "abc");
  },
  "text drops a byte order mark and repairs what is no UTF-8": async () => {
    equal(await new Response(new Uint8Array([0xef, 0xbb, 0xbf, 0x61, 0xff])).text(), "a\ufffd");
    equal(await new Response("\ud800").text(), "\ufffd");
  },
  "json reads what text reads": async () => {
    equal(await new Response('\ufeff{"a":[1,2,{"b":null}]}').json(), { a: [1, 2, { b: null }] });
    await rejects(new Response("").json(), "SyntaxError");
    await rejects(new Response("[1,]").json(), "SyntaxError");
    equal(Object.getOwnPropertyNames(await new Response('{"__proto__": 1}').json()), ["__proto__"]);
  },
  "URLSearchParams is a form": async () => {
    const response = new Response(new URLSearchParams({ a: "1 2", b: "ü" }));
    equal(response.headers.get("content-type"), "application/x-www-form-urlencoded;charset=UTF-8");
    equal(await response.text(), "a=1+2&b=%C3%BC");
  },
  "a blob's type becomes the body's": async () => {
    const response = new Response(new Blob(["{}"], { type: "application/json" }));
    equal(response.headers.get("content-type"), "application/json");
    equal((await response.blob()).type, "application/json");
    equal((await new Response("x").blob()).type.toLowerCase(), "text/plain;charset=utf-8");
  },
  "a stream of anything but bytes cannot be read": async () => {
    await rejects(new Response(new ReadableStream({ start: (controller) => controller.enqueue("text") })).text(), "TypeError");
    await rejects(new Response(new ReadableStream({ start: (controller) => controller.error(new RangeError("source")) })).text(), "RangeError");
  },
  "something that is iterated asynchronously streams": async () => {
    async function* parts() {
      yield utf8("one ");
      yield utf8("two");
    }
    equal(await new Response(parts()).text(), "one two");
  },
  "a large body keeps every byte": async () => {
    const bytes = new Uint8Array(3 << 20).map((_, at) => at * 31);
    const read = await new Response(new Blob([bytes.subarray(0, 1 << 20), bytes.subarray(1 << 20)])).bytes();
    equal(read.length, bytes.length);
    ok(read.every((byte, at) => byte === bytes[at]));
  },
});
