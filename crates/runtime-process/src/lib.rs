//! The runtimes whose functions are programs in sandboxed processes.
//!
//! A small program of ours, the *bootstrap*, runs in the sandbox, loads the function's handler and
//! runs it for each call that comes over a socket. A process that has answered waits for the next call
//! of the same function; with `isolation = "invocation"` it ends instead.

mod api;
mod boots;
mod channel;
mod door;
mod exchange;
mod fault;
mod frames;
mod language;
mod link;
mod log;
mod pool;
mod pressure;
mod process;
mod runtime;
mod sandboxed;
mod stem;
mod zygote;

pub use boots::Boots;
pub use language::{Interpreter, LanguageError};
pub use runtime::{Options, ProcessRuntime, Unheld};
