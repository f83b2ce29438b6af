//! The spawner process: one thread that makes sandboxes when the node asks, and ends them all when the
//! node is gone.

use std::collections::HashMap;
use std::ffi::OsString;
use std::io;
use std::os::fd::{AsFd, FromRawFd as _, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::event::{PollFd, PollFlags};
use rustix::thread::UnshareFlags;

use crate::cgroup::Cgroups;
use crate::identity;
use crate::spawn::{Child, Means, Powers, spawn};
use crate::wire::{self, Answer, Report, Request};

/// The descriptor on which a spawner finds its node.
pub(crate) const SOCKET: i32 = 3;

/// Runs as the spawner, until the node is gone, with the arguments that [`SpawnerOptions`] adds to its
/// command.
///
/// [`SpawnerOptions`]: crate::SpawnerOptions
pub fn spawner_main(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    match run(arguments) {
        Ok(()) => ExitCode::SUCCESS,
        // The node has ended in the middle of a message, and everything has ended with it.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// Says what is wrong where the node's own log goes.
#[allow(clippy::print_stderr, reason = "this process has no other log")]
pub(crate) fn complain(what: &str) {
    eprintln!("mayfly spawner: {what}");
}

fn run(mut arguments: impl Iterator<Item = OsString>) -> io::Result<()> {
    let name = arguments.next().unwrap_or_default();
    let scratch = arguments.next().map(PathBuf::from);
    let socket = take_socket()?;
    // A terminal's Ctrl-C is the node's to answer.
    let _ = rustix::process::setsid();
    let (means, unbounded, problems) = match means(&name.to_string_lossy(), scratch) {
        Ok(means) => means,
        Err(error) => {
            // Whoever started it tells why there are no sandboxes.
            let reason = error.to_string();
            wire::send(&socket, &Report::Failed { id: 0, reason }, &[])?;
            return Ok(());
        }
    };
    let ready = Report::Ready { cgroups: means.cgroups.kind(), unbounded, problems };
    wire::send(&socket, &ready, &[])?;
    let mut service = Service { socket, means, children: HashMap::new() };
    let served = service.serve();
    service.end();
    served
}

/// What sandboxes are made with; why there are no cgroups, and what else the host lacks, in words.
fn means(name: &str, scratch: Option<PathBuf>) -> io::Result<(Means, Vec<String>, Vec<String>)> {
    let (cgroups, unbounded) = Cgroups::open(name);
    let mut problems = Vec::new();
    raise_descriptors();
    let powers = match &scratch {
        Some(scratch) => {
            problems.extend(crate::reduced::problems()?);
            problems.extend(identity::groups());
            clear(scratch)?;
            // Whoever outlives a sandbox's first process is ended here.
            rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
            Powers::None
        }
        None => gather_powers()?,
    };
    if powers == Powers::Own {
        problems.extend(identity::groups());
    }
    let filters = crate::seccomp::programs().map_err(io::Error::other)?;
    let home = crate::inside::own_namespace()?;
    let scratch = scratch.unwrap_or_default();
    Ok((Means { cgroups, powers, filters, home, scratch }, unbounded, problems))
}

/// Removes what an earlier spawner left in the place of its sandboxes' files.
fn clear(scratch: &Path) -> io::Result<()> {
    std::fs::create_dir_all(scratch)?;
    for entry in std::fs::read_dir(scratch)? {
        // What stays there is in nobody's way: no sandbox has that number again.
        if let Err(error) = crate::inside::remove(&entry?.path()) {
            complain(&error);
        }
    }
    Ok(())
}

/// Each sandbox holds descriptors here.
fn raise_descriptors() {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile);
    let most = rustix::process::Rlimit { current: limit.maximum, maximum: limit.maximum };
    // With the present ones it makes fewer sandboxes, and says when they are used up.
    let _ = rustix::process::setrlimit(rustix::process::Resource::Nofile, most);
}

#[allow(unsafe_code, reason = "takes the descriptor that its parent placed")]
pub(crate) fn take_socket() -> io::Result<OwnedFd> {
    // SAFETY: the node places its socket there and nothing else in this process, which has just
    // begun, owns that number.
    let socket = unsafe { OwnedFd::from_raw_fd(SOCKET) };
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    Ok(socket)
}

/// Enters a mount namespace, so that nothing that is mounted here shows on the host; without the
/// host's powers, a user namespace first.
#[allow(unsafe_code, reason = "unshares namespaces of the one thread")]
fn gather_powers() -> io::Result<Powers> {
    let (user, group) = (rustix::process::geteuid(), rustix::process::getegid());
    // SAFETY: this process has one thread and holds no reference to what it unshares.
    let unshare = |flags| unsafe { rustix::thread::unshare_unsafe(flags) };
    match user.is_root().then(identity::root).transpose()? {
        Some(identity::Root::OfHost) => {
            // Not its own namespace instead: sandboxes would be the host's root outside.
            unshare(UnshareFlags::NEWNS).map_err(|error| {
                io::Error::other(format!(
                    "root may make no mounts here ({error}): give the node CAP_SYS_ADMIN, or run it \
                     as an ordinary user"
                ))
            })?;
            return Ok(Powers::Root);
        }
        Some(identity::Root::OfNamespace) | None => {}
    }
    unshare(UnshareFlags::NEWUSER | UnshareFlags::NEWNS).map_err(|error| {
        io::Error::other(format!("this user may make no user namespaces here ({error})"))
    })?;
    // Else it may not look at the namespaces of its own sandboxes.
    let dumpable = rustix::process::DumpableBehavior::Dumpable;
    rustix::process::set_dumpable_behavior(dumpable)?;
    std::fs::write("/proc/self/setgroups", "deny")?;
    std::fs::write("/proc/self/uid_map", format!("0 {} 1\n", user.as_raw()))?;
    std::fs::write("/proc/self/gid_map", format!("0 {} 1\n", group.as_raw()))?;
    Ok(Powers::Own)
}

struct Service {
    socket: OwnedFd,
    means: Means,
    children: HashMap<u64, Child>,
}

impl Service {
    /// Serves until the node is gone.
    fn serve(&mut self) -> io::Result<()> {
        loop {
            let (asked, ended) = self.wait()?;
            for id in ended {
                self.reap(id)?;
            }
            if asked {
                match wire::receive::<Request>(&self.socket)? {
                    Some((request, descriptors)) => self.answer(request, descriptors)?,
                    None => return Ok(()),
                }
            }
        }
    }

    /// Waits until the node asks or sandboxes end.
    fn wait(&self) -> io::Result<(bool, Vec<u64>)> {
        let ids: Vec<u64> = self.children.keys().copied().collect();
        let mut polled = vec![PollFd::new(&self.socket, PollFlags::IN)];
        polled.extend(
            ids.iter()
                .filter_map(|id| Some(PollFd::new(self.children.get(id)?.pidfd(), PollFlags::IN))),
        );
        loop {
            match rustix::event::poll(&mut polled, None) {
                Err(rustix::io::Errno::INTR) => {}
                other => {
                    other?;
                    break;
                }
            }
        }
        let happened = |polled: &PollFd<'_>| !polled.revents().is_empty();
        let ended = ids.into_iter().zip(&polled[1..]);
        let ended = ended.filter(|(_, polled)| happened(polled)).map(|(id, _)| id);
        Ok((happened(&polled[0]), ended.collect()))
    }

    fn answer(&mut self, request: Request, descriptors: Vec<OwnedFd>) -> io::Result<()> {
        match request {
            Request::Spawn { id, descriptors: sent, .. } if sent != descriptors.len() => {
                let reason = "descriptors were lost on the way: too many are open".to_owned();
                self.tell(&Report::Failed { id, reason })?;
            }
            Request::Spawn { id, limits, binds, .. } => {
                match spawn(&self.means, id, &limits, &binds, descriptors) {
                    Ok(child) => {
                        if let Some(meter) = child.meter() {
                            let report = Report::Metered { id };
                            wire::send(self.socket.as_fd(), &report, &[meter.as_fd()])?;
                        }
                        self.children.insert(id, child);
                    }
                    Err(reason) => self.tell(&Report::Failed { id, reason })?,
                }
            }
            Request::Kill { id } => {
                if let Some(child) = self.children.get(&id)
                    && let Err(error) = child.kill()
                {
                    complain(&format!("end a sandbox: {error}"));
                }
            }
            Request::Freeze { id, frozen } => {
                self.change(id, |child, _| {
                    child.freeze(frozen).map_err(|e| e.to_string()).map(|()| Answer::default())
                })?;
            }
            Request::Extend { id, limits, binds } => {
                self.change(id, |child, means| {
                    child.extend(means, &limits, &binds).map(|()| Answer::default())
                })?;
            }
            Request::Clear { id } => self.change(id, |child, means| child.clear(means))?,
        }
        Ok(())
    }

    /// Does something to a sandbox, and tells what came of it.
    fn change(
        &mut self,
        id: u64,
        change: impl FnOnce(&mut Child, &Means) -> Result<Answer, String>,
    ) -> io::Result<()> {
        let result = match self.children.get_mut(&id) {
            Some(child) => change(child, &self.means),
            None => Err("it has ended".into()),
        };
        self.tell(&Report::Answered { id, result })
    }

    fn reap(&mut self, id: u64) -> io::Result<()> {
        match self.children.remove(&id) {
            Some(child) => {
                let others: Vec<_> = self.children.values().map(Child::pid).collect();
                let ended = child.reap(&others);
                self.tell(&Report::Ended { id, ended })
            }
            None => Ok(()),
        }
    }

    fn tell(&self, report: &Report) -> io::Result<()> {
        wire::send(self.socket.as_fd(), report, &[])
    }

    /// Ends every sandbox and waits for that.
    fn end(&mut self) {
        for child in self.children.values() {
            if let Err(error) = child.kill() {
                complain(&format!("end a sandbox: {error}"));
            }
        }
        let mut children: Vec<Child> = self.children.drain().map(|(_, child)| child).collect();
        while let Some(child) = children.pop() {
            let others: Vec<_> = children.iter().map(Child::pid).collect();
            child.reap(&others);
        }
    }
}
