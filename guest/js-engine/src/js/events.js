import { native } from "./native.js";
import { DOMException } from "./dom-exception.js";
import { reportException } from "./report.js";
import { defineConstants, defineInterface, isObject, needArguments, toDictionary, toDOMString } from "./webidl.js";

const NONE = 0;
const AT_TARGET = 2;

let dispatching; // (event, target or null) while listeners run
let stopped; // stop immediate propagation flag
let startDispatch;
let setPassive;
let isEvent;

export class Event {
  #type;
  #bubbles = false;
  #cancelable = false;
  #composed = false;
  #target = null;
  #currentTarget = null;
  #phase = NONE;
  #timeStamp = native.now();
  #stop = false;
  #stopNow = false;
  #canceled = false;
  #passive = false;
  #dispatch = false;
  #trusted = false;
  constructor(type, init = undefined) {
    needArguments(arguments.length, 1, "Event");
    this.#type = toDOMString(type);
    const options = toDictionary(init, "Event: the second argument");
    if (options !== undefined) {
      this.#bubbles = !!options.bubbles;
      this.#cancelable = !!options.cancelable;
      this.#composed = !!options.composed;
    }
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
    this.#stop = true;
  }
  get cancelBubble() {
    return this.#stop;
  }
  set cancelBubble(value) {
    if (value) this.#stop = true;
  }
  stopImmediatePropagation() {
    this.#stop = true;
    this.#stopNow = true;
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
    if (!value) this.preventDefault();
  }
  preventDefault() {
    if (this.#cancelable && !this.#passive) this.#canceled = true;
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
  initEvent(type, bubbles = false, cancelable = false) {
    needArguments(arguments.length, 1, "Event.initEvent");
    if (this.#dispatch) return;
    this.#type = toDOMString(type);
    this.#bubbles = !!bubbles;
    this.#cancelable = !!cancelable;
    this.#canceled = this.#stop = this.#stopNow = false;
    this.#target = null;
  }
  static {
    isEvent = (value) => typeof value === "object" && value !== null && #type in value;
    startDispatch = (event, target, trusted) => {
      if (event.#dispatch) throw new DOMException("the event is being dispatched already", "InvalidStateError");
      event.#dispatch = true;
      event.#trusted = trusted;
      event.#target = target;
    };
    dispatching = (event, target) => {
      event.#currentTarget = target;
      event.#phase = target === null ? NONE : AT_TARGET;
      if (target === null) event.#dispatch = event.#stop = event.#stopNow = false;
    };
    stopped = (event) => event.#stopNow;
    setPassive = (event, passive) => {
      event.#passive = passive;
    };
  }
}
defineInterface(Event, "Event", 1);
Object.defineProperty(Event.prototype.initEvent, "length", { value: 1, configurable: true });
defineConstants(Event, { NONE: 0, CAPTURING_PHASE: 1, AT_TARGET: 2, BUBBLING_PHASE: 3 });

let dispatchTo;

export class EventTarget {
  // type -> [{callback, capture, once, passive, removed, signal}], in order of addition.
  #listeners = undefined;
  addEventListener(type, callback, options = undefined) {
    this.#listeners;
    needArguments(arguments.length, 2, "EventTarget.addEventListener");
    const name = toDOMString(type);
    const { capture, once, passive, signal } = listenerOptions(options);
    if (callback === null || callback === undefined) return;
    if (!isObject(callback)) throw new TypeError("EventTarget.addEventListener: the callback is not a function or an object");
    if (signal !== undefined && (signal === null || typeof signal !== "object" || typeof signal.aborted !== "boolean")) {
      throw new TypeError("EventTarget.addEventListener: the signal is not an AbortSignal");
    }
    if (signal?.aborted) return;
    const all = (this.#listeners ??= new Map());
    let list = all.get(name);
    if (list === undefined) all.set(name, (list = []));
    if (list.some((entry) => entry.callback === callback && entry.capture === capture)) return;
    list.push({ callback, capture, once, passive, removed: false });
    signal?.addEventListener("abort", () => this.removeEventListener(name, callback, capture), { once: true });
  }
  removeEventListener(type, callback, options = undefined) {
    this.#listeners;
    needArguments(arguments.length, 2, "EventTarget.removeEventListener");
    const { capture } = listenerOptions(options);
    const list = this.#listeners?.get(toDOMString(type));
    if (list === undefined) return;
    const index = list.findIndex((entry) => entry.callback === callback && entry.capture === capture);
    if (index < 0) return;
    list[index].removed = true;
    list.splice(index, 1);
  }
  dispatchEvent(event) {
    this.#listeners;
    needArguments(arguments.length, 1, "EventTarget.dispatchEvent");
    if (!isEvent(event)) throw new TypeError("EventTarget.dispatchEvent: the argument is not an Event");
    return dispatchTo(this, event, false);
  }
  static {
    dispatchTo = (target, event, trusted) => {
      startDispatch(event, target, trusted);
      dispatching(event, target);
      const list = target.#listeners?.get(event.type);
      if (list !== undefined) {
        // A copy: a listener that is added meanwhile does not see this event.
        for (const entry of list.slice()) {
          if (entry.removed) continue;
          if (entry.once) {
            entry.removed = true;
            const index = list.indexOf(entry);
            if (index >= 0) list.splice(index, 1);
          }
          setPassive(event, entry.passive);
          callListener(entry.callback, target, event);
          setPassive(event, false);
          if (stopped(event)) break;
        }
      }
      dispatching(event, null);
      return !event.defaultPrevented;
    };
  }
}
defineInterface(EventTarget, "EventTarget", 0);
for (const name of ["addEventListener", "removeEventListener"]) {
  Object.defineProperty(EventTarget.prototype[name], "length", { value: 2, configurable: true });
}

/** Dispatches an event of the platform's own making (`isTrusted`). */
export const fire = (target, event) => dispatchTo(target, event, true);

function listenerOptions(options) {
  if (options === undefined || options === null) return { capture: false, once: false, passive: false, signal: undefined };
  if (!isObject(options)) return { capture: !!options, once: false, passive: false, signal: undefined };
  return { capture: !!options.capture, once: !!options.once, passive: !!options.passive, signal: options.signal };
}

function callListener(callback, target, event) {
  try {
    if (typeof callback === "function") {
      Reflect.apply(callback, target, [event]);
    } else {
      const handle = callback.handleEvent;
      if (typeof handle !== "function") throw new TypeError("the listener has no handleEvent function");
      Reflect.apply(handle, callback, [event]);
    }
  } catch (error) {
    reportException(error);
  }
}

/** Adds an `onNAME` attribute; the handler takes its place among the listeners when it is first set. */
export function defineHandler(cls, type) {
  const handlers = new WeakMap();
  Object.defineProperty(cls.prototype, `on${type}`, {
    enumerable: true,
    configurable: true,
    get() {
      return handlers.get(this)?.current ?? null;
    },
    set(value) {
      const current = isObject(value) ? value : null;
      const state = handlers.get(this);
      if (state !== undefined) {
        if (current !== null && state.current === null) this.addEventListener(type, state.listener);
        if (current === null && state.current !== null) this.removeEventListener(type, state.listener);
        state.current = current;
        return;
      }
      if (current === null) return;
      const created = { current, listener: null };
      created.listener = (event) => {
        if (typeof created.current !== "function") return;
        if (Reflect.apply(created.current, this, [event]) === false) event.preventDefault();
      };
      handlers.set(this, created);
      this.addEventListener(type, created.listener);
    },
  });
}

export class CustomEvent extends Event {
  #detail;
  constructor(type, init = undefined) {
    needArguments(arguments.length, 1, "CustomEvent");
    super(type, init);
    this.#detail = init?.detail === undefined ? null : init.detail;
  }
  get detail() {
    return this.#detail;
  }
}
defineInterface(CustomEvent, "CustomEvent", 1);

export class ErrorEvent extends Event {
  #init;
  constructor(type, init = undefined) {
    needArguments(arguments.length, 1, "ErrorEvent");
    super(type, init);
    this.#init = {
      message: init?.message === undefined ? "" : toDOMString(init.message),
      filename: init?.filename === undefined ? "" : toDOMString(init.filename),
      lineno: Number(init?.lineno ?? 0) >>> 0,
      colno: Number(init?.colno ?? 0) >>> 0,
      error: init?.error,
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
}
defineInterface(ErrorEvent, "ErrorEvent", 1);

export class PromiseRejectionEvent extends Event {
  #promise;
  #reason;
  constructor(type, init) {
    needArguments(arguments.length, 2, "PromiseRejectionEvent");
    super(type, init);
    if (!isObject(init?.promise)) throw new TypeError("PromiseRejectionEvent: the member promise is missing");
    this.#promise = init.promise;
    this.#reason = init.reason;
  }
  get promise() {
    return this.#promise;
  }
  get reason() {
    return this.#reason;
  }
}
defineInterface(PromiseRejectionEvent, "PromiseRejectionEvent", 2);

export class MessageEvent extends Event {
  #init;
  constructor(type, init = undefined) {
    needArguments(arguments.length, 1, "MessageEvent");
    super(type, init);
    this.#init = {
      data: init?.data === undefined ? null : init.data,
      origin: init?.origin === undefined ? "" : toDOMString(init.origin),
      lastEventId: init?.lastEventId === undefined ? "" : toDOMString(init.lastEventId),
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
}
defineInterface(MessageEvent, "MessageEvent", 1);
