// ES modules: every form of import and export, cycles, live bindings, CommonJS, JSON.
import Counter, { count, increment, "a name with spaces" as spaced } from "./lib/modules/counter.js";
import * as all from "./lib/modules/all.js";
import { isEven } from "./lib/modules/even.js";
import { answer } from "./lib/modules/slow.js";
import legacy from "./lib/modules/legacy.cjs";
import data from "./lib/modules/data.json" with { type: "json" };
import { checks, equal, ok, throws } from "./lib/check.js";

export default checks({
  "a default export and its namespace are the same class": () => {
    equal(new Counter().value, 7);
    ok(all.Counter === Counter && all.counter.default === Counter);
  },
  "a binding is live": () => {
    equal(count, 0);
    equal(increment(), 1);
    equal(count, 1);
    equal(all.count, 1);
  },
  "an export may have any name": () => equal(spaced, increment),
  "a namespace is sealed, sorted and has no prototype": () => {
    equal(Object.keys(all), ["Counter", "a name with spaces", "count", "counter", "increment"]);
    equal(Object.getPrototypeOf(all), null);
    throws(() => (all.count = 3), "TypeError");
    equal(all[Symbol.toStringTag], "Module");
  },
  "modules may import each other": () => ok(isEven(10) && !isEven(7)),
  "top-level await is waited for": () => equal(answer, 42),
  "import() of a literal evaluates once": async () => {
    const [one, two] = await Promise.all([import("./lib/modules/late.js"), import("./lib/modules/late.js")]);
    ok(one === two);
    equal([one.word, globalThis.lateModules], ["late", 1]);
  },
  "CommonJS can be imported": () => equal([legacy.four, legacy.here], [4, true]),
  "JSON can be imported": () => equal(data.list, [1, 2, 3]),
  "a module is strict and has no `this`": () => {
    equal((function () { return this; })(), undefined);
    throws(() => { undeclared = 1; }, "ReferenceError");
  },
  "import.meta is an object": () => equal(typeof import.meta, "object"),
});
