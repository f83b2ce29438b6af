// What the top level may not do, since a snapshot would repeat it.
import { checks, equal, ok } from "./lib/check.js";

const tried = {};
const attempt = (name, action) => {
  try {
    const value = action();
    if (value instanceof Promise) value.then(() => (tried[name] = "resolved"), (error) => (tried[name] = error.message));
    else tried[name] = "ran";
  } catch (error) {
    tried[name] = error.message;
  }
};
attempt("setTimeout", () => setTimeout(() => {}, 1));
attempt("setInterval", () => setInterval(() => {}, 1));
attempt("fetch", () => fetch("http://example.com/"));
attempt("randomUUID", () => crypto.randomUUID());
attempt("getRandomValues", () => crypto.getRandomValues(new Uint8Array(4)));
attempt("AbortSignal.timeout", () => AbortSignal.timeout(1));
attempt("microtask", () => queueMicrotask(() => (tried.microtask = "microtask ran")));
attempt("digest", () => new TextEncoder().encode("fine"));
const table = Array.from({ length: 1000 }, (_, at) => at * at);

export default checks({
  "fetch, timers and randomness throw there": () => {
    for (const name of ["setTimeout", "setInterval", "fetch", "randomUUID", "getRandomValues", "AbortSignal.timeout"]) ok(/top level/.test(tried[name]), `${name}: ${tried[name]}`);
  },
  "microtasks and plain work run there": () => equal([tried.microtask, tried.digest], ["microtask ran", "ran"]),
  "what it made is there in every invocation": () => equal(table[999], 998001),
});
