//! The tools of the repository: `cargo xtask COMMAND`.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "what it prints is what it is for")]

mod bench;
mod js_engine;
mod shell;
mod test;
mod wasm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

#[derive(Parser)]
#[command(name = "cargo xtask", about = "The tools of the repository", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Builds the JavaScript engine's guest program into guest/js-engine/dist
    JsEngine(js_engine::Arguments),
    /// Compiles the WebAssembly components of tests, benches and examples
    Wasm,
    /// Runs everything that must pass
    Test(test::Arguments),
    /// Measures the platform against its yardsticks
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::JsEngine(arguments) => js_engine::run(&arguments),
        Command::Wasm => wasm::run(),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}
