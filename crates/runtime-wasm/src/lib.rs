//! The `wasm` runtime: a fresh instance of a WebAssembly component for every invocation.
//!
//! A component of the world `wasi:http/proxy` is compiled once, when it is deployed, in a process of its
//! own. An invocation instantiates it anew, with a memory that shows the component's initial one, and gives
//! everything back at its end. It sees WASI 0.2: clocks, randomness, its environment, an empty `/tmp` in
//! memory, logs as standard output, and outgoing HTTP by the rules of egress.

mod compile;
mod components;
mod engine;
mod exchange;
mod fault;
mod files;
mod outgoing;
mod quota;
mod run;
mod runtime;
mod state;
mod stdio;
mod world;

pub use compile::prepare_child;
pub use engine::EngineError;
pub use runtime::{Options, WasmRuntime};

#[cfg(test)]
mod tests;
