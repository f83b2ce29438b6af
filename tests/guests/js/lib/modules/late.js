globalThis.lateModules = (globalThis.lateModules ?? 0) + 1;
export const word = "late";
