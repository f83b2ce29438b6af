// Values as text for logs, in the manner of Node's util.inspect.
import { isArrayBuffer, isSharedArrayBuffer, isView } from "./primordials.js";

const breakLength = 80;
const maxItems = 100;
const maxString = 10000;
const custom = Symbol.for("nodejs.util.inspect.custom");

// Interfaces of this layer keep their state in private fields, so they say how they look.
const printers = [];

/** `print(value)` gives [prefix, record] for values that `test` accepts. */
export function registerPrinter(test, print) {
  printers.push({ test, print });
}

export function inspect(value, options = undefined) {
  const depth = options?.depth === undefined ? 2 : options.depth === null ? Infinity : Number(options.depth);
  const context = { depth, showHidden: !!options?.showHidden, seen: [], circular: new Map(), indent: 0, level: 0, budget: 20000 };
  try {
    return format(context, value, 0, false);
  } catch {
    return "[value that cannot be shown]";
  }
}

export function quote(text) {
  const mark = !text.includes("'") ? "'" : !text.includes('"') ? '"' : !text.includes("`") && !text.includes("${") ? "`" : "'";
  let result = mark;
  for (const char of text) {
    const code = char.codePointAt(0);
    if (char === mark || char === "\\") result += `\\${char}`;
    else if (char === "\n") result += "\\n";
    else if (char === "\t") result += "\\t";
    else if (char === "\r") result += "\\r";
    else if (char === "\b") result += "\\b";
    else if (char === "\f") result += "\\f";
    else if (char === "\v") result += "\\v";
    else if (code < 0x20 || (code >= 0x7f && code <= 0x9f)) result += `\\x${code.toString(16).toUpperCase().padStart(2, "0")}`;
    else if (code >= 0xd800 && code <= 0xdfff) result += `\\u${code.toString(16).toUpperCase()}`;
    else result += char;
  }
  return result + mark;
}

function format(context, value, level, typed) {
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
  if (context.budget-- <= 0) return "...";
  const method = value[custom];
  if (typeof method === "function") {
    const shown = method.call(value, context.depth - level, {}, inspect);
    if (shown !== value) return typeof shown === "string" ? shown : format(context, shown, level, typed);
  }
  if (context.seen.includes(value)) {
    let index = context.circular.get(value);
    if (index === undefined) context.circular.set(value, (index = context.circular.size + 1));
    return `[Circular *${index}]`;
  }
  const text = formatObject(context, value, level);
  const index = context.circular.get(value);
  return index === undefined ? text : `<ref *${index}> ${text}`;
}

function formatString(value) {
  if (value.length <= maxString) return quote(value);
  const more = value.length - maxString;
  return `${quote(value.slice(0, maxString))}... ${more} more character${more === 1 ? "" : "s"}`;
}

function classNameOf(value) {
  for (let object = value; object !== null; object = Object.getPrototypeOf(object)) {
    const descriptor = Object.getOwnPropertyDescriptor(object, "constructor");
    if (descriptor !== undefined && typeof descriptor.value === "function" && descriptor.value.name !== "") return descriptor.value.name;
  }
  return null;
}

function prefixOf(value, fallback, size) {
  const name = classNameOf(value);
  const base = name === null ? `[${fallback}: null prototype]` : name;
  const tag = value[Symbol.toStringTag];
  const suffix = typeof tag === "string" && tag !== "" && tag !== name ? ` [${tag}]` : "";
  return `${base}${size === undefined ? "" : `(${size})`}${suffix} `;
}

const isIndex = (key) => typeof key === "string" && /^(0|[1-9]\d{0,9})$/.test(key);

function keysOf(value, skipIndices) {
  const keys = [];
  for (const key of Reflect.ownKeys(value)) {
    if (skipIndices && isIndex(key)) continue;
    if (Object.prototype.propertyIsEnumerable.call(value, key)) keys.push(key);
  }
  return keys;
}

function formatObject(context, value, level) {
  for (const { test, print } of printers) {
    if (!test(value)) continue;
    const [prefix, record] = print(value);
    if (record === undefined) return prefix;
    return list(context, value, level, `${prefix} {`, "}", Object.keys(record), (key) => `${key}: ${format(context, record[key], level + 1)}`, []);
  }
  if (Array.isArray(value)) return formatArray(context, value, level);
  if (typeof value === "function") return formatFunction(context, value, level);
  if (value instanceof Error) return formatError(context, value, level);
  if (value instanceof Map && isMap(value)) {
    const rows = () => [...value].map(([key, item]) => `${format(context, key, level + 1)} => ${format(context, item, level + 1)}`);
    return container(context, value, level, prefixOf(value, "Map", value.size), rows);
  }
  if (value instanceof Set && isSet(value)) {
    const rows = () => [...value].map((item) => format(context, item, level + 1));
    return container(context, value, level, prefixOf(value, "Set", value.size), rows);
  }
  if (isView(value)) {
    if (value instanceof DataView) {
      const rows = () => [
        `byteLength: ${value.byteLength}`,
        `byteOffset: ${value.byteOffset}`,
        `buffer: ${format(context, value.buffer, level + 1)}`,
      ];
      return container(context, value, level, "DataView ", rows);
    }
    return formatArray(context, value, level);
  }
  if (isArrayBuffer(value) || isSharedArrayBuffer(value)) {
    const name = isArrayBuffer(value) ? "ArrayBuffer" : "SharedArrayBuffer";
    const rows = () => [`[Uint8Contents]: <${hexOf(value)}>`, `byteLength: ${value.byteLength}`];
    return container(context, value, level, `${name} `, rows);
  }
  if (value instanceof Promise) return `${prefixOf(value, "Promise")}{}`;
  if (value instanceof WeakMap || value instanceof WeakSet) return `${prefixOf(value, "WeakSet")}{ <items unknown> }`;
  const boxed = boxedText(value);
  if (boxed !== null) {
    const keys = keysOf(value, value instanceof String);
    if (keys.length === 0) return boxed;
    return list(context, value, level, `{ ${boxed}`, "}", keys, (key) => property(context, value, key, level), []);
  }
  const keys = keysOf(value, false);
  const prefix = prefixOf(value, "Object");
  const shown = prefix === "Object " ? "" : prefix;
  return list(context, value, level, `${shown}{`, "}", keys, (key) => property(context, value, key, level), []);
}

function boxedText(value) {
  try {
    if (value instanceof Date) {
      const time = Date.prototype.getTime.call(value);
      return Number.isNaN(time) ? "Invalid Date" : Date.prototype.toISOString.call(value);
    }
    if (value instanceof RegExp) return RegExp.prototype.toString.call(value);
    if (value instanceof String) return `[String: ${quote(String.prototype.valueOf.call(value))}]`;
    if (value instanceof Number) return `[Number: ${Number.prototype.valueOf.call(value)}]`;
    if (value instanceof Boolean) return `[Boolean: ${Boolean.prototype.valueOf.call(value)}]`;
    if (value instanceof BigInt) return `[BigInt: ${BigInt.prototype.valueOf.call(value)}n]`;
    if (value instanceof Symbol) return `[Symbol: ${Symbol.prototype.toString.call(value)}]`;
  } catch {}
  return null;
}

const mapSize = Object.getOwnPropertyDescriptor(Map.prototype, "size").get;
const setSize = Object.getOwnPropertyDescriptor(Set.prototype, "size").get;
const isMap = (value) => succeeds(() => mapSize.call(value));
const isSet = (value) => succeeds(() => setSize.call(value));

function succeeds(action) {
  try {
    action();
    return true;
  } catch {
    return false;
  }
}

function hexOf(buffer) {
  const bytes = new Uint8Array(buffer);
  const shown = Array.from(bytes.subarray(0, 50), (byte) => byte.toString(16).padStart(2, "0")).join(" ");
  return bytes.length > 50 ? `${shown} ... ${bytes.length - 50} more bytes` : shown;
}

function container(context, value, level, prefix, rows) {
  const keys = keysOf(value, isView(value));
  return list(context, value, level, `${prefix}{`, "}", keys, (key) => property(context, value, key, level), rows);
}

function formatArray(context, value, level) {
  const plain = Array.isArray(value);
  const name = classNameOf(value);
  const prefix = plain && name === "Array" ? "" : `${prefixOf(value, "Array", value.length)}`;
  const rows = () => {
    const items = [];
    let holes = 0;
    const flush = () => {
      if (holes > 0) items.push(`<${holes} empty item${holes === 1 ? "" : "s"}>`);
      holes = 0;
    };
    let index = 0;
    for (; index < value.length && items.length < maxItems; index++) {
      if (plain && !Object.hasOwn(value, index)) {
        holes++;
        continue;
      }
      flush();
      items.push(format(context, value[index], level + 1));
    }
    flush();
    const more = value.length - index;
    if (more > 0) items.push(`... ${more} more item${more === 1 ? "" : "s"}`);
    return items;
  };
  const keys = keysOf(value, true);
  return list(context, value, level, `${prefix}[`, "]", keys, (key) => property(context, value, key, level), rows, true);
}

function formatFunction(context, value, level) {
  const source = Function.prototype.toString.call(value);
  const isClass = /^class\b/.test(source) && !/^class\s*\(/.test(source);
  let base;
  if (isClass) {
    const parent = Object.getPrototypeOf(value);
    const extend = typeof parent === "function" && parent.name !== "" ? ` extends ${parent.name}` : "";
    base = `[class ${value.name === "" ? "(anonymous)" : value.name}${extend}]`;
  } else {
    const kind = classNameOf(value) ?? "Function";
    base = `[${kind}${value.name === "" || typeof value.name !== "string" ? " (anonymous)" : `: ${value.name}`}]`;
  }
  const keys = keysOf(value, false);
  if (keys.length === 0) return base;
  return list(context, value, level, `${base} {`, "}", keys, (key) => property(context, value, key, level), []);
}

function formatError(context, error, level) {
  const name = typeof error.name === "string" && error.name !== "" ? error.name : "Error";
  const className = classNameOf(error);
  const head = name === "Error" && className !== null && className !== "Error" ? className : name;
  const message = `${error.message}`;
  const title = message === "" ? head : `${head}: ${message}`;
  // Some engines put the title before the frames in `stack`, this one does not.
  const stack = typeof error.stack === "string" ? error.stack.split("\n") : [];
  const first = stack.findIndex((line) => /^\s+at /.test(line));
  const frames = first < 0 ? [] : stack.slice(first).filter((line) => line.trim() !== "");
  const pad = " ".repeat(context.indent);
  const base = frames.length === 0 ? `[${title}]` : [title, ...frames].join(`\n${pad}`);
  const keys = keysOf(error, false).filter((key) => key !== "stack" && key !== "message" && key !== "cause" && key !== "errors");
  const extra = () => {
    const rows = [];
    if (Object.hasOwn(error, "cause")) rows.push(`[cause]: ${format(context, error.cause, level + 1)}`);
    if (Array.isArray(error.errors)) rows.push(`[errors]: ${format(context, error.errors, level + 1)}`);
    return rows;
  };
  if (keys.length === 0 && !Object.hasOwn(error, "cause") && !Array.isArray(error.errors)) return base;
  return list(context, error, level, `${base} {`, "}", keys, (key) => property(context, error, key, level), extra);
}

function property(context, value, key, level) {
  const descriptor = Reflect.getOwnPropertyDescriptor(value, key);
  let text;
  if (descriptor === undefined) text = format(context, value[key], level + 1);
  else if ("value" in descriptor) text = format(context, descriptor.value, level + 1);
  else if (descriptor.get !== undefined) text = descriptor.set !== undefined ? "[Getter/Setter]" : "[Getter]";
  else text = "[Setter]";
  const name = typeof key === "symbol" ? `[${key.toString()}]` : /^[A-Za-z_$][\w$]*$/.test(key) ? key : quote(key);
  return `${name}: ${text}`;
}

/** Rows, then keys, between two brackets: in one line where that is short and shallow. */
function list(context, value, level, open, close, keys, show, rows, isList = false) {
  if (level > context.depth) {
    const name = Array.isArray(value) ? "Array" : (classNameOf(value) ?? "Object: null prototype");
    return `[${name}]`;
  }
  context.seen.push(value);
  context.indent += 2;
  context.level = level;
  const output = typeof rows === "function" ? rows() : [];
  const count = output.length;
  for (const key of keys) output.push(show(key));
  context.indent -= 2;
  context.seen.pop();
  if (output.length === 0) return open.endsWith("[") || open.endsWith("{") ? `${open}${close}` : `${open} ${close}`;
  const pad = " ".repeat(context.indent);
  const total = output.reduce((sum, item) => sum + item.length + 2, 0);
  // Node writes at most three levels into one line.
  const shallow = context.level - level < 3;
  const oneLine = !output.some((item) => item.includes("\n")) && !open.includes("\n");
  if (shallow && oneLine && total + open.length + context.indent + 6 <= breakLength) return `${open} ${output.join(", ")} ${close}`;
  if (isList && count > 6 && count === output.length && oneLine && output.every((item) => item.length <= 16)) {
    return `${open}\n${pad}  ${fill(output, breakLength - context.indent - 4, `\n${pad}  `)}\n${pad}${close}`;
  }
  return `${open}\n${pad}  ${output.join(`,\n${pad}  `)}\n${pad}${close}`;
}

function fill(items, width, newline) {
  let text = "";
  let column = 0;
  items.forEach((item, index) => {
    const part = index === items.length - 1 ? item : `${item},`;
    if (column > 0 && column + part.length + 1 > width) {
      text += newline;
      column = 0;
    } else if (column > 0) {
      text += " ";
      column++;
    }
    text += part;
    column += part.length;
  });
  return text;
}

/** The text of console.log's arguments: %-substitution in the first, the rest joined by spaces. */
export function formatLog(args) {
  if (args.length === 1 && typeof args[0] === "string") return args[0];
  let text = "";
  let next = 0;
  if (args.length > 1 && typeof args[0] === "string") {
    next = 1;
    text = args[0].replace(/%[sdifjoOc%]/g, (directive) => {
      if (directive === "%%") return "%";
      if (next >= args.length) return directive;
      return substitute(directive, args[next++]);
    });
  }
  for (; next < args.length; next++) {
    const part = typeof args[next] === "string" ? args[next] : inspect(args[next]);
    text = next === 0 ? part : `${text} ${part}`;
  }
  return text;
}

function substitute(directive, value) {
  switch (directive) {
    case "%s":
      if (typeof value === "string") return value;
      if (typeof value === "object" && value !== null && !(value instanceof Error)) return inspect(value, { depth: 0 });
      if (typeof value === "bigint") return `${value}n`;
      return Object.is(value, -0) ? "-0" : String(value);
    case "%d":
      if (typeof value === "bigint") return `${value}n`;
      return typeof value === "symbol" ? "NaN" : inspect(Number(value));
    case "%i":
      if (typeof value === "bigint") return `${value}n`;
      return typeof value === "symbol" ? "NaN" : inspect(parseInt(value));
    case "%f":
      return typeof value === "symbol" ? "NaN" : `${parseFloat(value)}`;
    case "%j":
      try {
        return `${JSON.stringify(value)}`;
      } catch {
        return "[Circular]";
      }
    case "%o":
      return inspect(value, { depth: 4, showHidden: true });
    case "%O":
      return inspect(value);
  }
  return ""; // %c is for colours
}
