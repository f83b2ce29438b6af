//! Linear memories of instances that live for one request.
//!
//! To map memory for each instance, or to drop what it wrote and fault it in again, costs more than the
//! instance itself. So a memory whose guest has ended is kept, and the pages that were written are zeroed; wasmtime
//! copies the module's data into it as into a new one.
#![allow(unsafe_code, reason = "maps and zeroes linear memories of guests that have ended")]

use std::io;
use std::ptr::NonNull;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::{PAGE, ResetScheme, Scanner, Written};

/// Above this many written pages it is cheaper to drop all than to zero each; it also bounds what an idle memory
/// holds, to one MiB.
const DROP_ABOVE: usize = 256;
/// Most idle memories that are kept.
const KEEP: usize = 256;

/// A range of addresses for one memory: reserved whole, accessible up to `open`.
#[derive(Debug)]
struct Region {
    base: NonNull<u8>,
    reserved: usize,
    open: usize,
    written: Written,
}

// SAFETY: the range is plain memory with this one owner.
unsafe impl Send for Region {}
// SAFETY: nothing is read or written through a shared reference.
unsafe impl Sync for Region {}

impl Region {
    fn reserve(reserved: usize) -> io::Result<Self> {
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), reserved, ProtFlags::empty(), flags)
        }?;
        let base = NonNull::new(base.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped memory at address 0"))?;
        let region = Self { base, reserved, open: 0, written: Written::default() };
        // Written pages are counted one by one. A kernel without huge pages refuses, and needs no advice.
        let _ = region.advise(0, reserved, Advice::LinuxNoHugepage);
        Ok(region)
    }

    fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.reserved);
        self.base.as_ptr().wrapping_add(offset)
    }

    fn advise(&self, from: usize, to: usize, advice: Advice) -> io::Result<()> {
        if from < to {
            // SAFETY: the range lies inside this region, and nobody holds a reference into it.
            unsafe { rustix::mm::madvise(self.at(from).cast(), to - from, advice) }?;
        }
        Ok(())
    }

    fn protect(&self, from: usize, to: usize, access: MprotectFlags) -> io::Result<()> {
        if from < to {
            // SAFETY: as above.
            unsafe { rustix::mm::mprotect(self.at(from).cast(), to - from, access) }?;
        }
        Ok(())
    }

    /// Makes just so much accessible. What is not accessible is zero, and stays in memory as it is: most guests
    /// grow to the same size again.
    fn open(&mut self, size: usize) -> io::Result<()> {
        self.protect(self.open, size, MprotectFlags::READ | MprotectFlags::WRITE)?;
        self.protect(size, self.open, MprotectFlags::empty())?;
        self.open = size;
        Ok(())
    }

    /// Makes all that is accessible zero.
    fn clear(&mut self, scanner: &Scanner) -> io::Result<()> {
        let mut written = std::mem::take(&mut self.written);
        let runs = scanner.written(self.base.as_ptr() as usize, self.open, &mut written)?;
        if runs.iter().map(|(_, count)| count).sum::<usize>() > DROP_ABOVE {
            self.advise(0, self.open, Advice::LinuxDontNeed)?;
        } else {
            for (first, count) in runs {
                // SAFETY: these pages are accessible, for they were written, and no guest is left that could
                // read or write them.
                unsafe { self.at(first * PAGE).write_bytes(0, count * PAGE) };
            }
        }
        written.doubt();
        self.written = written;
        Ok(())
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the one owner unmaps what `reserve` mapped.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.reserved) };
        debug_assert!(unmapped.is_ok());
    }
}

#[derive(Debug, Default)]
struct Idle {
    /// Zero, all of each. The last one was used last.
    regions: Vec<Region>,
    /// The fewest that there were since [`Slots::shrink`].
    fewest: usize,
}

#[derive(Debug)]
struct Shared {
    scanner: Scanner,
    idle: Mutex<Idle>,
}

impl Shared {
    fn idle(&self) -> MutexGuard<'_, Idle> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A region that is zero and accessible up to `size`.
    fn take(&self, reserved: usize, size: usize) -> io::Result<Region> {
        let reused = {
            let mut idle = self.idle();
            let fits = |region: &Region| region.reserved == reserved;
            let same = |region: &Region| fits(region) && region.open == size;
            let found = idle.regions.iter().rposition(same);
            let found = found.or_else(|| idle.regions.iter().rposition(fits));
            let reused = found.map(|at| idle.regions.remove(at));
            idle.fewest = idle.fewest.min(idle.regions.len());
            reused
        };
        let mut region = reused.map_or_else(|| Region::reserve(reserved), Ok)?;
        region.open(size)?;
        Ok(region)
    }

    fn put(&self, region: Region) {
        let mut idle = self.idle();
        if idle.regions.len() < KEEP {
            idle.regions.push(region);
        }
    }
}

/// Hands out linear memories and takes them back, for `Config::with_host_memory`.
///
/// The engine compiles without images of memory (`memory_init_cow(false)`), and reserves all that a memory may
/// grow to.
#[derive(Debug, Clone)]
pub struct Slots {
    shared: Arc<Shared>,
}

impl Slots {
    /// No memories yet.
    ///
    /// # Errors
    /// When the kernel does not tell which pages were written.
    pub fn new(scheme: Option<ResetScheme>) -> io::Result<Self> {
        let scanner = Scanner::open(scheme)?;
        Ok(Self { shared: Arc::new(Shared { scanner, idle: Mutex::default() }) })
    }

    /// Gives back as many idle memories as lay idle all the time since the last call.
    pub fn shrink(&self) {
        let unused = {
            let mut idle = self.shared.idle();
            let unused = idle.fewest.min(idle.regions.len());
            let unused: Vec<_> = idle.regions.drain(..unused).collect();
            idle.fewest = idle.regions.len();
            unused
        };
        drop(unused);
    }

    /// How many idle memories there are.
    pub fn idle(&self) -> usize {
        self.shared.idle().regions.len()
    }
}

/// What wasmtime sees of a region.
struct GuestMemory {
    /// There until this is dropped.
    region: Option<Region>,
    base: usize,
    size: usize,
    minimum: usize,
    capacity: usize,
    shared: Arc<Shared>,
}

// SAFETY: the region never moves, is zero or what the guest wrote below its size and inaccessible above it, and is
// as long as wasmtime asked for, guard included.
unsafe impl LinearMemory for GuestMemory {
    fn byte_size(&self) -> usize {
        self.size
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        if let Some(region) = &mut self.region {
            region.open(new_size)?;
        }
        self.size = new_size;
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        std::ptr::with_exposed_provenance_mut(self.base)
    }
}

impl Drop for GuestMemory {
    fn drop(&mut self) {
        let Some(mut region) = self.region.take() else { return };
        // One that cannot be cleared is unmapped.
        let cleared = region.clear(&self.shared.scanner).and_then(|()| region.open(self.minimum));
        if cleared.is_ok() {
            self.shared.put(region);
        }
    }
}

// SAFETY: see `GuestMemory`; a region is zero, for it is a new anonymous mapping or was cleared.
unsafe impl MemoryCreator for Slots {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let capacity = reserved.unwrap_or(4 << 30);
        let region = self.shared.take(capacity + guard, minimum);
        let region = region.map_err(|error| format!("reserve a guest's memory: {error}"))?;
        let base = region.base.as_ptr().expose_provenance();
        let shared = Arc::clone(&self.shared);
        Ok(Box::new(GuestMemory {
            region: Some(region),
            base,
            size: minimum,
            minimum,
            capacity,
            shared,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SIZE: usize = 17 << 16;

    fn memory(slots: &Slots, size: usize) -> Box<dyn LinearMemory> {
        let ty = MemoryType::new(17, None);
        slots.new_memory(ty, size, None, Some(64 << 20), 1 << 20).unwrap()
    }

    fn bytes(memory: &mut Box<dyn LinearMemory>) -> &mut [u8] {
        // SAFETY: the test alone has the memory.
        unsafe { std::slice::from_raw_parts_mut(memory.as_ptr(), memory.byte_size()) }
    }

    #[test]
    fn a_memory_is_zero_for_the_next_whatever_was_written() {
        for scheme in [ResetScheme::PagemapScan, ResetScheme::Pagemap] {
            let slots = Slots::new(Some(scheme)).unwrap();
            // A few bytes, all of it, and all of much more than it began with.
            for (round, grown) in [SIZE, SIZE, 40 << 20, SIZE].into_iter().enumerate() {
                for sparse in [true, false] {
                    let mut memory = memory(&slots, SIZE);
                    assert!(bytes(&mut memory).iter().all(|byte| *byte == 0), "round {round}");
                    memory.grow_to(grown).unwrap();
                    let step = if sparse { 300_001 } else { 1 };
                    bytes(&mut memory).iter_mut().step_by(step).for_each(|byte| *byte = 7);
                }
            }
            assert_eq!(slots.idle(), 1, "one was used all the time");
        }
    }

    #[test]
    fn a_memory_of_another_size_is_as_large_as_asked_for_and_no_larger() {
        let slots = Slots::new(None).unwrap();
        drop(memory(&slots, SIZE));
        let mut larger = memory(&slots, 2 * SIZE);
        bytes(&mut larger).fill(7);
        drop(larger);
        let mut smaller = memory(&slots, PAGE);
        assert_eq!(bytes(&mut smaller), [0; PAGE]);
        let beyond = smaller.as_ptr() as usize + PAGE;
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let accessible = maps.lines().find_map(|line| {
            let (from, rest) = line.split_once('-')?;
            let (to, rest) = rest.split_once(' ')?;
            let parse = |text| usize::from_str_radix(text, 16).unwrap();
            (parse(from) <= beyond && beyond < parse(to)).then(|| rest[..4].to_owned())
        });
        assert_eq!(accessible.as_deref(), Some("---p"));
    }

    #[test]
    fn what_lies_idle_is_given_back() {
        let slots = Slots::new(None).unwrap();
        let all: Vec<_> = (0..4).map(|_| memory(&slots, SIZE)).collect();
        drop(all);
        slots.shrink();
        assert_eq!(slots.idle(), 4, "they were used a moment ago");
        drop(memory(&slots, SIZE));
        slots.shrink();
        assert_eq!(slots.idle(), 1);
        slots.shrink();
        assert_eq!(slots.idle(), 0);
    }
}
