//! Sandboxes where the host lets nobody make namespaces: what Landlock, seccomp and limits of each process
//! hold. There is one root, so what a spec calls by its path inside is found by its path on the host.

use std::collections::BTreeMap;
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use landlock::{
    ABI, Access as _, AccessFs, AccessNet, CompatLevel, Compatible as _, NetPort, Ruleset,
    RulesetAttr as _, RulesetCreatedAttr as _, Scope, path_beneath_rules,
};
use rustix::process::Resource;
use serde::{Deserialize, Serialize};

use crate::init::limit;
use crate::root::{DEVICES, FILES, Failed, SYSTEM, Step};
use crate::spec::{Limits, Listen, Network, Spec};
use crate::sys;

/// What every program may read beside its binds and the system's files: who is who, and how names are
/// looked up.
const ETC: [&str; 9] = [
    "/etc/passwd",
    "/etc/group",
    "/etc/hosts",
    "/etc/host.conf",
    "/etc/nsswitch.conf",
    "/etc/resolv.conf",
    "/etc/gai.conf",
    "/etc/localtime",
    "/etc/timezone",
];
/// What interpreters ask about the host.
const PROC: [&str; 7] = [
    "/proc/cpuinfo",
    "/proc/meminfo",
    "/proc/stat",
    "/proc/uptime",
    "/proc/version",
    "/proc/filesystems",
    "/proc/sys/vm/overcommit_memory",
];
/// What a process may have beside its memory, in bytes: stacks of threads and what is only reserved are
/// counted by the limit of its kind.
const BESIDE: u64 = 512 << 20;
/// Landlock's version that knows of files that are made shorter (Linux 6.2).
const TRUNCATION: u32 = 3;
/// Landlock's version that bounds the ports of TCP (Linux 6.7), and that bounds signals (Linux 6.12).
const PORTS: u32 = 4;
const SIGNALS: u32 = 6;

/// What holds a program.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Confinement {
    /// Its own directory, which is its `/tmp`.
    home: PathBuf,
    readable: Vec<PathBuf>,
    /// Ports of TCP that it may connect to.
    ports: Vec<u16>,
    network: Network,
}

/// What the host has in the place of what a program knows.
#[derive(Debug, Default)]
pub(crate) struct Names(BTreeMap<String, String>);

impl Names {
    /// What stands for a path, or for an address that is listened at.
    pub(crate) fn outside(&self, inside: &str) -> String {
        // The longest that fits: places lie in one another.
        let fits = |(name, _): &(&String, &String)| {
            let rest = inside.strip_prefix(name.as_str());
            rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        match self.0.iter().filter(fits).max_by_key(|(name, _)| name.len()) {
            Some((name, outside)) => format!("{outside}{}", &inside[name.len()..]),
            None => inside.to_owned(),
        }
    }

    fn path(&self, inside: &Path) -> PathBuf {
        // One that is no text begins with no name.
        inside.to_str().map_or_else(|| inside.to_owned(), |inside| self.outside(inside).into())
    }
}

/// The spec of a reduced sandbox whose own directory is `home`, what holds it, its names and the sockets
/// that the host serves.
pub(crate) fn of(spec: &Spec, home: &Path) -> io::Result<(Spec, Confinement, Names, Vec<OwnedFd>)> {
    let mut names = Names::default();
    let text = |path: &Path| {
        let text = path.to_str().map(str::to_owned);
        text.ok_or_else(|| io::Error::other(format!("{} is no text", path.display())))
    };
    names.0.insert("/tmp".into(), text(home)?);
    for bind in &spec.binds {
        names.0.insert(text(&bind.target)?, text(&bind.source)?);
    }
    let (mut ports, mut sockets) = (Vec::new(), Vec::new());
    for listen in &spec.listen {
        let Listen::Loopback(inside) = listen else { continue };
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
        let port = socket.local_addr()?.port();
        names.0.insert(format!("127.0.0.1:{inside}"), format!("127.0.0.1:{port}"));
        ports.push(port);
        sockets.push(OwnedFd::from(socket));
    }
    let environment = spec.environment.iter();
    let environment = environment.map(|(name, value)| (name.clone(), names.outside(value)));
    let spec = Spec {
        program: names.path(&spec.program),
        arguments: spec.arguments.iter().map(|argument| names.outside(argument)).collect(),
        environment: environment.collect(),
        directory: names.path(&spec.directory),
        listen: Vec::new(),
        ..spec.clone()
    };
    let confinement = Confinement {
        home: home.to_owned(),
        readable: spec.binds.iter().map(|bind| bind.source.clone()).collect(),
        ports,
        network: spec.network,
    };
    Ok((spec, confinement, names, sockets))
}

/// The own directory of a reduced sandbox.
pub(crate) fn home(scratch: &Path, id: u64) -> PathBuf {
    scratch.join(id.to_string())
}

/// What is not held here even so, in words.
///
/// # Errors
/// When there is no Landlock.
pub(crate) fn problems() -> io::Result<Vec<String>> {
    let version = sys::landlock_version();
    let version = version.ok_or_else(|| io::Error::other("this kernel has no Landlock either"))?;
    if version < TRUNCATION {
        let message =
            "this kernel's Landlock does not keep files from being emptied: Linux 6.2 does";
        return Err(io::Error::other(message));
    }
    let mut problems = Vec::new();
    if version < SIGNALS {
        problems.push(
            "functions may end other processes of the node's user: Linux 6.12 prevents it".into(),
        );
    }
    if rustix::process::geteuid().is_root() {
        problems.push("functions run as root, without its powers: run the node as a user".into());
    }
    Ok(problems)
}

impl Confinement {
    /// Bounds of each process, for the first one that has them to hand on.
    pub(crate) fn limits(&self, limits: &Limits) -> Result<(), Failed> {
        limit(Resource::Data, limits.memory.saturating_add(BESIDE))?;
        limit(Resource::Fsize, limits.tmp)?;
        // The kernel counts all that its user has.
        limit(Resource::Nproc, tasks() + u64::from(limits.pids))
    }

    /// How far its sockets reach.
    pub(crate) fn network(&self) -> Reach {
        match self.network {
            Network::Host => Reach::Host,
            _ if self.ports.is_empty() => Reach::Nobody,
            _ => Reach::Ports,
        }
    }

    /// Holds this process, and all that it starts, to its files, ports and itself.
    pub(crate) fn landlock(&self) -> Result<(), Failed> {
        let abi = ABI::V6;
        let (all, read) = (AccessFs::from_all(abi), AccessFs::from_read(abi));
        let use_devices = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
        let restrict = || -> Result<(), landlock::RulesetError> {
            let ruleset = Ruleset::default()
                .set_compatibility(CompatLevel::HardRequirement)
                .handle_access(AccessFs::from_all(ABI::V3))?
                .set_compatibility(CompatLevel::BestEffort)
                .handle_access(all)?
                .scope(Scope::from_all(abi))?;
            let ruleset = match self.network() {
                Reach::Ports => ruleset
                    .set_compatibility(CompatLevel::HardRequirement)
                    .handle_access(AccessNet::from_all(ABI::V4))?
                    .set_compatibility(CompatLevel::BestEffort),
                Reach::Nobody | Reach::Host => ruleset,
            };
            let own = format!("/proc/{}", std::process::id());
            let there = |path: &&str| Path::new(path).exists();
            let system = SYSTEM.iter().chain(&FILES).chain(&ETC).chain(&PROC).copied();
            let mut ruleset = ruleset
                .create()?
                .add_rules(path_beneath_rules(system.filter(there), read))?
                .add_rules(path_beneath_rules(&self.readable, read))?
                .add_rules(path_beneath_rules([own], read | AccessFs::WriteFile))?
                .add_rules(path_beneath_rules(
                    DEVICES.map(|name| format!("/dev/{name}")),
                    use_devices,
                ))?
                .add_rules(path_beneath_rules([&self.home], all))?;
            for port in &self.ports {
                ruleset = ruleset.add_rule(NetPort::new(*port, AccessNet::ConnectTcp))?;
            }
            ruleset.restrict_self()?;
            Ok(())
        };
        if self.network() == Reach::Ports && sys::landlock_version() < Some(PORTS) {
            let error = io::Error::other(
                "a program that speaks the Runtime API needs Linux 6.7 in a reduced sandbox",
            );
            return Err(error).step(|| "restrict ports by Landlock".into());
        }
        restrict().map_err(io::Error::other).step(|| "restrict files by Landlock".into())
    }
}

/// How far sockets reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Nowhere.
    Nobody,
    /// To the ports that Landlock leaves, by TCP.
    Ports,
    /// Wherever the host's do, by TCP and UDP.
    Host,
}

/// Threads of this user on the host, as far as it sees them.
fn tasks() -> u64 {
    let user = rustix::process::getuid().as_raw();
    let Ok(processes) = std::fs::read_dir("/proc") else { return 0 };
    let names = processes.flatten().map(|entry| entry.file_name());
    let numbers = names.filter(|name| name.to_string_lossy().parse::<u32>().is_ok());
    let status = |number| Path::new("/proc").join(number).join("status");
    // One that has ended meanwhile has none.
    let statuses = numbers.filter_map(|number| std::fs::read_to_string(status(number)).ok());
    statuses.filter_map(|status| threads_of(&status, user)).sum()
}

/// The threads of a process by its status (proc(5)), if it is that user's.
fn threads_of(status: &str, user: u32) -> Option<u64> {
    let field = |name: &str| {
        let line = status.lines().find_map(|line| line.strip_prefix(name))?;
        line.split_whitespace().next()?.parse::<u64>().ok()
    };
    (field("Uid:")? == u64::from(user)).then(|| field("Threads:"))?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_program_knows_is_found_on_the_host() {
        let pairs = [("/tmp", "/data/home/1"), ("/var/task", "/data/code"), ("/a", "/b")];
        let mut names = Names::default();
        names.0.extend(pairs.map(|(inside, outside)| (inside.to_owned(), outside.to_owned())));
        names.0.insert("/var/task/deep".into(), "/elsewhere".into());
        for (inside, outside) in [
            ("/tmp", "/data/home/1"),
            ("/var/task/app.py", "/data/code/app.py"),
            ("/var/task/deep/x", "/elsewhere/x"),
            ("/var/tasks", "/var/tasks"),
            ("/tmpfile", "/tmpfile"),
            ("info", "info"),
        ] {
            assert_eq!(names.outside(inside), outside);
        }
    }

    #[test]
    fn the_threads_of_one_user_are_counted() {
        let status = "Name:\tnode\nUid:\t1000\t0\t0\t0\nGid:\t1\t1\t1\t1\nThreads:\t11\n";
        assert_eq!(threads_of(status, 1000), Some(11));
        assert_eq!(threads_of(status, 0), None, "the user is the real one");
        assert_eq!(threads_of("Name:\tnode\n", 0), None);
    }
}
