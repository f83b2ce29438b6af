// A guest is a list of named checks. It answers 200 `ok N`, or 500 with a line for each failure, so
// that what went wrong is told by the guest that knows what it expected.

/** Whether two values are the same all the way down; NaN is itself and -0 is not 0. */
export function isSame(a, b) {
  if (Object.is(a, b)) return true;
  if (typeof a !== "object" || typeof b !== "object" || a === null || b === null) return false;
  if (Object.getPrototypeOf(a) !== Object.getPrototypeOf(b)) return false;
  if (ArrayBuffer.isView(a)) return a.byteLength === b.byteLength && isSame([...a], [...b]);
  if (a instanceof Map || a instanceof Set) return isSame([...a], [...b]);
  if (a instanceof Date) return a.getTime() === b.getTime();
  const keys = Reflect.ownKeys(a);
  return keys.length === Reflect.ownKeys(b).length && keys.every((key) => Object.hasOwn(b, key) && isSame(a[key], b[key]));
}

function show(value) {
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "bigint") return `${value}n`;
  if (value instanceof Error) return `${value.name}: ${value.message}`;
  if (ArrayBuffer.isView(value)) return `${value.constructor.name}[${[...value].slice(0, 40)}]`;
  try {
    return typeof value === "object" ? JSON.stringify(value) : String(value);
  } catch {
    return Object.prototype.toString.call(value);
  }
}

export function equal(actual, expected, what = "") {
  if (!isSame(actual, expected)) throw new Error(`${what && `${what}: `}${show(actual)} is not ${show(expected)}`);
}

export function ok(value, what = "it") {
  if (!value) throw new Error(`${what} does not hold`);
}

/** Checks `[actual, expected]` pairs, or `{input: expected}` under a function. */
export function table(run, rows) {
  for (const [input, expected] of rows) equal(run(input), expected, show(input));
}

/** The error that `action` throws; its name, or its class, must be `kind`. */
export function throws(action, kind = undefined, what = "it") {
  let value;
  try {
    value = action();
  } catch (error) {
    return expectKind(error, kind, what);
  }
  throw new Error(`${what} did not throw but gave ${show(value)}`);
}

/** The reason that a promise rejects with. */
export async function rejects(promise, kind = undefined, what = "it") {
  let value;
  try {
    value = await (typeof promise === "function" ? promise() : promise);
  } catch (error) {
    return expectKind(error, kind, what);
  }
  throw new Error(`${what} did not reject but gave ${show(value)}`);
}

function expectKind(error, kind, what) {
  if (kind !== undefined && error?.name !== kind) throw new Error(`${what} threw ${show(error)}, not ${kind}`);
  return error;
}

export const utf8 = (text) => new TextEncoder().encode(text);
export const hex = (bytes) => Array.from(new Uint8Array(bytes.buffer ?? bytes, bytes.byteOffset ?? 0, bytes.byteLength), (byte) => byte.toString(16).padStart(2, "0")).join("");
export const unhex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => parseInt(pair, 16));

/** A handler that runs the checks; each gets `{request, env, ctx}`. */
export function checks(list) {
  return {
    async fetch(request, env, ctx) {
      const failures = [];
      const names = Object.keys(list);
      for (const name of names) {
        try {
          await list[name]({ request, env, ctx });
        } catch (error) {
          failures.push(`${name}: ${error instanceof Error ? `${error.name}: ${error.message}` : show(error)}`);
        }
      }
      if (failures.length === 0) return new Response(`ok ${names.length}`);
      return new Response(failures.join("\n"), { status: 500 });
    },
  };
}
