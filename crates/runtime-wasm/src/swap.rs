//! Whether the kernel may move this process's memory to a disk.

use std::path::Path;

/// What there is of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Swap {
    Absent,
    Present,
}

impl Swap {
    /// What this process may meet now.
    pub(crate) fn here() -> Self {
        Self::at(Path::new("/proc"), Path::new("/sys/fs/cgroup"))
    }

    fn at(proc: &Path, cgroups: &Path) -> Self {
        let areas = std::fs::read_to_string(proc.join("swaps"));
        // The first line is the table's head. Where nothing tells, there may be some.
        let none = areas.is_ok_and(|areas| areas.lines().count() <= 1);
        match none || denied(proc, cgroups) {
            true => Self::Absent,
            false => Self::Present,
        }
    }
}

/// Whether this process's cgroup, or one around it, may swap nothing (cgroups v2, `memory.swap.max`).
fn denied(proc: &Path, cgroups: &Path) -> bool {
    let Ok(own) = std::fs::read_to_string(proc.join("self/cgroup")) else { return false };
    let Some(path) = own.lines().find_map(|line| line.strip_prefix("0::/")) else { return false };
    let mut group = cgroups.join(path);
    while group.starts_with(cgroups) {
        let most = std::fs::read_to_string(group.join("memory.swap.max"));
        if most.is_ok_and(|most| most.trim() == "0") {
            return true;
        }
        if !group.pop() {
            break;
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEAD: &str = "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n";

    fn host(swaps: &str, own: &str, most: Option<(&str, &str)>) -> Swap {
        let root = tempfile::tempdir().unwrap();
        let (proc, cgroups) = (root.path().join("proc"), root.path().join("cgroup"));
        std::fs::create_dir_all(proc.join("self")).unwrap();
        std::fs::write(proc.join("swaps"), swaps).unwrap();
        std::fs::write(proc.join("self/cgroup"), own).unwrap();
        if let Some((group, most)) = most {
            std::fs::create_dir_all(cgroups.join(group)).unwrap();
            std::fs::write(cgroups.join(group).join("memory.swap.max"), most).unwrap();
        }
        Swap::at(&proc, &cgroups)
    }

    #[test]
    fn a_swap_area_counts_unless_the_process_may_not_use_it() {
        let area = format!("{HEAD}/swapfile file 4194300 0 -2\n");
        assert_eq!(host(HEAD, "0::/\n", None), Swap::Absent);
        assert_eq!(host(&area, "0::/\n", None), Swap::Present);
        assert_eq!(host(&area, "12:memory:/a\n", None), Swap::Present);
        let deep = "0::/system.slice/mayfly.service\n";
        assert_eq!(host(&area, deep, Some(("system.slice/mayfly.service", "0\n"))), Swap::Absent);
        assert_eq!(host(&area, deep, Some(("system.slice", "0\n"))), Swap::Absent);
        assert_eq!(host(&area, deep, Some(("system.slice", "max\n"))), Swap::Present);
    }

    #[test]
    fn where_nothing_tells_there_may_be_some() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(Swap::at(root.path(), root.path()), Swap::Present);
    }
}
