import { native } from "./native.js";
import { DOMException } from "./dom-exception.js";
import { EventTarget } from "./events.js";
import { structuredClone } from "./structured-clone.js";
import { defineInterface, needArguments, toDOMString } from "./webidl.js";

const INTERNAL = Symbol("internal");
let entries = [];

export class PerformanceEntry {
  #name;
  #type;
  #start;
  #duration;
  constructor(key, name, type, start, duration) {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
    this.#name = name;
    this.#type = type;
    this.#start = start;
    this.#duration = duration;
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
}
defineInterface(PerformanceEntry, "PerformanceEntry", 0);

const detailOf = (options) =>
  options?.detail === undefined || options.detail === null ? null : structuredClone(options.detail);

export class PerformanceMark extends PerformanceEntry {
  #detail;
  constructor(name, options = undefined) {
    needArguments(arguments.length, 1, "PerformanceMark");
    const start = options?.startTime === undefined ? native.now() : Number(options.startTime);
    if (!(start >= 0)) throw new TypeError("PerformanceMark: startTime is negative or not a number");
    super(INTERNAL, toDOMString(name), "mark", start, 0);
    this.#detail = detailOf(options);
  }
  get detail() {
    return this.#detail;
  }
}
defineInterface(PerformanceMark, "PerformanceMark", 1);

export class PerformanceMeasure extends PerformanceEntry {
  #detail;
  constructor(key, name, start, duration, detail) {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
    super(INTERNAL, name, "measure", start, duration);
    this.#detail = detail;
  }
  get detail() {
    return this.#detail;
  }
}
defineInterface(PerformanceMeasure, "PerformanceMeasure", 0);

function timeOf(mark) {
  if (typeof mark === "number") return mark;
  const name = toDOMString(mark);
  for (let i = entries.length - 1; i >= 0; i--) {
    if (entries[i].entryType === "mark" && entries[i].name === name) return entries[i].startTime;
  }
  throw new DOMException(`the mark "${name}" does not exist`, "SyntaxError");
}

const byStart = (list) => list.sort((x, y) => x.startTime - y.startTime);

export class Performance extends EventTarget {
  constructor(key) {
    if (key !== INTERNAL) throw new TypeError("Illegal constructor");
    super();
  }
  now() {
    return native.now();
  }
  get timeOrigin() {
    return native.timeOrigin();
  }
  mark(name, options = undefined) {
    needArguments(arguments.length, 1, "performance.mark");
    const entry = new PerformanceMark(name, options);
    entries.push(entry);
    return entry;
  }
  measure(name, startOrOptions = undefined, endMark = undefined) {
    needArguments(arguments.length, 1, "performance.measure");
    const options = typeof startOrOptions === "object" && startOrOptions !== null ? startOrOptions : undefined;
    const startMark = options === undefined ? startOrOptions : options.start;
    const until = options === undefined ? endMark : options.end;
    let end;
    if (until !== undefined) end = timeOf(until);
    else if (options?.start !== undefined && options.duration !== undefined) end = timeOf(options.start) + Number(options.duration);
    else end = native.now();
    let start = 0;
    if (startMark !== undefined) start = timeOf(startMark);
    else if (options?.duration !== undefined) start = end - Number(options.duration);
    const entry = new PerformanceMeasure(INTERNAL, toDOMString(name), start, end - start, detailOf(options));
    entries.push(entry);
    return entry;
  }
  clearMarks(name = undefined) {
    entries = entries.filter((entry) => entry.entryType !== "mark" || (name !== undefined && entry.name !== `${name}`));
  }
  clearMeasures(name = undefined) {
    entries = entries.filter((entry) => entry.entryType !== "measure" || (name !== undefined && entry.name !== `${name}`));
  }
  getEntries() {
    return byStart(entries.slice());
  }
  getEntriesByType(type) {
    return byStart(entries.filter((entry) => entry.entryType === `${type}`));
  }
  getEntriesByName(name, type = undefined) {
    return byStart(entries.filter((entry) => entry.name === `${name}` && (type === undefined || entry.entryType === `${type}`)));
  }
  toJSON() {
    return { timeOrigin: native.timeOrigin() };
  }
}
defineInterface(Performance, "Performance", 0);

export const performance = new Performance(INTERNAL);

/** Marks set while the module loaded count from another origin. */
export function resetPerformance() {
  if (entries.length > 0) entries = [];
}
