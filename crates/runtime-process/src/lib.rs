//! The runtimes whose functions are programs in sandboxed processes.
//!
//! A small program of ours, the *bootstrap*, runs in the sandbox, loads the function's handler and
//! runs it for each call that comes over a socket. A process that has answered waits for the next call
//! of the same function; with `isolation = "invocation"` it ends instead.

mod call;
mod frames;
mod language;
mod process;
mod runtime;

pub use language::{Language, LanguageError};
pub use runtime::{Options, ProcessRuntime};
