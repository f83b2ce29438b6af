// Functions taken before user code runs. Paths that every invocation takes use these, so that
// a patched prototype cannot break the answer of the platform itself.
export const { apply, ownKeys, getOwnPropertyDescriptor } = Reflect;
export const { create, defineProperty, keys: objectKeys, freeze, getPrototypeOf, setPrototypeOf } = Object;
export const { isArray } = Array;
export const { parse: jsonParse, stringify: jsonStringify } = JSON;
export const { floor, min, max, trunc } = Math;
export const { isView } = ArrayBuffer;

export const PromiseCtor = Promise;
const then = Promise.prototype.then;
const resolve = Promise.resolve;
const reject = Promise.reject;

export const promiseThen = (promise, onOk, onErr) => apply(then, promise, [onOk, onErr]);
export const promiseResolve = (value) => apply(resolve, PromiseCtor, [value]);
export const promiseReject = (reason) => apply(reject, PromiseCtor, [reason]);

/** Calls `then` so that a rejection nobody looks at is not reported as unhandled. */
export const ignoreRejection = (promise) => void apply(then, promise, [undefined, () => {}]);

const TypedArray = getPrototypeOf(Uint8Array);
export const typedArrayTag = getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get;
export const isUint8Array = (value) =>
  typeof value === "object" && value !== null && apply(typedArrayTag, value, []) === "Uint8Array";

const bufferLength = getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get;
const sharedLength =
  typeof SharedArrayBuffer === "function"
    ? getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "byteLength").get
    : null;

export function isArrayBuffer(value) {
  if (typeof value !== "object" || value === null) return false;
  try {
    apply(bufferLength, value, []);
    return true;
  } catch {
    return false;
  }
}

export function isSharedArrayBuffer(value) {
  if (sharedLength === null || typeof value !== "object" || value === null) return false;
  try {
    apply(sharedLength, value, []);
    return true;
  } catch {
    return false;
  }
}

/** A Map whose methods are its own, so that a patched Map.prototype does not reach it. */
export function safeWeakMap() {
  const map = new WeakMap();
  for (const name of ["get", "set", "has", "delete"]) {
    defineProperty(map, name, { value: WeakMap.prototype[name] });
  }
  return map;
}

export function safeMap() {
  const map = new Map();
  for (const name of ["get", "set", "has", "delete", "clear", "forEach"]) {
    defineProperty(map, name, { value: Map.prototype[name] });
  }
  return map;
}
