import { native } from "./native.js";
import { TransformStream } from "./streams.js";
import { bytesOf, defineInterface, toDictionary, toDOMString, toUSVString } from "./webidl.js";

export const utf8Encode = native.utf8Encode;

/** UTF-8 decode of the Encoding Standard: a byte order mark is dropped, errors become U+FFFD. */
export const utf8Decode = (bytes) => native.utf8Decode(bytes, false, false);

const empty = new Uint8Array(0);

export class TextEncoder {
  #brand;
  get encoding() {
    this.#brand;
    return "utf-8";
  }
  encode(input = "") {
    this.#brand;
    return native.utf8Encode(toDOMString(input));
  }
  encodeInto(source, destination) {
    this.#brand;
    if (arguments.length < 2) throw new TypeError("TextEncoder.encodeInto needs 2 arguments");
    const string = toUSVString(source);
    if (!(destination instanceof Uint8Array)) throw new TypeError("TextEncoder.encodeInto: the destination is not a Uint8Array");
    const room = destination.length;
    if (string.length * 3 <= room) {
      const bytes = native.utf8Encode(string);
      destination.set(bytes);
      return { read: string.length, written: bytes.length };
    }
    let read = 0;
    let written = 0;
    while (read < string.length) {
      const point = string.codePointAt(read);
      const size = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
      if (written + size > room) break;
      written += size;
      read += point > 0xffff ? 2 : 1;
    }
    destination.set(native.utf8Encode(string.slice(0, read)));
    return { read, written };
  }
}
defineInterface(TextEncoder, "TextEncoder", 0);

// Encodings in which one character may take several bytes, with the way to cut a stream.
const multiByte = new Set(["gbk", "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr", "iso-2022-jp"]);

/** How many bytes at the end of `bytes` may belong to a character that is not complete yet. */
function incompleteTail(encoding, bytes) {
  const length = bytes.length;
  if (length === 0) return 0;
  if (encoding === "utf-8") return incompleteUtf8(bytes, length);
  if (encoding === "utf-16le" || encoding === "utf-16be") {
    const odd = length & 1;
    if (length - odd < 2) return odd;
    const high = bytes[length - odd - (encoding === "utf-16le" ? 1 : 2)];
    return high >= 0xd8 && high <= 0xdb ? odd + 2 : odd;
  }
  if (!multiByte.has(encoding)) return 0;
  // A byte below 0x30 never continues a character there, so everything up to the last such byte is
  // whole. ISO-2022-JP has state that reaches over any byte.
  if (encoding === "iso-2022-jp") return length;
  for (let i = length - 1; i >= 0; i--) {
    if (bytes[i] < 0x30) return length - 1 - i;
  }
  return length;
}

function incompleteUtf8(bytes, length) {
  for (let back = 1; back <= 3 && back <= length; back++) {
    const byte = bytes[length - back];
    if ((byte & 0xc0) === 0x80) continue;
    const needed = byte >= 0xc2 && byte <= 0xdf ? 2 : byte >= 0xe0 && byte <= 0xef ? 3 : byte >= 0xf0 && byte <= 0xf4 ? 4 : 0;
    if (needed <= back) return 0;
    if (back > 1) {
      // A second byte outside its range is an error already: nothing to wait for.
      const second = bytes[length - back + 1];
      if (byte === 0xe0 && second < 0xa0) return 0;
      if (byte === 0xed && second > 0x9f) return 0;
      if (byte === 0xf0 && second < 0x90) return 0;
      if (byte === 0xf4 && second > 0x8f) return 0;
    }
    return back;
  }
  return 0;
}

export class TextDecoder {
  #encoding;
  #fatal = false;
  #ignoreBOM = false;
  #pending = empty;
  #started = false; // a byte order mark can no longer come
  #streaming = false;
  constructor(label = "utf-8", options = undefined) {
    const name = toDOMString(label);
    if (name === "utf-8" || name === "utf8") {
      this.#encoding = "utf-8";
    } else {
      const encoding = native.textLabel(name);
      if (encoding === null || encoding === "replacement") throw new RangeError(`TextDecoder: the encoding "${name}" is unknown`);
      this.#encoding = encoding;
    }
    const dictionary = toDictionary(options, "TextDecoder: the options");
    if (dictionary !== undefined) {
      this.#fatal = !!dictionary.fatal;
      this.#ignoreBOM = !!dictionary.ignoreBOM;
    }
  }
  get encoding() {
    return this.#encoding;
  }
  get fatal() {
    return this.#fatal;
  }
  get ignoreBOM() {
    return this.#ignoreBOM;
  }
  decode(input = undefined, options = undefined) {
    this.#encoding;
    const bytes = input === undefined ? empty : bytesOf(input, "TextDecoder.decode: the input");
    const stream = options !== undefined && options !== null && !!options.stream;
    if (!stream && !this.#streaming) {
      if (this.#encoding === "utf-8") return native.utf8Decode(bytes, this.#fatal, this.#ignoreBOM);
      return native.textDecode(this.#encoding, bytes, this.#fatal, this.#ignoreBOM);
    }
    return this.#decodePart(bytes, stream);
  }
  #decodePart(bytes, more) {
    let all = bytes;
    if (this.#pending.length > 0) {
      all = new Uint8Array(this.#pending.length + bytes.length);
      all.set(this.#pending);
      all.set(bytes, this.#pending.length);
    }
    const tail = more ? incompleteTail(this.#encoding, all) : 0;
    const part = tail === 0 ? all : all.subarray(0, all.length - tail);
    this.#pending = tail === 0 ? empty : all.slice(all.length - tail);
    const keepMark = this.#ignoreBOM || this.#started;
    if (more) {
      this.#streaming = true;
      if (part.length > 0) this.#started = true;
    } else {
      this.#streaming = this.#started = false;
    }
    if (part.length === 0) return "";
    try {
      if (this.#encoding === "utf-8") return native.utf8Decode(part, this.#fatal, keepMark);
      return native.textDecode(this.#encoding, part, this.#fatal, keepMark);
    } catch (error) {
      this.#pending = empty;
      this.#streaming = this.#started = false;
      throw error;
    }
  }
}
defineInterface(TextDecoder, "TextDecoder", 0);

export class TextEncoderStream {
  #transform;
  constructor() {
    let high = ""; // a leading surrogate whose other half may come with the next chunk
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        let string = high + `${chunk}`;
        high = "";
        const last = string.charCodeAt(string.length - 1);
        if (last >= 0xd800 && last <= 0xdbff) {
          high = string[string.length - 1];
          string = string.slice(0, -1);
        }
        if (string !== "") controller.enqueue(native.utf8Encode(string));
      },
      flush(controller) {
        if (high !== "") controller.enqueue(new Uint8Array([0xef, 0xbf, 0xbd]));
      },
    });
  }
  get encoding() {
    this.#transform;
    return "utf-8";
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}
defineInterface(TextEncoderStream, "TextEncoderStream", 0);

export class TextDecoderStream {
  #decoder;
  #transform;
  constructor(label = "utf-8", options = undefined) {
    const decoder = new TextDecoder(label, options);
    this.#decoder = decoder;
    this.#transform = new TransformStream({
      transform(chunk, controller) {
        const text = decoder.decode(bytesOf(chunk, "TextDecoderStream: a chunk"), { stream: true });
        if (text !== "") controller.enqueue(text);
      },
      flush(controller) {
        const text = decoder.decode();
        if (text !== "") controller.enqueue(text);
      },
    });
  }
  get encoding() {
    return this.#decoder.encoding;
  }
  get fatal() {
    return this.#decoder.fatal;
  }
  get ignoreBOM() {
    return this.#decoder.ignoreBOM;
  }
  get readable() {
    return this.#transform.readable;
  }
  get writable() {
    return this.#transform.writable;
  }
}
defineInterface(TextDecoderStream, "TextDecoderStream", 0);
