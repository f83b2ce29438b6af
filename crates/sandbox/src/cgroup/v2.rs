//! Version 2: one tree.

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{Mode, OFlags};

use super::{
    Usage, end_all, mounts, quota, read_key, read_number, remove, remove_all, seen, write,
};
use crate::spec::Limits;

/// Controllers that hold limits.
const NEEDED: [&str; 3] = ["memory", "cpu", "pids"];
/// Where the processes of a group go that is to have groups below it.
const LEAF: &str = "node";

/// The directory in which groups are made.
#[derive(Debug)]
pub struct Tree {
    base: PathBuf,
}

/// The group of one sandbox.
#[derive(Debug)]
pub(crate) struct Group {
    directory: PathBuf,
}

impl Tree {
    /// Makes the directory inside the process's own group; `None` where version 2 is not
    /// mounted or has no controllers, as beside version 1.
    pub(super) fn open(mountinfo: &str, own: &str, name: &str) -> Result<Option<Self>, String> {
        let Some(mount) = mounts(mountinfo).find(|mount| mount.kind == "cgroup2") else {
            return Ok(None);
        };
        let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::")) else {
            return Ok(None);
        };
        // An earlier start of the same service left this process's parent there.
        let path = path.strip_suffix("/node").unwrap_or(path);
        Self::inside(&seen(&mount, path), name)
    }

    fn inside(own: &Path, name: &str) -> Result<Option<Self>, String> {
        let offered = fs::read_to_string(own.join("cgroup.controllers")).unwrap_or_default();
        let offered: Vec<&str> = offered.split_whitespace().collect();
        if offered.is_empty() {
            return Ok(None);
        }
        let missing: Vec<&str> =
            NEEDED.into_iter().filter(|needed| !offered.contains(needed)).collect();
        if !missing.is_empty() {
            return Err(format!(
                "the controllers {} are not delegated to {}: give the service `Delegate=yes`",
                missing.join(", "),
                own.display()
            ));
        }
        let told = |error: io::Error| format!("use the cgroup {}: {error}", own.display());
        leave(own).map_err(told)?;
        delegate(own).map_err(told)?;
        let base = own.join(name);
        match fs::create_dir(&base) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                end_all(&base);
                remove_all(&base);
            }
            other => other.map_err(told)?,
        }
        delegate(&base).map_err(told)?;
        Ok(Some(Self { base }))
    }

    pub(super) fn make(&self, id: u64, limits: &Limits) -> io::Result<Group> {
        let group = Group { directory: self.base.join(id.to_string()) };
        fs::create_dir(&group.directory)?;
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
        let _ = remove(&self.base);
    }
}

/// Moves the processes of a group into a leaf of it: a group that has controllers for those below
/// may hold no processes itself. The root group may.
fn leave(own: &Path) -> io::Result<()> {
    if !own.join("cgroup.type").exists() {
        return Ok(());
    }
    let leaf = own.join(LEAF);
    match fs::create_dir(&leaf) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
        other => other?,
    }
    for pid in fs::read_to_string(own.join("cgroup.procs"))?.lines() {
        write(&leaf.join("cgroup.procs"), pid)?;
    }
    Ok(())
}

/// Gives the controllers to the groups below.
fn delegate(directory: &Path) -> io::Result<()> {
    write(&directory.join("cgroup.subtree_control"), "+memory +cpu +pids")
}

impl Group {
    fn fill(&self, limits: &Limits) -> io::Result<()> {
        let at = |name: &str| self.directory.join(name);
        // Where there is no swap there is no file.
        if at("memory.swap.max").exists() {
            write(&at("memory.swap.max"), 0)?;
        }
        // One of its processes alone would be killed else, and the rest would wait for it.
        write(&at("memory.oom.group"), 1)?;
        self.limit(limits)
    }

    pub(super) fn limit(&self, limits: &Limits) -> io::Result<()> {
        let at = |name: &str| self.directory.join(name);
        write(&at("memory.max"), limits.memory)?;
        let (quota, period) = quota(limits.cpu);
        write(&at("cpu.max"), format!("{quota} {period}"))?;
        write(&at("pids.max"), limits.pids)
    }

    pub(super) fn descriptor(&self) -> io::Result<OwnedFd> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Ok(rustix::fs::open(&self.directory, flags, Mode::empty())?)
    }

    pub(super) fn freeze(&self, frozen: bool) -> io::Result<()> {
        write(&self.directory.join("cgroup.freeze"), u8::from(frozen))
    }

    pub(super) fn meter(&self) -> io::Result<fs::File> {
        fs::File::open(self.directory.join("cpu.stat"))
    }

    pub(super) fn processes(&self) -> io::Result<String> {
        fs::read_to_string(self.directory.join("cgroup.procs"))
    }

    pub(super) fn usage(&self) -> Usage {
        let at = |name: &str| self.directory.join(name);
        Usage {
            out_of_memory: read_key(&at("memory.events"), "oom_kill").unwrap_or(0),
            cpu_us: read_key(&at("cpu.stat"), "usage_usec"),
            memory_peak: read_number(&at("memory.peak")),
        }
    }

    pub(super) fn remove(&self) -> io::Result<()> {
        remove(&self.directory)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { memory: 64 << 20, cpu: 0.5, pids: 32, files: 64, tmp: 1 << 20 };

    fn tree(files: &[(&str, &str)]) -> tempfile::TempDir {
        let directory = tempfile::tempdir().unwrap();
        for (name, content) in files {
            fs::write(directory.path().join(name), content).unwrap();
        }
        directory
    }

    fn read(directory: &Path, name: &str) -> String {
        fs::read_to_string(directory.join(name)).unwrap()
    }

    #[test]
    fn a_group_holds_the_limits_in_the_words_of_the_kernel() {
        let own = tree(&[("cgroup.controllers", "cpuset cpu io memory pids\n")]);
        let tree = Tree::inside(own.path(), "mayfly").unwrap().unwrap();
        for directory in [own.path(), &own.path().join("mayfly")] {
            assert_eq!(read(directory, "cgroup.subtree_control"), "+memory +cpu +pids");
        }
        let group = tree.make(7, &LIMITS).unwrap();
        let directory = own.path().join("mayfly/7");
        assert_eq!(read(&directory, "memory.max"), (64 << 20).to_string());
        assert_eq!(read(&directory, "memory.oom.group"), "1");
        assert_eq!(read(&directory, "cpu.max"), "50000 100000");
        assert_eq!(read(&directory, "pids.max"), "32");
        group.freeze(true).unwrap();
        assert_eq!(read(&directory, "cgroup.freeze"), "1");
        assert!(!directory.join("memory.swap.max").exists());

        fs::write(directory.join("memory.events"), "low 0\noom 2\noom_kill 1\n").unwrap();
        fs::write(directory.join("cpu.stat"), "usage_usec 1234\nuser_usec 1000\n").unwrap();
        fs::write(directory.join("memory.peak"), "4096\n").unwrap();
        let usage = Usage { out_of_memory: 1, cpu_us: Some(1234), memory_peak: Some(4096) };
        assert_eq!(group.usage(), usage);
        let text = std::io::read_to_string(group.meter().unwrap()).unwrap();
        assert_eq!(super::super::metered(&text), Some(1234));
        assert_eq!(super::super::metered("1234567\n"), Some(1234));
        assert!(tree.make(7, &LIMITS).is_err(), "a group is never used twice");
    }

    #[test]
    fn processes_leave_a_group_that_is_to_have_groups_below_it() {
        let own = tree(&[
            ("cgroup.controllers", "cpu memory pids"),
            ("cgroup.type", "domain"),
            ("cgroup.procs", "12\n"),
        ]);
        Tree::inside(own.path(), "mayfly").unwrap().unwrap();
        assert_eq!(read(&own.path().join(LEAF), "cgroup.procs"), "12");
    }

    #[test]
    fn what_is_not_delegated_is_named_with_the_remedy() {
        let own = tree(&[("cgroup.controllers", "cpu pids")]);
        let problem = Tree::inside(own.path(), "mayfly").unwrap_err();
        assert!(problem.contains("memory") && problem.contains("Delegate=yes"), "{problem}");
        let beside_v1 = tree(&[("cgroup.controllers", "\n")]);
        assert!(Tree::inside(beside_v1.path(), "mayfly").unwrap().is_none());
    }

    #[test]
    fn the_own_group_is_found_below_where_the_tree_is_mounted() {
        let own = tree(&[]);
        let root = own.path().display();
        let service = own.path().join("system.slice/mayfly.service");
        fs::create_dir_all(&service).unwrap();
        fs::write(service.join("cgroup.controllers"), "cpu memory pids").unwrap();
        let mountinfo = format!("29 23 0:26 / {root} rw,nosuid shared:4 - cgroup2 cgroup2 rw\n");
        let tree = Tree::open(&mountinfo, "0::/system.slice/mayfly.service\n", "mayfly-1");
        assert_eq!(tree.unwrap().unwrap().base, service.join("mayfly-1"));
    }
}
