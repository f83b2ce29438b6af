// The conversions and the object shapes that Web IDL prescribes for every interface.
import { defineProperty, getOwnPropertyDescriptor, isArrayBuffer, isSharedArrayBuffer, isView, ownKeys, trunc } from "./primordials.js";

/** DOMString. A template, not String(): symbols must throw. */
export const toDOMString = (value) => (typeof value === "string" ? value : `${value}`);

/** USVString: lone surrogates become U+FFFD. */
export function toUSVString(value) {
  const string = typeof value === "string" ? value : `${value}`;
  return string.isWellFormed() ? string : string.toWellFormed();
}

const notLatin1 = /[^\x00-\xff]/;

export function toByteString(value, what) {
  const string = typeof value === "string" ? value : `${value}`;
  if (notLatin1.test(string)) throw new TypeError(`${what} has a character above U+00FF`);
  return string;
}

/** unsigned short and friends without [Clamp] or [EnforceRange]. */
export function toUnsigned(value, bits) {
  if (typeof value === "number" && value >= 0 && value <= 0x7fff && value === (value | 0)) return value;
  const number = trunc(Number(value));
  if (!Number.isFinite(number) || number === 0) return 0;
  const modulo = 2 ** bits;
  const rest = number % modulo;
  return rest < 0 ? rest + modulo : rest;
}

/** [EnforceRange] unsigned long long. */
export function toEnforcedLongLong(value, what) {
  const number = trunc(Number(value));
  if (!Number.isFinite(number) || number < 0 || number > Number.MAX_SAFE_INTEGER) {
    throw new TypeError(`${what} must be an integer from 0 to 2^53 - 1`);
  }
  return number === 0 ? 0 : number;
}

/** A dictionary argument: undefined and null are the empty dictionary. */
export function toDictionary(value, what) {
  if (value === undefined || value === null) return undefined;
  if (typeof value !== "object" && typeof value !== "function") throw new TypeError(`${what} must be an object`);
  return value;
}

export function toEnum(value, allowed, what) {
  const string = `${value}`;
  if (!allowed.includes(string)) throw new TypeError(`${what}: "${string}" is not one of ${allowed.join(", ")}`);
  return string;
}

export function needArguments(count, needed, what) {
  if (count < needed) {
    throw new TypeError(`${what} needs ${needed} argument${needed === 1 ? "" : "s"}, but got ${count}`);
  }
}

export const isObject = (value) => (typeof value === "object" && value !== null) || typeof value === "function";

/** A view of the bytes of an ArrayBuffer or of any view. No copy. */
export function bytesOf(value, what) {
  if (isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
  if (isArrayBuffer(value) || isSharedArrayBuffer(value)) return new Uint8Array(value);
  throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
}

export const isBufferSource = (value) => isView(value) || isArrayBuffer(value);

/**
 * Gives a class the shape of an interface: enumerable members, its tag, and a constructor
 * length that does not count optional parameters.
 */
export function defineInterface(cls, name, length = 0) {
  makeEnumerable(cls.prototype);
  for (const key of ownKeys(cls)) {
    if (typeof key !== "string" || key === "prototype" || key === "name" || key === "length") continue;
    defineProperty(cls, key, { enumerable: true });
  }
  defineProperty(cls.prototype, Symbol.toStringTag, { value: name, configurable: true });
  defineProperty(cls, "name", { value: name, configurable: true });
  defineProperty(cls, "length", { value: length, configurable: true });
}

function makeEnumerable(prototype) {
  for (const key of ownKeys(prototype)) {
    if (typeof key === "string" && key !== "constructor") defineProperty(prototype, key, { enumerable: true });
  }
}

/** Sets `length` of methods whose optional parameters have no default value in the source. */
export function setLengths(target, lengths) {
  for (const name of ownKeys(lengths)) defineProperty(target[name], "length", { value: lengths[name], configurable: true });
}

export function defineConstants(cls, constants) {
  for (const name of ownKeys(constants)) {
    const descriptor = { value: constants[name], enumerable: true };
    defineProperty(cls, name, descriptor);
    defineProperty(cls.prototype, name, descriptor);
  }
}

const iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));

/**
 * Adds entries, keys, values, forEach and @@iterator. `pairsOf(object)` throws for a foreign object
 * and returns the current list of [key, value]; the iterator reads it again at each step, since
 * the list may change meanwhile.
 */
export function definePairIterable(cls, name, pairsOf) {
  class PairIterator {
    #target;
    #kind;
    #index = 0;
    constructor(target, kind) {
      this.#target = target;
      this.#kind = kind;
    }
    next() {
      const pairs = pairsOf(this.#target);
      const index = this.#index;
      if (index >= pairs.length) return { value: undefined, done: true };
      this.#index = index + 1;
      const pair = pairs[index];
      const value = this.#kind === "entries" ? [pair[0], pair[1]] : pair[this.#kind === "keys" ? 0 : 1];
      return { value, done: false };
    }
  }
  delete PairIterator.prototype.constructor;
  Object.setPrototypeOf(PairIterator.prototype, iteratorPrototype);
  defineProperty(PairIterator.prototype, "next", { enumerable: true });
  defineProperty(PairIterator.prototype, Symbol.toStringTag, { value: `${name} Iterator`, configurable: true });

  const methods = {
    entries() {
      pairsOf(this);
      return new PairIterator(this, "entries");
    },
    keys() {
      pairsOf(this);
      return new PairIterator(this, "keys");
    },
    values() {
      pairsOf(this);
      return new PairIterator(this, "values");
    },
    forEach(callback, thisArg = undefined) {
      pairsOf(this);
      needArguments(arguments.length, 1, `${name}.forEach`);
      if (typeof callback !== "function") throw new TypeError(`${name}.forEach: the callback is not a function`);
      for (let i = 0; i < pairsOf(this).length; i++) {
        const pair = pairsOf(this)[i];
        Reflect.apply(callback, thisArg, [pair[1], pair[0], this]);
      }
    },
  };
  for (const key of Object.keys(methods)) {
    defineProperty(cls.prototype, key, { value: methods[key], enumerable: true, writable: true, configurable: true });
  }
  defineProperty(cls.prototype, Symbol.iterator, { value: methods.entries, writable: true, configurable: true });
}

/** Copies members of an object literal to a prototype with the attributes of interface members. */
export function mixin(target, members) {
  for (const key of ownKeys(members)) {
    const descriptor = getOwnPropertyDescriptor(members, key);
    descriptor.enumerable = typeof key === "string";
    defineProperty(target, key, descriptor);
  }
}
