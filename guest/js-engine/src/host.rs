//! What the host offers the guest: the module's only imports, besides the clock of QuickJS.

mod import {
    #[link(wasm_import_module = "mayfly")]
    unsafe extern "C" {
        pub fn now() -> f64;
        pub fn time_origin() -> f64;
        pub fn random(ptr: *mut u8, len: usize);
        pub fn log(level: u32, ptr: *const u8, len: usize);
        pub fn call(ptr: *const u8, len: usize) -> u32;
        pub fn take(ptr: *mut u8);
        pub fn op(ptr: *const u8, len: usize) -> u32;
        pub fn cancel_op(id: u32);
        pub fn interrupted() -> u32;
        pub fn emit(kind: u32, ptr: *const u8, len: usize);
    }
}

/// Kinds of messages that the guest sends and forgets.
#[derive(Clone, Copy)]
#[repr(u32)]
pub enum Emit {
    /// The module's top level has run: handler style (0 fetch, 1 event).
    Loaded = 1,
    /// It has not: name, message, stack.
    LoadFailed = 2,
    /// The head of an answer and perhaps all of its body.
    Reply = 3,
    /// The end of a streamed body.
    ReplyEnd = 4,
    /// A streamed body broke: description.
    ReplyError = 5,
    /// The invocation failed: code, message, stack.
    Fail = 6,
    /// An event's result as JSON.
    ReplyEvent = 7,
    /// The Web API layer's bytecode.
    Compiled = 8,
}

/// Milliseconds since the invocation began.
pub fn now() -> f64 {
    unsafe { import::now() }
}

/// The invocation's start in milliseconds since 1970.
pub fn time_origin() -> f64 {
    unsafe { import::time_origin() }
}

pub fn random(bytes: &mut [u8]) {
    unsafe { import::random(bytes.as_mut_ptr(), bytes.len()) }
}

pub fn log(level: u32, message: &str) {
    unsafe { import::log(level, message.as_ptr(), message.len()) }
}

/// A synchronous call; the host keeps its answer until it is taken.
pub fn call(message: &[u8]) -> Vec<u8> {
    unsafe {
        let len = import::call(message.as_ptr(), message.len()) as usize;
        let mut answer = Vec::with_capacity(len);
        import::take(answer.as_mut_ptr());
        answer.set_len(len);
        answer
    }
}

/// Starts an operation; the host settles it later by its id.
pub fn op(message: &[u8]) -> u32 {
    unsafe { import::op(message.as_ptr(), message.len()) }
}

/// Whether the guest's time is over.
pub fn interrupted() -> bool {
    unsafe { import::interrupted() != 0 }
}

pub fn cancel_op(id: u32) {
    unsafe { import::cancel_op(id) }
}

pub fn emit(kind: Emit, message: &[u8]) {
    unsafe { import::emit(kind as u32, message.as_ptr(), message.len()) }
}
