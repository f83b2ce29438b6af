//! Traps as faults: a sentence for the caller, and for the log where it happened.

use std::fmt::Write as _;

use mayfly_types::{Fault, FaultCode};
use wasmtime::{PoolConcurrencyLimitError, Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use crate::engine::NoRoom;

/// Most frames of a backtrace in the log.
const MOST_FRAMES: usize = 30;

/// A guest that broke.
pub(crate) fn trapped(error: &wasmtime::Error) -> Fault {
    if error.is::<PoolConcurrencyLimitError>() || error.is::<NoRoom>() {
        let message = "the node has no room for another instance";
        return Fault::new(FaultCode::Unavailable, message);
    }
    let (code, message) = match (error.downcast_ref::<Trap>(), error.downcast_ref::<I32Exit>()) {
        (_, Some(I32Exit(code))) => {
            (FaultCode::FunctionError, format!("the function exited with code {code}"))
        }
        (Some(Trap::StackOverflow), _) => {
            (FaultCode::FunctionCrashed, "the function nests too deeply: its stack is full".into())
        }
        (Some(Trap::UnreachableCodeReached), _) => {
            (FaultCode::FunctionCrashed, "the function panicked or aborted".into())
        }
        (Some(trap), _) => (FaultCode::FunctionCrashed, format!("the function trapped: {trap}")),
        (None, None) => (FaultCode::FunctionCrashed, "the function's component failed".into()),
    };
    let detail = format!("{message}\n{}", described(error));
    Fault::new(code, message).with_detail(detail.trim_end())
}

/// Why it broke and where, innermost first.
fn described(error: &wasmtime::Error) -> String {
    let mut text = String::new();
    for cause in error.chain() {
        let cause = cause.to_string();
        let own = cause.lines().next().unwrap_or_default();
        // The backtrace, where there is one, is a cause too; it follows.
        if !own.starts_with("error while executing") && !own.is_empty() {
            let _ = writeln!(text, "  {own}");
        }
    }
    text + &place(error).unwrap_or_default()
}

/// Where it was, innermost first.
pub(crate) fn place(error: &wasmtime::Error) -> Option<String> {
    let backtrace = error.downcast_ref::<WasmBacktrace>()?;
    let mut text = String::new();
    for frame in backtrace.frames().iter().take(MOST_FRAMES) {
        let symbols = frame.symbols();
        if symbols.is_empty() {
            let name = frame.func_name().unwrap_or("an unnamed function");
            let _ = writeln!(text, "    at {:#}", rustc_demangle::demangle(name));
        }
        for symbol in symbols {
            let name = symbol.name().or(frame.func_name()).unwrap_or("an unnamed function");
            let _ = write!(text, "    at {:#}", rustc_demangle::demangle(name));
            if let (Some(file), Some(line)) = (symbol.file(), symbol.line()) {
                let _ = write!(text, " ({file}:{line})");
            }
            text.push('\n');
        }
    }
    let more = backtrace.frames().len().saturating_sub(MOST_FRAMES);
    if more > 0 {
        let _ = writeln!(text, "    and {more} more");
    }
    Some(text)
}
