//! Starting spawners: in this process, or in one that keeps the powers which this one gives up.

use std::ffi::{OsStr, OsString};
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::Arc;

use rustix::net::{AddressFamily, SocketFlags, SocketType};
use tokio::io::Interest;
use tokio::net::UnixDatagram;

use crate::cgroup;
use crate::handle::SpawnError;
use crate::spawner::{SOCKET, complain, take_socket};
use crate::sys;
use crate::wire::{self, Report};

/// How a spawner is started.
#[derive(Debug, Clone)]
pub struct SpawnerOptions {
    /// Starts it.
    pub starter: Starter,
    /// The name of this node's cgroups: the same after each start, for what an earlier process of it left
    /// is found by it.
    pub name: String,
    /// Where reduced sandboxes have their files, if they will do where the host allows no others. What is
    /// in that directory is removed.
    pub reduced: Option<PathBuf>,
}

/// Starts spawner processes.
#[derive(Debug, Clone)]
pub struct Starter(Arc<Way>);

#[derive(Debug)]
enum Way {
    /// As children of this process, by this command.
    Here(Vec<OsString>),
    /// By a process of its own, which is asked on a socket. It knows the name already, and makes no reduced
    /// sandboxes: whoever asks it has fewer powers, and chooses nothing.
    Apart(OwnedFd),
}

impl Starter {
    /// Starts them as this process is when one is needed. The command runs
    /// [`spawner_main`](crate::spawner_main), its program first; arguments are added to it.
    pub fn here(command: Vec<OsString>) -> Self {
        Self(Arc::new(Way::Here(command)))
    }

    /// Starts a process that will start them as this one is now: whoever gives up his powers afterwards has
    /// sandboxes that are made with them. It ends with the value. The command runs [`starter_main`]; the name
    /// of the node's cgroups is added to it. There will be no reduced sandboxes.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn apart(command: &[OsString], name: &str) -> io::Result<Self> {
        let (ours, theirs) = seqpacket()?;
        // It ends when this one does, and nobody waits for it.
        begin(command, [name], theirs)?;
        Ok(Self(Arc::new(Way::Apart(ours))))
    }

    /// Starts one that listens on a socket; gives its process if that is a child of this one.
    fn start(
        &self,
        name: &str,
        scratch: Option<&Path>,
        socket: OwnedFd,
    ) -> io::Result<Option<Child>> {
        match &*self.0 {
            Way::Here(command) => {
                let arguments = [OsStr::new(name)].into_iter().chain(scratch.map(Path::as_os_str));
                begin(command, arguments, socket).map(Some)
            }
            Way::Apart(starter) => {
                if scratch.is_some() {
                    return Err(io::Error::other("with root's powers there are no reduced ones"));
                }
                wire::send(starter, &(), &[socket.as_fd()]).map(|()| None)
            }
        }
    }
}

/// Runs as the process that starts spawners, by this command, until nobody can ask it any more, with the
/// arguments that [`Starter::apart`] adds to its own.
pub fn starter_main(
    command: &[OsString],
    mut arguments: impl Iterator<Item = OsString>,
) -> ExitCode {
    let name = arguments.next().unwrap_or_default();
    let serve = || -> io::Result<()> {
        let socket = take_socket()?;
        // A terminal's Ctrl-C is the node's to answer.
        let _ = rustix::process::setsid();
        let mut started: Vec<Child> = Vec::new();
        while let Some(((), mut sockets)) = wire::receive(&socket)? {
            // Those that have ended are forgotten when the next is wanted, which is because they have.
            started.retain_mut(|spawner| !matches!(spawner.try_wait(), Ok(Some(_))));
            let Some(socket) = sockets.pop() else { continue };
            match begin(command, [&name], socket) {
                Ok(spawner) => started.push(spawner),
                // Whoever waits for it sees the socket's end.
                Err(error) => complain(&format!("start the spawner: {error}")),
            }
        }
        // They end by themselves, for the node is gone; nothing of them shall stay behind.
        for mut spawner in started {
            spawner.wait()?;
        }
        Ok(())
    };
    match serve() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

/// A spawner process that is ready.
pub(crate) struct Connected {
    pub(crate) socket: Arc<UnixDatagram>,
    pub(crate) process: Option<Child>,
    pub(crate) kind: cgroup::Kind,
    pub(crate) unbounded: Vec<String>,
    pub(crate) problems: Vec<String>,
}

/// Starts a spawner process and waits until it is ready.
pub(crate) async fn connect(
    options: &SpawnerOptions,
    scratch: Option<&Path>,
) -> Result<Connected, SpawnError> {
    let (ours, theirs) = seqpacket()?;
    let process = options.starter.start(&options.name, scratch, theirs)?;
    let first = async {
        rustix::io::ioctl_fionbio(&ours, true).map_err(io::Error::from)?;
        let socket = Arc::new(UnixDatagram::from_std(ours.into())?);
        match receive(&socket).await? {
            Some((Report::Ready { cgroups, unbounded, problems }, _)) => {
                Ok((socket, cgroups, unbounded, problems))
            }
            Some((Report::Failed { reason, .. }, _)) => Err(SpawnError::Host(reason)),
            _ => Err(SpawnError::Host("the spawner ended at its start".into())),
        }
    };
    match first.await {
        Ok((socket, kind, unbounded, problems)) => {
            Ok(Connected { socket, process, kind, unbounded, problems })
        }
        Err(error) => {
            // It ends, for nobody listens to it.
            reap(process);
            Err(error)
        }
    }
}

/// Waits for a process that ends, in a thread of the pool.
pub(crate) fn reap(process: Option<Child>) {
    if let Some(mut process) = process {
        tokio::task::spawn_blocking(move || process.wait());
    }
}

pub(crate) fn seqpacket() -> io::Result<(OwnedFd, OwnedFd)> {
    let kind = SocketType::SEQPACKET;
    Ok(rustix::net::socketpair(AddressFamily::UNIX, kind, SocketFlags::CLOEXEC, None)?)
}

#[allow(unsafe_code, reason = "places a descriptor between fork and execution")]
fn begin(
    command: &[OsString],
    arguments: impl IntoIterator<Item = impl AsRef<OsStr>>,
    socket: OwnedFd,
) -> io::Result<Child> {
    let Some((program, before)) = command.split_first() else {
        return Err(io::Error::other("no command starts it"));
    };
    let mut command = Command::new(program);
    command.args(before).args(arguments);
    command.env_clear().current_dir("/").stdin(Stdio::null());
    // SAFETY: only system calls, none of which allocates or takes a lock.
    unsafe { command.pre_exec(move || sys::place(socket.as_fd(), SOCKET)) };
    command.spawn()
}

pub(crate) async fn receive(socket: &UnixDatagram) -> io::Result<Option<(Report, Vec<OwnedFd>)>> {
    socket.async_io(Interest::READABLE, || wire::receive(socket)).await
}
