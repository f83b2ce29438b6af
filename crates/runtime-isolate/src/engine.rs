//! The JavaScript engine, compiled once for all functions, and its memory as it boots.
#![allow(
    unsafe_code,
    reason = "loads machine code that this program made and whose digest it checked"
)]

use std::io::{self, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mayfly_types::Digest;
use wasmtime::{Config, InstancePre, Linker, Module, OptLevel};

use crate::abi;
use crate::dirty::{ResetScheme, Scanner};
use crate::image::{Base, Image};
use crate::memory::Regions;
use crate::slot::{Slot, SlotState};
use crate::stack::Stacks;

/// The engine's guest program; `cargo xtask js-engine` makes it.
static GUEST: &[u8] = include_bytes!("../../../guest/js-engine/dist/engine.wasm");

/// How often a running guest looks whether its time is over and lets others run.
const TICK: Duration = Duration::from_millis(1);

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
    running: AtomicUsize,
    /// The ticker sleeps until it is woken.
    asleep: AtomicBool,
    ticker: std::sync::OnceLock<std::thread::Thread>,
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
        make_private_directory(cache)?;
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
        Ok(Arc::new(Self {
            wasmtime,
            pre,
            regions,
            stacks,
            scanner,
            base,
            base_image,
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            ticker: std::sync::OnceLock::new(),
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

    /// Marks a guest as running for as long as the value lives. The thread that advances the epoch
    /// sleeps while none does.
    pub(crate) fn running(self: &Arc<Self>) -> Running {
        let ticker = self.ticker.get_or_init(|| spawn_ticker(self));
        // Waking costs a system call, and most invocations end before the first tick.
        if self.running.fetch_add(1, Ordering::SeqCst) == 0
            && self.asleep.swap(false, Ordering::SeqCst)
        {
            ticker.unpark();
        }
        Running(Arc::clone(self))
    }
}

/// A guest is running.
pub(crate) struct Running(Arc<Engine>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn spawn_ticker(engine: &Arc<Engine>) -> std::thread::Thread {
    let engine = Arc::downgrade(engine);
    let body = move || {
        // Parking at the first idle tick would make the next request pay for waking this thread.
        const LINGER: u32 = 50;
        let mut idle = 0;
        loop {
            let Some(engine) = engine.upgrade() else { return };
            if engine.running.load(Ordering::SeqCst) > 0 {
                idle = 0;
            } else {
                idle += 1;
            }
            let mut sleep = idle > LINGER;
            if sleep {
                engine.asleep.store(true, Ordering::SeqCst);
                // Who began to run before the store above saw nobody asleep.
                sleep = engine.running.load(Ordering::SeqCst) == 0;
            }
            if !sleep {
                engine.asleep.store(false, Ordering::SeqCst);
                engine.wasmtime.increment_epoch();
            }
            drop(engine);
            if sleep {
                // Wakes up now and then to see whether the engine is gone.
                std::thread::park_timeout(Duration::from_secs(1));
            } else {
                std::thread::park_timeout(TICK);
            }
        }
    };
    match std::thread::Builder::new().name("js-ticker".into()).spawn(body) {
        Ok(handle) => handle.thread().clone(),
        Err(error) => {
            tracing::error!(%error, "start the thread that bounds running guests");
            std::process::abort()
        }
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

fn make_private_directory(path: &Path) -> Result<(), EngineError> {
    let made = std::fs::create_dir_all(path)
        .and_then(|()| std::fs::set_permissions(path, PermissionsExt::from_mode(0o700)));
    made.map_err(|source| EngineError::Cache {
        action: "make the directory",
        path: path.into(),
        source,
    })
}

/// A file that this user owns, that nobody else can write, and whose digest holds.
pub(crate) fn read_checked(path: &Path) -> Option<Vec<u8>> {
    let file = std::fs::File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "ignored: other users can reach this cache file");
        return None;
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    io::Read::read_to_end(&mut &file, &mut bytes).ok()?;
    let digest = bytes.split_off(bytes.len().checked_sub(32)?);
    if Digest::of(&bytes).as_bytes()[..] != digest[..] {
        tracing::warn!(path = %path.display(), "ignored: this cache file is damaged");
        return None;
    }
    Some(bytes)
}

/// Writes a file that [`read_checked`] takes; whoever reads meanwhile sees the old one or all of
/// the new one.
pub(crate) fn write_checked(path: &Path, bytes: &[u8]) -> Result<(), EngineError> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let write = || {
        let mut file = tempfile::Builder::new()
            .permissions(PermissionsExt::from_mode(0o600))
            .tempfile_in(directory)?;
        file.write_all(bytes)?;
        file.write_all(Digest::of(bytes).as_bytes())?;
        file.persist(path)?;
        Ok(())
    };
    write().map_err(|source| EngineError::Cache { action: "write", path: path.into(), source })
}
