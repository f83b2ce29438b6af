// The language itself: what people write today must run as it is.
import { checks, equal, ok, rejects, throws } from "./lib/check.js";

export default checks({
  "generators go both ways": () => {
    function* conversation() {
      const got = yield "question";
      try {
        yield got + 1;
      } finally {
        yield "cleanup";
      }
      return "end";
    }
    const it = conversation();
    equal([it.next().value, it.next(41).value, it.return("early").value, it.next()], ["question", 42, "cleanup", { value: "early", done: true }]);
    function* outer() {
      const inner = yield* [1, 2];
      yield inner;
    }
    equal([...outer()], [1, 2, undefined]);
  },
  "async iterators and generators": async () => {
    async function* count(to) {
      for (let i = 1; i <= to; i++) {
        await null;
        yield i;
      }
    }
    const seen = [];
    for await (const n of count(3)) seen.push(n);
    for await (const n of [Promise.resolve("a"), "b"]) seen.push(n);
    equal(seen, [1, 2, 3, "a", "b"]);
    equal(await Array.fromAsync(count(2)), [1, 2]);
  },
  "iterator helpers": () => equal([1, 2, 3, 4].values().filter((n) => n % 2 === 0).map((n) => n * n).toArray(), [4, 16]),
  "big integers": () => {
    equal([2n ** 100n, -7n / 2n, BigInt.asUintN(8, 257n), BigInt("0xff"), 5n > 4], [1267650600228229401496703205376n, -3n, 1n, 255n, true]);
    throws(() => 1n + 1, "TypeError");
    equal((123456789n ** 20n).toString().length, 162);
  },
  "weak references, as far as they can be told": () => {
    const value = { v: 1 };
    equal([new WeakRef(value).deref().v, new WeakMap([[value, 2]]).get(value), new WeakSet([value]).has(value)], [1, 2, true]);
    new FinalizationRegistry(() => {}).register(value, "token");
  },
  "regular expressions": () => {
    const { groups } = /(?<year>\d{4})-(?<month>\d\d)/u.exec("on 2024-05");
    equal([groups.year, groups.month], ["2024", "05"]);
    equal("aBc".replace(/(?<=a)b/i, (b) => b + b), "aBBc");
    equal("x1y22".replaceAll(/\d+/g, "#"), "x#y#");
    equal([..."a1b2".matchAll(/([a-z])(\d)/g)].map((match) => match[2]), ["1", "2"]);
    equal(/^.$/su.test("\n") && /\p{Lu}/u.test("Ü") && /\p{Script=Greek}/u.test("Δ"), true);
    equal(/^[\p{L}--[a-z]]$/v.test("a"), false);
    equal(/a/d.exec("ba").indices[0], [1, 2]);
    const sticky = /foo/y;
    sticky.lastIndex = 3;
    equal([sticky.test("barfoo"), sticky.lastIndex], [true, 6]);
  },
  "classes with private parts, statics and accessors": () => {
    class Account {
      #balance = 0;
      static #count = 0;
      static opened = [];
      static { this.opened.push("static block"); }
      constructor() { Account.#count++; }
      get balance() { return this.#balance; }
      set balance(value) { this.#balance = value * 2; }
      #secret() { return "hidden"; }
      reveal() { return this.#secret(); }
      static is(value) { return #balance in value; }
    }
    const account = new Account();
    account.balance = 4;
    equal([account.balance, account.reveal(), Account.is(account), Account.is({}), Account.opened], [8, "hidden", true, false, ["static block"]]);
  },
  "operators of the last years": () => {
    const value = { deep: { list: [1] }, zero: 0 };
    let x = null;
    x ??= 5;
    let y = 1;
    y &&= 6;
    equal([value?.deep?.list?.[0], value.none?.deep.list, value.zero ?? 9, x, y, 2 ** 10, 1_000], [1, undefined, 0, 5, 6, 1024, 1000]);
    const { a, ...rest } = { a: 1, b: 2, c: 3 };
    equal([a, rest], [1, { b: 2, c: 3 }]);
  },
  "arrays and objects of the last years": () => {
    equal([[3, 1, 2].toSorted(), [1, 2, 3].toReversed(), [1, 2, 3].with(1, 9), [1, 2, 3].at(-1), [1, 2, 3].findLast((n) => n < 3), [[1], [2]].flat()], [[1, 2, 3], [3, 2, 1], [1, 9, 3], 3, 2, [1, 2]]);
    equal({ ...Object.groupBy([1, 2, 3], (n) => (n % 2 ? "odd" : "even")) }, { odd: [1, 3], even: [2] });
    equal([new Set([1, 2, 3]).intersection(new Set([2, 3, 4])), Object.fromEntries(new Map([["k", 1]]))], [new Set([2, 3]), { k: 1 }]);
    equal([Object.hasOwn({ a: 1 }, "a"), "abc".at(-1), "a".padStart(3, "-"), "\ud800".isWellFormed()], [true, "c", "--a", false]);
  },
  "promises of the last years": async () => {
    const { promise, resolve } = Promise.withResolvers();
    resolve(1);
    equal(await promise, 1);
    equal((await Promise.allSettled([Promise.reject("no"), 1])).map((one) => one.status), ["rejected", "fulfilled"]);
    equal(await Promise.any([Promise.reject(1), Promise.resolve(2)]), 2);
    equal((await rejects(Promise.any([Promise.reject(1)]), "AggregateError")).errors, [1]);
    equal(await Promise.race([new Promise(() => {}), "fast"]), "fast");
  },
  "proxies and symbols": () => {
    const proxy = new Proxy({}, { get: (_, key) => `got ${String(key)}`, has: () => true });
    equal([proxy.any, "x" in proxy], ["got any", true]);
    equal(`${{ [Symbol.toPrimitive]: (hint) => hint }}`, "string");
    equal([Symbol.for("k") === Symbol.for("k"), Symbol("d").description], [true, "d"]);
    equal(Reflect.ownKeys({ b: 1, 2: 1, [Symbol.iterator]: 1 }), ["2", "b", Symbol.iterator]);
  },
  "numbers are exact where they should be": () => {
    equal([0.1 + 0.2, (1.005).toFixed(2), (255).toString(16), Number("0b101"), parseFloat("3.14abc"), Number.MAX_SAFE_INTEGER, (1e21).toString(), (-0).toString(), Math.hypot(3, 4), Math.clz32(1), (0.000001234).toString()], [0.30000000000000004, "1.00", "ff", 5, 3.14, 9007199254740991, "1e+21", "0", 5, 31, "0.000001234"]);
  },
  "JSON is exact": () => {
    equal(JSON.stringify({ u: undefined, d: new Date(0), n: NaN, s: "\u2028\ud800", b: [() => {}] }), '{"d":"1970-01-01T00:00:00.000Z","n":null,"s":"\u2028\\ud800","b":[null]}');
    equal(JSON.parse('{"a":[1e3,"\\u00fc"]}', (key, value) => (typeof value === "number" ? value + 1 : value)), { a: [1001, "ü"] });
    equal(JSON.stringify([1, { a: 2 }], null, 2), '[\n  1,\n  {\n    "a": 2\n  }\n]');
  },
  "text is Unicode": () => {
    equal([[..."🦋ü"].length, "ü".normalize("NFD").length, "İ".toLowerCase().length, "ß".toUpperCase(), "a".localeCompare("b"), "\u{1f98b}".codePointAt(0)], [2, 2, 2, "SS", -1, 0x1f98b]);
  },
  "labels, closures in loops, destructuring defaults, tagged templates": () => {
    const closures = [];
    for (let i = 0; i < 3; i++) closures.push(() => i);
    let rounds = 0;
    outer: for (const i of [0, 1, 2]) {
      for (const j of [0, 1]) {
        if (j === 1) continue outer;
        rounds += 1;
        if (i === 2) break outer;
      }
    }
    equal(rounds, 3);
    const tag = (parts, ...values) => parts.raw.join("|") + values.join();
    const [first = "default", { second = 2 } = {}] = [];
    equal([closures.map((f) => f()), tag`a${1}\n${2}b`, first, second], [[0, 1, 2], "a|\\n|b1,2", "default", 2]);
  },
  "errors": () => {
    const error = new Error("top", { cause: new TypeError("below") });
    equal([error.cause.message, new AggregateError([1], "m").errors, Object.prototype.toString.call(error)], ["below", [1], "[object Error]"]);
    ok(error.stack.includes("language.js"), error.stack);
    class Own extends Error {
      name = "Own";
    }
    equal(`${new Own("mine")}`, "Own: mine");
    const dom = new DOMException("text", "NotFoundError");
    equal([dom instanceof Error, dom.code, `${dom}`, DOMException.ABORT_ERR], [true, 8, "NotFoundError: text", 20]);
  },
  "deep recursion is a RangeError that can be caught": () => {
    const dive = (n) => dive(n + 1) + 1;
    throws(() => dive(0), "RangeError");
    const nested = (n) => [...(n > 0 ? nested(n - 1) : [])];
    throws(() => nested(1_000_000), "RangeError");
  },
  "typed arrays": () => {
    const view = new DataView(new ArrayBuffer(8));
    view.setFloat32(0, 1.5);
    view.setUint16(4, 0x1234, true);
    equal([view.getUint32(0), view.getUint8(4)], [0x3fc00000, 0x34]);
    const buffer = new ArrayBuffer(4, { maxByteLength: 8 });
    buffer.resize(8);
    equal([buffer.byteLength, new Uint8Array(buffer).length, Uint8Array.of(3, 1, 2).toSorted().join()], [8, 8, "1,2,3"]);
  },
});
