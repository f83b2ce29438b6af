// mayfly: memory = "256MB"
// Everything that one invocation could leave to the next. Each path does one thing, and `/state/all`
// tells what it found before it spoils all of it: whoever finds something was not alone.
import { shared } from "../js/lib/shared.js";

let count = 0;
let text = "as it was deployed";
const cache = new Map();
const list = [1, 2, 3];
const bytes = new Uint8Array(1 << 16);
const pattern = /a/g;
class Registry {
  static entries = [];
}
const generator = (function* () {
  let n = 0;
  for (;;) yield n++;
})();
let release;
const pending = new Promise((resolve) => (release = resolve));
let released = 0;
pending.then(() => released++);
const frozenLater = { open: true };

function found() {
  const traces = [];
  const expect = (name, holds) => {
    if (!holds) traces.push(name);
  };
  expect("module counter", ++count === 1);
  expect("module text", text === "as it was deployed");
  expect("module map", cache.size === 0);
  expect("module array", list.join() === "1,2,3");
  expect("module bytes", bytes.every((byte) => byte === 0));
  expect("regular expression", pattern.lastIndex === 0);
  expect("static field", Registry.entries.length === 0);
  expect("generator", generator.next().value === 0);
  expect("settled promise", released === 0);
  expect("frozen object", !Object.isFrozen(frozenLater) && frozenLater.open);
  expect("other module", shared.length === 0);
  expect("global", typeof globalThis.poison === "undefined" && !("hidden" in globalThis));
  expect("Array.prototype", [].evil === undefined && [1, 2].map((n) => n + 1)[0] === 2);
  expect("Object.prototype", {}.evil === undefined);
  expect("Response.prototype", Response.prototype.evil === undefined);
  expect("Promise.prototype", !("evil" in Promise.prototype));
  expect("JSON", JSON.stringify({ a: 1 }) === '{"a":1}');
  expect("Math", Math.max(1, 2) === 2 && Math.evil === undefined);
  expect("console", console.evil === undefined);
  expect("process.env", process.env.EVIL === undefined && process.env.COLOUR === "blue");
  expect("performance entries", performance.getEntries().length === 0);
  expect("registered symbol's property", globalThis[Symbol.for("evil")] === undefined);
  expect("String iterator", [..."ab"].length === 2);
  expect("Date", new Date(0).getTime() === 0 && Date.evil === undefined);
  return traces;
}

function spoil(env, seen) {
  text = "spoilt";
  cache.set("key", seen);
  list.push(4);
  bytes.fill(0x53);
  pattern.test("aaa");
  Registry.entries.push(seen);
  generator.next();
  release(1);
  Object.freeze(frozenLater);
  shared.push(seen);
  globalThis.poison = "poison";
  Object.defineProperty(globalThis, "hidden", { value: 1, enumerable: false });
  globalThis[Symbol.for("evil")] = 1;
  Array.prototype.evil = 1;
  Array.prototype.map = () => ["spoilt"];
  Object.prototype.evil = 1;
  Response.prototype.evil = 1;
  Promise.prototype.evil = 1;
  JSON.stringify = () => '"spoilt"';
  Math.max = () => 0;
  Math.evil = 1;
  Date.evil = 1;
  console.evil = 1;
  process.env.EVIL = "1";
  process.env.COLOUR = "red";
  env.COLOUR = "red";
  performance.mark("evil");
  String.prototype[Symbol.iterator] = function* () {};
}

export default {
  async fetch(request, env) {
    const url = new URL(request.url);
    const traces = found();
    const answer = new Response(traces.length === 0 ? "clean" : traces.join(", "), { status: traces.length === 0 ? 200 : 500 });
    spoil(env, url.search);
    return answer;
  },
};
