var globalThis;
(globalThis ||= {}).__mayfly_prelude = (() => {
  var __defProp = Object.defineProperty;
  var __getOwnPropDesc = Object.getOwnPropertyDescriptor;
  var __getOwnPropNames = Object.getOwnPropertyNames;
  var __hasOwnProp = Object.prototype.hasOwnProperty;
  var __export = (target2, all) => {
    for (var name in all)
      __defProp(target2, name, { get: all[name], enumerable: !0 });
  }, __copyProps = (to2, from, except, desc) => {
    if (from && typeof from == "object" || typeof from == "function")
      for (let key of __getOwnPropNames(from))
        !__hasOwnProp.call(to2, key) && key !== except && __defProp(to2, key, { get: () => from[key], enumerable: !(desc = __getOwnPropDesc(from, key)) || desc.enumerable });
    return to2;
  };
  var __toCommonJS = (mod) => __copyProps(__defProp({}, "__esModule", { value: !0 }), mod);

  // src/js/main.js
  var main_exports = {};
  __export(main_exports, {
    hooks: () => hooks
  });

  // src/js/webidl.js
  var webidl_exports = {};
  __export(webidl_exports, {
    bytesOf: () => bytesOf,
    defineConstants: () => defineConstants,
    defineInterface: () => defineInterface,
    definePairIterable: () => definePairIterable,
    isBufferSource: () => isBufferSource,
    isObject: () => isObject,
    mixin: () => mixin,
    needArguments: () => needArguments,
    setLengths: () => setLengths,
    toByteString: () => toByteString,
    toDOMString: () => toDOMString,
    toDictionary: () => toDictionary,
    toEnforcedLongLong: () => toEnforcedLongLong,
    toEnum: () => toEnum,
    toUSVString: () => toUSVString,
    toUnsigned: () => toUnsigned
  });

  // src/js/primordials.js
  var { apply, ownKeys, getOwnPropertyDescriptor } = Reflect, { create, defineProperty, keys: objectKeys, freeze, getPrototypeOf, setPrototypeOf } = Object, { isArray } = Array, { parse: jsonParse, stringify: jsonStringify } = JSON, { floor, min, max, trunc } = Math, { isView } = ArrayBuffer, PromiseCtor = Promise, then = Promise.prototype.then, resolve = Promise.resolve, reject = Promise.reject, promiseThen = (promise, onOk, onErr) => apply(then, promise, [onOk, onErr]), promiseResolve = (value) => apply(resolve, PromiseCtor, [value]), promiseReject = (reason) => apply(reject, PromiseCtor, [reason]);
  var TypedArray = getPrototypeOf(Uint8Array), typedArrayTag = getOwnPropertyDescriptor(TypedArray.prototype, Symbol.toStringTag).get, isUint8Array = (value) => typeof value == "object" && value !== null && apply(typedArrayTag, value, []) === "Uint8Array", bufferLength = getOwnPropertyDescriptor(ArrayBuffer.prototype, "byteLength").get, sharedLength = typeof SharedArrayBuffer == "function" ? getOwnPropertyDescriptor(SharedArrayBuffer.prototype, "byteLength").get : null;
  function isArrayBuffer(value) {
    if (typeof value != "object" || value === null) return !1;
    try {
      return apply(bufferLength, value, []), !0;
    } catch {
      return !1;
    }
  }
  function isSharedArrayBuffer(value) {
    if (sharedLength === null || typeof value != "object" || value === null) return !1;
    try {
      return apply(sharedLength, value, []), !0;
    } catch {
      return !1;
    }
  }
  function safeMap() {
    let map = /* @__PURE__ */ new Map();
    for (let name of ["get", "set", "has", "delete", "clear", "forEach"])
      defineProperty(map, name, { value: Map.prototype[name] });
    return map;
  }

  // src/js/webidl.js
  var toDOMString = (value) => typeof value == "string" ? value : `${value}`;
  function toUSVString(value) {
    let string = typeof value == "string" ? value : `${value}`;
    return string.isWellFormed() ? string : string.toWellFormed();
  }
  var notLatin1 = /[^\x00-\xff]/;
  function toByteString(value, what) {
    let string = typeof value == "string" ? value : `${value}`;
    if (notLatin1.test(string)) throw new TypeError(`${what} has a character above U+00FF`);
    return string;
  }
  function toUnsigned(value, bits) {
    if (typeof value == "number" && value >= 0 && value <= 32767 && value === (value | 0)) return value;
    let number = trunc(Number(value));
    if (!Number.isFinite(number) || number === 0) return 0;
    let modulo = 2 ** bits, rest = number % modulo;
    return rest < 0 ? rest + modulo : rest;
  }
  function toEnforcedLongLong(value, what) {
    let number = trunc(Number(value));
    if (!Number.isFinite(number) || number < 0 || number > Number.MAX_SAFE_INTEGER)
      throw new TypeError(`${what} must be an integer from 0 to 2^53 - 1`);
    return number === 0 ? 0 : number;
  }
  function toDictionary(value, what) {
    if (value != null) {
      if (typeof value != "object" && typeof value != "function") throw new TypeError(`${what} must be an object`);
      return value;
    }
  }
  function toEnum(value, allowed, what) {
    let string = `${value}`;
    if (!allowed.includes(string)) throw new TypeError(`${what}: "${string}" is not one of ${allowed.join(", ")}`);
    return string;
  }
  function needArguments(count, needed, what) {
    if (count < needed)
      throw new TypeError(`${what} needs ${needed} argument${needed === 1 ? "" : "s"}, but got ${count}`);
  }
  var isObject = (value) => typeof value == "object" && value !== null || typeof value == "function";
  function bytesOf(value, what) {
    if (isView(value)) return new Uint8Array(value.buffer, value.byteOffset, value.byteLength);
    if (isArrayBuffer(value) || isSharedArrayBuffer(value)) return new Uint8Array(value);
    throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
  }
  var isBufferSource = (value) => isView(value) || isArrayBuffer(value);
  function defineInterface(cls, name, length = 0) {
    makeEnumerable(cls.prototype);
    for (let key of ownKeys(cls))
      typeof key != "string" || key === "prototype" || key === "name" || key === "length" || defineProperty(cls, key, { enumerable: !0 });
    defineProperty(cls.prototype, Symbol.toStringTag, { value: name, configurable: !0 }), defineProperty(cls, "name", { value: name, configurable: !0 }), defineProperty(cls, "length", { value: length, configurable: !0 });
  }
  function makeEnumerable(prototype) {
    for (let key of ownKeys(prototype))
      typeof key == "string" && key !== "constructor" && defineProperty(prototype, key, { enumerable: !0 });
  }
  function setLengths(target2, lengths2) {
    for (let name of ownKeys(lengths2)) defineProperty(target2[name], "length", { value: lengths2[name], configurable: !0 });
  }
  function defineConstants(cls, constants) {
    for (let name of ownKeys(constants)) {
      let descriptor = { value: constants[name], enumerable: !0 };
      defineProperty(cls, name, descriptor), defineProperty(cls.prototype, name, descriptor);
    }
  }
  var iteratorPrototype = Object.getPrototypeOf(Object.getPrototypeOf([][Symbol.iterator]()));
  function definePairIterable(cls, name, pairsOf2) {
    class PairIterator {
      #target;
      #kind;
      #index = 0;
      constructor(target2, kind) {
        this.#target = target2, this.#kind = kind;
      }
      next() {
        let pairs2 = pairsOf2(this.#target), index = this.#index;
        if (index >= pairs2.length) return { value: void 0, done: !0 };
        this.#index = index + 1;
        let pair = pairs2[index];
        return { value: this.#kind === "entries" ? [pair[0], pair[1]] : pair[this.#kind === "keys" ? 0 : 1], done: !1 };
      }
    }
    delete PairIterator.prototype.constructor, Object.setPrototypeOf(PairIterator.prototype, iteratorPrototype), defineProperty(PairIterator.prototype, "next", { enumerable: !0 }), defineProperty(PairIterator.prototype, Symbol.toStringTag, { value: `${name} Iterator`, configurable: !0 });
    let methods = {
      entries() {
        return pairsOf2(this), new PairIterator(this, "entries");
      },
      keys() {
        return pairsOf2(this), new PairIterator(this, "keys");
      },
      values() {
        return pairsOf2(this), new PairIterator(this, "values");
      },
      forEach(callback, thisArg = void 0) {
        if (pairsOf2(this), needArguments(arguments.length, 1, `${name}.forEach`), typeof callback != "function") throw new TypeError(`${name}.forEach: the callback is not a function`);
        for (let i2 = 0; i2 < pairsOf2(this).length; i2++) {
          let pair = pairsOf2(this)[i2];
          Reflect.apply(callback, thisArg, [pair[1], pair[0], this]);
        }
      }
    };
    for (let key of Object.keys(methods))
      defineProperty(cls.prototype, key, { value: methods[key], enumerable: !0, writable: !0, configurable: !0 });
    defineProperty(cls.prototype, Symbol.iterator, { value: methods.entries, writable: !0, configurable: !0 });
  }
  function mixin(target2, members) {
    for (let key of ownKeys(members)) {
      let descriptor = getOwnPropertyDescriptor(members, key);
      descriptor.enumerable = typeof key == "string", defineProperty(target2, key, descriptor);
    }
  }

  // src/js/dom-exception.js
  var codes = {
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
    DATA_CLONE_ERR: 25
  }, nameToCode = { __proto__: null };
  for (let constant of Object.keys(codes)) {
    let name = constant.slice(0, -4).toLowerCase().split("_").map((word) => word[0].toUpperCase() + word.slice(1)).join("") + "Error";
    nameToCode[name] = codes[constant];
  }
  for (let [name, right] of [
    ["DomstringSizeError", null],
    ["NoDataAllowedError", null],
    ["ValidationError", null],
    ["InuseAttributeError", "InUseAttributeError"],
    ["UrlMismatchError", "URLMismatchError"]
  ])
    right !== null && (nameToCode[right] = nameToCode[name]), delete nameToCode[name];
  var isDOMException, DOMException = class extends Error {
    #name;
    #message;
    constructor(message = "", options = "Error") {
      super(), this.#message = toDOMString(message), typeof options == "object" && options !== null ? (this.#name = options.name === void 0 ? "Error" : toDOMString(options.name), "cause" in options && Object.defineProperty(this, "cause", { value: options.cause, configurable: !0, writable: !0 })) : this.#name = toDOMString(options);
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
      isDOMException = (value) => typeof value == "object" && value !== null && #name in value;
    }
  };
  defineInterface(DOMException, "DOMException", 0);
  defineConstants(DOMException, codes);
  Object.defineProperty(globalThis, "DOMException", { value: DOMException, writable: !0, configurable: !0 });

  // src/js/native.js
  var native = globalThis.__mayfly_native;
  delete globalThis.__mayfly_native;
  function requireInvocation(what) {
    if (native.phase() === 0) throw notInSnapshot(what);
  }
  function notInSnapshot(what) {
    return new Error(
      `${what} is not available while the module's top level runs, because its result would be part of the snapshot; call it inside the handler`
    );
  }

  // src/js/inspect.js
  var breakLength = 80, maxItems = 100, maxString = 1e4, custom = /* @__PURE__ */ Symbol.for("nodejs.util.inspect.custom"), printers = [];
  function registerPrinter(test, print) {
    printers.push({ test, print });
  }
  function inspect(value, options = void 0) {
    let context2 = { depth: options?.depth === void 0 ? 2 : options.depth === null ? 1 / 0 : Number(options.depth), showHidden: !!options?.showHidden, seen: [], circular: /* @__PURE__ */ new Map(), indent: 0, level: 0, budget: 2e4 };
    try {
      return format(context2, value, 0, !1);
    } catch {
      return "[value that cannot be shown]";
    }
  }
  function quote(text) {
    let mark = text.includes("'") ? text.includes('"') ? !text.includes("`") && !text.includes("${") ? "`" : "'" : '"' : "'", result = mark;
    for (let char of text) {
      let code = char.codePointAt(0);
      char === mark || char === "\\" ? result += `\\${char}` : char === `
` ? result += "\\n" : char === "	" ? result += "\\t" : char === "\r" ? result += "\\r" : char === "\b" ? result += "\\b" : char === "\f" ? result += "\\f" : char === "\v" ? result += "\\v" : code < 32 || code >= 127 && code <= 159 ? result += `\\x${code.toString(16).toUpperCase().padStart(2, "0")}` : code >= 55296 && code <= 57343 ? result += `\\u${code.toString(16).toUpperCase()}` : result += char;
    }
    return result + mark;
  }
  function format(context2, value, level, typed) {
    switch (typeof value) {
      case "string":
        return formatString(value);
      case "number":
        return Object.is(value, -0) ? "-0" : `${value}`;
      case "bigint":
        return `${value}n`;
      case "boolean":
      case "undefined":
        return `${value}`;
      case "symbol":
        return value.toString();
    }
    if (value === null) return "null";
    if (context2.budget-- <= 0) return "...";
    let method = value[custom];
    if (typeof method == "function") {
      let shown = method.call(value, context2.depth - level, {}, inspect);
      if (shown !== value) return typeof shown == "string" ? shown : format(context2, shown, level, typed);
    }
    if (context2.seen.includes(value)) {
      let index2 = context2.circular.get(value);
      return index2 === void 0 && context2.circular.set(value, index2 = context2.circular.size + 1), `[Circular *${index2}]`;
    }
    let text = formatObject(context2, value, level), index = context2.circular.get(value);
    return index === void 0 ? text : `<ref *${index}> ${text}`;
  }
  function formatString(value) {
    if (value.length <= maxString) return quote(value);
    let more = value.length - maxString;
    return `${quote(value.slice(0, maxString))}... ${more} more character${more === 1 ? "" : "s"}`;
  }
  function classNameOf(value) {
    for (let object = value; object !== null; object = Object.getPrototypeOf(object)) {
      let descriptor = Object.getOwnPropertyDescriptor(object, "constructor");
      if (descriptor !== void 0 && typeof descriptor.value == "function" && descriptor.value.name !== "") return descriptor.value.name;
    }
    return null;
  }
  function prefixOf(value, fallback, size) {
    let name = classNameOf(value), base = name === null ? `[${fallback}: null prototype]` : name, tag = value[Symbol.toStringTag], suffix = typeof tag == "string" && tag !== "" && tag !== name ? ` [${tag}]` : "";
    return `${base}${size === void 0 ? "" : `(${size})`}${suffix} `;
  }
  var isIndex = (key) => typeof key == "string" && /^(0|[1-9]\d{0,9})$/.test(key);
  function keysOf(value, skipIndices) {
    let keys = [];
    for (let key of Reflect.ownKeys(value))
      skipIndices && isIndex(key) || Object.prototype.propertyIsEnumerable.call(value, key) && keys.push(key);
    return keys;
  }
  function formatObject(context2, value, level) {
    for (let { test, print } of printers) {
      if (!test(value)) continue;
      let [prefix2, record] = print(value);
      return record === void 0 ? prefix2 : list(context2, value, level, `${prefix2} {`, "}", Object.keys(record), (key) => `${key}: ${format(context2, record[key], level + 1)}`, []);
    }
    if (Array.isArray(value)) return formatArray(context2, value, level);
    if (typeof value == "function") return formatFunction(context2, value, level);
    if (value instanceof Error) return formatError(context2, value, level);
    if (value instanceof Map && isMap(value)) {
      let rows = () => [...value].map(([key, item]) => `${format(context2, key, level + 1)} => ${format(context2, item, level + 1)}`);
      return container(context2, value, level, prefixOf(value, "Map", value.size), rows);
    }
    if (value instanceof Set && isSet(value)) {
      let rows = () => [...value].map((item) => format(context2, item, level + 1));
      return container(context2, value, level, prefixOf(value, "Set", value.size), rows);
    }
    if (isView(value))
      return value instanceof DataView ? container(context2, value, level, "DataView ", () => [
        `byteLength: ${value.byteLength}`,
        `byteOffset: ${value.byteOffset}`,
        `buffer: ${format(context2, value.buffer, level + 1)}`
      ]) : formatArray(context2, value, level);
    if (isArrayBuffer(value) || isSharedArrayBuffer(value)) {
      let name = isArrayBuffer(value) ? "ArrayBuffer" : "SharedArrayBuffer", rows = () => [`[Uint8Contents]: <${hexOf(value)}>`, `byteLength: ${value.byteLength}`];
      return container(context2, value, level, `${name} `, rows);
    }
    if (value instanceof Promise) return `${prefixOf(value, "Promise")}{}`;
    if (value instanceof WeakMap || value instanceof WeakSet) return `${prefixOf(value, "WeakSet")}{ <items unknown> }`;
    let boxed = boxedText(value);
    if (boxed !== null) {
      let keys2 = keysOf(value, value instanceof String);
      return keys2.length === 0 ? boxed : list(context2, value, level, `{ ${boxed}`, "}", keys2, (key) => property(context2, value, key, level), []);
    }
    let keys = keysOf(value, !1), prefix = prefixOf(value, "Object");
    return list(context2, value, level, `${prefix === "Object " ? "" : prefix}{`, "}", keys, (key) => property(context2, value, key, level), []);
  }
  function boxedText(value) {
    try {
      if (value instanceof Date) {
        let time = Date.prototype.getTime.call(value);
        return Number.isNaN(time) ? "Invalid Date" : Date.prototype.toISOString.call(value);
      }
      if (value instanceof RegExp) return RegExp.prototype.toString.call(value);
      if (value instanceof String) return `[String: ${quote(String.prototype.valueOf.call(value))}]`;
      if (value instanceof Number) return `[Number: ${Number.prototype.valueOf.call(value)}]`;
      if (value instanceof Boolean) return `[Boolean: ${Boolean.prototype.valueOf.call(value)}]`;
      if (value instanceof BigInt) return `[BigInt: ${BigInt.prototype.valueOf.call(value)}n]`;
      if (value instanceof Symbol) return `[Symbol: ${Symbol.prototype.toString.call(value)}]`;
    } catch {
    }
    return null;
  }
  var mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size").get, setSize = Object.getOwnPropertyDescriptor(Set.prototype, "size").get, isMap = (value) => succeeds(() => mapSize.call(value)), isSet = (value) => succeeds(() => setSize.call(value));
  function succeeds(action) {
    try {
      return action(), !0;
    } catch {
      return !1;
    }
  }
  function hexOf(buffer2) {
    let bytes = new Uint8Array(buffer2), shown = Array.from(bytes.subarray(0, 50), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
    return bytes.length > 50 ? `${shown} ... ${bytes.length - 50} more bytes` : shown;
  }
  function container(context2, value, level, prefix, rows) {
    let keys = keysOf(value, isView(value));
    return list(context2, value, level, `${prefix}{`, "}", keys, (key) => property(context2, value, key, level), rows);
  }
  function formatArray(context2, value, level) {
    let plain2 = Array.isArray(value), name = classNameOf(value), prefix = plain2 && name === "Array" ? "" : `${prefixOf(value, "Array", value.length)}`, rows = () => {
      let items = [], holes = 0, flush = () => {
        holes > 0 && items.push(`<${holes} empty item${holes === 1 ? "" : "s"}>`), holes = 0;
      }, index = 0;
      for (; index < value.length && items.length < maxItems; index++) {
        if (plain2 && !Object.hasOwn(value, index)) {
          holes++;
          continue;
        }
        flush(), items.push(format(context2, value[index], level + 1));
      }
      flush();
      let more = value.length - index;
      return more > 0 && items.push(`... ${more} more item${more === 1 ? "" : "s"}`), items;
    }, keys = keysOf(value, !0);
    return list(context2, value, level, `${prefix}[`, "]", keys, (key) => property(context2, value, key, level), rows, !0);
  }
  function formatFunction(context2, value, level) {
    let source = Function.prototype.toString.call(value), isClass = /^class\b/.test(source) && !/^class\s*\(/.test(source), base;
    if (isClass) {
      let parent = Object.getPrototypeOf(value), extend = typeof parent == "function" && parent.name !== "" ? ` extends ${parent.name}` : "";
      base = `[class ${value.name === "" ? "(anonymous)" : value.name}${extend}]`;
    } else
      base = `[${classNameOf(value) ?? "Function"}${value.name === "" || typeof value.name != "string" ? " (anonymous)" : `: ${value.name}`}]`;
    let keys = keysOf(value, !1);
    return keys.length === 0 ? base : list(context2, value, level, `${base} {`, "}", keys, (key) => property(context2, value, key, level), []);
  }
  function formatError(context2, error, level) {
    let name = typeof error.name == "string" && error.name !== "" ? error.name : "Error", className = classNameOf(error), head = name === "Error" && className !== null && className !== "Error" ? className : name, message = `${error.message}`, title = message === "" ? head : `${head}: ${message}`, stack = typeof error.stack == "string" ? error.stack.split(`
`) : [], first = stack.findIndex((line) => /^\s+at /.test(line)), frames = first < 0 ? [] : stack.slice(first).filter((line) => line.trim() !== ""), pad = " ".repeat(context2.indent), base = frames.length === 0 ? `[${title}]` : [title, ...frames].join(`
${pad}`), keys = keysOf(error, !1).filter((key) => key !== "stack" && key !== "message" && key !== "cause" && key !== "errors"), extra = () => {
      let rows = [];
      return Object.hasOwn(error, "cause") && rows.push(`[cause]: ${format(context2, error.cause, level + 1)}`), Array.isArray(error.errors) && rows.push(`[errors]: ${format(context2, error.errors, level + 1)}`), rows;
    };
    return keys.length === 0 && !Object.hasOwn(error, "cause") && !Array.isArray(error.errors) ? base : list(context2, error, level, `${base} {`, "}", keys, (key) => property(context2, error, key, level), extra);
  }
  function property(context2, value, key, level) {
    let descriptor = Reflect.getOwnPropertyDescriptor(value, key), text;
    return descriptor === void 0 ? text = format(context2, value[key], level + 1) : "value" in descriptor ? text = format(context2, descriptor.value, level + 1) : descriptor.get !== void 0 ? text = descriptor.set !== void 0 ? "[Getter/Setter]" : "[Getter]" : text = "[Setter]", `${typeof key == "symbol" ? `[${key.toString()}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key)}: ${text}`;
  }
  function list(context2, value, level, open, close, keys, show, rows, isList = !1) {
    if (level > context2.depth)
      return `[${Array.isArray(value) ? "Array" : classNameOf(value) ?? "Object: null prototype"}]`;
    context2.seen.push(value), context2.indent += 2, context2.level = level;
    let output = typeof rows == "function" ? rows() : [], count = output.length;
    for (let key of keys) output.push(show(key));
    if (context2.indent -= 2, context2.seen.pop(), output.length === 0) return open.endsWith("[") || open.endsWith("{") ? `${open}${close}` : `${open} ${close}`;
    let pad = " ".repeat(context2.indent), total = output.reduce((sum, item) => sum + item.length + 2, 0), shallow = context2.level - level < 3, oneLine = !output.some((item) => item.includes(`
`)) && !open.includes(`
`);
    return shallow && oneLine && total + open.length + context2.indent + 6 <= breakLength ? `${open} ${output.join(", ")} ${close}` : isList && count > 6 && count === output.length && oneLine && output.every((item) => item.length <= 16) ? `${open}
${pad}  ${fill(output, breakLength - context2.indent - 4, `
${pad}  `)}
${pad}${close}` : `${open}
${pad}  ${output.join(`,
${pad}  `)}
${pad}${close}`;
  }
  function fill(items, width, newline) {
    let text = "", column = 0;
    return items.forEach((item, index) => {
      let part = index === items.length - 1 ? item : `${item},`;
      column > 0 && column + part.length + 1 > width ? (text += newline, column = 0) : column > 0 && (text += " ", column++), text += part, column += part.length;
    }), text;
  }
  function formatLog(args) {
    if (args.length === 1 && typeof args[0] == "string") return args[0];
    let text = "", next2 = 0;
    for (args.length > 1 && typeof args[0] == "string" && (next2 = 1, text = args[0].replace(/%[sdifjoOc%]/g, (directive) => directive === "%%" ? "%" : next2 >= args.length ? directive : substitute(directive, args[next2++]))); next2 < args.length; next2++) {
      let part = typeof args[next2] == "string" ? args[next2] : inspect(args[next2]);
      text = next2 === 0 ? part : `${text} ${part}`;
    }
    return text;
  }
  function substitute(directive, value) {
    switch (directive) {
      case "%s":
        return typeof value == "string" ? value : typeof value == "object" && value !== null && !(value instanceof Error) ? inspect(value, { depth: 0 }) : typeof value == "bigint" ? `${value}n` : Object.is(value, -0) ? "-0" : String(value);
      case "%d":
        return typeof value == "bigint" ? `${value}n` : typeof value == "symbol" ? "NaN" : inspect(Number(value));
      case "%i":
        return typeof value == "bigint" ? `${value}n` : typeof value == "symbol" ? "NaN" : inspect(parseInt(value));
      case "%f":
        return typeof value == "symbol" ? "NaN" : `${parseFloat(value)}`;
      case "%j":
        try {
          return `${JSON.stringify(value)}`;
        } catch {
          return "[Circular]";
        }
      case "%o":
        return inspect(value, { depth: 4, showHidden: !0 });
      case "%O":
        return inspect(value);
    }
    return "";
  }

  // src/js/describe.js
  function isErrorLike(value) {
    if (typeof value != "object" || value === null) return !1;
    try {
      return value instanceof Error || typeof value.message == "string" && "stack" in value;
    } catch {
      return !1;
    }
  }
  function errorName(error) {
    let name;
    try {
      name = error.name;
    } catch {
    }
    if (typeof name == "string" && name !== "" && name !== "Error") return name;
    try {
      let className = error.constructor?.name;
      if (typeof className == "string" && className !== "") return className;
    } catch {
    }
    return "Error";
  }
  function errorHead(value) {
    if (!isErrorLike(value)) return `Uncaught ${inspect(value)}`;
    let message = messageOf(value), name = errorName(value);
    return message === "" ? name : `${name}: ${message}`;
  }
  function errorFrames(error) {
    let stack;
    try {
      stack = error.stack;
    } catch {
    }
    if (typeof stack != "string") return "";
    let lines = stack.split(`
`), first = lines.findIndex((line) => /^\s+at /.test(line));
    return first < 0 ? "" : lines.slice(first).join(`
`).trimEnd();
  }
  var maxCauses = 8;
  function causesOf(error) {
    let causes = [], seen = /* @__PURE__ */ new Set([error]), current2 = error;
    for (; isErrorLike(current2) && "cause" in current2 && causes.length < maxCauses && (current2 = current2.cause, !(current2 === void 0 || seen.has(current2))); )
      seen.add(current2), causes.push(current2);
    return causes;
  }
  function describe(error) {
    try {
      return isErrorLike(error) ? {
        name: errorName(error),
        message: messageOf(error),
        stack: errorFrames(error),
        causes: causesOf(error).map((cause) => ({
          name: isErrorLike(cause) ? errorName(cause) : "Error",
          message: isErrorLike(cause) ? messageOf(cause) : inspect(cause),
          stack: isErrorLike(cause) ? errorFrames(cause) : ""
        }))
      } : { name: "Error", message: errorHead(error), stack: "", causes: [] };
    } catch {
      return { name: "Error", message: "an error that could not be read", stack: "", causes: [] };
    }
  }
  function describeText(error) {
    try {
      let text = withFrames(error);
      for (let cause of causesOf(error)) text += `
Caused by: ${isErrorLike(cause) ? withFrames(cause) : inspect(cause)}`;
      if (error instanceof AggregateError && Array.isArray(error.errors))
        for (let inner of error.errors.slice(0, maxCauses))
          text += `
One of its errors: ${isErrorLike(inner) ? withFrames(inner) : inspect(inner)}`;
      return text;
    } catch {
      return "an error that could not be read";
    }
  }
  function withFrames(error) {
    let frames = isErrorLike(error) ? errorFrames(error) : "";
    return frames === "" ? errorHead(error) : `${errorHead(error)}
${frames}`;
  }
  function messageOf(error) {
    try {
      return `${error.message ?? ""}`;
    } catch {
      return "";
    }
  }

  // src/js/report.js
  var target, globalTarget = () => target ??= new EventTarget();
  function reportException(error) {
    notify("onerror", () => new ErrorEvent("error", { error, message: errorHead(error), cancelable: !0 })) || native.log("error", `Uncaught ${describeText(error).replace(/^Uncaught /, "")}`);
  }
  function unhandledRejection(reason, promise) {
    notify("onunhandledrejection", () => new PromiseRejectionEvent("unhandledrejection", { promise: promise ?? Promise.resolve(), reason, cancelable: !0 })) || native.log("error", `Unhandled rejection: ${describeText(reason).replace(/^Uncaught /, "")}`);
  }
  function notify(attribute, makeEvent) {
    try {
      let event = makeEvent(), handler = globalThis[attribute];
      if (typeof handler == "function") {
        let result = attribute === "onerror" ? Reflect.apply(handler, globalThis, [event.message, event.filename, event.lineno, event.colno, event.error]) : Reflect.apply(handler, globalThis, [event]);
        (attribute === "onerror" ? result === !0 : result === !1) && event.preventDefault();
      }
      return !globalTarget().dispatchEvent(event) || event.defaultPrevented;
    } catch (error) {
      return native.log("error", `Uncaught in ${attribute}: ${describeText(error)}`), !1;
    }
  }

  // src/js/events.js
  var NONE = 0, AT_TARGET = 2, dispatching, stopped, startDispatch, setPassive, isEvent, Event = class {
    #type;
    #bubbles = !1;
    #cancelable = !1;
    #composed = !1;
    #target = null;
    #currentTarget = null;
    #phase = NONE;
    #timeStamp = native.now();
    #stop = !1;
    #stopNow = !1;
    #canceled = !1;
    #passive = !1;
    #dispatch = !1;
    #trusted = !1;
    constructor(type, init = void 0) {
      needArguments(arguments.length, 1, "Event"), this.#type = toDOMString(type);
      let options = toDictionary(init, "Event: the second argument");
      options !== void 0 && (this.#bubbles = !!options.bubbles, this.#cancelable = !!options.cancelable, this.#composed = !!options.composed);
    }
    get type() {
      return this.#type;
    }
    get target() {
      return this.#target;
    }
    get srcElement() {
      return this.#target;
    }
    get currentTarget() {
      return this.#currentTarget;
    }
    composedPath() {
      return this.#currentTarget === null ? [] : [this.#currentTarget];
    }
    get eventPhase() {
      return this.#phase;
    }
    stopPropagation() {
      this.#stop = !0;
    }
    get cancelBubble() {
      return this.#stop;
    }
    set cancelBubble(value) {
      value && (this.#stop = !0);
    }
    stopImmediatePropagation() {
      this.#stop = !0, this.#stopNow = !0;
    }
    get bubbles() {
      return this.#bubbles;
    }
    get cancelable() {
      return this.#cancelable;
    }
    get returnValue() {
      return !this.#canceled;
    }
    set returnValue(value) {
      value || this.preventDefault();
    }
    preventDefault() {
      this.#cancelable && !this.#passive && (this.#canceled = !0);
    }
    get defaultPrevented() {
      return this.#canceled;
    }
    get composed() {
      return this.#composed;
    }
    get isTrusted() {
      return this.#trusted;
    }
    get timeStamp() {
      return this.#timeStamp;
    }
    initEvent(type, bubbles = !1, cancelable = !1) {
      needArguments(arguments.length, 1, "Event.initEvent"), !this.#dispatch && (this.#type = toDOMString(type), this.#bubbles = !!bubbles, this.#cancelable = !!cancelable, this.#canceled = this.#stop = this.#stopNow = !1, this.#target = null);
    }
    static {
      isEvent = (value) => typeof value == "object" && value !== null && #type in value, startDispatch = (event, target2, trusted) => {
        if (event.#dispatch) throw new DOMException("the event is being dispatched already", "InvalidStateError");
        event.#dispatch = !0, event.#trusted = trusted, event.#target = target2;
      }, dispatching = (event, target2) => {
        event.#currentTarget = target2, event.#phase = target2 === null ? NONE : AT_TARGET, target2 === null && (event.#dispatch = event.#stop = event.#stopNow = !1);
      }, stopped = (event) => event.#stopNow, setPassive = (event, passive) => {
        event.#passive = passive;
      };
    }
  };
  defineInterface(Event, "Event", 1);
  Object.defineProperty(Event.prototype.initEvent, "length", { value: 1, configurable: !0 });
  defineConstants(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });
  var dispatchTo, EventTarget = class {
    // type -> [{callback, capture, once, passive, removed, signal}], in order of addition.
    #listeners = void 0;
    addEventListener(type, callback, options = void 0) {
      this.#listeners, needArguments(arguments.length, 2, "EventTarget.addEventListener");
      let name = toDOMString(type), { capture, once, passive, signal } = listenerOptions(options);
      if (callback == null) return;
      if (!isObject(callback)) throw new TypeError("EventTarget.addEventListener: the callback is not a function or an object");
      if (signal !== void 0 && (signal === null || typeof signal != "object" || typeof signal.aborted != "boolean"))
        throw new TypeError("EventTarget.addEventListener: the signal is not an AbortSignal");
      if (signal?.aborted) return;
      let all = this.#listeners ??= /* @__PURE__ */ new Map(), list2 = all.get(name);
      list2 === void 0 && all.set(name, list2 = []), !list2.some((entry) => entry.callback === callback && entry.capture === capture) && (list2.push({ callback, capture, once, passive, removed: !1 }), signal?.addEventListener("abort", () => this.removeEventListener(name, callback, capture), { once: !0 }));
    }
    removeEventListener(type, callback, options = void 0) {
      this.#listeners, needArguments(arguments.length, 2, "EventTarget.removeEventListener");
      let { capture } = listenerOptions(options), list2 = this.#listeners?.get(toDOMString(type));
      if (list2 === void 0) return;
      let index = list2.findIndex((entry) => entry.callback === callback && entry.capture === capture);
      index < 0 || (list2[index].removed = !0, list2.splice(index, 1));
    }
    dispatchEvent(event) {
      if (this.#listeners, needArguments(arguments.length, 1, "EventTarget.dispatchEvent"), !isEvent(event)) throw new TypeError("EventTarget.dispatchEvent: the argument is not an Event");
      return dispatchTo(this, event, !1);
    }
    static {
      dispatchTo = (target2, event, trusted) => {
        startDispatch(event, target2, trusted), dispatching(event, target2);
        let list2 = target2.#listeners?.get(event.type);
        if (list2 !== void 0) {
          for (let entry of list2.slice())
            if (!entry.removed) {
              if (entry.once) {
                entry.removed = !0;
                let index = list2.indexOf(entry);
                index >= 0 && list2.splice(index, 1);
              }
              if (setPassive(event, entry.passive), callListener(entry.callback, target2, event), setPassive(event, !1), stopped(event)) break;
            }
        }
        return dispatching(event, null), !event.defaultPrevented;
      };
    }
  };
  defineInterface(EventTarget, "EventTarget", 0);
  for (let name of ["addEventListener", "removeEventListener"])
    Object.defineProperty(EventTarget.prototype[name], "length", { value: 2, configurable: !0 });
  var fire = (target2, event) => dispatchTo(target2, event, !0);
  function listenerOptions(options) {
    return options == null ? { capture: !1, once: !1, passive: !1, signal: void 0 } : isObject(options) ? { capture: !!options.capture, once: !!options.once, passive: !!options.passive, signal: options.signal } : { capture: !!options, once: !1, passive: !1, signal: void 0 };
  }
  function callListener(callback, target2, event) {
    try {
      if (typeof callback == "function")
        Reflect.apply(callback, target2, [event]);
      else {
        let handle = callback.handleEvent;
        if (typeof handle != "function") throw new TypeError("the listener has no handleEvent function");
        Reflect.apply(handle, callback, [event]);
      }
    } catch (error) {
      reportException(error);
    }
  }
  function defineHandler(cls, type) {
    let handlers = /* @__PURE__ */ new WeakMap();
    Object.defineProperty(cls.prototype, `on${type}`, {
      enumerable: !0,
      configurable: !0,
      get() {
        return handlers.get(this)?.current ?? null;
      },
      set(value) {
        let current2 = isObject(value) ? value : null, state = handlers.get(this);
        if (state !== void 0) {
          current2 !== null && state.current === null && this.addEventListener(type, state.listener), current2 === null && state.current !== null && this.removeEventListener(type, state.listener), state.current = current2;
          return;
        }
        if (current2 === null) return;
        let created = { current: current2, listener: null };
        created.listener = (event) => {
          typeof created.current == "function" && Reflect.apply(created.current, this, [event]) === !1 && event.preventDefault();
        }, handlers.set(this, created), this.addEventListener(type, created.listener);
      }
    });
  }
  var CustomEvent = class extends Event {
    #detail;
    constructor(type, init = void 0) {
      needArguments(arguments.length, 1, "CustomEvent"), super(type, init), this.#detail = init?.detail === void 0 ? null : init.detail;
    }
    get detail() {
      return this.#detail;
    }
  };
  defineInterface(CustomEvent, "CustomEvent", 1);
  var ErrorEvent = class extends Event {
    #init;
    constructor(type, init = void 0) {
      needArguments(arguments.length, 1, "ErrorEvent"), super(type, init), this.#init = {
        message: init?.message === void 0 ? "" : toDOMString(init.message),
        filename: init?.filename === void 0 ? "" : toDOMString(init.filename),
        lineno: Number(init?.lineno ?? 0) >>> 0,
        colno: Number(init?.colno ?? 0) >>> 0,
        error: init?.error
      };
    }
    get message() {
      return this.#init.message;
    }
    get filename() {
      return this.#init.filename;
    }
    get lineno() {
      return this.#init.lineno;
    }
    get colno() {
      return this.#init.colno;
    }
    get error() {
      return this.#init.error;
    }
  };
  defineInterface(ErrorEvent, "ErrorEvent", 1);
  var PromiseRejectionEvent = class extends Event {
    #promise;
    #reason;
    constructor(type, init) {
      if (needArguments(arguments.length, 2, "PromiseRejectionEvent"), super(type, init), !isObject(init?.promise)) throw new TypeError("PromiseRejectionEvent: the member promise is missing");
      this.#promise = init.promise, this.#reason = init.reason;
    }
    get promise() {
      return this.#promise;
    }
    get reason() {
      return this.#reason;
    }
  };
  defineInterface(PromiseRejectionEvent, "PromiseRejectionEvent", 2);
  var MessageEvent = class extends Event {
    #init;
    constructor(type, init = void 0) {
      needArguments(arguments.length, 1, "MessageEvent"), super(type, init), this.#init = {
        data: init?.data === void 0 ? null : init.data,
        origin: init?.origin === void 0 ? "" : toDOMString(init.origin),
        lastEventId: init?.lastEventId === void 0 ? "" : toDOMString(init.lastEventId)
      };
    }
    get data() {
      return this.#init.data;
    }
    get origin() {
      return this.#init.origin;
    }
    get lastEventId() {
      return this.#init.lastEventId;
    }
    get source() {
      return null;
    }
    get ports() {
      return [];
    }
  };
  defineInterface(MessageEvent, "MessageEvent", 1);

  // src/js/ops.js
  var pending = safeMap();
  function startOp(name, metaJson, bytes, onOk, onErr) {
    let id = native.op(name, metaJson, bytes);
    return pending.set(id, { onOk, onErr }), id;
  }
  function cancelOp(id) {
    pending.delete(id) && native.cancelOp(id);
  }
  function settle(id, ok, metaJson, bytes) {
    let entry = pending.get(id);
    entry !== void 0 && (pending.delete(id), ok ? entry.onOk(metaJson, bytes) : entry.onErr(errorFromMeta(metaJson)));
  }
  var errorClasses = { __proto__: null, TypeError, RangeError, SyntaxError, Error };
  function errorFromMeta(metaJson) {
    if (metaJson === "" || metaJson === void 0 || metaJson === null) return new Error("the host's operation failed");
    let meta;
    try {
      meta = jsonParse(metaJson);
    } catch {
      return new Error(metaJson);
    }
    let message = `${meta?.message ?? metaJson}`, name = `${meta?.name ?? "Error"}`, ErrorClass = errorClasses[name], error;
    return ErrorClass !== void 0 ? error = new ErrorClass(message) : name.endsWith("Error") ? error = new DOMException(message, name) : error = new Error(message), meta?.code !== void 0 && defineProperty(error, "code", { value: meta.code, configurable: !0, writable: !0 }), error;
  }

  // src/js/abort.js
  var INTERNAL = /* @__PURE__ */ Symbol("internal"), stateOf, isAbortSignal, AbortSignal = class _AbortSignal extends EventTarget {
    #state = { aborted: !1, reason: void 0, algorithms: void 0, sources: void 0, dependents: void 0 };
    constructor(key) {
      if (key !== INTERNAL) throw new TypeError("Illegal constructor: use new AbortController().signal");
      super();
    }
    get aborted() {
      return this.#state.aborted;
    }
    get reason() {
      return this.#state.reason;
    }
    throwIfAborted() {
      if (this.#state.aborted) throw this.#state.reason;
    }
    static abort(reason = void 0) {
      let signal = new _AbortSignal(INTERNAL);
      return signal.#state.aborted = !0, signal.#state.reason = reason === void 0 ? abortError() : reason, signal;
    }
    static timeout(milliseconds) {
      needArguments(arguments.length, 1, "AbortSignal.timeout");
      let ms = toEnforcedLongLong(milliseconds, "AbortSignal.timeout: milliseconds");
      requireInvocation("AbortSignal.timeout");
      let signal = new _AbortSignal(INTERNAL);
      return startOp(
        "timer",
        `{"ms":${ms}}`,
        null,
        () => signalAbort(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError")),
        () => {
        }
      ), signal;
    }
    static any(signals) {
      if (needArguments(arguments.length, 1, "AbortSignal.any"), signals === null || typeof signals != "object" || typeof signals[Symbol.iterator] != "function")
        throw new TypeError("AbortSignal.any: the argument is not iterable");
      let list2 = [...signals];
      for (let signal of list2)
        if (!isAbortSignal(signal)) throw new TypeError("AbortSignal.any: a member is not an AbortSignal");
      return dependentSignal(list2);
    }
    static {
      stateOf = (signal) => signal.#state, isAbortSignal = (value) => typeof value == "object" && value !== null && #state in value;
    }
  };
  defineHandler(AbortSignal, "abort");
  defineInterface(AbortSignal, "AbortSignal", 0);
  setLengths(AbortSignal, { abort: 0 });
  var newSignal = () => new AbortSignal(INTERNAL);
  function dependentSignal(list2) {
    let result = newSignal(), aborted = list2.find((signal) => stateOf(signal).aborted), state = stateOf(result);
    if (aborted !== void 0)
      return state.aborted = !0, state.reason = stateOf(aborted).reason, result;
    state.sources = /* @__PURE__ */ new Set();
    for (let signal of list2) {
      let own = stateOf(signal).sources;
      for (let source of own ?? [signal])
        state.sources.has(source) || (state.sources.add(source), (stateOf(source).dependents ??= /* @__PURE__ */ new Set()).add(result));
    }
    return result;
  }
  var abortError = () => new DOMException("This operation was aborted", "AbortError");
  function onAbort(signal, algorithm) {
    let state = stateOf(signal);
    return (state.algorithms ??= /* @__PURE__ */ new Set()).add(algorithm), () => state.algorithms.delete(algorithm);
  }
  function signalAbort(signal, reason) {
    let state = stateOf(signal);
    if (state.aborted) return;
    state.aborted = !0, state.reason = reason === void 0 ? abortError() : reason;
    let aborted = [signal];
    for (let dependent of state.dependents ?? []) {
      let its = stateOf(dependent);
      its.aborted || (its.aborted = !0, its.reason = state.reason, aborted.push(dependent));
    }
    for (let one of aborted) {
      let its = stateOf(one), algorithms2 = its.algorithms;
      its.algorithms = void 0;
      for (let algorithm of algorithms2 ?? []) algorithm(its.reason);
      fire(one, new Event("abort"));
    }
  }
  var AbortController2 = class {
    #signal = newSignal();
    get signal() {
      return this.#signal;
    }
    abort(reason = void 0) {
      signalAbort(this.#signal, reason);
    }
  };
  defineInterface(AbortController2, "AbortController", 0);

  // src/js/base64.js
  function btoa(data) {
    needArguments(arguments.length, 1, "btoa");
    let bytes = native.latin1Encode(toDOMString(data));
    if (bytes === null) throw new DOMException("btoa: the string has a character above U+00FF", "InvalidCharacterError");
    return native.base64Encode(bytes);
  }
  function atob(data) {
    needArguments(arguments.length, 1, "atob");
    let bytes = native.base64Decode(toDOMString(data));
    if (bytes === null) throw new DOMException("atob: the string is not valid base64", "InvalidCharacterError");
    return native.latin1Decode(bytes);
  }

  // node_modules/web-streams-polyfill/dist/ponyfill.mjs
  /**
   * @license
   * web-streams-polyfill v4.3.0
   * Copyright 2026 Mattias Buelens, Diwank Singh Tomer and other contributors.
   * This code is released under the MIT license.
   * SPDX-License-Identifier: MIT
   */
  function e() {
  }
  function t(e2) {
    return typeof e2 == "object" && e2 !== null || typeof e2 == "function";
  }
  var r = e;
  function o(e2, t2) {
    try {
      Object.defineProperty(e2, "name", { value: t2, configurable: !0 });
    } catch {
    }
  }
  var n = Promise, i = Promise.resolve.bind(n), a = Promise.prototype.then, s = Promise.reject.bind(n), l = i;
  function u(e2) {
    return new n(e2);
  }
  function c(e2) {
    return u((t2) => t2(e2));
  }
  function d(e2) {
    return s(e2);
  }
  function f(e2, t2, r2) {
    return a.call(e2, t2, r2);
  }
  function h(e2, t2, o2) {
    f(f(e2, t2, o2), void 0, r);
  }
  function b(e2, t2) {
    h(e2, t2);
  }
  function _(e2, t2) {
    h(e2, void 0, t2);
  }
  function m(e2, t2, r2) {
    return f(e2, t2, r2);
  }
  function p(e2) {
    f(e2, void 0, r);
  }
  var y = (e2) => {
    if (typeof queueMicrotask == "function") y = queueMicrotask;
    else {
      let e3 = c(void 0);
      y = (t2) => f(e3, t2);
    }
    return y(e2);
  };
  function S(e2, t2, r2) {
    if (typeof e2 != "function") throw new TypeError("Argument is not a function");
    return Function.prototype.apply.call(e2, t2, r2);
  }
  function g(e2, t2, r2) {
    try {
      return c(S(e2, t2, r2));
    } catch (e3) {
      return d(e3);
    }
  }
  var v = class {
    constructor() {
      this._cursor = 0, this._size = 0, this._front = { _elements: [], _next: void 0 }, this._back = this._front, this._cursor = 0, this._size = 0;
    }
    get length() {
      return this._size;
    }
    push(e2) {
      let t2 = this._back, r2 = t2;
      t2._elements.length === 16383 && (r2 = { _elements: [], _next: void 0 }), t2._elements.push(e2), r2 !== t2 && (this._back = r2, t2._next = r2), ++this._size;
    }
    shift() {
      let e2 = this._front, t2 = e2, r2 = this._cursor, o2 = r2 + 1, n2 = e2._elements, i2 = n2[r2];
      return o2 === 16384 && (t2 = e2._next, o2 = 0), --this._size, this._cursor = o2, e2 !== t2 && (this._front = t2), n2[r2] = void 0, i2;
    }
    forEach(e2) {
      let t2 = this._cursor, r2 = this._front, o2 = r2._elements;
      for (; !(t2 === o2.length && r2._next === void 0 || t2 === o2.length && (r2 = r2._next, o2 = r2._elements, t2 = 0, o2.length === 0)); ) e2(o2[t2]), ++t2;
    }
    peek() {
      let e2 = this._front, t2 = this._cursor;
      return e2._elements[t2];
    }
  }, w = /* @__PURE__ */ Symbol("[[AbortSteps]]"), R = /* @__PURE__ */ Symbol("[[ErrorSteps]]"), T = /* @__PURE__ */ Symbol("[[CancelSteps]]"), P = /* @__PURE__ */ Symbol("[[PullSteps]]"), C = /* @__PURE__ */ Symbol("[[CanPullSyncSteps]]"), q = /* @__PURE__ */ Symbol("[[ReleaseSteps]]");
  function E(e2, t2) {
    e2._ownerReadableStream = t2, t2._reader = e2, t2._state === "readable" ? j(e2) : t2._state === "closed" ? (function(e3) {
      j(e3), z(e3);
    })(e2) : k(e2, t2._storedError);
  }
  function W(e2, t2) {
    return Mr(e2._ownerReadableStream, t2);
  }
  function O(e2) {
    let t2 = e2._ownerReadableStream;
    t2._state === "readable" ? A(e2, new TypeError("Reader was released and can no longer be used to monitor the stream's closedness")) : (function(e3, t3) {
      k(e3, t3);
    })(e2, new TypeError("Reader was released and can no longer be used to monitor the stream's closedness")), t2._readableStreamController[q](), t2._reader = void 0, e2._ownerReadableStream = void 0;
  }
  function B(e2) {
    return new TypeError("Cannot " + e2 + " a stream using a released reader");
  }
  function j(e2) {
    e2._closedPromise = u((t2, r2) => {
      e2._closedPromise_resolve = t2, e2._closedPromise_reject = r2;
    });
  }
  function k(e2, t2) {
    j(e2), A(e2, t2);
  }
  function A(e2, t2) {
    e2._closedPromise_reject !== void 0 && (p(e2._closedPromise), e2._closedPromise_reject(t2), e2._closedPromise_resolve = void 0, e2._closedPromise_reject = void 0);
  }
  function z(e2) {
    e2._closedPromise_resolve !== void 0 && (e2._closedPromise_resolve(void 0), e2._closedPromise_resolve = void 0, e2._closedPromise_reject = void 0);
  }
  var D = Number.isFinite || function(e2) {
    return typeof e2 == "number" && isFinite(e2);
  }, F = Math.trunc || function(e2) {
    return e2 < 0 ? Math.ceil(e2) : Math.floor(e2);
  };
  function L(e2, t2) {
    if (e2 !== void 0 && typeof (r2 = e2) != "object" && typeof r2 != "function") throw new TypeError(`${t2} is not an object.`);
    var r2;
  }
  function I(e2, t2) {
    if (typeof e2 != "function") throw new TypeError(`${t2} is not a function.`);
  }
  function $(e2, t2) {
    if (!/* @__PURE__ */ (function(e3) {
      return typeof e3 == "object" && e3 !== null || typeof e3 == "function";
    })(e2)) throw new TypeError(`${t2} is not an object.`);
  }
  function M(e2, t2, r2) {
    if (e2 === void 0) throw new TypeError(`Parameter ${t2} is required in '${r2}'.`);
  }
  function Y(e2, t2, r2) {
    if (e2 === void 0) throw new TypeError(`${t2} is required in '${r2}'.`);
  }
  function x(e2) {
    return Number(e2);
  }
  function Q(e2) {
    return e2 === 0 ? 0 : e2;
  }
  function N(e2, t2) {
    let r2 = Number.MAX_SAFE_INTEGER, o2 = Number(e2);
    if (o2 = Q(o2), !D(o2)) throw new TypeError(`${t2} is not a finite number`);
    if (o2 = (function(e3) {
      return Q(F(e3));
    })(o2), o2 < 0 || o2 > r2) throw new TypeError(`${t2} is outside the accepted range of 0 to ${r2}, inclusive`);
    return D(o2) && o2 !== 0 ? o2 : 0;
  }
  function H(e2, t2) {
    if (!Ir(e2)) throw new TypeError(`${t2} is not a ReadableStream.`);
  }
  function V(e2) {
    return new ReadableStreamDefaultReader(e2);
  }
  function U(e2, t2) {
    e2._reader._readRequests.push(t2);
  }
  function G(e2, t2, r2) {
    let o2 = e2._reader._readRequests.shift();
    r2 ? o2._closeSteps() : o2._chunkSteps(t2);
  }
  function X(e2) {
    return e2._reader._readRequests.length;
  }
  function J(e2) {
    let t2 = e2._reader;
    return t2 !== void 0 && !!ee(t2);
  }
  var ReadableStreamDefaultReader = class {
    constructor(e2) {
      if (M(e2, 1, "ReadableStreamDefaultReader"), H(e2, "First parameter"), $r(e2)) throw new TypeError("This stream has already been locked for exclusive reading by another reader");
      E(this, e2), this._readRequests = new v();
    }
    get closed() {
      return ee(this) ? this._closedPromise : d(ne("closed"));
    }
    cancel(e2 = void 0) {
      return ee(this) ? this._ownerReadableStream === void 0 ? d(B("cancel")) : W(this, e2) : d(ne("cancel"));
    }
    read() {
      if (!ee(this)) return d(ne("read"));
      if (this._ownerReadableStream === void 0) return d(B("read from"));
      let e2 = re(this) ? new Z() : new K();
      return te(this, e2), e2._promise;
    }
    releaseLock() {
      if (!ee(this)) throw ne("releaseLock");
      this._ownerReadableStream !== void 0 && (function(e2) {
        O(e2);
        let t2 = new TypeError("Reader was released");
        oe(e2, t2);
      })(this);
    }
  };
  Object.defineProperties(ReadableStreamDefaultReader.prototype, { cancel: { enumerable: !0 }, read: { enumerable: !0 }, releaseLock: { enumerable: !0 }, closed: { enumerable: !0 } }), o(ReadableStreamDefaultReader.prototype.cancel, "cancel"), o(ReadableStreamDefaultReader.prototype.read, "read"), o(ReadableStreamDefaultReader.prototype.releaseLock, "releaseLock"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(ReadableStreamDefaultReader.prototype, Symbol.toStringTag, { value: "ReadableStreamDefaultReader", configurable: !0 });
  var K = class {
    constructor() {
      this._promise = u((e2, t2) => {
        this._resolvePromise = e2, this._rejectPromise = t2;
      });
    }
    _chunkSteps(e2) {
      this._resolvePromise({ value: e2, done: !1 });
    }
    _closeSteps() {
      this._resolvePromise({ value: void 0, done: !0 });
    }
    _errorSteps(e2) {
      this._rejectPromise(e2);
    }
  }, Z = class {
    constructor() {
      this._promise = void 0;
    }
    _chunkSteps(e2) {
      this._promise = l({ value: e2, done: !1 });
    }
    _closeSteps() {
      this._promise = l({ value: void 0, done: !0 });
    }
    _errorSteps(e2) {
      this._promise = d(e2);
    }
  };
  function ee(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_readRequests") && e2 instanceof ReadableStreamDefaultReader;
  }
  function te(e2, t2) {
    let r2 = e2._ownerReadableStream;
    r2._disturbed = !0, r2._state === "closed" ? t2._closeSteps() : r2._state === "errored" ? t2._errorSteps(r2._storedError) : r2._readableStreamController[P](t2);
  }
  function re(e2) {
    let t2 = e2._ownerReadableStream;
    return t2._state === "closed" || t2._state === "errored" || t2._readableStreamController[C]();
  }
  function oe(e2, t2) {
    let r2 = e2._readRequests;
    e2._readRequests = new v(), r2.forEach((e3) => {
      e3._errorSteps(t2);
    });
  }
  function ne(e2) {
    return new TypeError(`ReadableStreamDefaultReader.prototype.${e2} can only be used on a ReadableStreamDefaultReader`);
  }
  var ie, ae, se;
  function le(e2) {
    return e2.slice();
  }
  function ue(e2, t2, r2, o2, n2) {
    new Uint8Array(e2).set(new Uint8Array(r2, o2, n2), t2);
  }
  var ce = (e2) => (ce = typeof e2.transfer == "function" ? (e3) => e3.transfer() : typeof structuredClone == "function" ? (e3) => structuredClone(e3, { transfer: [e3] }) : (e3) => e3, ce(e2)), de = (e2) => (de = typeof e2.detached == "boolean" ? (e3) => e3.detached : (e3) => e3.byteLength === 0, de(e2));
  function fe(e2, t2, r2) {
    if (e2.slice) return e2.slice(t2, r2);
    let o2 = r2 - t2, n2 = new ArrayBuffer(o2);
    return ue(n2, 0, e2, t2, o2), n2;
  }
  function he(e2, t2) {
    let r2 = e2[t2];
    if (r2 != null) {
      if (typeof r2 != "function") throw new TypeError(`${String(t2)} is not a function`);
      return r2;
    }
  }
  function be(e2) {
    try {
      let t2 = e2.done, r2 = e2.value;
      return f(l(r2), (e3) => ({ done: t2, value: e3 }));
    } catch (e3) {
      return d(e3);
    }
  }
  var _e = (se = (ie = Symbol.asyncIterator) !== null && ie !== void 0 ? ie : (ae = Symbol.for) === null || ae === void 0 ? void 0 : ae.call(Symbol, "Symbol.asyncIterator")) !== null && se !== void 0 ? se : "@@asyncIterator";
  function me(e2, r2 = "sync", o2) {
    if (o2 === void 0) if (r2 === "async") {
      if ((o2 = he(e2, _e)) === void 0)
        return (function(e3) {
          let r3 = { next() {
            let t2;
            try {
              t2 = pe(e3);
            } catch (e4) {
              return d(e4);
            }
            return be(t2);
          }, return(r4) {
            let o3;
            try {
              let t2 = he(e3.iterator, "return");
              if (t2 === void 0) return c({ done: !0, value: r4 });
              o3 = S(t2, e3.iterator, [r4]);
            } catch (e4) {
              return d(e4);
            }
            return t(o3) ? be(o3) : d(new TypeError("The iterator.return() method must return an object"));
          } };
          return { iterator: r3, nextMethod: r3.next, done: !1 };
        })(me(e2, "sync", he(e2, Symbol.iterator)));
    } else o2 = he(e2, Symbol.iterator);
    if (o2 === void 0) throw new TypeError("The object is not iterable");
    let n2 = S(o2, e2, []);
    if (!t(n2)) throw new TypeError("The iterator method must return an object");
    return { iterator: n2, nextMethod: n2.next, done: !1 };
  }
  function pe(e2) {
    let r2 = S(e2.nextMethod, e2.iterator, []);
    if (!t(r2)) throw new TypeError("The iterator.next() method must return an object");
    return r2;
  }
  var ye = class {
    constructor(e2, t2) {
      this._ongoingPromise = void 0, this._isFinished = !1, this._reader = e2, this._preventCancel = t2;
    }
    next() {
      let e2 = () => this._nextSteps();
      return this._ongoingPromise = this._ongoingPromise ? m(this._ongoingPromise, e2, e2) : e2(), this._ongoingPromise;
    }
    return(e2) {
      let t2 = () => this._returnSteps(e2);
      return this._ongoingPromise = this._ongoingPromise ? m(this._ongoingPromise, t2, t2) : t2(), this._ongoingPromise;
    }
    _nextSteps() {
      if (this._isFinished) return Promise.resolve({ value: void 0, done: !0 });
      let e2 = this._reader, t2 = new Se(this);
      return te(e2, t2), t2._promise;
    }
    _returnSteps(e2) {
      if (this._isFinished) return Promise.resolve({ value: e2, done: !0 });
      this._isFinished = !0;
      let t2 = this._reader;
      if (!this._preventCancel) {
        let r2 = W(t2, e2);
        return O(t2), m(r2, () => ({ value: e2, done: !0 }));
      }
      return O(t2), c({ value: e2, done: !0 });
    }
  }, Se = class {
    constructor(e2) {
      this._iterator = e2, this._promise = u((e3, t2) => {
        this._resolvePromise = e3, this._rejectPromise = t2;
      });
    }
    _chunkSteps(e2) {
      this._iterator._ongoingPromise = void 0, y(() => this._resolvePromise({ value: e2, done: !1 }));
    }
    _closeSteps() {
      let e2 = this._iterator;
      e2._ongoingPromise = void 0, e2._isFinished = !0, O(e2._reader), this._resolvePromise({ value: void 0, done: !0 });
    }
    _errorSteps(e2) {
      let t2 = this._iterator;
      t2._ongoingPromise = void 0, t2._isFinished = !0, O(t2._reader), this._rejectPromise(e2);
    }
  }, ge = { next() {
    return ve(this) ? this._asyncIteratorImpl.next() : d(we("next"));
  }, return(e2) {
    return ve(this) ? this._asyncIteratorImpl.return(e2) : d(we("return"));
  }, [_e]() {
    return this;
  } };
  function ve(e2) {
    if (!t(e2) || !Object.prototype.hasOwnProperty.call(e2, "_asyncIteratorImpl")) return !1;
    try {
      return e2._asyncIteratorImpl instanceof ye;
    } catch {
      return !1;
    }
  }
  function we(e2) {
    return new TypeError(`ReadableStreamAsyncIterator.${e2} can only be used on a ReadableSteamAsyncIterator`);
  }
  Object.defineProperty(ge, _e, { enumerable: !1 });
  var Re = Number.isNaN || function(e2) {
    return e2 != e2;
  };
  function Te(e2) {
    let t2 = fe(e2.buffer, e2.byteOffset, e2.byteOffset + e2.byteLength);
    return new Uint8Array(t2);
  }
  function Pe(e2) {
    let t2 = e2._queue.shift();
    return e2._queueTotalSize -= t2.size, e2._queueTotalSize < 0 && (e2._queueTotalSize = 0), t2.value;
  }
  function Ce(e2, t2, r2) {
    if (typeof (o2 = r2) != "number" || Re(o2) || o2 < 0 || r2 === 1 / 0) throw new RangeError("Size must be a finite, non-NaN, non-negative number.");
    var o2;
    e2._queue.push({ value: t2, size: r2 }), e2._queueTotalSize += r2;
  }
  function qe(e2) {
    e2._queue = new v(), e2._queueTotalSize = 0;
  }
  function Ee(e2) {
    return e2 === DataView;
  }
  function We(e2) {
    return Ee(e2) ? 1 : e2.BYTES_PER_ELEMENT;
  }
  var ReadableStreamBYOBRequest = class {
    constructor() {
      throw new TypeError("Illegal constructor");
    }
    get view() {
      if (!Be(this)) throw ot("view");
      return this._view;
    }
    respond(e2) {
      if (!Be(this)) throw ot("respond");
      if (M(e2, 1, "respond"), e2 = N(e2, "First parameter"), this._associatedReadableByteStreamController === void 0) throw new TypeError("This BYOB request has been invalidated");
      if (de(this._view.buffer)) throw new TypeError("The BYOB request's buffer has been detached and so cannot be used as a response");
      et(this._associatedReadableByteStreamController, e2);
    }
    respondWithNewView(e2) {
      if (!Be(this)) throw ot("respondWithNewView");
      if (M(e2, 1, "respondWithNewView"), !ArrayBuffer.isView(e2)) throw new TypeError("You can only respond with array buffer views");
      if (this._associatedReadableByteStreamController === void 0) throw new TypeError("This BYOB request has been invalidated");
      if (de(e2.buffer)) throw new TypeError("The given view's buffer has been detached and so cannot be used as a response");
      tt(this._associatedReadableByteStreamController, e2);
    }
  };
  Object.defineProperties(ReadableStreamBYOBRequest.prototype, { respond: { enumerable: !0 }, respondWithNewView: { enumerable: !0 }, view: { enumerable: !0 } }), o(ReadableStreamBYOBRequest.prototype.respond, "respond"), o(ReadableStreamBYOBRequest.prototype.respondWithNewView, "respondWithNewView"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(ReadableStreamBYOBRequest.prototype, Symbol.toStringTag, { value: "ReadableStreamBYOBRequest", configurable: !0 });
  var ReadableByteStreamController = class {
    constructor() {
      throw new TypeError("Illegal constructor");
    }
    get byobRequest() {
      if (!Oe(this)) throw nt("byobRequest");
      return Ke(this);
    }
    get desiredSize() {
      if (!Oe(this)) throw nt("desiredSize");
      return Ze(this);
    }
    close() {
      if (!Oe(this)) throw nt("close");
      if (this._closeRequested) throw new TypeError("The stream has already been closed; do not close it again!");
      let e2 = this._controlledReadableByteStream._state;
      if (e2 !== "readable") throw new TypeError(`The stream (in ${e2} state) is not in the readable state and cannot be closed`);
      Ue(this);
    }
    enqueue(e2) {
      if (!Oe(this)) throw nt("enqueue");
      if (M(e2, 1, "enqueue"), !ArrayBuffer.isView(e2)) throw new TypeError("chunk must be an array buffer view");
      if (e2.byteLength === 0) throw new TypeError("chunk must have non-zero byteLength");
      if (e2.buffer.byteLength === 0) throw new TypeError("chunk's buffer must have non-zero byteLength");
      if (this._closeRequested) throw new TypeError("stream is closed or draining");
      let t2 = this._controlledReadableByteStream._state;
      if (t2 !== "readable") throw new TypeError(`The stream (in ${t2} state) is not in the readable state and cannot be enqueued to`);
      Ge(this, e2);
    }
    error(e2 = void 0) {
      if (!Oe(this)) throw nt("error");
      Xe(this, e2);
    }
    [T](e2) {
      ke(this), qe(this);
      let t2 = this._cancelAlgorithm(e2);
      return Ve(this), t2;
    }
    [P](e2) {
      let t2 = this._controlledReadableByteStream;
      if (this._queueTotalSize > 0) return void Je(this, e2);
      let r2 = this._autoAllocateChunkSize;
      if (r2 !== void 0) {
        let t3;
        try {
          t3 = new ArrayBuffer(r2);
        } catch (t4) {
          return void e2._errorSteps(t4);
        }
        let o2 = { buffer: t3, bufferByteLength: r2, byteOffset: 0, byteLength: r2, bytesFilled: 0, minimumFill: 1, elementSize: 1, viewConstructor: Uint8Array, readerType: "default" };
        this._pendingPullIntos.push(o2);
      }
      U(t2, e2), je(this);
    }
    [C]() {
      return this._queueTotalSize > 0;
    }
    [q]() {
      if (this._pendingPullIntos.length > 0) {
        let e2 = this._pendingPullIntos.peek();
        e2.readerType = "none", this._pendingPullIntos = new v(), this._pendingPullIntos.push(e2);
      }
    }
  };
  function Oe(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_controlledReadableByteStream") && e2 instanceof ReadableByteStreamController;
  }
  function Be(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_associatedReadableByteStreamController") && e2 instanceof ReadableStreamBYOBRequest;
  }
  function je(e2) {
    if ((function(e3) {
      let t3 = e3._controlledReadableByteStream;
      return t3._state !== "readable" || e3._closeRequested || !e3._started ? !1 : !!(J(t3) && X(t3) > 0 || ut(t3) && lt(t3) > 0 || Ze(e3) > 0);
    })(e2)) {
      if (e2._pulling) return void (e2._pullAgain = !0);
      e2._pulling = !0, h(e2._pullAlgorithm(), () => (e2._pulling = !1, e2._pullAgain && (e2._pullAgain = !1, je(e2)), null), (t3) => (Xe(e2, t3), null));
    }
  }
  function ke(e2) {
    xe(e2), e2._pendingPullIntos = new v();
  }
  function Ae(e2, t2) {
    let r2 = !1;
    e2._state === "closed" && (r2 = !0);
    let o2 = De(t2);
    t2.readerType === "default" ? G(e2, o2, r2) : (function(e3, t3, r3) {
      let o3 = e3._reader, n2 = o3._readIntoRequests.shift();
      r3 ? n2._closeSteps(t3) : n2._chunkSteps(t3);
    })(e2, o2, r2);
  }
  function ze(e2, t2) {
    for (let r2 = 0; r2 < t2.length; ++r2) Ae(e2, t2[r2]);
  }
  function De(e2) {
    let t2 = e2.bytesFilled, r2 = e2.elementSize;
    return new e2.viewConstructor(e2.buffer, e2.byteOffset, t2 / r2);
  }
  function Fe(e2, t2, r2, o2) {
    e2._queue.push({ buffer: t2, byteOffset: r2, byteLength: o2 }), e2._queueTotalSize += o2;
  }
  function Le(e2, t2, r2, o2) {
    let n2;
    try {
      n2 = fe(t2, r2, r2 + o2);
    } catch (t3) {
      throw Xe(e2, t3), t3;
    }
    Fe(e2, n2, 0, o2);
  }
  function Ie(e2, t2) {
    t2.bytesFilled > 0 && Le(e2, t2.buffer, t2.byteOffset, t2.bytesFilled), He(e2);
  }
  function $e(e2, t2) {
    let r2 = Math.min(e2._queueTotalSize, t2.byteLength - t2.bytesFilled), o2 = t2.bytesFilled + r2, n2 = r2, i2 = !1, a3 = o2 - o2 % t2.elementSize;
    a3 >= t2.minimumFill && (n2 = a3 - t2.bytesFilled, i2 = !0);
    let s2 = e2._queue;
    for (; n2 > 0; ) {
      let r3 = s2.peek(), o3 = Math.min(n2, r3.byteLength), i3 = t2.byteOffset + t2.bytesFilled;
      ue(t2.buffer, i3, r3.buffer, r3.byteOffset, o3), r3.byteLength === o3 ? s2.shift() : (r3.byteOffset += o3, r3.byteLength -= o3), e2._queueTotalSize -= o3, Me(e2, o3, t2), n2 -= o3;
    }
    return i2;
  }
  function Me(e2, t2, r2) {
    r2.bytesFilled += t2;
  }
  function Ye(e2) {
    e2._queueTotalSize === 0 && e2._closeRequested ? (Ve(e2), Yr(e2._controlledReadableByteStream)) : je(e2);
  }
  function xe(e2) {
    e2._byobRequest !== null && (e2._byobRequest._associatedReadableByteStreamController = void 0, e2._byobRequest._view = null, e2._byobRequest = null);
  }
  function Qe(e2) {
    let t2 = [];
    for (; e2._pendingPullIntos.length > 0 && e2._queueTotalSize !== 0; ) {
      let r2 = e2._pendingPullIntos.peek();
      $e(e2, r2) && (He(e2), t2.push(r2));
    }
    return t2;
  }
  function Ne(e2, t2) {
    let r2 = e2._pendingPullIntos.peek();
    xe(e2), e2._controlledReadableByteStream._state === "closed" ? (function(e3, t3) {
      t3.readerType === "none" && He(e3);
      let r3 = e3._controlledReadableByteStream;
      if (ut(r3)) {
        let t4 = [];
        for (; t4.length < lt(r3); ) t4.push(He(e3));
        ze(r3, t4);
      }
    })(e2, r2) : (function(e3, t3, r3) {
      if (Me(0, t3, r3), r3.readerType === "none") {
        Ie(e3, r3);
        let t4 = Qe(e3);
        return void ze(e3._controlledReadableByteStream, t4);
      }
      if (r3.bytesFilled < r3.minimumFill) return;
      He(e3);
      let o2 = r3.bytesFilled % r3.elementSize;
      if (o2 > 0) {
        let t4 = r3.byteOffset + r3.bytesFilled;
        Le(e3, r3.buffer, t4 - o2, o2);
      }
      r3.bytesFilled -= o2;
      let n2 = Qe(e3);
      Ae(e3._controlledReadableByteStream, r3), ze(e3._controlledReadableByteStream, n2);
    })(e2, t2, r2), je(e2);
  }
  function He(e2) {
    return e2._pendingPullIntos.shift();
  }
  function Ve(e2) {
    e2._pullAlgorithm = void 0, e2._cancelAlgorithm = void 0;
  }
  function Ue(e2) {
    let t2 = e2._controlledReadableByteStream;
    if (!e2._closeRequested && t2._state === "readable") if (e2._queueTotalSize > 0) e2._closeRequested = !0;
    else {
      if (e2._pendingPullIntos.length > 0) {
        let t3 = e2._pendingPullIntos.peek();
        if (t3.bytesFilled % t3.elementSize !== 0) {
          let t4 = new TypeError("Insufficient bytes to fill elements in the given buffer");
          throw Xe(e2, t4), t4;
        }
      }
      Ve(e2), Yr(t2);
    }
  }
  function Ge(e2, t2) {
    let r2 = e2._controlledReadableByteStream;
    if (e2._closeRequested || r2._state !== "readable") return;
    let { buffer: o2, byteOffset: n2, byteLength: i2 } = t2;
    if (de(o2)) throw new TypeError("chunk's buffer is detached and so cannot be enqueued");
    let a3 = ce(o2);
    if (e2._pendingPullIntos.length > 0) {
      let t3 = e2._pendingPullIntos.peek();
      if (de(t3.buffer)) throw new TypeError("The BYOB request's buffer has been detached and so cannot be filled with an enqueued chunk");
      xe(e2), t3.buffer = ce(t3.buffer), t3.readerType === "none" && Ie(e2, t3);
    }
    J(r2) ? ((function(e3) {
      let t3 = e3._controlledReadableByteStream._reader;
      for (; t3._readRequests.length > 0; ) {
        if (e3._queueTotalSize === 0) return;
        Je(e3, t3._readRequests.shift());
      }
    })(e2), X(r2) === 0 ? Fe(e2, a3, n2, i2) : (e2._pendingPullIntos.length > 0 && He(e2), G(r2, new Uint8Array(a3, n2, i2), !1))) : ut(r2) ? (Fe(e2, a3, n2, i2), ze(r2, Qe(e2))) : Fe(e2, a3, n2, i2), je(e2);
  }
  function Xe(e2, t2) {
    let r2 = e2._controlledReadableByteStream;
    r2._state === "readable" && (ke(e2), qe(e2), Ve(e2), xr(r2, t2));
  }
  function Je(e2, t2) {
    let r2 = e2._queue.shift();
    e2._queueTotalSize -= r2.byteLength, Ye(e2);
    let o2 = new Uint8Array(r2.buffer, r2.byteOffset, r2.byteLength);
    t2._chunkSteps(o2);
  }
  function Ke(e2) {
    if (e2._byobRequest === null && e2._pendingPullIntos.length > 0) {
      let t2 = e2._pendingPullIntos.peek(), r2 = new Uint8Array(t2.buffer, t2.byteOffset + t2.bytesFilled, t2.byteLength - t2.bytesFilled), o2 = Object.create(ReadableStreamBYOBRequest.prototype);
      (function(e3, t3, r3) {
        e3._associatedReadableByteStreamController = t3, e3._view = r3;
      })(o2, e2, r2), e2._byobRequest = o2;
    }
    return e2._byobRequest;
  }
  function Ze(e2) {
    let t2 = e2._controlledReadableByteStream._state;
    return t2 === "errored" ? null : t2 === "closed" ? 0 : e2._strategyHWM - e2._queueTotalSize;
  }
  function et(e2, t2) {
    let r2 = e2._pendingPullIntos.peek();
    if (e2._controlledReadableByteStream._state === "closed") {
      if (t2 !== 0) throw new TypeError("bytesWritten must be 0 when calling respond() on a closed stream");
    } else {
      if (t2 === 0) throw new TypeError("bytesWritten must be greater than 0 when calling respond() on a readable stream");
      if (r2.bytesFilled + t2 > r2.byteLength) throw new RangeError("bytesWritten out of range");
    }
    r2.buffer = ce(r2.buffer), Ne(e2, t2);
  }
  function tt(e2, t2) {
    let r2 = e2._pendingPullIntos.peek();
    if (e2._controlledReadableByteStream._state === "closed") {
      if (t2.byteLength !== 0) throw new TypeError("The view's length must be 0 when calling respondWithNewView() on a closed stream");
    } else if (t2.byteLength === 0) throw new TypeError("The view's length must be greater than 0 when calling respondWithNewView() on a readable stream");
    if (r2.byteOffset + r2.bytesFilled !== t2.byteOffset) throw new RangeError("The region specified by view does not match byobRequest");
    if (r2.bufferByteLength !== t2.buffer.byteLength) throw new RangeError("The buffer of view has different capacity than byobRequest");
    if (r2.bytesFilled + t2.byteLength > r2.byteLength) throw new RangeError("The region specified by view is larger than byobRequest");
    let o2 = t2.byteLength;
    r2.buffer = ce(t2.buffer), Ne(e2, o2);
  }
  function rt(e2, t2, r2, o2, n2, i2, a3) {
    t2._controlledReadableByteStream = e2, t2._pullAgain = !1, t2._pulling = !1, t2._byobRequest = null, t2._queue = t2._queueTotalSize = void 0, qe(t2), t2._closeRequested = !1, t2._started = !1, t2._strategyHWM = i2, t2._pullAlgorithm = o2, t2._cancelAlgorithm = n2, t2._autoAllocateChunkSize = a3, t2._pendingPullIntos = new v(), e2._readableStreamController = t2, h(c(r2()), () => (t2._started = !0, je(t2), null), (e3) => (Xe(t2, e3), null));
  }
  function ot(e2) {
    return new TypeError(`ReadableStreamBYOBRequest.prototype.${e2} can only be used on a ReadableStreamBYOBRequest`);
  }
  function nt(e2) {
    return new TypeError(`ReadableByteStreamController.prototype.${e2} can only be used on a ReadableByteStreamController`);
  }
  function it(e2, t2) {
    if ((e2 = `${e2}`) != "byob") throw new TypeError(`${t2} '${e2}' is not a valid enumeration value for ReadableStreamReaderMode`);
    return e2;
  }
  function at(e2) {
    return new ReadableStreamBYOBReader(e2);
  }
  function st(e2, t2) {
    e2._reader._readIntoRequests.push(t2);
  }
  function lt(e2) {
    return e2._reader._readIntoRequests.length;
  }
  function ut(e2) {
    let t2 = e2._reader;
    return t2 !== void 0 && !!ft(t2);
  }
  Object.defineProperties(ReadableByteStreamController.prototype, { close: { enumerable: !0 }, enqueue: { enumerable: !0 }, error: { enumerable: !0 }, byobRequest: { enumerable: !0 }, desiredSize: { enumerable: !0 } }), o(ReadableByteStreamController.prototype.close, "close"), o(ReadableByteStreamController.prototype.enqueue, "enqueue"), o(ReadableByteStreamController.prototype.error, "error"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(ReadableByteStreamController.prototype, Symbol.toStringTag, { value: "ReadableByteStreamController", configurable: !0 });
  var ReadableStreamBYOBReader = class {
    constructor(e2) {
      if (M(e2, 1, "ReadableStreamBYOBReader"), H(e2, "First parameter"), $r(e2)) throw new TypeError("This stream has already been locked for exclusive reading by another reader");
      if (!Oe(e2._readableStreamController)) throw new TypeError("Cannot construct a ReadableStreamBYOBReader for a stream not constructed with a byte source");
      E(this, e2), this._readIntoRequests = new v();
    }
    get closed() {
      return ft(this) ? this._closedPromise : d(_t("closed"));
    }
    cancel(e2 = void 0) {
      return ft(this) ? this._ownerReadableStream === void 0 ? d(B("cancel")) : W(this, e2) : d(_t("cancel"));
    }
    read(e2, t2 = {}) {
      if (!ft(this)) return d(_t("read"));
      if (!ArrayBuffer.isView(e2)) return d(new TypeError("view must be an array buffer view"));
      if (e2.byteLength === 0) return d(new TypeError("view must have non-zero byteLength"));
      if (e2.buffer.byteLength === 0) return d(new TypeError("view's buffer must have non-zero byteLength"));
      if (de(e2.buffer)) return d(new TypeError("view's buffer has been detached"));
      let r2;
      try {
        r2 = (function(e3, t3) {
          var r3;
          return L(e3, t3), { min: N((r3 = e3?.min) !== null && r3 !== void 0 ? r3 : 1, `${t3} has member 'min' that`) };
        })(t2, "options");
      } catch (e3) {
        return d(e3);
      }
      let o2 = r2.min;
      if (o2 === 0) return d(new TypeError("options.min must be greater than 0"));
      if ((function(e3) {
        return Ee(e3.constructor);
      })(e2)) {
        if (o2 > e2.byteLength) return d(new RangeError("options.min must be less than or equal to view's byteLength"));
      } else if (o2 > e2.length) return d(new RangeError("options.min must be less than or equal to view's length"));
      if (this._ownerReadableStream === void 0) return d(B("read from"));
      let n2 = (function(e3, t3, r3) {
        let o3 = e3._ownerReadableStream;
        return o3._state === "errored" || (function(e4, t4, r4) {
          let o4 = e4._controlledReadableByteStream, n3 = We(t4.constructor), { byteLength: i2 } = t4, a3 = r4 * n3;
          return !(e4._pendingPullIntos.length > 0) && (o4._state === "closed" || e4._queueTotalSize >= a3);
        })(o3._readableStreamController, t3, r3);
      })(this, e2, o2) ? new dt() : new ct();
      return ht(this, e2, o2, n2), n2._promise;
    }
    releaseLock() {
      if (!ft(this)) throw _t("releaseLock");
      this._ownerReadableStream !== void 0 && (function(e2) {
        O(e2);
        let t2 = new TypeError("Reader was released");
        bt(e2, t2);
      })(this);
    }
  };
  Object.defineProperties(ReadableStreamBYOBReader.prototype, { cancel: { enumerable: !0 }, read: { enumerable: !0 }, releaseLock: { enumerable: !0 }, closed: { enumerable: !0 } }), o(ReadableStreamBYOBReader.prototype.cancel, "cancel"), o(ReadableStreamBYOBReader.prototype.read, "read"), o(ReadableStreamBYOBReader.prototype.releaseLock, "releaseLock"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(ReadableStreamBYOBReader.prototype, Symbol.toStringTag, { value: "ReadableStreamBYOBReader", configurable: !0 });
  var ct = class {
    constructor() {
      this._promise = u((e2, t2) => {
        this._resolvePromise = e2, this._rejectPromise = t2;
      });
    }
    _chunkSteps(e2) {
      this._resolvePromise({ value: e2, done: !1 });
    }
    _closeSteps(e2) {
      this._resolvePromise({ value: e2, done: !0 });
    }
    _errorSteps(e2) {
      this._rejectPromise(e2);
    }
  }, dt = class {
    constructor() {
      this._promise = void 0;
    }
    _chunkSteps(e2) {
      this._promise = l({ value: e2, done: !1 });
    }
    _closeSteps(e2) {
      this._promise = l({ value: e2, done: !0 });
    }
    _errorSteps(e2) {
      this._promise = d(e2);
    }
  };
  function ft(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_readIntoRequests") && e2 instanceof ReadableStreamBYOBReader;
  }
  function ht(e2, t2, r2, o2) {
    let n2 = e2._ownerReadableStream;
    n2._disturbed = !0, n2._state === "errored" ? o2._errorSteps(n2._storedError) : (function(e3, t3, r3, o3) {
      let n3 = e3._controlledReadableByteStream, i2 = t3.constructor, a3 = We(i2), { byteOffset: s2, byteLength: l2 } = t3, u2 = r3 * a3, c3;
      try {
        c3 = ce(t3.buffer);
      } catch (e4) {
        return void o3._errorSteps(e4);
      }
      let d2 = { buffer: c3, bufferByteLength: c3.byteLength, byteOffset: s2, byteLength: l2, bytesFilled: 0, minimumFill: u2, elementSize: a3, viewConstructor: i2, readerType: "byob" };
      if (e3._pendingPullIntos.length > 0) return e3._pendingPullIntos.push(d2), void st(n3, o3);
      if (n3._state === "closed") {
        let e4 = new i2(d2.buffer, d2.byteOffset, 0);
        return void o3._closeSteps(e4);
      }
      if (e3._queueTotalSize > 0) {
        if ($e(e3, d2)) {
          let t4 = De(d2);
          return Ye(e3), void o3._chunkSteps(t4);
        }
        if (e3._closeRequested) {
          let t4 = new TypeError("Insufficient bytes to fill elements in the given buffer");
          return Xe(e3, t4), void o3._errorSteps(t4);
        }
      }
      e3._pendingPullIntos.push(d2), st(n3, o3), je(e3);
    })(n2._readableStreamController, t2, r2, o2);
  }
  function bt(e2, t2) {
    let r2 = e2._readIntoRequests;
    e2._readIntoRequests = new v(), r2.forEach((e3) => {
      e3._errorSteps(t2);
    });
  }
  function _t(e2) {
    return new TypeError(`ReadableStreamBYOBReader.prototype.${e2} can only be used on a ReadableStreamBYOBReader`);
  }
  function mt(e2, t2) {
    let { highWaterMark: r2 } = e2;
    if (r2 === void 0) return t2;
    if (Re(r2) || r2 < 0) throw new RangeError("Invalid highWaterMark");
    return r2;
  }
  function pt(e2) {
    let { size: t2 } = e2;
    return t2 || (() => 1);
  }
  function yt(e2, t2) {
    L(e2, t2);
    let r2 = e2?.highWaterMark, o2 = e2?.size;
    return { highWaterMark: r2 === void 0 ? void 0 : x(r2), size: o2 === void 0 ? void 0 : St(o2, `${t2} has member 'size' that`) };
  }
  function St(e2, t2) {
    return I(e2, t2), (t3) => x(e2(t3));
  }
  function gt(e2, t2, r2) {
    return I(e2, r2), (r3) => g(e2, t2, [r3]);
  }
  function vt(e2, t2, r2) {
    return I(e2, r2), () => g(e2, t2, []);
  }
  function wt(e2, t2, r2) {
    return I(e2, r2), (r3) => S(e2, t2, [r3]);
  }
  function Rt(e2, t2, r2) {
    return I(e2, r2), (r3, o2) => g(e2, t2, [r3, o2]);
  }
  function Tt(e2, t2) {
    if (!qt(e2)) throw new TypeError(`${t2} is not a WritableStream.`);
  }
  var WritableStream = class {
    constructor(e2 = {}, t2 = {}) {
      e2 === void 0 ? e2 = null : $(e2, "First parameter");
      let r2 = yt(t2, "Second parameter"), o2 = (function(e3, t3) {
        L(e3, t3);
        let r3 = e3?.abort, o3 = e3?.close, n3 = e3?.start, i2 = e3?.type, a3 = e3?.write;
        return { abort: r3 === void 0 ? void 0 : gt(r3, e3, `${t3} has member 'abort' that`), close: o3 === void 0 ? void 0 : vt(o3, e3, `${t3} has member 'close' that`), start: n3 === void 0 ? void 0 : wt(n3, e3, `${t3} has member 'start' that`), write: a3 === void 0 ? void 0 : Rt(a3, e3, `${t3} has member 'write' that`), type: i2 };
      })(e2, "First parameter");
      if (Ct(this), o2.type !== void 0) throw new RangeError("Invalid type is specified");
      let n2 = pt(r2);
      (function(e3, t3, r3, o3) {
        let n3 = Object.create(WritableStreamDefaultController.prototype), i2, a3, s2, l2;
        i2 = t3.start !== void 0 ? () => t3.start(n3) : () => {
        }, a3 = t3.write !== void 0 ? (e4) => t3.write(e4, n3) : () => c(void 0), s2 = t3.close !== void 0 ? () => t3.close() : () => c(void 0), l2 = t3.abort !== void 0 ? (e4) => t3.abort(e4) : () => c(void 0), Nt(e3, n3, i2, a3, s2, l2, r3, o3);
      })(this, o2, mt(r2, 1), n2);
    }
    get locked() {
      if (!qt(this)) throw Kt("locked");
      return Et(this);
    }
    abort(e2 = void 0) {
      return qt(this) ? Et(this) ? d(new TypeError("Cannot abort a stream that already has a writer")) : Wt(this, e2) : d(Kt("abort"));
    }
    close() {
      return qt(this) ? Et(this) ? d(new TypeError("Cannot close a stream that already has a writer")) : At(this) ? d(new TypeError("Cannot close an already-closing stream")) : Ot(this) : d(Kt("close"));
    }
    getWriter() {
      if (!qt(this)) throw Kt("getWriter");
      return Pt(this);
    }
  };
  function Pt(e2) {
    return new WritableStreamDefaultWriter(e2);
  }
  function Ct(e2) {
    e2._state = "writable", e2._storedError = void 0, e2._writer = void 0, e2._writableStreamController = void 0, e2._writeRequests = new v(), e2._inFlightWriteRequest = void 0, e2._closeRequest = void 0, e2._inFlightCloseRequest = void 0, e2._pendingAbortRequest = void 0, e2._backpressure = !1;
  }
  function qt(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_writableStreamController") && e2 instanceof WritableStream;
  }
  function Et(e2) {
    return e2._writer !== void 0;
  }
  function Wt(e2, t2) {
    var r2;
    if (e2._state === "closed" || e2._state === "errored") return c(void 0);
    e2._writableStreamController._abortReason = t2, (r2 = e2._writableStreamController._abortController) === null || r2 === void 0 || r2.abort(t2);
    let o2 = e2._state;
    if (o2 === "closed" || o2 === "errored") return c(void 0);
    if (e2._pendingAbortRequest !== void 0) return e2._pendingAbortRequest._promise;
    let n2 = !1;
    o2 === "erroring" && (n2 = !0, t2 = void 0);
    let i2 = u((r3, o3) => {
      e2._pendingAbortRequest = { _promise: void 0, _resolve: r3, _reject: o3, _reason: t2, _wasAlreadyErroring: n2 };
    });
    return e2._pendingAbortRequest._promise = i2, n2 || jt(e2, t2), i2;
  }
  function Ot(e2) {
    let t2 = e2._state;
    if (t2 === "closed" || t2 === "errored") return d(new TypeError(`The stream (in ${t2} state) is not in the writable state and cannot be closed`));
    let r2 = u((t3, r3) => {
      let o3 = { _resolve: t3, _reject: r3 };
      e2._closeRequest = o3;
    }), o2 = e2._writer;
    var n2;
    return o2 !== void 0 && e2._backpressure && t2 === "writable" && cr(o2), Ce(n2 = e2._writableStreamController, xt, 0), Ut(n2), r2;
  }
  function Bt(e2, t2) {
    e2._state !== "writable" ? kt(e2) : jt(e2, t2);
  }
  function jt(e2, t2) {
    let r2 = e2._writableStreamController;
    e2._state = "erroring", e2._storedError = t2;
    let o2 = e2._writer;
    o2 !== void 0 && $t(o2, t2), !(function(e3) {
      return !(e3._inFlightWriteRequest === void 0 && e3._inFlightCloseRequest === void 0);
    })(e2) && r2._started && kt(e2);
  }
  function kt(e2) {
    e2._state = "errored", e2._writableStreamController[R]();
    let t2 = e2._storedError;
    if (e2._writeRequests.forEach((e3) => {
      e3._reject(t2);
    }), e2._writeRequests = new v(), e2._pendingAbortRequest === void 0) return void zt(e2);
    let r2 = e2._pendingAbortRequest;
    if (e2._pendingAbortRequest = void 0, r2._wasAlreadyErroring) return r2._reject(t2), void zt(e2);
    h(e2._writableStreamController[w](r2._reason), () => (r2._resolve(), zt(e2), null), (t3) => (r2._reject(t3), zt(e2), null));
  }
  function At(e2) {
    return e2._closeRequest !== void 0 || e2._inFlightCloseRequest !== void 0;
  }
  function zt(e2) {
    e2._closeRequest !== void 0 && (e2._closeRequest._reject(e2._storedError), e2._closeRequest = void 0);
    let t2 = e2._writer;
    t2 !== void 0 && nr(t2, e2._storedError);
  }
  function Dt(e2, t2) {
    let r2 = e2._writer;
    r2 !== void 0 && t2 !== e2._backpressure && (t2 ? (function(e3) {
      ar(e3);
    })(r2) : cr(r2)), e2._backpressure = t2;
  }
  Object.defineProperties(WritableStream.prototype, { abort: { enumerable: !0 }, close: { enumerable: !0 }, getWriter: { enumerable: !0 }, locked: { enumerable: !0 } }), o(WritableStream.prototype.abort, "abort"), o(WritableStream.prototype.close, "close"), o(WritableStream.prototype.getWriter, "getWriter"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(WritableStream.prototype, Symbol.toStringTag, { value: "WritableStream", configurable: !0 });
  var WritableStreamDefaultWriter = class {
    constructor(e2) {
      if (M(e2, 1, "WritableStreamDefaultWriter"), Tt(e2, "First parameter"), Et(e2)) throw new TypeError("This stream has already been locked for exclusive writing by another writer");
      this._ownerWritableStream = e2, e2._writer = this;
      let t2 = e2._state;
      if (t2 === "writable") !At(e2) && e2._backpressure ? ar(this) : lr(this), rr(this);
      else if (t2 === "erroring") sr(this, e2._storedError), rr(this);
      else if (t2 === "closed") lr(this), rr(r2 = this), ir(r2);
      else {
        let t3 = e2._storedError;
        sr(this, t3), or(this, t3);
      }
      var r2;
    }
    get closed() {
      return Ft(this) ? this._closedPromise : d(er("closed"));
    }
    get desiredSize() {
      if (!Ft(this)) throw er("desiredSize");
      if (this._ownerWritableStream === void 0) throw tr("desiredSize");
      return (function(e2) {
        let t2 = e2._ownerWritableStream, r2 = t2._state;
        return r2 === "errored" || r2 === "erroring" ? null : r2 === "closed" ? 0 : Vt(t2._writableStreamController);
      })(this);
    }
    get ready() {
      return Ft(this) ? this._readyPromise : d(er("ready"));
    }
    abort(e2 = void 0) {
      return Ft(this) ? this._ownerWritableStream === void 0 ? d(tr("abort")) : (function(e3, t2) {
        return Wt(e3._ownerWritableStream, t2);
      })(this, e2) : d(er("abort"));
    }
    close() {
      if (!Ft(this)) return d(er("close"));
      let e2 = this._ownerWritableStream;
      return e2 === void 0 ? d(tr("close")) : At(e2) ? d(new TypeError("Cannot close an already-closing stream")) : Lt(this);
    }
    releaseLock() {
      if (!Ft(this)) throw er("releaseLock");
      this._ownerWritableStream !== void 0 && Mt(this);
    }
    write(e2 = void 0) {
      return Ft(this) ? this._ownerWritableStream === void 0 ? d(tr("write to")) : Yt(this, e2) : d(er("write"));
    }
  };
  function Ft(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_ownerWritableStream") && e2 instanceof WritableStreamDefaultWriter;
  }
  function Lt(e2) {
    return Ot(e2._ownerWritableStream);
  }
  function It(e2, t2) {
    e2._closedPromiseState === "pending" ? nr(e2, t2) : (function(e3, t3) {
      or(e3, t3);
    })(e2, t2);
  }
  function $t(e2, t2) {
    e2._readyPromiseState === "pending" ? ur(e2, t2) : (function(e3, t3) {
      sr(e3, t3);
    })(e2, t2);
  }
  function Mt(e2) {
    let t2 = e2._ownerWritableStream, r2 = new TypeError("Writer was released and can no longer be used to monitor the stream's closedness");
    $t(e2, r2), It(e2, r2), t2._writer = void 0, e2._ownerWritableStream = void 0;
  }
  function Yt(e2, t2) {
    let r2 = e2._ownerWritableStream, o2 = r2._writableStreamController, n2 = (function(e3, t3) {
      if (e3._strategySizeAlgorithm === void 0) return 1;
      try {
        return e3._strategySizeAlgorithm(t3);
      } catch (t4) {
        return Gt(e3, t4), 1;
      }
    })(o2, t2);
    if (r2 !== e2._ownerWritableStream) return d(tr("write to"));
    let i2 = r2._state;
    if (i2 === "errored") return d(r2._storedError);
    if (At(r2) || i2 === "closed") return d(new TypeError("The stream is closing or closed and cannot be written to"));
    if (i2 === "erroring") return d(r2._storedError);
    let a3 = (function(e3) {
      return u((t3, r3) => {
        let o3 = { _resolve: t3, _reject: r3 };
        e3._writeRequests.push(o3);
      });
    })(r2);
    return (function(e3, t3, r3) {
      try {
        Ce(e3, t3, r3);
      } catch (t4) {
        return void Gt(e3, t4);
      }
      let o3 = e3._controlledWritableStream;
      !At(o3) && o3._state === "writable" && Dt(o3, Xt(e3)), Ut(e3);
    })(o2, t2, n2), a3;
  }
  Object.defineProperties(WritableStreamDefaultWriter.prototype, { abort: { enumerable: !0 }, close: { enumerable: !0 }, releaseLock: { enumerable: !0 }, write: { enumerable: !0 }, closed: { enumerable: !0 }, desiredSize: { enumerable: !0 }, ready: { enumerable: !0 } }), o(WritableStreamDefaultWriter.prototype.abort, "abort"), o(WritableStreamDefaultWriter.prototype.close, "close"), o(WritableStreamDefaultWriter.prototype.releaseLock, "releaseLock"), o(WritableStreamDefaultWriter.prototype.write, "write"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(WritableStreamDefaultWriter.prototype, Symbol.toStringTag, { value: "WritableStreamDefaultWriter", configurable: !0 });
  var xt = {}, WritableStreamDefaultController = class {
    constructor() {
      throw new TypeError("Illegal constructor");
    }
    get abortReason() {
      if (!Qt(this)) throw Zt("abortReason");
      return this._abortReason;
    }
    get signal() {
      if (!Qt(this)) throw Zt("signal");
      if (this._abortController === void 0) throw new TypeError("WritableStreamDefaultController.prototype.signal is not supported");
      return this._abortController.signal;
    }
    error(e2 = void 0) {
      if (!Qt(this)) throw Zt("error");
      this._controlledWritableStream._state === "writable" && Jt(this, e2);
    }
    [w](e2) {
      let t2 = this._abortAlgorithm(e2);
      return Ht(this), t2;
    }
    [R]() {
      qe(this);
    }
  };
  function Qt(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_controlledWritableStream") && e2 instanceof WritableStreamDefaultController;
  }
  function Nt(e2, t2, r2, o2, n2, i2, a3, s2) {
    t2._controlledWritableStream = e2, e2._writableStreamController = t2, t2._queue = void 0, t2._queueTotalSize = void 0, qe(t2), t2._abortReason = void 0, t2._abortController = (function() {
      if (typeof AbortController == "function") return new AbortController();
    })(), t2._started = !1, t2._strategySizeAlgorithm = s2, t2._strategyHWM = a3, t2._writeAlgorithm = o2, t2._closeAlgorithm = n2, t2._abortAlgorithm = i2;
    let l2 = Xt(t2);
    Dt(e2, l2), h(c(r2()), () => (t2._started = !0, Ut(t2), null), (r3) => (t2._started = !0, Bt(e2, r3), null));
  }
  function Ht(e2) {
    e2._writeAlgorithm = void 0, e2._closeAlgorithm = void 0, e2._abortAlgorithm = void 0, e2._strategySizeAlgorithm = void 0;
  }
  function Vt(e2) {
    return e2._strategyHWM - e2._queueTotalSize;
  }
  function Ut(e2) {
    let t2 = e2._controlledWritableStream;
    if (!e2._started || t2._inFlightWriteRequest !== void 0) return;
    if (t2._state === "erroring") return void kt(t2);
    if (e2._queue.length === 0) return;
    let r2 = e2._queue.peek().value;
    r2 === xt ? (function(e3) {
      let t3 = e3._controlledWritableStream;
      (function(e4) {
        e4._inFlightCloseRequest = e4._closeRequest, e4._closeRequest = void 0;
      })(t3), Pe(e3);
      let r3 = e3._closeAlgorithm();
      Ht(e3), h(r3, () => ((function(e4) {
        e4._inFlightCloseRequest._resolve(void 0), e4._inFlightCloseRequest = void 0, e4._state === "erroring" && (e4._storedError = void 0, e4._pendingAbortRequest !== void 0 && (e4._pendingAbortRequest._resolve(), e4._pendingAbortRequest = void 0)), e4._state = "closed";
        let t4 = e4._writer;
        t4 !== void 0 && ir(t4);
      })(t3), null), (e4) => ((function(e5, t4) {
        e5._inFlightCloseRequest._reject(t4), e5._inFlightCloseRequest = void 0, e5._pendingAbortRequest !== void 0 && (e5._pendingAbortRequest._reject(t4), e5._pendingAbortRequest = void 0), Bt(e5, t4);
      })(t3, e4), null));
    })(e2) : (function(e3, t3) {
      let r3 = e3._controlledWritableStream;
      (function(e4) {
        e4._inFlightWriteRequest = e4._writeRequests.shift();
      })(r3);
      let o2 = e3._writeAlgorithm(t3);
      h(o2, () => {
        (function(e4) {
          e4._inFlightWriteRequest._resolve(void 0), e4._inFlightWriteRequest = void 0;
        })(r3);
        let t4 = r3._state;
        if (Pe(e3), !At(r3) && t4 === "writable") {
          let t5 = Xt(e3);
          Dt(r3, t5);
        }
        return Ut(e3), null;
      }, (t4) => (r3._state === "writable" && Ht(e3), (function(e4, t5) {
        e4._inFlightWriteRequest._reject(t5), e4._inFlightWriteRequest = void 0, Bt(e4, t5);
      })(r3, t4), null));
    })(e2, r2);
  }
  function Gt(e2, t2) {
    e2._controlledWritableStream._state === "writable" && Jt(e2, t2);
  }
  function Xt(e2) {
    return Vt(e2) <= 0;
  }
  function Jt(e2, t2) {
    let r2 = e2._controlledWritableStream;
    Ht(e2), jt(r2, t2);
  }
  function Kt(e2) {
    return new TypeError(`WritableStream.prototype.${e2} can only be used on a WritableStream`);
  }
  function Zt(e2) {
    return new TypeError(`WritableStreamDefaultController.prototype.${e2} can only be used on a WritableStreamDefaultController`);
  }
  function er(e2) {
    return new TypeError(`WritableStreamDefaultWriter.prototype.${e2} can only be used on a WritableStreamDefaultWriter`);
  }
  function tr(e2) {
    return new TypeError("Cannot " + e2 + " a stream using a released writer");
  }
  function rr(e2) {
    e2._closedPromise = u((t2, r2) => {
      e2._closedPromise_resolve = t2, e2._closedPromise_reject = r2, e2._closedPromiseState = "pending";
    });
  }
  function or(e2, t2) {
    rr(e2), nr(e2, t2);
  }
  function nr(e2, t2) {
    e2._closedPromise_reject !== void 0 && (p(e2._closedPromise), e2._closedPromise_reject(t2), e2._closedPromise_resolve = void 0, e2._closedPromise_reject = void 0, e2._closedPromiseState = "rejected");
  }
  function ir(e2) {
    e2._closedPromise_resolve !== void 0 && (e2._closedPromise_resolve(void 0), e2._closedPromise_resolve = void 0, e2._closedPromise_reject = void 0, e2._closedPromiseState = "resolved");
  }
  function ar(e2) {
    e2._readyPromise = u((t2, r2) => {
      e2._readyPromise_resolve = t2, e2._readyPromise_reject = r2;
    }), e2._readyPromiseState = "pending";
  }
  function sr(e2, t2) {
    ar(e2), ur(e2, t2);
  }
  function lr(e2) {
    ar(e2), cr(e2);
  }
  function ur(e2, t2) {
    e2._readyPromise_reject !== void 0 && (p(e2._readyPromise), e2._readyPromise_reject(t2), e2._readyPromise_resolve = void 0, e2._readyPromise_reject = void 0, e2._readyPromiseState = "rejected");
  }
  function cr(e2) {
    e2._readyPromise_resolve !== void 0 && (e2._readyPromise_resolve(void 0), e2._readyPromise_resolve = void 0, e2._readyPromise_reject = void 0, e2._readyPromiseState = "fulfilled");
  }
  Object.defineProperties(WritableStreamDefaultController.prototype, { abortReason: { enumerable: !0 }, signal: { enumerable: !0 }, error: { enumerable: !0 } }), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(WritableStreamDefaultController.prototype, Symbol.toStringTag, { value: "WritableStreamDefaultController", configurable: !0 });
  var dr = typeof globalThis < "u" ? globalThis : typeof self < "u" ? self : typeof global < "u" ? global : void 0, fr = (function() {
    let e2 = dr?.DOMException;
    return (function(e3) {
      if (typeof e3 != "function" && typeof e3 != "object" || e3.name !== "DOMException") return !1;
      try {
        return new e3(), !0;
      } catch {
        return !1;
      }
    })(e2) ? e2 : void 0;
  })() || (function() {
    let e2 = function(e3, t2) {
      this.message = e3 || "", this.name = t2 || "Error", Error.captureStackTrace && Error.captureStackTrace(this, this.constructor);
    };
    return o(e2, "DOMException"), e2.prototype = Object.create(Error.prototype), Object.defineProperty(e2.prototype, "constructor", { value: e2, writable: !0, configurable: !0 }), e2;
  })();
  function hr(e2, t2, r2, o2, n2, i2) {
    let a3 = V(e2), s2 = Pt(t2);
    e2._disturbed = !0;
    let l2 = new br(s2), _2 = new mr(l2);
    return u((m2, y2) => {
      let S2;
      if (i2 !== void 0) {
        if (S2 = () => {
          let r3 = i2.reason !== void 0 ? i2.reason : new fr("Aborted", "AbortError"), a4 = [];
          o2 || a4.push(() => t2._state === "writable" ? Wt(t2, r3) : c(void 0)), n2 || a4.push(() => e2._state === "readable" ? Mr(e2, r3) : c(void 0)), T2(() => Promise.all(a4.map((e3) => e3())), !0, r3);
        }, i2.aborted) return void S2();
        i2.addEventListener("abort", S2);
      }
      function g2() {
        for (; !l2._shuttingDown && !t2._backpressure && t2._state === "writable" && !At(t2) && e2._state === "readable" && re(a3); ) te(a3, _2);
        if (l2._shuttingDown) return c(!0);
        if (t2._backpressure) return f(s2._readyPromise, g2);
        let r3 = new _r(l2);
        return te(a3, r3), r3._promise;
      }
      var v2, w2, R2;
      if (pr(e2, a3._closedPromise, (e3) => (o2 ? P2(!0, e3) : T2(() => Wt(t2, e3), !0, e3), null)), pr(t2, s2._closedPromise, (t3) => (n2 ? P2(!0, t3) : T2(() => Mr(e2, t3), !0, t3), null)), v2 = e2, w2 = a3._closedPromise, R2 = () => (r2 ? P2() : T2(() => (function(e3) {
        let t3 = e3._ownerWritableStream, r3 = t3._state;
        return At(t3) || r3 === "closed" ? c(void 0) : r3 === "errored" ? d(t3._storedError) : Lt(e3);
      })(s2)), null), v2._state === "closed" ? R2() : b(w2, R2), At(t2) || t2._state === "closed") {
        let t3 = new TypeError("the destination writable stream closed before all data could be piped to it");
        n2 ? P2(!0, t3) : T2(() => Mr(e2, t3), !0, t3);
      }
      function T2(e3, r3, o3) {
        function n3() {
          return h(e3(), () => C2(r3, o3), (e4) => C2(!0, e4)), null;
        }
        l2._shuttingDown || (l2._shuttingDown = !0, t2._state !== "writable" || At(t2) ? n3() : b(l2._waitForWritesToFinish(), n3));
      }
      function P2(e3, r3) {
        l2._shuttingDown || (l2._shuttingDown = !0, t2._state !== "writable" || At(t2) ? C2(e3, r3) : b(l2._waitForWritesToFinish(), () => C2(e3, r3)));
      }
      function C2(e3, t3) {
        return Mt(s2), O(a3), i2 !== void 0 && i2.removeEventListener("abort", S2), e3 ? y2(t3) : m2(void 0), null;
      }
      p(u((e3, t3) => {
        (function r3(o3) {
          o3 ? e3() : f(g2(), r3, t3);
        })(!1);
      }));
    });
  }
  var br = class {
    constructor(e2) {
      this._writer = e2, this._shuttingDown = !1, this._currentWrite = c(void 0);
    }
    _waitForWritesToFinish() {
      let e2 = this._currentWrite;
      return f(this._currentWrite, () => e2 !== this._currentWrite ? this._waitForWritesToFinish() : void 0);
    }
  }, _r = class {
    constructor(e2) {
      this._state = e2, this._promise = u((e3, t2) => {
        this._resolvePromise = e3, this._rejectPromise = t2;
      });
    }
    _chunkSteps(t2) {
      this._state._currentWrite = f(Yt(this._state._writer, t2), void 0, e), this._resolvePromise(!1);
    }
    _closeSteps() {
      this._resolvePromise(!0);
    }
    _errorSteps(e2) {
      this._rejectPromise(e2);
    }
  }, mr = class {
    constructor(e2) {
      this._state = e2;
    }
    _chunkSteps(t2) {
      this._state._currentWrite = f(Yt(this._state._writer, t2), void 0, e);
    }
    _closeSteps() {
    }
    _errorSteps(e2) {
    }
  };
  function pr(e2, t2, r2) {
    e2._state === "errored" ? r2(e2._storedError) : _(t2, r2);
  }
  var ReadableStreamDefaultController = class {
    constructor() {
      throw new TypeError("Illegal constructor");
    }
    get desiredSize() {
      if (!yr(this)) throw Er("desiredSize");
      return Pr(this);
    }
    close() {
      if (!yr(this)) throw Er("close");
      if (!Cr(this)) throw new TypeError("The stream is not in a state that permits close");
      wr(this);
    }
    enqueue(e2 = void 0) {
      if (!yr(this)) throw Er("enqueue");
      if (!Cr(this)) throw new TypeError("The stream is not in a state that permits enqueue");
      return Rr(this, e2);
    }
    error(e2 = void 0) {
      if (!yr(this)) throw Er("error");
      Tr(this, e2);
    }
    [T](e2) {
      qe(this);
      let t2 = this._cancelAlgorithm(e2);
      return vr(this), t2;
    }
    [P](e2) {
      let t2 = this._controlledReadableStream;
      if (this._queue.length > 0) {
        let r2 = Pe(this);
        this._closeRequested && this._queue.length === 0 ? (vr(this), Yr(t2)) : Sr(this), e2._chunkSteps(r2);
      } else U(t2, e2), Sr(this);
    }
    [C]() {
      return this._queue.length > 0;
    }
    [q]() {
    }
  };
  function yr(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_controlledReadableStream") && e2 instanceof ReadableStreamDefaultController;
  }
  function Sr(e2) {
    if (gr(e2)) {
      if (e2._pulling) return void (e2._pullAgain = !0);
      e2._pulling = !0, h(e2._pullAlgorithm(), () => (e2._pulling = !1, e2._pullAgain && (e2._pullAgain = !1, Sr(e2)), null), (t2) => (Tr(e2, t2), null));
    }
  }
  function gr(e2) {
    let t2 = e2._controlledReadableStream;
    return !Cr(e2) || !e2._started ? !1 : $r(t2) && X(t2) > 0 ? !0 : Pr(e2) > 0;
  }
  function vr(e2) {
    e2._pullAlgorithm = void 0, e2._cancelAlgorithm = void 0, e2._strategySizeAlgorithm = void 0;
  }
  function wr(e2) {
    if (!Cr(e2)) return;
    let t2 = e2._controlledReadableStream;
    e2._closeRequested = !0, e2._queue.length === 0 && (vr(e2), Yr(t2));
  }
  function Rr(e2, t2) {
    if (!Cr(e2)) return;
    let r2 = e2._controlledReadableStream;
    if ($r(r2) && X(r2) > 0) G(r2, t2, !1);
    else {
      let r3;
      try {
        r3 = e2._strategySizeAlgorithm(t2);
      } catch (t3) {
        throw Tr(e2, t3), t3;
      }
      try {
        Ce(e2, t2, r3);
      } catch (t3) {
        throw Tr(e2, t3), t3;
      }
    }
    Sr(e2);
  }
  function Tr(e2, t2) {
    let r2 = e2._controlledReadableStream;
    r2._state === "readable" && (qe(e2), vr(e2), xr(r2, t2));
  }
  function Pr(e2) {
    let t2 = e2._controlledReadableStream._state;
    return t2 === "errored" ? null : t2 === "closed" ? 0 : e2._strategyHWM - e2._queueTotalSize;
  }
  function Cr(e2) {
    let t2 = e2._controlledReadableStream._state;
    return !e2._closeRequested && t2 === "readable";
  }
  function qr(e2, t2, r2, o2, n2, i2, a3) {
    t2._controlledReadableStream = e2, t2._queue = void 0, t2._queueTotalSize = void 0, qe(t2), t2._started = !1, t2._closeRequested = !1, t2._pullAgain = !1, t2._pulling = !1, t2._strategySizeAlgorithm = a3, t2._strategyHWM = i2, t2._pullAlgorithm = o2, t2._cancelAlgorithm = n2, e2._readableStreamController = t2, h(c(r2()), () => (t2._started = !0, Sr(t2), null), (e3) => (Tr(t2, e3), null));
  }
  function Er(e2) {
    return new TypeError(`ReadableStreamDefaultController.prototype.${e2} can only be used on a ReadableStreamDefaultController`);
  }
  function Wr(e2, t2) {
    return Oe(e2._readableStreamController) ? (function(e3) {
      let t3, r2, o2, n2, i2, a3 = V(e3), s2 = !1, l2 = !1, d2 = !1, f2 = !1, h2 = !1, b3 = u((e4) => {
        i2 = e4;
      });
      function m2(e4) {
        _(e4._closedPromise, (t4) => (e4 !== a3 || (Xe(o2._readableStreamController, t4), Xe(n2._readableStreamController, t4), f2 && h2 || i2(void 0)), null));
      }
      function p2() {
        ft(a3) && (O(a3), a3 = V(e3), m2(a3)), te(a3, { _chunkSteps: (t4) => {
          y(() => {
            l2 = !1, d2 = !1;
            let r3 = t4, a4 = t4;
            if (!f2 && !h2) try {
              a4 = Te(t4);
            } catch (t5) {
              return Xe(o2._readableStreamController, t5), Xe(n2._readableStreamController, t5), void i2(Mr(e3, t5));
            }
            f2 || Ge(o2._readableStreamController, r3), h2 || Ge(n2._readableStreamController, a4), s2 = !1, l2 ? g2() : d2 && v2();
          });
        }, _closeSteps: () => {
          s2 = !1, f2 || Ue(o2._readableStreamController), h2 || Ue(n2._readableStreamController), o2._readableStreamController._pendingPullIntos.length > 0 && et(o2._readableStreamController, 0), n2._readableStreamController._pendingPullIntos.length > 0 && et(n2._readableStreamController, 0), f2 && h2 || i2(void 0);
        }, _errorSteps: () => {
          s2 = !1;
        } });
      }
      function S2(t4, r3) {
        ee(a3) && (O(a3), a3 = at(e3), m2(a3));
        let u2 = r3 ? n2 : o2, c3 = r3 ? o2 : n2;
        ht(a3, t4, 1, { _chunkSteps: (t5) => {
          y(() => {
            l2 = !1, d2 = !1;
            let o3 = r3 ? h2 : f2;
            if (r3 ? f2 : h2) o3 || tt(u2._readableStreamController, t5);
            else {
              let r4;
              try {
                r4 = Te(t5);
              } catch (t6) {
                return Xe(u2._readableStreamController, t6), Xe(c3._readableStreamController, t6), void i2(Mr(e3, t6));
              }
              o3 || tt(u2._readableStreamController, t5), Ge(c3._readableStreamController, r4);
            }
            s2 = !1, l2 ? g2() : d2 && v2();
          });
        }, _closeSteps: (e4) => {
          s2 = !1;
          let t5 = r3 ? h2 : f2, o3 = r3 ? f2 : h2;
          t5 || Ue(u2._readableStreamController), o3 || Ue(c3._readableStreamController), e4 !== void 0 && (t5 || tt(u2._readableStreamController, e4), !o3 && c3._readableStreamController._pendingPullIntos.length > 0 && et(c3._readableStreamController, 0)), t5 && o3 || i2(void 0);
        }, _errorSteps: () => {
          s2 = !1;
        } });
      }
      function g2() {
        if (s2) return l2 = !0, c(void 0);
        s2 = !0;
        let e4 = Ke(o2._readableStreamController);
        return e4 === null ? p2() : S2(e4._view, !1), c(void 0);
      }
      function v2() {
        if (s2) return d2 = !0, c(void 0);
        s2 = !0;
        let e4 = Ke(n2._readableStreamController);
        return e4 === null ? p2() : S2(e4._view, !0), c(void 0);
      }
      function w2(o3) {
        if (f2 = !0, t3 = o3, h2) {
          let o4 = le([t3, r2]), n3 = Mr(e3, o4);
          i2(n3);
        }
        return b3;
      }
      function R2(o3) {
        if (h2 = !0, r2 = o3, f2) {
          let o4 = le([t3, r2]), n3 = Mr(e3, o4);
          i2(n3);
        }
        return b3;
      }
      function T2() {
      }
      return o2 = Fr(T2, g2, w2), n2 = Fr(T2, v2, R2), m2(a3), [o2, n2];
    })(e2) : (function(e3) {
      let t3 = V(e3), r2, o2, n2, i2, a3, s2 = !1, l2 = !1, d2 = !1, f2 = !1, h2 = u((e4) => {
        a3 = e4;
      });
      function b3() {
        return s2 ? (l2 = !0, c(void 0)) : (s2 = !0, te(t3, { _chunkSteps: (e4) => {
          y(() => {
            l2 = !1;
            let t4 = e4, r3 = e4;
            d2 || Rr(n2._readableStreamController, t4), f2 || Rr(i2._readableStreamController, r3), s2 = !1, l2 && b3();
          });
        }, _closeSteps: () => {
          s2 = !1, d2 || wr(n2._readableStreamController), f2 || wr(i2._readableStreamController), d2 && f2 || a3(void 0);
        }, _errorSteps: () => {
          s2 = !1;
        } }), c(void 0));
      }
      function m2(t4) {
        if (d2 = !0, r2 = t4, f2) {
          let t5 = le([r2, o2]), n3 = Mr(e3, t5);
          a3(n3);
        }
        return h2;
      }
      function p2(t4) {
        if (f2 = !0, o2 = t4, d2) {
          let t5 = le([r2, o2]), n3 = Mr(e3, t5);
          a3(n3);
        }
        return h2;
      }
      function S2() {
      }
      return n2 = Dr(S2, b3, m2), i2 = Dr(S2, b3, p2), _(t3._closedPromise, (e4) => (Tr(n2._readableStreamController, e4), Tr(i2._readableStreamController, e4), d2 && f2 || a3(void 0), null)), [n2, i2];
    })(e2);
  }
  function Or(r2) {
    return t(o2 = r2) && o2.getReader !== void 0 ? (function(r3) {
      let o3;
      function n2() {
        let e2;
        try {
          e2 = r3.read();
        } catch (e3) {
          return d(e3);
        }
        return m(e2, (e3) => {
          if (!t(e3)) throw new TypeError("The promise returned by the reader.read() method must fulfill with an object");
          if (e3.done) wr(o3._readableStreamController);
          else {
            let t2 = e3.value;
            Rr(o3._readableStreamController, t2);
          }
        });
      }
      function i2(e2) {
        try {
          return c(r3.cancel(e2));
        } catch (e3) {
          return d(e3);
        }
      }
      return o3 = Dr(e, n2, i2, 0), o3;
    })(r2.getReader()) : (function(r3) {
      let o3, n2 = me(r3, "async");
      function i2() {
        let e2;
        try {
          e2 = pe(n2);
        } catch (e3) {
          return d(e3);
        }
        return m(c(e2), (e3) => {
          if (!t(e3)) throw new TypeError("The promise returned by the iterator.next() method must fulfill with an object");
          if (e3.done) wr(o3._readableStreamController);
          else {
            let t2 = e3.value;
            Rr(o3._readableStreamController, t2);
          }
        });
      }
      function a3(e2) {
        let r4 = n2.iterator, o4;
        try {
          o4 = he(r4, "return");
        } catch (e3) {
          return d(e3);
        }
        return o4 === void 0 ? c(void 0) : m(g(o4, r4, [e2]), (e3) => {
          if (!t(e3)) throw new TypeError("The promise returned by the iterator.return() method must fulfill with an object");
        });
      }
      return o3 = Dr(e, i2, a3, 0), o3;
    })(r2);
    var o2;
  }
  function Br(e2, t2, r2) {
    return I(e2, r2), (r3) => g(e2, t2, [r3]);
  }
  function jr(e2, t2, r2) {
    return I(e2, r2), (r3) => g(e2, t2, [r3]);
  }
  function kr(e2, t2, r2) {
    return I(e2, r2), (r3) => S(e2, t2, [r3]);
  }
  function Ar(e2, t2) {
    if ((e2 = `${e2}`) != "bytes") throw new TypeError(`${t2} '${e2}' is not a valid enumeration value for ReadableStreamType`);
    return e2;
  }
  function zr(e2, t2) {
    L(e2, t2);
    let r2 = e2?.preventAbort, o2 = e2?.preventCancel, n2 = e2?.preventClose, i2 = e2?.signal;
    return i2 !== void 0 && (function(e3, t3) {
      if (!(function(e4) {
        if (typeof e4 != "object" || e4 === null) return !1;
        try {
          return typeof e4.aborted == "boolean";
        } catch {
          return !1;
        }
      })(e3)) throw new TypeError(`${t3} is not an AbortSignal.`);
    })(i2, `${t2} has member 'signal' that`), { preventAbort: !!r2, preventCancel: !!o2, preventClose: !!n2, signal: i2 };
  }
  Object.defineProperties(ReadableStreamDefaultController.prototype, { close: { enumerable: !0 }, enqueue: { enumerable: !0 }, error: { enumerable: !0 }, desiredSize: { enumerable: !0 } }), o(ReadableStreamDefaultController.prototype.close, "close"), o(ReadableStreamDefaultController.prototype.enqueue, "enqueue"), o(ReadableStreamDefaultController.prototype.error, "error"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(ReadableStreamDefaultController.prototype, Symbol.toStringTag, { value: "ReadableStreamDefaultController", configurable: !0 });
  var ReadableStream = class {
    constructor(e2 = {}, t2 = {}) {
      e2 === void 0 ? e2 = null : $(e2, "First parameter");
      let r2 = yt(t2, "Second parameter"), o2 = (function(e3, t3) {
        L(e3, t3);
        let r3 = e3, o3 = r3?.autoAllocateChunkSize, n2 = r3?.cancel, i2 = r3?.pull, a3 = r3?.start, s2 = r3?.type;
        return { autoAllocateChunkSize: o3 === void 0 ? void 0 : N(o3, `${t3} has member 'autoAllocateChunkSize' that`), cancel: n2 === void 0 ? void 0 : Br(n2, r3, `${t3} has member 'cancel' that`), pull: i2 === void 0 ? void 0 : jr(i2, r3, `${t3} has member 'pull' that`), start: a3 === void 0 ? void 0 : kr(a3, r3, `${t3} has member 'start' that`), type: s2 === void 0 ? void 0 : Ar(s2, `${t3} has member 'type' that`) };
      })(e2, "First parameter");
      if (Lr(this), o2.type === "bytes") {
        if (r2.size !== void 0) throw new RangeError("The strategy for a byte stream cannot have a size function");
        (function(e3, t3, r3) {
          let o3 = Object.create(ReadableByteStreamController.prototype), n2, i2, a3;
          n2 = t3.start !== void 0 ? () => t3.start(o3) : () => {
          }, i2 = t3.pull !== void 0 ? () => t3.pull(o3) : () => c(void 0), a3 = t3.cancel !== void 0 ? (e4) => t3.cancel(e4) : () => c(void 0);
          let s2 = t3.autoAllocateChunkSize;
          if (s2 === 0) throw new TypeError("autoAllocateChunkSize must be greater than 0");
          rt(e3, o3, n2, i2, a3, r3, s2);
        })(this, o2, mt(r2, 0));
      } else {
        let e3 = pt(r2);
        (function(e4, t3, r3, o3) {
          let n2 = Object.create(ReadableStreamDefaultController.prototype), i2, a3, s2;
          i2 = t3.start !== void 0 ? () => t3.start(n2) : () => {
          }, a3 = t3.pull !== void 0 ? () => t3.pull(n2) : () => c(void 0), s2 = t3.cancel !== void 0 ? (e5) => t3.cancel(e5) : () => c(void 0), qr(e4, n2, i2, a3, s2, r3, o3);
        })(this, o2, mt(r2, 1), e3);
      }
    }
    get locked() {
      if (!Ir(this)) throw Qr("locked");
      return $r(this);
    }
    cancel(e2 = void 0) {
      return Ir(this) ? $r(this) ? d(new TypeError("Cannot cancel a stream that already has a reader")) : Mr(this, e2) : d(Qr("cancel"));
    }
    getReader(e2 = void 0) {
      if (!Ir(this)) throw Qr("getReader");
      return (function(e3, t2) {
        L(e3, t2);
        let r2 = e3?.mode;
        return { mode: r2 === void 0 ? void 0 : it(r2, `${t2} has member 'mode' that`) };
      })(e2, "First parameter").mode === void 0 ? V(this) : at(this);
    }
    pipeThrough(e2, t2 = {}) {
      if (!Ir(this)) throw Qr("pipeThrough");
      M(e2, 1, "pipeThrough");
      let r2 = (function(e3, t3) {
        L(e3, t3);
        let r3 = e3?.readable;
        Y(r3, "readable", "ReadableWritablePair"), H(r3, `${t3} has member 'readable' that`);
        let o3 = e3?.writable;
        return Y(o3, "writable", "ReadableWritablePair"), Tt(o3, `${t3} has member 'writable' that`), { readable: r3, writable: o3 };
      })(e2, "First parameter"), o2 = zr(t2, "Second parameter");
      if ($r(this)) throw new TypeError("ReadableStream.prototype.pipeThrough cannot be used on a locked ReadableStream");
      if (Et(r2.writable)) throw new TypeError("ReadableStream.prototype.pipeThrough cannot be used on a locked WritableStream");
      return p(hr(this, r2.writable, o2.preventClose, o2.preventAbort, o2.preventCancel, o2.signal)), r2.readable;
    }
    pipeTo(e2, t2 = {}) {
      if (!Ir(this)) return d(Qr("pipeTo"));
      if (e2 === void 0) return d("Parameter 1 is required in 'pipeTo'.");
      if (!qt(e2)) return d(new TypeError("ReadableStream.prototype.pipeTo's first argument must be a WritableStream"));
      let r2;
      try {
        r2 = zr(t2, "Second parameter");
      } catch (e3) {
        return d(e3);
      }
      return $r(this) ? d(new TypeError("ReadableStream.prototype.pipeTo cannot be used on a locked ReadableStream")) : Et(e2) ? d(new TypeError("ReadableStream.prototype.pipeTo cannot be used on a locked WritableStream")) : hr(this, e2, r2.preventClose, r2.preventAbort, r2.preventCancel, r2.signal);
    }
    tee() {
      if (!Ir(this)) throw Qr("tee");
      return le(Wr(this));
    }
    values(e2 = void 0) {
      if (!Ir(this)) throw Qr("values");
      return (function(e3, t2) {
        let r2 = V(e3), o2 = new ye(r2, t2), n2 = Object.create(ge);
        return n2._asyncIteratorImpl = o2, n2;
      })(this, (function(e3, t2) {
        return L(e3, t2), { preventCancel: !!e3?.preventCancel };
      })(e2, "First parameter").preventCancel);
    }
    [_e](e2) {
      return this.values(e2);
    }
    static from(e2) {
      return Or(e2);
    }
  };
  function Dr(e2, t2, r2, o2 = 1, n2 = () => 1) {
    let i2 = Object.create(ReadableStream.prototype);
    return Lr(i2), qr(i2, Object.create(ReadableStreamDefaultController.prototype), e2, t2, r2, o2, n2), i2;
  }
  function Fr(e2, t2, r2) {
    let o2 = Object.create(ReadableStream.prototype);
    return Lr(o2), rt(o2, Object.create(ReadableByteStreamController.prototype), e2, t2, r2, 0, void 0), o2;
  }
  function Lr(e2) {
    e2._state = "readable", e2._reader = void 0, e2._storedError = void 0, e2._disturbed = !1;
  }
  function Ir(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_readableStreamController") && e2 instanceof ReadableStream;
  }
  function $r(e2) {
    return e2._reader !== void 0;
  }
  function Mr(t2, r2) {
    if (t2._disturbed = !0, t2._state === "closed") return c(void 0);
    if (t2._state === "errored") return d(t2._storedError);
    Yr(t2);
    let o2 = t2._reader;
    if (o2 !== void 0 && ft(o2)) {
      let e2 = o2._readIntoRequests;
      o2._readIntoRequests = new v(), e2.forEach((e3) => {
        e3._closeSteps(void 0);
      });
    }
    return m(t2._readableStreamController[T](r2), e);
  }
  function Yr(e2) {
    e2._state = "closed";
    let t2 = e2._reader;
    if (t2 !== void 0 && (z(t2), ee(t2))) {
      let e3 = t2._readRequests;
      t2._readRequests = new v(), e3.forEach((e4) => {
        e4._closeSteps();
      });
    }
  }
  function xr(e2, t2) {
    e2._state = "errored", e2._storedError = t2;
    let r2 = e2._reader;
    r2 !== void 0 && (A(r2, t2), ee(r2) ? oe(r2, t2) : bt(r2, t2));
  }
  function Qr(e2) {
    return new TypeError(`ReadableStream.prototype.${e2} can only be used on a ReadableStream`);
  }
  function Nr(e2, t2) {
    L(e2, t2);
    let r2 = e2?.highWaterMark;
    return Y(r2, "highWaterMark", "QueuingStrategyInit"), { highWaterMark: x(r2) };
  }
  Object.defineProperties(ReadableStream, { from: { enumerable: !0 } }), Object.defineProperties(ReadableStream.prototype, { cancel: { enumerable: !0 }, getReader: { enumerable: !0 }, pipeThrough: { enumerable: !0 }, pipeTo: { enumerable: !0 }, tee: { enumerable: !0 }, values: { enumerable: !0 }, locked: { enumerable: !0 } }), o(ReadableStream.from, "from"), o(ReadableStream.prototype.cancel, "cancel"), o(ReadableStream.prototype.getReader, "getReader"), o(ReadableStream.prototype.pipeThrough, "pipeThrough"), o(ReadableStream.prototype.pipeTo, "pipeTo"), o(ReadableStream.prototype.tee, "tee"), o(ReadableStream.prototype.values, "values"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(ReadableStream.prototype, Symbol.toStringTag, { value: "ReadableStream", configurable: !0 }), Object.defineProperty(ReadableStream.prototype, _e, { value: ReadableStream.prototype.values, writable: !0, configurable: !0 });
  var Hr = (e2) => e2.byteLength;
  o(Hr, "size");
  var ByteLengthQueuingStrategy = class {
    constructor(e2) {
      M(e2, 1, "ByteLengthQueuingStrategy"), e2 = Nr(e2, "First parameter"), this._byteLengthQueuingStrategyHighWaterMark = e2.highWaterMark;
    }
    get highWaterMark() {
      if (!Ur(this)) throw Vr("highWaterMark");
      return this._byteLengthQueuingStrategyHighWaterMark;
    }
    get size() {
      if (!Ur(this)) throw Vr("size");
      return Hr;
    }
  };
  function Vr(e2) {
    return new TypeError(`ByteLengthQueuingStrategy.prototype.${e2} can only be used on a ByteLengthQueuingStrategy`);
  }
  function Ur(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_byteLengthQueuingStrategyHighWaterMark") && e2 instanceof ByteLengthQueuingStrategy;
  }
  Object.defineProperties(ByteLengthQueuingStrategy.prototype, { highWaterMark: { enumerable: !0 }, size: { enumerable: !0 } }), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(ByteLengthQueuingStrategy.prototype, Symbol.toStringTag, { value: "ByteLengthQueuingStrategy", configurable: !0 });
  var Gr = () => 1;
  o(Gr, "size");
  var CountQueuingStrategy = class {
    constructor(e2) {
      M(e2, 1, "CountQueuingStrategy"), e2 = Nr(e2, "First parameter"), this._countQueuingStrategyHighWaterMark = e2.highWaterMark;
    }
    get highWaterMark() {
      if (!Jr(this)) throw Xr("highWaterMark");
      return this._countQueuingStrategyHighWaterMark;
    }
    get size() {
      if (!Jr(this)) throw Xr("size");
      return Gr;
    }
  };
  function Xr(e2) {
    return new TypeError(`CountQueuingStrategy.prototype.${e2} can only be used on a CountQueuingStrategy`);
  }
  function Jr(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_countQueuingStrategyHighWaterMark") && e2 instanceof CountQueuingStrategy;
  }
  function Kr(e2, t2, r2) {
    return I(e2, r2), (r3) => g(e2, t2, [r3]);
  }
  function Zr(e2, t2, r2) {
    return I(e2, r2), (r3) => S(e2, t2, [r3]);
  }
  function eo(e2, t2, r2) {
    return I(e2, r2), (r3, o2) => g(e2, t2, [r3, o2]);
  }
  function to(e2, t2, r2) {
    return I(e2, r2), (r3) => g(e2, t2, [r3]);
  }
  Object.defineProperties(CountQueuingStrategy.prototype, { highWaterMark: { enumerable: !0 }, size: { enumerable: !0 } }), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(CountQueuingStrategy.prototype, Symbol.toStringTag, { value: "CountQueuingStrategy", configurable: !0 });
  var TransformStream = class {
    constructor(e2 = {}, t2 = {}, r2 = {}) {
      e2 === void 0 && (e2 = null);
      let o2 = yt(t2, "Second parameter"), n2 = yt(r2, "Third parameter"), i2 = (function(e3, t3) {
        L(e3, t3);
        let r3 = e3?.cancel, o3 = e3?.flush, n3 = e3?.readableType, i3 = e3?.start, a4 = e3?.transform, s3 = e3?.writableType;
        return { cancel: r3 === void 0 ? void 0 : to(r3, e3, `${t3} has member 'cancel' that`), flush: o3 === void 0 ? void 0 : Kr(o3, e3, `${t3} has member 'flush' that`), readableType: n3, start: i3 === void 0 ? void 0 : Zr(i3, e3, `${t3} has member 'start' that`), transform: a4 === void 0 ? void 0 : eo(a4, e3, `${t3} has member 'transform' that`), writableType: s3 };
      })(e2, "First parameter");
      if (i2.readableType !== void 0) throw new RangeError("Invalid readableType specified");
      if (i2.writableType !== void 0) throw new RangeError("Invalid writableType specified");
      let a3 = mt(n2, 0), s2 = pt(n2), l2 = mt(o2, 1), f2 = pt(o2), b3;
      (function(e3, t3, r3, o3, n3, i3) {
        function a4() {
          return t3;
        }
        function s3(t4) {
          return (function(e4, t5) {
            let r4 = e4._transformStreamController;
            return e4._backpressure ? m(e4._backpressureChangePromise, () => {
              let o4 = e4._writable;
              if (o4._state === "erroring") throw o4._storedError;
              return co(r4, t5);
            }) : co(r4, t5);
          })(e3, t4);
        }
        function l3(t4) {
          return (function(e4, t5) {
            let r4 = e4._transformStreamController;
            if (r4._finishPromise !== void 0) return r4._finishPromise;
            let o4 = e4._readable;
            r4._finishPromise = u((e5, t6) => {
              r4._finishPromise_resolve = e5, r4._finishPromise_reject = t6;
            });
            let n4 = r4._cancelAlgorithm(t5);
            return lo(r4), h(n4, () => (o4._state === "errored" ? bo(r4, o4._storedError) : (Tr(o4._readableStreamController, t5), ho(r4)), null), (e5) => (Tr(o4._readableStreamController, e5), bo(r4, e5), null)), r4._finishPromise;
          })(e3, t4);
        }
        function c3() {
          return (function(e4) {
            let t4 = e4._transformStreamController;
            if (t4._finishPromise !== void 0) return t4._finishPromise;
            let r4 = e4._readable;
            t4._finishPromise = u((e5, r5) => {
              t4._finishPromise_resolve = e5, t4._finishPromise_reject = r5;
            });
            let o4 = t4._flushAlgorithm();
            return lo(t4), h(o4, () => (r4._state === "errored" ? bo(t4, r4._storedError) : (wr(r4._readableStreamController), ho(t4)), null), (e5) => (Tr(r4._readableStreamController, e5), bo(t4, e5), null)), t4._finishPromise;
          })(e3);
        }
        function d2() {
          return (function(e4) {
            return ao(e4, !1), e4._backpressureChangePromise;
          })(e3);
        }
        function f3(t4) {
          return (function(e4, t5) {
            let r4 = e4._transformStreamController;
            if (r4._finishPromise !== void 0) return r4._finishPromise;
            let o4 = e4._writable;
            r4._finishPromise = u((e5, t6) => {
              r4._finishPromise_resolve = e5, r4._finishPromise_reject = t6;
            });
            let n4 = r4._cancelAlgorithm(t5);
            return lo(r4), h(n4, () => (o4._state === "errored" ? bo(r4, o4._storedError) : (Gt(o4._writableStreamController, t5), io(e4), ho(r4)), null), (t6) => (Gt(o4._writableStreamController, t6), io(e4), bo(r4, t6), null)), r4._finishPromise;
          })(e3, t4);
        }
        e3._writable = (function(e4, t4, r4, o4, n4 = 1, i4 = () => 1) {
          let a5 = Object.create(WritableStream.prototype);
          return Ct(a5), Nt(a5, Object.create(WritableStreamDefaultController.prototype), e4, t4, r4, o4, n4, i4), a5;
        })(a4, s3, c3, l3, r3, o3), e3._readable = Dr(a4, d2, f3, n3, i3), e3._backpressure = void 0, e3._backpressureChangePromise = void 0, e3._backpressureChangePromise_resolve = void 0, ao(e3, !0), e3._transformStreamController = void 0;
      })(this, u((e3) => {
        b3 = e3;
      }), l2, f2, a3, s2), (function(e3, t3) {
        let r3 = Object.create(TransformStreamDefaultController.prototype), o3, n3, i3;
        o3 = t3.transform !== void 0 ? (e4) => t3.transform(e4, r3) : (e4) => {
          try {
            return uo(r3, e4), c(void 0);
          } catch (e5) {
            return d(e5);
          }
        }, n3 = t3.flush !== void 0 ? () => t3.flush(r3) : () => c(void 0), i3 = t3.cancel !== void 0 ? (e4) => t3.cancel(e4) : () => c(void 0), (function(e4, t4, r4, o4, n4) {
          t4._controlledTransformStream = e4, e4._transformStreamController = t4, t4._transformAlgorithm = r4, t4._flushAlgorithm = o4, t4._cancelAlgorithm = n4, t4._finishPromise = void 0, t4._finishPromise_resolve = void 0, t4._finishPromise_reject = void 0;
        })(e3, r3, o3, n3, i3);
      })(this, i2), i2.start !== void 0 ? b3(i2.start(this._transformStreamController)) : b3(void 0);
    }
    get readable() {
      if (!ro(this)) throw _o("readable");
      return this._readable;
    }
    get writable() {
      if (!ro(this)) throw _o("writable");
      return this._writable;
    }
  };
  function ro(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_transformStreamController") && e2 instanceof TransformStream;
  }
  function oo(e2, t2) {
    Tr(e2._readable._readableStreamController, t2), no(e2, t2);
  }
  function no(e2, t2) {
    lo(e2._transformStreamController), Gt(e2._writable._writableStreamController, t2), io(e2);
  }
  function io(e2) {
    e2._backpressure && ao(e2, !1);
  }
  function ao(e2, t2) {
    e2._backpressureChangePromise !== void 0 && e2._backpressureChangePromise_resolve(), e2._backpressureChangePromise = u((t3) => {
      e2._backpressureChangePromise_resolve = t3;
    }), e2._backpressure = t2;
  }
  Object.defineProperties(TransformStream.prototype, { readable: { enumerable: !0 }, writable: { enumerable: !0 } }), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(TransformStream.prototype, Symbol.toStringTag, { value: "TransformStream", configurable: !0 });
  var TransformStreamDefaultController = class {
    constructor() {
      throw new TypeError("Illegal constructor");
    }
    get desiredSize() {
      if (!so(this)) throw fo("desiredSize");
      return Pr(this._controlledTransformStream._readable._readableStreamController);
    }
    enqueue(e2 = void 0) {
      if (!so(this)) throw fo("enqueue");
      uo(this, e2);
    }
    error(e2 = void 0) {
      if (!so(this)) throw fo("error");
      var t2;
      t2 = e2, oo(this._controlledTransformStream, t2);
    }
    terminate() {
      if (!so(this)) throw fo("terminate");
      (function(e2) {
        let t2 = e2._controlledTransformStream;
        wr(t2._readable._readableStreamController);
        let r2 = new TypeError("TransformStream terminated");
        no(t2, r2);
      })(this);
    }
  };
  function so(e2) {
    return !!t(e2) && !!Object.prototype.hasOwnProperty.call(e2, "_controlledTransformStream") && e2 instanceof TransformStreamDefaultController;
  }
  function lo(e2) {
    e2._transformAlgorithm = void 0, e2._flushAlgorithm = void 0, e2._cancelAlgorithm = void 0;
  }
  function uo(e2, t2) {
    let r2 = e2._controlledTransformStream, o2 = r2._readable._readableStreamController;
    if (!Cr(o2)) throw new TypeError("Readable side is not in a state that permits enqueue");
    try {
      Rr(o2, t2);
    } catch (e3) {
      throw no(r2, e3), r2._readable._storedError;
    }
    (function(e3) {
      return !gr(e3);
    })(o2) !== r2._backpressure && ao(r2, !0);
  }
  function co(e2, t2) {
    return m(e2._transformAlgorithm(t2), void 0, (t3) => {
      throw oo(e2._controlledTransformStream, t3), t3;
    });
  }
  function fo(e2) {
    return new TypeError(`TransformStreamDefaultController.prototype.${e2} can only be used on a TransformStreamDefaultController`);
  }
  function ho(e2) {
    e2._finishPromise_resolve !== void 0 && (e2._finishPromise_resolve(), e2._finishPromise_resolve = void 0, e2._finishPromise_reject = void 0);
  }
  function bo(e2, t2) {
    e2._finishPromise_reject !== void 0 && (p(e2._finishPromise), e2._finishPromise_reject(t2), e2._finishPromise_resolve = void 0, e2._finishPromise_reject = void 0);
  }
  function _o(e2) {
    return new TypeError(`TransformStream.prototype.${e2} can only be used on a TransformStream`);
  }
  Object.defineProperties(TransformStreamDefaultController.prototype, { enqueue: { enumerable: !0 }, error: { enumerable: !0 }, terminate: { enumerable: !0 }, desiredSize: { enumerable: !0 } }), o(TransformStreamDefaultController.prototype.enqueue, "enqueue"), o(TransformStreamDefaultController.prototype.error, "error"), o(TransformStreamDefaultController.prototype.terminate, "terminate"), typeof Symbol.toStringTag == "symbol" && Object.defineProperty(TransformStreamDefaultController.prototype, Symbol.toStringTag, { value: "TransformStreamDefaultController", configurable: !0 });

  // src/js/streams.js
  var getReader = ReadableStream.prototype.getReader, tee = ReadableStream.prototype.tee, lockedOf = Object.getOwnPropertyDescriptor(ReadableStream.prototype, "locked").get, isReadableStream = (value) => value instanceof ReadableStream && "_disturbed" in value, acquireReader = (stream) => Reflect.apply(getReader, stream, []), teeStream = (stream) => Reflect.apply(tee, stream, []), isLocked = (stream) => Reflect.apply(lockedOf, stream, []), isDisturbed = (stream) => stream._disturbed;
  function streamOfBytes(bytes) {
    return new ReadableStream({
      type: "bytes",
      start(controller) {
        bytes.byteLength > 0 && controller.enqueue(bytes), controller.close();
      }
    });
  }

  // src/js/encoding.js
  var utf8Encode = native.utf8Encode, utf8Decode = (bytes) => native.utf8Decode(bytes, !1, !1), empty = new Uint8Array(0), TextEncoder = class {
    #brand;
    get encoding() {
      return this.#brand, "utf-8";
    }
    encode(input = "") {
      return this.#brand, native.utf8Encode(toDOMString(input));
    }
    encodeInto(source, destination) {
      if (this.#brand, arguments.length < 2) throw new TypeError("TextEncoder.encodeInto needs 2 arguments");
      let string = toUSVString(source);
      if (!(destination instanceof Uint8Array)) throw new TypeError("TextEncoder.encodeInto: the destination is not a Uint8Array");
      let room = destination.length;
      if (string.length * 3 <= room) {
        let bytes = native.utf8Encode(string);
        return destination.set(bytes), { read: string.length, written: bytes.length };
      }
      let read = 0, written = 0;
      for (; read < string.length; ) {
        let point = string.codePointAt(read), size = point < 128 ? 1 : point < 2048 ? 2 : point < 65536 ? 3 : 4;
        if (written + size > room) break;
        written += size, read += point > 65535 ? 2 : 1;
      }
      return destination.set(native.utf8Encode(string.slice(0, read))), { read, written };
    }
  };
  defineInterface(TextEncoder, "TextEncoder", 0);
  var multiByte = /* @__PURE__ */ new Set(["gbk", "gb18030", "big5", "euc-jp", "shift_jis", "euc-kr", "iso-2022-jp"]);
  function incompleteTail(encoding, bytes) {
    let length = bytes.length;
    if (length === 0) return 0;
    if (encoding === "utf-8") return incompleteUtf8(bytes, length);
    if (encoding === "utf-16le" || encoding === "utf-16be") {
      let odd = length & 1;
      if (length - odd < 2) return odd;
      let high = bytes[length - odd - (encoding === "utf-16le" ? 1 : 2)];
      return high >= 216 && high <= 219 ? odd + 2 : odd;
    }
    if (!multiByte.has(encoding)) return 0;
    if (encoding === "iso-2022-jp") return length;
    for (let i2 = length - 1; i2 >= 0; i2--)
      if (bytes[i2] < 48) return length - 1 - i2;
    return length;
  }
  function incompleteUtf8(bytes, length) {
    for (let back = 1; back <= 3 && back <= length; back++) {
      let byte = bytes[length - back];
      if ((byte & 192) === 128) continue;
      if ((byte >= 194 && byte <= 223 ? 2 : byte >= 224 && byte <= 239 ? 3 : byte >= 240 && byte <= 244 ? 4 : 0) <= back) return 0;
      if (back > 1) {
        let second = bytes[length - back + 1];
        if (byte === 224 && second < 160 || byte === 237 && second > 159 || byte === 240 && second < 144 || byte === 244 && second > 143) return 0;
      }
      return back;
    }
    return 0;
  }
  var TextDecoder = class {
    #encoding;
    #fatal = !1;
    #ignoreBOM = !1;
    #pending = empty;
    #started = !1;
    // a byte order mark can no longer come
    #streaming = !1;
    constructor(label2 = "utf-8", options = void 0) {
      let name = toDOMString(label2);
      if (name === "utf-8" || name === "utf8")
        this.#encoding = "utf-8";
      else {
        let encoding = native.textLabel(name);
        if (encoding === null || encoding === "replacement") throw new RangeError(`TextDecoder: the encoding "${name}" is unknown`);
        this.#encoding = encoding;
      }
      let dictionary = toDictionary(options, "TextDecoder: the options");
      dictionary !== void 0 && (this.#fatal = !!dictionary.fatal, this.#ignoreBOM = !!dictionary.ignoreBOM);
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
    decode(input = void 0, options = void 0) {
      this.#encoding;
      let bytes = input === void 0 ? empty : bytesOf(input, "TextDecoder.decode: the input"), stream = options != null && !!options.stream;
      return !stream && !this.#streaming ? this.#encoding === "utf-8" ? native.utf8Decode(bytes, this.#fatal, this.#ignoreBOM) : native.textDecode(this.#encoding, bytes, this.#fatal, this.#ignoreBOM) : this.#decodePart(bytes, stream);
    }
    #decodePart(bytes, more) {
      let all = bytes;
      this.#pending.length > 0 && (all = new Uint8Array(this.#pending.length + bytes.length), all.set(this.#pending), all.set(bytes, this.#pending.length));
      let tail = more ? incompleteTail(this.#encoding, all) : 0, part = tail === 0 ? all : all.subarray(0, all.length - tail);
      this.#pending = tail === 0 ? empty : all.slice(all.length - tail);
      let keepMark = this.#ignoreBOM || this.#started;
      if (more ? (this.#streaming = !0, part.length > 0 && (this.#started = !0)) : this.#streaming = this.#started = !1, part.length === 0) return "";
      try {
        return this.#encoding === "utf-8" ? native.utf8Decode(part, this.#fatal, keepMark) : native.textDecode(this.#encoding, part, this.#fatal, keepMark);
      } catch (error) {
        throw this.#pending = empty, this.#streaming = this.#started = !1, error;
      }
    }
  };
  defineInterface(TextDecoder, "TextDecoder", 0);
  var TextEncoderStream = class {
    #transform;
    constructor() {
      let high = "";
      this.#transform = new TransformStream({
        transform(chunk, controller) {
          let string = high + `${chunk}`;
          high = "";
          let last = string.charCodeAt(string.length - 1);
          last >= 55296 && last <= 56319 && (high = string[string.length - 1], string = string.slice(0, -1)), string !== "" && controller.enqueue(native.utf8Encode(string));
        },
        flush(controller) {
          high !== "" && controller.enqueue(new Uint8Array([239, 191, 189]));
        }
      });
    }
    get encoding() {
      return this.#transform, "utf-8";
    }
    get readable() {
      return this.#transform.readable;
    }
    get writable() {
      return this.#transform.writable;
    }
  };
  defineInterface(TextEncoderStream, "TextEncoderStream", 0);
  var TextDecoderStream = class {
    #decoder;
    #transform;
    constructor(label2 = "utf-8", options = void 0) {
      let decoder = new TextDecoder(label2, options);
      this.#decoder = decoder, this.#transform = new TransformStream({
        transform(chunk, controller) {
          let text = decoder.decode(bytesOf(chunk, "TextDecoderStream: a chunk"), { stream: !0 });
          text !== "" && controller.enqueue(text);
        },
        flush(controller) {
          let text = decoder.decode();
          text !== "" && controller.enqueue(text);
        }
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
  };
  defineInterface(TextDecoderStream, "TextDecoderStream", 0);

  // src/js/blob.js
  var RAW = /* @__PURE__ */ Symbol("raw"), rawOf, isBlob, Blob = class {
    #bytes;
    #type = "";
    constructor(parts = void 0, options = void 0) {
      if (parts === RAW) {
        this.#bytes = options.bytes, this.#type = options.type;
        return;
      }
      let list2 = [];
      if (parts !== void 0) {
        if (!isObject(parts) || typeof parts[Symbol.iterator] != "function") throw new TypeError("Blob: the first argument is not a sequence");
        list2 = [...parts];
      }
      let dictionary = toDictionary(options, "Blob: the second argument"), endings = dictionary?.endings === void 0 ? "transparent" : toEnum(dictionary.endings, ["transparent", "native"], "Blob: endings"), type = dictionary?.type === void 0 ? "" : normalizeType(dictionary.type);
      this.#bytes = concat(list2.map((part) => partBytes(part, endings))), this.#type = type;
    }
    get size() {
      return this.#bytes.byteLength;
    }
    get type() {
      return this.#type;
    }
    slice(start2 = 0, end = void 0, contentType = "") {
      let size = this.#bytes.byteLength, from = clampIndex(start2, size), to2 = end === void 0 ? size : clampIndex(end, size);
      return blobOf(this.#bytes.subarray(from, Math.max(from, to2)), normalizeType(contentType));
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
      isBlob = (value) => typeof value == "object" && value !== null && #bytes in value, rawOf = (blob) => blob.#bytes;
    }
  };
  defineInterface(Blob, "Blob", 0);
  setLengths(Blob.prototype, { slice: 0 });
  var blobBytes = (blob) => rawOf(blob), blobOf = (bytes, type) => new Blob(RAW, { bytes, type }), isFile, File = class extends Blob {
    #name;
    #lastModified;
    constructor(parts, name, options = void 0) {
      if (parts === RAW) {
        super(parts, options), this.#name = name, this.#lastModified = options.lastModified;
        return;
      }
      needArguments(arguments.length, 2, "File"), super(parts ?? NOT_A_SEQUENCE, options), this.#name = toUSVString(name);
      let modified = options?.lastModified;
      this.#lastModified = modified === void 0 ? Date.now() : Math.trunc(Number(modified)) || 0;
    }
    get name() {
      return this.#name;
    }
    get lastModified() {
      return this.#lastModified;
    }
    get webkitRelativePath() {
      return this.#name, "";
    }
    static {
      isFile = (value) => typeof value == "object" && value !== null && #name in value;
    }
  };
  defineInterface(File, "File", 2);
  var NOT_A_SEQUENCE = 0, fileOf = (bytes, name, type, lastModified = Date.now()) => new File(RAW, name, { bytes, type, lastModified });
  function normalizeType(type) {
    let text = `${type}`;
    return /[^\x20-\x7e]/.test(text) ? "" : text.toLowerCase();
  }
  function clampIndex(value, size) {
    let index = Math.trunc(Number(value)) || 0;
    return index < 0 ? Math.max(size + index, 0) : Math.min(index, size);
  }
  function partBytes(part, endings) {
    if (isBlob(part)) return blobBytes(part);
    if (isBufferSource(part)) return bytesOf(part, "Blob: a part");
    let text = `${part}`;
    return utf8Encode(endings === "native" ? text.replace(/\r\n?/g, `
`) : text);
  }
  function concat(parts) {
    let length = 0;
    for (let i2 = 0; i2 < parts.length; i2++) length += parts[i2].byteLength;
    let all = new Uint8Array(length), at2 = 0;
    for (let i2 = 0; i2 < parts.length; i2++)
      all.set(parts[i2], at2), at2 += parts[i2].byteLength;
    return all;
  }

  // src/js/console.js
  var indent = "", counts = /* @__PURE__ */ new Map(), timers = /* @__PURE__ */ new Map();
  function write(level, text) {
    indent !== "" && (text = indent + text.replaceAll(`
`, `
${indent}`)), native.log(level, text);
  }
  var label = (value) => value === void 0 ? "default" : `${value}`;
  function elapsed(start2) {
    let ms = native.now() - start2;
    return ms >= 1e3 ? `${(ms / 1e3).toFixed(3)}s` : `${Number(ms.toFixed(3))}ms`;
  }
  var console = {
    debug(...args) {
      write("debug", formatLog(args));
    },
    log(...args) {
      write("log", formatLog(args));
    },
    info(...args) {
      write("info", formatLog(args));
    },
    warn(...args) {
      write("warn", formatLog(args));
    },
    error(...args) {
      write("error", formatLog(args));
    },
    trace(...args) {
      let frames = `${new Error().stack ?? ""}`.split(`
`).filter((line) => /^\s+at /.test(line)).slice(1), text = formatLog(args);
      write("debug", [text === "" ? "Trace" : `Trace: ${text}`, ...frames].join(`
`));
    },
    assert(condition = !1, ...args) {
      condition || (typeof args[0] == "string" ? args[0] = `Assertion failed: ${args[0]}` : args.unshift("Assertion failed"), write("error", formatLog(args)));
    },
    dir(value, options = void 0) {
      write("log", inspect(value, options));
    },
    dirxml(...args) {
      write("log", formatLog(args));
    },
    table(data, columns = void 0) {
      write("log", typeof data == "object" && data !== null ? table(data, columns) : formatLog([data]));
    },
    group(...args) {
      args.length > 0 && write("log", formatLog(args)), indent += "  ";
    },
    groupCollapsed(...args) {
      console.group(...args);
    },
    groupEnd() {
      indent = indent.slice(2);
    },
    count(name = void 0) {
      let key = label(name), count = (counts.get(key) ?? 0) + 1;
      counts.set(key, count), write("log", `${key}: ${count}`);
    },
    countReset(name = void 0) {
      let key = label(name);
      counts.delete(key) || write("warn", `Count for '${key}' does not exist`);
    },
    time(name = void 0) {
      let key = label(name);
      timers.has(key) ? write("warn", `Timer '${key}' exists already`) : timers.set(key, native.now());
    },
    timeLog(name = void 0, ...args) {
      let key = label(name), start2 = timers.get(key);
      start2 === void 0 ? write("warn", `Timer '${key}' does not exist`) : write("log", formatLog([`${key}: ${elapsed(start2)}`, ...args]));
    },
    timeEnd(name = void 0) {
      let key = label(name), start2 = timers.get(key);
      if (start2 === void 0) {
        write("warn", `Timer '${key}' does not exist`);
        return;
      }
      timers.delete(key), write("log", `${key}: ${elapsed(start2)}`);
    },
    timeStamp() {
    },
    clear() {
    }
  };
  Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: !0 });
  function table(data, columns) {
    let rows = data instanceof Map ? [...data] : Object.entries(data), names = columns === void 0 ? [] : [...columns].map((name) => `${name}`), values = !1;
    for (let [, row] of rows)
      if (typeof row != "object" || row === null) values = !0;
      else if (columns === void 0) for (let name of Object.keys(row)) names.includes(name) || names.push(name);
    let head = ["(index)", ...names, ...values ? ["Values"] : []], lines = rows.map(([index, row]) => {
      let isObject2 = typeof row == "object" && row !== null, cells = names.map((name) => isObject2 && Object.hasOwn(row, name) ? inspect(row[name], { depth: 0 }) : "");
      return [`${typeof index == "string" ? index : inspect(index)}`, ...cells, ...values ? [isObject2 ? "" : inspect(row)] : []];
    }), widths = head.map((name, column) => Math.max(name.length, ...lines.map((line) => line[column].length)) + 2), rule = (left, middle, right) => left + widths.map((width) => "─".repeat(width)).join(middle) + right, show = (cells) => `│${cells.map((cell, column) => ` ${cell.padEnd(widths[column] - 1)}`).join("│")}│`;
    return [rule("┌", "┬", "┐"), show(head), rule("├", "┼", "┤"), ...lines.map(show), rule("└", "┴", "┘")].join(`
`);
  }

  // src/js/subtle.js
  var subtle_exports = {};
  __export(subtle_exports, {
    installSubtle: () => installSubtle
  });
  var native2, DOMException2, requireInvocation2;
  function installSubtle(hostFunctions, deps) {
    return native2 = hostFunctions, DOMException2 = deps.DOMException, requireInvocation2 = deps.requireInvocation, { subtle: new SubtleCrypto(ILLEGAL), SubtleCrypto, CryptoKey };
  }
  var ILLEGAL = /* @__PURE__ */ Symbol("internal"), noBytes = new Uint8Array(0), formats = ["raw", "spki", "pkcs8", "jwk"], allUsages = ["encrypt", "decrypt", "sign", "verify", "deriveKey", "deriveBits", "wrapKey", "unwrapKey"], hashes = { __proto__: null, "SHA-1": 512, "SHA-256": 512, "SHA-384": 1024, "SHA-512": 1024 }, fail = (name, message) => new DOMException2(message, name), failData = (message) => fail("DataError", message), failAccess = (message) => fail("InvalidAccessError", message), failOperation = (message) => fail("OperationError", message), failSupport = (message) => fail("NotSupportedError", message), failSyntax = (message) => fail("SyntaxError", message), hostErrors = ["OperationError", "DataError", "NotSupportedError", "InvalidAccessError", "SyntaxError"];
  function host(operation, parameters, ...buffers) {
    let answer;
    try {
      answer = native2.call(`crypto.${operation}`, jsonStringify(parameters), ...buffers);
    } catch (error) {
      throw hostErrors.includes(error?.name) ? fail(error.name, error.message) : error;
    }
    let [meta, bytes] = answer;
    return { meta: meta ? jsonParse(meta) : void 0, bytes: bytes ?? noBytes };
  }
  var hostBytes = (...args) => host(...args).bytes;
  function random(length) {
    let bytes = new Uint8Array(length);
    return length > 0 && native2.randomFill(bytes), bytes;
  }
  function toBuffer(bytes) {
    return bytes.byteLength === bytes.buffer.byteLength ? bytes.buffer : bytes.slice().buffer;
  }
  var slotsOf, CryptoKey = class {
    #slots;
    constructor(key, slots) {
      if (key !== ILLEGAL) throw new TypeError("Illegal constructor");
      this.#slots = slots;
    }
    get type() {
      return this.#slots.type;
    }
    get extractable() {
      return this.#slots.extractable;
    }
    get algorithm() {
      return this.#slots.shownAlgorithm;
    }
    get usages() {
      return this.#slots.shownUsages;
    }
    static {
      slotsOf = (value, what) => {
        if (!isObject(value) || !(#slots in value)) throw new TypeError(`${what} must be a CryptoKey`);
        return value.#slots;
      };
    }
  };
  defineInterface(CryptoKey, "CryptoKey", 0);
  function makeKey(type, extractable, algorithm, usages, material) {
    let shown = { ...algorithm };
    return shown.hash !== void 0 && (shown.hash = freeze({ name: shown.hash })), shown.publicExponent !== void 0 && (shown.publicExponent = new Uint8Array(shown.publicExponent)), new CryptoKey(ILLEGAL, {
      type,
      extractable,
      algorithm,
      usages,
      material,
      shownAlgorithm: freeze(shown),
      shownUsages: freeze([...usages])
    });
  }
  function checkUsages(usages, allowed, what) {
    for (let usage of usages)
      if (!allowed.includes(usage)) throw failSyntax(`${what} cannot be used to ${usage}`);
  }
  var only = (usages, allowed) => usages.filter((usage) => allowed.includes(usage));
  function member(dictionary, name) {
    let value = dictionary[name];
    if (value === void 0) throw new TypeError(`the algorithm's "${name}" is missing`);
    return value;
  }
  function integer(value, bits, name) {
    let number = Math.trunc(Number(value));
    if (!(number >= 0 && number < 2 ** bits))
      throw new TypeError(`the algorithm's "${name}" must be an integer from 0 to ${2 ** bits - 1}`);
    return number + 0;
  }
  var buffer = (value, name) => new Uint8Array(bytesOf(value, `the algorithm's "${name}"`)), hashOf = (dictionary) => normalize("digest", member(dictionary, "hash")).name, noParameters = () => ({}), hashed = (d2) => ({ hash: hashOf(d2) }), lengthOf = (bits) => (d2) => ({ length: integer(member(d2, "length"), bits, "length") }), hmacParameters = (d2) => {
    let hash = hashOf(d2);
    return d2.length === void 0 ? { hash } : { hash, length: integer(d2.length, 32, "length") };
  }, curved = (d2) => ({ namedCurve: toDOMString(member(d2, "namedCurve")) }), withPublicKey = (d2) => ({ public: slotsOf(member(d2, "public"), `the algorithm's "public"`) }), gcmParameters = (d2) => ({
    additionalData: d2.additionalData === void 0 ? noBytes : buffer(d2.additionalData, "additionalData"),
    iv: buffer(member(d2, "iv"), "iv"),
    tagLength: d2.tagLength === void 0 ? 128 : integer(d2.tagLength, 8, "tagLength")
  }), cbcParameters = (d2) => ({ iv: buffer(member(d2, "iv"), "iv") }), ctrParameters = (d2) => ({
    counter: buffer(member(d2, "counter"), "counter"),
    length: integer(member(d2, "length"), 8, "length")
  }), hkdfParameters = (d2) => ({
    hash: hashOf(d2),
    info: buffer(member(d2, "info"), "info"),
    salt: buffer(member(d2, "salt"), "salt")
  }), pbkdf2Parameters = (d2) => ({
    hash: hashOf(d2),
    iterations: integer(member(d2, "iterations"), 32, "iterations"),
    salt: buffer(member(d2, "salt"), "salt")
  }), pssParameters = (d2) => ({ saltLength: integer(member(d2, "saltLength"), 32, "saltLength") }), oaepParameters = (d2) => ({ label: d2.label === void 0 ? noBytes : buffer(d2.label, "label") }), rsaParameters = (d2) => {
    let hash = hashOf(d2), modulusLength = integer(member(d2, "modulusLength"), 32, "modulusLength"), exponent = member(d2, "publicExponent");
    if (!isView(exponent) || exponent[Symbol.toStringTag] !== "Uint8Array")
      throw new TypeError(`the algorithm's "publicExponent" must be a Uint8Array`);
    return { hash, modulusLength, publicExponent: new Uint8Array(exponent) };
  };
  function checkFormat(format2, allowed, name) {
    if (!allowed.includes(format2)) throw failSupport(`${name} keys have no format "${format2}"`);
  }
  function aes(name, suffix, allowed, parameters, operations2) {
    let checkLength = (length) => {
      if (![128, 192, 256].includes(length)) throw failOperation(`an AES key has 128, 192 or 256 bits, not ${length}`);
    }, methods = {
      generateKey({ length }, extractable, usages) {
        return checkUsages(usages, allowed, `an ${name} key`), checkLength(length), makeKey("secret", extractable, { name, length }, usages, random(length / 8));
      },
      importKey(format2, data, _2, extractable, usages) {
        checkFormat(format2, ["raw", "jwk"], name), checkUsages(usages, allowed, `an ${name} key`);
        let material = format2 === "raw" ? data : fromOct(data, extractable, usages, "enc"), length = material.byteLength * 8;
        if (![128, 192, 256].includes(length)) throw failData(`an AES key has 128, 192 or 256 bits, not ${length}`);
        return format2 === "jwk" && checkJwkAlg(data, [`A${length}${suffix}`]), makeKey("secret", extractable, { name, length }, usages, material);
      },
      exportKey(format2, key) {
        return checkFormat(format2, ["raw", "jwk"], name), format2 === "raw" ? key.material.slice() : toOct(key, `A${key.algorithm.length}${suffix}`);
      },
      getKeyLength({ length }) {
        return checkLength(length), length;
      }
    };
    return {
      name,
      parameters: {
        generateKey: lengthOf(16),
        importKey: noParameters,
        exportKey: noParameters,
        getKeyLength: lengthOf(16),
        ...parameters
      },
      ...methods,
      ...operations2
    };
  }
  function cipher(request) {
    let run2 = (operation) => (parameters, key, data) => {
      let [mode, ...buffers] = request(parameters);
      return hostBytes(operation, mode, key.material, ...buffers, data);
    };
    return { encrypt: run2("aes.encrypt"), decrypt: run2("aes.decrypt") };
  }
  var cipherUsages = ["encrypt", "decrypt", "wrapKey", "unwrapKey"], aesGcm = aes(
    "AES-GCM",
    "GCM",
    cipherUsages,
    { encrypt: gcmParameters, decrypt: gcmParameters },
    cipher(({ iv, additionalData, tagLength }) => [{ mode: "gcm", tagLength }, iv, additionalData])
  ), aesCbc = aes(
    "AES-CBC",
    "CBC",
    cipherUsages,
    { encrypt: cbcParameters, decrypt: cbcParameters },
    cipher(({ iv }) => [{ mode: "cbc" }, iv])
  ), aesCtr = aes(
    "AES-CTR",
    "CTR",
    cipherUsages,
    { encrypt: ctrParameters, decrypt: ctrParameters },
    cipher(({ counter: counter2, length }) => [{ mode: "ctr", length }, counter2])
  ), aesKw = aes(
    "AES-KW",
    "KW",
    ["wrapKey", "unwrapKey"],
    { wrapKey: noParameters, unwrapKey: noParameters },
    {
      wrapKey: (_2, key, data) => hostBytes("aes.encrypt", { mode: "kw" }, key.material, data),
      unwrapKey: (_2, key, data) => hostBytes("aes.decrypt", { mode: "kw" }, key.material, data)
    }
  ), hmacUsages = ["sign", "verify"], hmacAlg = (hash) => `HS${hash.slice(4)}`, hmac = {
    name: "HMAC",
    parameters: {
      generateKey: hmacParameters,
      importKey: hmacParameters,
      exportKey: noParameters,
      getKeyLength: hmacParameters,
      sign: noParameters,
      verify: noParameters
    },
    generateKey({ hash, length = hashes[hash] }, extractable, usages) {
      if (checkUsages(usages, hmacUsages, "an HMAC key"), length === 0) throw failOperation("an HMAC key of no length");
      if (length > 1 << 20) throw failOperation(`an HMAC key of ${length} bits; at most ${1 << 20} are generated`);
      let material = withoutLastBits(random(Math.ceil(length / 8)), length);
      return makeKey("secret", extractable, { name: "HMAC", hash, length }, usages, material);
    },
    importKey(format2, data, { hash, length }, extractable, usages) {
      checkFormat(format2, ["raw", "jwk"], "HMAC"), checkUsages(usages, hmacUsages, "an HMAC key");
      let material = data;
      format2 === "jwk" && (material = fromOct(data, extractable, usages, "sig"), checkJwkAlg(data, [hmacAlg(hash)]));
      let bits = material.byteLength * 8;
      if (bits === 0) throw failData("an HMAC key of no length");
      if (length !== void 0 && (length > bits || length <= bits - 8))
        throw failData(`"length" is ${length}, but the HMAC key has ${bits} bits`);
      let used = length ?? bits;
      return makeKey("secret", extractable, { name: "HMAC", hash, length: used }, usages, withoutLastBits(material, used));
    },
    exportKey(format2, key) {
      return checkFormat(format2, ["raw", "jwk"], "HMAC"), format2 === "raw" ? key.material.slice() : toOct(key, hmacAlg(key.algorithm.hash));
    },
    getKeyLength({ hash, length = hashes[hash] }) {
      if (length === 0) throw new TypeError("an HMAC key of no length");
      return length;
    },
    sign: (_2, key, data) => hostBytes("hmac.sign", { hash: key.algorithm.hash }, key.material, data),
    verify: (_2, key, signature, data) => host("hmac.verify", { hash: key.algorithm.hash }, key.material, signature, data).meta.valid
  };
  function withoutLastBits(bytes, length) {
    return length % 8 !== 0 && (bytes[bytes.length - 1] &= 65280 >> length % 8), bytes;
  }
  var derivation = (name, parameters, derive) => ({
    name,
    parameters: { importKey: noParameters, getKeyLength: noParameters, deriveBits: parameters },
    importKey(format2, data, _2, extractable, usages) {
      if (checkFormat(format2, ["raw"], name), checkUsages(usages, ["deriveKey", "deriveBits"], `a ${name} key`), extractable) throw failSyntax(`a ${name} key cannot be extractable`);
      return makeKey("secret", !1, { name }, usages, data);
    },
    getKeyLength: () => null,
    deriveBits(given, key, length) {
      if (length === null || length % 8 !== 0) throw failOperation(`${name} needs a length in bits, a multiple of 8`);
      return derive(given, key.material, length / 8);
    }
  }), hkdf = derivation(
    "HKDF",
    hkdfParameters,
    ({ hash, salt, info }, material, length) => hostBytes("hkdf", { hash, length }, material, salt, info)
  ), pbkdf2 = derivation(
    "PBKDF2",
    pbkdf2Parameters,
    ({ hash, iterations, salt }, material, length) => hostBytes("pbkdf2", { hash, iterations, length }, material, salt)
  );
  function pairs({ name, parameters, usages: allowed, formats: known2, kindOf, jwk, algs, keyAlgorithm, generation, ...operations2 }) {
    let article = /^[AEX]/.test(name) ? "an" : "a";
    return {
      name,
      parameters: { exportKey: noParameters, ...parameters },
      generateKey(given, extractable, usages) {
        checkUsages(usages, [...allowed.public, ...allowed.private], `${article} ${name} key`);
        let { meta, bytes } = host("key.generate", { kind: kindOf(given), ...generation?.(given) }), algorithm = keyAlgorithm(given, given), key = (type, exported, material) => makeKey(type, exported, algorithm, only(usages, allowed[type]), material.slice());
        return {
          publicKey: key("public", !0, bytes.subarray(meta.split)),
          privateKey: key("private", extractable, bytes.subarray(0, meta.split))
        };
      },
      importKey(format2, data, given, extractable, usages) {
        checkFormat(format2, known2, name);
        let kind = kindOf(given), isPrivate = format2 === "pkcs8" || format2 === "jwk" && data.d !== void 0;
        checkUsages(usages, isPrivate ? allowed.private : allowed.public, `${article} ${name} ${isPrivate ? "private" : "public"} key`);
        let answer;
        if (format2 === "jwk") {
          let { kty, crv } = jwk(given);
          if (data.kty !== kty) throw failData(`"kty" of the JWK is not "${kty}"`);
          if (checkJwk(data, extractable, usages, allowed.public.concat(allowed.private).includes("sign") ? "sig" : "enc"), data.crv !== crv) throw failData(`"crv" of the JWK is not "${crv}"`);
          if (checkJwkAlg(data, algs(given)), data.oth !== void 0) throw failSupport("RSA keys with more than two primes");
          answer = host("key.fromJwk", { ...numbersOf(data), kind });
        } else
          answer = host("key.import", { kind, format: format2 }, data);
        return makeKey(answer.meta.type, extractable, keyAlgorithm(given, answer.meta), usages, answer.bytes);
      },
      exportKey(format2, key) {
        checkFormat(format2, known2, name);
        let kind = kindOf(key.algorithm);
        if (format2 === "jwk") {
          let { kty, crv, alg } = jwk(key.algorithm), numbers2 = host("key.toJwk", { kind, part: key.type }, key.material).meta;
          return {
            key_ops: [...key.usages],
            ext: key.extractable,
            kty,
            ...numbers2,
            ...crv !== void 0 && { crv },
            ...alg !== void 0 && { alg }
          };
        }
        if (key.type !== (format2 === "pkcs8" ? "private" : "public"))
          throw failAccess(`a ${key.type} key cannot be exported as "${format2}"`);
        return format2 === "raw" ? hostBytes("key.toRaw", { kind }, key.material) : key.material.slice();
      },
      ...operations2
    };
  }
  var numbers = ["x", "y", "d", "n", "e", "p", "q", "dp", "dq", "qi"];
  function numbersOf(jwk) {
    let found = {};
    for (let name of numbers)
      jwk[name] !== void 0 && (found[name] = jwk[name]);
    return found;
  }
  function needType(key, type, what) {
    if (key.type !== type) throw failAccess(`${what} needs a ${type} key`);
  }
  function signing(schemeOf, what, isRandomised) {
    return {
      sign(given, key, data) {
        return needType(key, "private", "crypto.subtle.sign"), isRandomised && requireInvocation2(`crypto.subtle.sign with ${what}`), hostBytes("sign", schemeOf(given, key), key.material, data);
      },
      verify(given, key, signature, data) {
        return needType(key, "public", "crypto.subtle.verify"), host("verify", schemeOf(given, key), key.material, signature, data).meta.valid;
      }
    };
  }
  var curves = ["P-256", "P-384"], pointFormats = ["raw", "spki", "pkcs8", "jwk"], signingUsages = { public: ["verify"], private: ["sign"] }, agreementUsages = { public: [], private: ["deriveKey", "deriveBits"] };
  function curveOf({ namedCurve }) {
    if (!curves.includes(namedCurve)) throw failSupport(`the curve "${namedCurve}" is not one of ${curves.join(", ")}`);
    return namedCurve;
  }
  var agreement = {
    deriveBits(given, key, length) {
      needType(key, "private", "crypto.subtle.deriveBits");
      let other = given.public;
      if (other.type !== "public") throw failAccess(`the algorithm's "public" is not a public key`);
      if (other.algorithm.name !== key.algorithm.name || other.algorithm.namedCurve !== key.algorithm.namedCurve)
        throw failAccess("the two keys are of different kinds");
      let kind = key.algorithm.namedCurve ?? key.algorithm.name, secret = hostBytes("agree", { kind }, key.material, other.material);
      if (length === null) return secret;
      if (length > secret.byteLength * 8)
        throw failOperation(`${length} bits asked of a secret of ${secret.byteLength * 8}`);
      return withoutLastBits(secret.slice(0, Math.ceil(length / 8)), length);
    }
  }, ecdsa = pairs({
    name: "ECDSA",
    parameters: { generateKey: curved, importKey: curved, sign: hashed, verify: hashed },
    usages: signingUsages,
    formats: pointFormats,
    kindOf: curveOf,
    jwk: ({ namedCurve }) => ({ kty: "EC", crv: namedCurve }),
    algs: ({ namedCurve }) => [namedCurve === "P-256" ? "ES256" : "ES384"],
    keyAlgorithm: ({ namedCurve }) => ({ name: "ECDSA", namedCurve }),
    ...signing(({ hash }, key) => ({ scheme: "ECDSA", curve: key.algorithm.namedCurve, hash }), "ECDSA", !0)
  }), ecdh = pairs({
    name: "ECDH",
    parameters: { generateKey: curved, importKey: curved, deriveBits: withPublicKey },
    usages: agreementUsages,
    formats: pointFormats,
    kindOf: curveOf,
    jwk: ({ namedCurve }) => ({ kty: "EC", crv: namedCurve }),
    keyAlgorithm: ({ namedCurve }) => ({ name: "ECDH", namedCurve }),
    algs: () => {
    },
    ...agreement
  }), ed25519 = pairs({
    name: "Ed25519",
    parameters: { generateKey: noParameters, importKey: noParameters, sign: noParameters, verify: noParameters },
    usages: signingUsages,
    formats: pointFormats,
    kindOf: () => "Ed25519",
    jwk: () => ({ kty: "OKP", crv: "Ed25519", alg: "Ed25519" }),
    algs: () => ["Ed25519", "EdDSA"],
    keyAlgorithm: () => ({ name: "Ed25519" }),
    ...signing(() => ({ scheme: "Ed25519" }), "Ed25519", !1)
  }), x25519 = pairs({
    name: "X25519",
    parameters: { generateKey: noParameters, importKey: noParameters, deriveBits: withPublicKey },
    usages: agreementUsages,
    formats: pointFormats,
    kindOf: () => "X25519",
    jwk: () => ({ kty: "OKP", crv: "X25519" }),
    keyAlgorithm: () => ({ name: "X25519" }),
    algs: () => {
    },
    ...agreement
  });
  function rsa(name, usages, algOf, parameters, operations2) {
    return pairs({
      name,
      parameters: { generateKey: rsaParameters, importKey: hashed, ...parameters },
      usages,
      formats: ["spki", "pkcs8", "jwk"],
      kindOf: () => "RSA",
      jwk: ({ hash }) => ({ kty: "RSA", alg: algOf(hash) }),
      algs: ({ hash }) => [algOf(hash)],
      generation: ({ modulusLength, publicExponent }) => ({ modulusLength, publicExponent: exponentOf(publicExponent) }),
      keyAlgorithm: ({ hash }, { modulusLength, publicExponent }) => ({
        name,
        modulusLength,
        publicExponent: new Uint8Array(publicExponent),
        hash
      }),
      ...operations2
    });
  }
  function exponentOf(bytes) {
    let value = 0;
    for (let byte of bytes) value = value * 256 + byte;
    if (value !== 3 && value !== 65537) throw failOperation("the public exponent must be 3 or 65537");
    return value;
  }
  var rsassa = rsa(
    "RSASSA-PKCS1-v1_5",
    signingUsages,
    (hash) => `RS${hash.slice(4)}`,
    { sign: noParameters, verify: noParameters },
    signing((_2, key) => ({ scheme: "RSASSA-PKCS1-v1_5", hash: key.algorithm.hash }), "RSASSA-PKCS1-v1_5", !1)
  ), rsaPss = rsa(
    "RSA-PSS",
    signingUsages,
    (hash) => `PS${hash.slice(4)}`,
    { sign: pssParameters, verify: pssParameters },
    signing(({ saltLength }, key) => ({ scheme: "RSA-PSS", hash: key.algorithm.hash, saltLength }), "RSA-PSS", !0)
  ), rsaOaep = rsa(
    "RSA-OAEP",
    { public: ["encrypt", "wrapKey"], private: ["decrypt", "unwrapKey"] },
    (hash) => hash === "SHA-1" ? "RSA-OAEP" : `RSA-OAEP-${hash.slice(4)}`,
    { encrypt: oaepParameters, decrypt: oaepParameters },
    {
      encrypt({ label: label2 }, key, data) {
        return needType(key, "public", "RSA-OAEP encryption"), requireInvocation2("RSA-OAEP encryption"), hostBytes("rsa.encrypt", { hash: key.algorithm.hash }, key.material, label2, data);
      },
      decrypt({ label: label2 }, key, data) {
        return needType(key, "private", "RSA-OAEP decryption"), hostBytes("rsa.decrypt", { hash: key.algorithm.hash }, key.material, label2, data);
      }
    }
  ), algorithms = { __proto__: null };
  for (let definition of [
    aesGcm,
    aesCbc,
    aesCtr,
    aesKw,
    hmac,
    hkdf,
    pbkdf2,
    ecdsa,
    ecdh,
    ed25519,
    x25519,
    rsassa,
    rsaPss,
    rsaOaep
  ])
    algorithms[definition.name.toUpperCase()] = definition;
  for (let name of Object.keys(hashes))
    algorithms[name] = { name, parameters: { digest: noParameters } };
  function normalize(operation, identifier) {
    let dictionary = isObject(identifier) ? identifier : { name: toDOMString(identifier) }, name = toDOMString(member(dictionary, "name")), definition = isAscii(name) ? algorithms[name.toUpperCase()] : void 0, parameters = definition?.parameters[operation];
    if (parameters === void 0)
      throw failSupport(definition === void 0 ? `no algorithm "${name}"` : `${definition.name} has no ${operation}`);
    return { ...parameters(dictionary), name: definition.name };
  }
  var isAscii = (text) => !/[^\x00-\x7f]/.test(text), definitionOf = ({ name }) => algorithms[name.toUpperCase()];
  function normalizeWrapping(operation, fallback, identifier) {
    try {
      return [normalize(operation, identifier), operation];
    } catch {
      return [normalize(fallback, identifier), fallback];
    }
  }
  function allow(key, algorithm, usage) {
    if (key.algorithm.name !== algorithm.name)
      throw failAccess(`the key is for ${key.algorithm.name}, not for ${algorithm.name}`);
    if (!key.usages.includes(usage)) throw failAccess(`the key may not be used to ${usage}`);
  }
  var jwkTexts = ["kty", "use", "alg", "crv", "k", ...numbers];
  function toJwk(value) {
    let jwk = { __proto__: null };
    for (let name of jwkTexts) {
      let text = value[name];
      text !== void 0 && (jwk[name] = toDOMString(text));
    }
    return value.ext !== void 0 && (jwk.ext = !!value.ext), value.key_ops !== void 0 && (jwk.key_ops = [...value.key_ops].map(toDOMString)), value.oth !== void 0 && (jwk.oth = value.oth), jwk;
  }
  function checkJwk(jwk, extractable, usages, use) {
    if (usages.length > 0 && jwk.use !== void 0 && jwk.use !== use) throw failData(`"use" of the JWK is not "${use}"`);
    if (jwk.key_ops !== void 0) {
      if (new Set(jwk.key_ops).size !== jwk.key_ops.length) throw failData('"key_ops" of the JWK names one twice');
      let missing = usages.find((usage) => !jwk.key_ops.includes(usage));
      if (missing !== void 0) throw failData(`"key_ops" of the JWK lacks "${missing}"`);
    }
    if (jwk.ext === !1 && extractable) throw failData('"ext" of the JWK is false');
  }
  function checkJwkAlg(jwk, allowed) {
    if (jwk.alg !== void 0 && allowed !== void 0 && !allowed.includes(jwk.alg))
      throw failData(`"alg" of the JWK is not "${allowed[0]}"`);
  }
  function fromOct(jwk, extractable, usages, use) {
    if (jwk.kty !== "oct") throw failData('"kty" of the JWK is not "oct"');
    let material = hostBytes("key.fromJwk", { kind: "oct", k: jwk.k });
    return checkJwk(jwk, extractable, usages, use), material;
  }
  function toOct(key, alg) {
    let { k: k2 } = host("key.toJwk", { kind: "oct" }, key.material).meta;
    return { key_ops: [...key.usages], ext: key.extractable, kty: "oct", k: k2, alg };
  }
  var asciiBytes = (text) => Uint8Array.from(text, (character) => character.charCodeAt(0));
  function jwkFromBytes(bytes) {
    try {
      let encoded = Array.from(bytes, (byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""), value = jsonParse(decodeURIComponent(encoded));
      if (isObject(value)) return toJwk(value);
    } catch {
    }
    throw failData("the unwrapped bytes are not a JSON Web Key");
  }
  function toUsages(value, what) {
    if (!isObject(value)) throw new TypeError(`${what}: the usages are not a list`);
    let given = [...value].map((usage) => toEnum(usage, allUsages, `${what}: usage`));
    return allUsages.filter((usage) => given.includes(usage));
  }
  var toFormat = (value, what) => toEnum(value, formats, `${what}: format`), toIdentifier = (value) => isObject(value) ? value : toDOMString(value), toData = (value, what) => {
    if (!isBufferSource(value)) throw new TypeError(`${what} must be an ArrayBuffer or a view of one`);
    return bytesOf(value, what);
  };
  function toKeyData(format2, value, what) {
    let isBytes = isBufferSource(value);
    if (format2 === "jwk") {
      let dictionary = value ?? {};
      if (isBytes || !isObject(dictionary)) throw new TypeError(`${what}: the key is not a JSON Web Key`);
      return toJwk(dictionary);
    }
    if (!isBytes) throw new TypeError(`${what}: the key is not an ArrayBuffer or a view of one`);
    return new Uint8Array(bytesOf(value, what));
  }
  function needUsages(key) {
    let { type, usages } = slotsOf(key);
    if (type !== "public" && usages.length === 0) throw failSyntax(`a ${type} key needs at least one usage`);
    return key;
  }
  function importKey(format2, data, algorithm, extractable, usages) {
    return needUsages(definitionOf(algorithm).importKey(format2, data, algorithm, extractable, usages));
  }
  function exportKey(format2, key) {
    let definition = definitionOf(key.algorithm);
    if (definition.exportKey === void 0) throw failSupport(`${key.algorithm.name} keys cannot be exported`);
    if (!key.extractable) throw failAccess("the key is not extractable");
    return definition.exportKey(format2, key);
  }
  var SubtleCrypto = class {
    #brand;
    constructor(key) {
      if (key !== ILLEGAL) throw new TypeError("Illegal constructor");
    }
    async encrypt(algorithm, key, data) {
      return this.#brand, this.#transform("encrypt", arguments.length, algorithm, key, data);
    }
    async decrypt(algorithm, key, data) {
      return this.#brand, this.#transform("decrypt", arguments.length, algorithm, key, data);
    }
    async sign(algorithm, key, data) {
      return this.#brand, this.#transform("sign", arguments.length, algorithm, key, data);
    }
    #transform(operation, count, algorithm, key, data) {
      let what = `crypto.subtle.${operation}`;
      needArguments(count, 3, what);
      let identifier = toIdentifier(algorithm), slots = slotsOf(key, `${what}: the key`), bytes = toData(data, `${what}: the data`), normalized = normalize(operation, identifier);
      return allow(slots, normalized, operation), toBuffer(definitionOf(normalized)[operation](normalized, slots, bytes));
    }
    async verify(algorithm, key, signature, data) {
      this.#brand, needArguments(arguments.length, 4, "crypto.subtle.verify");
      let identifier = toIdentifier(algorithm), slots = slotsOf(key, "crypto.subtle.verify: the key"), given = toData(signature, "crypto.subtle.verify: the signature"), bytes = toData(data, "crypto.subtle.verify: the data"), normalized = normalize("verify", identifier);
      return allow(slots, normalized, "verify"), definitionOf(normalized).verify(normalized, slots, given, bytes);
    }
    async digest(algorithm, data) {
      this.#brand, needArguments(arguments.length, 2, "crypto.subtle.digest");
      let identifier = toIdentifier(algorithm), bytes = toData(data, "crypto.subtle.digest: the data"), { name } = normalize("digest", identifier);
      return toBuffer(hostBytes("digest", { hash: name }, bytes));
    }
    async generateKey(algorithm, extractable, keyUsages) {
      this.#brand, needArguments(arguments.length, 3, "crypto.subtle.generateKey");
      let identifier = toIdentifier(algorithm), usages = toUsages(keyUsages, "crypto.subtle.generateKey"), normalized = normalize("generateKey", identifier);
      requireInvocation2("crypto.subtle.generateKey");
      let made = definitionOf(normalized).generateKey(normalized, !!extractable, usages);
      return needUsages(made.privateKey ?? made), made;
    }
    async deriveKey(algorithm, baseKey, derivedKeyType, extractable, keyUsages) {
      this.#brand;
      let what = "crypto.subtle.deriveKey";
      needArguments(arguments.length, 5, what);
      let identifier = toIdentifier(algorithm), slots = slotsOf(baseKey, `${what}: the base key`), target2 = toIdentifier(derivedKeyType), usages = toUsages(keyUsages, what), normalized = normalize("deriveBits", identifier), importing = normalize("importKey", target2), sized = normalize("getKeyLength", target2);
      allow(slots, normalized, "deriveKey");
      let length = definitionOf(sized).getKeyLength(sized), secret = definitionOf(normalized).deriveBits(normalized, slots, length);
      return importKey("raw", secret, importing, !!extractable, usages);
    }
    async deriveBits(algorithm, baseKey, length = null) {
      this.#brand, needArguments(arguments.length, 2, "crypto.subtle.deriveBits");
      let identifier = toIdentifier(algorithm), slots = slotsOf(baseKey, "crypto.subtle.deriveBits: the base key"), bits = length === null ? null : toUnsigned(length, 32), normalized = normalize("deriveBits", identifier);
      return allow(slots, normalized, "deriveBits"), toBuffer(definitionOf(normalized).deriveBits(normalized, slots, bits));
    }
    async importKey(format2, keyData, algorithm, extractable, keyUsages) {
      this.#brand;
      let what = "crypto.subtle.importKey";
      needArguments(arguments.length, 5, what);
      let wanted = toFormat(format2, what), identifier = toIdentifier(algorithm), usages = toUsages(keyUsages, what), normalized = normalize("importKey", identifier), data = toKeyData(wanted, keyData, what);
      return importKey(wanted, data, normalized, !!extractable, usages);
    }
    async exportKey(format2, key) {
      this.#brand;
      let what = "crypto.subtle.exportKey";
      needArguments(arguments.length, 2, what);
      let wanted = toFormat(format2, what), exported = exportKey(wanted, slotsOf(key, `${what}: the key`));
      return wanted === "jwk" ? exported : toBuffer(exported);
    }
    async wrapKey(format2, key, wrappingKey, wrapAlgorithm) {
      this.#brand;
      let what = "crypto.subtle.wrapKey";
      needArguments(arguments.length, 4, what);
      let wanted = toFormat(format2, what), slots = slotsOf(key, `${what}: the key`), wrapping = slotsOf(wrappingKey, `${what}: the wrapping key`), [normalized, operation] = normalizeWrapping("wrapKey", "encrypt", toIdentifier(wrapAlgorithm));
      allow(wrapping, normalized, "wrapKey");
      let exported = exportKey(wanted, slots), bytes = wanted === "jwk" ? asciiBytes(jsonStringify(exported)) : exported;
      return toBuffer(definitionOf(normalized)[operation](normalized, wrapping, bytes));
    }
    async unwrapKey(format2, wrappedKey, unwrappingKey, unwrapAlgorithm, unwrappedKeyAlgorithm, extractable, keyUsages) {
      this.#brand;
      let what = "crypto.subtle.unwrapKey";
      needArguments(arguments.length, 7, what);
      let wanted = toFormat(format2, what), wrapped = toData(wrappedKey, `${what}: the wrapped key`), unwrapping = slotsOf(unwrappingKey, `${what}: the unwrapping key`), unwrap = toIdentifier(unwrapAlgorithm), target2 = toIdentifier(unwrappedKeyAlgorithm), usages = toUsages(keyUsages, what), [normalized, operation] = normalizeWrapping("unwrapKey", "decrypt", unwrap), importing = normalize("importKey", target2);
      allow(unwrapping, normalized, "unwrapKey");
      let bytes = definitionOf(normalized)[operation](normalized, unwrapping, wrapped), data = wanted === "jwk" ? jwkFromBytes(bytes) : bytes;
      return importKey(wanted, data, importing, !!extractable, usages);
    }
  };
  defineInterface(SubtleCrypto, "SubtleCrypto", 0);
  setLengths(SubtleCrypto.prototype, { deriveBits: 2 });

  // src/js/crypto.js
  var INTERNAL2 = /* @__PURE__ */ Symbol("internal"), maxFill = 65536, { installSubtle: installSubtle2, ...subtleExports } = { ...subtle_exports }, installed = installSubtle2 === void 0 ? void 0 : installSubtle2(native, { DOMException, isDOMException, webidl: webidl_exports, requireInvocation }), subtle = installed === void 0 ? void 0 : installed.subtle ?? installed, subtleInterfaces = {
    SubtleCrypto: installed?.SubtleCrypto ?? subtleExports.SubtleCrypto,
    CryptoKey: installed?.CryptoKey ?? subtleExports.CryptoKey
  }, integerArrays = /* @__PURE__ */ new Set([
    "Int8Array",
    "Uint8Array",
    "Uint8ClampedArray",
    "Int16Array",
    "Uint16Array",
    "Int32Array",
    "Uint32Array",
    "BigInt64Array",
    "BigUint64Array"
  ]), hex = Array.from({ length: 256 }, (_2, byte) => byte.toString(16).padStart(2, "0"));
  function randomBytes(length) {
    let bytes = new Uint8Array(length);
    return native.randomFill(bytes), bytes;
  }
  var Crypto = class {
    #brand;
    constructor(key) {
      if (key !== INTERNAL2) throw new TypeError("Illegal constructor");
    }
    get subtle() {
      return this.#brand, subtle;
    }
    getRandomValues(array) {
      if (this.#brand, needArguments(arguments.length, 1, "crypto.getRandomValues"), !isView(array)) throw new TypeError("crypto.getRandomValues: the argument is not a typed array");
      let kind = apply(typedArrayTag, array, []);
      if (!integerArrays.has(kind))
        throw new DOMException(`crypto.getRandomValues: ${kind ?? "DataView"} is not an array of integers`, "TypeMismatchError");
      if (array.byteLength > maxFill)
        throw new DOMException(
          `crypto.getRandomValues: ${array.byteLength} bytes exceed the ${maxFill} of one call`,
          "QuotaExceededError"
        );
      return requireInvocation("crypto.getRandomValues"), array.byteLength > 0 && native.randomFill(new Uint8Array(array.buffer, array.byteOffset, array.byteLength)), array;
    }
    randomUUID() {
      this.#brand, requireInvocation("crypto.randomUUID");
      let bytes = randomBytes(16);
      bytes[6] = bytes[6] & 15 | 64, bytes[8] = bytes[8] & 63 | 128;
      let id = "";
      for (let i2 = 0; i2 < 16; i2++)
        (i2 === 4 || i2 === 6 || i2 === 8 || i2 === 10) && (id += "-"), id += hex[bytes[i2]];
      return id;
    }
  };
  defineInterface(Crypto, "Crypto", 0);
  var crypto = new Crypto(INTERNAL2);

  // src/js/form-data.js
  var listOf, isFormData, FormData = class {
    #entries = [];
    // [name, string or File]
    constructor(form = void 0) {
      if (form !== void 0) throw new TypeError("FormData: there are no form elements here; call it without arguments");
    }
    append(name, value, filename = void 0) {
      let entries2 = this.#entries;
      needArguments(arguments.length, 2, "FormData.append"), entries2.push([toUSVString(name), entryValue(value, filename, arguments.length > 2)]);
    }
    delete(name) {
      let entries2 = this.#entries;
      needArguments(arguments.length, 1, "FormData.delete");
      let key = toUSVString(name);
      this.#entries = entries2.filter((entry) => entry[0] !== key);
    }
    get(name) {
      let entries2 = this.#entries;
      needArguments(arguments.length, 1, "FormData.get");
      let key = toUSVString(name);
      return entries2.find((entry) => entry[0] === key)?.[1] ?? null;
    }
    getAll(name) {
      let entries2 = this.#entries;
      needArguments(arguments.length, 1, "FormData.getAll");
      let key = toUSVString(name);
      return entries2.filter((entry) => entry[0] === key).map((entry) => entry[1]);
    }
    has(name) {
      let entries2 = this.#entries;
      needArguments(arguments.length, 1, "FormData.has");
      let key = toUSVString(name);
      return entries2.some((entry) => entry[0] === key);
    }
    set(name, value, filename = void 0) {
      let entries2 = this.#entries;
      needArguments(arguments.length, 2, "FormData.set");
      let key = toUSVString(name), entry = [key, entryValue(value, filename, arguments.length > 2)], first = entries2.findIndex((other) => other[0] === key);
      if (first < 0) {
        entries2.push(entry);
        return;
      }
      entries2[first] = entry, this.#entries = entries2.filter((other, index) => index <= first || other[0] !== key);
    }
    static {
      listOf = (form) => form.#entries, isFormData = (value) => typeof value == "object" && value !== null && #entries in value;
    }
  };
  defineInterface(FormData, "FormData", 0);
  setLengths(FormData.prototype, { append: 2, set: 2 });
  definePairIterable(FormData, "FormData", (form) => listOf(form));
  var formEntries = (form) => listOf(form);
  function entryValue(value, filename, named) {
    if (!isBlob(value)) {
      if (named) throw new TypeError("FormData: a value with a file name must be a Blob");
      return toUSVString(value);
    }
    if (isFile(value) && filename === void 0) return value;
    let name = filename === void 0 ? "blob" : toUSVString(filename);
    return fileOf(blobBytes(value), name, typeOf(value), isFile(value) ? value.lastModified : void 0);
  }
  var typeOf = (blob) => Reflect.apply(typeGetter, blob, []), typeGetter = Object.getOwnPropertyDescriptor(Blob.prototype, "type").get;

  // src/js/mime.js
  var token = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  function parseMime(text) {
    let parts = splitParameters(text), essence = parts[0].trim().toLowerCase(), slash = essence.indexOf("/");
    if (slash < 1 || !token.test(essence.slice(0, slash)) || !token.test(essence.slice(slash + 1))) return null;
    let parameters = /* @__PURE__ */ new Map();
    for (let i2 = 1; i2 < parts.length; i2++) {
      let equals = parts[i2].indexOf("=");
      if (equals < 0) continue;
      let name = parts[i2].slice(0, equals).trim().toLowerCase(), value = parts[i2].slice(equals + 1).trim();
      value.startsWith('"') && (value = unquote(value)), token.test(name) && value !== "" && !parameters.has(name) && parameters.set(name, value);
    }
    return { essence, parameters };
  }
  function serializeMime(mime) {
    if (mime === null) return "";
    let text = mime.essence;
    for (let [name, value] of mime.parameters)
      text += `;${name}=${token.test(value) ? value : `"${value.replace(/["\\]/g, "\\$&")}"`}`;
    return text;
  }
  function splitParameters(text) {
    if (!text.includes('"')) return text.split(";");
    let parts = [], start2 = 0, quoted = !1;
    for (let i2 = 0; i2 < text.length; i2++) {
      let char = text[i2];
      char === '"' ? quoted = !quoted : char === "\\" && quoted ? i2++ : char === ";" && !quoted && (parts.push(text.slice(start2, i2)), start2 = i2 + 1);
    }
    return parts.push(text.slice(start2)), parts;
  }
  function unquote(value) {
    let result = "";
    for (let i2 = 1; i2 < value.length && value[i2] !== '"'; i2++)
      value[i2] === "\\" && i2 + 1 < value.length && i2++, result += value[i2];
    return result;
  }

  // src/js/multipart.js
  function newBoundary() {
    let digits = "";
    for (; digits.length < 24; ) digits += Math.floor(Math.random() * 36).toString(36);
    return `----mayfly-form-${digits}`;
  }
  var escapes = { "\n": "%0A", "\r": "%0D", '"': "%22" }, escapeName = (name) => name.replace(/[\n\r"]/g, (char) => escapes[char]), normalizeLines = (text) => text.replace(/\r\n|\r|\n/g, `\r
`);
  function serializeMultipart(form, boundary) {
    let parts = [];
    for (let [name, value] of formEntries(form)) {
      let head = `--${boundary}\r
Content-Disposition: form-data; name="${escapeName(normalizeLines(name))}"`;
      isBlob(value) ? (head += `; filename="${escapeName(value.name)}"\r
Content-Type: ${value.type || "application/octet-stream"}\r
\r
`, parts.push(utf8Encode(head), blobBytes(value), crlf)) : parts.push(utf8Encode(`${head}\r
\r
${normalizeLines(value)}\r
`));
    }
    return parts.push(utf8Encode(`--${boundary}--\r
`)), concat(parts);
  }
  var crlf = new Uint8Array([13, 10]);
  function parseMultipart(bytes, boundary) {
    let text = native.latin1Decode(bytes), form = new FormData(), entries2 = formEntries(form), delimiter = `--${latin1(boundary)}`, at2 = 0;
    if (!text.startsWith(delimiter)) {
      let found = text.indexOf(`\r
${delimiter}`);
      if (found < 0) throw malformed("the boundary does not occur");
      at2 = found + 2;
    }
    for (; ; ) {
      if (at2 += delimiter.length, text.startsWith("--", at2)) return form;
      for (; text[at2] === " " || text[at2] === "	"; ) at2++;
      if (!text.startsWith(`\r
`, at2)) throw malformed("a boundary is not followed by a line end");
      at2 += 2;
      let headEnd = text.startsWith(`\r
`, at2) ? at2 : text.indexOf(`\r
\r
`, at2);
      if (headEnd < 0) throw malformed("a part has no end of headers");
      let headers = parsePartHeaders(text.slice(at2, headEnd)), start2 = headEnd === at2 ? at2 + 2 : headEnd + 4, end = text.startsWith(delimiter, start2) ? start2 - 2 : text.indexOf(`\r
${delimiter}`, start2);
      if (end < 0) throw malformed("the last boundary is missing");
      if (headers.name === void 0) throw malformed("a part has no name");
      let content = bytes.subarray(start2, Math.max(start2, end)), value = headers.filename === void 0 ? utf8Decode(content) : fileOf(content.slice(), headers.filename, headers.type ?? "text/plain");
      entries2.push([headers.name, value]), at2 = end + 2;
    }
  }
  var malformed = (why) => new TypeError(`the body is not valid multipart/form-data: ${why}`), latin1 = (text) => native.latin1Decode(utf8Encode(text));
  function parsePartHeaders(text) {
    let result = { name: void 0, filename: void 0, type: void 0 };
    for (let line of text.split(`\r
`)) {
      let colon = line.indexOf(":");
      if (colon < 0) continue;
      let name = line.slice(0, colon).trim().toLowerCase(), value = line.slice(colon + 1).trim();
      if (name === "content-type" && (result.type = value.toLowerCase() === "" ? void 0 : value), name !== "content-disposition") continue;
      let [kind, ...parameters] = splitParameters(value);
      if (kind.trim().toLowerCase() !== "form-data") throw malformed("a part is not form-data");
      for (let parameter of parameters) {
        let equals = parameter.indexOf("=");
        if (equals < 0) continue;
        let key = parameter.slice(0, equals).trim().toLowerCase(), raw = parameter.slice(equals + 1).trim();
        key === "name" && (result.name = unescapeName(raw)), key === "filename" && (result.filename = unescapeName(raw));
      }
    }
    return result;
  }
  function unescapeName(raw) {
    let quoted = raw.length >= 2 && raw.startsWith('"') && raw.endsWith('"') ? raw.slice(1, -1) : raw, bytes = native.latin1Encode(quoted);
    return (bytes === null ? quoted : utf8Decode(bytes)).replace(/%0A|%0D|%22/gi, (match) => unescapes[match.toUpperCase()]).replaceAll('\\"', '"');
  }
  var unescapes = { "%0A": `
`, "%0D": "\r", "%22": '"' };

  // src/js/urlencoded.js
  var decodeComponent = decodeURIComponent, encodeComponent = encodeURIComponent;
  function parseUrlencoded(input) {
    let pairs2 = [];
    if (input === "") return pairs2;
    for (let sequence of input.split("&")) {
      if (sequence === "") continue;
      let equals = sequence.indexOf("=");
      equals < 0 ? pairs2.push([decode(sequence), ""]) : pairs2.push([decode(sequence.slice(0, equals)), decode(sequence.slice(equals + 1))]);
    }
    return pairs2;
  }
  function decode(text) {
    let spaced = text.includes("+") ? text.replaceAll("+", " ") : text;
    return spaced.includes("%") ? percentDecode(spaced) : spaced;
  }
  function percentDecode(text) {
    try {
      return decodeComponent(text);
    } catch {
      return native.utf8Decode(percentDecodeToBytes(text), !1, !0);
    }
  }
  function percentDecodeToBytes(text) {
    let bytes = native.utf8Encode(text), length = 0;
    for (let i2 = 0; i2 < bytes.length; i2++) {
      let byte = bytes[i2];
      if (byte === 37 && i2 + 2 < bytes.length) {
        let high = hexValue(bytes[i2 + 1]), low = hexValue(bytes[i2 + 2]);
        high >= 0 && low >= 0 && (byte = high * 16 + low, i2 += 2);
      }
      bytes[length++] = byte;
    }
    return bytes.subarray(0, length);
  }
  function hexValue(byte) {
    if (byte >= 48 && byte <= 57) return byte - 48;
    let lower = byte | 32;
    return lower >= 97 && lower <= 102 ? lower - 87 : -1;
  }
  function serializeUrlencoded(pairs2) {
    let output = "";
    for (let [name, value] of pairs2) output += `${output === "" ? "" : "&"}${encode(name)}=${encode(value)}`;
    return output;
  }
  var leftOver = /[!'()~]|%20/g, encodedAs = { "!": "%21", "'": "%27", "(": "%28", ")": "%29", "~": "%7E", "%20": "+" }, plain = /^[A-Za-z0-9*\-._]*$/;
  function encode(text) {
    return plain.test(text) ? text : encodeComponent(text.toWellFormed()).replace(leftOver, (match) => encodedAs[match]);
  }

  // src/js/url.js
  var HREF = 0, PROTOCOL = 1, USERNAME = 2, PASSWORD = 3, HOST = 4, HOSTNAME = 5, PORT = 6, PATHNAME = 7, SEARCH = 8, HASH = 9, ORIGIN = 10, linkedParams, resetParams, updateQuery;
  function parseHref(input) {
    let parts = native.urlParse(input, void 0);
    return parts === null ? null : parts[HREF];
  }
  function parse(url, base) {
    let input = toUSVString(url);
    return native.urlParse(input, base === void 0 ? void 0 : toUSVString(base));
  }
  function parseOrThrow(url, base) {
    let parts = parse(url, base);
    if (parts !== null) return parts;
    let error = new TypeError(base === void 0 ? `Invalid URL: ${quote2(url)}` : `Invalid URL: ${quote2(url)} with base ${quote2(base)}`);
    throw Object.defineProperty(error, "code", { value: "ERR_INVALID_URL", configurable: !0, writable: !0, enumerable: !0 }), error;
  }
  function quote2(value) {
    let text = `${value}`;
    return JSON.stringify(text.length > 200 ? `${text.slice(0, 200)}…` : text);
  }
  var PARSED = /* @__PURE__ */ Symbol("parsed"), URL = class _URL {
    #parts;
    #params = void 0;
    constructor(url, base = void 0) {
      if (url === PARSED) {
        this.#parts = base;
        return;
      }
      url === void 0 && needArguments(arguments.length, 1, "URL"), this.#parts = parseOrThrow(url, base);
    }
    static parse(url, base = void 0) {
      needArguments(arguments.length, 1, "URL.parse");
      let parts = parse(url, base);
      return parts === null ? null : new _URL(PARSED, parts);
    }
    static canParse(url, base = void 0) {
      return needArguments(arguments.length, 1, "URL.canParse"), parse(url, base) !== null;
    }
    #set(name, value) {
      let parts = native.urlSet(this.#parts[HREF], name, toUSVString(value));
      parts !== null && (this.#parts = parts);
    }
    get href() {
      return this.#parts[HREF];
    }
    set href(value) {
      this.#parts, this.#parts = parseOrThrow(value, void 0), this.#params !== void 0 && resetParams(this.#params, this.#parts[SEARCH]);
    }
    get origin() {
      return this.#parts[ORIGIN];
    }
    get protocol() {
      return this.#parts[PROTOCOL];
    }
    set protocol(value) {
      this.#set("protocol", value);
    }
    get username() {
      return this.#parts[USERNAME];
    }
    set username(value) {
      this.#set("username", value);
    }
    get password() {
      return this.#parts[PASSWORD];
    }
    set password(value) {
      this.#set("password", value);
    }
    get host() {
      return this.#parts[HOST];
    }
    set host(value) {
      this.#set("host", value);
    }
    get hostname() {
      return this.#parts[HOSTNAME];
    }
    set hostname(value) {
      this.#set("hostname", value);
    }
    get port() {
      return this.#parts[PORT];
    }
    set port(value) {
      this.#set("port", value);
    }
    get pathname() {
      return this.#parts[PATHNAME];
    }
    set pathname(value) {
      this.#set("pathname", value);
    }
    get search() {
      return this.#parts[SEARCH];
    }
    set search(value) {
      this.#set("search", value), this.#params !== void 0 && resetParams(this.#params, this.#parts[SEARCH]);
    }
    get searchParams() {
      return this.#parts, this.#params ??= linkedParams(this, this.#parts[SEARCH]);
    }
    get hash() {
      return this.#parts[HASH];
    }
    set hash(value) {
      this.#set("hash", value);
    }
    toString() {
      return this.#parts[HREF];
    }
    toJSON() {
      return this.#parts[HREF];
    }
    static {
      updateQuery = (url, query) => url.#set("search", query);
    }
  };
  defineInterface(URL, "URL", 1);
  setLengths(URL, { parse: 1, canParse: 1 });
  var pairsOf, URLSearchParams = class _URLSearchParams {
    #pairs;
    // [[name, value], ...], or undefined while only #query is known
    #query = "";
    #url = void 0;
    constructor(init = "") {
      init !== PARSED && (isObject(init) ? this.#pairs = pairsFromObject(init) : this.#query = withoutQuestionMark(toUSVString(init)));
    }
    get #list() {
      return this.#pairs ??= parseUrlencoded(this.#query);
    }
    #changed() {
      this.#url !== void 0 && updateQuery(this.#url, serializeUrlencoded(this.#pairs));
    }
    get size() {
      return this.#list.length;
    }
    append(name, value) {
      let list2 = this.#list;
      needArguments(arguments.length, 2, "URLSearchParams.append"), list2.push([toUSVString(name), toUSVString(value)]), this.#changed();
    }
    delete(name, value = void 0) {
      let list2 = this.#list;
      needArguments(arguments.length, 1, "URLSearchParams.delete");
      let key = toUSVString(name), wanted = value === void 0 ? void 0 : toUSVString(value), kept = 0;
      for (let pair of list2)
        (pair[0] !== key || wanted !== void 0 && pair[1] !== wanted) && (list2[kept++] = pair);
      list2.length = kept, this.#changed();
    }
    get(name) {
      let list2 = this.#list;
      needArguments(arguments.length, 1, "URLSearchParams.get");
      let key = toUSVString(name);
      for (let i2 = 0; i2 < list2.length; i2++) if (list2[i2][0] === key) return list2[i2][1];
      return null;
    }
    getAll(name) {
      let list2 = this.#list;
      needArguments(arguments.length, 1, "URLSearchParams.getAll");
      let key = toUSVString(name);
      return list2.filter((pair) => pair[0] === key).map((pair) => pair[1]);
    }
    has(name, value = void 0) {
      let list2 = this.#list;
      needArguments(arguments.length, 1, "URLSearchParams.has");
      let key = toUSVString(name), wanted = value === void 0 ? void 0 : toUSVString(value);
      return list2.some((pair) => pair[0] === key && (wanted === void 0 || pair[1] === wanted));
    }
    set(name, value) {
      let list2 = this.#list;
      needArguments(arguments.length, 2, "URLSearchParams.set");
      let key = toUSVString(name), text = toUSVString(value), kept = 0, found = !1;
      for (let pair of list2)
        pair[0] !== key ? list2[kept++] = pair : found || (found = !0, list2[kept++] = [key, text]);
      list2.length = kept, found || list2.push([key, text]), this.#changed();
    }
    sort() {
      this.#list.sort((a3, b3) => a3[0] < b3[0] ? -1 : a3[0] > b3[0] ? 1 : 0), this.#changed();
    }
    toString() {
      return serializeUrlencoded(this.#list);
    }
    static {
      pairsOf = (params) => params.#list, linkedParams = (url, search) => {
        let params = new _URLSearchParams(PARSED);
        return params.#url = url, params.#query = withoutQuestionMark(search), params;
      }, resetParams = (params, search) => {
        params.#pairs = void 0, params.#query = withoutQuestionMark(search);
      };
    }
  };
  defineInterface(URLSearchParams, "URLSearchParams", 0);
  setLengths(URLSearchParams.prototype, { delete: 1, has: 1 });
  definePairIterable(URLSearchParams, "URLSearchParams", (params) => pairsOf(params));
  var isURLSearchParams = (value) => value instanceof URLSearchParams, queryOf = (params) => serializeUrlencoded(pairsOf(params)), withoutQuestionMark = (text) => text.charCodeAt(0) === 63 ? text.slice(1) : text;
  function pairsFromObject(init) {
    let method = init[Symbol.iterator];
    if (method != null) {
      if (typeof method != "function") throw new TypeError("URLSearchParams: the argument is not iterable");
      let pairs2 = [];
      for (let item of init) {
        if (!isObject(item) || typeof item[Symbol.iterator] != "function")
          throw new TypeError("URLSearchParams: each item must be a pair of name and value");
        let pair = [...item];
        if (pair.length !== 2) throw new TypeError("URLSearchParams: each item must be a pair of name and value");
        pairs2.push([toUSVString(pair[0]), toUSVString(pair[1])]);
      }
      return pairs2;
    }
    let record = /* @__PURE__ */ new Map();
    for (let key of Reflect.ownKeys(init)) {
      let descriptor = Reflect.getOwnPropertyDescriptor(init, key);
      descriptor === void 0 || !descriptor.enumerable || record.set(toUSVString(key), toUSVString(init[key]));
    }
    return [...record];
  }

  // src/js/body.js
  var nothing = () => {
  }, empty2 = new Uint8Array(0), HostBody = class {
    constructor(rid) {
      this.meta = rid === 0 ? '{"rid":0}' : `{"rid":${rid}}`, this.op = 0, this.ended = !1, this.failure = void 0, this.onFail = nothing;
    }
    /** Calls onChunk(bytes), or onChunk(null) at the end. The metadata "last" saves asking for the end. */
    read(onChunk, onErr) {
      if (this.failure !== void 0) return onErr(this.failure.reason);
      if (this.ended) return onChunk(null);
      this.onFail = onErr, this.op = startOp(
        "body_read",
        this.meta,
        null,
        (meta, bytes) => {
          this.op = 0, this.onFail = nothing, (bytes == null || meta === "last") && (this.ended = !0), onChunk(bytes ?? null);
        },
        (error) => {
          this.op = 0, this.onFail = nothing, this.failure = { reason: error }, onErr(error);
        }
      );
    }
    readAll() {
      return new PromiseCtor((resolve2, reject2) => {
        let first = null, all = null, onChunk = (bytes) => {
          if (bytes === null) return resolve2(all !== null ? concat(all) : first ?? empty2);
          first === null ? first = bytes : all === null ? all = [first, bytes] : all[all.length] = bytes, this.read(onChunk, reject2);
        };
        this.read(onChunk, reject2);
      });
    }
    cancel() {
      this.ended || this.failure !== void 0 || (this.ended = !0, this.op !== 0 && cancelOp(this.op), startOp("body_cancel", this.meta, null, nothing, nothing));
    }
    /** Ends the body with an error: the signal of its fetch was aborted. */
    abort(reason) {
      if (this.ended || this.failure !== void 0) return;
      let onFail = this.onFail;
      if (this.op !== 0 && cancelOp(this.op), this.op = 0, this.failure = { reason }, this.onFail = nothing, startOp("body_cancel", this.meta, null, nothing, nothing), onFail(reason), this.controller !== void 0)
        try {
          this.controller.error(reason);
        } catch {
        }
    }
    toStream() {
      return new ReadableStream(
        {
          type: "bytes",
          start: (controller) => {
            this.controller = controller;
          },
          pull: (controller) => new PromiseCtor((resolve2, reject2) => {
            this.read((bytes) => {
              bytes !== null && bytes.byteLength > 0 && controller.enqueue(bytes), (bytes === null || this.ended) && (controller.close(), controller.byobRequest?.respond(0)), resolve2();
            }, reject2);
          }),
          cancel: () => this.cancel()
        },
        { highWaterMark: 0 }
      );
    }
  }, extractedType = null, textType = "text/plain;charset=UTF-8";
  function extractBody(value) {
    if (typeof value == "string")
      return extractedType = textType, value;
    if (extractedType = null, typeof value == "object" && value !== null) {
      if (isBufferSource(value)) return bytesOf(value, "the body").slice();
      if (isReadableStream(value)) {
        if (isDisturbed(value) || isLocked(value)) throw new TypeError("the body is a stream that is locked or was read already");
        return value;
      }
      if (isURLSearchParams(value))
        return extractedType = "application/x-www-form-urlencoded;charset=UTF-8", queryOf(value);
      if (isBlob(value))
        return value.type !== "" && (extractedType = value.type), blobBytes(value);
      if (isFormData(value)) {
        let boundary = newBoundary();
        return extractedType = `multipart/form-data; boundary=${boundary}`, serializeMultipart(value, boundary);
      }
      if (typeof value[Symbol.asyncIterator] == "function") return ReadableStream.from(value);
    }
    let string = `${value}`;
    return extractedType = textType, string;
  }
  var isBodyUsed = (state) => state.used || isStream(state.body) && isDisturbed(state.body), isBodyUnusable = (state) => state.used || isStream(state.body) && (isDisturbed(state.body) || isLocked(state.body)), isStream = (body) => typeof body == "object" && body !== null && isReadableStream(body);
  function bodyStream(state) {
    let body = state.body;
    if (body === null || isStream(body)) return body;
    let stream;
    return body instanceof HostBody ? stream = body.toStream() : stream = streamOfBytes(typeof body == "string" ? utf8Encode(body) : body.slice()), state.used ? (acquireReader(stream).read().then(nothing, nothing), state.spentStream ??= stream) : state.body = stream;
  }
  function cloneBody(state) {
    let body = state.body;
    if (body === null || typeof body == "string" || isUint8Array(body)) return body;
    let [one, two] = teeStream(bodyStream(state));
    return state.body = one, two;
  }
  function takeBody(state) {
    let body = state.body;
    return state.used = !0, state.body = empty2, body;
  }
  var asText = {
    string: (text) => (text.charCodeAt(0) === 65279 ? text.slice(1) : text).toWellFormed(),
    bytes: utf8Decode
  }, asJson = {
    string: (text) => jsonParse(asText.string(text)),
    bytes: (bytes) => jsonParse(utf8Decode(bytes))
  }, asBytes = { string: utf8Encode, bytes: (bytes) => bytes.slice() }, asArrayBuffer = { string: (text) => utf8Encode(text).buffer, bytes: (bytes) => bytes.slice().buffer }, asBlob = {
    string: (text, type) => blobOf(utf8Encode(text), blobType(type)),
    bytes: (bytes, type) => blobOf(bytes.slice(), blobType(type))
  }, asFormData = { string: (text, type) => parseForm(utf8Encode(text), type), bytes: (bytes, type) => parseForm(bytes, type) };
  function consume(state, result, contentType) {
    let body = state.body;
    if (isBodyUnusable(state)) throw new TypeError("the body was read already, or its stream is locked");
    if (body === null) return promiseResolve(result.bytes(empty2, contentType));
    if (state.used = !0, typeof body == "string") return promiseResolve(result.string(body, contentType));
    if (isUint8Array(body)) return promiseResolve(result.bytes(body, contentType));
    let all = body instanceof HostBody ? body.readAll() : readStream(body);
    return promiseThen(all, (bytes) => result.bytes(bytes, contentType));
  }
  function readStream(stream) {
    let reader = acquireReader(stream);
    return new PromiseCtor((resolve2, reject2) => {
      let chunks = [], step = ({ done: done2, value }) => {
        if (done2) return resolve2(chunks.length === 1 ? chunks[0] : concat(chunks));
        if (!isUint8Array(value)) {
          let error = new TypeError("a chunk of the body's stream is not a Uint8Array");
          return reader.cancel(error).then(nothing, nothing), reject2(error);
        }
        chunks[chunks.length] = value, promiseThen(reader.read(), step, reject2);
      };
      promiseThen(reader.read(), step, reject2);
    });
  }
  function defineBody(cls, stateOf2, typeOf2) {
    let method = (name, result, needsType) => {
      let read = {
        [name]() {
          try {
            let state = stateOf2(this);
            return consume(state, result, needsType ? typeOf2(state) : null);
          } catch (error) {
            return promiseReject(error);
          }
        }
      }[name];
      defineProperty(cls.prototype, name, { value: read, writable: !0, enumerable: !0, configurable: !0 });
    };
    method("text", asText, !1), method("json", asJson, !1), method("bytes", asBytes, !1), method("arrayBuffer", asArrayBuffer, !1), method("blob", asBlob, !0), method("formData", asFormData, !0);
  }
  function blobType(contentType) {
    return contentType === null ? "" : serializeMime(parseMime(contentType));
  }
  function parseForm(bytes, contentType) {
    let mime = contentType === null ? null : parseMime(contentType);
    if (mime?.essence === "multipart/form-data") {
      let boundary = mime.parameters.get("boundary");
      if (boundary === void 0) throw new TypeError("formData: the content type has no boundary");
      return parseMultipart(bytes, boundary);
    }
    if (mime?.essence === "application/x-www-form-urlencoded") {
      let form = new FormData(), entries2 = formEntries(form);
      for (let pair of parseUrlencoded(native.utf8Decode(bytes, !1, !1))) entries2.push(pair);
      return form;
    }
    throw new TypeError(
      `formData: the content type is ${contentType === null ? "missing" : `"${contentType}"`}, not multipart/form-data or application/x-www-form-urlencoded`
    );
  }

  // src/js/headers.js
  var MUTABLE = 0, IMMUTABLE = 1, tokenPattern = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/, badValue = /[\0\r\n\u0100-\uffff]/, isValue = native.headerValueOk ?? ((string) => !badValue.test(string)), outerSpace = /^[\t\n\r ]+|[\t\n\r ]+$/g, known = { __proto__: null };
  for (let name of [
    "accept",
    "accept-encoding",
    "accept-language",
    "access-control-allow-credentials",
    "access-control-allow-headers",
    "access-control-allow-methods",
    "access-control-allow-origin",
    "access-control-expose-headers",
    "access-control-max-age",
    "age",
    "allow",
    "authorization",
    "cache-control",
    "content-disposition",
    "content-encoding",
    "content-language",
    "content-length",
    "content-location",
    "content-range",
    "content-security-policy",
    "content-type",
    "cookie",
    "date",
    "etag",
    "expires",
    "forwarded",
    "host",
    "if-match",
    "if-modified-since",
    "if-none-match",
    "if-unmodified-since",
    "last-modified",
    "link",
    "location",
    "origin",
    "range",
    "referer",
    "referrer-policy",
    "retry-after",
    "server",
    "server-timing",
    "set-cookie",
    "strict-transport-security",
    "transfer-encoding",
    "user-agent",
    "vary",
    "via",
    "www-authenticate",
    "x-content-type-options",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-frame-options",
    "x-powered-by",
    "x-real-ip",
    "x-request-id"
  ])
    known[name] = name, known[name.replace(/(^|-)[a-z]/g, (match) => match.toUpperCase())] = name;
  known.ETag = "etag";
  known["WWW-Authenticate"] = "www-authenticate";
  function normalizeName(name) {
    let string = typeof name == "string" ? name : `${name}`, lower = known[string];
    if (lower !== void 0) return lower;
    if (!tokenPattern.test(string)) throw new TypeError(`Headers: ${JSON.stringify(string)} is not a valid header name`);
    return string.toLowerCase();
  }
  function normalizeValue(value) {
    let string = typeof value == "string" ? value : `${value}`;
    if ((string.charCodeAt(0) <= 32 || string.charCodeAt(string.length - 1) <= 32) && (string = string.replace(outerSpace, "")), !isValue(string)) throw new TypeError(`Headers: ${JSON.stringify(string)} is not a valid header value`);
    return string;
  }
  function listGet(list2, name) {
    let value = null;
    for (let i2 = 0; i2 < list2.length; i2 += 2)
      list2[i2] === name && (value = value === null ? list2[i2 + 1] : `${value}, ${list2[i2 + 1]}`);
    return value;
  }
  function listHas(list2, name) {
    for (let i2 = 0; i2 < list2.length; i2 += 2) if (list2[i2] === name) return !0;
    return !1;
  }
  function listSet(list2, name, value) {
    let kept = 0, found = !1;
    for (let i2 = 0; i2 < list2.length; i2 += 2) {
      if (list2[i2] === name) {
        if (found) continue;
        found = !0, list2[kept] = name, list2[kept + 1] = value;
      } else kept !== i2 && (list2[kept] = list2[i2], list2[kept + 1] = list2[i2 + 1]);
      kept += 2;
    }
    list2.length = kept, found || (list2[kept] = name, list2[kept + 1] = value);
  }
  function listDelete(list2, name) {
    let kept = 0;
    for (let i2 = 0; i2 < list2.length; i2 += 2)
      list2[i2] !== name && (list2[kept] = list2[i2], list2[kept + 1] = list2[i2 + 1], kept += 2);
    list2.length = kept;
  }
  function listFromInit(init) {
    let list2 = [];
    if (isHeaders(init)) {
      let from = listOf2(init);
      for (let i2 = 0; i2 < from.length; i2++) list2[i2] = from[i2];
      return list2;
    }
    if (!isObject(init)) throw new TypeError("Headers: the argument must be a Headers, an object, or an array of pairs");
    let iterator = init[Symbol.iterator];
    if (iterator != null) {
      if (typeof iterator != "function") throw new TypeError("Headers: the argument is not iterable");
      for (let item of init) {
        if (!isObject(item)) throw new TypeError("Headers: each item must be a pair of name and value");
        let pair = isArray(item) ? item : [...item];
        if (pair.length !== 2) throw new TypeError("Headers: each item must be a pair of name and value");
        let name = normalizeName(pair[0]);
        list2.push(name, normalizeValue(pair[1]));
      }
      return list2;
    }
    let keys = objectKeys(init);
    for (let i2 = 0; i2 < keys.length; i2++) {
      let name = normalizeName(keys[i2]);
      list2[list2.length] = name, list2[list2.length] = normalizeValue(init[keys[i2]]);
    }
    return list2;
  }
  var RAW2 = /* @__PURE__ */ Symbol("raw"), listOf2, sortedOf, isHeaders, Headers = class {
    #list;
    #guard;
    #sorted = void 0;
    constructor(init, list2, guard) {
      if (init === RAW2) {
        this.#list = list2, this.#guard = guard;
        return;
      }
      this.#guard = MUTABLE, this.#list = init === void 0 ? [] : listFromInit(init);
    }
    #change() {
      if (this.#guard === IMMUTABLE)
        throw new TypeError("Headers: these headers are immutable; make a copy with new Headers(headers) or new Response(body, response)");
      return this.#sorted = void 0, this.#list;
    }
    append(name, value) {
      this.#list, needArguments(arguments.length, 2, "Headers.append");
      let key = normalizeName(name), text = normalizeValue(value), list2 = this.#change();
      list2[list2.length] = key, list2[list2.length] = text;
    }
    delete(name) {
      this.#list, needArguments(arguments.length, 1, "Headers.delete");
      let key = normalizeName(name);
      listDelete(this.#change(), key);
    }
    get(name) {
      let list2 = this.#list;
      return name === void 0 && needArguments(arguments.length, 1, "Headers.get"), listGet(list2, normalizeName(name));
    }
    getSetCookie() {
      let list2 = this.#list, cookies = [];
      for (let i2 = 0; i2 < list2.length; i2 += 2) list2[i2] === "set-cookie" && cookies.push(list2[i2 + 1]);
      return cookies;
    }
    has(name) {
      let list2 = this.#list;
      return name === void 0 && needArguments(arguments.length, 1, "Headers.has"), listHas(list2, normalizeName(name));
    }
    set(name, value) {
      this.#list, value === void 0 && needArguments(arguments.length, 2, "Headers.set");
      let key = normalizeName(name), text = normalizeValue(value);
      listSet(this.#change(), key, text);
    }
    static {
      isHeaders = (value) => typeof value == "object" && value !== null && #list in value, listOf2 = (headers) => headers.#list, sortedOf = (headers) => headers.#sorted ??= sortAndCombine(headers.#list);
    }
  };
  defineInterface(Headers, "Headers", 0);
  definePairIterable(Headers, "Headers", (headers) => sortedOf(headers));
  var headersOver = (list2, guard) => new Headers(RAW2, list2, guard), headerListOf = (headers) => listOf2(headers);
  function sortAndCombine(list2) {
    let names = [], values = /* @__PURE__ */ new Map(), cookies = [];
    for (let i2 = 0; i2 < list2.length; i2 += 2) {
      let name = list2[i2];
      if (name === "set-cookie") {
        cookies.push([name, list2[i2 + 1]]);
        continue;
      }
      let before = values.get(name);
      before === void 0 && names.push(name), values.set(name, before === void 0 ? list2[i2 + 1] : `${before}, ${list2[i2 + 1]}`);
    }
    cookies.length > 0 && names.push("set-cookie"), names.sort();
    let pairs2 = [];
    for (let name of names)
      name === "set-cookie" ? pairs2.push(...cookies) : pairs2.push([name, values.get(name)]);
    return pairs2;
  }

  // src/js/request.js
  var FAST = /* @__PURE__ */ Symbol("fast"), RequestState = class {
    constructor(method, url, flat, body) {
      this.method = method, this.url = url, this.flat = flat, this.body = body;
    }
  };
  Object.assign(RequestState.prototype, {
    headers: null,
    guard: IMMUTABLE,
    used: !1,
    spentStream: void 0,
    signal: null,
    source: null,
    // the signals that `signal` depends on once it is made
    options: null
    // the members that mean something to browsers alone, and `redirect`
  });
  var requestState, isRequest, Request = class _Request {
    #s;
    constructor(input, init, state) {
      if (input === FAST) {
        this.#s = state;
        return;
      }
      let dictionary = toDictionary(init, "Request: the second argument"), from = isRequest(input) ? input.#s : null;
      this.#s = from === null ? stateFromUrl(input) : stateFromRequest(from), applyInit(this.#s, dictionary, from);
    }
    get method() {
      return this.#s.method;
    }
    get url() {
      return this.#s.url;
    }
    get headers() {
      let s2 = this.#s;
      return s2.headers ??= headersOver(flatOf(s2), s2.guard);
    }
    get destination() {
      return this.#s, "";
    }
    get referrer() {
      return this.#s.options?.referrer ?? "about:client";
    }
    get referrerPolicy() {
      return this.#s.options?.referrerPolicy ?? "";
    }
    get mode() {
      return this.#s.options?.mode ?? "cors";
    }
    get credentials() {
      return this.#s.options?.credentials ?? "same-origin";
    }
    get cache() {
      return this.#s.options?.cache ?? "default";
    }
    get redirect() {
      return this.#s.options?.redirect ?? "follow";
    }
    get integrity() {
      return this.#s.options?.integrity ?? "";
    }
    get keepalive() {
      return this.#s.options?.keepalive ?? !1;
    }
    get isReloadNavigation() {
      return this.#s, !1;
    }
    get isHistoryNavigation() {
      return this.#s, !1;
    }
    get signal() {
      return signalOf(this.#s);
    }
    get duplex() {
      return this.#s, "half";
    }
    get body() {
      return bodyStream(this.#s);
    }
    get bodyUsed() {
      return isBodyUsed(this.#s);
    }
    clone() {
      let s2 = this.#s;
      if (isBodyUnusable(s2)) throw new TypeError("Request.clone: the body was read already, or its stream is locked");
      let state = new RequestState(s2.method, s2.url, flatOf(s2).slice(), cloneBody(s2));
      return state.guard = s2.guard, state.options = s2.options, state.source = [signalOf(s2)], new _Request(FAST, void 0, state);
    }
    static {
      requestState = (request) => request.#s, isRequest = (value) => typeof value == "object" && value !== null && #s in value;
    }
  };
  defineInterface(Request, "Request", 1);
  defineBody(Request, (request) => requestState(request), (state) => listGet(flatOf(state), "content-type"));
  var incomingRequest = (method, url, body) => new Request(FAST, void 0, new RequestState(method, url, null, body)), flatOf = (state) => state.headers === null ? state.flat ??= native.requestHeaders() : headerListOf(state.headers);
  function signalOf(state) {
    return state.signal ??= state.source === null ? newSignal() : dependentSignal(state.source);
  }
  function stateFromUrl(input) {
    let text = toUSVString(input), parts = native.urlParse(text, void 0);
    if (parts === null) {
      let hint = text.startsWith("/") ? ": there is no base here, so write the whole URL" : "";
      throw new TypeError(`Request: invalid URL ${JSON.stringify(text)}${hint}`);
    }
    if (parts[2] !== "" || parts[3] !== "") throw new TypeError("Request: the URL carries a user name or a password; use an Authorization header");
    let state = new RequestState("GET", parts[0], [], null);
    return state.guard = MUTABLE, state;
  }
  function stateFromRequest(from) {
    let state = new RequestState(from.method, from.url, flatOf(from).slice(), null);
    return state.guard = MUTABLE, state.source = [signalOf(from)], state.options = from.options, state;
  }
  var standardMethods = { __proto__: null };
  for (let method of ["DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT"])
    standardMethods[method] = method, standardMethods[method.toLowerCase()] = method;
  var token2 = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
  function normalizeMethod(value) {
    let method = `${value}`;
    if (standardMethods[method] !== void 0) return standardMethods[method];
    if (!token2.test(method)) throw new TypeError(`Request: ${JSON.stringify(method)} is not a valid method`);
    let upper = method.toUpperCase();
    if (upper === "CONNECT" || upper === "TRACE" || upper === "TRACK") throw new TypeError(`Request: the method ${upper} is not allowed`);
    return standardMethods[upper] ?? method;
  }
  var enums = {
    cache: ["default", "no-store", "reload", "no-cache", "force-cache", "only-if-cached"],
    credentials: ["omit", "same-origin", "include"],
    mode: ["navigate", "same-origin", "no-cors", "cors"],
    redirect: ["follow", "error", "manual"],
    referrerPolicy: [
      "",
      "no-referrer",
      "no-referrer-when-downgrade",
      "same-origin",
      "origin",
      "strict-origin",
      "origin-when-cross-origin",
      "strict-origin-when-cross-origin",
      "unsafe-url"
    ]
  }, enumNames = Object.keys(enums);
  function applyInit(s2, init, from) {
    let body = null;
    if (init !== void 0) {
      applyOptions(s2, init), init.method !== void 0 && (s2.method = normalizeMethod(init.method));
      let signal = init.signal;
      if (signal !== void 0) {
        if (signal !== null && !isAbortSignal(signal)) throw new TypeError("Request: the signal is not an AbortSignal");
        s2.source = signal === null ? null : [signal];
      }
      init.headers !== void 0 && (s2.flat = listFromInit(init.headers)), init.duplex !== void 0 && toEnum(init.duplex, ["half"], "Request: duplex"), init.body !== void 0 && (body = init.body);
    }
    let fromBody = from === null ? null : from.body;
    if ((body !== null || fromBody !== null) && (s2.method === "GET" || s2.method === "HEAD"))
      throw new TypeError(`Request: a request with method ${s2.method} cannot have a body`);
    if (body !== null) {
      s2.body = extractBody(body), extractedType !== null && !listHas(s2.flat, "content-type") && s2.flat.push("content-type", extractedType);
      return;
    }
    if (fromBody !== null) {
      if (isBodyUnusable(from)) throw new TypeError("Request: the body of the given request was read already, or its stream is locked");
      s2.body = takeBody(from);
    }
  }
  function applyOptions(s2, init) {
    let options = null;
    for (let name of enumNames) {
      let value = init[name];
      value !== void 0 && ((options ??= { ...s2.options })[name] = toEnum(value, enums[name], `Request: ${name}`));
    }
    if (options?.mode === "navigate") throw new TypeError('Request: the mode "navigate" is not allowed');
    if (init.integrity !== void 0 && ((options ??= { ...s2.options }).integrity = `${init.integrity}`), init.keepalive !== void 0 && ((options ??= { ...s2.options }).keepalive = !!init.keepalive), init.referrer !== void 0) {
      let referrer = toUSVString(init.referrer), parts = referrer === "" ? void 0 : native.urlParse(referrer, void 0);
      if (parts === null) throw new TypeError(`Request: invalid referrer ${JSON.stringify(referrer)}`);
      (options ??= { ...s2.options }).referrer = parts === void 0 ? "" : parts[0];
    }
    if (init.window !== void 0 && init.window !== null) throw new TypeError("Request: window must be null");
    options !== null && (s2.options = options);
  }

  // src/js/response.js
  var FAST2 = /* @__PURE__ */ Symbol("fast"), textFlat = Object.freeze(["content-type", textType]), jsonFlat = Object.freeze(["content-type", "application/json"]), noFlat = Object.freeze([]), reasonPhrase = /^[\t\x20-\x7e\x80-\xff]*$/, ResponseState = class {
    constructor(status, statusText, flat, body) {
      this.status = status, this.statusText = statusText, this.flat = flat, this.body = body;
    }
  };
  Object.assign(ResponseState.prototype, { headers: null, guard: MUTABLE, used: !1, spentStream: void 0, type: "default", url: "", redirected: !1 });
  var responseState, stateIfResponse, isResponse = (value) => stateIfResponse(value) !== void 0, Response = class _Response {
    #s;
    constructor(body, init, state) {
      if (body === FAST2) {
        this.#s = state;
        return;
      }
      if (typeof body == "string" && init === void 0) {
        this.#s = new ResponseState(200, "", textFlat, body);
        return;
      }
      this.#s = build(body, init, extractBody, textFlat);
    }
    static error() {
      let state = new ResponseState(0, "", noFlat, null);
      return state.type = "error", state.guard = IMMUTABLE, new _Response(FAST2, void 0, state);
    }
    static redirect(url, status = 302) {
      needArguments(arguments.length, 1, "Response.redirect");
      let text = toUSVString(url), href = parseHref(text);
      if (href === null) throw new TypeError(`Response.redirect: invalid URL ${JSON.stringify(text)}: write the whole URL, or set the Location header yourself`);
      let code = toUnsigned(status, 16);
      if (code !== 301 && code !== 302 && code !== 303 && code !== 307 && code !== 308)
        throw new RangeError(`Response.redirect: ${code} is not a status of redirects`);
      let state = new ResponseState(code, "", ["location", href], null);
      return state.guard = IMMUTABLE, new _Response(FAST2, void 0, state);
    }
    static json(data, init = void 0) {
      let text = jsonStringify(data);
      if (text === void 0) throw new TypeError("Response.json: the value has no JSON form");
      let state = init === void 0 ? new ResponseState(200, "", jsonFlat, text) : build(text, init, void 0, jsonFlat);
      return new _Response(FAST2, void 0, state);
    }
    get type() {
      return this.#s.type;
    }
    get url() {
      return this.#s.url;
    }
    get redirected() {
      return this.#s.redirected;
    }
    get status() {
      return this.#s.status;
    }
    get ok() {
      let status = this.#s.status;
      return status >= 200 && status <= 299;
    }
    get statusText() {
      return this.#s.statusText;
    }
    get headers() {
      let s2 = this.#s;
      return s2.headers ??= headersOver(s2.flat.slice(), s2.guard);
    }
    get body() {
      return bodyStream(this.#s);
    }
    get bodyUsed() {
      return isBodyUsed(this.#s);
    }
    clone() {
      let s2 = this.#s;
      if (isBodyUnusable(s2)) throw new TypeError("Response.clone: the body was read already, or its stream is locked");
      let state = new ResponseState(s2.status, s2.statusText, flatOf2(s2).slice(), cloneBody(s2));
      return state.guard = s2.guard, state.type = s2.type, state.url = s2.url, state.redirected = s2.redirected, new _Response(FAST2, void 0, state);
    }
    static {
      responseState = (response) => response.#s, stateIfResponse = (value) => typeof value == "object" && value !== null && #s in value ? value.#s : void 0;
    }
  };
  defineInterface(Response, "Response", 0);
  setLengths(Response, { redirect: 1, json: 1 });
  defineBody(Response, (response) => responseState(response), (state) => listGet(flatOf2(state), "content-type"));
  var flatOf2 = (state) => state.headers === null ? state.flat : headerListOf(state.headers);
  function fetchedResponse(status, statusText, flat, body, url, redirected) {
    let state = new ResponseState(status, statusText, flat, body);
    return state.guard = IMMUTABLE, state.type = "basic", state.url = url, state.redirected = redirected, new Response(FAST2, void 0, state);
  }
  var isNullBodyStatus = (status) => status === 204 || status === 304 || status === 205 || status === 101 || status === 103;
  function build(body, init, extract, defaultFlat) {
    let status = 200, statusText = "", list2 = null, source = null, type = null;
    if (typeof body == "string" ? (source = body, type = defaultFlat[1]) : body != null && (source = extract(body), type = extractedType), init != null) {
      typeof init != "object" && toDictionary(init, "Response: the second argument");
      let headers = init.headers, givenStatus = init.status, givenText = init.statusText;
      if (givenStatus !== void 0 && (status = toUnsigned(givenStatus, 16), status < 200 || status > 599))
        throw new RangeError(`Response: the status ${status} is not between 200 and 599`);
      if (givenText !== void 0 && givenText !== "" && (statusText = toByteString(givenText, "Response: the status text"), !reasonPhrase.test(statusText)))
        throw new TypeError("Response: the status text has a character that is not allowed");
      headers !== void 0 && (list2 = listFromInit(headers));
    }
    if (source !== null && isNullBodyStatus(status)) throw new TypeError(`Response: a response with status ${status} cannot have a body`);
    return list2 === null ? type === null ? list2 = noFlat : list2 = type === defaultFlat[1] ? defaultFlat : ["content-type", type] : type !== null && !listHas(list2, "content-type") && (list2[list2.length] = "content-type", list2[list2.length] = type), new ResponseState(status, statusText, list2, source);
  }

  // src/js/dispatch.js
  var nothing2 = () => {
  }, replied = !0, waiting = 0, done = !0, current = null, ExecutionContext = class {
    waitUntil(promise) {
      waiting++, promiseThen(promiseResolve(promise), waitEnded, waitFailed);
    }
    passThroughOnException() {
    }
  };
  defineInterface(ExecutionContext, "ExecutionContext", 0);
  var context = new ExecutionContext(), fetchArguments = [void 0, void 0, context];
  function waitEnded() {
    waiting--, finishIfSettled();
  }
  function waitFailed(error) {
    native.log("error", `Rejected in waitUntil: ${describeText(error)}`), waitEnded();
  }
  function finishIfSettled() {
    !replied || waiting !== 0 || done || (done = !0, native.invocationDone());
  }
  function replyEnded() {
    replied = !0, finishIfSettled();
  }
  function start() {
    replied = done = !1, waiting = 0;
  }
  function dispatchFetch(handler, thisObj, method, url, body, env) {
    replied = done = !1, waiting = 0;
    let request = current = incomingRequest(method, url, body === !0 ? new HostBody(0) : body), result;
    try {
      fetchArguments[0] = request, fetchArguments[1] = env, result = apply(handler, thisObj, fetchArguments);
    } catch (error) {
      return failFetch(error);
    }
    let state = stateIfResponse(result);
    if (state !== void 0) return sendState(state);
    if (!isThenable(result)) return failInvalid(result);
    let promise;
    try {
      promise = promiseResolve(result);
    } catch (error) {
      return failFetch(error);
    }
    promiseThen(promise, sendResponse, failFetch);
  }
  function clientLeft() {
    current !== null && signalAbort(signalOf(requestState(current)), new DOMException("The client has closed the connection", "AbortError"));
  }
  var isThenable = (value) => value instanceof PromiseCtor || typeof value == "object" && value !== null && typeof value.then == "function";
  function failFetch(error) {
    native.fail("function_error", errorHead(error), describeText(error)), replyEnded();
  }
  function failInvalid(value) {
    native.fail("invalid_response", `the handler returned ${nameValue(value)}; ${remedy(value)}`, ""), replyEnded();
  }
  function nameValue(value) {
    if (value === void 0) return "undefined";
    if (value === null) return "null";
    if (typeof value == "string") return `a string (${inspect(value.length > 60 ? `${value.slice(0, 60)}…` : value)})`;
    if (typeof value == "function") return "a function";
    if (typeof value != "object") return `a ${typeof value} (${inspect(value)})`;
    if (Array.isArray(value)) return "an array";
    let name;
    try {
      name = value.constructor?.name;
    } catch {
    }
    return name === void 0 || name === "" || name === "Object" ? "a plain object" : `an object of class ${name}`;
  }
  function remedy(value) {
    return value === void 0 ? "return a Response, and look for a path without `return`" : typeof value == "string" ? "return new Response(text)" : typeof value == "object" && value !== null ? "statusCode" in value ? "this is the form of a Lambda handler: export it as `handler`, or return new Response(body, { status })" : "return Response.json(value)" : "return a Response";
  }
  function sendResponse(response) {
    let state = stateIfResponse(response);
    state === void 0 ? failInvalid(response) : sendState(state);
  }
  function sendState(s2) {
    let body = s2.body;
    if (!s2.used && (typeof body == "string" || body === null || isUint8Array(body))) {
      if (s2.status === 0) return failError();
      native.reply(s2.status, s2.headers === null ? s2.flat : flatOf2(s2), body, !1, s2.statusText), replied = !0, waiting === 0 && (done = !0, native.invocationDone());
      return;
    }
    if (isBodyUnusable(s2))
      return native.fail(
        "invalid_response",
        "the body of the Response was read already, or its stream is locked; return response.clone() where the body is read too",
        ""
      ), replyEnded();
    s2.used = !0, native.reply(s2.status, flatOf2(s2), null, !0, s2.statusText), body instanceof HostBody ? pumpHost(body) : pumpStream(body);
  }
  function failError() {
    native.fail("invalid_response", "the handler returned Response.error(), which stands for a failed fetch; return a Response with a status", ""), replyEnded();
  }
  function endReply() {
    native.replyEnd(), replyEnded();
  }
  function breakReply(error) {
    native.replyError(describeText(error)), replyEnded();
  }
  function pumpHost(body) {
    let next2 = () => body.read(write2, breakReply), write2 = (bytes) => {
      if (bytes === null) return endReply();
      startOp("reply_write", "", bytes, next2, (error) => {
        body.cancel(error), replyEnded();
      });
    };
    next2();
  }
  function pumpStream(stream) {
    let reader = acquireReader(stream), next2 = () => promiseThen(reader.read(), write2, breakReply), cancel = (error) => promiseThen(reader.cancel(error), nothing2, nothing2), write2 = ({ done: ended, value }) => {
      if (ended) return endReply();
      if (!isUint8Array(value)) {
        let error = new TypeError(
          `the stream of the Response gave ${nameValue(value)}; its chunks must be Uint8Array: pipe text through new TextEncoderStream()`
        );
        return cancel(error), breakReply(error);
      }
      if (value.byteLength === 0) return next2();
      startOp("reply_write", "", value, next2, (error) => {
        cancel(error), replyEnded();
      });
    };
    next2();
  }
  function dispatchEvent(handler, eventJson, contextObj, env) {
    start();
    let answered = !1, succeed = (value) => {
      if (answered) return;
      answered = !0;
      let json;
      try {
        json = jsonStringify(value);
      } catch (error) {
        failEvent(error);
        return;
      }
      native.replyEvent(json === void 0 ? "null" : json), replyEnded();
    }, fail2 = (error) => {
      answered || (answered = !0, failEvent(error));
    }, callback = (error, value) => {
      error == null ? succeed(value) : fail2(error);
    }, deadline = contextObj.deadlineMs;
    delete contextObj.deadlineMs, contextObj.getRemainingTimeInMillis = () => deadline === void 0 ? 0 : Math.max(0, Math.floor(deadline - (native.timeOrigin() + native.now()))), contextObj.callbackWaitsForEmptyEventLoop ??= !0, contextObj.succeed = succeed, contextObj.fail = fail2, contextObj.done = callback;
    let result;
    try {
      result = apply(handler, void 0, [jsonParse(eventJson), contextObj, callback]);
    } catch (error) {
      fail2(error);
      return;
    }
    if (isThenable(result)) {
      try {
        promiseThen(promiseResolve(result), succeed, fail2);
      } catch (error) {
        fail2(error);
      }
      return;
    }
    result === void 0 && handler.length >= 3 || succeed(result);
  }
  function failEvent(error) {
    if (isErrorLike(error)) {
      let lines = [errorHead(error), ...errorFrames(error).split(`
`).filter((line) => line !== "")];
      native.failEvent(errorName(error), messageOf(error), jsonStringify(lines));
    } else
      native.failEvent(typeof error, typeof error == "string" ? error : inspect(error), "[]");
    replyEnded();
  }
  var headersFlatOf = (response) => flatOf2(responseState(response));

  // src/js/fetch.js
  var nothing3 = () => {
  };
  function fetch(input, init = void 0) {
    try {
      needArguments(arguments.length, 1, "fetch");
      let s2 = requestState(new Request(input, init)), signal = s2.signal ?? (s2.source === null ? null : s2.source[0]);
      if (signal?.aborted)
        return bodyStream(s2)?.cancel(signal.reason).then(nothing3, nothing3), promiseReject(signal.reason);
      if (s2.url.startsWith("data:")) return new PromiseCtor((resolve2) => resolve2(fetchData(s2)));
      if (!s2.url.startsWith("http:") && !s2.url.startsWith("https:"))
        throw new TypeError(`fetch: the scheme of ${s2.url.slice(0, 100)} is not http, https or data`);
      if (native.phase() === 0) throw notInSnapshot("fetch");
      return send(s2, signal);
    } catch (error) {
      return promiseReject(error);
    }
  }
  function metaOf(s2, bytes, streams) {
    let flat = flatOf(s2), headers = [];
    for (let i2 = 0; i2 < flat.length; i2 += 2) headers[i2 >> 1] = [flat[i2], flat[i2 + 1]];
    let hash = s2.url.indexOf("#");
    return jsonStringify({
      method: s2.method,
      url: hash < 0 ? s2.url : s2.url.slice(0, hash),
      headers,
      redirect: s2.options?.redirect ?? "follow",
      hasBody: bytes !== null || streams,
      bodyStream: streams
    });
  }
  function send(s2, signal) {
    return new PromiseCtor((resolve2, reject2) => {
      let op = 0, upload = null, incoming = null, settled = !1, forget = signal === null ? nothing3 : onAbort(signal, (reason) => {
        settled = !0, op !== 0 && cancelOp(op), upload?.abort(reason), incoming?.abort(reason), reject2(reason);
      }), fail2 = (error) => {
        settled || (settled = !0, forget(), op !== 0 && cancelOp(op), upload?.abort(error), reject2(asFetchError(error)));
      }, head = (metaJson) => {
        if (op = 0, settled) return;
        let meta = jsonParse(metaJson), flat = [];
        for (let [name, value] of meta.headers) flat.push(name, value);
        meta.body !== null && meta.body !== void 0 ? incoming = new HostBody(meta.body) : forget(), resolve2(fetchedResponse(meta.status, meta.statusText ?? "", flat, incoming, meta.url ?? s2.url, !!meta.redirected));
      }, body = s2.body;
      if (body === null || typeof body == "string" || isUint8Array(body)) {
        let bytes = typeof body == "string" ? utf8Encode(body) : body;
        s2.used = body !== null, op = startOp("fetch", metaOf(s2, bytes, !1), bytes, head, fail2);
        return;
      }
      op = startOp(
        "fetch_open",
        metaOf(s2, null, !0),
        null,
        (metaJson) => {
          let rid = jsonParse(metaJson).rid;
          upload = new Upload(`{"rid":${rid}}`, s2), op = startOp("fetch_head", `{"rid":${rid}}`, null, head, fail2), upload.run(fail2);
        },
        fail2
      );
    });
  }
  var Upload = class {
    constructor(meta, state) {
      this.meta = meta, this.done = !1;
      let body = state.body;
      if (state.used = !0, body instanceof HostBody)
        this.pull = (onChunk, onErr) => body.read(onChunk, onErr), this.cancel = () => body.cancel();
      else {
        let reader = acquireReader(body);
        this.pull = (onChunk, onErr) => promiseThen(reader.read(), ({ done: done2, value }) => onChunk(done2 ? null : value), onErr), this.cancel = (reason) => promiseThen(reader.cancel(reason), nothing3, nothing3);
      }
    }
    run(fail2) {
      let next2 = () => {
        this.done || this.pull(write2, fail2);
      }, write2 = (chunk) => {
        this.done || (chunk === null ? (this.done = !0, startOp("fetch_close", this.meta, null, nothing3, fail2)) : isUint8Array(chunk) ? startOp("fetch_write", this.meta, chunk, next2, fail2) : fail2(new TypeError("fetch: a chunk of the request body's stream is not a Uint8Array")));
      };
      next2();
    }
    abort(reason) {
      this.done || (this.done = !0, this.cancel(reason), startOp("body_cancel", this.meta, null, nothing3, nothing3));
    }
  };
  function asFetchError(error) {
    return error instanceof TypeError ? error : new TypeError(`fetch failed: ${error?.message ?? error}`, { cause: error });
  }
  function fetchData(s2) {
    let hash = s2.url.indexOf("#"), url = hash < 0 ? s2.url.slice(5) : s2.url.slice(5, hash), comma = url.indexOf(",");
    if (comma < 0) throw new TypeError("fetch: the data: URL has no comma");
    let type = url.slice(0, comma).trim(), bytes = percentDecodeToBytes(url.slice(comma + 1)).slice(), base64 = /; *base64$/i.exec(type);
    if (base64 !== null && (type = type.slice(0, base64.index), bytes = native.base64Decode(native.latin1Decode(bytes)), bytes === null))
      throw new TypeError("fetch: the data: URL is not valid base64");
    type.startsWith(";") && (type = `text/plain${type}`);
    let decoded = percentDecode(type), mime = parseMime(decoded) === null ? "text/plain;charset=US-ASCII" : decoded;
    return fetchedResponse(200, "OK", ["content-type", mime], s2.method === "HEAD" ? null : bytes, s2.url, !1);
  }

  // src/js/math-random.js
  var a2 = -1640531527, b2 = 608135816, c2 = -1209970334, counter = 1;
  function next() {
    let t2 = (a2 + b2 | 0) + counter | 0;
    return counter = counter + 1 | 0, a2 = b2 ^ b2 >>> 9, b2 = c2 + (c2 << 3) | 0, c2 = (c2 << 21 | c2 >>> 11) + t2 | 0, t2 >>> 0;
  }
  function seedRandom(s0, s1, s2, s3) {
    a2 = s0 | 0, b2 = s1 | 0, c2 = s2 | 0, counter = s3 | 0;
  }
  function random2() {
    return ((next() >>> 5) * 67108864 + (next() >>> 6)) / 9007199254740992;
  }

  // src/js/structured-clone.js
  var transferBuffer = ArrayBuffer.prototype.transfer, sizeOfMap = Object.getOwnPropertyDescriptor(Map.prototype, "size").get, sizeOfSet = Object.getOwnPropertyDescriptor(Set.prototype, "size").get, sourceOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "source").get, flagsOf = Object.getOwnPropertyDescriptor(RegExp.prototype, "flags").get, detachedOf = Object.getOwnPropertyDescriptor(ArrayBuffer.prototype, "detached")?.get, typedArrays = new Map(
    [Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, Float32Array, Float64Array, BigInt64Array, BigUint64Array].map(
      (cls) => [cls.name, cls]
    )
  );
  typeof Float16Array == "function" && typedArrays.set("Float16Array", Float16Array);
  var errorClasses2 = { __proto__: null, Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError }, refuse = (what) => new DOMException(`${what} could not be cloned`, "DataCloneError");
  function structuredClone2(value, options = void 0) {
    needArguments(arguments.length, 1, "structuredClone");
    let dictionary = toDictionary(options, "structuredClone: the options"), memory = /* @__PURE__ */ new Map(), transfers = dictionary?.transfer === void 0 ? [] : [...dictionary.transfer], unique = /* @__PURE__ */ new Set();
    for (let item of transfers) {
      if (!isArrayBuffer(item)) throw refuse("an item of the transfer list");
      if (unique.has(item)) throw new DOMException("the transfer list names a buffer twice", "DataCloneError");
      if (isDetached(item)) throw refuse("a detached ArrayBuffer");
      unique.add(item);
    }
    for (let item of unique) clone(item, memory);
    let result = clone(value, memory);
    for (let item of unique) apply(transferBuffer, item, []);
    return result;
  }
  setLengths({ structuredClone: structuredClone2 }, { structuredClone: 1 });
  var isDetached = (buffer2) => detachedOf !== void 0 && apply(detachedOf, buffer2, []), brand = (getter, value) => {
    try {
      return apply(getter, value, []), !0;
    } catch {
      return !1;
    }
  };
  function clone(value, memory) {
    if (typeof value == "symbol") throw refuse(inspect(value));
    if (!isObject(value)) return value;
    let known2 = memory.get(value);
    if (known2 !== void 0) return known2;
    if (typeof value == "function") throw refuse(inspect(value));
    if (Array.isArray(value)) {
      let copy2 = new Array(value.length);
      return memory.set(value, copy2), copyProperties(value, copy2, memory);
    }
    let proto = getPrototypeOf(value);
    if (proto === Object.prototype || proto === null) {
      let tagged = proto === null ? void 0 : cloneExotic(value, memory);
      if (tagged !== void 0) return tagged;
      let copy2 = {};
      return memory.set(value, copy2), copyProperties(value, copy2, memory);
    }
    let special = cloneExotic(value, memory);
    if (special !== void 0) return special;
    if (isPlatformObject(value)) throw refuse(`an object of class ${nameOf(value)}`);
    let copy = {};
    return memory.set(value, copy), copyProperties(value, copy, memory);
  }
  function copyProperties(from, to2, memory) {
    for (let key of Object.keys(from)) {
      if (!Object.hasOwn(from, key)) continue;
      let copy = clone(from[key], memory);
      Object.defineProperty(to2, key, { value: copy, writable: !0, enumerable: !0, configurable: !0 });
    }
    return to2;
  }
  function cloneExotic(value, memory) {
    let keep = (copy) => (memory.set(value, copy), copy);
    if (isArrayBuffer(value)) {
      if (isDetached(value)) throw refuse("a detached ArrayBuffer");
      if (value.resizable) {
        let copy = new ArrayBuffer(value.byteLength, { maxByteLength: value.maxByteLength });
        return new Uint8Array(copy).set(new Uint8Array(value)), keep(copy);
      }
      return keep(apply(ArrayBuffer.prototype.slice, value, [0]));
    }
    if (isSharedArrayBuffer(value)) throw refuse("a SharedArrayBuffer");
    if (isView(value)) {
      let kind = apply(typedArrayTag, value, []), { byteOffset } = value, length = kind === void 0 ? value.byteLength : value.length, buffer2 = clone(value.buffer, memory), cls = kind === void 0 ? DataView : typedArrays.get(kind);
      return keep(new cls(buffer2, byteOffset, length));
    }
    if (value instanceof Date && brand(Date.prototype.getTime, value)) return keep(new Date(Date.prototype.getTime.call(value)));
    if (value instanceof RegExp && Object.prototype.toString.call(value) === "[object RegExp]")
      return keep(new RegExp(sourceOf.call(value), flagsOf.call(value)));
    if (value instanceof Map && brand(sizeOfMap, value)) {
      let copy = keep(/* @__PURE__ */ new Map()), pairs2 = [];
      Map.prototype.forEach.call(value, (item, key) => pairs2.push([key, item]));
      for (let [key, item] of pairs2) copy.set(clone(key, memory), clone(item, memory));
      return copy;
    }
    if (value instanceof Set && brand(sizeOfSet, value)) {
      let copy = keep(/* @__PURE__ */ new Set()), items = [];
      Set.prototype.forEach.call(value, (item) => items.push(item));
      for (let item of items) copy.add(clone(item, memory));
      return copy;
    }
    if (value instanceof Boolean || value instanceof Number || value instanceof String || value instanceof BigInt)
      try {
        let inner = getPrototypeOfBoxed(value).valueOf.call(value);
        return keep(Object(inner));
      } catch {
      }
    if (isDOMException(value)) {
      let copy = keep(new DOMException(value.message, value.name));
      return typeof value.stack == "string" && defineHidden(copy, "stack", value.stack), copy;
    }
    if (isNativeError(value)) return cloneError(value, memory);
    if (isFile(value)) return keep(fileOf(blobBytes(value), value.name, value.type, value.lastModified));
    if (isBlob(value)) return keep(blobOf(blobBytes(value), value.type));
  }
  var getPrototypeOfBoxed = (value) => value instanceof Boolean ? Boolean.prototype : value instanceof Number ? Number.prototype : value instanceof String ? String.prototype : BigInt.prototype, isNativeError = typeof Error.isError == "function" ? (value) => Error.isError(value) : (value) => value instanceof Error, defineHidden = (object, key, value) => Object.defineProperty(object, key, { value, writable: !0, configurable: !0, enumerable: !1 });
  function cloneError(error, memory) {
    let name = `${error.name}`, cls = errorClasses2[name] ?? Error, copy = new cls();
    memory.set(error, copy);
    let message = Object.getOwnPropertyDescriptor(error, "message");
    return message !== void 0 && "value" in message && defineHidden(copy, "message", `${message.value}`), typeof error.stack == "string" && defineHidden(copy, "stack", error.stack), Object.hasOwn(error, "cause") && defineHidden(copy, "cause", clone(error.cause, memory)), copy;
  }
  function nameOf(value) {
    return value.constructor?.name ?? "unknown";
  }
  function isPlatformObject(value) {
    if (value instanceof Promise || value instanceof WeakMap || value instanceof WeakSet || value instanceof WeakRef || Object.prototype.toString.call(value) === "[object Generator]") return !0;
    for (let cls of platformClasses) if (value instanceof cls) return !0;
    return !1;
  }
  var platformClasses = [];
  function refuseToClone(classes) {
    platformClasses.push(...classes);
  }

  // src/js/performance.js
  var INTERNAL3 = /* @__PURE__ */ Symbol("internal"), entries = [], PerformanceEntry = class {
    #name;
    #type;
    #start;
    #duration;
    constructor(key, name, type, start2, duration) {
      if (key !== INTERNAL3) throw new TypeError("Illegal constructor");
      this.#name = name, this.#type = type, this.#start = start2, this.#duration = duration;
    }
    get name() {
      return this.#name;
    }
    get entryType() {
      return this.#type;
    }
    get startTime() {
      return this.#start;
    }
    get duration() {
      return this.#duration;
    }
    toJSON() {
      return { name: this.#name, entryType: this.#type, startTime: this.#start, duration: this.#duration };
    }
  };
  defineInterface(PerformanceEntry, "PerformanceEntry", 0);
  var detailOf = (options) => options?.detail === void 0 || options.detail === null ? null : structuredClone2(options.detail), PerformanceMark = class extends PerformanceEntry {
    #detail;
    constructor(name, options = void 0) {
      needArguments(arguments.length, 1, "PerformanceMark");
      let start2 = options?.startTime === void 0 ? native.now() : Number(options.startTime);
      if (!(start2 >= 0)) throw new TypeError("PerformanceMark: startTime is negative or not a number");
      super(INTERNAL3, toDOMString(name), "mark", start2, 0), this.#detail = detailOf(options);
    }
    get detail() {
      return this.#detail;
    }
  };
  defineInterface(PerformanceMark, "PerformanceMark", 1);
  var PerformanceMeasure = class extends PerformanceEntry {
    #detail;
    constructor(key, name, start2, duration, detail) {
      if (key !== INTERNAL3) throw new TypeError("Illegal constructor");
      super(INTERNAL3, name, "measure", start2, duration), this.#detail = detail;
    }
    get detail() {
      return this.#detail;
    }
  };
  defineInterface(PerformanceMeasure, "PerformanceMeasure", 0);
  function timeOf(mark) {
    if (typeof mark == "number") return mark;
    let name = toDOMString(mark);
    for (let i2 = entries.length - 1; i2 >= 0; i2--)
      if (entries[i2].entryType === "mark" && entries[i2].name === name) return entries[i2].startTime;
    throw new DOMException(`the mark "${name}" does not exist`, "SyntaxError");
  }
  var byStart = (list2) => list2.sort((x2, y2) => x2.startTime - y2.startTime), Performance = class extends EventTarget {
    constructor(key) {
      if (key !== INTERNAL3) throw new TypeError("Illegal constructor");
      super();
    }
    now() {
      return native.now();
    }
    get timeOrigin() {
      return native.timeOrigin();
    }
    mark(name, options = void 0) {
      needArguments(arguments.length, 1, "performance.mark");
      let entry = new PerformanceMark(name, options);
      return entries.push(entry), entry;
    }
    measure(name, startOrOptions = void 0, endMark = void 0) {
      needArguments(arguments.length, 1, "performance.measure");
      let options = typeof startOrOptions == "object" && startOrOptions !== null ? startOrOptions : void 0, startMark = options === void 0 ? startOrOptions : options.start, until = options === void 0 ? endMark : options.end, end;
      until !== void 0 ? end = timeOf(until) : options?.start !== void 0 && options.duration !== void 0 ? end = timeOf(options.start) + Number(options.duration) : end = native.now();
      let start2 = 0;
      startMark !== void 0 ? start2 = timeOf(startMark) : options?.duration !== void 0 && (start2 = end - Number(options.duration));
      let entry = new PerformanceMeasure(INTERNAL3, toDOMString(name), start2, end - start2, detailOf(options));
      return entries.push(entry), entry;
    }
    clearMarks(name = void 0) {
      entries = entries.filter((entry) => entry.entryType !== "mark" || name !== void 0 && entry.name !== `${name}`);
    }
    clearMeasures(name = void 0) {
      entries = entries.filter((entry) => entry.entryType !== "measure" || name !== void 0 && entry.name !== `${name}`);
    }
    getEntries() {
      return byStart(entries.slice());
    }
    getEntriesByType(type) {
      return byStart(entries.filter((entry) => entry.entryType === `${type}`));
    }
    getEntriesByName(name, type = void 0) {
      return byStart(entries.filter((entry) => entry.name === `${name}` && (type === void 0 || entry.entryType === `${type}`)));
    }
    toJSON() {
      return { timeOrigin: native.timeOrigin() };
    }
  };
  defineInterface(Performance, "Performance", 0);
  var performance = new Performance(INTERNAL3);
  function resetPerformance() {
    entries.length > 0 && (entries = []);
  }

  // src/js/printers.js
  var printable = (test) => (value) => {
    try {
      return test(value);
    } catch {
      return !1;
    }
  }, register = (test, print) => registerPrinter(printable(test), print), live = (cls, getter) => {
    let get = Object.getOwnPropertyDescriptor(cls.prototype, getter).get;
    return (value) => value instanceof cls ? (get.call(value), !0) : !1;
  };
  function toRecord(pairs2) {
    let record = { __proto__: null };
    for (let [name, value] of pairs2)
      name in record ? Array.isArray(record[name]) ? record[name].push(value) : record[name] = [record[name], value] : record[name] = value;
    return quoteKeys(record);
  }
  function quoteKeys(record) {
    let quoted = {};
    for (let key of Object.keys(record)) quoted[/^[A-Za-z_$][\w$]*$/.test(key) ? key : `'${key}'`] = record[key];
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
      hash: url.hash
    }
  ]);
  register(isFile, (file) => ["File", { size: file.size, type: file.type, name: file.name, lastModified: file.lastModified }]);
  register(isBlob, (blob) => ["Blob", { size: blob.size, type: blob.type }]);
  register(isRequest, (request) => [
    "Request",
    { method: request.method, url: request.url, headers: request.headers, redirect: request.redirect, bodyUsed: request.bodyUsed }
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
      url: response.url
    }
  ]);
  register(isAbortSignal, (signal) => ["AbortSignal", { aborted: signal.aborted }]);
  register(isReadableStream, (stream) => ["ReadableStream", { locked: stream.locked }]);
  register(live(Event, "type"), (event) => [
    event.constructor?.name ?? "Event",
    { type: event.type, defaultPrevented: event.defaultPrevented, cancelable: event.cancelable, timeStamp: event.timeStamp }
  ]);

  // src/js/timers.js
  var timers2 = safeMap(), lastId = 0;
  function delayOf(value) {
    let ms = Math.trunc(Number(value));
    return ms > 0 && ms <= 2147483647 ? ms : 0;
  }
  function add(callback, delay, args, repeats, name) {
    if (typeof callback != "function") throw new TypeError(`${name}: the callback is not a function`);
    requireInvocation(name);
    let id = ++lastId, ms = delayOf(delay), timer = { op: 0, callback, args, every: repeats ? Math.max(ms, 1) : -1 };
    return timers2.set(id, timer), arm(id, timer, repeats ? timer.every : ms), id;
  }
  function arm(id, timer, ms) {
    timer.op = startOp("timer", `{"ms":${ms}}`, null, () => run(id, timer), reportException);
  }
  function run(id, timer) {
    timer.every < 0 && timers2.delete(id);
    try {
      apply(timer.callback, globalThis, timer.args);
    } catch (error) {
      reportException(error);
    }
    timer.every >= 0 && timers2.get(id) === timer && arm(id, timer, timer.every);
  }
  function clear(id) {
    let key = Number(id), timer = timers2.get(key);
    timer !== void 0 && (timers2.delete(key), cancelOp(timer.op));
  }
  function setTimeout(callback, delay = 0, ...args) {
    return needArguments(arguments.length, 1, "setTimeout"), add(callback, delay, args, !1, "setTimeout");
  }
  function setInterval(callback, delay = 0, ...args) {
    return needArguments(arguments.length, 1, "setInterval"), add(callback, delay, args, !0, "setInterval");
  }
  function clearTimeout(id = void 0) {
    clear(id);
  }
  function clearInterval(id = void 0) {
    clear(id);
  }
  var resolved = Promise.resolve();
  function queueMicrotask2(callback) {
    if (needArguments(arguments.length, 1, "queueMicrotask"), typeof callback != "function") throw new TypeError("queueMicrotask: the callback is not a function");
    promiseThen(resolved, () => {
      try {
        apply(callback, void 0, []);
      } catch (error) {
        reportException(error);
      }
    });
  }

  // src/js/main.js
  var Navigator = class {
    get userAgent() {
      return "Mayfly";
    }
    get language() {
      return "en";
    }
    get hardwareConcurrency() {
      return 1;
    }
  };
  defineInterface(Navigator, "Navigator", 0);
  var interfaces = {
    AbortController: AbortController2,
    AbortSignal,
    Blob,
    ByteLengthQueuingStrategy,
    CountQueuingStrategy,
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
    ReadableByteStreamController,
    ReadableStream,
    ReadableStreamBYOBReader,
    ReadableStreamBYOBRequest,
    ReadableStreamDefaultController,
    ReadableStreamDefaultReader,
    Request,
    Response,
    TextDecoder,
    TextDecoderStream,
    TextEncoder,
    TextEncoderStream,
    TransformStream,
    TransformStreamDefaultController,
    URL,
    URLSearchParams,
    WritableStream,
    WritableStreamDefaultController,
    WritableStreamDefaultWriter
  };
  for (let name of Object.keys(interfaces)) {
    let value = interfaces[name];
    value !== void 0 && (value.name !== name && Object.defineProperty(value, "name", { value: name, configurable: !0 }), Object.defineProperty(globalThis, name, { value, writable: !0, enumerable: !1, configurable: !0 }));
  }
  refuseToClone(
    Object.values(interfaces).filter((cls) => cls !== void 0 && cls !== Blob && cls !== File && cls !== DOMException)
  );
  function reportError(error) {
    needArguments(arguments.length, 1, "reportError"), reportException(error);
  }
  function addEventListener(type, callback, options = void 0) {
    if (`${type}` == "fetch" || `${type}` == "scheduled")
      throw new TypeError(`addEventListener("${type}", ...) is not how a handler is given here; write export default { fetch(request, env, ctx) { ... } }`);
    globalTarget().addEventListener(type, callback, options);
  }
  function removeEventListener(type, callback, options = void 0) {
    globalTarget().removeEventListener(type, callback, options);
  }
  function dispatchEventOnGlobal(event) {
    return globalTarget().dispatchEvent(event);
  }
  Object.defineProperty(dispatchEventOnGlobal, "name", { value: "dispatchEvent", configurable: !0 });
  var operations = {
    addEventListener,
    atob,
    btoa,
    clearInterval,
    clearTimeout,
    dispatchEvent: dispatchEventOnGlobal,
    fetch,
    queueMicrotask: queueMicrotask2,
    removeEventListener,
    reportError,
    setInterval,
    setTimeout,
    structuredClone: structuredClone2
  }, lengths = { addEventListener: 2, removeEventListener: 2, fetch: 1, setTimeout: 1, setInterval: 1, clearTimeout: 0, clearInterval: 0 };
  for (let name of Object.keys(operations)) {
    let value = operations[name];
    value.name !== name && Object.defineProperty(value, "name", { value: name, configurable: !0 }), lengths[name] !== void 0 && Object.defineProperty(value, "length", { value: lengths[name], configurable: !0 }), Object.defineProperty(globalThis, name, { value, writable: !0, enumerable: !0, configurable: !0 });
  }
  var process = { env: {} }, namespaces = { console, crypto, navigator: new Navigator(), performance, process, self: globalThis };
  for (let name of Object.keys(namespaces))
    Object.defineProperty(globalThis, name, { value: namespaces[name], writable: !0, enumerable: name !== "console", configurable: !0 });
  for (let name of ["onerror", "onunhandledrejection", "onrejectionhandled"])
    Object.defineProperty(globalThis, name, { value: null, writable: !0, enumerable: !0, configurable: !0 });
  Object.defineProperty(Math, "random", { value: random2, writable: !0, configurable: !0 });
  function begin(s0, s1, s2, s3) {
    seedRandom(s0, s1, s2, s3), resetPerformance();
  }
  function setEnv(env) {
    process.env = env;
  }
  var hooks = {
    begin,
    settle,
    dispatchFetch,
    dispatchEvent,
    clientLeft,
    unhandledRejection,
    describe,
    describeText,
    headersFlatOf,
    setEnv
  };
  return __toCommonJS(main_exports);
})();
