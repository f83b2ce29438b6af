//! Mayfly: functions on machines you own.

mod cli;
mod client;
mod config;
mod dev;
mod node;
mod start;

use std::process::ExitCode;

/// A request makes and drops some hundred small things, most of them in a fresh instance.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The child that prepares a function is bounded before it reads anything: it takes no arguments
    // and starts nothing of the platform.
    let mut arguments = std::env::args_os().skip(1);
    match arguments.next().as_ref().and_then(|first| first.to_str()) {
        Some(node::PREPARE_JS) => return mayfly_runtime_isolate::prepare_child(),
        Some(node::PREPARE_WASM) => return mayfly_runtime_wasm::prepare_child(),
        Some(node::STARTER) => return mayfly_sandbox::starter_main(&node::spawner(), arguments),
        Some(node::SPAWNER) => return mayfly_sandbox::spawner_main(arguments),
        _ => {}
    }
    cli::main()
}
