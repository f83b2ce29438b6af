//! Making one sandbox, in the spawner.
#![allow(unsafe_code, reason = "clones the sandbox's first process, from the one thread")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, WaitIdStatus};

use seccompiler::BpfProgram;

use crate::cgroup::{Cgroups, Group, Usage};
use crate::init::{INSIDE, Init};
use crate::inside;
use crate::reduced;
use crate::root::{attach, clone_tree};
use crate::spawner::complain;
use crate::spec::{Bind, Ended, Exit, Limits};
use crate::sys::{self, Birth, Forked};
use crate::wire::Answer;

/// Users of the host that sandboxes are, where the spawner may choose: no other software's range.
pub(crate) const HOST_USERS: u32 = 1_900_000_000;
/// How many of them are used in turn.
pub(crate) const HOST_USERS_COUNT: u64 = 65_536;

/// Whose powers the spawner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Powers {
    /// The host's root.
    Root,
    /// Those of a user namespace of its own.
    Own,
    /// None but its user's: sandboxes are reduced.
    None,
}

/// A sandbox, as the spawner holds it.
#[derive(Debug)]
pub(crate) struct Child {
    pid: Pid,
    pidfd: OwnedFd,
    /// Closes with the spawner: an init that has not yet asked to end with it sees that.
    _alive: OwnedFd,
    group: Group,
    before: Usage,
    /// What it may write.
    files: Files,
    /// Its program, once that was looked for.
    program: Option<Pid>,
}

/// Where the files are that a sandbox may write.
#[derive(Debug)]
enum Files {
    /// In its mount namespace.
    Mounts(OwnedFd),
    /// In this directory of the host.
    Home(PathBuf),
}

/// What every sandbox is made with.
pub(crate) struct Means {
    pub(crate) cgroups: Cgroups,
    pub(crate) powers: Powers,
    pub(crate) filters: Vec<BpfProgram>,
    /// The spawner's own mount namespace.
    pub(crate) home: OwnedFd,
    /// Where reduced sandboxes have their files.
    pub(crate) scratch: PathBuf,
}

/// Makes a sandbox. The descriptors are its spec, what the program gets, and its status pipe.
pub(crate) fn spawn(
    means: &Means,
    id: u64,
    limits: &Limits,
    binds: &[Bind],
    mut descriptors: Vec<OwnedFd>,
) -> Result<Child, String> {
    if descriptors.len() < 2 {
        return Err("a spec or a status pipe is missing".into());
    }
    let status = descriptors.pop().ok_or("a status pipe is missing")?;
    let spec = descriptors.remove(0);
    // Here, because the sandbox may not reach what lies below other users' directories.
    let trees = match means.powers {
        Powers::None => Vec::new(),
        _ => {
            let trees = binds.iter().map(|bind| clone_tree(&bind.source)).collect::<Result<_, _>>();
            trees.map_err(|failed| failed.to_string())?
        }
    };
    let group =
        means.cgroups.make(id, limits).map_err(|error| format!("make a cgroup: {error}"))?;
    let made = begin(&group, means, id, Parts { spec, trees, descriptors, status });
    if made.is_err() {
        // Its failure is told already; the next start clears what stays.
        let _ = group.remove();
    }
    let Begun { pid, pidfd, alive, files } =
        made.map_err(|error| format!("start a sandbox: {error}"))?;
    let before = group.usage();
    Ok(Child { pid, pidfd, _alive: alive, group, before, files, program: None })
}

struct Parts {
    spec: OwnedFd,
    /// Views of its binds.
    trees: Vec<OwnedFd>,
    descriptors: Vec<OwnedFd>,
    status: OwnedFd,
}

struct Begun {
    pid: Pid,
    pidfd: OwnedFd,
    alive: OwnedFd,
    files: Files,
}

fn begin(group: &Group, means: &Means, id: u64, parts: Parts) -> io::Result<Begun> {
    let (go, ready) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    let (born_in, doors) = (group.descriptor()?, group.doors()?);
    let birth = match means.powers {
        Powers::None => Birth::Here,
        Powers::Root | Powers::Own => Birth::Apart,
    };
    // SAFETY: the spawner has one thread.
    match unsafe { sys::clone(birth, born_in.as_ref().map(AsFd::as_fd)) }? {
        Forked::Child => {
            let Parts { spec, trees, descriptors, status } = parts;
            let mut keep: Vec<i32> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
            keep.extend(trees.iter().map(AsRawFd::as_raw_fd));
            keep.extend(doors.iter().map(AsRawFd::as_raw_fd));
            keep.extend([spec.as_raw_fd(), status.as_raw_fd(), go.as_raw_fd()]);
            if sys::close_all_but(keep).is_err() {
                std::process::exit(125);
            }
            let reduced = means.powers == Powers::None;
            let filters = &means.filters;
            Init { filters, doors, spec, trees, descriptors, reduced, status, go }.run()
        }
        Forked::Parent(pid, pidfd) => {
            // Before it goes on: soon it hides.
            let introduced = files_of(means, pid, id).and_then(|files| {
                rustix::io::write(&ready, b"!")?;
                Ok(files)
            });
            match introduced {
                Ok(files) => Ok(Begun { pid, pidfd, alive: ready, files }),
                Err(error) => {
                    rustix::process::pidfd_send_signal(&pidfd, Signal::KILL)?;
                    rustix::process::waitid(WaitId::PidFd(pidfd.as_fd()), WaitIdOptions::EXITED)?;
                    Err(error)
                }
            }
        }
    }
}

/// Introduces a new sandbox to the kernel, and finds or makes where it writes.
fn files_of(means: &Means, pid: Pid, id: u64) -> io::Result<Files> {
    if means.powers == Powers::None {
        let home = reduced::home(&means.scratch, id);
        fs::DirBuilder::new().mode(0o700).create(&home)?;
        return Ok(Files::Home(home));
    }
    introduce(pid, means.powers, id)?;
    Ok(Files::Mounts(inside::mounts_of(pid)?))
}

/// Tells the kernel who the sandbox's user is outside (user_namespaces(7)).
fn introduce(pid: Pid, powers: Powers, id: u64) -> io::Result<()> {
    let outside = match powers {
        Powers::Root => HOST_USERS + (id % HOST_USERS_COUNT) as u32,
        // The spawner is the root of its own namespace, which is its user outside.
        Powers::Own | Powers::None => 0,
    };
    let write = |file: &str, content: &str| {
        fs::write(format!("/proc/{}/{file}", pid.as_raw_nonzero()), content)
    };
    write("uid_map", &format!("{INSIDE} {outside} 1\n"))?;
    if powers == Powers::Own {
        write("setgroups", "deny")?;
    }
    write("gid_map", &format!("{INSIDE} {outside} 1\n"))
}

impl Child {
    /// The file that counts its processor time, where there is one.
    pub(crate) fn meter(&self) -> Option<fs::File> {
        self.group.meter()
    }

    pub(crate) fn pid(&self) -> Pid {
        self.pid
    }

    pub(crate) fn pidfd(&self) -> &OwnedFd {
        &self.pidfd
    }

    /// Ends all its processes: those of a pid namespace end with its first.
    pub(crate) fn kill(&self) -> io::Result<()> {
        if let Files::Home(_) = self.files {
            inside::end_tree(self.pid, &self.pidfd);
        }
        rustix::process::pidfd_send_signal(&self.pidfd, Signal::KILL)?;
        // With cgroups v1 a frozen process dies only when it is thawed.
        match self.group {
            Group::None => Ok(()),
            _ => self.group.freeze(false),
        }
    }

    pub(crate) fn freeze(&self, frozen: bool) -> io::Result<()> {
        self.group.freeze(frozen)
    }

    /// Shows it more files of the host, and gives it other limits.
    pub(crate) fn extend(
        &self,
        means: &Means,
        limits: &Limits,
        binds: &[Bind],
    ) -> Result<(), String> {
        let Files::Mounts(mounts) = &self.files else {
            return Err("a reduced sandbox stays as it is".into());
        };
        self.group.limit(limits).map_err(|error| format!("set its limits: {error}"))?;
        let trees = binds.iter().map(|bind| Ok((&bind.target, clone_tree(&bind.source)?)));
        let trees = trees.collect::<Result<Vec<_>, crate::root::Failed>>();
        let trees = trees.map_err(|failed| failed.to_string())?;
        inside::within(means, mounts, || {
            for (target, tree) in &trees {
                attach(tree, target).map_err(|failed| failed.to_string())?;
            }
            inside::resize("/tmp", limits.tmp)
        })
    }

    /// Ends all its processes but its program, and removes what they left in its files.
    pub(crate) fn clear(&mut self, means: &Means) -> Result<Answer, String> {
        let program = match self.program {
            Some(program) => program,
            None => inside::program_of(self.pid)?,
        };
        self.program = Some(program);
        inside::end_others(&self.group, self.pid, program)?;
        if !inside::is_alive(program) {
            return Err("its program has ended".into());
        }
        match &self.files {
            Files::Home(home) => inside::empty_home(home, inside::MOST_STEPS)?,
            Files::Mounts(mounts) => inside::within(means, mounts, || {
                inside::empty(Path::new("/tmp"))?;
                inside::empty(Path::new("/dev/shm"))
            })?,
        }
        let usage = self.group.usage();
        let out_of_memory = usage.out_of_memory > self.before.out_of_memory;
        self.before = usage;
        Ok(Answer { out_of_memory })
    }

    /// Takes the end of a sandbox whose first process has ended.
    pub(crate) fn reap(self, others: &[Pid]) -> Ended {
        let id = WaitId::PidFd(self.pidfd.as_fd());
        let status = rustix::process::waitid(id, WaitIdOptions::EXITED).ok().flatten();
        if let Files::Home(_) = &self.files {
            inside::end_strays(others);
        }
        let usage = self.group.usage();
        if let Err(error) = self.group.remove() {
            complain(&format!("remove the cgroup of {}: {error}", self.pid.as_raw_nonzero()));
        }
        if let Files::Home(home) = &self.files
            && let Err(error) = inside::remove(home)
        {
            complain(&error);
        }
        Ended {
            exit: status.as_ref().map_or(Exit::Code(125), exit),
            out_of_memory: usage.out_of_memory > self.before.out_of_memory,
            cpu_us: usage.cpu_us,
            memory_peak: usage.memory_peak,
        }
    }
}

fn exit(status: &WaitIdStatus) -> Exit {
    match status.terminating_signal() {
        Some(signal) => Exit::Signal(signal),
        None => Exit::Code(status.exit_status().unwrap_or(125)),
    }
}
