//! What the guest may call: the host's side of the engine's imports.

use bytes::Bytes;
use mayfly_runtime_api::LogLevel;
use mayfly_types::{Fault, FaultCode};
use wasmtime::{Caller, Extern, Linker};

use crate::slot::{Loaded, ReplyHead, SlotState, StartedOp};
use crate::wire::Reader;

/// Longest log line that is kept whole, in bytes.
const LONGEST_LINE: usize = 64 << 10;
/// Longest message from the guest in one go, in bytes.
const LONGEST_MESSAGE: usize = 256 << 20;

fn memory<'a>(
    caller: &'a mut Caller<'_, SlotState>,
) -> wasmtime::Result<(&'a mut [u8], &'a mut SlotState)> {
    match caller.get_export("memory") {
        Some(Extern::Memory(memory)) => Ok(memory.data_and_store_mut(caller)),
        _ => Err(wasmtime::format_err!("the engine exports no memory")),
    }
}

fn range(memory: &[u8], at: u32, len: u32) -> wasmtime::Result<&[u8]> {
    if len as usize > LONGEST_MESSAGE {
        return Err(wasmtime::format_err!("the guest's message is too long"));
    }
    memory
        .get(at as usize..)
        .and_then(|rest| rest.get(..len as usize))
        .ok_or_else(|| wasmtime::format_err!("the guest's message lies outside its memory"))
}

/// Offers everything that the guest imports.
pub(crate) fn add_to_linker(linker: &mut Linker<SlotState>) -> wasmtime::Result<()> {
    linker.func_wrap("env", "__rquickjs_host_now_us", |caller: Caller<'_, SlotState>| {
        let state = caller.data();
        state.began_us as f64 + state.began.elapsed().as_micros() as f64
    })?;
    linker.func_wrap("mayfly", "now", |caller: Caller<'_, SlotState>| {
        caller.data().began.elapsed().as_nanos() as f64 / 1e6
    })?;
    linker.func_wrap("mayfly", "time_origin", |caller: Caller<'_, SlotState>| {
        caller.data().began_us as f64 / 1e3
    })?;
    linker.func_wrap(
        "mayfly",
        "random",
        |mut caller: Caller<'_, SlotState>, at: u32, len: u32| -> wasmtime::Result<()> {
            let (memory, _) = memory(&mut caller)?;
            range(memory, at, len)?;
            getrandom::fill(&mut memory[at as usize..][..len as usize])
                .map_err(|error| wasmtime::format_err!("read random bytes: {error}"))
        },
    )?;
    linker.func_wrap(
        "mayfly",
        "log",
        |mut caller: Caller<'_, SlotState>,
         level: u32,
         at: u32,
         len: u32|
         -> wasmtime::Result<()> {
            let (memory, state) = memory(&mut caller)?;
            log(state, level, range(memory, at, len)?);
            Ok(())
        },
    )?;
    linker.func_wrap(
        "mayfly",
        "call",
        |mut caller: Caller<'_, SlotState>, at: u32, len: u32| -> wasmtime::Result<u32> {
            let (memory, state) = memory(&mut caller)?;
            state.answer = crate::calls::answer(range(memory, at, len)?);
            Ok(state.answer.len() as u32)
        },
    )?;
    linker.func_wrap(
        "mayfly",
        "take",
        |mut caller: Caller<'_, SlotState>, at: u32| -> wasmtime::Result<()> {
            let (memory, state) = memory(&mut caller)?;
            let answer = std::mem::take(&mut state.answer);
            range(memory, at, answer.len() as u32)?;
            memory[at as usize..][..answer.len()].copy_from_slice(&answer);
            Ok(())
        },
    )?;
    linker.func_wrap(
        "mayfly",
        "op",
        |mut caller: Caller<'_, SlotState>, at: u32, len: u32| -> wasmtime::Result<u32> {
            let (memory, state) = memory(&mut caller)?;
            start_op(state, range(memory, at, len)?)
                .ok_or_else(|| wasmtime::format_err!("the guest's operation cannot be read"))
        },
    )?;
    linker.func_wrap("mayfly", "interrupted", |mut caller: Caller<'_, SlotState>| -> u32 {
        let state = caller.data_mut();
        if state.deadline.is_some_and(|deadline| std::time::Instant::now() >= deadline) {
            state.interrupted = true;
        }
        state.interrupted.into()
    })?;
    linker.func_wrap("mayfly", "cancel_op", |mut caller: Caller<'_, SlotState>, id: u32| {
        caller.data_mut().cancelled.push(id);
    })?;
    linker.func_wrap(
        "mayfly",
        "emit",
        |mut caller: Caller<'_, SlotState>, kind: u32, at: u32, len: u32| -> wasmtime::Result<()> {
            let (memory, state) = memory(&mut caller)?;
            emit(state, kind, range(memory, at, len)?)
                .ok_or_else(|| wasmtime::format_err!("the guest's message cannot be read"))
        },
    )?;
    Ok(())
}

fn log(state: &mut SlotState, level: u32, message: &[u8]) {
    let cut = message.len() > LONGEST_LINE;
    let message = String::from_utf8_lossy(&message[..message.len().min(LONGEST_LINE)]);
    let message = if cut { format!("{message}… (cut)").into() } else { message };
    let level = match level {
        0 => LogLevel::Debug,
        2 => LogLevel::Warn,
        3 => LogLevel::Error,
        _ => LogLevel::Info,
    };
    match &state.logs {
        Some((sink, invocation)) => sink.write(*invocation, level, &message),
        None if state.lines.len() < 1000 => state.lines.push(message.into_owned()),
        None => {}
    }
}

fn start_op(state: &mut SlotState, message: &[u8]) -> Option<u32> {
    let mut message = Reader(message);
    let id = state.next_op;
    state.next_op = state.next_op.wrapping_add(1).max(1);
    let name = message.str()?.to_owned();
    let meta = message.str()?.to_owned();
    let bytes = message.maybe()?.map(Bytes::copy_from_slice);
    state.started.push(StartedOp { id, name, meta, bytes });
    Some(id)
}

fn text(bytes: Option<&[u8]>) -> String {
    String::from_utf8_lossy(bytes.unwrap_or_default()).into_owned()
}

fn emit(state: &mut SlotState, kind: u32, message: &[u8]) -> Option<()> {
    let mut reader = Reader(message);
    match kind {
        1 => state.loaded = Some(Loaded::Handler(reader.u8()?)),
        2 => {
            let mut part = || text(reader.bytes());
            state.loaded = Some(Loaded::Failed(part(), part(), part()));
        }
        3 => {
            let status = reader.u32()?;
            let streaming = reader.u8()? == 1;
            let count = reader.u32()?;
            let mut headers = Vec::with_capacity((count as usize / 2).min(256));
            for _ in 0..count / 2 {
                let name = Bytes::copy_from_slice(reader.bytes()?);
                headers.push((name, Bytes::copy_from_slice(reader.bytes()?)));
            }
            let body = reader.maybe()?.unwrap_or_default();
            let mut output = state.output();
            if output.head.is_some() || output.ended {
                return Some(());
            }
            output.head = Some(ReplyHead { status, headers });
            if !streaming {
                output.bytes_out = body.len() as u64;
                if !body.is_empty() {
                    output.chunks.push_back(Bytes::copy_from_slice(body));
                }
                output.ended = true;
            }
        }
        4 => state.output().ended = true,
        5 => {
            let detail = text(reader.bytes());
            let fault = Fault::new(FaultCode::FunctionError, "the answer's body failed half-way");
            state.output().fault.get_or_insert(fault.with_detail(detail));
        }
        6 => {
            let (code, message, stack) =
                (text(reader.bytes()), text(reader.bytes()), text(reader.bytes()));
            state.output().fault.get_or_insert(fault(&code, message, stack));
        }
        7 => {
            let mut output = state.output();
            let json = Bytes::copy_from_slice(reader.bytes()?);
            output.bytes_out = json.len() as u64;
            output.event = Some(json);
            output.ended = true;
        }
        8 => state.compiled = Some(reader.0.to_vec()),
        _ => return None,
    }
    Some(())
}

/// A failure as the Web API layer names it. What was thrown is for the function's owner alone.
fn fault(code: &str, message: String, stack: String) -> Fault {
    let detail = if stack.is_empty() { message.clone() } else { stack };
    match code {
        "invalid_response" => Fault::new(FaultCode::InvalidResponse, message).with_detail(detail),
        "internal" => Fault::new(FaultCode::FunctionCrashed, "the function's environment failed")
            .with_detail(together(message, detail)),
        _ => Fault::new(FaultCode::FunctionError, "the function threw an error")
            .with_detail(together(message, detail)),
    }
}

/// A message above its stack, unless the stack begins with it.
fn together(message: String, stack: String) -> String {
    let stack = without_engine(&stack);
    if stack.contains(&message) { stack } else { format!("{message}\n{stack}") }
}

/// A stack without the frames of the engine's own Web API layer, which tell an author nothing.
pub(crate) fn without_engine(message: &str) -> String {
    let engine = |line: &&str| {
        let place = line.trim_start().strip_prefix("at ").unwrap_or_default();
        place.contains("(mayfly:") || place.starts_with("mayfly:")
    };
    let mut lines: Vec<&str> = message.lines().filter(|line| !engine(line)).collect();
    // How the engine calls a handler.
    while lines.len() > 1 && lines.last().is_some_and(|line| line.trim() == "at apply (native)") {
        lines.pop();
    }
    lines.join("\n")
}
