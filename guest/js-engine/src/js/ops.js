// Asynchronous work of the host: an operation is started with a callback for each outcome, and
// the engine reports the outcome through `settle`.
import { native } from "./native.js";
import { PromiseCtor, defineProperty, jsonParse, safeMap } from "./primordials.js";
import { DOMException } from "./dom-exception.js";

const pending = safeMap();

/**
 * Starts an operation. `onOk(metaJson, bytesOrNull)` or `onErr(error)` is called once, unless the
 * operation is cancelled. Metadata stays text: many operations have none to look at.
 */
export function startOp(name, metaJson, bytes, onOk, onErr) {
  const id = native.op(name, metaJson, bytes);
  pending.set(id, { onOk, onErr });
  return id;
}

/** The same as a promise of [metaJson, bytesOrNull]. */
export function opPromise(name, metaJson, bytes) {
  return new PromiseCtor((resolve, reject) => {
    startOp(name, metaJson, bytes, (meta, data) => resolve([meta, data]), reject);
  });
}

export function cancelOp(id) {
  if (pending.delete(id)) native.cancelOp(id);
}

/** Hook: the engine calls it when an operation has ended. A failure's metadata is {name, message}. */
export function settle(id, ok, metaJson, bytes) {
  const entry = pending.get(id);
  if (entry === undefined) return;
  pending.delete(id);
  if (ok) entry.onOk(metaJson, bytes);
  else entry.onErr(errorFromMeta(metaJson));
}

const errorClasses = { __proto__: null, TypeError, RangeError, SyntaxError, Error };

export function errorFromMeta(metaJson) {
  if (metaJson === "" || metaJson === undefined || metaJson === null) return new Error("the host's operation failed");
  let meta;
  try {
    meta = jsonParse(metaJson);
  } catch {
    return new Error(metaJson);
  }
  const message = `${meta?.message ?? metaJson}`;
  const name = `${meta?.name ?? "Error"}`;
  const ErrorClass = errorClasses[name];
  let error;
  if (ErrorClass !== undefined) error = new ErrorClass(message);
  else if (name.endsWith("Error")) error = new DOMException(message, name);
  else error = new Error(message);
  if (meta?.code !== undefined) defineProperty(error, "code", { value: meta.code, configurable: true, writable: true });
  return error;
}
