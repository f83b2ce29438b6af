// Where exceptions that no caller can catch end up: the handlers that the globals offer, then the log.
import { native } from "./native.js";
import { describeText, errorHead } from "./describe.js";
import { ErrorEvent, EventTarget, PromiseRejectionEvent } from "./events.js";

let target;

/** Holds what the global addEventListener adds. Made on demand: this module and the events' import each other. */
export const globalTarget = () => (target ??= new EventTarget());

export function reportException(error) {
  if (notify("onerror", () => new ErrorEvent("error", { error, message: errorHead(error), cancelable: true }))) return;
  native.log("error", `Uncaught ${describeText(error).replace(/^Uncaught /, "")}`);
}

/** Hook: a promise was rejected and nothing handles it. */
export function unhandledRejection(reason, promise) {
  const makeEvent = () =>
    new PromiseRejectionEvent("unhandledrejection", { promise: promise ?? Promise.resolve(), reason, cancelable: true });
  if (notify("onunhandledrejection", makeEvent)) return;
  native.log("error", `Unhandled rejection: ${describeText(reason).replace(/^Uncaught /, "")}`);
}

/** True when a handler of the user said that it took care of it. */
function notify(attribute, makeEvent) {
  try {
    const event = makeEvent();
    const handler = globalThis[attribute];
    if (typeof handler === "function") {
      const result =
        attribute === "onerror"
          ? Reflect.apply(handler, globalThis, [event.message, event.filename, event.lineno, event.colno, event.error])
          : Reflect.apply(handler, globalThis, [event]);
      if (attribute === "onerror" ? result === true : result === false) event.preventDefault();
    }
    return !globalTarget().dispatchEvent(event) || event.defaultPrevented;
  } catch (error) {
    native.log("error", `Uncaught in ${attribute}: ${describeText(error)}`);
    return false;
  }
}
