//! A slot: one store and instance of the engine, kept, whose memory alone is put back.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use mayfly_runtime_api::{LogSink, give_way};
use mayfly_types::{Fault, InvocationId};
use wasmtime::{
    AsContextMut, Global, InstancePre, Memory, ResourceLimiter, Store, TypedFunc, UpdateDeadline,
    Val,
};

use crate::engine::Engine;
use crate::image::Image;
use crate::memory::{Region, Regions};
use mayfly_guest_memory::Written;

/// Longest message that the guest has room for already; the guest knows the number too.
const SHORT: usize = 8 * 1024;

/// The most linear memory a guest can have at all.
const ADDRESSABLE: usize = 4 << 30;

/// What the guest says to the host while it runs.
#[derive(Debug, Default)]
pub(crate) struct Output {
    /// The answer's status and headers, once there.
    pub(crate) head: Option<ReplyHead>,
    /// The whole result of an event, once there.
    pub(crate) event: Option<Bytes>,
    /// Bytes of the body that nobody has read yet.
    pub(crate) chunks: std::collections::VecDeque<Bytes>,
    /// Whether the body is complete.
    pub(crate) ended: bool,
    /// What went wrong.
    pub(crate) fault: Option<Fault>,
    /// The reader of the body knows what went wrong.
    pub(crate) told: bool,
    /// Wakes whoever waits until `chunks` is empty.
    pub(crate) drained: Option<std::task::Waker>,
    /// Bytes of the request's body or of the event, as far as the guest has them.
    pub(crate) bytes_in: u64,
    /// Bytes of the body so far.
    pub(crate) bytes_out: u64,
}

/// The start of an answer, as the guest gave it.
#[derive(Debug)]
pub(crate) struct ReplyHead {
    pub(crate) status: u32,
    pub(crate) headers: Vec<(Bytes, Bytes)>,
}

/// An operation that the guest has started.
#[derive(Debug)]
pub(crate) struct StartedOp {
    pub(crate) id: u32,
    pub(crate) name: String,
    pub(crate) meta: String,
    pub(crate) bytes: Option<Bytes>,
}

/// What a loaded module said of itself.
#[derive(Debug, Clone)]
pub(crate) enum Loaded {
    /// It has a handler: 0 fetch style, 1 event style.
    Handler(u8),
    /// It failed: name, message, stack.
    Failed(String, String, String),
}

/// The host's side of one guest, renewed for each invocation.
pub(crate) struct SlotState {
    pub(crate) output: Arc<Mutex<Output>>,
    pub(crate) started: Vec<StartedOp>,
    pub(crate) cancelled: Vec<u32>,
    pub(crate) next_op: u32,
    /// The answer of the latest synchronous call, until the guest takes it.
    pub(crate) answer: Vec<u8>,
    pub(crate) loaded: Option<Loaded>,
    /// The Web API layer's bytecode.
    pub(crate) compiled: Option<Vec<u8>>,
    pub(crate) began: Instant,
    pub(crate) began_us: i64,
    /// When a running guest is asked to stop.
    pub(crate) deadline: Option<Instant>,
    /// When it is stopped.
    stop_at: Option<Instant>,
    /// It was stopped.
    pub(crate) timed_out: bool,
    /// It was asked to stop.
    pub(crate) interrupted: bool,
    pub(crate) logs: Option<(Arc<dyn LogSink>, Option<InvocationId>)>,
    /// Lines for whoever prepares a function.
    pub(crate) lines: Vec<String>,
    memory_limit: usize,
    memory_peak: usize,
    pub(crate) memory_refused: bool,
}

impl SlotState {
    fn new() -> Self {
        Self {
            output: Arc::default(),
            started: Vec::new(),
            cancelled: Vec::new(),
            next_op: 1,
            answer: Vec::new(),
            loaded: None,
            compiled: None,
            began: Instant::now(),
            began_us: 0,
            deadline: None,
            stop_at: None,
            timed_out: false,
            interrupted: false,
            logs: None,
            lines: Vec::new(),
            memory_limit: ADDRESSABLE,
            memory_peak: 0,
            memory_refused: false,
        }
    }

    pub(crate) fn output(&self) -> std::sync::MutexGuard<'_, Output> {
        self.output.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// The most memory that the guest had, in bytes.
    pub(crate) fn memory_peak(&self) -> usize {
        self.memory_peak
    }
}

impl ResourceLimiter for SlotState {
    fn memory_growing(
        &mut self,
        _current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        if desired > self.memory_limit {
            self.memory_refused = true;
            return Ok(false);
        }
        self.memory_peak = self.memory_peak.max(desired);
        Ok(true)
    }

    fn table_growing(
        &mut self,
        _current: usize,
        _desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Only instantiation asks: the engine's build asserts that the guest has no `table.grow`.
        Ok(true)
    }
}

/// One store and instance of the engine.
pub(crate) struct Slot {
    pub(crate) store: Store<SlotState>,
    memory: Memory,
    stack_pointer: Global,
    alloc: TypedFunc<u32, u32>,
    /// Where short messages go.
    short: usize,
    compile: TypedFunc<(), u32>,
    boot: TypedFunc<u32, u32>,
    load: TypedFunc<u32, u32>,
    begin: TypedFunc<u32, u32>,
    settle: TypedFunc<u32, u32>,
    region: Arc<Region>,
    image: Option<Arc<Image>>,
    written: Written,
}

/// Which export to call with a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Entry {
    /// Evaluate a function's modules.
    Load,
    /// Start an invocation.
    Begin,
    /// Settle an operation.
    Settle,
}

/// What the guest answered to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Status {
    /// It waits for operations.
    Pending,
    /// It has ended.
    Done,
    /// It could not understand.
    Broken,
}

impl Slot {
    pub(crate) fn new(
        engine: &wasmtime::Engine,
        pre: &InstancePre<SlotState>,
        regions: &Regions,
    ) -> wasmtime::Result<Self> {
        let mut store = Store::new(engine, SlotState::new());
        store.limiter(|state| state);
        store.epoch_deadline_callback(|mut context| {
            let state = context.as_context_mut();
            let state = state.data();
            if state.stop_at.is_some_and(|stop_at| Instant::now() >= stop_at) {
                context.data_mut().timed_out = true;
                return Ok(UpdateDeadline::Interrupt);
            }
            Ok(UpdateDeadline::YieldCustom(1, Box::pin(give_way())))
        });
        // What an instantiation runs of the engine may not be asked to yield: it is not awaited.
        store.set_epoch_deadline(u64::MAX / 2);
        // One that failed may have left its region.
        regions.take();
        let instance = now(pre.instantiate_async(&mut store))??;
        let init = instance.get_typed_func::<(), ()>(&mut store, "mayfly_init")?;
        now(init.call_async(&mut store, ()))??;
        let short = instance.get_typed_func::<(), u32>(&mut store, "mayfly_short")?;
        let short = now(short.call_async(&mut store, ()))?? as usize;
        let region = regions.take().ok_or_else(|| wasmtime::format_err!("no memory was made"))?;
        let memory = instance
            .get_memory(&mut store, "memory")
            .ok_or_else(|| wasmtime::format_err!("the engine exports no memory"))?;
        let stack_pointer = instance
            .get_global(&mut store, "__stack_pointer")
            .ok_or_else(|| wasmtime::format_err!("the engine exports no stack pointer"))?;
        Ok(Self {
            alloc: instance.get_typed_func(&mut store, "mayfly_alloc")?,
            compile: instance.get_typed_func(&mut store, "mayfly_compile")?,
            boot: instance.get_typed_func(&mut store, "mayfly_boot")?,
            load: instance.get_typed_func(&mut store, "mayfly_load")?,
            begin: instance.get_typed_func(&mut store, "mayfly_begin")?,
            settle: instance.get_typed_func(&mut store, "mayfly_settle")?,
            short,
            store,
            memory,
            stack_pointer,
            region,
            image: None,
            written: Written::default(),
        })
    }

    /// Boots the engine and gives its memory and stack pointer. One instance compiles the Web API
    /// layer and another evaluates it, so that the image holds nothing of the compiler's.
    pub(crate) fn boot(
        engine: &wasmtime::Engine,
        pre: &InstancePre<SlotState>,
        regions: &Regions,
    ) -> wasmtime::Result<(Vec<u8>, i32)> {
        let failed = |slot: &Slot| {
            let lines = slot.store.data().lines.join("\n");
            wasmtime::format_err!("the Web API layer failed: {lines}")
        };
        let mut first = Self::new(engine, pre, regions)?;
        let compile = first.compile.clone();
        now(compile.call_async(&mut first.store, ()))??;
        let bytecode = first.store.data_mut().compiled.take().ok_or_else(|| failed(&first))?;

        let mut slot = Self::new(engine, pre, regions)?;
        let len = now(slot.write(&bytecode))??;
        let boot = slot.boot.clone();
        if now(boot.call_async(&mut slot.store, len))?? != 1 {
            return Err(failed(&slot));
        }
        Ok(slot.snapshot())
    }

    /// The guest's memory and stack pointer as they are now.
    pub(crate) fn snapshot(&mut self) -> (Vec<u8>, i32) {
        let pointer = self.stack_pointer.get(&mut self.store).i32().unwrap_or_default();
        (self.memory.data(&self.store).to_vec(), pointer)
    }

    /// Where the guest's memory is in this process.
    #[cfg(test)]
    pub(crate) fn range(&self) -> (usize, usize) {
        (self.memory.data_ptr(&self.store).expose_provenance(), self.region.size())
    }

    /// Whether the next reset must look for pages that the guest wrote.
    #[cfg(test)]
    pub(crate) fn must_search(&self) -> bool {
        self.written.is_stale()
    }

    /// The image that the slot shows.
    pub(crate) fn image(&self) -> Option<&Arc<Image>> {
        self.image.as_ref()
    }

    /// Makes the slot show `image` with nothing written to it.
    pub(crate) fn show(&mut self, engine: &Engine, image: &Arc<Image>) -> wasmtime::Result<()> {
        if self.image.as_ref().is_some_and(|shown| Arc::ptr_eq(shown, image)) {
            return Ok(());
        }
        self.region.show(engine.base(), image)?;
        self.written.clear();
        self.image = Some(Arc::clone(image));
        self.settle_size(image)
    }

    /// Puts the slot's memory back to its image and forgets everything of the last invocation.
    pub(crate) fn reset(&mut self, engine: &Engine) -> wasmtime::Result<()> {
        let Some(image) = self.image.clone() else { return Ok(()) };
        let scanner = engine.scanner();
        if self.region.reset(scanner, engine.base(), &image, &mut self.written)? {
            self.settle_size(&image)?;
        } else {
            self.stack_pointer.set(&mut self.store, Val::I32(image.stack_pointer()))?;
        }
        let state = self.store.data_mut();
        if Arc::strong_count(&state.output) == 1 {
            *state.output() = Output::default();
        } else {
            state.output = Arc::default();
        }
        state.started.clear();
        state.cancelled.clear();
        state.answer.clear();
        state.lines.clear();
        state.loaded = None;
        state.logs = None;
        state.deadline = None;
        state.stop_at = None;
        state.timed_out = false;
        state.interrupted = false;
        state.memory_refused = false;
        Ok(())
    }

    /// Lets wasmtime read the region's size anew: growing by nothing does that (a test holds
    /// wasmtime to it). Without this the guest could still reach what the reset took away.
    fn settle_size(&mut self, image: &Image) -> wasmtime::Result<()> {
        now(self.memory.grow_async(&mut self.store, 0))??;
        if self.memory.data_size(&self.store) != image.size() {
            return Err(wasmtime::format_err!("the memory did not take the image's size"));
        }
        self.stack_pointer.set(&mut self.store, Val::I32(image.stack_pointer()))
    }

    /// Gets ready for one run of the guest: after `deadline` it is asked to stop, and `grace` later
    /// it is stopped.
    pub(crate) fn arm(&mut self, memory_limit: u64, deadline: Option<Instant>, grace: Duration) {
        let size = self.region.size();
        let state = self.store.data_mut();
        state.memory_limit = usize::try_from(memory_limit).unwrap_or(ADDRESSABLE).max(size);
        state.memory_peak = size;
        state.began = Instant::now();
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        state.began_us = i64::try_from(now.as_micros()).unwrap_or(i64::MAX);
        state.deadline = deadline;
        state.stop_at = deadline.map(|deadline| deadline + grace);
        // One that ends within a tick is not made to yield by one that comes in its midst.
        self.store.set_epoch_deadline(2);
    }

    /// Puts a message where the guest looks for it.
    async fn write(&mut self, message: &[u8]) -> wasmtime::Result<u32> {
        let len = u32::try_from(message.len())?;
        let at = match message.len() <= SHORT {
            true => self.short,
            false => self.alloc.call_async(&mut self.store, len).await? as usize,
        };
        self.memory.write(&mut self.store, at, message)?;
        Ok(len)
    }

    /// Gives the guest a message and runs it until it waits or ends.
    pub(crate) async fn send(&mut self, entry: Entry, message: &[u8]) -> wasmtime::Result<Status> {
        let mut written = std::mem::take(&mut self.written);
        let sent = written.watch(self.send_unwatched(entry, message)).await;
        self.written = written;
        sent
    }

    async fn send_unwatched(&mut self, entry: Entry, message: &[u8]) -> wasmtime::Result<Status> {
        let len = self.write(message).await?;
        let export = match entry {
            Entry::Load => &self.load,
            Entry::Begin => &self.begin,
            Entry::Settle => &self.settle,
        };
        Ok(match export.call_async(&mut self.store, len).await? {
            0 => Status::Pending,
            1 => Status::Done,
            _ => Status::Broken,
        })
    }
}

/// The result of what cannot wait.
fn now<T>(future: impl Future<Output = T>) -> wasmtime::Result<T> {
    use futures_util::FutureExt;
    future.now_or_never().ok_or_else(|| wasmtime::format_err!("what cannot wait waited"))
}

impl std::fmt::Debug for Slot {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Slot").field("region", &self.region).finish_non_exhaustive()
    }
}
