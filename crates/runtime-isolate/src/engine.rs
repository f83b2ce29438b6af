//! The JavaScript engine, compiled once for all functions, and its memory as it boots.
#![allow(
    unsafe_code,
    reason = "loads machine code that this program made and whose digest it checked"
)]

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mayfly_artifact::{private_directory, read_checked};
use mayfly_guest_memory::{ResetScheme, Scanner, Stacks};
use mayfly_runtime_api::{Running, Ticker};
use mayfly_types::Digest;
use wasmtime::{Config, InstancePre, Linker, Module, OptLevel};

use crate::abi;
use crate::image::{Base, Image};
use crate::memory::Regions;
use crate::slot::{Slot, SlotState};

/// The engine's guest program; `cargo xtask js-engine` makes it.
static GUEST: &[u8] = include_bytes!("../../../guest/js-engine/dist/engine.wasm");

/// The wasm stack; QuickJS's own bound lies well inside.
const WASM_STACK: usize = 30 << 20;
/// A fiber's stack: the wasm stack and what host calls need on top of it.
const FIBER_STACK: usize = 32 << 20;

/// Why the engine cannot be made.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// A file of the cache cannot be read or written.
    #[error("{action} {}: {source}", path.display())]
    Cache {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// Why it failed.
        source: io::Error,
    },
    /// The guest program cannot be compiled or started.
    #[error("start the JavaScript engine: {0}")]
    Start(String),
}

fn start(error: impl std::fmt::Display) -> EngineError {
    EngineError::Start(format!("{error:#}"))
}

/// The engine.
pub(crate) struct Engine {
    wasmtime: wasmtime::Engine,
    pre: InstancePre<SlotState>,
    regions: Arc<Regions>,
    stacks: Arc<Stacks>,
    scanner: Scanner,
    base: Base,
    base_image: Arc<Image>,
    ticker: Arc<Ticker>,
    clock: AtomicU64,
}

impl Engine {
    /// Loads the engine from the cache directory, or compiles it and keeps it there.
    pub(crate) fn open(
        cache: &Path,
        scheme: Option<ResetScheme>,
    ) -> Result<Arc<Self>, EngineError> {
        let regions = Arc::new(Regions::default());
        let stacks = Arc::new(Stacks::default());
        let config = config(&regions, &stacks);
        let wasmtime = wasmtime::Engine::new(&config).map_err(start)?;
        let key = key(&wasmtime);
        private_directory(cache).map_err(|source| EngineError::Cache {
            action: "make the directory",
            path: cache.into(),
            source,
        })?;
        let module = load_module(&wasmtime, &cache.join(format!("engine-{key}.cwasm")))?;

        let mut linker = Linker::new(&wasmtime);
        abi::add_to_linker(&mut linker).map_err(start)?;
        let pre = linker.instantiate_pre(&module).map_err(start)?;
        let scanner = Scanner::open(scheme)
            .map_err(|source| EngineError::Start(format!("read /proc/self/pagemap: {source}")))?;

        let path = cache.join(format!("engine-{key}.base"));
        let kept = read_checked(&path).and_then(|file| Base::decode(&file));
        let base = match kept.transpose().map_err(start)? {
            Some(base) => base,
            None => {
                let (memory, pointer) = Slot::boot(&wasmtime, &pre, &regions).map_err(start)?;
                let file = Base::encode(&memory, pointer);
                write_checked(&path, &file)?;
                let base = Base::decode(&file).ok_or_else(|| start("the base cannot be read"))?;
                base.map_err(start)?
            }
        };
        let base_image = Arc::new(base.as_image().map_err(start)?);
        let ticking = wasmtime.clone();
        let ticker = Ticker::new("js-ticker", move || ticking.increment_epoch());
        Ok(Arc::new(Self {
            wasmtime,
            pre,
            regions,
            stacks,
            scanner,
            base,
            base_image,
            ticker,
            clock: AtomicU64::new(1),
        }))
    }

    /// A new slot that shows nothing yet.
    pub(crate) fn slot(&self) -> Result<Slot, EngineError> {
        Slot::new(&self.wasmtime, &self.pre, &self.regions).map_err(start)
    }

    pub(crate) fn base(&self) -> &Base {
        &self.base
    }

    pub(crate) fn base_image(&self) -> &Arc<Image> {
        &self.base_image
    }

    pub(crate) fn scanner(&self) -> &Scanner {
        &self.scanner
    }

    /// Gives idle stacks back to the system; while slots are kept, only their depths.
    pub(crate) fn trim(&self, slots: usize) {
        match slots {
            0 => self.stacks.clear(),
            _ => self.stacks.trim(),
        }
    }

    /// A number that rises with each call, for "least recently used".
    pub(crate) fn tick(&self) -> u64 {
        self.clock.fetch_add(1, Ordering::Relaxed)
    }

    /// Marks a guest as running for as long as the value lives.
    pub(crate) fn running(&self) -> Running {
        self.ticker.running()
    }
}

fn config(regions: &Arc<Regions>, stacks: &Arc<Stacks>) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .with_host_memory(regions.clone())
        .with_host_stack(stacks.clone())
        .memory_init_cow(false)
        .memory_may_move(false)
        .memory_reservation(4 << 30)
        .memory_guard_size(2 << 30)
        .guard_before_linear_memory(false)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .epoch_interruption(true)
        .concurrency_support(false)
        .generate_address_map(false);
    config
}

/// Names what the compiled module depends on: the guest, wasmtime and how it is configured.
fn key(engine: &wasmtime::Engine) -> String {
    use std::hash::{Hash, Hasher};
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    format!("{}-{:016x}", Digest::of(GUEST).short(), hasher.finish())
}

fn load_module(engine: &wasmtime::Engine, path: &Path) -> Result<Module, EngineError> {
    if let Some(bytes) = read_checked(path) {
        // SAFETY: `read_checked` gives only what `write_checked` wrote: a file of this user that
        // nobody else can write, whose digest holds. wasmtime checks version and configuration.
        if let Ok(module) = unsafe { Module::deserialize(engine, &bytes) } {
            return Ok(module);
        }
    }
    let module = Module::new(engine, GUEST).map_err(start)?;
    write_checked(path, &module.serialize().map_err(start)?)?;
    Ok(module)
}

/// Writes a file of the cache.
pub(crate) fn write_checked(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    mayfly_artifact::write_checked(path, bytes).map_err(|source| EngineError::Cache {
        action: "write",
        path: path.into(),
        source,
    })
}
