//! The JavaScript engine that runs inside every `js` sandbox.
//!
//! The host calls the exported functions; each takes a message that the host has written to the
//! buffer of [`mayfly_alloc`]. `boot` is run once, when the engine is made, and its memory is the
//! base image; `load` once per revision, and its memory is the revision's image; `begin` and
//! `settle` serve one invocation, after which the host restores the image.

mod host;
mod modules;
mod natives;
mod tidy;
#[allow(dead_code)]
mod wire;

use std::cell::{Cell, RefCell};

use rquickjs::function::This;
use rquickjs::module::WriteOptions;
use rquickjs::{
    Array, CatchResultExt, CaughtError, Context, Ctx, Function, IntoJs, Module, Null, Object,
    Persistent, Runtime, TypedArray, Value,
};

use host::Emit;
use wire::{Reader, Writer};

/// QuickJS's own bound on recursion. It lies well inside the host's bound on the wasm stack, so
/// that deep recursion is a `RangeError` and not a trap.
const MAX_STACK: usize = 3 * 1024 * 1024;

/// The heap size at which garbage is first collected. An invocation that ends before leaves its
/// garbage to the reset, which costs less. The engine itself takes 3 MB, and no function has a
/// limit below 16 MB.
const GC_THRESHOLD: usize = 8 * 1024 * 1024;

/// Longest message that needs no room of its own; the host knows the number too.
const SHORT: usize = 8 * 1024;

/// The invocation still waits for operations.
const PENDING: u32 = 0;
/// The invocation has ended.
const DONE: u32 = 1;
/// The message cannot be read, or the guest is not in the state that it needs.
const BROKEN: u32 = 2;

type Hook = Persistent<Function<'static>>;

struct Hooks {
    begin: Hook,
    settle: Hook,
    dispatch_fetch: Hook,
    dispatch_event: Hook,
    unhandled: Hook,
    set_env: Hook,
}

struct Engine {
    runtime: Runtime,
    context: Context,
    hooks: Option<Hooks>,
    handler: Option<(Hook, Persistent<Value<'static>>)>,
    env: Option<Persistent<Object<'static>>>,
    style: u8,
}

thread_local! {
    static ENGINE: RefCell<Option<Engine>> = const { RefCell::new(None) };
    static INPUT: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static HEADERS: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
    static INVOKING: Cell<bool> = const { Cell::new(false) };
    static FINISHED: Cell<bool> = const { Cell::new(false) };
    static REJECTIONS: RefCell<Vec<(Persistent<Value<'static>>, Persistent<Value<'static>>)>> =
        const { RefCell::new(Vec::new()) };
}

unsafe extern "C" {
    fn __wasm_call_ctors();
}

pub(crate) fn invoking() -> bool {
    INVOKING.with(Cell::get)
}

pub(crate) fn set_done() {
    FINISHED.with(|done| done.set(true));
}

/// The present request's headers as `[name, value, …]`; made only when a handler asks.
pub(crate) fn request_headers(ctx: Ctx<'_>) -> rquickjs::Result<Array<'_>> {
    let array = Array::new(ctx)?;
    HEADERS.with(|headers| -> rquickjs::Result<()> {
        let headers = headers.borrow();
        let mut reader = Reader(&headers);
        let mut index = 0;
        while let Some(bytes) = reader.bytes() {
            // Header values are byte strings: each byte is one code unit (Fetch, isomorphic decode).
            match std::str::from_utf8(bytes) {
                Ok(text) if text.is_ascii() => array.set(index, text)?,
                _ => array.set(index, bytes.iter().map(|b| *b as char).collect::<String>())?,
            }
            index += 1;
        }
        Ok(())
    })?;
    Ok(array)
}

/// Where messages of at most [`SHORT`] bytes go: most do, and need no call to make room.
static mut SHORT_INPUT: [u8; SHORT] = [0; SHORT];

/// The address of the room for short messages.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_short() -> *mut u8 {
    &raw mut SHORT_INPUT as *mut u8
}

/// Room for a message of `len` bytes, more than [`SHORT`]; valid until the next call of any export.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_alloc(len: u32) -> *mut u8 {
    INPUT.with(|input| {
        let mut input = input.borrow_mut();
        input.clear();
        input.resize(len as usize, 0);
        input.as_mut_ptr()
    })
}

fn with_input<R>(len: u32, f: impl FnOnce(&[u8]) -> R) -> R {
    if len as usize <= SHORT {
        // The host writes only between calls.
        let input = &raw const SHORT_INPUT as *const u8;
        return f(unsafe { std::slice::from_raw_parts(input, len as usize) });
    }
    let input = INPUT.with(|input| std::mem::take(&mut *input.borrow_mut()));
    f(&input[..(len as usize).min(input.len())])
}

/// Runs the constructors of the C parts. The host calls it once, before anything else.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_init() {
    unsafe { __wasm_call_ctors() };
}

/// Compiles the Web API layer. The host then gives the bytecode to `boot` in a new instance, so
/// that nothing of what parsing leaves behind is in the base image.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_compile() -> u32 {
    match compile_prelude() {
        Ok(bytecode) => {
            host::emit(Emit::Compiled, &bytecode);
            DONE
        }
        Err(message) => {
            host::log(3, &message);
            BROKEN
        }
    }
}

/// Makes the engine and evaluates the Web API layer, from its bytecode.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_boot(len: u32) -> u32 {
    match with_input(len, boot) {
        Ok(engine) => {
            ENGINE.with(|slot| *slot.borrow_mut() = Some(engine));
            HEADERS.with(|headers| headers.borrow_mut().reserve(4096));
            tidy::tidy();
            DONE
        }
        Err(message) => {
            host::log(3, &message);
            BROKEN
        }
    }
}

/// The Web API layer as bytecode, without its source.
fn compile_prelude() -> Result<Vec<u8>, String> {
    let runtime = Runtime::new().map_err(|e| e.to_string())?;
    runtime.set_max_stack_size(MAX_STACK);
    let context = Context::full(&runtime).map_err(|e| e.to_string())?;
    let bytecode = context.with(|ctx| {
        let run = || {
            let source = include_str!("../prelude/prelude.js");
            // The bundler declares its global; in a module that would be another variable.
            let source = source.trim_start_matches("var globalThis;");
            let module = Module::declare(ctx.clone(), "mayfly", source)?;
            module.write(WriteOptions { strip_source: true, ..Default::default() })
        };
        run().catch(&ctx).map_err(|error| error.to_string())
    });
    // The instance ends with this call: there is nothing to free.
    std::mem::forget((context, runtime));
    bytecode
}

fn boot(bytecode: &[u8]) -> Result<Engine, String> {
    let runtime = Runtime::new().map_err(|e| e.to_string())?;
    runtime.set_max_stack_size(MAX_STACK);
    runtime.set_loader(modules::Lookup, modules::Lookup);
    // Asked now and then by running code; what stops so cannot be caught, and tells where it was.
    runtime.set_interrupt_handler(Some(Box::new(host::interrupted)));
    runtime.set_host_promise_rejection_tracker(Some(Box::new(track_rejection)));
    let context = Context::full(&runtime).map_err(|e| e.to_string())?;
    let hooks = context.with(|ctx| {
        let run = || -> rquickjs::Result<Hooks> {
            ctx.globals().set("__mayfly_native", natives::object(&ctx)?)?;
            let (_, evaluated) = unsafe { Module::load(ctx.clone(), bytecode) }?.eval()?;
            evaluated.finish::<()>()?;
            let prelude: Object<'_> = ctx.globals().get("__mayfly_prelude")?;
            ctx.globals().remove("__mayfly_prelude")?;
            let hooks: Object<'_> = prelude.get("hooks")?;
            let hook = |name: &str| -> rquickjs::Result<Hook> {
                Ok(Persistent::save(&ctx, hooks.get::<_, Function<'_>>(name)?))
            };
            Ok(Hooks {
                begin: hook("begin")?,
                settle: hook("settle")?,
                dispatch_fetch: hook("dispatchFetch")?,
                dispatch_event: hook("dispatchEvent")?,
                unhandled: hook("unhandledRejection")?,
                set_env: hook("setEnv")?,
            })
        };
        run().catch(&ctx).map_err(|error| error.to_string())
    });
    let hooks = match hooks {
        Ok(hooks) => hooks,
        Err(message) => {
            // The instance ends with this call: there is nothing to free.
            std::mem::forget((context, runtime));
            return Err(message);
        }
    };
    runtime.run_gc();
    runtime.set_gc_threshold(GC_THRESHOLD);
    Ok(Engine { runtime, context, hooks: Some(hooks), handler: None, env: None, style: 0 })
}

fn track_rejection<'js>(ctx: Ctx<'js>, promise: Value<'js>, reason: Value<'js>, handled: bool) {
    REJECTIONS.with(|list| {
        let mut list = list.borrow_mut();
        if handled {
            list.retain(|(known, _)| {
                known.clone().restore(&ctx).map_or(true, |known| known != promise)
            });
        } else {
            list.push((Persistent::save(&ctx, promise), Persistent::save(&ctx, reason)));
        }
    });
}

/// Runs jobs until none is left, then reports rejections that nobody handles.
///
/// # Errors
/// What a job threw and nobody could catch: that its time is over.
fn run_jobs(engine: &Engine) -> Result<(), Failed> {
    loop {
        loop {
            match engine.runtime.execute_pending_job() {
                Ok(true) => {}
                Ok(false) => break,
                Err(exception) => {
                    return Err(exception.0.with(|ctx| {
                        caught(CaughtError::from_error(&ctx, rquickjs::Error::Exception))
                    }));
                }
            }
        }
        let unhandled = REJECTIONS.with(|list| std::mem::take(&mut *list.borrow_mut()));
        if unhandled.is_empty() {
            return Ok(());
        }
        engine.context.with(|ctx| {
            for (_, reason) in unhandled {
                let hook = engine.hooks.as_ref().map(|hooks| hooks.unhandled.clone());
                if let (Some(hook), Ok(reason)) = (hook, reason.restore(&ctx)) {
                    let _ = hook.restore(&ctx).and_then(|hook| hook.call::<_, ()>((reason,)));
                }
            }
        });
    }
}

/// Evaluates a function's modules and finds its handler.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_load(len: u32) -> u32 {
    with_input(len, |input| {
        ENGINE.with(|slot| {
            let mut slot = slot.borrow_mut();
            let Some(engine) = slot.as_mut() else { return BROKEN };
            match load(engine, input) {
                Ok(()) => DONE,
                Err((name, message, stack)) => {
                    let mut failed = Writer::default();
                    failed.str(&name).str(&message).str(&stack);
                    host::emit(Emit::LoadFailed, &failed.0);
                    DONE
                }
            }
        })
    })
}

type Failed = (String, String, String);

fn failed(name: &str, message: impl Into<String>) -> Failed {
    (name.into(), message.into(), String::new())
}

fn caught(error: CaughtError<'_>) -> Failed {
    match error {
        CaughtError::Exception(exception) => {
            let name: Option<String> = exception.as_object().get("name").ok();
            (
                name.unwrap_or_else(|| "Error".into()),
                exception.message().unwrap_or_default(),
                exception.stack().unwrap_or_default(),
            )
        }
        CaughtError::Value(value) => {
            let shown: Option<rquickjs::Coerced<String>> = value.get().ok();
            failed("", shown.map_or_else(|| "a value was thrown".into(), |shown| shown.0))
        }
        CaughtError::Error(error) => failed("Error", error.to_string()),
    }
}

fn load(engine: &mut Engine, input: &[u8]) -> Result<(), Failed> {
    let mut message = Reader(input);
    let broken = || failed("Error", "the host's message cannot be read");
    let entry = message.str().ok_or_else(broken)?.to_owned();
    let export = message.str().ok_or_else(broken)?.to_owned();
    let env = message.str().ok_or_else(broken)?.to_owned();
    modules::install(modules::Graph::read(&mut message).ok_or_else(broken)?);
    let source = modules::take_source(&entry).ok_or_else(broken)?;

    let promise = engine.context.with(|ctx| {
        let run = || {
            let env: Object<'_> = ctx.json_parse(env)?.get()?;
            let hooks = engine.hooks.as_ref().ok_or(rquickjs::Error::Unknown)?;
            hooks.set_env.clone().restore(&ctx)?.call::<_, ()>((env.clone(),))?;
            let module = modules::declare(&ctx, &entry, source)?;
            let (module, promise) = module.eval()?;
            Ok((
                Persistent::save(&ctx, env),
                Persistent::save(&ctx, module.namespace()?),
                Persistent::save(&ctx, promise.into_value()),
            ))
        };
        run().catch(&ctx).map_err(caught)
    });
    let (env, namespace, promise) = promise?;
    // Before jobs run a rejected top level would count as unhandled: it is handled below.
    engine.context.with(|ctx| {
        if let Ok(promise) = promise.clone().restore(&ctx) {
            REJECTIONS.with(|list| {
                list.borrow_mut().retain(|(known, _)| {
                    known.clone().restore(&ctx).map_or(true, |known| known != promise)
                });
            });
            if let Some(promise) = promise.as_promise() {
                let ignore = Function::new(ctx.clone(), || ());
                if let (Ok(catch), Ok(ignore)) = (promise.catch(), ignore) {
                    let _ = catch.call::<_, ()>((This(promise.clone()), ignore));
                }
            }
        }
    });
    run_jobs(engine)?;
    engine.env = Some(env);

    let (style, handler) = engine.context.with(|ctx| {
        let promise: rquickjs::Promise<'_> = promise
            .restore(&ctx)
            .and_then(|value| value.get())
            .map_err(|e| failed("Error", e.to_string()))?;
        match promise.result::<Value<'_>>() {
            None => {
                return Err(failed(
                    "Error",
                    "the module's top level awaits something that never comes: fetch and timers \
                     are not available there",
                ));
            }
            Some(result) => result.catch(&ctx).map_err(caught)?,
        };
        let namespace = namespace.restore(&ctx).map_err(|e| failed("Error", e.to_string()))?;
        find_handler(&ctx, &namespace, &export)
            .catch(&ctx)
            .map_err(caught)?
            .map_err(|message| failed("HandlerError", message))
    })?;
    engine.handler = Some(handler);
    engine.style = style;
    // No collection here: it would relink every object of the engine, and each page of the base
    // would differ in the image.
    tidy::tidy();
    host::emit(Emit::Loaded, &[style]);
    Ok(())
}

type Handler = (Hook, Persistent<Value<'static>>);

/// The handler by the rules of both styles: an export named in the configuration, else the default
/// export's `fetch`, else an export called `handler`.
fn find_handler<'js>(
    ctx: &Ctx<'js>,
    namespace: &Object<'js>,
    export: &str,
) -> rquickjs::Result<Result<(u8, Handler), String>> {
    let save = |style: u8, function: Function<'js>, this: Value<'js>| {
        Ok(Ok((style, (Persistent::save(ctx, function), Persistent::save(ctx, this)))))
    };
    let fetch_of = |value: &Value<'js>| -> rquickjs::Result<Option<Function<'js>>> {
        let Some(object) = value.as_object() else { return Ok(None) };
        Ok(object.get::<_, Value<'js>>("fetch")?.into_function())
    };
    let names = || -> rquickjs::Result<String> {
        let names: Vec<String> = namespace.keys::<String>().collect::<rquickjs::Result<_>>()?;
        Ok(if names.is_empty() {
            "it exports nothing".into()
        } else {
            format!("it exports {}", names.join(", "))
        })
    };
    let candidates: &[&str] = if export.is_empty() { &["default", "handler"] } else { &[export] };
    for name in candidates {
        let value: Value<'js> = namespace.get(*name)?;
        if let Some(fetch) = fetch_of(&value)? {
            return save(0, fetch, value);
        }
        if let Some(function) = value.as_function()
            && (*name != "default" || !export.is_empty())
        {
            return save(1, function.clone(), rquickjs::Undefined.into_js(ctx)?);
        }
    }
    let names = names()?;
    Ok(Err(if export.is_empty() {
        format!(
            "the module exports no handler: write `export default {{ async fetch(request, env, \
             ctx) {{ … }} }}` or `export async function handler(event, context) {{ … }}` ({names})"
        )
    } else {
        format!("the module has no handler `{export}` ({names})")
    }))
}

/// Starts an invocation.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_begin(len: u32) -> u32 {
    INVOKING.with(|invoking| invoking.set(true));
    FINISHED.with(|done| done.set(false));
    with_input(len, |input| {
        ENGINE.with(|slot| {
            let slot = slot.borrow();
            let Some(engine) = slot.as_ref() else { return BROKEN };
            let begun = engine.context.with(|ctx| {
                begin(engine, &ctx, input).catch(&ctx).map_err(caught)
            });
            finish(engine, begun)
        })
    })
}

fn finish(engine: &Engine, result: Result<(), Failed>) -> u32 {
    if let Err((name, message, stack)) = result.and_then(|()| run_jobs(engine)) {
        let mut fail = Writer::default();
        fail.str("internal").str(&format!("{name}: {message}"));
        fail.str(&format!("{name}: {message}\n{stack}"));
        host::emit(Emit::Fail, &fail.0);
        return BROKEN;
    }
    if FINISHED.with(Cell::get) { DONE } else { PENDING }
}

fn begin<'js>(engine: &Engine, ctx: &Ctx<'js>, input: &[u8]) -> rquickjs::Result<()> {
    let unreadable = || rquickjs::Error::Unknown;
    let mut message = Reader(input);
    let mut word = || message.u32().ok_or_else(unreadable);
    let seeds = (word()?, word()?, word()?, word()?);
    let (hooks, (handler, this), env) =
        match (&engine.hooks, engine.handler.clone(), engine.env.clone()) {
            (Some(hooks), Some(handler), Some(env)) => (hooks, handler, env),
            _ => return Err(unreadable()),
        };
    hooks.begin.clone().restore(ctx)?.call::<_, ()>(seeds)?;
    let env = env.restore(ctx)?;
    let handler = handler.restore(ctx)?;
    for _ in 0..message.u32().ok_or_else(unreadable)? {
        let name = message.str().ok_or_else(unreadable)?;
        env.set(name, message.str().ok_or_else(unreadable)?)?;
    }
    if engine.style == 1 {
        let event = message.str().ok_or_else(unreadable)?;
        let context = message.str().ok_or_else(unreadable)?;
        let context = ctx.json_parse(context)?;
        let dispatch = hooks.dispatch_event.clone().restore(ctx)?;
        return dispatch.call((handler, event, context, env));
    }
    let method = message.str().ok_or_else(unreadable)?;
    let url = message.str().ok_or_else(unreadable)?;
    let headers = message.bytes().ok_or_else(unreadable)?;
    HEADERS.with(|slot| {
        let mut slot = slot.borrow_mut();
        slot.clear();
        slot.extend_from_slice(headers);
    });
    // 0: no body; 1: these bytes; 2: a stream, which the operation `body_read` of resource 0 gives.
    let body = match message.u8().ok_or_else(unreadable)? {
        0 => Null.into_js(ctx)?,
        1 => {
            let bytes = message.bytes().ok_or_else(unreadable)?;
            TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_value()
        }
        _ => true.into_js(ctx)?,
    };
    let dispatch = hooks.dispatch_fetch.clone().restore(ctx)?;
    dispatch.call((handler, this.restore(ctx)?, method, url, body, env))
}

/// Settles one operation.
#[unsafe(no_mangle)]
pub extern "C" fn mayfly_settle(len: u32) -> u32 {
    with_input(len, |input| {
        ENGINE.with(|slot| {
            let slot = slot.borrow();
            let Some(engine) = slot.as_ref() else { return BROKEN };
            let settled = engine.context.with(|ctx| {
                settle(engine, &ctx, input).catch(&ctx).map_err(caught)
            });
            finish(engine, settled)
        })
    })
}

fn settle<'js>(engine: &Engine, ctx: &Ctx<'js>, input: &[u8]) -> rquickjs::Result<()> {
    let mut message = Reader(input);
    let unreadable = || rquickjs::Error::Unknown;
    let id = message.u32().ok_or_else(unreadable)?;
    let ok = message.u8().ok_or_else(unreadable)? == 1;
    let meta = message.str().ok_or_else(unreadable)?;
    let bytes = match message.maybe().ok_or_else(unreadable)? {
        Some(bytes) => TypedArray::<u8>::new_copy(ctx.clone(), bytes)?.into_value(),
        None => Null.into_js(ctx)?,
    };
    let hooks = engine.hooks.as_ref().ok_or_else(unreadable)?;
    hooks.settle.clone().restore(ctx)?.call((id, ok, meta, bytes))
}
