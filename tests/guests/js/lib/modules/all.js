export * from "./counter.js";
export * as counter from "./counter.js";
export { default as Counter } from "./counter.js";
