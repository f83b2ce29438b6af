//! Faults below and beside a node: power that is lost, disks that are slow or full, processes that are killed,
//! functions that harm themselves. What was acknowledged comes to its end.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "seeds are told, and what cannot be tested here")]

mod common;
mod faults {
    mod answers;
    mod disk;
    mod full;
    mod kills;
    mod load;
    mod poison;
    mod power;
    mod random;
    mod trace;
    mod witness;
}
