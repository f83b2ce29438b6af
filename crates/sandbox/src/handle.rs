//! The node's side: asking the spawner for sandboxes.

use std::collections::HashMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::process::Child;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, Weak};

use rustix::fs::MemfdFlags;
use rustix::pipe::PipeFlags;
use tokio::io::AsyncBufReadExt as _;
use tokio::io::Interest;
use tokio::net::UnixDatagram;
use tokio::net::unix::pipe;
use tokio::sync::{oneshot, watch};

use crate::cgroup;
use crate::init::EXECUTE;
use crate::reduced::{self, Names};
use crate::spec::{Bind, Ended, Exit, Limits, Network, Spec};
use crate::starter::{Connected, SpawnerOptions, connect, reap, receive, seqpacket};
use crate::wire::{self, Answer, Report, Request, Status, Whole};

/// How long to wait before a spawner that does not start is started again.
const RESTART: std::time::Duration = std::time::Duration::from_secs(1);

/// The end of a sandbox whose spawner is gone.
const LOST: Ended =
    Ended { exit: Exit::Code(125), out_of_memory: false, cpu_us: None, memory_peak: None };

/// Why there is no sandbox.
#[derive(Debug, thiserror::Error)]
pub enum SpawnError {
    /// The host or the spawner is at fault.
    #[error("make a sandbox: {0}")]
    Host(String),
    /// The program cannot be started.
    #[error("{step}: {error}")]
    Program {
        /// What was tried.
        step: String,
        /// Why it failed.
        error: String,
    },
}

impl From<io::Error> for SpawnError {
    fn from(error: io::Error) -> Self {
        Self::Host(error.to_string())
    }
}

/// Makes sandboxes. Clones are the same spawner; with the last one all its sandboxes end.
#[derive(Debug, Clone)]
pub struct Spawner {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    /// Keeps messages apart and in order; to tokio that is a datagram socket. Another one when the
    /// spawner had to be started again.
    socket: Mutex<Arc<UnixDatagram>>,
    options: SpawnerOptions,
    next: AtomicU64,
    waiting: Mutex<HashMap<u64, Waiting>>,
    kind: cgroup::Kind,
    unbounded: Vec<String>,
    problems: Vec<String>,
    /// Where sandboxes are reduced: why, and where they have their files.
    reduced: Option<(String, PathBuf)>,
}

#[derive(Debug)]
struct Waiting {
    meter: Arc<OnceLock<File>>,
    ended: watch::Sender<Option<Ended>>,
    failed: Option<oneshot::Sender<String>>,
    /// Who waits for answers, in the order of their questions.
    asked: std::collections::VecDeque<oneshot::Sender<Result<Answer, String>>>,
}

impl Spawner {
    /// Starts the spawner process and a task that listens to it, which ends with the value, and makes a
    /// sandbox to see that it can be done.
    ///
    /// # Errors
    /// When the process cannot be started or the host lets it make no sandbox.
    pub async fn start(options: SpawnerOptions) -> Result<Self, SpawnError> {
        let whole = async {
            let spawner = Self::connected(connect(&options, None).await?, options.clone(), None);
            spawner.try_one().await.map(|()| spawner)
        };
        let why = match (whole.await, &options.reduced) {
            (Ok(spawner), _) => return Ok(spawner),
            (Err(error), None) => return Err(error),
            (Err(SpawnError::Host(why)), Some(_)) => why,
            (Err(error), Some(_)) => error.to_string(),
        };
        let Some(scratch) = options.reduced.clone() else { return Err(SpawnError::Host(why)) };
        let connected = connect(&options, Some(&scratch)).await;
        let connected =
            connected.map_err(|error| SpawnError::Host(format!("{why}; and reduced: {error}")))?;
        let spawner = Self::connected(connected, options, Some((why, scratch)));
        spawner.try_one().await?;
        Ok(spawner)
    }

    fn connected(
        connected: Connected,
        options: SpawnerOptions,
        reduced: Option<(String, PathBuf)>,
    ) -> Self {
        let Connected { socket, process, kind, unbounded, problems } = connected;
        let shared = Arc::new(Shared {
            socket: Mutex::new(Arc::clone(&socket)),
            options,
            next: AtomicU64::new(first_id()),
            waiting: Mutex::default(),
            kind,
            unbounded,
            problems,
            reduced,
        });
        tokio::spawn(listen(Arc::downgrade(&shared), socket, process));
        Self { shared }
    }

    /// Makes a sandbox for a program that cannot be executed.
    async fn try_one(&self) -> Result<(), SpawnError> {
        let spec = Spec {
            program: "/".into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: "/".into(),
            binds: Vec::new(),
            places: Vec::new(),
            limits: Limits { memory: 32 << 20, cpu: 1.0, pids: 16, files: 64, tmp: 1 << 20 },
            descriptors: Vec::new(),
            listen: Vec::new(),
            network: Network::Caught,
        };
        match self.spawn(&spec, &[]).await {
            Ok(_) => Ok(()),
            // That is its last step.
            Err(SpawnError::Program { step, .. }) if step.starts_with(EXECUTE) => Ok(()),
            Err(error) => Err(error),
        }
    }

    /// Why sandboxes are reduced here, if they are.
    pub fn reduced(&self) -> Option<&str> {
        self.shared.reduced.as_ref().map(|(why, _)| why.as_str())
    }

    /// Which cgroups hold limits here.
    pub fn cgroups(&self) -> cgroup::Kind {
        self.shared.kind
    }

    /// Why nothing holds limits, where there are no cgroups, in words.
    pub fn unbounded(&self) -> &[String] {
        &self.shared.unbounded
    }

    /// What else the host lacks, in words.
    pub fn problems(&self) -> &[String] {
        &self.shared.problems
    }

    /// Makes a sandbox and starts the program in it, which gets the descriptors under the numbers
    /// of the spec. Ready when the program runs.
    ///
    /// # Errors
    /// When the host cannot make the sandbox, or the program cannot be executed.
    pub async fn spawn(&self, spec: &Spec, descriptors: &[OwnedFd]) -> Result<Sandbox, SpawnError> {
        let id = self.shared.next.fetch_add(1, Ordering::Relaxed);
        let (whole, names, sockets) = self.whole(spec, id)?;
        let (file, spec) = (written(&whole)?, &whole.spec);
        let (status, status_inside) =
            rustix::pipe::pipe_with(PipeFlags::CLOEXEC).map_err(io::Error::from)?;
        let listener = match spec.listen[..] {
            [] => None,
            _ => Some(seqpacket()?),
        };

        let mut sent: Vec<BorrowedFd<'_>> = vec![file.as_fd()];
        sent.extend(descriptors.iter().map(AsFd::as_fd));
        if let Some((_, inside)) = &listener {
            sent.push(inside.as_fd());
        }
        sent.push(status_inside.as_fd());

        let (ended, watched) = watch::channel(None);
        let (failed, failure) = oneshot::channel();
        let meter = Arc::default();
        let waiting = Waiting {
            meter: Arc::clone(&meter),
            ended,
            failed: Some(failed),
            asked: Default::default(),
        };
        self.shared.lock().insert(id, waiting);
        let sandbox = Sandbox {
            shared: Arc::clone(&self.shared),
            id,
            ended: watched,
            listeners: sockets,
            names,
            meter,
        };
        let request = Request::Spawn {
            id,
            limits: spec.limits,
            binds: spec.binds.clone(),
            descriptors: sent.len(),
        };
        if let Err(error) = self.shared.ask(&request, &sent).await {
            self.shared.lock().remove(&id);
            return Err(error.into());
        }
        drop(sent);
        drop(status_inside);

        let listener = listener.map(|(outside, _)| outside);
        sandbox.begun(status, failure, listener).await
    }

    /// What the sandbox is made of, its names, and the sockets that are there already.
    fn whole(&self, spec: &Spec, id: u64) -> Result<(Whole, Names, Vec<OwnedFd>), SpawnError> {
        if let Some((_, scratch)) = &self.shared.reduced {
            let (spec, confinement, names, sockets) =
                reduced::of(spec, &reduced::home(scratch, id))?;
            return Ok((Whole { spec, confinement: Some(confinement) }, names, sockets));
        }
        if spec.network == Network::Host {
            return Err(SpawnError::Host("a whole sandbox is not on the host's network".into()));
        }
        Ok((Whole { spec: spec.clone(), confinement: None }, Names::default(), Vec::new()))
    }
}

/// Ids begin where no earlier spawner of the same name has been: groups are named by them.
fn first_id() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    now.map_or(1, |now| now.as_micros() as u64)
}

/// The spec as a file in memory: it may be long, and the spawner does not read it.
fn written(spec: &Whole) -> io::Result<OwnedFd> {
    let mut file = File::from(rustix::fs::memfd_create("mayfly-spec", MemfdFlags::CLOEXEC)?);
    file.write_all(&serde_json::to_vec(spec)?)?;
    Ok(file.into())
}

/// Hands what the spawner tells to whom it concerns. One that ends takes its sandboxes along, and is
/// started again.
async fn listen(weak: Weak<Shared>, mut socket: Arc<UnixDatagram>, mut process: Option<Child>) {
    loop {
        let received = receive(&socket).await;
        let Some(shared) = weak.upgrade() else { break };
        match received {
            Ok(Some((report, descriptors))) => shared.told(report, descriptors),
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "a message of the spawner cannot be read");
            }
            Ok(None) | Err(_) => {
                tracing::error!("the process that makes sandboxes has ended, and they with it");
                // Whoever waits for one of its sandboxes learns that it is gone.
                shared.lock().clear();
                let options = shared.options.clone();
                let scratch = shared.reduced.as_ref().map(|(_, scratch)| scratch.clone());
                drop(shared);
                reap(process.take());
                loop {
                    match connect(&options, scratch.as_deref()).await {
                        Ok(connected) => {
                            (socket, process) = (connected.socket, connected.process);
                            break;
                        }
                        Err(error) => tracing::error!(%error, "start it again"),
                    }
                    tokio::time::sleep(RESTART).await;
                    if weak.strong_count() == 0 {
                        return;
                    }
                }
                let Some(shared) = weak.upgrade() else { break };
                *shared.socket.lock().unwrap_or_else(|e| e.into_inner()) = Arc::clone(&socket);
            }
        }
    }
    // It ends when nobody listens.
    reap(process.take());
}

impl Drop for Shared {
    /// Tells the spawner that nobody needs it, though whoever listens holds the socket too.
    fn drop(&mut self) {
        let both = rustix::net::Shutdown::Both;
        // One that has ended already needs telling no more.
        let _ = rustix::net::shutdown(&*self.socket(), both);
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, HashMap<u64, Waiting>> {
        self.waiting.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    fn socket(&self) -> Arc<UnixDatagram> {
        Arc::clone(&self.socket.lock().unwrap_or_else(|poisoned| poisoned.into_inner()))
    }

    async fn ask(&self, request: &Request, descriptors: &[BorrowedFd<'_>]) -> io::Result<()> {
        let socket = self.socket();
        let send = || wire::send(&*socket, request, descriptors);
        socket.async_io(Interest::WRITABLE, send).await
    }

    fn told(&self, report: Report, descriptors: Vec<OwnedFd>) {
        let mut waiting = self.lock();
        match report {
            Report::Ready { .. } => {}
            Report::Metered { id } => {
                let meter = descriptors.into_iter().next().map(File::from);
                if let (Some(waiting), Some(meter)) = (waiting.get(&id), meter) {
                    // It comes once.
                    let _ = waiting.meter.set(meter);
                }
            }
            Report::Failed { id, reason } => {
                if let Some(failed) =
                    waiting.remove(&id).and_then(|mut waiting| waiting.failed.take())
                {
                    let _ = failed.send(reason);
                }
            }
            Report::Ended { id, ended } => {
                if let Some(waiting) = waiting.remove(&id) {
                    waiting.ended.send_replace(Some(ended));
                }
            }
            Report::Answered { id, result } => {
                let asked = waiting.get_mut(&id).and_then(|waiting| waiting.asked.pop_front());
                if let Some(asked) = asked {
                    let _ = asked.send(result);
                }
            }
        }
    }
}

/// A program in its sandbox. Dropping it ends all its processes.
#[derive(Debug)]
pub struct Sandbox {
    shared: Arc<Shared>,
    id: u64,
    ended: watch::Receiver<Option<Ended>>,
    listeners: Vec<OwnedFd>,
    names: Names,
    meter: Arc<OnceLock<File>>,
}

impl Sandbox {
    /// What a path inside, or an address that is listened at, is called by its program: the same, but in
    /// reduced sandboxes.
    pub fn named(&self, inside: &str) -> String {
        self.names.outside(inside)
    }

    /// Waits until the program runs.
    async fn begun(
        mut self,
        status: OwnedFd,
        failure: oneshot::Receiver<String>,
        listener: Option<OwnedFd>,
    ) -> Result<Self, SpawnError> {
        rustix::io::ioctl_fionbio(&status, true).map_err(io::Error::from)?;
        let status = pipe::Receiver::from_owned_fd(status)?;
        let mut lines = tokio::io::BufReader::new(status).lines();
        match lines.next_line().await?.as_deref().map(serde_json::from_str) {
            Some(Ok(Status::Running)) => {}
            Some(Ok(Status::Failed { step, error })) => {
                return Err(SpawnError::Program { step, error });
            }
            // The pipe has closed; the spawner's reason, or its init's end, is on its way.
            _ => {
                // A sandbox that ended is forgotten after that is told, and then no reason can come.
                let reason = match failure.await {
                    Ok(reason) => reason,
                    Err(_) => match self.ended().await {
                        Ended { out_of_memory: true, .. } => {
                            "its memory was full before its program began".into()
                        }
                        ended => format!("it ended before its program began ({:?})", ended.exit),
                    },
                };
                return Err(SpawnError::Host(reason));
            }
        }
        if let Some(listener) = listener {
            // It was sent before the program was started.
            let received: Option<((), Vec<OwnedFd>)> = wire::receive(&listener)?;
            let (_, received) =
                received.ok_or_else(|| SpawnError::Host("no listener came out of it".into()))?;
            self.listeners = received;
        }
        // What init says of the program's end is more than what the spawner sees of init's.
        let (sender, watched) = watch::channel(None);
        let mut ended = std::mem::replace(&mut self.ended, watched);
        tokio::spawn(async move {
            let last = lines.next_line().await.ok().flatten();
            let exit = last.and_then(|line| match serde_json::from_str(&line) {
                Ok(Status::Exited(exit)) => Some(exit),
                _ => None,
            });
            let of_init = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
            let of_init = of_init.unwrap_or(LOST);
            sender.send_replace(Some(Ended { exit: exit.unwrap_or(of_init.exit), ..of_init }));
        });
        Ok(self)
    }

    /// The sockets inside that the spec asked for, in its order.
    pub fn take_listeners(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.listeners)
    }

    /// Processor time of all its processes so far, in microseconds, where cgroups count it.
    pub fn cpu_us(&self) -> Option<u64> {
        let mut text = [0u8; 512];
        let length = self.meter.get()?.read_at(&mut text, 0).ok()?;
        cgroup::metered(std::str::from_utf8(&text[..length]).ok()?)
    }

    /// Waits for the sandbox's end.
    pub async fn ended(&self) -> Ended {
        let mut ended = self.ended.clone();
        let ended = ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended);
        ended.unwrap_or(LOST)
    }

    /// Ends all its processes; [`Sandbox::ended`] tells when that is done.
    ///
    /// # Errors
    /// When the spawner is gone, and the sandbox with it.
    pub async fn kill(&self) -> io::Result<()> {
        self.shared.ask(&Request::Kill { id: self.id }, &[]).await
    }

    /// Makes all its processes stand still, or go on.
    ///
    /// # Errors
    /// When the host has no cgroups, or the sandbox has ended.
    pub async fn freeze(&self, frozen: bool) -> io::Result<()> {
        self.ask(Request::Freeze { id: self.id, frozen }).await.map(|_| ())
    }

    /// Shows it more files of the host, at places that its root has as empty directories
    /// ([`Spec::places`]), and gives it other limits.
    ///
    /// # Errors
    /// When that cannot be done, wholly or in part, or the sandbox has ended: it is of no more use.
    pub async fn extend(&self, limits: Limits, binds: Vec<Bind>) -> io::Result<()> {
        self.ask(Request::Extend { id: self.id, limits, binds }).await.map(|_| ())
    }

    /// Ends all its processes but its program, and removes what they left in its files. Tells whether
    /// the kernel killed one of them, since the last time, because the sandbox's memory was full.
    ///
    /// # Errors
    /// When that cannot be done, or the sandbox has ended: it is of no more use.
    pub async fn clear(&self) -> io::Result<bool> {
        self.ask(Request::Clear { id: self.id }).await.map(|answer| answer.out_of_memory)
    }

    async fn ask(&self, request: Request) -> io::Result<Answer> {
        let (sender, answer) = oneshot::channel();
        {
            // The order of questions is that of their senders, so both happen in one go. The socket
            // has room but in the rarest case, and then the task that waits for it comes too late.
            let mut waiting = self.shared.lock();
            let Some(waiting) = waiting.get_mut(&self.id) else {
                return Err(io::Error::other("the sandbox has ended"));
            };
            wire::send(&*self.shared.socket(), &request, &[])?;
            waiting.asked.push_back(sender);
        }
        match answer.await {
            Ok(answer) => answer.map_err(io::Error::other),
            Err(_) => Err(io::Error::other("the sandbox has ended")),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        if self.ended.borrow().is_some() {
            return;
        }
        let request = Request::Kill { id: self.id };
        // The socket has room but in the rarest case, and then a task waits for it.
        if wire::send(&*self.shared.socket(), &request, &[]).is_err()
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let shared = Arc::clone(&self.shared);
            runtime.spawn(async move { shared.ask(&request, &[]).await });
        }
    }
}
