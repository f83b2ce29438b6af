import { native } from "./native.js";
import { DOMException } from "./dom-exception.js";
import { needArguments, toDOMString } from "./webidl.js";

export function btoa(data) {
  needArguments(arguments.length, 1, "btoa");
  const bytes = native.latin1Encode(toDOMString(data));
  if (bytes === null) throw new DOMException("btoa: the string has a character above U+00FF", "InvalidCharacterError");
  return native.base64Encode(bytes);
}

export function atob(data) {
  needArguments(arguments.length, 1, "atob");
  const bytes = native.base64Decode(toDOMString(data));
  if (bytes === null) throw new DOMException("atob: the string is not valid base64", "InvalidCharacterError");
  return native.latin1Decode(bytes);
}
