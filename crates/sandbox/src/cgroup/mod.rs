//! Control groups: how much memory, processor and how many processes a sandbox may have.

mod v1;
mod v2;

use std::fs::{self, File};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::process::Pid;
use serde::{Deserialize, Serialize};

use crate::spec::Limits;

/// Which control groups the host offers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// None that this process may use: limits cannot be held.
    None,
    /// One tree per controller.
    V1,
    /// One tree.
    V2,
}

/// Where groups are made.
#[derive(Debug)]
pub enum Cgroups {
    /// Nowhere.
    None,
    /// Version 1: the directories of the controllers.
    V1(v1::Tree),
    /// Version 2: the directory.
    V2(v2::Tree),
}

/// What a group used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Usage {
    /// Processes that the kernel killed because the group's memory was full.
    pub out_of_memory: u64,
    /// Processor time, in microseconds.
    pub cpu_us: Option<u64>,
    /// The most memory, in bytes.
    pub memory_peak: Option<u64>,
}

/// The group of one sandbox. It is removed with the value, and never used for another.
#[derive(Debug)]
pub(crate) enum Group {
    None,
    V1(v1::Group),
    V2(v2::Group),
}

impl Cgroups {
    /// Finds the place for groups and makes it, removing what an earlier process of the same
    /// `name` left there. What is missing is told in words.
    pub fn open(name: &str) -> (Self, Vec<String>) {
        let mounts = fs::read_to_string("/proc/self/mountinfo").unwrap_or_default();
        let own = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        let mut problems = Vec::new();
        match v2::Tree::open(&mounts, &own, name) {
            Ok(Some(tree)) => return (Self::V2(tree), problems),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
        match v1::Tree::open(&mounts, &own, name) {
            // What version 2 lacks beside it is of no matter.
            Ok(Some(tree)) => return (Self::V1(tree), Vec::new()),
            Ok(None) if problems.is_empty() => problems.push("no cgroups are mounted".into()),
            Ok(None) => {}
            Err(problem) => problems.push(problem),
        }
        (Self::None, problems)
    }

    /// Which there are.
    pub fn kind(&self) -> Kind {
        match self {
            Self::None => Kind::None,
            Self::V1(_) => Kind::V1,
            Self::V2(_) => Kind::V2,
        }
    }

    pub(crate) fn make(&self, id: u64, limits: &Limits) -> io::Result<Group> {
        Ok(match self {
            Self::None => Group::None,
            Self::V1(tree) => Group::V1(tree.make(id, limits)?),
            Self::V2(tree) => Group::V2(tree.make(id, limits)?),
        })
    }
}

impl Group {
    /// For a process that is to be born in the group.
    pub(crate) fn descriptor(&self) -> io::Result<Option<OwnedFd>> {
        match self {
            Self::V2(group) => group.descriptor().map(Some),
            _ => Ok(None),
        }
    }

    /// Files through which a process that was not born in the group enters it, by writing `0` to
    /// each. A process of one thread that moves itself so need not wait until no other process
    /// of the host forks, which takes milliseconds.
    pub(crate) fn doors(&self) -> io::Result<Vec<File>> {
        match self {
            Self::V1(group) => group.doors(),
            _ => Ok(Vec::new()),
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        match self {
            Self::None => Err(io::Error::new(io::ErrorKind::Unsupported, "there are no cgroups")),
            Self::V1(group) => group.freeze(frozen),
            Self::V2(group) => group.freeze(frozen),
        }
    }

    /// Gives it other limits.
    pub(crate) fn limit(&self, limits: &Limits) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::V1(group) => group.limit(limits),
            Self::V2(group) => group.limit(limits),
        }
    }

    pub(crate) fn usage(&self) -> Usage {
        match self {
            Self::None => Usage::default(),
            Self::V1(group) => group.usage(),
            Self::V2(group) => group.usage(),
        }
    }

    /// The file that counts its processor time, where there is one.
    pub(crate) fn meter(&self) -> Option<File> {
        match self {
            Self::None => None,
            Self::V1(group) => group.meter().ok(),
            Self::V2(group) => group.meter().ok(),
        }
    }

    /// Its processes; `None` where no group knows.
    pub(crate) fn processes(&self) -> Option<Vec<Pid>> {
        let text = match self {
            Self::None => return None,
            Self::V1(group) => group.processes(),
            Self::V2(group) => group.processes(),
        };
        let text = text.ok()?;
        Some(text.lines().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
    }

    /// Removes the group, whose processes have all ended.
    pub(crate) fn remove(&self) -> io::Result<()> {
        match self {
            Self::None => Ok(()),
            Self::V1(group) => group.remove(),
            Self::V2(group) => group.remove(),
        }
    }
}

/// Writes a file of the kernel's, and says which if that fails.
fn write(path: &Path, value: impl ToString) -> io::Result<()> {
    let value = value.to_string();
    fs::write(path, &value).map_err(|error| {
        io::Error::new(error.kind(), format!("write {value:?} to {}: {error}", path.display()))
    })
}

fn read_number(path: &Path) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// The number after `key` in a file of lines `key number`.
fn read_key(path: &Path, key: &str) -> Option<u64> {
    let text = fs::read_to_string(path).ok()?;
    let mut lines = text.lines().filter_map(|line| line.split_once(' '));
    lines.find(|(name, _)| *name == key)?.1.trim().parse().ok()
}

/// Microseconds of processor time in the text of a meter: nanoseconds alone with version 1, lines
/// `key number` with version 2.
pub(crate) fn metered(text: &str) -> Option<u64> {
    match text.trim().parse::<u64>() {
        Ok(nanoseconds) => Some(nanoseconds / 1000),
        Err(_) => {
            let line = text.lines().find_map(|line| line.strip_prefix("usage_usec "))?;
            line.trim().parse().ok()
        }
    }
}

/// Removes a directory of a group.
fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        other => other,
    }
}

/// Ends the processes that an earlier spawner left in the groups below `base`.
fn end_all(base: &Path) {
    for group in groups(base) {
        for pid in fs::read_to_string(group.join("cgroup.procs")).unwrap_or_default().lines() {
            if let Some(pid) = pid.parse().ok().and_then(Pid::from_raw) {
                // It may have ended meanwhile.
                let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
            }
        }
        let state = group.join("freezer.state");
        if state.exists() {
            // Frozen ones die when they are thawed, with version 1.
            let _ = fs::write(state, "THAWED");
        }
    }
}

/// Removes the groups below `base`, whose processes are ending.
fn remove_all(base: &Path) {
    for group in groups(base) {
        // Their end takes a moment that nothing tells of.
        for _ in 0..100 {
            match remove(&group) {
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => {
                    std::thread::sleep(std::time::Duration::from_millis(10));
                }
                _ => break,
            }
        }
    }
}

fn groups(base: &Path) -> impl Iterator<Item = PathBuf> {
    let entries = fs::read_dir(base).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).filter(|path| path.is_dir())
}

/// A line of `/proc/self/mountinfo`: which part of the file system is mounted where.
struct Mount<'a> {
    root: &'a str,
    point: PathBuf,
    kind: &'a str,
    options: &'a str,
}

/// The mounts in the text of `/proc/self/mountinfo` (proc(5)).
fn mounts(text: &str) -> impl Iterator<Item = Mount<'_>> {
    text.lines().filter_map(|line| {
        let (left, right) = line.split_once(" - ")?;
        let mut left = left.split(' ').skip(3);
        let (root, point) = (left.next()?, left.next()?);
        let mut right = right.split(' ');
        let kind = right.next()?;
        let options = right.nth(1)?;
        Some(Mount { root, point: PathBuf::from(point.replace("\\040", " ")), kind, options })
    })
}

/// A process's own group in a hierarchy, seen from where that is mounted.
fn seen(mount: &Mount<'_>, own: &str) -> PathBuf {
    let inside = own.strip_prefix(mount.root.trim_end_matches('/')).unwrap_or(own);
    mount.point.join(inside.trim_start_matches('/'))
}

/// A share of processor time as a quota within a period, both in microseconds.
fn quota(cpu: f64) -> (u64, u64) {
    const PERIOD: u64 = 100_000;
    ((cpu * PERIOD as f64).max(1000.0) as u64, PERIOD)
}
