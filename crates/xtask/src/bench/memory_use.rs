//! How much memory a process uses.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::os::unix::fs::MetadataExt as _;

use anyhow::Context as _;

/// How a figure of memory comes about, for readers.
pub(super) const METHOD: &str = "Memory is the process's PSS without its shared memory, plus every \
    block of its memfds whether mapped or not, so that images which nobody maps count too; its \
    children are counted along.";

/// Memory of processes, in MB.
#[derive(Clone, Copy)]
pub(super) struct MemoryUse {
    /// Private and file memory, and all of the memfds.
    pub(super) total: f64,
    /// Of which memfds.
    pub(super) memfds: f64,
    /// Resident set size, as it is usually shown.
    pub(super) resident: f64,
}

impl MemoryUse {
    /// Of the process `pid` and those that it started.
    pub(super) fn of(pid: u32) -> anyhow::Result<Self> {
        Self::sum(&family(pid))
    }

    /// Of the process `pid` without those that it started.
    pub(super) fn alone(pid: u32) -> anyhow::Result<Self> {
        Self::sum(&BTreeSet::from([pid]))
    }

    /// Anonymous memory of the process `pid` and those that it started, in MB, each page once for each process: neither
    /// files nor memfds nor `/tmp`. To read it walks no pages, so that it can be looked at beside a load that counts
    /// milliseconds.
    pub(super) fn anonymous(pid: u32) -> f64 {
        let pages = family(pid).into_iter().filter_map(|pid| {
            let statm = fs::read_to_string(format!("/proc/{pid}/statm")).ok()?;
            let mut fields = statm.split_whitespace().skip(1).map_while(|field| field.parse().ok());
            let (resident, shared): (u64, u64) = (fields.next()?, fields.next()?);
            Some(resident.saturating_sub(shared))
        });
        (pages.sum::<u64>() * rustix::param::page_size() as u64) as f64 / 1_048_576.0
    }

    fn sum(pids: &BTreeSet<u32>) -> anyhow::Result<Self> {
        let (mut kilobytes, mut resident) = (0.0, 0.0);
        let mut memfds = BTreeMap::new();
        for &pid in pids {
            let Ok(rollup) = fs::read_to_string(format!("/proc/{pid}/smaps_rollup")) else {
                // It has ended meanwhile.
                continue;
            };
            let field = |name: &str| -> anyhow::Result<f64> {
                let line = rollup.lines().find_map(|line| line.strip_prefix(name));
                let number = line.and_then(|line| line.split_whitespace().next());
                number.and_then(|number| number.parse().ok()).context("read smaps_rollup")
            };
            kilobytes += field("Pss:")? - field("Pss_Shmem:")?;
            resident += field("Rss:")?;
            memfds.extend(memfds_of(pid));
        }
        let memfds = memfds.values().sum::<u64>() as f64 / 1024.0;
        let megabytes = |kilobytes: f64| kilobytes / 1024.0;
        Ok(Self {
            total: megabytes(kilobytes + memfds),
            memfds: megabytes(memfds),
            resident: megabytes(resident),
        })
    }
}

/// A process and those it started, with theirs.
fn family(pid: u32) -> BTreeSet<u32> {
    let mut family = BTreeSet::from([pid]);
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    for task in tasks {
        let children = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        let children = children.split_whitespace().filter_map(|child| child.parse().ok());
        children.for_each(|child| family.extend(self::family(child)));
    }
    family
}

/// Bytes of each memfd that a process holds open, by inode.
fn memfds_of(pid: u32) -> BTreeMap<u64, u64> {
    let open = fs::read_dir(format!("/proc/{pid}/fd")).into_iter().flatten().flatten();
    let memfds = open.filter(|entry| {
        let target = fs::read_link(entry.path()).unwrap_or_default();
        target.as_os_str().as_encoded_bytes().starts_with(b"/memfd:")
    });
    let sizes = memfds.filter_map(|entry| fs::metadata(entry.path()).ok());
    // Blocks, not the length: a memfd may have holes. They are counted in units of 512 bytes.
    sizes.map(|file| (file.ino(), file.blocks() * 512)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_uses_memory() {
        let used = MemoryUse::of(std::process::id()).unwrap();
        assert!(used.total > 0.5 && used.total < 4096.0, "{}", used.total);
        assert!(used.resident > 0.5, "{}", used.resident);
    }

    #[test]
    fn anonymous_memory_grows_with_what_a_process_writes() {
        let before = MemoryUse::anonymous(std::process::id());
        let written = std::hint::black_box(vec![7_u8; 64 << 20]);
        let after = MemoryUse::anonymous(std::process::id());
        assert!(before > 0.1 && after > before + 32.0, "{before} {after}");
        drop(written);
    }

    #[test]
    fn a_memfd_that_nobody_maps_counts() {
        use std::io::Write as _;
        let fd = rustix::fs::memfd_create("test", rustix::fs::MemfdFlags::CLOEXEC).unwrap();
        fs::File::from(fd.try_clone().unwrap()).write_all(&vec![1; 8 << 20]).unwrap();
        let used = MemoryUse::of(std::process::id()).unwrap();
        assert!(used.memfds >= 8.0 && used.total > used.memfds, "{}", used.memfds);
    }
}
