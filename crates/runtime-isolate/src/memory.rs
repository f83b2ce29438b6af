//! A slot's linear memory: a private view of an image that is put back page by page.
#![allow(
    unsafe_code,
    reason = "maps and rewrites the linear memory of a guest that is not running"
)]

use std::io;
use std::os::fd::BorrowedFd;
use std::ptr::NonNull;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use mayfly_guest_memory::{PAGE, Scanner, Written};
use rustix::mm::{Advice, MapFlags, MprotectFlags, ProtFlags};
use wasmtime::{LinearMemory, MemoryCreator, MemoryType};

use crate::image::{Base, Image};

/// Above this many written pages it is cheaper to drop all private pages at once than to copy each
/// back; and dropping them also makes later resets cheap again, for a page once written stays
/// private and would be copied on every reset (821 such pages: 91 µs instead of 6).
const DROP_ABOVE: usize = 192;

/// The address range of one linear memory: reserved whole, so that it never moves.
#[derive(Debug)]
pub(crate) struct Region {
    base: NonNull<u8>,
    reserved: usize,
    size: AtomicUsize,
}

// SAFETY: the range is owned by this value alone; whoever writes to it holds the slot's `Store`
// exclusively (see `Region::reset`), so threads never race.
unsafe impl Send for Region {}
// SAFETY: as above; the shared methods only read atomics.
unsafe impl Sync for Region {}

impl Region {
    fn reserve(reserved: usize) -> io::Result<Self> {
        // SAFETY: a new anonymous mapping at an address of the kernel's choice.
        let base = unsafe {
            rustix::mm::mmap_anonymous(
                std::ptr::null_mut(),
                reserved,
                ProtFlags::empty(),
                MapFlags::PRIVATE | MapFlags::NORESERVE,
            )
        }?;
        let base = NonNull::new(base.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped memory at address 0"))?;
        let region = Self { base, reserved, size: AtomicUsize::new(0) };
        region.keep_small(0, reserved);
        Ok(region)
    }

    /// Keeps the kernel from joining pages to a huge one, which would make pages private and
    /// writable that no invocation wrote, without a fault.
    fn keep_small(&self, from: usize, to: usize) {
        if from < to {
            let advice = Advice::LinuxNoHugepage;
            // SAFETY: the range lies inside this region; its content stays.
            let advised = unsafe { rustix::mm::madvise(self.at(from).cast(), to - from, advice) };
            // A kernel without huge pages refuses the advice and needs none.
            debug_assert!(matches!(advised, Ok(()) | Err(rustix::io::Errno::INVAL)));
        }
    }

    fn at(&self, offset: usize) -> *mut u8 {
        debug_assert!(offset <= self.reserved);
        self.base.as_ptr().wrapping_add(offset)
    }

    /// Bytes that the guest can reach.
    pub(crate) fn size(&self) -> usize {
        self.size.load(Ordering::Relaxed)
    }

    fn protect(&self, from: usize, to: usize, flags: MprotectFlags) -> io::Result<()> {
        if from < to {
            // SAFETY: the range lies inside this region, and no reference into it is held.
            unsafe { rustix::mm::mprotect(self.at(from).cast(), to - from, flags) }?;
        }
        Ok(())
    }

    fn drop_pages(&self, from: usize, to: usize) -> io::Result<()> {
        if from < to {
            let advice = Advice::LinuxDontNeed;
            // SAFETY: the range lies inside this region; private pages fall back to their mapping.
            unsafe { rustix::mm::madvise(self.at(from).cast(), to - from, advice) }?;
        }
        Ok(())
    }

    fn map(&self, offset: usize, len: usize, fd: BorrowedFd<'_>, at: u64) -> io::Result<()> {
        if len > 0 {
            // SAFETY: replaces a range inside this region by a private view of a sealed file.
            unsafe {
                rustix::mm::mmap(
                    self.at(offset).cast(),
                    len,
                    ProtFlags::READ | ProtFlags::WRITE,
                    MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
                    fd,
                    at,
                )
            }?;
        }
        Ok(())
    }

    /// Makes the region show `image`, whatever it showed before. The caller holds the `Store`
    /// exclusively, no frame of the guest is on a stack, and wasmtime learns the new size next.
    pub(crate) fn show(&self, base: &Base, image: &Image) -> io::Result<()> {
        let old = self.size();
        self.map(0, base.len(), base.fd(), 0)?;
        if old > base.len() {
            // SAFETY: replaces what was used past the base by an inaccessible range.
            unsafe {
                rustix::mm::mmap_anonymous(
                    self.at(base.len()).cast(),
                    old - base.len(),
                    ProtFlags::empty(),
                    MapFlags::PRIVATE | MapFlags::FIXED | MapFlags::NORESERVE,
                )
            }?;
            self.keep_small(base.len(), old);
        }
        let writable = MprotectFlags::READ | MprotectFlags::WRITE;
        self.protect(base.len(), image.size(), writable)?;
        for run in image.runs() {
            self.map(run.page * PAGE, run.count * PAGE, image.fd(), (run.at * PAGE) as u64)?;
        }
        self.size.store(image.size(), Ordering::Relaxed);
        Ok(())
    }

    /// Undoes every write since `image` was shown. Returns whether the size changed, which
    /// wasmtime must then learn. The caller holds the `Store` exclusively and no frame of the
    /// guest is on a stack.
    pub(crate) fn reset(
        &self,
        scanner: &Scanner,
        base: &Base,
        image: &Image,
        written: &mut Written,
    ) -> io::Result<bool> {
        let size = self.size();
        let grown = size > image.size();
        if grown {
            self.drop_pages(image.size(), size)?;
            self.protect(image.size(), size, MprotectFlags::empty())?;
            self.size.store(image.size(), Ordering::Relaxed);
        }
        let runs = scanner.written(self.base.as_ptr() as usize, image.size(), written)?;
        let pages: usize = runs.iter().map(|(_, count)| count).sum();
        if pages > DROP_ABOVE {
            self.drop_pages(0, image.size())?;
            written.clear();
            return Ok(grown);
        }
        for &(first, count) in runs {
            for page in first..first + count {
                let target = self.at(page * PAGE).cast::<[u8; PAGE]>();
                // SAFETY: the page is mapped writable inside this region, and nobody runs the
                // guest or holds a reference into its memory.
                let target = unsafe { &mut *target };
                // Past the image's end memory is zero.
                put_back(image.page(base, page).unwrap_or(&[0; PAGE]), target);
            }
        }
        Ok(grown)
    }
}

/// Makes `target` equal to `source`. An invocation changes a few words of most pages that it
/// writes, so only pieces that differ are stored: half the time of copying whole pages, because
/// what is not stored need not be written back by the processor's caches.
fn put_back(source: &[u8; PAGE], target: &mut [u8; PAGE]) {
    #[cfg(target_arch = "x86_64")]
    {
        #[target_feature(enable = "avx2")]
        fn with_avx2(source: &[u8; PAGE], target: &mut [u8; PAGE]) {
            put_back_pieces(source, target);
        }
        if std::arch::is_x86_feature_detected!("avx2") {
            // SAFETY: the processor has what the function is compiled for.
            return unsafe { with_avx2(source, target) };
        }
    }
    put_back_pieces(source, target);
}

#[inline(always)]
fn put_back_pieces(source: &[u8; PAGE], target: &mut [u8; PAGE]) {
    const PIECE: usize = 256;
    let (sources, _) = source.as_chunks::<PIECE>();
    let (targets, _) = target.as_chunks_mut::<PIECE>();
    for (source, target) in sources.iter().zip(targets) {
        let words = source.as_chunks::<8>().0.iter().zip(target.as_chunks::<8>().0);
        let differs = words.fold(0, |differs, (source, target)| {
            differs | (u64::from_ne_bytes(*source) ^ u64::from_ne_bytes(*target))
        });
        if differs != 0 {
            *target = *source;
        }
    }
}

impl Drop for Region {
    fn drop(&mut self) {
        // SAFETY: the last owner unmaps what `reserve` mapped.
        let unmapped = unsafe { rustix::mm::munmap(self.base.as_ptr().cast(), self.reserved) };
        debug_assert!(unmapped.is_ok());
    }
}

/// What wasmtime sees of a region.
struct GuestMemory {
    region: Arc<Region>,
    capacity: usize,
}

// SAFETY: the region never moves, is zero or an image below its size and inaccessible above it, and
// is as long as wasmtime asked for, guard included.
unsafe impl LinearMemory for GuestMemory {
    fn byte_size(&self) -> usize {
        self.region.size()
    }

    fn byte_capacity(&self) -> usize {
        self.capacity
    }

    fn grow_to(&mut self, new_size: usize) -> wasmtime::Result<()> {
        let old = self.region.size();
        self.region.protect(old, new_size, MprotectFlags::READ | MprotectFlags::WRITE)?;
        self.region.size.store(new_size, Ordering::Relaxed);
        Ok(())
    }

    fn as_ptr(&self) -> *mut u8 {
        self.region.base.as_ptr()
    }
}

/// Makes regions for wasmtime and hands the newest to the slot that is being made.
#[derive(Debug, Default)]
pub(crate) struct Regions {
    newest: std::sync::Mutex<Vec<(std::thread::ThreadId, Arc<Region>)>>,
}

impl Regions {
    /// The region of the memory that this thread has just instantiated; those of older attempts
    /// are dropped.
    pub(crate) fn take(&self) -> Option<Arc<Region>> {
        let me = std::thread::current().id();
        let mut newest = self.newest.lock().unwrap_or_else(|e| e.into_inner());
        let mine = newest.extract_if(.., |(thread, _)| *thread == me);
        mine.last().map(|(_, region)| region)
    }
}

// SAFETY: see `GuestMemory`; a new region is zero, for it is a new anonymous mapping.
unsafe impl MemoryCreator for Regions {
    fn new_memory(
        &self,
        _ty: MemoryType,
        minimum: usize,
        _maximum: Option<usize>,
        reserved: Option<usize>,
        guard: usize,
    ) -> Result<Box<dyn LinearMemory>, String> {
        let reserved = reserved.unwrap_or(4 << 30);
        let made = Region::reserve(reserved + guard).and_then(|region| {
            region.protect(0, minimum, MprotectFlags::READ | MprotectFlags::WRITE)?;
            region.size.store(minimum, Ordering::Relaxed);
            Ok(Arc::new(region))
        });
        let region = made.map_err(|error| format!("reserve a guest's memory: {error}"))?;
        let mut newest = self.newest.lock().unwrap_or_else(|e| e.into_inner());
        newest.push((std::thread::current().id(), Arc::clone(&region)));
        Ok(Box::new(GuestMemory { region, capacity: reserved }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_is_put_back_wherever_it_differs() {
        let source: [u8; PAGE] = std::array::from_fn(|i| (i * 7) as u8);
        for at in 0..PAGE {
            let mut target = source;
            target[at] ^= 0x80;
            put_back(&source, &mut target);
            assert!(target == source, "the byte at {at} stayed");
            target[at] ^= 1;
            put_back_pieces(&source, &mut target);
            assert!(target == source, "the byte at {at} stayed without vector instructions");
        }
    }
}
