//! Images of a guest's memory: one of the engine as it boots, and per revision only what differs.
#![allow(unsafe_code, reason = "maps images for reading")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use mayfly_types::{Digest, HandlerStyle};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use crate::memory::PAGE;
use crate::wire::{Reader, Writer};

/// Runs of differing pages that are this close are kept as one: a mapping costs more than a few
/// pages do.
const MERGE: usize = 4;

const MAGIC: &[u8; 8] = b"mayfly\x01\n";

/// A file in memory that can be mapped and never changes.
#[derive(Debug)]
struct Sealed {
    fd: OwnedFd,
    map: NonNull<u8>,
    len: usize,
}

// SAFETY: a read-only mapping of a file that is sealed against writing.
unsafe impl Send for Sealed {}
// SAFETY: as above.
unsafe impl Sync for Sealed {}

impl Sealed {
    fn new(name: &str, bytes: &[u8]) -> io::Result<Self> {
        let fd = rustix::fs::memfd_create(name, MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING)?;
        let mut rest = bytes;
        while !rest.is_empty() {
            let written = rustix::io::write(&fd, rest)?;
            rest = &rest[written..];
        }
        let len = bytes.len().max(PAGE).next_multiple_of(PAGE);
        rustix::fs::ftruncate(&fd, len as u64)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&fd, seals)?;
        // SAFETY: a new read-only mapping; the seals keep the file as long as it is and unwritten.
        let map = unsafe {
            rustix::mm::mmap(
                std::ptr::null_mut(),
                len,
                ProtFlags::READ,
                MapFlags::PRIVATE,
                &fd,
                0,
            )
        }?;
        let map = NonNull::new(map.cast())
            .ok_or_else(|| io::Error::other("the kernel mapped memory at address 0"))?;
        Ok(Self { fd, map, len })
    }

    fn page(&self, page: usize) -> &[u8; PAGE] {
        assert!((page + 1) * PAGE <= self.len);
        // SAFETY: in bounds by the assertion; the content never changes.
        unsafe { &*self.map.as_ptr().add(page * PAGE).cast() }
    }
}

impl Drop for Sealed {
    fn drop(&mut self) {
        // SAFETY: the one owner unmaps what `new` mapped.
        let unmapped = unsafe { rustix::mm::munmap(self.map.as_ptr().cast(), self.len) };
        debug_assert!(unmapped.is_ok());
    }
}

/// The engine's memory after it has booted.
#[derive(Debug)]
pub(crate) struct Base {
    sealed: Sealed,
    digest: Digest,
    stack_pointer: i32,
}

impl Base {
    /// Takes the memory of an engine that has booted.
    pub(crate) fn new(memory: &[u8], stack_pointer: i32) -> io::Result<Self> {
        let digest = Digest::of(memory);
        Ok(Self { sealed: Sealed::new("mayfly-js-base", memory)?, digest, stack_pointer })
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.sealed.len
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.sealed.fd.as_fd()
    }

    pub(crate) fn digest(&self) -> Digest {
        self.digest
    }

    /// The engine itself as an image, from which functions are loaded.
    pub(crate) fn as_image(&self) -> io::Result<Image> {
        let delta = Delta {
            base: self.digest,
            size: self.len(),
            stack_pointer: self.stack_pointer,
            style: HandlerStyle::Fetch,
            runs: Vec::new(),
            pages: Vec::new(),
        };
        Image::new(self, delta)
    }
}

/// Pages that follow one another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Run {
    /// The first page in the guest's memory.
    pub(crate) page: usize,
    /// How many.
    pub(crate) count: usize,
    /// The first page in the image's file.
    pub(crate) at: usize,
}

/// What differs from the base, as bytes.
pub(crate) struct Delta {
    base: Digest,
    size: usize,
    stack_pointer: i32,
    style: HandlerStyle,
    runs: Vec<Run>,
    pages: Vec<u8>,
}

impl Delta {
    /// Compares a guest's memory with the base.
    pub(crate) fn new(
        base: &Base,
        memory: &[u8],
        stack_pointer: i32,
        style: HandlerStyle,
    ) -> Self {
        let zero = [0u8; PAGE];
        let mut runs: Vec<Run> = Vec::new();
        let base_pages = base.len() / PAGE;
        for (page, bytes) in memory.chunks_exact(PAGE).enumerate() {
            let same = if page < base_pages { base.sealed.page(page) == bytes } else { zero == bytes };
            if same {
                continue;
            }
            match runs.last_mut() {
                Some(run) if page - (run.page + run.count) <= MERGE => {
                    run.count = page + 1 - run.page;
                }
                _ => runs.push(Run { page, count: 1, at: 0 }),
            }
        }
        let mut pages = Vec::new();
        for run in &mut runs {
            run.at = pages.len() / PAGE;
            pages.extend_from_slice(&memory[run.page * PAGE..(run.page + run.count) * PAGE]);
        }
        Self { base: base.digest, size: memory.len(), stack_pointer, style, runs, pages }
    }

    /// The file's bytes.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.0.extend_from_slice(MAGIC);
        writer.0.extend_from_slice(self.base.as_bytes());
        writer.u32(self.size as u32).u32(self.stack_pointer as u32);
        writer.u8(match self.style {
            HandlerStyle::Fetch => 0,
            HandlerStyle::Event => 1,
        });
        writer.u32(self.runs.len() as u32);
        for run in &self.runs {
            writer.u32(run.page as u32).u32(run.count as u32);
        }
        writer.bytes(&self.pages);
        writer.0
    }

    /// Reads a file; `None` when it is of another base or makes no sense.
    pub(crate) fn decode(base: &Base, bytes: &[u8]) -> Option<Self> {
        let content = bytes.strip_prefix(MAGIC)?.strip_prefix(base.digest.as_bytes())?;
        let mut reader = Reader(content);
        let size = reader.u32()? as usize;
        let stack_pointer = reader.u32()? as i32;
        let style = match reader.u8()? {
            0 => HandlerStyle::Fetch,
            _ => HandlerStyle::Event,
        };
        let mut at = 0;
        let mut runs = Vec::new();
        for _ in 0..reader.u32()? {
            let (page, count) = (reader.u32()? as usize, reader.u32()? as usize);
            runs.push(Run { page, count, at });
            at += count;
        }
        let pages = reader.bytes()?.to_vec();
        let fits = |run: &Run| (run.page + run.count) * PAGE <= size;
        (pages.len() == at * PAGE && runs.iter().all(fits) && size >= base.len()).then_some(Self {
            base: base.digest,
            size,
            stack_pointer,
            style,
            runs,
            pages,
        })
    }
}

/// A revision's image, ready to be shown in a slot.
#[derive(Debug)]
pub(crate) struct Image {
    sealed: Sealed,
    size: usize,
    stack_pointer: i32,
    style: HandlerStyle,
    runs: Vec<Run>,
    /// For each page up to the last that is not zero: 0 for the base's, else its page in the
    /// image's file plus one.
    sources: Vec<u32>,
    used: AtomicU64,
}

impl Image {
    pub(crate) fn new(base: &Base, delta: Delta) -> io::Result<Self> {
        let base_pages = base.len() / PAGE;
        let last = delta.runs.last().map_or(0, |run| run.page + run.count);
        let mut sources = vec![0u32; last.max(base_pages)];
        for run in &delta.runs {
            for i in 0..run.count {
                sources[run.page + i] = (run.at + i + 1) as u32;
            }
        }
        Ok(Self {
            sealed: Sealed::new("mayfly-js-image", &delta.pages)?,
            size: delta.size,
            stack_pointer: delta.stack_pointer,
            style: delta.style,
            runs: delta.runs,
            sources,
            used: AtomicU64::new(0),
        })
    }

    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.sealed.fd.as_fd()
    }

    pub(crate) fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The guest's memory in bytes.
    pub(crate) fn size(&self) -> usize {
        self.size
    }

    pub(crate) fn stack_pointer(&self) -> i32 {
        self.stack_pointer
    }

    pub(crate) fn style(&self) -> HandlerStyle {
        self.style
    }

    /// Memory that it holds itself, in bytes.
    pub(crate) fn cost(&self) -> usize {
        self.sealed.len + self.sources.len() * 4
    }

    /// A page's content; `None` is all zero.
    pub(crate) fn page<'a>(&'a self, base: &'a Base, page: usize) -> Option<&'a [u8; PAGE]> {
        match *self.sources.get(page)? {
            0 if page < base.len() / PAGE => Some(base.sealed.page(page)),
            0 => None,
            source => Some(self.sealed.page(source as usize - 1)),
        }
    }

    /// Notes a use at `tick`, a count that only rises.
    pub(crate) fn touch(&self, tick: u64) {
        self.used.store(tick, Ordering::Relaxed);
    }

    pub(crate) fn last_used(&self) -> u64 {
        self.used.load(Ordering::Relaxed)
    }
}
