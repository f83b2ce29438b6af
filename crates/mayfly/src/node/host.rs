//! What the machine says of itself.

use std::fs;
use std::path::Path;

use mayfly_invoker::{Host, Processors};

/// This machine, or as much of it as this process may use.
pub(super) struct Machine;

impl Host for Machine {
    fn free_memory(&self) -> f64 {
        let read = |path: &str| fs::read_to_string(Path::new(path)).ok();
        free_memory(read)
    }

    fn processors(&self) -> Option<Processors> {
        let mine = rustix::thread::sched_getaffinity(None).ok()?;
        let text = fs::read_to_string("/proc/stat").ok()?;
        processors(&text, |cpu| mine.is_set(cpu))
    }
}

/// The least that the machine or the process's own group has left.
fn free_memory(read: impl Fn(&str) -> Option<String>) -> f64 {
    let info = read("/proc/meminfo").unwrap_or_default();
    let field = |key: &str| -> Option<f64> {
        let line = info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        line.trim().trim_end_matches("kB").trim().parse().ok()
    };
    let part = |free: Option<f64>, all: Option<f64>| match (free, all) {
        (Some(free), Some(all)) if all > 0.0 => (free / all).clamp(0.0, 1.0),
        _ => 1.0,
    };
    let machine = part(field("MemAvailable"), field("MemTotal"));
    let number = |path: &str| -> Option<f64> { read(path)?.trim().parse().ok() };
    let groups = [
        ["/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory.current"],
        [
            "/sys/fs/cgroup/memory/memory.limit_in_bytes",
            "/sys/fs/cgroup/memory/memory.usage_in_bytes",
        ],
    ];
    // A group without a bound says so by a word, or by a number that no machine has.
    let of_group = |[most, used]: [&str; 2]| {
        let (most, used) = (number(most), number(used));
        part(most.zip(used).map(|(most, used)| most - used), most)
    };
    groups.into_iter().map(of_group).fold(machine, f64::min)
}

/// What `/proc/stat` says of some processors (proc(5)): all ticks since the start, and those in which they did something.
fn processors(stat: &str, mine: impl Fn(usize) -> bool) -> Option<Processors> {
    let mut sum = Processors { count: 0, busy: 0, all: 0 };
    for line in stat.lines() {
        let Some(rest) = line.strip_prefix("cpu") else { break };
        let Some((number, ticks)) = rest.split_once(' ') else { continue };
        // The first line is of all together.
        let Some(number) = number.parse().ok().filter(|number| mine(*number)) else { continue };
        let _: usize = number;
        // user, nice, system, idle, iowait, irq, softirq, steal; what follows is part of user and nice.
        let ticks: Vec<u64> = ticks.split_ascii_whitespace().flat_map(str::parse).take(8).collect();
        let [user, nice, system, idle, iowait, rest @ ..] = &ticks[..] else { continue };
        let busy = user + nice + system + rest.iter().sum::<u64>();
        sum.count += 1;
        sum.busy += busy;
        sum.all += busy + idle + iowait;
    }
    (sum.count > 0).then_some(sum)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_least_of_machine_and_group_is_what_is_free() {
        fn with(files: &[(&str, &str)]) -> f64 {
            free_memory(|path| {
                let found = files.iter().find(|(name, _)| *name == path);
                found.map(|(_, text)| (*text).to_owned())
            })
        }
        assert_eq!(with(&[]), 1.0, "nothing is known");
        let info =
            ("/proc/meminfo", "MemTotal:  1000 kB\nMemFree:  10 kB\nMemAvailable:  250 kB\n");
        assert_eq!(with(&[info]), 0.25);
        let max = "/sys/fs/cgroup/memory.max";
        let current = ("/sys/fs/cgroup/memory.current", "950\n");
        assert_eq!(with(&[info, (max, "1000\n"), current]), 0.05);
        assert_eq!(with(&[info, (max, "max\n"), current]), 0.25);
        let most = ("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712");
        let used = ("/sys/fs/cgroup/memory/memory.usage_in_bytes", "950");
        assert_eq!(with(&[info, most, used]), 0.25);
    }

    #[test]
    fn processors_that_are_not_ours_do_not_count() {
        let stat = "cpu  10 0 0 10 0 0 0 0 0 0\ncpu0 1 2 3 50 4 5 6 7 1 1\ncpu1 9 0 0 91 0 0 0 0 0 0\nintr 1\n";
        let found = processors(stat, |cpu| cpu == 0).unwrap();
        assert_eq!((found.count, found.busy, found.all), (1, 24, 78));
        let found = processors(stat, |_| true).unwrap();
        assert_eq!((found.count, found.busy, found.all), (2, 33, 178));
        assert!(processors(stat, |_| false).is_none());
    }

    #[test]
    fn this_machine_tells() {
        assert!((0.0..=1.0).contains(&Machine.free_memory()));
        let found = Machine.processors().unwrap();
        assert!(found.count > 0 && found.all > found.busy);
    }
}
