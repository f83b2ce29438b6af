//! What went wrong with a call, in the words of its caller and of its owner.

use mayfly_sandbox::{Ended, Exit};
use mayfly_types::{ByteSize, Fault, FaultCode, TimeSpan};

use crate::frames::Told;

/// What a function threw, for its owner alone.
pub(crate) fn thrown(told: &Told) -> Fault {
    let detail = match told.stack.is_empty() {
        true => format!("{}: {}", told.name, told.message),
        false => told.stack.clone(),
    };
    let (code, message) = match (told.invalid, told.crash) {
        (true, _) => (FaultCode::InvalidResponse, told.message.as_str()),
        (_, true) => (FaultCode::FunctionCrashed, "the function crashed"),
        _ => (FaultCode::FunctionError, "the function threw an error"),
    };
    Fault::new(code, message).with_detail(detail)
}

/// The process ended in the middle.
pub(crate) fn of_end(ended: &Ended, memory: ByteSize) -> Fault {
    if ended.out_of_memory {
        let message = format!("the function reached its memory limit of {memory}");
        return Fault::new(FaultCode::OutOfMemory, message);
    }
    let message = "the function's process ended";
    Fault::new(FaultCode::FunctionCrashed, message)
        .with_detail(format!("{message} ({})", exit(ended.exit)))
}

/// How a process ended, in words.
pub(crate) fn exit(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("it exited with code {code}"),
        Exit::Signal(signal) => format!("signal {signal} ended it"),
    }
}

/// What the process sends is no frame.
pub(crate) fn garbled(error: &std::io::Error) -> Fault {
    let message = "the function's process cannot be understood";
    Fault::new(FaultCode::FunctionCrashed, message).with_detail(format!("{message}: {error}"))
}

/// The call's time is over.
pub(crate) fn late(timeout: TimeSpan) -> Fault {
    let message = format!("the function did not finish within its timeout of {timeout}");
    Fault::new(FaultCode::Timeout, message)
}

/// The call waited for a process for too long.
pub(crate) fn not_ready() -> Fault {
    Fault::new(FaultCode::Unavailable, "no environment of the function was free in time")
}
