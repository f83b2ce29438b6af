//! Stacks for running guests, kept for reuse: mapping one anew for each invocation would cost more
//! than the invocation.
#![allow(unsafe_code, reason = "maps stacks for wasmtime's fibers")]

use std::io;
use std::ops::Range;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use wasmtime::{StackCreator, StackMemory};

use crate::PAGE;

/// Most idle stacks that are kept.
const KEEP: usize = 512;
/// How much of an idle stack stays in memory, in bytes: more than most invocations use.
const SHALLOW: usize = 256 << 10;

#[derive(Debug)]
struct Mapping {
    base: NonNull<u8>,
    len: usize,
}

// SAFETY: a mapping is plain memory with one owner.
unsafe impl Send for Mapping {}
// SAFETY: nothing reads or writes through a shared reference.
unsafe impl Sync for Mapping {}

impl Mapping {
    /// A stack of `size` bytes above one page that traps.
    fn new(size: usize) -> io::Result<Self> {
        let len = size + PAGE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                len,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let base = NonNull::new(base.cast::<u8>())
            .ok_or_else(|| io::Error::other("the kernel mapped memory at address 0"))?;
        let mapping = Self { base, len };
        let usable = base.as_ptr().wrapping_add(PAGE).cast();
        // SAFETY: the range above the guard page of the mapping made just now.
        unsafe { rustix::mm::mprotect(usable, size, MprotectFlags::READ | MprotectFlags::WRITE) }?;
        Ok(mapping)
    }
}

impl Mapping {
    /// Gives back what only a deep recursion used.
    fn make_shallow(&self) {
        let deep = self.len - PAGE - SHALLOW;
        let start = self.base.as_ptr().wrapping_add(PAGE).cast();
        // SAFETY: the lower part of a stack that no fiber uses; what it held is not read again.
        let advised = unsafe { rustix::mm::madvise(start, deep, Advice::LinuxDontNeed) };
        debug_assert!(advised.is_ok());
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: the one owner unmaps what `new` mapped.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

type Idle = Arc<Mutex<Vec<Mapping>>>;

/// Hands out stacks and takes them back.
#[derive(Debug, Default)]
pub struct Stacks {
    idle: Idle,
}

impl Stacks {
    /// Gives idle stacks back to the system.
    pub fn clear(&self) {
        self.lock().clear();
    }

    /// Gives back the parts of idle stacks that only deep recursion uses.
    pub fn trim(&self) {
        self.lock().iter().for_each(Mapping::make_shallow);
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Mapping>> {
        self.idle.lock().unwrap_or_else(|e| e.into_inner())
    }
}

struct Stack {
    mapping: Option<Mapping>,
    base: usize,
    len: usize,
    idle: Idle,
}

impl Drop for Stack {
    fn drop(&mut self) {
        let mut idle = self.idle.lock().unwrap_or_else(|e| e.into_inner());
        if idle.len() < KEEP {
            idle.extend(self.mapping.take());
        }
    }
}

// SAFETY: page-aligned, its lowest page traps, and it stays mapped for as long as it lives.
unsafe impl StackMemory for Stack {
    fn top(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.base + self.len)
    }

    fn range(&self) -> Range<usize> {
        self.base + PAGE..self.base + self.len
    }

    fn guard_range(&self) -> Range<*mut u8> {
        let at = |offset| std::ptr::with_exposed_provenance_mut(self.base + offset);
        at(0)..at(PAGE)
    }
}

// SAFETY: see `Stack`. A reused stack holds bytes of a former fiber; wasmtime asks for zeroed
// stacks only where it is configured to, and gets a new one then.
unsafe impl StackCreator for Stacks {
    fn new_stack(&self, size: usize, zeroed: bool) -> wasmtime::Result<Box<dyn StackMemory>> {
        let reused = match zeroed {
            true => None,
            false => self.lock().pop(),
        };
        let mapping = match reused {
            Some(mapping) if mapping.len == size + PAGE => mapping,
            _ => Mapping::new(size)?,
        };
        Ok(Box::new(Stack {
            base: mapping.base.as_ptr().expose_provenance(),
            len: mapping.len,
            mapping: Some(mapping),
            idle: Arc::clone(&self.idle),
        }))
    }
}
