import { native } from "./native.js";
import { formatLog, inspect } from "./inspect.js";

let indent = "";
const counts = new Map();
const timers = new Map();

function write(level, text) {
  if (indent !== "") text = indent + text.replaceAll("\n", `\n${indent}`);
  native.log(level, text);
}

const label = (value) => (value === undefined ? "default" : `${value}`);

function elapsed(start) {
  const ms = native.now() - start;
  return ms >= 1000 ? `${(ms / 1000).toFixed(3)}s` : `${Number(ms.toFixed(3))}ms`;
}

export const console = {
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
    const frames = `${new Error().stack ?? ""}`.split("\n").filter((line) => /^\s+at /.test(line)).slice(1);
    const text = formatLog(args);
    write("debug", [text === "" ? "Trace" : `Trace: ${text}`, ...frames].join("\n"));
  },
  assert(condition = false, ...args) {
    if (condition) return;
    if (typeof args[0] === "string") args[0] = `Assertion failed: ${args[0]}`;
    else args.unshift("Assertion failed");
    write("error", formatLog(args));
  },
  dir(value, options = undefined) {
    write("log", inspect(value, options));
  },
  dirxml(...args) {
    write("log", formatLog(args));
  },
  table(data, columns = undefined) {
    write("log", typeof data === "object" && data !== null ? table(data, columns) : formatLog([data]));
  },
  group(...args) {
    if (args.length > 0) write("log", formatLog(args));
    indent += "  ";
  },
  groupCollapsed(...args) {
    console.group(...args);
  },
  groupEnd() {
    indent = indent.slice(2);
  },
  count(name = undefined) {
    const key = label(name);
    const count = (counts.get(key) ?? 0) + 1;
    counts.set(key, count);
    write("log", `${key}: ${count}`);
  },
  countReset(name = undefined) {
    const key = label(name);
    if (!counts.delete(key)) write("warn", `Count for '${key}' does not exist`);
  },
  time(name = undefined) {
    const key = label(name);
    if (timers.has(key)) write("warn", `Timer '${key}' exists already`);
    else timers.set(key, native.now());
  },
  timeLog(name = undefined, ...args) {
    const key = label(name);
    const start = timers.get(key);
    if (start === undefined) write("warn", `Timer '${key}' does not exist`);
    else write("log", formatLog([`${key}: ${elapsed(start)}`, ...args]));
  },
  timeEnd(name = undefined) {
    const key = label(name);
    const start = timers.get(key);
    if (start === undefined) {
      write("warn", `Timer '${key}' does not exist`);
      return;
    }
    timers.delete(key);
    write("log", `${key}: ${elapsed(start)}`);
  },
  timeStamp() {},
  clear() {},
};
Object.defineProperty(console, Symbol.toStringTag, { value: "console", configurable: true });

function table(data, columns) {
  const rows = data instanceof Map ? [...data] : Object.entries(data);
  const names = columns === undefined ? [] : [...columns].map((name) => `${name}`);
  let values = false;
  for (const [, row] of rows) {
    if (typeof row !== "object" || row === null) values = true;
    else if (columns === undefined) for (const name of Object.keys(row)) if (!names.includes(name)) names.push(name);
  }
  const head = ["(index)", ...names, ...(values ? ["Values"] : [])];
  const lines = rows.map(([index, row]) => {
    const isObject = typeof row === "object" && row !== null;
    const cells = names.map((name) => (isObject && Object.hasOwn(row, name) ? inspect(row[name], { depth: 0 }) : ""));
    return [`${typeof index === "string" ? index : inspect(index)}`, ...cells, ...(values ? [isObject ? "" : inspect(row)] : [])];
  });
  const widths = head.map((name, column) => Math.max(name.length, ...lines.map((line) => line[column].length)) + 2);
  const rule = (left, middle, right) => left + widths.map((width) => "─".repeat(width)).join(middle) + right;
  const show = (cells) => `│${cells.map((cell, column) => ` ${cell.padEnd(widths[column] - 1)}`).join("│")}│`;
  return [rule("┌", "┬", "┐"), show(head), rule("├", "┼", "┤"), ...lines.map(show), rule("└", "┴", "┘")].join("\n");
}
