//! How components are compiled and run.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use mayfly_guest_memory::{Slots, Stacks};
use mayfly_runtime_api::{Running, Ticker};
use serde::{Deserialize, Serialize};
use wasmtime::component::{Component, InstancePre, Linker};
use wasmtime::{
    Config, Enabled, InstanceAllocationStrategy, OptLevel, PoolingAllocationConfig,
    WasmBacktraceDetails,
};

use crate::state::{State, add_to_linker};

/// Most functions and globals of a component whose memory is kept, times its core instances: what it needs of the
/// node's own memory grows with them, some 64 bytes each, and only the pool bounds it.
const MOST_ENTRIES: u64 = 200_000;
/// Most bytes of data that are copied for each request.
const MOST_COPIED: usize = 512 << 10;
/// The wasm stack: deep enough for an interpreter.
const WASM_STACK: usize = 1 << 20;
/// A fiber's stack: the wasm stack and what host calls need on top of it.
const FIBER_STACK: usize = 2 << 20;
/// What a slot keeps of a table; it is overwritten, not dropped.
const KEEP_TABLE: usize = 64 << 10;
/// Slots that keep the component they had last, with its memory mapped.
const WARM_SLOTS: u32 = 256;
/// Most entries of one table.
const TABLE: usize = 100_000;
/// Most core instances, memories and tables of one component; those of interpreters have many.
const CORE_INSTANCES: u32 = 200;
const MEMORIES: u32 = 4;
const TABLES: u32 = 16;
/// Most bytes of one core instance, and of all of one component: tables of functions and globals.
const INSTANCE: usize = 4 << 20;

/// Why there is no engine.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// The cache cannot be used.
    #[error("make the directory {}: {source}", path.display())]
    Cache {
        /// The directory.
        path: std::path::PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// WebAssembly cannot be run here.
    #[error("start the WebAssembly engine: {0}")]
    Start(String),
}

fn start(error: impl std::fmt::Display) -> EngineError {
    EngineError::Start(format!("{error:#}"))
}

/// How the memory of a component's instances is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Kind {
    /// Kept and zeroed; the component's data is copied into it. The quickest, where that is not much.
    Kept,
    /// A view of the component's initial memory, and dropped: for those that come with megabytes, such as an
    /// interpreter.
    Mapped,
}

impl Kind {
    pub(crate) const ALL: [Self; 2] = [Self::Kept, Self::Mapped];

    /// The kind for a component with so many bytes of data, and so many functions and globals times core instances.
    pub(crate) fn of(data: usize, entries: u64) -> Self {
        match data <= MOST_COPIED && entries <= MOST_ENTRIES {
            true => Self::Kept,
            false => Self::Mapped,
        }
    }
}

/// What runs components of one kind.
pub(crate) struct Engine {
    kind: Kind,
    wasmtime: wasmtime::Engine,
    linker: Linker<State>,
    ticker: Arc<Ticker>,
    /// The memory of the kind that is kept, and stacks for it.
    kept: Option<(Slots, Arc<Stacks>)>,
    /// Instances that there are, and most that there may be.
    instances: AtomicU32,
    most: u32,
}

/// The node has no room for another instance.
#[derive(Debug, thiserror::Error)]
#[error("the node has no room for another instance")]
pub(crate) struct NoRoom;

/// An instance's place among those that there may be at once.
pub(crate) struct Place(Arc<Engine>);

impl Drop for Place {
    fn drop(&mut self) {
        self.0.instances.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Engine {
    /// An engine for at most so many instances at once.
    pub(crate) fn new(kind: Kind, instances: u32) -> Result<Arc<Self>, EngineError> {
        let mut config = config(kind);
        let kept = match kind {
            Kind::Kept => {
                let slots = Slots::new(None).map_err(start)?;
                let stacks = Arc::new(Stacks::default());
                config.with_host_memory(Arc::new(slots.clone())).with_host_stack(stacks.clone());
                Some((slots, stacks))
            }
            Kind::Mapped => {
                let pool = InstanceAllocationStrategy::Pooling(pool(instances));
                config.allocation_strategy(pool);
                None
            }
        };
        let wasmtime = wasmtime::Engine::new(&config).map_err(start)?;
        let mut linker = Linker::new(&wasmtime);
        add_to_linker(&mut linker).map_err(start)?;
        let ticking = wasmtime.clone();
        let ticker = Ticker::new("wasm-ticker", move || ticking.increment_epoch());
        let (instances, most) = (AtomicU32::new(0), instances);
        Ok(Arc::new(Self { kind, wasmtime, linker, ticker, kept, instances, most }))
    }

    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.wasmtime
    }

    /// What names compiled components of it.
    pub(crate) fn key(&self) -> u64 {
        key(&self.wasmtime, self.kind)
    }

    /// Finds everything that a component imports.
    pub(crate) fn link(&self, component: &Component) -> wasmtime::Result<InstancePre<State>> {
        self.linker.instantiate_pre(component)
    }

    /// Marks a guest as running for as long as the value lives.
    pub(crate) fn running(&self) -> Running {
        self.ticker.running()
    }

    /// A place for an instance.
    pub(crate) fn enter(self: &Arc<Self>) -> Result<Place, NoRoom> {
        let place = Place(Arc::clone(self));
        let before = self.instances.fetch_add(1, Ordering::Relaxed);
        // Dropped on the way out, it takes the count back.
        if before < self.most { Ok(place) } else { Err(NoRoom) }
    }

    /// How many places are taken.
    #[cfg(test)]
    pub(crate) fn entered(&self) -> u32 {
        self.instances.load(Ordering::Relaxed)
    }

    /// Gives back memory that lay idle since the last call.
    pub(crate) fn shrink(&self) {
        let Some((slots, stacks)) = &self.kept else { return };
        slots.shrink();
        match slots.idle() {
            0 => stacks.clear(),
            _ => stacks.trim(),
        }
    }
}

/// How components are compiled: the same for whoever compiles and whoever runs.
pub(crate) fn config(kind: Kind) -> Config {
    let mut config = Config::new();
    config
        .cranelift_opt_level(OptLevel::Speed)
        .max_wasm_stack(WASM_STACK)
        .async_stack_size(FIBER_STACK)
        .epoch_interruption(true)
        .concurrency_support(false)
        .memory_reservation(4 << 30)
        .memory_guard_size(32 << 20)
        .wasm_backtrace_details(WasmBacktraceDetails::Enable)
        .wasm_memory64(false);
    if kind == Kind::Kept {
        config.memory_init_cow(false).memory_may_move(false).guard_before_linear_memory(false);
    }
    config
}

/// Names what a compiled component depends on beside its code: wasmtime, how it is configured, and this
/// processor.
fn key(engine: &wasmtime::Engine, kind: Kind) -> u64 {
    use std::hash::{Hash as _, Hasher as _};
    let mut hasher = std::hash::DefaultHasher::new();
    engine.precompile_compatibility_hash().hash(&mut hasher);
    (kind == Kind::Kept).hash(&mut hasher);
    env!("CARGO_PKG_VERSION").hash(&mut hasher);
    hasher.finish()
}

fn pool(instances: u32) -> PoolingAllocationConfig {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(instances)
        .total_core_instances(instances.saturating_mul(8).max(CORE_INSTANCES))
        .total_memories(instances.max(MEMORIES))
        .total_tables(instances.saturating_mul(2).max(TABLES))
        .total_stacks(instances)
        .max_core_instances_per_component(CORE_INSTANCES)
        .max_memories_per_component(MEMORIES)
        .max_tables_per_component(TABLES)
        .max_component_instance_size(INSTANCE)
        .max_core_instance_size(INSTANCE)
        .max_memory_size(4 << 30)
        .table_elements(TABLE)
        .max_unused_warm_slots(WARM_SLOTS.min(instances))
        .table_keep_resident(KEEP_TABLE)
        // Memory that was written is dropped. To overwrite just the pages that the kernel says were written
        // is quicker, but wasmtime's search passes over those that are not in place at that moment, on
        // their way to swap or to where the kernel gathers pages, and the next guest would see them.
        .linear_memory_keep_resident(0)
        .pagemap_scan(Enabled::No);
    pool
}
