import { defineConstants, defineInterface, toDOMString } from "./webidl.js";

const codes = {
  INDEX_SIZE_ERR: 1,
  DOMSTRING_SIZE_ERR: 2,
  HIERARCHY_REQUEST_ERR: 3,
  WRONG_DOCUMENT_ERR: 4,
  INVALID_CHARACTER_ERR: 5,
  NO_DATA_ALLOWED_ERR: 6,
  NO_MODIFICATION_ALLOWED_ERR: 7,
  NOT_FOUND_ERR: 8,
  NOT_SUPPORTED_ERR: 9,
  INUSE_ATTRIBUTE_ERR: 10,
  INVALID_STATE_ERR: 11,
  SYNTAX_ERR: 12,
  INVALID_MODIFICATION_ERR: 13,
  NAMESPACE_ERR: 14,
  INVALID_ACCESS_ERR: 15,
  VALIDATION_ERR: 16,
  TYPE_MISMATCH_ERR: 17,
  SECURITY_ERR: 18,
  NETWORK_ERR: 19,
  ABORT_ERR: 20,
  URL_MISMATCH_ERR: 21,
  QUOTA_EXCEEDED_ERR: 22,
  TIMEOUT_ERR: 23,
  INVALID_NODE_TYPE_ERR: 24,
  DATA_CLONE_ERR: 25,
};

// The names that have a legacy code are the constants' names in another spelling, with these exceptions.
const nameToCode = { __proto__: null };
for (const constant of Object.keys(codes)) {
  const words = constant.slice(0, -4).toLowerCase().split("_");
  const name = words.map((word) => word[0].toUpperCase() + word.slice(1)).join("") + "Error";
  nameToCode[name] = codes[constant];
}
for (const [name, right] of [
  ["DomstringSizeError", null],
  ["NoDataAllowedError", null],
  ["ValidationError", null],
  ["InuseAttributeError", "InUseAttributeError"],
  ["UrlMismatchError", "URLMismatchError"],
]) {
  if (right !== null) nameToCode[right] = nameToCode[name];
  delete nameToCode[name];
}

export let isDOMException;

export class DOMException extends Error {
  #name;
  #message;
  constructor(message = "", options = "Error") {
    super();
    this.#message = toDOMString(message);
    // The dictionary form carries a cause; the standard's second argument is the name alone.
    if (typeof options === "object" && options !== null) {
      this.#name = options.name === undefined ? "Error" : toDOMString(options.name);
      if ("cause" in options) {
        Object.defineProperty(this, "cause", { value: options.cause, configurable: true, writable: true });
      }
    } else {
      this.#name = toDOMString(options);
    }
  }
  get name() {
    return this.#name;
  }
  get message() {
    return this.#message;
  }
  get code() {
    return nameToCode[this.#name] ?? 0;
  }
  static {
    isDOMException = (value) => typeof value === "object" && value !== null && #name in value;
  }
}
defineInterface(DOMException, "DOMException", 0);
defineConstants(DOMException, codes);

// The stream library takes its DOMException from the global when it is evaluated.
Object.defineProperty(globalThis, "DOMException", { value: DOMException, writable: true, configurable: true });
