// AbortController and AbortSignal.
import { checks, equal, ok, rejects, throws } from "./lib/check.js";

export default checks({
  "a signal aborts once, with its reason": () => {
    const controller = new AbortController();
    const events = [];
    controller.signal.onabort = (event) => events.push(event.type, event.target === controller.signal);
    controller.signal.addEventListener("abort", () => events.push("listener"), { once: true });
    equal(controller.signal.aborted, false);
    controller.abort("first");
    controller.abort("second");
    equal([controller.signal.aborted, controller.signal.reason, events], [true, "first", ["abort", true, "listener"]]);
    equal(throws(() => controller.signal.throwIfAborted()), "first");
  },
  "the usual reason is an AbortError": () => {
    const reason = AbortSignal.abort().reason;
    equal([reason instanceof DOMException, reason.name, reason.code], [true, "AbortError", 20]);
    new AbortController().signal.throwIfAborted();
  },
  "timeout aborts by itself": async () => {
    const signal = AbortSignal.timeout(1);
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    equal([signal.reason.name, signal.reason.code], ["TimeoutError", 23]);
    throws(() => AbortSignal.timeout(-1), "TypeError");
  },
  "any follows the first of many": () => {
    const one = new AbortController();
    const two = new AbortController();
    const any = AbortSignal.any([one.signal, two.signal]);
    const chained = AbortSignal.any([any]);
    two.abort(2);
    one.abort(1);
    equal([any.aborted, any.reason, chained.reason], [true, 2, 2]);
    equal([AbortSignal.any([]).aborted, AbortSignal.any([AbortSignal.abort("x")]).reason], [false, "x"]);
    throws(() => AbortSignal.any([{}]), "TypeError");
  },
  "a listener can hang on a signal": () => {
    const target = new EventTarget();
    const controller = new AbortController();
    let heard = 0;
    target.addEventListener("e", () => heard++, { signal: controller.signal });
    target.dispatchEvent(new Event("e"));
    controller.abort();
    target.dispatchEvent(new Event("e"));
    equal(heard, 1);
  },
  "a signal cannot be made by hand": () => {
    throws(() => new AbortSignal(), "TypeError");
    ok(new AbortController().signal instanceof EventTarget);
  },
  "a data URL is not fetched under an aborted signal": async () => {
    await rejects(fetch("data:,x", { signal: AbortSignal.abort() }), "AbortError");
  },
});
