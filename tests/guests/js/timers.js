// Timers and microtasks: order, arguments, cancelling.
import { checks, equal, ok, throws } from "./lib/check.js";

const settled = (ms = 0) => new Promise((resolve) => setTimeout(resolve, ms));

export default checks({
  "microtasks run before timers, in their order": async () => {
    const log = [];
    setTimeout(() => log.push("timer"), 0);
    queueMicrotask(() => log.push("micro 1"));
    Promise.resolve().then(() => log.push("micro 2"));
    (async () => {
      await null;
      log.push("micro 3");
    })();
    log.push("sync");
    await settled(50);
    equal(log, ["sync", "micro 1", "micro 2", "micro 3", "timer"]);
  },
  "timers run by their time, equal ones by their order": async () => {
    const log = [];
    setTimeout(() => log.push("late"), 40);
    setTimeout(() => log.push("one"), 1);
    setTimeout(() => log.push("two"), 1);
    await settled(60);
    equal(log, ["one", "two", "late"]);
  },
  "all microtasks of a timer run before the next timer": async () => {
    const log = [];
    setTimeout(() => {
      log.push("first");
      queueMicrotask(() => log.push("its microtask"));
    }, 1);
    setTimeout(() => log.push("second"), 1);
    await settled(20);
    equal(log, ["first", "its microtask", "second"]);
  },
  "arguments are handed on": async () => {
    equal(await new Promise((resolve) => setTimeout((a, b) => resolve([a, b]), 0, 1, "two")), [1, "two"]);
  },
  "an interval repeats until it is cleared": async () => {
    let ticks = 0;
    await new Promise((resolve) => {
      const id = setInterval(() => {
        if (++ticks === 3) {
          clearInterval(id);
          resolve();
        }
      }, 1);
    });
    await settled(15);
    equal(ticks, 3);
  },
  "a cleared timer never runs": async () => {
    let ran = false;
    const id = setTimeout(() => { ran = true; }, 1);
    clearTimeout(id);
    clearTimeout(id);
    clearTimeout(12345);
    clearTimeout(undefined);
    await settled(10);
    equal(ran, false);
  },
  "time passes while a timer waits": async () => {
    const before = [Date.now(), performance.now()];
    await settled(30);
    ok(Date.now() - before[0] >= 28 && performance.now() - before[1] >= 28, `${Date.now() - before[0]} ms`);
  },
  "odd delays are short ones": async () => {
    await Promise.all([NaN, -5, "2", null, undefined, 2 ** 40].map((delay) => new Promise((resolve) => setTimeout(resolve, delay))));
  },
  "a callback must be a function": () => {
    throws(() => setTimeout("code"), "TypeError");
    throws(() => queueMicrotask(), "TypeError");
  },
  "a hundred timers at once": async () => {
    const order = [];
    await Promise.all(Array.from({ length: 100 }, (_, at) => new Promise((resolve) => setTimeout(() => resolve(order.push(at)), at % 10))));
    equal(order.length, 100);
  },
});
