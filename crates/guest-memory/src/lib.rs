//! Memory of WebAssembly guests that is kept for reuse: which of its pages were written, stacks for fibers, and
//! linear memories that are zero for each new guest.

mod dirty;
mod slots;
mod stack;

pub use dirty::{ResetScheme, Scanner, Written};
pub use slots::Slots;
pub use stack::Stacks;

/// The page of the host's memory management, in bytes.
pub const PAGE: usize = 4096;
