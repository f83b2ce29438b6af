// structuredClone.
import { checks, equal, ok, throws, utf8 } from "./lib/check.js";

export default checks({
  "plain data": () => {
    const value = { a: [1, undefined, null, NaN, -0, 2n, "ü"], b: { c: true } };
    const copy = structuredClone(value);
    equal(copy, value);
    ok(copy !== value && copy.a !== value.a);
  },
  "cycles and shared parts stay so": () => {
    const shared = {};
    const value = { one: shared, two: shared };
    value.self = value;
    const copy = structuredClone(value);
    ok(copy.self === copy && copy.one === copy.two && copy.one !== shared);
  },
  "what has an inside": () => {
    equal(structuredClone(new Map([[{ k: 1 }, new Set([1, [2]])]])), new Map([[{ k: 1 }, new Set([1, [2]])]]));
    equal(structuredClone(new Date(5)), new Date(5));
    const pattern = structuredClone(Object.assign(/a(b)/giu, { lastIndex: 3 }));
    equal([pattern.source, pattern.flags, pattern.lastIndex], ["a(b)", "giu", 0]);
    equal(structuredClone(Object(1)).valueOf(), 1);
    equal(structuredClone(utf8("abc").subarray(1)), utf8("bc"));
    equal(structuredClone(new Float64Array([1.5])), new Float64Array([1.5]));
  },
  "errors keep class, message and cause": () => {
    const copy = structuredClone(new RangeError("far", { cause: new TypeError("why") }));
    equal([copy instanceof RangeError, copy.message, copy.cause.name, copy.cause.message], [true, "far", "TypeError", "why"]);
    const dom = structuredClone(new DOMException("m", "DataCloneError"));
    equal([dom instanceof DOMException, dom.name, dom.code], [true, "DataCloneError", 25]);
  },
  "views on one buffer stay on one buffer": () => {
    const buffer = new ArrayBuffer(8);
    const copy = structuredClone([new Uint8Array(buffer), new Uint16Array(buffer, 2, 1)]);
    ok(copy[0].buffer === copy[1].buffer && copy[0].buffer !== buffer);
    equal([copy[1].byteOffset, copy[1].length], [2, 1]);
  },
  "a transferred buffer is gone here": () => {
    const buffer = utf8("move").buffer;
    const copy = structuredClone({ buffer }, { transfer: [buffer] });
    equal([buffer.byteLength, new TextDecoder().decode(copy.buffer)], [0, "move"]);
    throws(() => structuredClone(1, { transfer: [buffer] }), "DataCloneError");
  },
  "holes, and properties that are not elements, stay": () => {
    const list = [1, , 3];
    list.name = "x";
    const copy = structuredClone(list);
    equal([copy.length, 1 in copy, copy.name], [3, false, "x"]);
  },
  "instances of own classes become plain, getters are read, prototypes are left": () => {
    class Point {
      x = 1;
      get y() {
        return 2;
      }
    }
    const copy = structuredClone(new Point());
    equal([Object.getPrototypeOf(copy) === Object.prototype, copy], [true, { x: 1 }]);
    equal(structuredClone({ get g() { return 4; } }), { g: 4 });
  },
  "what cannot be cloned says so": () => {
    for (const value of [() => {}, Symbol("s"), new WeakMap(), Promise.resolve(), { f() {} }, new Response("x"), new Headers()]) {
      throws(() => structuredClone(value), "DataCloneError", Object.prototype.toString.call(value));
    }
    throws(() => structuredClone(), "TypeError");
  },
  "blobs and files are cloned": async () => {
    const file = structuredClone(new File(["x"], "n.txt", { type: "a/b", lastModified: 3 }));
    equal([file.name, file.type, file.lastModified, await file.text()], ["n.txt", "a/b", 3, "x"]);
  },
});
