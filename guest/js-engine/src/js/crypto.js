import { native, requireInvocation } from "./native.js";
import { DOMException, isDOMException } from "./dom-exception.js";
import { apply, isView, typedArrayTag } from "./primordials.js";
import * as webidl from "./webidl.js";
import * as subtleModule from "./subtle.js";

const INTERNAL = Symbol("internal");
const maxFill = 65536;

// What WebCrypto needs of this layer. The module may give the object itself or {subtle, SubtleCrypto, CryptoKey}.
const { installSubtle, ...subtleExports } = { ...subtleModule };
const installed = installSubtle === undefined ? undefined : installSubtle(native, { DOMException, isDOMException, webidl, requireInvocation });
const subtle = installed === undefined ? undefined : (installed.subtle ?? installed);

/** The constructors that go with it: {SubtleCrypto, CryptoKey}. */
export const subtleInterfaces = {
  SubtleCrypto: installed?.SubtleCrypto ?? subtleExports.SubtleCrypto,
  CryptoKey: installed?.CryptoKey ?? subtleExports.CryptoKey,
};

const integerArrays = new Set([
  "Int8Array",
  "Uint8Array",
  "Uint8ClampedArray",
  "Int16Array",
  "Uint16Array",
  "Int32Array",
  "Uint32Array",
  "BigInt64Array",
  "BigUint64Array",
]);

const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));

export function randomBytes(length) {
  const bytes = new Uint8Array(length);
  native.randomFill(bytes);
  return bytes;
}

export class Crypto {
  #brand;
  constructor(key) {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
  }
  get subtle() {
    this.#brand;
    return subtle;
  }
  getRandomValues(array) {
    this.#brand;
    webidl.needArguments(arguments.length, 1, "crypto.getRandomValues");
    if (!isView(array)) throw new TypeError("crypto.getRandomValues: the argument is not a typed array");
    const kind = apply(typedArrayTag, array, []);
    if (!integerArrays.has(kind)) {
      throw new DOMException(`crypto.getRandomValues: ${kind ?? "DataView"} is not an array of integers`, "TypeMismatchError");
    }
    if (array.byteLength > maxFill) {
      throw new DOMException(
        `crypto.getRandomValues: ${array.byteLength} bytes exceed the ${maxFill} of one call`,
        "QuotaExceededError",
      );
    }
    requireInvocation("crypto.getRandomValues");
    if (array.byteLength > 0) native.randomFill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength));
    return array;
  }
  randomUUID() {
    this.#brand;
    requireInvocation("crypto.randomUUID");
    const bytes = randomBytes(16);
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    let id = "";
    for (let i = 0; i < 16; i++) {
      if (i === 4 || i === 6 || i === 8 || i === 10) id += "-";
      id += hex[bytes[i]];
    }
    return id;
  }
}
webidl.defineInterface(Crypto, "Crypto", 0);

export const crypto = new Crypto(INTERNAL);
