//! Version 1: a tree for each controller.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::{
    Usage, end_all, mounts, quota, read_key, read_number, remove, remove_all, seen, write,
};
use crate::spec::Limits;

/// Controllers that hold limits: without one of them nothing is made.
const NEEDED: [&str; 4] = ["memory", "cpu", "pids", "freezer"];
/// A controller that only counts.
const COUNTS: &str = "cpuacct";

/// The directories in which groups are made.
#[derive(Debug)]
pub struct Tree {
    /// By controller.
    bases: Vec<(&'static str, PathBuf)>,
}

/// The group of one sandbox.
#[derive(Debug)]
pub(crate) struct Group {
    directories: Vec<(&'static str, PathBuf)>,
}

impl Tree {
    /// Makes the directories; `None` where no controller is mounted.
    pub(super) fn open(mountinfo: &str, own: &str, name: &str) -> Result<Option<Self>, String> {
        let mut bases = Vec::new();
        for controller in NEEDED.into_iter().chain([COUNTS]) {
            let has = |list: &str| list.split(',').any(|part| part == controller);
            let mount = mounts(mountinfo).find(|m| m.kind == "cgroup" && has(m.options));
            let path = own.lines().find_map(|line| {
                let mut parts = line.splitn(3, ':').skip(1);
                has(parts.next()?).then(|| parts.next()).flatten()
            });
            if let (Some(mount), Some(path)) = (mount, path) {
                bases.push((controller, seen(&mount, path).join(name)));
            }
        }
        if bases.is_empty() {
            return Ok(None);
        }
        let missing: Vec<&str> = NEEDED
            .into_iter()
            .filter(|needed| !bases.iter().any(|(name, _)| name == needed))
            .collect();
        if !missing.is_empty() {
            return Err(format!("cgroup v1 has no {} controller", missing.join(", ")));
        }
        // From here on its drop takes back what is made.
        let tree = Self { bases };
        for (_, base) in &tree.bases {
            match fs::create_dir(base) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => end_all(base),
                other => other.map_err(|error| format!("make {}: {error}", base.display()))?,
            }
        }
        // In all trees they have ended before they are gone from one.
        tree.bases.iter().for_each(|(_, base)| remove_all(base));
        Ok(Some(tree))
    }

    pub(super) fn make(&self, id: u64, limits: &Limits) -> io::Result<Group> {
        let directories =
            self.bases.iter().map(|(name, base)| (*name, base.join(id.to_string()))).collect();
        let group = Group { directories };
        let made = group.fill(limits);
        if made.is_err() {
            // Half of a group is of no use, and its failure is told already.
            let _ = group.remove();
        }
        made.map(|()| group)
    }
}

impl Drop for Tree {
    fn drop(&mut self) {
        for (_, base) in &self.bases {
            let _ = remove(base);
        }
    }
}

impl Group {
    fn at(&self, controller: &str) -> io::Result<&Path> {
        let found = self.directories.iter().find(|(name, _)| *name == controller);
        found.map(|(_, path)| path.as_path()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn fill(&self, limits: &Limits) -> io::Result<()> {
        for (_, directory) in &self.directories {
            fs::create_dir(directory)?;
        }
        self.limit(limits)
    }

    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let memory = self.at("memory")?;
        let (own, swap) =
            (memory.join("memory.limit_in_bytes"), memory.join("memory.memsw.limit_in_bytes"));
        // Memory and swap together are never less than memory: what order does depends on the old ones.
        let first = swap.exists() && write(&swap, limits.memory).is_ok();
        write(&own, limits.memory)?;
        if swap.exists() && !first {
            write(&swap, limits.memory)?;
        }
        // What waits in sockets is the host's memory else; kernels without it count it all together.
        let sockets = memory.join("memory.kmem.tcp.limit_in_bytes");
        if sockets.exists() {
            write(&sockets, limits.memory / 4)?;
        }
        let (quota, period) = quota(limits.cpu);
        let cpu = self.at("cpu")?;
        write(&cpu.join("cpu.cfs_period_us"), period)?;
        write(&cpu.join("cpu.cfs_quota_us"), quota)?;
        write(&self.at("pids")?.join("pids.max"), limits.pids)
    }

    pub(super) fn doors(&self) -> io::Result<Vec<File>> {
        let tasks = self.directories.iter().map(|(_, directory)| directory.join("tasks"));
        tasks.map(|tasks| File::options().write(true).open(tasks)).collect()
    }

    pub(super) fn freeze(&self, frozen: bool) -> io::Result<()> {
        let state = if frozen { "FROZEN" } else { "THAWED" };
        write(&self.at("freezer")?.join("freezer.state"), state)
    }

    pub(super) fn meter(&self) -> io::Result<File> {
        File::open(self.at(COUNTS)?.join("cpuacct.usage"))
    }

    pub(super) fn processes(&self) -> io::Result<String> {
        fs::read_to_string(self.at("pids")?.join("cgroup.procs"))
    }

    pub(super) fn usage(&self) -> Usage {
        let memory = self.at("memory").unwrap_or(Path::new(""));
        Usage {
            out_of_memory: read_key(&memory.join("memory.oom_control"), "oom_kill").unwrap_or(0),
            cpu_us: self
                .at(COUNTS)
                .ok()
                .and_then(|directory| read_number(&directory.join("cpuacct.usage")))
                .map(|nanos| nanos / 1000),
            memory_peak: read_number(&memory.join("memory.max_usage_in_bytes")),
        }
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        // All are tried, whatever becomes of one.
        let results: Vec<_> = self.directories.iter().map(|(_, path)| remove(path)).collect();
        results.into_iter().collect()
    }
}
