//! What the host sees of sandboxes: processes, namespaces, cgroups.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

/// The numbers of all processes with those of their parents.
fn parents() -> BTreeMap<u32, u32> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let numbers = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    numbers.filter_map(|pid| Some((pid, field(pid, "PPid")?))).collect()
}

/// The first number of a line of a process's status.
pub(crate) fn field(pid: u32, name: &str) -> Option<u32> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find(|line| line.split(':').next() == Some(name))?;
    line.split_whitespace().nth(1)?.parse().ok()
}

/// The processes below a process.
pub(crate) fn descendants(of: u32) -> BTreeSet<u32> {
    let parents = parents();
    let mut found = BTreeSet::from([of]);
    loop {
        let more = parents.iter().filter(|(_, parent)| found.contains(parent));
        let more: BTreeSet<u32> = more.map(|(pid, _)| *pid).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            found.remove(&of);
            return found;
        }
    }
}

/// Whether a process runs: it is there, and not as a zombie.
pub(crate) fn runs(pid: u32) -> bool {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    !status.is_empty() && !status.contains("\nState:\tZ")
}

/// Processes whose command line holds a text.
pub(crate) fn named(text: &str) -> Vec<u32> {
    let numbers = parents().into_keys();
    let holds = |pid: &u32| {
        let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&line).contains(text)
    };
    numbers.filter(holds).collect()
}

/// The namespaces of processes, as links that name them.
pub(crate) fn namespaces(of: impl IntoIterator<Item = u32>) -> BTreeSet<PathBuf> {
    let directories =
        of.into_iter().filter_map(|pid| std::fs::read_dir(format!("/proc/{pid}/ns")).ok());
    let links = directories.flatten().flatten().map(|entry| entry.path());
    links.filter_map(|link| std::fs::read_link(link).ok()).collect()
}

/// The numbers of all processes.
pub(crate) fn all() -> BTreeSet<u32> {
    parents().into_keys().collect()
}

/// The mounts of the host.
pub(crate) fn mounts() -> String {
    std::fs::read_to_string("/proc/self/mountinfo").unwrap()
}

/// Cgroups of nodes, and those of their sandboxes, in every hierarchy.
pub(crate) fn cgroups() -> Vec<PathBuf> {
    fn look(directory: &Path, depth: u32, found: &mut Vec<PathBuf>) {
        let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
        for entry in entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir())) {
            if entry.path().to_string_lossy().contains("/mayfly-") {
                found.push(entry.path());
            }
            if depth > 0 {
                look(&entry.path(), depth - 1, found);
            }
        }
    }
    let mut found = Vec::new();
    look(Path::new("/sys/fs/cgroup"), 6, &mut found);
    found
}

/// A disk of this host.
pub(crate) fn disk() -> String {
    let blocks = std::fs::read_dir("/sys/block").into_iter().flatten().flatten();
    let names = blocks.map(|entry| entry.file_name().to_string_lossy().into_owned());
    let mut disks = names.filter(|n| !["loop", "ram", "zram"].iter().any(|v| n.starts_with(v)));
    format!("/dev/{}", disks.next().unwrap_or_else(|| "sda".into()))
}
