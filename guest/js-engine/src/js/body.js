// Bodies of requests and responses.
//
// The state of either holds `body` in the form it came: null, a string, bytes, a HostBody that the
// host streams, or a ReadableStream. Only who reads `.body` pays for a stream. `used` says that the
// body was consumed without one.
import { native } from "./native.js";
import { blobBytes, blobOf, concat, isBlob } from "./blob.js";
import { utf8Decode, utf8Encode } from "./encoding.js";
import { FormData, formEntries, isFormData } from "./form-data.js";
import { parseMime, serializeMime } from "./mime.js";
import { newBoundary, parseMultipart, serializeMultipart } from "./multipart.js";
import { cancelOp, startOp } from "./ops.js";
import { PromiseCtor, defineProperty, isUint8Array, jsonParse, promiseReject, promiseResolve, promiseThen, safeWeakMap } from "./primordials.js";
import { ReadableStream, acquireReader, isDisturbed, isLocked, isReadableStream, streamOfBytes, teeStream } from "./streams.js";
import { isURLSearchParams, queryOf } from "./url.js";
import { parseUrlencoded } from "./urlencoded.js";
import { bytesOf, isBufferSource } from "./webidl.js";

const nothing = () => {};
/** The text or bytes that a stream was made from. */
const madeFrom = safeWeakMap();
const empty = new Uint8Array(0);

/** A body that the host holds: the incoming request's (rid 0), or that of a fetched response. */
export class HostBody {
  constructor(rid) {
    this.meta = rid === 0 ? '{"rid":0}' : `{"rid":${rid}}`;
    this.op = 0;
    this.ended = false;
    this.failure = undefined; // {reason}, once aborted
    this.onFail = nothing;
  }

  /** Calls onChunk(bytes), or onChunk(null) at the end. The metadata "last" saves asking for the end. */
  read(onChunk, onErr) {
    if (this.failure !== undefined) return onErr(this.failure.reason);
    if (this.ended) return onChunk(null);
    this.onFail = onErr;
    this.op = startOp(
      "body_read",
      this.meta,
      null,
      (meta, bytes) => {
        this.op = 0;
        this.onFail = nothing;
        if (bytes === null || bytes === undefined || meta === "last") this.ended = true;
        onChunk(bytes ?? null);
      },
      (error) => {
        this.op = 0;
        this.onFail = nothing;
        this.failure = { reason: error };
        onErr(error);
      },
    );
  }

  readAll() {
    return new PromiseCtor((resolve, reject) => {
      let first = null;
      let all = null;
      const onChunk = (bytes) => {
        if (bytes === null) return resolve(all !== null ? concat(all) : (first ?? empty));
        if (first === null) first = bytes;
        else if (all === null) all = [first, bytes];
        else all[all.length] = bytes;
        this.read(onChunk, reject);
      };
      this.read(onChunk, reject);
    });
  }

  cancel() {
    if (this.ended || this.failure !== undefined) return;
    this.ended = true;
    if (this.op !== 0) cancelOp(this.op);
    startOp("body_cancel", this.meta, null, nothing, nothing);
  }

  /** Ends the body with an error: the signal of its fetch was aborted. */
  abort(reason) {
    if (this.ended || this.failure !== undefined) return;
    const onFail = this.onFail;
    if (this.op !== 0) cancelOp(this.op);
    this.op = 0;
    this.failure = { reason };
    this.onFail = nothing;
    startOp("body_cancel", this.meta, null, nothing, nothing);
    onFail(reason);
    if (this.controller !== undefined) {
      try {
        this.controller.error(reason);
      } catch {}
    }
  }

  toStream() {
    return new ReadableStream(
      {
        type: "bytes",
        start: (controller) => {
          this.controller = controller;
        },
        pull: (controller) =>
          new PromiseCtor((resolve, reject) => {
            this.read((bytes) => {
              if (bytes !== null && bytes.byteLength > 0) controller.enqueue(bytes);
              if (bytes === null || this.ended) {
                controller.close();
                controller.byobRequest?.respond(0);
              }
              resolve();
            }, reject);
          }),
        cancel: () => this.cancel(),
      },
      { highWaterMark: 0 },
    );
  }
}

/** The content type that goes with the body `extractBody` returned last, or null. */
export let extractedType = null;

export const textType = "text/plain;charset=UTF-8";

/** Takes a BodyInit: returns the body in the form that a state holds. */
export function extractBody(value) {
  if (typeof value === "string") {
    extractedType = textType;
    return value;
  }
  extractedType = null;
  if (typeof value === "object" && value !== null) {
    if (isBufferSource(value)) return bytesOf(value, "the body").slice();
    if (isReadableStream(value)) {
      if (isDisturbed(value) || isLocked(value)) throw new TypeError("the body is a stream that is locked or was read already");
      // Middleware wraps answers as `new Response(response.body, ...)`: what lies in memory needs no stream.
      return madeFrom.get(value) ?? value;
    }
    if (isURLSearchParams(value)) {
      extractedType = "application/x-www-form-urlencoded;charset=UTF-8";
      return queryOf(value);
    }
    if (isBlob(value)) {
      if (value.type !== "") extractedType = value.type;
      return blobBytes(value);
    }
    if (isFormData(value)) {
      const boundary = newBoundary();
      extractedType = `multipart/form-data; boundary=${boundary}`;
      return serializeMultipart(value, boundary);
    }
    // Beyond the standard, as Node, Deno and Bun have it: what can be iterated asynchronously streams.
    if (typeof value[Symbol.asyncIterator] === "function") return ReadableStream.from(value);
  }
  const string = `${value}`;
  extractedType = textType;
  return string;
}

export const isBodyUsed = (state) => state.used || (isStream(state.body) && isDisturbed(state.body));

export const isBodyUnusable = (state) =>
  state.used || (isStream(state.body) && (isDisturbed(state.body) || isLocked(state.body)));

const isStream = (body) => typeof body === "object" && body !== null && isReadableStream(body);

/** The stream of a state's body, made when first asked for. */
export function bodyStream(state) {
  const body = state.body;
  if (body === null || isStream(body)) return body;
  let stream;
  if (body instanceof HostBody) stream = body.toStream();
  else {
    stream = streamOfBytes(typeof body === "string" ? utf8Encode(body) : body.slice());
    madeFrom.set(stream, body);
  }
  if (state.used) {
    // The body was consumed without a stream, and who asks must see one that is spent.
    acquireReader(stream).read().then(nothing, nothing);
    return (state.spentStream ??= stream);
  }
  return (state.body = stream);
}

/** A second body with the same content; only what cannot be shared is teed. */
export function cloneBody(state) {
  const body = state.body;
  if (body === null || typeof body === "string" || isUint8Array(body)) return body;
  const [one, two] = teeStream(bodyStream(state));
  state.body = one;
  return two;
}

/** Hands the body over to another owner; what stays counts as used. */
export function takeBody(state) {
  const body = state.body;
  state.used = true;
  state.body = empty;
  return body;
}

// How each method makes its result: from the bytes, and where that is cheaper from a string.
const asText = {
  string: (text) => (text.charCodeAt(0) === 0xfeff ? text.slice(1) : text).toWellFormed(),
  bytes: utf8Decode,
};
const asJson = {
  string: (text) => jsonParse(asText.string(text)),
  bytes: (bytes) => jsonParse(utf8Decode(bytes)),
};
const asBytes = { string: utf8Encode, bytes: (bytes) => bytes.slice() };
const asArrayBuffer = { string: (text) => utf8Encode(text).buffer, bytes: (bytes) => bytes.slice().buffer };
const asBlob = {
  string: (text, type) => blobOf(utf8Encode(text), blobType(type)),
  bytes: (bytes, type) => blobOf(bytes.slice(), blobType(type)),
};
const asFormData = { string: (text, type) => parseForm(utf8Encode(text), type), bytes: (bytes, type) => parseForm(bytes, type) };

function consume(state, result, contentType) {
  const body = state.body;
  if (isBodyUnusable(state)) throw new TypeError("the body was read already, or its stream is locked");
  if (body === null) return promiseResolve(result.bytes(empty, contentType));
  state.used = true;
  if (typeof body === "string") return promiseResolve(result.string(body, contentType));
  if (isUint8Array(body)) return promiseResolve(result.bytes(body, contentType));
  const all = body instanceof HostBody ? body.readAll() : readStream(body);
  return promiseThen(all, (bytes) => result.bytes(bytes, contentType));
}

function readStream(stream) {
  const reader = acquireReader(stream);
  return new PromiseCtor((resolve, reject) => {
    const chunks = [];
    const step = ({ done, value }) => {
      if (done) return resolve(chunks.length === 1 ? chunks[0] : concat(chunks));
      if (!isUint8Array(value)) {
        const error = new TypeError("a chunk of the body's stream is not a Uint8Array");
        reader.cancel(error).then(nothing, nothing);
        return reject(error);
      }
      chunks[chunks.length] = value;
      promiseThen(reader.read(), step, reject);
    };
    promiseThen(reader.read(), step, reject);
  });
}

/**
 * Adds the Body mixin. `stateOf(object)` throws for a foreign object; `typeOf(state)` gives the
 * content type or null.
 */
export function defineBody(cls, stateOf, typeOf) {
  const method = (name, result, needsType) => {
    const read = {
      [name]() {
        try {
          const state = stateOf(this);
          return consume(state, result, needsType ? typeOf(state) : null);
        } catch (error) {
          return promiseReject(error);
        }
      },
    }[name];
    defineProperty(cls.prototype, name, { value: read, writable: true, enumerable: true, configurable: true });
  };
  method("text", asText, false);
  method("json", asJson, false);
  method("bytes", asBytes, false);
  method("arrayBuffer", asArrayBuffer, false);
  method("blob", asBlob, true);
  method("formData", asFormData, true);
}

function blobType(contentType) {
  return contentType === null ? "" : serializeMime(parseMime(contentType));
}

function parseForm(bytes, contentType) {
  const mime = contentType === null ? null : parseMime(contentType);
  if (mime?.essence === "multipart/form-data") {
    const boundary = mime.parameters.get("boundary");
    if (boundary === undefined) throw new TypeError("formData: the content type has no boundary");
    return parseMultipart(bytes, boundary);
  }
  if (mime?.essence === "application/x-www-form-urlencoded") {
    const form = new FormData();
    const entries = formEntries(form);
    for (const pair of parseUrlencoded(native.utf8Decode(bytes, false, false))) entries.push(pair);
    return form;
  }
  throw new TypeError(
    `formData: the content type is ${contentType === null ? "missing" : `"${contentType}"`}, not multipart/form-data or application/x-www-form-urlencoded`,
  );
}
