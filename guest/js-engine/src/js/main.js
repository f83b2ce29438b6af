// Entry of the prelude. It is evaluated once, when the engine boots: it puts the standard names on
// globalThis and gives the engine its hooks. Nothing else of it can be reached from a function.
import "./dom-exception.js";
import { AbortController, AbortSignal } from "./abort.js";
import { atob, btoa } from "./base64.js";
import { Blob, File } from "./blob.js";
import { console } from "./console.js";
import { Crypto, crypto, subtleInterfaces } from "./crypto.js";
import { describe, describeText } from "./describe.js";
import { clientLeft, dispatchEvent, dispatchFetch, headersFlatOf } from "./dispatch.js";
import { DOMException } from "./dom-exception.js";
import { TextDecoder, TextDecoderStream, TextEncoder, TextEncoderStream } from "./encoding.js";
import { CustomEvent, ErrorEvent, Event, EventTarget, MessageEvent, PromiseRejectionEvent } from "./events.js";
import { fetch } from "./fetch.js";
import { FormData } from "./form-data.js";
import { Headers } from "./headers.js";
import { random, seedRandom } from "./math-random.js";
import { settle } from "./ops.js";
import {
  Performance,
  PerformanceEntry,
  PerformanceMark,
  PerformanceMeasure,
  performance,
  resetPerformance,
} from "./performance.js";
import "./printers.js";
import { globalTarget, reportException, unhandledRejection } from "./report.js";
import { Request } from "./request.js";
import { Response } from "./response.js";
import * as streams from "./streams.js";
import { refuseToClone, structuredClone } from "./structured-clone.js";
import { clearInterval, clearTimeout, queueMicrotask, setInterval, setTimeout } from "./timers.js";
import { URL, URLSearchParams } from "./url.js";
import { defineInterface, needArguments } from "./webidl.js";

class Navigator {
  get userAgent() {
    return "Mayfly";
  }
  get language() {
    return "en";
  }
  get hardwareConcurrency() {
    return 1;
  }
}
defineInterface(Navigator, "Navigator", 0);

const interfaces = {
  AbortController,
  AbortSignal,
  Blob,
  ByteLengthQueuingStrategy: streams.ByteLengthQueuingStrategy,
  CountQueuingStrategy: streams.CountQueuingStrategy,
  Crypto,
  ...subtleInterfaces,
  CustomEvent,
  DOMException,
  ErrorEvent,
  Event,
  EventTarget,
  File,
  FormData,
  Headers,
  MessageEvent,
  Navigator,
  Performance,
  PerformanceEntry,
  PerformanceMark,
  PerformanceMeasure,
  PromiseRejectionEvent,
  ReadableByteStreamController: streams.ReadableByteStreamController,
  ReadableStream: streams.ReadableStream,
  ReadableStreamBYOBReader: streams.ReadableStreamBYOBReader,
  ReadableStreamBYOBRequest: streams.ReadableStreamBYOBRequest,
  ReadableStreamDefaultController: streams.ReadableStreamDefaultController,
  ReadableStreamDefaultReader: streams.ReadableStreamDefaultReader,
  Request,
  Response,
  TextDecoder,
  TextDecoderStream,
  TextEncoder,
  TextEncoderStream,
  TransformStream: streams.TransformStream,
  TransformStreamDefaultController: streams.TransformStreamDefaultController,
  URL,
  URLSearchParams,
  WritableStream: streams.WritableStream,
  WritableStreamDefaultController: streams.WritableStreamDefaultController,
  WritableStreamDefaultWriter: streams.WritableStreamDefaultWriter,
};
for (const name of Object.keys(interfaces)) {
  const value = interfaces[name];
  if (value === undefined) continue;
  // The bundler renames what would collide, and `name` must be the interface's.
  if (value.name !== name) Object.defineProperty(value, "name", { value: name, configurable: true });
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
}
refuseToClone(
  Object.values(interfaces).filter((cls) => cls !== undefined && cls !== Blob && cls !== File && cls !== DOMException),
);

function reportError(error) {
  needArguments(arguments.length, 1, "reportError");
  reportException(error);
}

function addEventListener(type, callback, options = undefined) {
  if (`${type}` === "fetch" || `${type}` === "scheduled") {
    throw new TypeError(`addEventListener("${type}", ...) is not how a handler is given here; write export default { fetch(request, env, ctx) { ... } }`);
  }
  globalTarget().addEventListener(type, callback, options);
}

function removeEventListener(type, callback, options = undefined) {
  globalTarget().removeEventListener(type, callback, options);
}

function dispatchEventOnGlobal(event) {
  return globalTarget().dispatchEvent(event);
}
Object.defineProperty(dispatchEventOnGlobal, "name", { value: "dispatchEvent", configurable: true });

const operations = {
  addEventListener,
  atob,
  btoa,
  clearInterval,
  clearTimeout,
  dispatchEvent: dispatchEventOnGlobal,
  fetch,
  queueMicrotask,
  removeEventListener,
  reportError,
  setInterval,
  setTimeout,
  structuredClone,
};
const lengths = { addEventListener: 2, removeEventListener: 2, fetch: 1, setTimeout: 1, setInterval: 1, clearTimeout: 0, clearInterval: 0 };
for (const name of Object.keys(operations)) {
  const value = operations[name];
  if (value.name !== name) Object.defineProperty(value, "name", { value: name, configurable: true });
  if (lengths[name] !== undefined) Object.defineProperty(value, "length", { value: lengths[name], configurable: true });
  Object.defineProperty(globalThis, name, { value, writable: true, enumerable: true, configurable: true });
}

const process = { env: {} };
const namespaces = { console, crypto, navigator: new Navigator(), performance, process, self: globalThis };
for (const name of Object.keys(namespaces)) {
  Object.defineProperty(globalThis, name, { value: namespaces[name], writable: true, enumerable: name !== "console", configurable: true });
}
for (const name of ["onerror", "onunhandledrejection", "onrejectionhandled"]) {
  Object.defineProperty(globalThis, name, { value: null, writable: true, enumerable: true, configurable: true });
}
Object.defineProperty(Math, "random", { value: random, writable: true, configurable: true });

/** Hook: the engine calls it first in every invocation, with 128 bits of fresh randomness. */
function begin(s0, s1, s2, s3) {
  seedRandom(s0, s1, s2, s3);
  resetPerformance();
}

/** Hook: the environment that this invocation may see. */
function setEnv(env) {
  process.env = env;
}

export const hooks = {
  begin,
  settle,
  dispatchFetch,
  dispatchEvent,
  clientLeft,
  unhandledRejection,
  describe,
  describeText,
  headersFlatOf,
  setEnv,
};
