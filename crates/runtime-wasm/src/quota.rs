//! What one invocation may hold: linear memory and files together.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use mayfly_types::ByteSize;
use wasmtime::ResourceLimiter;
use wasmtime_wasi::p2::bindings::filesystem::types::ErrorCode;

/// Most entries of all tables of one instance: each takes eight bytes of the node.
const MOST_ELEMENTS: usize = 200_000;

/// The bounds of one invocation and how much of them is used.
#[derive(Debug)]
pub(crate) struct Quota {
    memory: u64,
    disk: u64,
    held: AtomicU64,
    files: AtomicU64,
    peak: AtomicU64,
    refused: AtomicBool,
}

impl Quota {
    pub(crate) fn new(memory: ByteSize, disk: ByteSize) -> Arc<Self> {
        Arc::new(Self {
            memory: memory.as_bytes(),
            disk: disk.as_bytes(),
            held: AtomicU64::new(0),
            files: AtomicU64::new(0),
            peak: AtomicU64::new(0),
            refused: AtomicBool::new(false),
        })
    }

    /// Most bytes of files.
    pub(crate) fn disk(&self) -> u64 {
        self.disk
    }

    /// The most that was held at once, in bytes.
    pub(crate) fn peak(&self) -> u64 {
        self.peak.load(Ordering::Relaxed)
    }

    /// Whether the guest asked for more memory than it may have.
    pub(crate) fn refused(&self) -> bool {
        self.refused.load(Ordering::Relaxed)
    }

    /// Room for files.
    pub(crate) fn take(self: &Arc<Self>, bytes: u64) -> Result<Share, ErrorCode> {
        let files = self.files.load(Ordering::Relaxed) + bytes;
        if files > self.disk || !self.hold(bytes) {
            return Err(ErrorCode::InsufficientSpace);
        }
        self.files.store(files, Ordering::Relaxed);
        Ok(Share { quota: Arc::clone(self), bytes })
    }

    /// One guest runs on one thread at a time, so nobody takes between the load and the store.
    fn hold(&self, bytes: u64) -> bool {
        let held = self.held.load(Ordering::Relaxed).saturating_add(bytes);
        if held > self.memory {
            return false;
        }
        self.held.store(held, Ordering::Relaxed);
        self.peak.fetch_max(held, Ordering::Relaxed);
        true
    }
}

/// Room that a file has; dropping it gives it back.
#[derive(Debug)]
pub(crate) struct Share {
    quota: Arc<Quota>,
    bytes: u64,
}

impl Drop for Share {
    fn drop(&mut self) {
        self.quota.held.fetch_sub(self.bytes, Ordering::Relaxed);
        self.quota.files.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

/// Holds a store to its quota.
#[derive(Debug)]
pub(crate) struct Limiter {
    pub(crate) quota: Arc<Quota>,
    elements: usize,
}

impl Limiter {
    pub(crate) fn new(quota: Arc<Quota>) -> Self {
        Self { quota, elements: 0 }
    }
}

impl ResourceLimiter for Limiter {
    fn memory_growing(
        &mut self,
        current: usize,
        desired: usize,
        maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        // Its own maximum is the guest's own mistake.
        let allowed = maximum.is_none_or(|maximum| desired <= maximum);
        let grown = allowed && self.quota.hold(desired.saturating_sub(current) as u64);
        if allowed && !grown {
            self.quota.refused.store(true, Ordering::Relaxed);
        }
        Ok(grown)
    }

    fn table_growing(
        &mut self,
        current: usize,
        desired: usize,
        _maximum: Option<usize>,
    ) -> wasmtime::Result<bool> {
        let elements = self.elements.saturating_add(desired.saturating_sub(current));
        let grown = elements <= MOST_ELEMENTS;
        if grown {
            self.elements = elements;
        }
        Ok(grown)
    }

    fn instances(&self) -> usize {
        1000
    }

    fn tables(&self) -> usize {
        100
    }

    fn memories(&self) -> usize {
        10
    }
}
