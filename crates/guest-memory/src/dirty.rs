//! Finds the pages of a private mapping that were written, swapped-out ones included, and knows
//! when there is nothing new to find.
//!
//! A page becomes private by a page fault of the thread that writes it first, and the kernel counts
//! each thread's faults. So while a guest runs without any, it wrote only pages that are known
//! already, and no search is needed. The count errs on one side alone: a fault of another kind
//! costs a search.
#![allow(unsafe_code, reason = "one ioctl that no library wraps, and getrusage for a thread")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;
use std::pin::pin;

use crate::PAGE;

/// `struct page_region` of linux/fs.h.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct PageRegion {
    start: u64,
    end: u64,
    categories: u64,
}

/// `struct pm_scan_arg` of linux/fs.h.
#[repr(C)]
struct ScanArg {
    size: u64,
    flags: u64,
    start: u64,
    end: u64,
    walk_end: u64,
    vec: u64,
    vec_len: u64,
    max_pages: u64,
    category_inverted: u64,
    category_mask: u64,
    category_anyof_mask: u64,
    return_mask: u64,
}

/// `_IOWR('f', 16, struct pm_scan_arg)`.
const PAGEMAP_SCAN: libc::c_ulong = (3 << 30)
    | ((size_of::<ScanArg>() as libc::c_ulong) << 16)
    | ((b'f' as libc::c_ulong) << 8)
    | 16;

const PAGE_IS_FILE: u64 = 1 << 2;
const PAGE_IS_PRESENT: u64 = 1 << 3;
const PAGE_IS_SWAPPED: u64 = 1 << 4;
const PAGE_IS_PFNZERO: u64 = 1 << 5;

/// Which way to find written pages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ResetScheme {
    /// The ioctl of Linux 6.7 and newer.
    PagemapScan,
    /// Reading `/proc/self/pagemap`, on every Linux.
    Pagemap,
}

/// How many page faults this thread has had. It rises with every fault, also with those that the
/// kernel takes for the thread inside a system call.
fn faults() -> i64 {
    let mut usage = std::mem::MaybeUninit::<libc::rusage>::zeroed();
    // SAFETY: the kernel fills the struct that it is given.
    let usage = unsafe {
        libc::getrusage(libc::RUSAGE_THREAD, usage.as_mut_ptr());
        usage.assume_init()
    };
    usage.ru_minflt.wrapping_add(usage.ru_majflt)
}

/// Whether this kernel counts a thread's faults: some sandboxes that look like Linux tell nothing.
fn counts_faults() -> io::Result<bool> {
    let before = faults();
    let page = fresh_page()?;
    let counted = faults() != before;
    // SAFETY: unmaps what `fresh_page` mapped.
    unsafe { rustix::mm::munmap(page, PAGE) }?;
    Ok(counted)
}

/// A new page of memory that was written to.
fn fresh_page() -> io::Result<*mut std::ffi::c_void> {
    use rustix::mm::{MapFlags, ProtFlags};
    let access = ProtFlags::READ | ProtFlags::WRITE;
    // SAFETY: a new anonymous mapping, written inside its bounds.
    unsafe {
        let page =
            rustix::mm::mmap_anonymous(std::ptr::null_mut(), PAGE, access, MapFlags::PRIVATE)?;
        page.cast::<u8>().write_volatile(1);
        Ok(page)
    }
}

/// The pages of a slot that are private to it, because an invocation wrote them.
#[derive(Debug)]
pub struct Written {
    /// Runs of pages, as (first page, count).
    runs: Vec<(usize, usize)>,
    /// There may be more than the runs.
    stale: bool,
}

impl Default for Written {
    /// Nothing is known.
    fn default() -> Self {
        Self { runs: Vec::new(), stale: true }
    }
}

impl Written {
    /// No page is private.
    pub fn clear(&mut self) {
        self.runs.clear();
        self.stale = false;
    }

    /// Runs what may write to the slot, each time on whichever thread polls it.
    pub async fn watch<T>(&mut self, guest: impl Future<Output = T>) -> T {
        let mut guest = pin!(guest);
        std::future::poll_fn(|cx| {
            let before = faults();
            let polled = guest.as_mut().poll(cx);
            self.stale |= faults() != before;
            polled
        })
        .await
    }

    /// Takes nothing for known but the room that this has.
    pub fn doubt(&mut self) {
        self.stale = true;
    }

    /// Whether pages may be private that are not known.
    pub fn is_stale(&self) -> bool {
        self.stale
    }
}

/// Finds written pages in the way chosen at start.
#[derive(Debug)]
pub struct Scanner {
    pagemap: File,
    scheme: ResetScheme,
    counts: bool,
}

impl Scanner {
    /// Takes `scheme`, or the best that this kernel has.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn open(scheme: Option<ResetScheme>) -> io::Result<Self> {
        let pagemap = File::open("/proc/self/pagemap")?;
        let mut scanner =
            Self { pagemap, scheme: ResetScheme::PagemapScan, counts: counts_faults()? };
        let probe = scanner.scan(0, PAGE, &mut Vec::new());
        scanner.scheme = match (scheme, probe) {
            (Some(ResetScheme::PagemapScan), Err(error)) => return Err(error),
            (Some(scheme), _) => scheme,
            (None, Ok(())) => ResetScheme::PagemapScan,
            (None, Err(_)) => ResetScheme::Pagemap,
        };
        Ok(scanner)
    }

    /// The way that was chosen.
    pub fn scheme(&self) -> ResetScheme {
        self.scheme
    }

    /// The runs of written pages of `[start, start + len)` as (first page, count).
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn written<'a>(
        &self,
        start: usize,
        len: usize,
        written: &'a mut Written,
    ) -> io::Result<&'a [(usize, usize)]> {
        if written.stale || !self.counts {
            // Stays stale if the search fails half-way.
            written.stale = true;
            written.runs.clear();
            match self.scheme {
                ResetScheme::PagemapScan => self.scan(start, len, &mut written.runs)?,
                ResetScheme::Pagemap => self.read(start, len, &mut written.runs)?,
            }
            written.stale = false;
        }
        Ok(&written.runs)
    }

    fn scan(&self, start: usize, len: usize, found: &mut Vec<(usize, usize)>) -> io::Result<()> {
        let mut regions = [PageRegion::default(); 64];
        let (mut from, end) = (start as u64, (start + len) as u64);
        while from < end {
            // A page counts when it is private (not of the file, not the zero page) and either
            // present or swapped: a mask without `SWAPPED` would leak a swapped page's content to
            // the next invocation.
            let mut arg = ScanArg {
                size: size_of::<ScanArg>() as u64,
                flags: 0,
                start: from,
                end,
                walk_end: 0,
                vec: regions.as_mut_ptr() as u64,
                vec_len: regions.len() as u64,
                max_pages: 0,
                category_inverted: PAGE_IS_FILE | PAGE_IS_PFNZERO,
                category_mask: PAGE_IS_FILE | PAGE_IS_PFNZERO,
                category_anyof_mask: PAGE_IS_PRESENT | PAGE_IS_SWAPPED,
                return_mask: PAGE_IS_PRESENT,
            };
            // SAFETY: `arg` is the struct that this ioctl takes; `vec` and `vec_len` describe
            // `regions`, which outlives the call.
            let count = unsafe { libc::ioctl(self.pagemap.as_raw_fd(), PAGEMAP_SCAN, &mut arg) };
            if count < 0 {
                return Err(io::Error::last_os_error());
            }
            for region in &regions[..count as usize] {
                let first = (region.start as usize - start) / PAGE;
                found.push((first, (region.end - region.start) as usize / PAGE));
            }
            if arg.walk_end <= from {
                return Err(io::Error::other("PAGEMAP_SCAN made no progress"));
            }
            from = arg.walk_end;
        }
        Ok(())
    }

    fn read(&self, start: usize, len: usize, found: &mut Vec<(usize, usize)>) -> io::Result<()> {
        const FILE: u64 = 1 << 61;
        const SWAPPED: u64 = 1 << 62;
        const PRESENT: u64 = 1 << 63;
        let mut entries = [0u8; 8 * 512];
        let (first, pages) = (start / PAGE, len / PAGE);
        let mut run: Option<(usize, usize)> = None;
        let mut page = 0;
        while page < pages {
            let batch = (pages - page).min(entries.len() / 8);
            let bytes = &mut entries[..batch * 8];
            self.pagemap.read_exact_at(bytes, ((first + page) * 8) as u64)?;
            for entry in bytes.chunks_exact(8) {
                let entry = u64::from_ne_bytes(entry.try_into().unwrap_or_default());
                let written = entry & (PRESENT | SWAPPED) != 0 && entry & FILE == 0;
                run = match (written, run) {
                    (true, Some((first, count))) => Some((first, count + 1)),
                    (true, None) => Some((page, 1)),
                    (false, Some(ended)) => {
                        found.push(ended);
                        None
                    }
                    (false, None) => None,
                };
                page += 1;
            }
        }
        found.extend(run);
        Ok(())
    }
}
