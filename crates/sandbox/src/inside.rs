//! What the spawner does inside of sandboxes that run already. Their programs may be hostile by then: the
//! root that it finds there is read-only, so its own directories are what they were.

use std::fs;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{Mode, OFlags};
use rustix::mount::{FsPickFlags, fsconfig_reconfigure, fsconfig_set_string, fspick};
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions, pidfd_open};
use rustix::thread::{LinkNameSpaceType, move_into_link_name_space};

use crate::cgroup::Group;
use crate::root::files_in;
use crate::spawn::Means;

/// Rounds in which leftovers are ended: each finds those that were born in the last.
const ROUNDS: usize = 100;
/// Longest time that a process may take to end.
const DEATH: Timespec = Timespec { tv_sec: 1, tv_nsec: 0 };
/// Files that are looked at when leftovers are removed; more are left to the kernel, with the whole
/// sandbox.
const MOST_STEPS: u32 = 20_000;

/// The spawner's own mount namespace.
pub(crate) fn own_namespace() -> io::Result<OwnedFd> {
    namespace("/proc/self/ns/mnt")
}

/// The mount namespace of a process that does not hide yet.
pub(crate) fn mounts_of(pid: Pid) -> io::Result<OwnedFd> {
    namespace(&format!("/proc/{}/ns/mnt", pid.as_raw_nonzero()))
}

fn namespace(path: &str) -> io::Result<OwnedFd> {
    Ok(rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Does something in a sandbox's mount namespace.
pub(crate) fn within<T>(
    means: &Means,
    mounts: &OwnedFd,
    what: impl FnOnce() -> Result<T, String>,
) -> Result<T, String> {
    let enter = |namespace: &OwnedFd| {
        move_into_link_name_space(namespace.as_fd(), Some(LinkNameSpaceType::Mount))
    };
    enter(mounts).map_err(|error| format!("enter the sandbox's mounts: {error}"))?;
    let done = what();
    if let Err(error) = enter(&means.home) {
        // Nothing that it did there would be what it means to do.
        crate::spawner::complain(&format!("leave a sandbox's mounts: {error}"));
        std::process::exit(1);
    }
    done
}

/// Gives a file system in memory another size, in bytes.
pub(crate) fn resize(path: &str, size: u64) -> Result<(), String> {
    let resize = || {
        let context = fspick(rustix::fs::CWD, path, FsPickFlags::FSPICK_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "size", size.to_string())?;
        fsconfig_set_string(context.as_fd(), "nr_inodes", files_in(size).to_string())?;
        fsconfig_reconfigure(context.as_fd())
    };
    resize().map_err(|error: rustix::io::Errno| format!("resize {path}: {error}"))
}

/// Removes everything in a directory. It goes down by steps and
/// without a stack: a hostile program may have made directories deeper than any.
pub(crate) fn empty(path: &Path) -> Result<(), String> {
    let empty = || -> io::Result<()> {
        std::env::set_current_dir(path)?;
        let (mut depth, mut steps) = (0_u32, 0_u32);
        loop {
            let mut deeper = None;
            for entry in fs::read_dir(".")? {
                let entry = entry?;
                steps += 1;
                if steps > MOST_STEPS {
                    return Err(io::Error::other("too much is in it"));
                }
                if !entry.file_type()?.is_dir() {
                    fs::remove_file(entry.path())?;
                } else if let Err(error) = fs::remove_dir(entry.path()) {
                    if error.kind() != io::ErrorKind::DirectoryNotEmpty {
                        return Err(error);
                    }
                    deeper = Some(entry.path());
                    break;
                }
            }
            match deeper {
                Some(directory) => {
                    std::env::set_current_dir(directory)?;
                    depth += 1;
                }
                None if depth == 0 => return Ok(()),
                None => {
                    std::env::set_current_dir("..")?;
                    depth -= 1;
                }
            }
        }
    };
    let emptied = empty().map_err(|error| format!("empty {}: {error}", path.display()));
    // Whatever it came to: where it was may be removed.
    let _ = std::env::set_current_dir("/");
    emptied
}

/// Removes a directory with everything in it.
pub(crate) fn remove(path: &Path) -> Result<(), String> {
    empty(path)?;
    fs::remove_dir(path).map_err(|error| format!("remove {}: {error}", path.display()))
}

/// Ends and reaps those that lost their parent and have become children of this process, but not those
/// that it knows.
pub(crate) fn end_strays(known: &[Pid]) {
    let strays = children(rustix::process::getpid()).unwrap_or_default();
    for stray in strays.into_iter().filter(|pid| !known.contains(pid)) {
        // They are reaped here alone, so the number is still theirs.
        let _ = rustix::process::kill_process(stray, Signal::KILL);
        let _ = rustix::process::waitpid(Some(stray), WaitOptions::empty());
    }
}

/// Ends every child of this process, and theirs, who become its own.
pub(crate) fn end_all() {
    loop {
        for child in children(rustix::process::getpid()).unwrap_or_default() {
            let _ = rustix::process::kill_process(child, Signal::KILL);
        }
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // There is none.
            Err(_) => return,
        }
    }
}

/// The children of a process, as the host numbers them.
fn children(of: Pid) -> io::Result<Vec<Pid>> {
    let of = of.as_raw_nonzero();
    let text = fs::read_to_string(format!("/proc/{of}/task/{of}/children"))?;
    Ok(text.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().ok()?)).collect())
}

/// The program of a sandbox: the oldest child of its first process, which the kernel names first. What
/// its program leaves behind comes after it, whatever its number.
pub(crate) fn program_of(init: Pid) -> Result<Pid, String> {
    let children = children(init).map_err(|error| format!("look for its program: {error}"))?;
    children.into_iter().next().ok_or("it has no program".into())
}

/// Ends every process of a sandbox but its first one and its program. Its group knows them all, where
/// there is one.
pub(crate) fn end_others(group: &Group, init: Pid, program: Pid) -> Result<(), String> {
    let listed = || group.processes().unwrap_or_else(|| descendants(init));
    // Without a group one that moves to another parent at that moment may be missed.
    let enough = if group.processes().is_some() { 1 } else { 3 };
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        let others = |pid: &Pid| *pid != init && *pid != program;
        let held: Vec<(Pid, OwnedFd)> = listed()
            .into_iter()
            .filter(others)
            // One that has ended meanwhile is none.
            .filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?)))
            .collect();
        // A number may be another process's by now, anywhere on the host. What is still listed once it is
        // held is the right one.
        let still = listed();
        let mut alive = false;
        for (pid, held) in held.into_iter().filter(|(pid, _)| still.contains(pid)) {
            let ended = end(&held).map_err(|error| format!("end its processes: {error}"))?;
            if !ended {
                return Err(format!("its process {} does not end", pid.as_raw_nonzero()));
            }
            alive = true;
        }
        quiet = if alive { 0 } else { quiet + 1 };
        if quiet == enough {
            wait_for_reaping(init, program);
            return Ok(());
        }
    }
    Err("its processes do not end".into())
}

/// Gives the names of those that have ended a moment to go. Nothing tells of that, and whoever sees one
/// learns nothing by it.
fn wait_for_reaping(init: Pid, program: Pid) {
    for _ in 0..20 {
        let left = [init, program].into_iter().flat_map(|of| children(of).unwrap_or_default());
        if left.filter(|pid| *pid != program).count() == 0 {
            return;
        }
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}

/// Every process below another that is not yet a name alone.
fn descendants(of: Pid) -> Vec<Pid> {
    let mut found = Vec::new();
    let mut open = vec![of];
    while let Some(parent) = open.pop() {
        for child in children(parent).unwrap_or_default() {
            if !found.contains(&child) {
                found.push(child);
                open.push(child);
            }
        }
    }
    // Those that wait for their parent to notice their end have ended.
    found.retain(|pid| is_alive(*pid));
    found
}

/// Whether a process is more than a name that waits for its parent.
pub(crate) fn is_alive(pid: Pid) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", pid.as_raw_nonzero()));
    // The name before the state may hold anything.
    let state = stat.ok().and_then(|stat| stat.rsplit(") ").next()?.chars().next());
    state.is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

/// Ends a process; tells whether it has ended in time.
fn end(held: &OwnedFd) -> io::Result<bool> {
    // It may have ended by itself.
    let _ = rustix::process::pidfd_send_signal(held, Signal::KILL);
    let mut polled = [PollFd::new(held, PollFlags::IN)];
    Ok(rustix::event::poll(&mut polled, Some(&DEATH))? > 0)
}
