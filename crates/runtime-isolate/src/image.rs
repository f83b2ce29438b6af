//! Images of a guest's memory: one of the engine as it boots, and per revision only what differs.
#![allow(unsafe_code, reason = "maps images for reading")]

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::ptr::NonNull;
use std::sync::atomic::{AtomicU64, Ordering};

use mayfly_types::{Digest, HandlerStyle};
use rustix::fs::{MemfdFlags, SealFlags};
use rustix::mm::{MapFlags, ProtFlags};

use crate::wire::{Reader, Writer};
use mayfly_guest_memory::PAGE;

/// Runs of differing pages that are this close are mapped as one: finding the pages that an
/// invocation wrote costs by the mapping more than a page of memory does.
const MERGE: usize = 32;

const MAGIC: &[u8; 8] = b"mayfly\x02\n";

/// zstd's level: an image is read far more often than it is written, and soon after.
const COMPRESSION: i32 = 1;

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
        // Pages of zeros, such as a stack that nobody has used yet, stay holes.
        for (page, bytes) in bytes.chunks(PAGE).enumerate() {
            let (mut at, mut rest) = ((page * PAGE) as u64, bytes);
            while rest.iter().any(|byte| *byte != 0) {
                let written = rustix::io::pwrite(&fd, rest, at)?;
                rest = &rest[written..];
                at += written as u64;
            }
        }
        let len = bytes.len().max(PAGE).next_multiple_of(PAGE);
        rustix::fs::ftruncate(&fd, len as u64)?;
        let seals = SealFlags::SHRINK | SealFlags::GROW | SealFlags::WRITE | SealFlags::SEAL;
        rustix::fs::fcntl_add_seals(&fd, seals)?;
        // SAFETY: a new read-only mapping; the seals keep the file as long as it is and unwritten.
        let map = unsafe {
            rustix::mm::mmap(std::ptr::null_mut(), len, ProtFlags::READ, MapFlags::PRIVATE, &fd, 0)
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
    /// The memory of an engine that has booted as a file: stack pointer, size, and each page that
    /// is not zero after its number.
    pub(crate) fn encode(memory: &[u8], stack_pointer: i32) -> Vec<u8> {
        let mut writer = Writer::default();
        writer.u32(stack_pointer as u32).u32(memory.len() as u32);
        for (page, bytes) in memory.chunks_exact(PAGE).enumerate() {
            if bytes.iter().any(|byte| *byte != 0) {
                writer.u32(page as u32).0.extend_from_slice(bytes);
            }
        }
        writer.0
    }

    /// Reads such a file; `None` when it makes no sense.
    pub(crate) fn decode(file: &[u8]) -> Option<io::Result<Self>> {
        let mut reader = Reader(file);
        let (stack_pointer, size) = (reader.u32()? as i32, reader.u32()? as usize);
        let mut memory = vec![0; size];
        while let Some(page) = reader.u32() {
            let (bytes, rest) = reader.0.split_at_checked(PAGE)?;
            memory.get_mut(page as usize * PAGE..)?.get_mut(..PAGE)?.copy_from_slice(bytes);
            reader.0 = rest;
        }
        let sealed = Sealed::new("mayfly-js-base", &memory);
        Some(sealed.map(|sealed| Self { sealed, digest: Digest::of(file), stack_pointer }))
    }

    /// Its length in bytes.
    pub(crate) fn len(&self) -> usize {
        self.sealed.len
    }

    fn pages(&self) -> usize {
        self.len() / PAGE
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
            changed: Vec::new(),
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

/// What differs from the base.
pub(crate) struct Delta {
    base: Digest,
    size: usize,
    stack_pointer: i32,
    style: HandlerStyle,
    /// Numbers of the pages that differ, rising.
    changed: Vec<usize>,
    /// Their content, in the same order.
    pages: Vec<u8>,
}

impl Delta {
    /// Compares a guest's memory with the base.
    pub(crate) fn new(base: &Base, memory: &[u8], stack_pointer: i32, style: HandlerStyle) -> Self {
        let zero = [0u8; PAGE];
        let (mut changed, mut pages) = (Vec::new(), Vec::new());
        for (page, bytes) in memory.chunks_exact(PAGE).enumerate() {
            let before = if page < base.pages() { base.sealed.page(page) } else { &zero };
            if before != bytes {
                changed.push(page);
                pages.extend_from_slice(bytes);
            }
        }
        Self { base: base.digest, size: memory.len(), stack_pointer, style, changed, pages }
    }

    /// The file's bytes: a header, the numbers of the pages, their content compressed.
    pub(crate) fn encode(&self) -> io::Result<Vec<u8>> {
        let mut writer = Writer::default();
        writer.0.extend_from_slice(MAGIC);
        writer.0.extend_from_slice(self.base.as_bytes());
        writer.u32(self.size as u32).u32(self.stack_pointer as u32);
        writer.u8(match self.style {
            HandlerStyle::Fetch => 0,
            HandlerStyle::Event => 1,
        });
        writer.u32(self.changed.len() as u32);
        for page in &self.changed {
            writer.u32(*page as u32);
        }
        writer.bytes(&zstd::bulk::compress(&self.pages, COMPRESSION)?);
        Ok(writer.0)
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
        let count = reader.u32()? as usize;
        let changed: Vec<usize> =
            (0..count).map(|_| reader.u32().map(|page| page as usize)).collect::<Option<_>>()?;
        let rising = changed.is_sorted_by(|before, after| before < after);
        let fits = changed.last().is_none_or(|last| (last + 1) * PAGE <= size);
        if !rising || !fits || size < base.len() {
            return None;
        }
        let pages = zstd::bulk::decompress(reader.bytes()?, count * PAGE).ok()?;
        (pages.len() == count * PAGE).then_some(Self {
            base: base.digest,
            size,
            stack_pointer,
            style,
            changed,
            pages,
        })
    }

    /// Runs of pages for mapping, with their content: neighbours that are close become one run,
    /// whose unchanged pages are the base's.
    fn runs(&self, base: &Base) -> (Vec<Run>, Vec<u8>) {
        let mut runs: Vec<Run> = Vec::new();
        let mut content = Vec::with_capacity(self.pages.len() * 2);
        for (page, bytes) in self.changed.iter().copied().zip(self.pages.chunks_exact(PAGE)) {
            match runs.last_mut() {
                Some(run) if page - (run.page + run.count) <= MERGE => {
                    for between in run.page + run.count..page {
                        match between < base.pages() {
                            true => content.extend_from_slice(base.sealed.page(between)),
                            false => content.extend_from_slice(&[0; PAGE]),
                        }
                    }
                    run.count = page + 1 - run.page;
                }
                _ => runs.push(Run { page, count: 1, at: content.len() / PAGE }),
            }
            content.extend_from_slice(bytes);
        }
        (runs, content)
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
        let (runs, content) = delta.runs(base);
        let last = runs.last().map_or(0, |run| run.page + run.count);
        let mut sources = vec![0u32; last.max(base.pages())];
        for run in &runs {
            for i in 0..run.count {
                sources[run.page + i] = (run.at + i + 1) as u32;
            }
        }
        Ok(Self {
            sealed: Sealed::new("mayfly-js-image", &content)?,
            size: delta.size,
            stack_pointer: delta.stack_pointer,
            style: delta.style,
            runs,
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
            0 if page < base.pages() => Some(base.sealed.page(page)),
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
