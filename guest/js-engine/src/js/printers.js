// How the interfaces of this layer look in a log.
import { isAbortSignal } from "./abort.js";
import { isBlob, isFile } from "./blob.js";
import { Event } from "./events.js";
import { formEntries, isFormData } from "./form-data.js";
import { isHeaders } from "./headers.js";
import { registerPrinter } from "./inspect.js";
import { isRequest } from "./request.js";
import { isResponse } from "./response.js";
import { isReadableStream } from "./streams.js";
import { URL, URLSearchParams } from "./url.js";

const printable = (test) => (value) => {
  try {
    return test(value);
  } catch {
    return false;
  }
};
const register = (test, print) => registerPrinter(printable(test), print);

// A prototype is an instance by instanceof, but has no state to show: reading it throws.
const live = (cls, getter) => {
  const get = Object.getOwnPropertyDescriptor(cls.prototype, getter).get;
  return (value) => {
    if (!(value instanceof cls)) return false;
    get.call(value);
    return true;
  };
};

/** Repeated names become arrays. */
function toRecord(pairs) {
  const record = { __proto__: null };
  for (const [name, value] of pairs) {
    if (!(name in record)) record[name] = value;
    else if (Array.isArray(record[name])) record[name].push(value);
    else record[name] = [record[name], value];
  }
  return quoteKeys(record);
}

function quoteKeys(record) {
  const quoted = {};
  for (const key of Object.keys(record)) quoted[/^[A-Za-z_$][\w$]*$/.test(key) ? key : `'${key}'`] = record[key];
  return quoted;
}

register(isHeaders, (headers) => ["Headers", toRecord(headers)]);
register(isFormData, (form) => ["FormData", toRecord(formEntries(form))]);
register(live(URLSearchParams, "size"), (params) => ["URLSearchParams", toRecord(params)]);
register(live(URL, "href"), (url) => [
  "URL",
  {
    href: url.href,
    origin: url.origin,
    protocol: url.protocol,
    username: url.username,
    password: url.password,
    host: url.host,
    hostname: url.hostname,
    port: url.port,
    pathname: url.pathname,
    search: url.search,
    searchParams: url.searchParams,
    hash: url.hash,
  },
]);
register(isFile, (file) => ["File", { size: file.size, type: file.type, name: file.name, lastModified: file.lastModified }]);
register(isBlob, (blob) => ["Blob", { size: blob.size, type: blob.type }]);
register(isRequest, (request) => [
  "Request",
  { method: request.method, url: request.url, headers: request.headers, redirect: request.redirect, bodyUsed: request.bodyUsed },
]);
register(isResponse, (response) => [
  "Response",
  {
    status: response.status,
    statusText: response.statusText,
    headers: response.headers,
    bodyUsed: response.bodyUsed,
    ok: response.ok,
    redirected: response.redirected,
    type: response.type,
    url: response.url,
  },
]);
register(isAbortSignal, (signal) => ["AbortSignal", { aborted: signal.aborted }]);
register(isReadableStream, (stream) => ["ReadableStream", { locked: stream.locked }]);
register(live(Event, "type"), (event) => [
  event.constructor?.name ?? "Event",
  { type: event.type, defaultPrevented: event.defaultPrevented, cancelable: event.cancelable, timeStamp: event.timeStamp },
]);
