//! The checks: each is a function of what is known about the host.

use std::path::Path;

use jiff::Timestamp;

use crate::node::{Tried, try_sandbox};

use super::Check;
use super::host::{Host, Limit, can_write, free_space, port_is_free, version_of};

const MB: u64 = 1 << 20;
const GB: u64 = 1 << 30;

/// Below this, one deployment may fill the disk.
const LEAST_DISK: u64 = 100 * MB;

/// Two functions of the default size.
const LEAST_MEMORY: u64 = 256 * MB;

/// Instances, connections and files of a busy node.
const OPEN_FILES: u64 = 65_536;

/// Every `js` instance maps its memory in a few pieces.
const MAPS: u64 = 262_144;

/// All of them, in the order in which they are shown.
pub(super) fn all(host: &Host, data: &Path) -> Vec<Check> {
    let mut checks = vec![
        kernel(host),
        dirty_pages(host),
        user_namespaces(host),
        cgroups(host),
        memory(host),
        cores(host.cores),
        address_space(host.address_space),
        overcommit(host),
        maps(host),
        open_files(host.open_files),
        disk(data, free_space(data), can_write(data)),
        port("ingress port", 8080, "--listen", port_is_free(8080)),
        port("admin port", 8081, "--admin", port_is_free(8081)),
        clock(host.now),
    ];
    checks.push(sandboxes());
    let languages = [("node", "nodejs"), ("python3", "python"), ("ruby", "ruby")];
    checks.extend(
        languages.map(|(program, runtime)| language(program, runtime, version_of(program))),
    );
    checks
}

/// Major and minor number of a kernel's release.
fn version(release: &str) -> Option<(u32, u32)> {
    let mut numbers = release.split(|c: char| !c.is_ascii_digit());
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn release(host: &Host) -> Option<String> {
    host.read("/proc/sys/kernel/osrelease")
}

fn kernel(host: &Host) -> Check {
    let name = "kernel";
    let Some(release) = release(host) else {
        return Check::fail(name, "not Linux, or /proc is not mounted", "run mayfly on Linux");
    };
    let found = format!("Linux {release}");
    match version(&release) {
        Some(version) if version >= (5, 13) => Check::ok(name, found),
        _ => Check::warn(name, found, "use Linux 5.13 or newer: process runtimes need it"),
    }
}

/// How the memory of `js` instances is put back.
fn dirty_pages(host: &Host) -> Check {
    let name = "memory reset";
    if !host.is_readable("/proc/self/pagemap") {
        return Check::fail(
            name,
            "/proc/self/pagemap cannot be read",
            "mount /proc as usual: without it no `js` function can run",
        );
    }
    match release(host).as_deref().and_then(version) {
        Some(version) if version >= (6, 7) => Check::ok(name, "PAGEMAP_SCAN"),
        _ => Check::ok(name, "/proc/self/pagemap (PAGEMAP_SCAN comes with Linux 6.7)"),
    }
}

fn user_namespaces(host: &Host) -> Check {
    let name = "user namespaces";
    let later = "`js` and `wasm` functions do not need them; the other runtimes do";
    if !host.exists("/proc/self/ns/user") {
        return Check::warn(name, "not in this kernel", later);
    }
    if host.number("/proc/sys/user/max_user_namespaces") == Some(0) {
        let remedy = format!("sysctl -w user.max_user_namespaces=15000; {later}");
        return Check::warn(name, "switched off", remedy);
    }
    if host.is_root {
        return Check::ok(name, "allowed (root)");
    }
    if host.number("/proc/sys/kernel/unprivileged_userns_clone") == Some(0) {
        let remedy = format!("sysctl -w kernel.unprivileged_userns_clone=1; {later}");
        return Check::warn(name, "only for root", remedy);
    }
    if host.number("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == Some(1) {
        let remedy = format!(
            "give mayfly an AppArmor profile that allows `userns`, or \
             sysctl -w kernel.apparmor_restrict_unprivileged_userns=0; {later}"
        );
        return Check::warn(name, "restricted by AppArmor", remedy);
    }
    Check::ok(name, "allowed")
}

fn cgroups(host: &Host) -> Check {
    let name = "cgroups";
    let later = "without them no limit of memory or processors holds for the other runtimes; `js` and `wasm` do not need them";
    let wanted = ["cpu", "memory", "pids"];
    let Some(controllers) = host.read("/sys/fs/cgroup/cgroup.controllers") else {
        let there = |name: &&str| host.exists(&format!("/sys/fs/cgroup/{name}/cgroup.procs"));
        let there: Vec<&str> = wanted.into_iter().filter(there).collect();
        let writable = |name: &&str| host.is_writable(&format!("/sys/fs/cgroup/{name}"));
        return if there.is_empty() {
            Check::warn(name, "none mounted", format!("mount cgroup v2 at /sys/fs/cgroup; {later}"))
        } else if there.iter().all(writable) {
            Check::ok(name, format!("v1, writable: {}", there.join(" ")))
        } else {
            let remedy =
                format!("boot with systemd.unified_cgroup_hierarchy=1, or run as root; {later}");
            Check::warn(name, format!("v1, read-only: {}", there.join(" ")), remedy)
        };
    };
    let own = host.read("/proc/self/cgroup").unwrap_or_default();
    let own = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or("/");
    let own = format!("/sys/fs/cgroup{}", own.trim_end_matches('/'));
    // A hybrid host has v2 without controllers; a container sees its own as the root.
    let here = host.read(&format!("{own}/cgroup.controllers")).unwrap_or(controllers);
    let has = |name: &&str| here.split_whitespace().any(|here| here == *name);
    let missing: Vec<&str> = wanted.into_iter().filter(|name| !has(name)).collect();
    if !missing.is_empty() {
        let remedy = format!("delegate them: `Delegate=yes` in mayfly's systemd unit; {later}");
        return Check::warn(name, format!("v2, without {}", missing.join(" ")), remedy);
    }
    if !host.is_writable(&format!("{own}/cgroup.subtree_control")) {
        let remedy = format!(
            "run as root, or with `Delegate=yes` in mayfly's systemd unit, or \
             `systemd-run --user -p Delegate=yes --scope mayfly serve`; {later}"
        );
        return Check::warn(name, "v2, not writable for this user", remedy);
    }
    Check::ok(name, format!("v2, writable: {}", wanted.join(" ")))
}

fn memory(host: &Host) -> Check {
    let name = "memory";
    let Some(info) = host.read("/proc/meminfo") else {
        return Check::warn(name, "unknown", "mount /proc");
    };
    let field = |key: &str| {
        let line = info.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'))?;
        let kb: u64 = line.trim().trim_end_matches("kB").trim().parse().ok()?;
        kb.checked_mul(1024)
    };
    let Some(total) = field("MemTotal") else {
        return Check::warn(name, "unknown", "mount /proc");
    };
    let ceiling = host.number("/sys/fs/cgroup/memory.max").filter(|ceiling| *ceiling < total);
    let usable = ceiling.unwrap_or(total);
    let free = field("MemAvailable").unwrap_or(total).min(usable);
    let mut found = format!("{}, {} free", size(usable), size(free));
    if ceiling.is_some() {
        found.push_str(" (this container's limit)");
    }
    match free {
        ..LEAST_MEMORY => Check::warn(name, found, "leave 256MB or more free for functions"),
        _ => Check::ok(name, found),
    }
}

fn cores(cores: usize) -> Check {
    Check::ok("cores", cores.to_string())
}

/// An instance reserves far more address space than it uses.
fn address_space(limit: Limit) -> Check {
    let name = "address space";
    match limit.soft {
        None => Check::ok(name, "unlimited"),
        Some(limit) => Check::fail(
            name,
            size(limit),
            "ulimit -v unlimited: every `js` and `wasm` instance reserves gigabytes, and uses few of them",
        ),
    }
}

fn overcommit(host: &Host) -> Check {
    let name = "vm.overcommit_memory";
    match host.number("/proc/sys/vm/overcommit_memory") {
        Some(2) => Check::warn(
            name,
            "2 (never)",
            "sysctl -w vm.overcommit_memory=0: reservations of address space are counted as memory",
        ),
        Some(n) => Check::ok(name, n.to_string()),
        None => Check::ok(name, "unknown"),
    }
}

fn maps(host: &Host) -> Check {
    let name = "vm.max_map_count";
    match host.number("/proc/sys/vm/max_map_count") {
        Some(n) if n < MAPS => {
            let remedy = format!("sysctl -w vm.max_map_count={MAPS}, for thousands of instances");
            Check::warn(name, n.to_string(), remedy)
        }
        Some(n) => Check::ok(name, n.to_string()),
        None => Check::ok(name, "unknown"),
    }
}

fn open_files(Limit { soft, hard }: Limit) -> Check {
    let name = "open files";
    let word = |limit: Option<u64>| limit.map_or("unlimited".to_owned(), |n| n.to_string());
    let found = word(soft);
    match (soft, hard) {
        (Some(n), hard) if n < OPEN_FILES => {
            let remedy = match hard {
                Some(hard) if hard < OPEN_FILES => format!(
                    "LimitNOFILE={OPEN_FILES} in mayfly's systemd unit, or /etc/security/limits.conf"
                ),
                _ => format!("ulimit -n {OPEN_FILES}"),
            };
            Check::warn(name, format!("{found} (at most {})", word(hard)), remedy)
        }
        _ => Check::ok(name, found),
    }
}

fn disk(data: &Path, free: Option<u64>, writable: bool) -> Check {
    let name = "data directory";
    let shown = data.display();
    if !writable {
        let remedy = "make it this user's, or name another one with --data";
        return Check::fail(name, format!("{shown} cannot be written"), remedy);
    }
    let remedy = "free some, or name a directory elsewhere with --data";
    match free {
        None => Check::warn(name, format!("{shown}: free space is unknown"), remedy),
        Some(free) => {
            let found = format!("{shown}: {} free", size(free));
            match free {
                ..LEAST_DISK => Check::fail(name, found, remedy),
                LEAST_DISK..GB => Check::warn(name, found, remedy),
                _ => Check::ok(name, found),
            }
        }
    }
}

fn port(name: &'static str, port: u16, flag: &str, free: Option<bool>) -> Check {
    match free {
        Some(true) => Check::ok(name, format!("{port} is free")),
        Some(false) => Check::warn(
            name,
            format!("{port} is taken"),
            format!("stop what listens there (perhaps a node), or choose another one with {flag}"),
        ),
        None => Check::fail(
            name,
            format!("{port} cannot be listened at"),
            "let this process open sockets on loopback",
        ),
    }
}

/// Times are stored, tokens and certificates expire: a clock must not be years off.
fn clock(now: Timestamp) -> Check {
    let name = "clock";
    let found = now.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    let year = now.to_zoned(jiff::tz::TimeZone::UTC).year();
    if (2025..2100).contains(&year) {
        Check::ok(name, found)
    } else {
        Check::fail(name, found, "set it: timedatectl set-ntp true")
    }
}

/// Makes a sandbox, which says more than any look at the host.
fn sandboxes() -> Check {
    let name = "sandboxes";
    match try_sandbox() {
        Ok(Tried { reduced: Some(why), problems }) => {
            let mut remedy = "see `user namespaces` above; until then `mayfly dev` makes do with reduced \
                              ones, and `mayfly serve` with `sandbox = \"reduced\"` in its configuration"
                .to_owned();
            if !problems.is_empty() {
                remedy.push_str(&format!(". They hold less: {}", problems.join("; ")));
            }
            Check::warn(name, format!("only reduced ones: {why}"), remedy)
        }
        Ok(Tried { problems, .. }) if problems.is_empty() => {
            Check::ok(name, "one was made, with all limits")
        }
        Ok(Tried { problems, .. }) => Check::warn(
            name,
            "one was made, without all limits",
            format!("see `cgroups` above: {}", problems.join("; ")),
        ),
        Err(error) => Check::warn(
            name,
            error,
            "`js` and `wasm` functions run without them, and no others: see `user namespaces` above",
        ),
    }
}

fn language(program: &'static str, runtime: &str, version: Option<String>) -> Check {
    match version {
        Some(text) => {
            // `v24.1.0`, `Python 3.13.1`, `ruby 3.4.1 (2024-12-25 revision ...)`.
            let words = text.split_whitespace().map(|word| word.strip_prefix('v').unwrap_or(word));
            let version =
                words.into_iter().find(|word| word.starts_with(|c: char| c.is_ascii_digit()));
            let version = version.unwrap_or(&text);
            Check::ok(program, format!("{version} (for the runtime `{runtime}`)"))
        }
        None => Check::ok(program, format!("not found; the runtime `{runtime}` needs it")),
    }
}

fn size(bytes: u64) -> String {
    match bytes {
        ..GB => format!("{}MB", bytes / MB),
        _ => {
            let tenths = u128::from(bytes) * 10 / u128::from(GB);
            format!("{}.{}GB", tenths / 10, tenths % 10)
        }
    }
}

#[cfg(test)]
mod tests;
