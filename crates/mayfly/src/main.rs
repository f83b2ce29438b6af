//! Mayfly: functions on machines you own.

mod cli;
mod client;
mod config;
mod dev;
mod node;
mod start;

use std::process::ExitCode;

fn main() -> ExitCode {
    // The child that prepares a function is bounded before it reads anything: it takes no arguments
    // and starts nothing of the platform.
    if std::env::args().nth(1).as_deref() == Some(node::PREPARE_JS) {
        return mayfly_runtime_isolate::prepare_child();
    }
    cli::main()
}
