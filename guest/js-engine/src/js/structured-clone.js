// structuredClone of the HTML Standard: serialising and deserialising in one walk.
import { DOMException, isDOMException } from "./dom-exception.js";
import { blobBytes, blobOf, fileOf, isBlob, isFile } from "./blob.js";
import { apply, getPrototypeOf, isArrayBuffer, isSharedArrayBuffer, isView, typedArrayTag } from "./primordials.js";
import { inspect } from "./inspect.js";
import { isObject, needArguments, setLengths, toDictionary } from "./webidl.js";

const transferBuffer = ArrayBuffer.prototype.transfer;
const sizeOfMap = Object.getOwnPropertyDescriptor(Map.prototype, "size").get;
const sizeOfSet = Object.getOwnPropertyDescriptor(Set.prototype, "size").get;
const sourceOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "source").get;
const flagsOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "flags").get;
const detachedOf = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "detached")?.get;

const typedArrays = new Map(
  [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array].map(
    (cls) => [cls.name, cls],
  ),
);
if (typeof Float16Array === "function") typedArrays.set("Float16Array", Float16Array);

const errorClasses = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

const refuse = (what) => new DOMException(`${what} could not be cloned`, "DataCloneError");

export function structuredClone(value, options = undefined) {
  needArguments(arguments.length, 1, "structuredClone");
  const dictionary = toDictionary(options, "structuredClone: the options");
  const memory = new Map();
  const transfers = dictionary?.transfer === undefined ? [] : [...dictionary.transfer];
  const unique = new Set();
  for (const item of transfers) {
    if (!isArrayBuffer(item)) throw refuse("an item of the transfer list");
    if (unique.has(item)) throw new DOMException("the transfer list names a buffer twice", "DataCloneError");
    if (isDetached(item)) throw refuse("a detached ArrayBuffer");
    unique.add(item);
  }
  // The new buffers start as copies, and the old ones are detached at the end: nothing may be
  // transferred when something else cannot be cloned, and views over a detached buffer have lost
  // their length.
  for (const item of unique) clone(item, memory);
  const result = clone(value, memory);
  for (const item of unique) apply(transferBuffer, item, []);
  return result;
}
setLengths({ structuredClone }, { structuredClone: 1 });

const isDetached = (buffer) => detachedOf !== undefined && apply(detachedOf, buffer, []);

const brand = (getter, value) => {
  try {
    apply(getter, value, []);
    return true;
  } catch {
    return false;
  }
};

function clone(value, memory) {
  if (typeof value === "symbol") throw refuse(inspect(value));
  if (!isObject(value)) return value;
  const known = memory.get(value);
  if (known !== undefined) return known;
  if (typeof value === "function") throw refuse(inspect(value));
  if (Array.isArray(value)) {
    const copy = new Array(value.length);
    memory.set(value, copy);
    return copyProperties(value, copy, memory);
  }
  const proto = getPrototypeOf(value);
  if (proto === Object.prototype || proto === null) {
    const tagged = proto === null ? undefined : cloneExotic(value, memory);
    if (tagged !== undefined) return tagged;
    const copy = {};
    memory.set(value, copy);
    return copyProperties(value, copy, memory);
  }
  const special = cloneExotic(value, memory);
  if (special !== undefined) return special;
  if (isPlatformObject(value)) throw refuse(`an object of class ${nameOf(value)}`);
  const copy = {};
  memory.set(value, copy);
  return copyProperties(value, copy, memory);
}

function copyProperties(from, to, memory) {
  for (const key of Object.keys(from)) {
    if (!Object.hasOwn(from, key)) continue;
    const copy = clone(from[key], memory);
    Object.defineProperty(to, key, { value: copy, writable: true, enumerable: true, configurable: true });
  }
  return to;
}

/** What has more than properties: buffers, collections, dates, errors, blobs. */
function cloneExotic(value, memory) {
  const keep = (copy) => {
    memory.set(value, copy);
    return copy;
  };
  if (isArrayBuffer(value)) {
    if (isDetached(value)) throw refuse("a detached ArrayBuffer");
    if (value.resizable) {
      const copy = new ArrayBuffer(value.byteLength, { maxByteLength: value.maxByteLength });
      new Uint8Array(copy).set(new Uint8Array(value));
      return keep(copy);
    }
    return keep(apply(ArrayBuffer.prototype.slice, value, [0]));
  }
  if (isSharedArrayBuffer(value)) throw refuse("a SharedArrayBuffer");
  if (isView(value)) {
    const kind = apply(typedArrayTag, value, []);
    const { byteOffset } = value;
    const length = kind === undefined ? value.byteLength : value.length;
    const buffer = clone(value.buffer, memory);
    const cls = kind === undefined ? DataView : typedArrays.get(kind);
    return keep(new cls(buffer, byteOffset, length));
  }
  if (value instanceof Date && brand(Date.prototype.getTime, value)) return keep(new Date(Date.prototype.getTime.call(value)));
  if (value instanceof RegExp && Object.prototype.toString.call(value) === "[object RegExp]") {
    return keep(new RegExp(sourceOf.call(value), flagsOf.call(value)));
  }
  if (value instanceof Map && brand(sizeOfMap, value)) {
    const copy = keep(new Map());
    const pairs = [];
    Map.prototype.forEach.call(value, (item, key) => pairs.push([key, item]));
    for (const [key, item] of pairs) copy.set(clone(key, memory), clone(item, memory));
    return copy;
  }
  if (value instanceof Set && brand(sizeOfSet, value)) {
    const copy = keep(new Set());
    const items = [];
    Set.prototype.forEach.call(value, (item) => items.push(item));
    for (const item of items) copy.add(clone(item, memory));
    return copy;
  }
  if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt) {
    try {
      const inner = getPrototypeOfBoxed(value).valueOf.call(value);
      return keep(Object(inner));
    } catch {}
  }
  if (isDOMException(value)) {
    const copy = keep(new DOMException(value.message, value.name));
    if (typeof value.stack === "string") defineHidden(copy, "stack", value.stack);
    return copy;
  }
  if (isNativeError(value)) return cloneError(value, memory);
  if (isFile(value)) return keep(fileOf(blobBytes(value), value.name, value.type, value.lastModified));
  if (isBlob(value)) return keep(blobOf(blobBytes(value), value.type));
  return undefined;
}

const getPrototypeOfBoxed = (value) =>
  value instanceof Boolean ? Boolean.prototype : value instanceof Number ? Number.prototype : value instanceof String ? String.prototype : BigInt.prototype;

const isNativeError = typeof Error.isError === "function" ? (value) => Error.isError(value) : (value) => value instanceof Error;

const defineHidden = (object, key, value) =>
  Object.defineProperty(object, key, { value, writable: true, configurable: true, enumerable: false });

function cloneError(error, memory) {
  const name = `${error.name}`;
  const cls = errorClasses[name] ?? Error;
  const copy = new cls();
  memory.set(error, copy);
  const message = Object.getOwnPropertyDescriptor(error, "message");
  if (message !== undefined && "value" in message) defineHidden(copy, "message", `${message.value}`);
  if (typeof error.stack === "string") defineHidden(copy, "stack", error.stack);
  if (Object.hasOwn(error, "cause")) defineHidden(copy, "cause", clone(error.cause, memory));
  return copy;
}

function nameOf(value) {
  return value.constructor?.name ?? "unknown";
}

// An object with an internal slot that the standard does not let through.
function isPlatformObject(value) {
  if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef) return true;
  if (Object.prototype.toString.call(value) === "[object Generator]") return true;
  for (const cls of platformClasses) if (value instanceof cls) return true;
  return false;
}

const platformClasses = [];

/** Interfaces whose objects cannot be cloned. */
export function refuseToClone(classes) {
  platformClasses.push(...classes);
}
