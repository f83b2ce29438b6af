//! The first process of a sandbox. It builds the sandbox around itself, gives up every power, starts
//! the program, reaps what the program leaves behind, and tells how the program ended.
#![allow(unsafe_code, reason = "forks the program, once, from its one thread")]

use std::ffi::CString;
use std::fs::File;
use std::io::{self, Read as _, Seek as _, Write as _};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;

use rustix::event::{PollFd, PollFlags};
use rustix::fs::{CWD, Mode, OFlags};
use rustix::net::{AddressFamily, SocketFlags, SocketType, ipproto};
use rustix::process::{DumpableBehavior, Pid, Resource, Rlimit, Signal, WaitOptions};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};
use seccompiler::BpfProgram;

use crate::reduced::Confinement;
use crate::root::{self, Failed, Sources, Step};
use crate::spec::{Exit, Listen, Network, Spec};
use crate::sys;
use crate::wire::{self, Status, Whole};

/// The user and group inside.
pub(crate) const INSIDE: u32 = 1000;
/// Above the numbers that programs ask for.
const ASIDE: i32 = 200;
/// Signals that wait, and timers: the host counts them for the node's user.
const SIGNALS: u64 = 256;
/// Sandboxes do not make namespaces, even those that seccomp would let through.
const NO_MORE: [&str; 8] = ["user", "mnt", "pid", "net", "ipc", "uts", "cgroup", "time"];

/// How the last step of all begins.
pub(crate) const EXECUTE: &str = "execute ";

/// What an init starts from.
pub(crate) struct Init<'a> {
    /// The filters of system calls, compiled once for all sandboxes.
    pub(crate) filters: &'a [BpfProgram],
    /// Files through which it enters its cgroup.
    pub(crate) doors: Vec<File>,
    /// Holds the [`Spec`], which the spawner never reads: it may hold secrets.
    pub(crate) spec: OwnedFd,
    /// Views of its binds.
    pub(crate) trees: Vec<OwnedFd>,
    /// For the program, and the last for the listener if one is wanted.
    pub(crate) descriptors: Vec<OwnedFd>,
    /// Whether sandboxes are reduced here: the spec's word is not enough for that.
    pub(crate) reduced: bool,
    /// Where to tell how it fares.
    pub(crate) status: OwnedFd,
    /// Gives a byte when the identity is there, and closes with the spawner.
    pub(crate) go: OwnedFd,
}

impl Init<'_> {
    /// Does all that, and ends the process.
    pub(crate) fn run(self) -> ! {
        let mut status = match self.status.try_clone() {
            Ok(status) => File::from(status),
            Err(_) => std::process::exit(125),
        };
        match self.build() {
            Ok((program, descriptors)) => watch(program, descriptors, &mut status),
            Err(failed) => {
                tell(&mut status, &told(failed));
                std::process::exit(125)
            }
        }
    }

    fn build(self) -> Result<(Program, Vec<OwnedFd>), Failed> {
        let mut go = [0u8; 1];
        let mut alive = File::from(self.go);
        alive.read_exact(&mut go).step(|| "wait for an identity".into())?;
        for mut door in self.doors {
            door.write_all(b"0").step(|| "enter a cgroup".into())?;
        }
        let mut file = File::from(self.spec);
        let mut text = String::new();
        file.rewind()
            .and_then(|()| file.read_to_string(&mut text))
            .step(|| "read the spec".into())?;
        let Whole { spec, confinement } =
            serde_json::from_str(&text).map_err(io::Error::from).step(|| "read the spec".into())?;

        if confinement.is_some() != self.reduced {
            let error = io::Error::from(io::ErrorKind::InvalidInput);
            return Err(error).step(|| "make a sandbox of another kind than the spawner's".into());
        }
        let sources = match &confinement {
            None => Some(Sources::take(&spec.binds, self.trees)?),
            Some(_) => None,
        };
        // The kernel would rather take sandboxes than the node. One that is given up already stays.
        let _ = std::fs::write("/proc/self/oom_score_adj", "500");
        if sources.is_some() {
            take_identity()?;
        }
        end_with_spawner()?;
        // The spawner may have ended before it was asked for its death.
        let mut polled = [PollFd::new(&alive, PollFlags::empty())];
        let now = rustix::event::Timespec::default();
        rustix::event::poll(&mut polled, Some(&now)).step(|| "look for the spawner".into())?;
        if polled[0].revents().contains(PollFlags::HUP) {
            std::process::exit(125);
        }
        let mut descriptors = self.descriptors;
        if !spec.listen.is_empty() {
            let to = descriptors.pop();
            let to = to
                .ok_or(io::ErrorKind::InvalidInput)
                .step(|| "find the listeners' socket".into())?;
            hand_out_listeners(&spec, &to)?;
        }
        if let Some(sources) = sources {
            root::enter(sources, &spec.places, &spec.limits)?;
            for kind in NO_MORE {
                let path = format!("/proc/sys/user/max_{kind}_namespaces");
                std::fs::write(&path, "0").step(|| format!("write {path}"))?;
            }
        }
        for (resource, most) in [
            // Not none: that lets a handler of the host have it (core(5)).
            (Resource::Core, 1),
            (Resource::Rtprio, 0),
            (Resource::Nice, 0),
            (Resource::Msgqueue, 0),
        ] {
            limit(resource, most)?;
        }
        let mut program = Program::of(&spec).step(|| "read the spec".into())?;
        match confinement {
            None => {
                limit(Resource::Sigpending, SIGNALS)?;
                limit(Resource::Nproc, spec.limits.pids.into())?;
                give_up_capabilities()?;
                landlock()?;
                filter(self.filters)?;
            }
            Some(confinement) => {
                // Whoever loses his parent becomes a child of this process, and ends with it.
                rustix::process::set_child_subreaper(Some(rustix::process::getpid()))
                    .step(|| "take in what the program leaves".into())?;
                confinement.limits(&spec.limits)?;
                give_up_capabilities()?;
                let reach = crate::seccomp::reach(confinement.network());
                let reach = reach.map_err(io::Error::other).step(|| "make a filter".into())?;
                let filters = [&reach, self.filters].concat();
                program.confined = Some((confinement, filters));
            }
        }
        Ok((program, descriptors))
    }
}

fn told(failed: Failed) -> Status {
    Status::Failed { step: failed.step, error: failed.error.to_string() }
}

fn tell(status: &mut File, what: &Status) {
    if let Ok(mut line) = serde_json::to_vec(what) {
        line.push(b'\n');
        // Whoever no longer listens has ended the sandbox.
        let _ = status.write_all(&line);
    }
}

fn take_identity() -> Result<(), Failed> {
    let (user, group) = (Uid::from_raw(INSIDE), Gid::from_raw(INSIDE));
    // Where the host forbids it there are no groups to lose.
    let _ = rustix::thread::set_thread_groups(&[]);
    rustix::thread::set_thread_res_gid(group, group, group).step(|| "take the group".into())?;
    rustix::thread::set_thread_res_uid(user, user, user).step(|| "take the user".into())?;
    rustix::system::sethostname(b"mayfly").step(|| "set the host's name".into())
}

/// After the change of user, which would undo it.
fn end_with_spawner() -> Result<(), Failed> {
    rustix::process::set_parent_process_death_signal(Some(Signal::KILL))
        .step(|| "end with the spawner".into())?;
    rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
        .step(|| "hide memory".into())?;
    rustix::process::setsid().step(|| "leave the session".into())?;
    Ok(())
}

/// Opens sockets on the sandbox's own network and hands them to the host.
fn hand_out_listeners(spec: &Spec, to: &OwnedFd) -> Result<(), Failed> {
    let control = socket(SocketType::DGRAM)?;
    sys::raise_loopback(&control).step(|| "raise the loopback interface".into())?;
    if spec.network == Network::Caught {
        sys::own_every_address().step(|| "route every address to itself".into())?;
    }
    let listeners = spec.listen.iter().map(|listen| listener(*listen));
    let listeners = listeners.collect::<Result<Vec<_>, _>>()?;
    let listeners: Vec<_> = listeners.iter().map(AsFd::as_fd).collect();
    wire::send(to, &(), &listeners).step(|| "hand out the listeners".into())
}

fn socket(kind: SocketType) -> Result<OwnedFd, Failed> {
    let protocol = if kind == SocketType::STREAM { ipproto::TCP } else { ipproto::UDP };
    rustix::net::socket_with(AddressFamily::INET, kind, SocketFlags::CLOEXEC, Some(protocol))
        .step(|| "make a listener".into())
}

fn listener(listen: Listen) -> Result<OwnedFd, Failed> {
    let (kind, address) = match listen {
        Listen::Loopback(port) => (SocketType::STREAM, (Ipv4Addr::LOCALHOST, port)),
        Listen::Tcp(port) => (SocketType::STREAM, (Ipv4Addr::UNSPECIFIED, port)),
        Listen::Udp(port) => (SocketType::DGRAM, (Ipv4Addr::LOCALHOST, port)),
    };
    let address = SocketAddrV4::new(address.0, address.1);
    let listener = socket(kind)?;
    rustix::net::bind(&listener, &address).step(|| format!("listen on {address}"))?;
    if kind == SocketType::STREAM {
        rustix::net::listen(&listener, 128).step(|| format!("listen on {address}"))?;
    }
    Ok(listener)
}

pub(crate) fn limit(resource: Resource, most: u64) -> Result<(), Failed> {
    // Nobody gives more than there is.
    let most = rustix::process::getrlimit(resource).maximum.map_or(most, |hard| hard.min(most));
    let most = Rlimit { current: Some(most), maximum: Some(most) };
    rustix::process::setrlimit(resource, most).step(|| format!("limit {resource:?}"))
}

/// Gives up capabilities and the way back to them.
fn give_up_capabilities() -> Result<(), Failed> {
    for capability in CapabilitySet::all().iter() {
        match rustix::thread::remove_capability_from_bounding_set(capability) {
            // One that this kernel does not know.
            Ok(()) | Err(rustix::io::Errno::INVAL) => {}
            // Whoever has none gets none, for lack of new powers.
            Err(rustix::io::Errno::PERM) if powerless()? => break,
            Err(error) => return Err(error).step(|| format!("give up {capability:?}")),
        }
    }
    let none = CapabilitySet::empty();
    let sets = CapabilitySets { effective: none, permitted: none, inheritable: none };
    rustix::thread::set_capabilities(None, sets).step(|| "give up capabilities".into())?;
    rustix::thread::set_no_new_privs(true).step(|| "give up new powers".into())
}

fn powerless() -> Result<bool, Failed> {
    let sets = rustix::thread::capabilities(None).step(|| "look at capabilities".into())?;
    Ok(sets.permitted.is_empty())
}

fn filter(filters: &[BpfProgram]) -> Result<(), Failed> {
    for filter in filters {
        seccompiler::apply_filter(filter)
            .map_err(io::Error::other)
            .step(|| "filter system calls".into())?;
    }
    Ok(())
}

/// Once more what the read-only root says already, and no signals or abstract sockets to outside.
fn landlock() -> Result<(), Failed> {
    use landlock::{
        ABI, Access as _, AccessFs, CompatLevel, Compatible as _, Ruleset, RulesetAttr as _,
        RulesetCreatedAttr as _, Scope, path_beneath_rules,
    };
    let abi = ABI::V6;
    let all = AccessFs::from_all(abi);
    let read = AccessFs::from_read(abi);
    let use_devices = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let restrict = || -> Result<(), landlock::RulesetError> {
        Ruleset::default()
            .set_compatibility(CompatLevel::BestEffort)
            .handle_access(all)?
            .scope(Scope::from_all(abi))?
            .create()?
            .add_rules(path_beneath_rules(["/"], read))?
            .add_rules(path_beneath_rules(["/tmp", "/dev/shm"], all))?
            .add_rules(path_beneath_rules(["/dev"], use_devices))?
            .restrict_self()?;
        Ok(())
    };
    restrict().map_err(io::Error::other).step(|| "restrict files by Landlock".into())
}

/// A program in the form that the kernel takes.
struct Program {
    path: CString,
    arguments: Vec<CString>,
    environment: Vec<CString>,
    directory: std::path::PathBuf,
    numbers: Vec<i32>,
    files: u64,
    /// What holds it, where nothing holds the whole sandbox.
    confined: Option<(Confinement, Vec<BpfProgram>)>,
}

impl Program {
    fn of(spec: &Spec) -> io::Result<Self> {
        let path = CString::new(spec.program.as_os_str().as_bytes())?;
        let mut arguments = vec![path.clone()];
        for argument in &spec.arguments {
            arguments.push(CString::new(argument.as_bytes())?);
        }
        let mut environment = Vec::new();
        for (name, value) in &spec.environment {
            environment.push(CString::new(format!("{name}={value}"))?);
        }
        if spec.descriptors.iter().any(|number| !(0..ASIDE).contains(number)) {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a descriptor's number is too high",
            ));
        }
        Ok(Self {
            path,
            arguments,
            environment,
            directory: spec.directory.clone(),
            numbers: spec.descriptors.clone(),
            files: spec.limits.files,
            confined: None,
        })
    }

    /// Becomes the program. Returns only when it cannot.
    fn become_it(&self, descriptors: &[OwnedFd]) -> Failed {
        match self.arrange(descriptors).and_then(|()| self.confine()) {
            Err(failed) => failed,
            Ok(()) => {
                let error = sys::execute(&self.path, &self.arguments, &self.environment);
                Failed { step: format!("{EXECUTE}{}", self.path.to_string_lossy()), error }
            }
        }
    }

    fn confine(&self) -> Result<(), Failed> {
        let Some((confinement, filters)) = &self.confined else { return Ok(()) };
        let kill = Some(Signal::KILL);
        rustix::process::set_parent_process_death_signal(kill)
            .step(|| "end with the sandbox".into())?;
        confinement.landlock()?;
        filter(filters)
    }

    fn arrange(&self, descriptors: &[OwnedFd]) -> Result<(), Failed> {
        sys::reset_signals();
        rustix::process::chdir(&self.directory)
            .step(|| format!("enter {}", self.directory.display()))?;
        let null = || rustix::fs::openat(CWD, "/dev/null", OFlags::RDWR, Mode::empty());
        // All are put aside first: a number that one shall have may be another's now.
        let mut aside = Vec::new();
        for (descriptor, number) in descriptors.iter().zip(&self.numbers) {
            let copy = rustix::io::fcntl_dupfd_cloexec(descriptor, ASIDE)
                .step(|| "put descriptors aside".into())?;
            aside.push((copy, *number));
        }
        for number in 0..3 {
            if !self.numbers.contains(&number) {
                let copy = null().and_then(|null| rustix::io::fcntl_dupfd_cloexec(null, ASIDE));
                aside.push((copy.step(|| "open /dev/null".into())?, number));
            }
        }
        // Everything goes at the execution but what is placed now.
        sys::close_at_execution().step(|| "close descriptors".into())?;
        for (descriptor, number) in &aside {
            sys::place(descriptor.as_fd(), *number)
                .step(|| format!("place descriptor {number}"))?;
        }
        // Last: descriptors that were put aside lie above it.
        limit(Resource::Nofile, self.files)
    }
}

/// Starts the program and waits for its end, and meanwhile for everything that it leaves behind.
fn watch(program: Program, descriptors: Vec<OwnedFd>, status: &mut File) -> ! {
    let fail = |status: &mut File, step: &str, error: io::Error| -> ! {
        tell(status, &Status::Failed { step: step.into(), error: error.to_string() });
        std::process::exit(125)
    };
    let (reading, writing) = match rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC) {
        Ok(pipe) => pipe,
        Err(error) => fail(status, "make a pipe", error.into()),
    };
    // SAFETY: this process has one thread.
    let main = match unsafe { sys::fork() } {
        Ok(Some(main)) => main,
        Ok(None) => {
            drop(reading);
            // Its number may be one that the program's descriptors shall have.
            if let Ok(aside) = rustix::io::fcntl_dupfd_cloexec(writing, ASIDE) {
                let failed = program.become_it(&descriptors);
                tell(&mut File::from(aside), &told(failed));
            }
            std::process::exit(125)
        }
        Err(error) => fail(status, "fork", error),
    };
    let confined = program.confined.is_some();
    drop((writing, descriptors, program));
    let mut failure = String::new();
    // Its end closes with the program's start, for the other end closes at the execution.
    match File::from(reading).read_to_string(&mut failure) {
        Ok(0) => tell(status, &Status::Running),
        _ => {
            let _ = status.write_all(failure.as_bytes());
            std::process::exit(125)
        }
    }
    let exit = wait_for(main);
    if confined {
        crate::inside::end_all();
    }
    tell(status, &Status::Exited(exit));
    std::process::exit(0)
}

/// Reaps children until the main one has ended.
fn wait_for(main: Pid) -> Exit {
    loop {
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(Some((pid, ended))) if pid == main => {
                return match (ended.exit_status(), ended.terminating_signal()) {
                    (Some(code), _) => Exit::Code(code),
                    (None, Some(signal)) => Exit::Signal(signal),
                    (None, None) => continue,
                };
            }
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return Exit::Code(125),
        }
    }
}
