// Event, EventTarget, CustomEvent and the global scope's own events.
import { checks, equal, ok, throws } from "./lib/check.js";

export default checks({
  "listeners run in order, once where they say so": () => {
    const target = new EventTarget();
    const log = [];
    const listener = () => log.push("b");
    target.addEventListener("e", () => log.push("a"), { once: true });
    target.addEventListener("e", listener);
    target.addEventListener("e", listener);
    target.addEventListener("e", { handleEvent: (event) => log.push(event.type) });
    target.dispatchEvent(new Event("e"));
    target.removeEventListener("e", listener);
    target.dispatchEvent(new Event("e"));
    equal(log, ["a", "b", "e", "e"]);
  },
  "an event can be cancelled and stopped": () => {
    const target = new EventTarget();
    let after = false;
    target.addEventListener("e", (event) => {
      event.preventDefault();
      event.stopImmediatePropagation();
    });
    target.addEventListener("e", () => { after = true; });
    const event = new Event("e", { cancelable: true });
    equal([target.dispatchEvent(event), event.defaultPrevented, after, target.dispatchEvent(new Event("other"))], [false, true, false, true]);
  },
  "a passive listener cannot cancel": () => {
    const target = new EventTarget();
    target.addEventListener("e", (event) => event.preventDefault(), { passive: true });
    equal(target.dispatchEvent(new Event("e", { cancelable: true })), true);
  },
  "what an event tells": () => {
    const event = new CustomEvent("c", { detail: { x: 1 }, bubbles: true });
    equal([event.type, event.detail.x, event.bubbles, event.cancelable, event.target, event.eventPhase, event.isTrusted], ["c", 1, true, false, null, 0, false]);
    ok(event.timeStamp >= 0);
    equal([Event.AT_TARGET, new CustomEvent("d").detail], [2, null]);
    throws(() => new Event(), "TypeError");
  },
  "an event is dispatched once at a time": () => {
    const target = new EventTarget();
    const event = new Event("e");
    target.addEventListener("e", () => throws(() => target.dispatchEvent(event), "InvalidStateError"));
    target.dispatchEvent(event);
    throws(() => target.dispatchEvent({}), "TypeError");
  },
  "a class can extend EventTarget": () => {
    class Bell extends EventTarget {
      ring() {
        return this.dispatchEvent(new Event("ring"));
      }
    }
    const bell = new Bell();
    let self;
    bell.addEventListener("ring", function () { self = this; });
    bell.ring();
    ok(self === bell);
  },
  "reportError reaches the error event": () => {
    let heard;
    const listener = (event) => {
      heard = [event.error.message, event instanceof ErrorEvent];
      event.preventDefault();
    };
    addEventListener("error", listener);
    reportError(new RangeError("told"));
    removeEventListener("error", listener);
    equal(heard, ["told", true]);
  },
});
