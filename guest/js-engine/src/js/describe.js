// Errors as text. The engine's `stack` holds only the frames, so the head line is added here; a
// log line that lacks the class of an error hides what went wrong.
import { inspect } from "./inspect.js";

export function isErrorLike(value) {
  if (typeof value !== "object" || value === null) return false;
  try {
    return value instanceof Error || (typeof value.message === "string" && "stack" in value);
  } catch {
    return false;
  }
}

/** The name that says most: the own or inherited `name`, or the class where the name says only "Error". */
export function errorName(error) {
  let name;
  try {
    name = error.name;
  } catch {}
  if (typeof name === "string" && name !== "" && name !== "Error") return name;
  try {
    const className = error.constructor?.name;
    if (typeof className === "string" && className !== "") return className;
  } catch {}
  return "Error";
}

export function errorHead(value) {
  if (!isErrorLike(value)) return `Uncaught ${inspect(value)}`;
  const message = messageOf(value);
  const name = errorName(value);
  return message === "" ? name : `${name}: ${message}`;
}

/** The frames alone, without a head line that some engines put before them. */
export function errorFrames(error) {
  let stack;
  try {
    stack = error.stack;
  } catch {}
  if (typeof stack !== "string") return "";
  const lines = stack.split("\n");
  const first = lines.findIndex((line) => /^\s+at /.test(line));
  return first < 0 ? "" : lines.slice(first).join("\n").trimEnd();
}

const maxCauses = 8;

function causesOf(error) {
  const causes = [];
  const seen = new Set([error]);
  let current = error;
  while (isErrorLike(current) && "cause" in current && causes.length < maxCauses) {
    current = current.cause;
    if (current === undefined || seen.has(current)) break;
    seen.add(current);
    causes.push(current);
  }
  return causes;
}

/** Hook: what the host needs to know of anything thrown. Never throws. */
export function describe(error) {
  try {
    if (!isErrorLike(error)) return { name: "Error", message: errorHead(error), stack: "", causes: [] };
    return {
      name: errorName(error),
      message: messageOf(error),
      stack: errorFrames(error),
      causes: causesOf(error).map((cause) => ({
        name: isErrorLike(cause) ? errorName(cause) : "Error",
        message: isErrorLike(cause) ? messageOf(cause) : inspect(cause),
        stack: isErrorLike(cause) ? errorFrames(cause) : "",
      })),
    };
  } catch {
    return { name: "Error", message: "an error that could not be read", stack: "", causes: [] };
  }
}

/** Hook: head, frames and the chain of causes, as one text for a log. Never throws. */
export function describeText(error) {
  try {
    let text = withFrames(error);
    for (const cause of causesOf(error)) text += `\nCaused by: ${isErrorLike(cause) ? withFrames(cause) : inspect(cause)}`;
    if (error instanceof AggregateError && Array.isArray(error.errors)) {
      for (const inner of error.errors.slice(0, maxCauses)) {
        text += `\nOne of its errors: ${isErrorLike(inner) ? withFrames(inner) : inspect(inner)}`;
      }
    }
    return text;
  } catch {
    return "an error that could not be read";
  }
}

function withFrames(error) {
  const frames = isErrorLike(error) ? errorFrames(error) : "";
  return frames === "" ? errorHead(error) : `${errorHead(error)}\n${frames}`;
}

export function messageOf(error) {
  try {
    return `${error.message ?? ""}`;
  } catch {
    return "";
  }
}
