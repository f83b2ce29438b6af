// multipart/form-data (RFC 7578) in both directions.
import { native } from "./native.js";
import { concat, blobBytes, fileOf, isBlob } from "./blob.js";
import { FormData, formEntries } from "./form-data.js";
import { splitParameters } from "./mime.js";
import { utf8Decode, utf8Encode } from "./encoding.js";

/** Lower case, because a body that passes through a Blob has its type lowered. */
export function newBoundary() {
  let digits = "";
  while (digits.length < 24) digits += Math.floor(Math.random() * 36).toString(36);
  return `----mayfly-form-${digits}`;
}

const escapes = { "\n": "%0A", "\r": "%0D", '"': "%22" };
const escapeName = (name) => name.replace(/[\n\r"]/g, (char) => escapes[char]);
const normalizeLines = (text) => text.replace(/\r\n|\r|\n/g, "\r\n");

export function serializeMultipart(form, boundary) {
  const parts = [];
  for (const [name, value] of formEntries(form)) {
    let head = `--${boundary}\r\nContent-Disposition: form-data; name="${escapeName(normalizeLines(name))}"`;
    if (isBlob(value)) {
      head += `; filename="${escapeName(value.name)}"\r\nContent-Type: ${value.type || "application/octet-stream"}\r\n\r\n`;
      parts.push(utf8Encode(head), blobBytes(value), crlf);
    } else {
      parts.push(utf8Encode(`${head}\r\n\r\n${normalizeLines(value)}\r\n`));
    }
  }
  parts.push(utf8Encode(`--${boundary}--\r\n`));
  return concat(parts);
}

const crlf = new Uint8Array([13, 10]);

/**
 * Parses a body. The search runs over the body as a string of bytes, because the engine finds a
 * string natively, while a loop over a typed array is fifty times slower.
 */
export function parseMultipart(bytes, boundary) {
  const text = native.latin1Decode(bytes);
  const form = new FormData();
  const entries = formEntries(form);
  const delimiter = `--${latin1(boundary)}`;
  let at = 0;
  if (!text.startsWith(delimiter)) {
    const found = text.indexOf(`\r\n${delimiter}`);
    if (found < 0) throw malformed("the boundary does not occur");
    at = found + 2;
  }
  for (;;) {
    at += delimiter.length;
    if (text.startsWith("--", at)) return form;
    while (text[at] === " " || text[at] === "\t") at++;
    if (!text.startsWith("\r\n", at)) throw malformed("a boundary is not followed by a line end");
    at += 2;
    const headEnd = text.startsWith("\r\n", at) ? at : text.indexOf("\r\n\r\n", at);
    if (headEnd < 0) throw malformed("a part has no end of headers");
    const headers = parsePartHeaders(text.slice(at, headEnd));
    const start = headEnd === at ? at + 2 : headEnd + 4;
    // An empty part may be closed by the line end that also ends its headers.
    const end = text.startsWith(delimiter, start) ? start - 2 : text.indexOf(`\r\n${delimiter}`, start);
    if (end < 0) throw malformed("the last boundary is missing");
    if (headers.name === undefined) throw malformed("a part has no name");
    const content = bytes.subarray(start, Math.max(start, end));
    const value =
      headers.filename === undefined
        ? utf8Decode(content)
        : fileOf(content.slice(), headers.filename, headers.type ?? "text/plain");
    entries.push([headers.name, value]);
    at = end + 2;
  }
}

const malformed = (why) => new TypeError(`the body is not valid multipart/form-data: ${why}`);

/** Bytes of a boundary as the characters that the decoded body has. */
const latin1 = (text) => native.latin1Decode(utf8Encode(text));

function parsePartHeaders(text) {
  const result = { name: undefined, filename: undefined, type: undefined };
  for (const line of text.split("\r\n")) {
    const colon = line.indexOf(":");
    if (colon < 0) continue;
    const name = line.slice(0, colon).trim().toLowerCase();
    const value = line.slice(colon + 1).trim();
    if (name === "content-type") result.type = value.toLowerCase() === "" ? undefined : value;
    if (name !== "content-disposition") continue;
    const [kind, ...parameters] = splitParameters(value);
    if (kind.trim().toLowerCase() !== "form-data") throw malformed("a part is not form-data");
    for (const parameter of parameters) {
      const equals = parameter.indexOf("=");
      if (equals < 0) continue;
      const key = parameter.slice(0, equals).trim().toLowerCase();
      const raw = parameter.slice(equals + 1).trim();
      if (key === "name") result.name = unescapeName(raw);
      if (key === "filename") result.filename = unescapeName(raw);
    }
  }
  return result;
}

function unescapeName(raw) {
  const quoted = raw.length >= 2 && raw.startsWith('"') && raw.endsWith('"') ? raw.slice(1, -1) : raw;
  const bytes = native.latin1Encode(quoted);
  const text = bytes === null ? quoted : utf8Decode(bytes);
  return text.replace(/%0A|%0D|%22/gi, (match) => unescapes[match.toUpperCase()]).replaceAll('\\"', '"');
}

const unescapes = { "%0A": "\n", "%0D": "\r", "%22": '"' };
