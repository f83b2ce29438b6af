//! The `js` runtime: a fresh JavaScript VM for every invocation.
//!
//! One guest program, QuickJS with the Web's APIs, is compiled once for all functions. A
//! deployment evaluates a function's modules and keeps the memory they leave, as an image. An
//! invocation takes a slot whose memory shows that image, runs in it, and puts back the pages that
//! it wrote, so that nothing of it is left for the next.

mod abi;
mod calls;
mod child;
mod crypto;
mod engine;
mod fetch;
mod image;
mod images;
mod loader;
mod memory;
mod ops;
mod pool;
mod prepare;
mod run;
mod runtime;
mod slot;
mod timers;
#[path = "../../../guest/js-engine/src/wire.rs"]
#[allow(dead_code, unreachable_pub, missing_docs, reason = "one file for guest and host")]
mod wire;

pub use child::prepare_child;
pub use engine::EngineError;
pub use mayfly_guest_memory::ResetScheme;
pub use runtime::{IsolateRuntime, Options};

#[cfg(test)]
mod tests;
