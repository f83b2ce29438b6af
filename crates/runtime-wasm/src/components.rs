//! Compiled components: files of the cache, and those in use in memory.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use mayfly_artifact::read_checked;
use mayfly_types::{ByteSize, Digest};
use wasmtime::component::Component;
use wasmtime_wasi_http::p2::bindings::ProxyPre;

use crate::engine::Engine;
use crate::state::State;

/// A component that can be instantiated at once.
pub(crate) struct Loaded {
    pub(crate) engine: Arc<Engine>,
    pub(crate) proxy: ProxyPre<State>,
    used: AtomicU64,
}

impl Loaded {
    /// What its memory holds before anything runs.
    pub(crate) fn least_memory(&self) -> Option<ByteSize> {
        let needed = self.proxy.instance_pre().component().resources_required()?;
        needed.max_initial_memory_size.map(|pages| ByteSize::bytes(pages << 16))
    }

    /// Marks it as used now.
    pub(crate) fn touch(&self, now: u64) {
        self.used.store(now, Ordering::Relaxed);
    }
}

/// The components in memory, by key.
pub(crate) struct Components {
    directory: PathBuf,
    most: usize,
    loaded: Mutex<HashMap<Digest, Arc<Loaded>>>,
}

impl Components {
    /// None yet, and never more than `most`.
    pub(crate) fn new(directory: PathBuf, most: usize) -> Self {
        Self { directory, most, loaded: Mutex::default() }
    }

    /// Where a compiled component is, or belongs. It depends on the engine that compiles it.
    pub(crate) fn path(&self, engine: &Engine, component: Digest) -> PathBuf {
        self.directory.join(format!("{component}-{:016x}.cwasm", engine.key()))
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Arc<Loaded>>> {
        self.loaded.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    pub(crate) fn get(&self, component: Digest) -> Option<Arc<Loaded>> {
        self.lock().get(&component).cloned()
    }

    /// Loads a component from the cache; `None` if it is not there, was altered, or is another engine's.
    /// It reads files and takes a while.
    pub(crate) fn load(
        &self,
        engine: &Arc<Engine>,
        component: Digest,
        now: u64,
    ) -> Option<Arc<Loaded>> {
        let bytes = read_checked(&self.path(engine, component))?;
        let loaded = deserialize(engine.wasmtime(), &bytes)
            .and_then(|component| engine.link(&component))
            .and_then(ProxyPre::new);
        let proxy = match loaded {
            Ok(proxy) => proxy,
            Err(error) => {
                tracing::warn!(%component, error = format!("{error:#}"), "ignored: a compiled component");
                return None;
            }
        };
        let loaded =
            Arc::new(Loaded { engine: Arc::clone(engine), proxy, used: AtomicU64::new(now) });
        let mut all = self.lock();
        if all.len() >= self.most
            && let Some(oldest) = all.iter().min_by_key(|(_, one)| one.used.load(Ordering::Relaxed))
        {
            let oldest = *oldest.0;
            all.remove(&oldest);
        }
        all.insert(component, Arc::clone(&loaded));
        Some(loaded)
    }

    /// Forgets what was not used since `before`. What still runs keeps its own.
    pub(crate) fn reap(&self, before: u64) {
        self.lock().retain(|_, one| one.used.load(Ordering::Relaxed) >= before);
    }
}

#[allow(
    unsafe_code,
    reason = "loads machine code that this program made and whose digest it checked"
)]
fn deserialize(engine: &wasmtime::Engine, bytes: &[u8]) -> wasmtime::Result<Component> {
    // SAFETY: `read_checked` gives only what `write_checked` wrote: a file of this user that nobody else
    // can reach, whose digest holds, and nothing but `compile::prepare` writes files of this name. The
    // bytes are copied, so that no later change of the file shows. wasmtime checks version and
    // configuration.
    unsafe { Component::deserialize(engine, bytes) }
}
