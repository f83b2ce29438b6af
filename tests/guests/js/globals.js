// What is there, and what is not.
import { checks, equal, ok, throws } from "./lib/check.js";

export default checks({
  "the global object has its names": () => {
    ok(globalThis === self);
    equal(navigator.userAgent, "Mayfly");
    for (const name of ["fetch", "setTimeout", "structuredClone", "queueMicrotask", "atob", "crypto", "performance", "console", "addEventListener", "reportError"]) ok(name in globalThis, name);
  },
  "no door of the engine is left open": () => {
    const names = Object.getOwnPropertyNames(globalThis);
    const odd = names.filter((name) => /mayfly|native|prelude|quickjs|__|^std$|^os$|^print$|^scriptArgs$|bjson|^gc$/i.test(name) && !name.startsWith("__define") && !name.startsWith("__lookup"));
    equal(odd, []);
  },
  "what belongs to other runtimes is absent": () => {
    for (const name of ["require", "Deno", "Bun", "window", "document", "Buffer", "XMLHttpRequest", "importScripts", "WebAssembly"]) {
      equal(typeof globalThis[name], "undefined", name);
    }
  },
  "process has an env and nothing else": ({ env }) => {
    equal(Object.keys(process), ["env"]);
    equal(process.env.GREETING, env.GREETING);
  },
  "eval and new Function see globals alone": () => {
    const hidden = 1;
    let result;
    try {
      result = (0, eval)("typeof hidden + typeof fetch");
    } catch (error) {
      result = error.name;
    }
    ok(result === "undefinedfunction" || result === "EvalError", `${result} ${hidden}`);
  },
  "methods of prototypes cannot be called on strangers": () => {
    for (const [cls, name] of [[Response, "text"], [Headers, "append"], [URLSearchParams, "get"], [FormData, "get"], [Blob, "text"], [EventTarget, "dispatchEvent"], [TextDecoder, "decode"]]) {
      let failed = false;
      try {
        const result = cls.prototype[name].call({}, "a", "b");
        if (result instanceof Promise) result.catch(() => {});
        failed = result instanceof Promise;
      } catch (error) {
        failed = error instanceof TypeError;
      }
      ok(failed, `${cls.name}.${name}`);
    }
    throws(() => Object.getOwnPropertyDescriptor(Response.prototype, "status").get.call({}), "TypeError");
  },
});
