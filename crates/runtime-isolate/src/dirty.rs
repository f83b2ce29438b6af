//! Finds the pages of a private mapping that were written, swapped-out ones included.
#![allow(unsafe_code, reason = "one ioctl that no library wraps")]

use std::fs::File;
use std::io;
use std::os::fd::AsRawFd;
use std::os::unix::fs::FileExt;

use crate::memory::PAGE;

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

/// Finds written pages in the way chosen at start.
#[derive(Debug)]
pub(crate) struct Scanner {
    pagemap: File,
    scheme: ResetScheme,
}

impl Scanner {
    /// Takes `scheme`, or the best that this kernel has.
    pub(crate) fn open(scheme: Option<ResetScheme>) -> io::Result<Self> {
        let pagemap = File::open("/proc/self/pagemap")?;
        let mut scanner = Self { pagemap, scheme: ResetScheme::PagemapScan };
        let probe = scanner.scan(0, PAGE, &mut Vec::new());
        scanner.scheme = match (scheme, probe) {
            (Some(ResetScheme::PagemapScan), Err(error)) => return Err(error),
            (Some(scheme), _) => scheme,
            (None, Ok(())) => ResetScheme::PagemapScan,
            (None, Err(_)) => ResetScheme::Pagemap,
        };
        Ok(scanner)
    }

    pub(crate) fn scheme(&self) -> ResetScheme {
        self.scheme
    }

    /// Adds the runs of written pages of `[start, start + len)` as (first page, count).
    pub(crate) fn written(
        &self,
        start: usize,
        len: usize,
        found: &mut Vec<(usize, usize)>,
    ) -> io::Result<()> {
        match self.scheme {
            ResetScheme::PagemapScan => self.scan(start, len, found),
            ResetScheme::Pagemap => self.read(start, len, found),
        }
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
