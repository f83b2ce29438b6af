import { requireInvocation } from "./native.js";
import { cancelOp, startOp } from "./ops.js";
import { apply, promiseThen, safeMap } from "./primordials.js";
import { reportException } from "./report.js";
import { needArguments } from "./webidl.js";

const timers = safeMap(); // id -> {op, callback, args, every}
let lastId = 0;

function delayOf(value) {
  const ms = Math.trunc(Number(value));
  // As browsers do: what does not fit a signed 32-bit integer waits for the shortest time.
  return ms > 0 && ms <= 0x7fffffff ? ms : 0;
}

function add(callback, delay, args, repeats, name) {
  if (typeof callback !== "function") throw new TypeError(`${name}: the callback is not a function`);
  requireInvocation(name);
  const id = ++lastId;
  const ms = delayOf(delay);
  const timer = { op: 0, callback, args, every: repeats ? Math.max(ms, 1) : -1 };
  timers.set(id, timer);
  arm(id, timer, repeats ? timer.every : ms);
  return id;
}

function arm(id, timer, ms) {
  timer.op = startOp("timer", `{"ms":${ms}}`, null, () => run(id, timer), reportException);
}

function run(id, timer) {
  if (timer.every < 0) timers.delete(id);
  try {
    apply(timer.callback, globalThis, timer.args);
  } catch (error) {
    reportException(error);
  }
  if (timer.every >= 0 && timers.get(id) === timer) arm(id, timer, timer.every);
}

function clear(id) {
  const key = Number(id);
  const timer = timers.get(key);
  if (timer === undefined) return;
  timers.delete(key);
  cancelOp(timer.op);
}

export function setTimeout(callback, delay = 0, ...args) {
  needArguments(arguments.length, 1, "setTimeout");
  return add(callback, delay, args, false, "setTimeout");
}

export function setInterval(callback, delay = 0, ...args) {
  needArguments(arguments.length, 1, "setInterval");
  return add(callback, delay, args, true, "setInterval");
}

export function clearTimeout(id = undefined) {
  clear(id);
}

export function clearInterval(id = undefined) {
  clear(id);
}

const resolved = Promise.resolve();

export function queueMicrotask(callback) {
  needArguments(arguments.length, 1, "queueMicrotask");
  if (typeof callback !== "function") throw new TypeError("queueMicrotask: the callback is not a function");
  promiseThen(resolved, () => {
    try {
      apply(callback, undefined, []);
    } catch (error) {
      reportException(error);
    }
  });
}
