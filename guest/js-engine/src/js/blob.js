import { promiseReject, promiseResolve } from "./primordials.js";
import { utf8Decode, utf8Encode } from "./encoding.js";
import { streamOfBytes } from "./streams.js";
import { bytesOf, defineInterface, isBufferSource, isObject, needArguments, setLengths, toDictionary, toEnum, toUSVString } from "./webidl.js";

const RAW = Symbol("raw");

let rawOf;
export let isBlob;

export class Blob {
  #bytes;
  #type = "";
  constructor(parts = undefined, options = undefined) {
    if (parts === RAW) {
      this.#bytes = options.bytes;
      this.#type = options.type;
      return;
    }
    let list = [];
    if (parts !== undefined) {
      if (!isObject(parts) || typeof parts[Symbol.iterator] !== "function") throw new TypeError("Blob: the first argument is not a sequence");
      list = [...parts];
    }
    const dictionary = toDictionary(options, "Blob: the second argument");
    const endings = dictionary?.endings === undefined ? "transparent" : toEnum(dictionary.endings, ["transparent", "native"], "Blob: endings");
    const type = dictionary?.type === undefined ? "" : normalizeType(dictionary.type);
    this.#bytes = concat(list.map((part) => partBytes(part, endings)));
    this.#type = type;
  }
  get size() {
    return this.#bytes.byteLength;
  }
  get type() {
    return this.#type;
  }
  slice(start = 0, end = undefined, contentType = "") {
    const size = this.#bytes.byteLength;
    const from = clampIndex(start, size);
    const to = end === undefined ? size : clampIndex(end, size);
    return blobOf(this.#bytes.subarray(from, Math.max(from, to)), normalizeType(contentType));
  }
  stream() {
    return streamOfBytes(this.#bytes.slice());
  }
  text() {
    try {
      return promiseResolve(utf8Decode(this.#bytes));
    } catch (error) {
      return promiseReject(error);
    }
  }
  arrayBuffer() {
    try {
      return promiseResolve(this.#bytes.slice().buffer);
    } catch (error) {
      return promiseReject(error);
    }
  }
  bytes() {
    try {
      return promiseResolve(this.#bytes.slice());
    } catch (error) {
      return promiseReject(error);
    }
  }
  static {
    isBlob = (value) => typeof value === "object" && value !== null && #bytes in value;
    rawOf = (blob) => blob.#bytes;
  }
}
defineInterface(Blob, "Blob", 0);
setLengths(Blob.prototype, { slice: 0 });

/** The bytes of a blob, not copied: never hand them out. */
export const blobBytes = (blob) => rawOf(blob);

/** A blob over bytes that nobody else changes. */
export const blobOf = (bytes, type) => new Blob(RAW, { bytes, type });

export let isFile;

export class File extends Blob {
  #name;
  #lastModified;
  constructor(parts, name, options = undefined) {
    if (parts === RAW) {
      super(parts, options);
      this.#name = name;
      this.#lastModified = options.lastModified;
      return;
    }
    needArguments(arguments.length, 2, "File");
    super(parts ?? NOT_A_SEQUENCE, options);
    this.#name = toUSVString(name);
    const modified = options?.lastModified;
    this.#lastModified = modified === undefined ? Date.now() : Math.trunc(Number(modified)) || 0;
  }
  get name() {
    return this.#name;
  }
  get lastModified() {
    return this.#lastModified;
  }
  get webkitRelativePath() {
    this.#name;
    return "";
  }
  static {
    isFile = (value) => typeof value === "object" && value !== null && #name in value;
  }
}
defineInterface(File, "File", 2);

// The parts of a File are not optional, while a Blob takes undefined for "none".
const NOT_A_SEQUENCE = 0;

export const fileOf = (bytes, name, type, lastModified = Date.now()) => new File(RAW, name, { bytes, type, lastModified });

/** The lower-case type, or "" when it has a character outside printable ASCII. */
function normalizeType(type) {
  const text = `${type}`;
  return /[^\x20-\x7e]/.test(text) ? "" : text.toLowerCase();
}

function clampIndex(value, size) {
  const index = Math.trunc(Number(value)) || 0;
  return index < 0 ? Math.max(size + index, 0) : Math.min(index, size);
}

function partBytes(part, endings) {
  if (isBlob(part)) return blobBytes(part);
  if (isBufferSource(part)) return bytesOf(part, "Blob: a part");
  const text = `${part}`;
  return utf8Encode(endings === "native" ? text.replace(/\r\n?/g, "\n") : text);
}

/** One new array with all parts. */
export function concat(parts) {
  let length = 0;
  for (let i = 0; i < parts.length; i++) length += parts[i].byteLength;
  const all = new Uint8Array(length);
  let at = 0;
  for (let i = 0; i < parts.length; i++) {
    all.set(parts[i], at);
    at += parts[i].byteLength;
  }
  return all;
}
