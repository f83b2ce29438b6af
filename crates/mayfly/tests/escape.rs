//! Attacks from inside of sandboxes, on the real binary: each is denied, its caller and its owner are
//! told why, and the node and its other functions stay well. The attackers are in `tests/escape`.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says so loudly")]

mod common;
mod escape {
    mod abilities;
    mod answers;
    mod ends;
    mod ground;
    mod host;
    mod reduced;
    mod resources;
}
