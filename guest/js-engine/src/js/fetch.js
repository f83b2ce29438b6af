import { onAbort } from "./abort.js";
import { HostBody, bodyStream } from "./body.js";
import { utf8Encode } from "./encoding.js";
import { parseMime } from "./mime.js";
import { native, notInSnapshot } from "./native.js";
import { cancelOp, startOp } from "./ops.js";
import { PromiseCtor, isUint8Array, jsonParse, jsonStringify, promiseReject, promiseThen } from "./primordials.js";
import { Request, flatOf, requestState } from "./request.js";
import { fetchedResponse } from "./response.js";
import { acquireReader } from "./streams.js";
import { percentDecode, percentDecodeToBytes } from "./urlencoded.js";
import { needArguments } from "./webidl.js";

const nothing = () => {};

export function fetch(input, init = undefined) {
  try {
    needArguments(arguments.length, 1, "fetch");
    const s = requestState(new Request(input, init));
    const signal = s.signal ?? (s.source === null ? null : s.source[0]);
    if (signal?.aborted) {
      bodyStream(s)?.cancel(signal.reason).then(nothing, nothing);
      return promiseReject(signal.reason);
    }
    if (s.url.startsWith("data:")) return new PromiseCtor((resolve) => resolve(fetchData(s)));
    if (!s.url.startsWith("http:") && !s.url.startsWith("https:")) {
      throw new TypeError(`fetch: the scheme of ${s.url.slice(0, 100)} is not http, https or data`);
    }
    if (native.phase() === 0) throw notInSnapshot("fetch");
    return send(s, signal);
  } catch (error) {
    return promiseReject(error);
  }
}

function metaOf(s, bytes, streams) {
  const flat = flatOf(s);
  const headers = [];
  for (let i = 0; i < flat.length; i += 2) headers[i >> 1] = [flat[i], flat[i + 1]];
  const hash = s.url.indexOf("#");
  return jsonStringify({
    method: s.method,
    url: hash < 0 ? s.url : s.url.slice(0, hash),
    headers,
    redirect: s.options?.redirect ?? "follow",
    hasBody: bytes !== null || streams,
    bodyStream: streams,
  });
}

function send(s, signal) {
  return new PromiseCtor((resolve, reject) => {
    let op = 0;
    let upload = null;
    let incoming = null;
    let settled = false;
    const forget =
      signal === null
        ? nothing
        : onAbort(signal, (reason) => {
            settled = true;
            if (op !== 0) cancelOp(op);
            upload?.abort(reason);
            incoming?.abort(reason);
            reject(reason);
          });
    const fail = (error) => {
      if (settled) return;
      settled = true;
      forget();
      // When the upload broke, nobody waits for the head any more.
      if (op !== 0) cancelOp(op);
      upload?.abort(error);
      reject(asFetchError(error));
    };
    const head = (metaJson) => {
      op = 0;
      if (settled) return;
      const meta = jsonParse(metaJson);
      const flat = [];
      for (const [name, value] of meta.headers) flat.push(name, value);
      if (meta.body !== null && meta.body !== undefined) incoming = new HostBody(meta.body);
      else forget();
      resolve(fetchedResponse(meta.status, meta.statusText ?? "", flat, incoming, meta.url ?? s.url, !!meta.redirected));
    };
    const body = s.body;
    if (body === null || typeof body === "string" || isUint8Array(body)) {
      const bytes = typeof body === "string" ? utf8Encode(body) : body;
      s.used = body !== null;
      op = startOp("fetch", metaOf(s, bytes, false), bytes, head, fail);
      return;
    }
    // A streamed upload: the head of the response may come before the body has left.
    op = startOp(
      "fetch_open",
      metaOf(s, null, true),
      null,
      (metaJson) => {
        const rid = jsonParse(metaJson).rid;
        upload = new Upload(`{"rid":${rid}}`, s);
        op = startOp("fetch_head", `{"rid":${rid}}`, null, head, fail);
        upload.run(fail);
      },
      fail,
    );
  });
}

/** Pumps a request's body to the host, one chunk at a time. */
class Upload {
  constructor(meta, state) {
    this.meta = meta;
    this.done = false;
    const body = state.body;
    state.used = true;
    if (body instanceof HostBody) {
      this.pull = (onChunk, onErr) => body.read(onChunk, onErr);
      this.cancel = () => body.cancel();
    } else {
      const reader = acquireReader(body);
      this.pull = (onChunk, onErr) =>
        promiseThen(reader.read(), ({ done, value }) => (done ? onChunk(null) : onChunk(value)), onErr);
      this.cancel = (reason) => promiseThen(reader.cancel(reason), nothing, nothing);
    }
  }
  run(fail) {
    const next = () => {
      if (!this.done) this.pull(write, fail);
    };
    const write = (chunk) => {
      if (this.done) return;
      if (chunk === null) {
        this.done = true;
        startOp("fetch_close", this.meta, null, nothing, fail);
      } else if (!isUint8Array(chunk)) {
        fail(new TypeError("fetch: a chunk of the request body's stream is not a Uint8Array"));
      } else {
        startOp("fetch_write", this.meta, chunk, next, fail);
      }
    };
    next();
  }
  abort(reason) {
    if (this.done) return;
    this.done = true;
    this.cancel(reason);
    startOp("body_cancel", this.meta, null, nothing, nothing);
  }
}

/** A network failure is a TypeError; what happened is in its message and its cause. */
function asFetchError(error) {
  if (error instanceof TypeError) return error;
  return new TypeError(`fetch failed: ${error?.message ?? error}`, { cause: error });
}

function fetchData(s) {
  const hash = s.url.indexOf("#");
  const url = hash < 0 ? s.url.slice(5) : s.url.slice(5, hash);
  const comma = url.indexOf(",");
  if (comma < 0) throw new TypeError("fetch: the data: URL has no comma");
  let type = url.slice(0, comma).trim();
  let bytes = percentDecodeToBytes(url.slice(comma + 1)).slice();
  const base64 = /; *base64$/i.exec(type);
  if (base64 !== null) {
    type = type.slice(0, base64.index);
    bytes = native.base64Decode(native.latin1Decode(bytes));
    if (bytes === null) throw new TypeError("fetch: the data: URL is not valid base64");
  }
  if (type.startsWith(";")) type = `text/plain${type}`;
  const decoded = percentDecode(type);
  const mime = parseMime(decoded) === null ? "text/plain;charset=US-ASCII" : decoded;
  return fetchedResponse(200, "OK", ["content-type", mime], s.method === "HEAD" ? null : bytes, s.url, false);
}
