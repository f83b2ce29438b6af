// application/x-www-form-urlencoded of the URL Standard.
import { native } from "./native.js";

const decodeComponent = decodeURIComponent;
const encodeComponent = encodeURIComponent;

export function parseUrlencoded(input) {
  const pairs = [];
  if (input === "") return pairs;
  for (const sequence of input.split("&")) {
    if (sequence === "") continue;
    const equals = sequence.indexOf("=");
    if (equals < 0) pairs.push([decode(sequence), ""]);
    else pairs.push([decode(sequence.slice(0, equals)), decode(sequence.slice(equals + 1))]);
  }
  return pairs;
}

function decode(text) {
  const spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
  return spaced.includes("%") ? percentDecode(spaced) : spaced;
}

/** Percent-decodes a string, then decodes it as UTF-8 without dropping a byte order mark. */
export function percentDecode(text) {
  try {
    return decodeComponent(text);
  } catch {
    // Stray percent signs or bytes that are not UTF-8: the engine's function knows neither.
    return native.utf8Decode(percentDecodeToBytes(text), false, true);
  }
}

export function percentDecodeToBytes(text) {
  const bytes = native.utf8Encode(text);
  let length = 0;
  for (let i = 0; i < bytes.length; i++) {
    let byte = bytes[i];
    if (byte === 0x25 && i + 2 < bytes.length) {
      const high = hexValue(bytes[i + 1]);
      const low = hexValue(bytes[i + 2]);
      if (high >= 0 && low >= 0) {
        byte = high * 16 + low;
        i += 2;
      }
    }
    bytes[length++] = byte;
  }
  return bytes.subarray(0, length);
}

function hexValue(byte) {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : -1;
}

export function serializeUrlencoded(pairs) {
  let output = "";
  for (const [name, value] of pairs) output += `${output === "" ? "" : "&"}${encode(name)}=${encode(value)}`;
  return output;
}

// encodeURIComponent leaves these; the form encoding does not, and it writes a space as a plus.
const leftOver = /[!'()~]|%20/g;
const encodedAs = { "!": "%21", "'": "%27", "(": "%28", ")": "%29", "~": "%7E", "%20": "+" };
const plain = /^[A-Za-z0-9*\-._]*$/;

function encode(text) {
  if (plain.test(text)) return text;
  return encodeComponent(text.toWellFormed()).replace(leftOver, (match) => encodedAs[match]);
}
