import { DOMException } from "./dom-exception.js";
import { Event, EventTarget, defineHandler, fire } from "./events.js";
import { requireInvocation } from "./native.js";
import { startOp } from "./ops.js";
import { defineInterface, needArguments, setLengths, toEnforcedLongLong } from "./webidl.js";

const INTERNAL = Symbol("internal");

let stateOf;
export let isAbortSignal;

export class AbortSignal extends EventTarget {
  #state = { aborted: false, reason: undefined, algorithms: undefined, sources: undefined, dependents: undefined };
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
  static abort(reason = undefined) {
    const signal = new AbortSignal(INTERNAL);
    signal.#state.aborted = true;
    signal.#state.reason = reason === undefined ? abortError() : reason;
    return signal;
  }
  static timeout(milliseconds) {
    needArguments(arguments.length, 1, "AbortSignal.timeout");
    const ms = toEnforcedLongLong(milliseconds, "AbortSignal.timeout: milliseconds");
    requireInvocation("AbortSignal.timeout");
    const signal = new AbortSignal(INTERNAL);
    startOp(
      "timer",
      `{"ms":${ms}}`,
      null,
      () => signalAbort(signal, new DOMException("The operation was aborted due to timeout", "TimeoutError")),
      () => {},
    );
    return signal;
  }
  static any(signals) {
    needArguments(arguments.length, 1, "AbortSignal.any");
    if (signals === null || typeof signals !== "object" || typeof signals[Symbol.iterator] !== "function") {
      throw new TypeError("AbortSignal.any: the argument is not iterable");
    }
    const list = [...signals];
    for (const signal of list) {
      if (!isAbortSignal(signal)) throw new TypeError("AbortSignal.any: a member is not an AbortSignal");
    }
    return dependentSignal(list);
  }
  static {
    stateOf = (signal) => signal.#state;
    isAbortSignal = (value) => typeof value === "object" && value !== null && #state in value;
  }
}
defineHandler(AbortSignal, "abort");
defineInterface(AbortSignal, "AbortSignal", 0);
setLengths(AbortSignal, { abort: 0 });

export const newSignal = () => new AbortSignal(INTERNAL);

/** A signal that aborts with the first of `list`. */
export function dependentSignal(list) {
  const result = newSignal();
  const aborted = list.find((signal) => stateOf(signal).aborted);
  const state = stateOf(result);
  if (aborted !== undefined) {
    state.aborted = true;
    state.reason = stateOf(aborted).reason;
    return result;
  }
  // Dependents hang on the sources that are not themselves dependent: chains stay flat.
  state.sources = new Set();
  for (const signal of list) {
    const own = stateOf(signal).sources;
    for (const source of own ?? [signal]) {
      if (state.sources.has(source)) continue;
      state.sources.add(source);
      (stateOf(source).dependents ??= new Set()).add(result);
    }
  }
  return result;
}

const abortError = () => new DOMException("This operation was aborted", "AbortError");

/** Calls `algorithm(reason)` when the signal aborts; returns a function that takes it back. */
export function onAbort(signal, algorithm) {
  const state = stateOf(signal);
  (state.algorithms ??= new Set()).add(algorithm);
  return () => state.algorithms.delete(algorithm);
}

export function signalAbort(signal, reason) {
  const state = stateOf(signal);
  if (state.aborted) return;
  state.aborted = true;
  state.reason = reason === undefined ? abortError() : reason;
  const aborted = [signal];
  for (const dependent of state.dependents ?? []) {
    const its = stateOf(dependent);
    if (its.aborted) continue;
    its.aborted = true;
    its.reason = state.reason;
    aborted.push(dependent);
  }
  for (const one of aborted) {
    const its = stateOf(one);
    const algorithms = its.algorithms;
    its.algorithms = undefined;
    for (const algorithm of algorithms ?? []) algorithm(its.reason);
    fire(one, new Event("abort"));
  }
}

export class AbortController {
  #signal = newSignal();
  get signal() {
    return this.#signal;
  }
  abort(reason = undefined) {
    signalAbort(this.#signal, reason);
  }
}
defineInterface(AbortController, "AbortController", 0);
