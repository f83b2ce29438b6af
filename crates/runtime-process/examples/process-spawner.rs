//! The spawner that the tests of this crate use.

use std::process::ExitCode;

fn main() -> ExitCode {
    mayfly_sandbox::spawner_main(std::env::args_os().skip(1))
}
