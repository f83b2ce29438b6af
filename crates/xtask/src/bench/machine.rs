//! Where a result comes from.

use std::collections::BTreeMap;
use std::fs;

use super::cores;
use crate::shell::{self, command, root};

/// Kernel, processor, cores and memory.
pub(super) fn describe() -> BTreeMap<String, String> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let field = |text: &str, name: &str| {
        let line = text.lines().find(|line| line.starts_with(name));
        line.and_then(|line| line.split_once(':')).map(|(_, value)| value.trim().to_owned())
    };
    let unknown = || "unknown".to_owned();
    BTreeMap::from([
        ("kernel".into(), read("/proc/sys/kernel/osrelease").trim().to_owned()),
        ("cpu".into(), field(&read("/proc/cpuinfo"), "model name").unwrap_or_else(unknown)),
        ("cores".into(), cores::count().to_string()),
        ("memory".into(), field(&read("/proc/meminfo"), "MemTotal").unwrap_or_else(unknown)),
    ])
}

/// Versions of what is measured and of what measures, by name.
pub(super) fn versions() -> BTreeMap<String, String> {
    let commit = shell::output(command("git", root()).args(["describe", "--always", "--dirty"]));
    let versions = [
        ("mayfly", commit.ok()),
        ("rustc", shell::version("rustc", "--version")),
        ("wrk", shell::version("wrk", "--version").map(|line| line.replace(" [epoll]", ""))),
    ];
    versions
        .into_iter()
        .map(|(name, version)| (name.into(), version.unwrap_or_else(|| "unknown".into())))
        .collect()
}
