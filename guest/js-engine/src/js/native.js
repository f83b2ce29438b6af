// The one place that sees the functions of the host. The global they arrive in is removed
// before any code of a user runs, so only modules of the prelude can reach them.
export const native = globalThis.__mayfly_native;
delete globalThis.__mayfly_native;

/** Throws when the module's top level runs: what it would get would be the same in every invocation. */
export function requireInvocation(what) {
  if (native.phase() === 0) throw notInSnapshot(what);
}

export function notInSnapshot(what) {
  return new Error(
    `${what} is not available while the module's top level runs, because its result would be part of the snapshot; call it inside the handler`,
  );
}
