//! Which cores a bench uses, and for what.

use std::process::{Child, Command, Stdio};
use std::sync::LazyLock;

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// Those that this process may use, looked up once, because some benches keep themselves to one.
static USABLE: LazyLock<Vec<usize>> = LazyLock::new(|| {
    let usable = sched_getaffinity(None);
    let usable = usable.map(|set| (0..CpuSet::MAX_CPU).filter(|core| set.is_set(*core)).collect());
    usable.unwrap_or_default()
});

/// How many there are.
pub(super) fn count() -> usize {
    USABLE.len()
}

/// Servers run on this core, one at a time under load.
pub(super) fn server() -> usize {
    USABLE.first().copied().unwrap_or_default()
}

/// The load runs on this one: the servers' own where there is no other.
pub(super) fn load() -> usize {
    USABLE.get(1).copied().unwrap_or_else(server)
}

/// Keeps the thread that made it on the load's core for as long as it is there.
pub(super) struct Pinned(CpuSet);

impl Pinned {
    pub(super) fn to_load() -> anyhow::Result<Self> {
        let before = sched_getaffinity(None)?;
        let mut core = CpuSet::new();
        core.set(load());
        sched_setaffinity(None, &core)?;
        Ok(Self(before))
    }
}

impl Drop for Pinned {
    fn drop(&mut self) {
        let _ = sched_setaffinity(None, &self.0);
    }
}

/// Keeps the core of the load busy, at the lowest priority.
pub(super) struct Busy(Child);

impl Busy {
    pub(super) fn start() -> anyhow::Result<Self> {
        let mut shell = Command::new("taskset");
        shell.args(["--cpu-list", &load().to_string(), "nice", "-n", "19"]);
        shell.args(["sh", "-c", "while :; do :; done"]).stdin(Stdio::null());
        Ok(Self(shell.spawn()?))
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
