//! What the spawner does inside of sandboxes that run already. Their programs may be hostile by then: the
//! root that it finds there is read-only, so its own directories are what they were.

use std::ffi::CString;
use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd as _, OwnedFd};
use std::path::Path;

use rustix::event::{PollFd, PollFlags, Timespec};
use rustix::fs::{AtFlags, CWD, Mode, OFlags};
use rustix::io::Errno;
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
pub(crate) const MOST_STEPS: u32 = 20_000;

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
        let context = fspick(CWD, path, FsPickFlags::FSPICK_CLOEXEC)?;
        fsconfig_set_string(context.as_fd(), "size", size.to_string())?;
        fsconfig_set_string(context.as_fd(), "nr_inodes", files_in(size).to_string())?;
        fsconfig_reconfigure(context.as_fd())
    };
    resize().map_err(|error: rustix::io::Errno| format!("resize {path}: {error}"))
}

/// Removes everything in a directory of the mount namespace that this process is in: whatever programs
/// move meanwhile, it does not lead out of that. It goes down by steps and without a stack: a hostile
/// program may have made directories deeper than any.
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

/// Removes everything in a directory of the host that hostile programs write, even now, by so many steps at
/// most. It goes neither up nor through links: directories inside of others are moved to the top, and so
/// only what is just below the top is ever opened.
pub(crate) fn empty_home(path: &Path, most: u32) -> Result<(), String> {
    let empty = || -> io::Result<()> {
        let top = open_up(CWD, path)?;
        let (mut steps, mut moved) = (0_u32, 0_u32);
        let mut step = || {
            steps += 1;
            (steps <= most).then_some(()).ok_or_else(|| io::Error::other("too much is in it"))
        };
        loop {
            let listed = names(&top)?;
            if listed.is_empty() {
                return Ok(());
            }
            for name in listed {
                step()?;
                if remove_file(&top, &name)? == Kind::Gone {
                    continue;
                }
                let inner = open_up(&top, &name)?;
                for below in names(&inner)? {
                    step()?;
                    if remove_file(&inner, &below)? == Kind::Gone {
                        continue;
                    }
                    // Only what its owner may write can be moved.
                    open_up(&inner, &below)?;
                    while !move_up(&inner, &below, &top, moved)? {
                        step()?;
                        moved += 1;
                    }
                }
                match rustix::fs::unlinkat(&top, &name, AtFlags::REMOVEDIR) {
                    // More than was listed at once, or somebody adds to it: the next round has it.
                    Ok(()) | Err(Errno::NOTEMPTY) => {}
                    Err(error) => return Err(error.into()),
                }
            }
        }
    };
    empty().map_err(|error| format!("empty {}: {error}", path.display()))
}

#[derive(PartialEq, Eq)]
enum Kind {
    Directory,
    Gone,
}

/// Opens a directory that is no link, and lets its owner do with it what he likes.
fn open_up(at: impl AsFd + Copy, path: impl rustix::path::Arg + Copy) -> io::Result<OwnedFd> {
    let plain = OFlags::NOFOLLOW | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let closed = rustix::fs::openat(at, path, plain | OFlags::PATH, Mode::empty())?;
    let itself = format!("/proc/self/fd/{}", closed.as_raw_fd());
    fs::set_permissions(&itself, std::os::unix::fs::PermissionsExt::from_mode(0o700))?;
    Ok(rustix::fs::open(&itself, OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?)
}

/// Some names in a directory; none when it is empty.
fn names(directory: &OwnedFd) -> io::Result<Vec<CString>> {
    let entries = rustix::fs::Dir::read_from(directory)?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_owned()));
    let names = names.take(MOST_STEPS as usize).collect::<Result<Vec<_>, Errno>>()?;
    Ok(names.into_iter().filter(|name| !matches!(name.to_bytes(), b"." | b"..")).collect())
}

/// Removes what is no directory.
fn remove_file(directory: &OwnedFd, name: &CString) -> io::Result<Kind> {
    match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
        Ok(()) | Err(Errno::NOENT) => Ok(Kind::Gone),
        Err(Errno::ISDIR) => Ok(Kind::Directory),
        Err(error) => Err(error.into()),
    }
}

/// Moves a directory to the top, by a number; `false` where that is taken.
fn move_up(from: &OwnedFd, name: &CString, top: &OwnedFd, number: u32) -> io::Result<bool> {
    let flags = rustix::fs::RenameFlags::NOREPLACE;
    match rustix::fs::renameat_with(from, name, top, format!(".{number}"), flags) {
        Ok(()) | Err(Errno::NOENT) => Ok(true),
        Err(Errno::EXIST) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// Removes a directory of the host with everything in it, whose programs have ended.
pub(crate) fn remove(path: &Path) -> Result<(), String> {
    empty_home(path, u32::MAX)?;
    fs::remove_dir(path).map_err(|error| format!("remove {}: {error}", path.display()))
}

/// Ends and reaps those that lost their parent and have become children of this process, but not those
/// that it knows. One that does not end at once is left for the next time.
pub(crate) fn end_strays(known: &[Pid]) {
    for _ in 0..ROUNDS {
        let strays = children(rustix::process::getpid()).unwrap_or_default();
        let strays: Vec<Pid> = strays.into_iter().filter(|pid| !known.contains(pid)).collect();
        if strays.is_empty() {
            return;
        }
        for stray in strays {
            // They are reaped here alone, so the number is still theirs.
            let Ok(held) = pidfd_open(stray, PidfdFlags::empty()) else { continue };
            end_tree(stray, &held);
            if end(&held).unwrap_or(false) {
                let _ = rustix::process::waitpid(Some(stray), WaitOptions::NOHANG);
            }
        }
    }
}

/// Ends every child of this process, and theirs, who become its own.
pub(crate) fn end_all() {
    loop {
        end_below(rustix::process::getpid());
        match rustix::process::wait(WaitOptions::empty()) {
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            // There is none.
            Err(_) => return,
        }
    }
}

/// The children of a process, as the host numbers them, those of its first thread first.
fn children(of: Pid) -> io::Result<Vec<Pid>> {
    let mut threads: Vec<u32> = fs::read_dir(format!("/proc/{}/task", of.as_raw_nonzero()))?
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    threads.sort_unstable_by_key(|thread| *thread != of.as_raw_nonzero().get() as u32);
    let mut found = Vec::new();
    for thread in threads {
        let file = format!("/proc/{}/task/{thread}/children", of.as_raw_nonzero());
        // A thread may have ended; then its children are another's.
        let text = fs::read_to_string(file).unwrap_or_default();
        let pids = text.split_whitespace();
        found.extend(pids.filter_map(|pid| Pid::from_raw(pid.parse().ok()?)));
    }
    Ok(found)
}

/// Ends a process, a child of this one, and all below it.
pub(crate) fn end_tree(root: Pid, held: &OwnedFd) {
    // Whatever ends by itself meanwhile needs no signal.
    let _ = rustix::process::pidfd_send_signal(held, Signal::STOP);
    end_below(root);
    let _ = rustix::process::pidfd_send_signal(held, Signal::KILL);
}

/// Ends all below a process, though they fork as fast as they can: first they are made to stand still.
fn end_below(root: Pid) {
    let stop = |held: &OwnedFd| {
        let _ = rustix::process::pidfd_send_signal(held, Signal::STOP);
    };
    let mut stopped: Vec<(Pid, OwnedFd)> = Vec::new();
    let mut quiet = 0;
    for _ in 0..ROUNDS {
        let known = |pid: &Pid| stopped.iter().any(|(stopped, _)| stopped == pid);
        let new: Vec<Pid> = descendants(root).into_iter().filter(|pid| !known(pid)).collect();
        let new = new.into_iter();
        let new: Vec<(Pid, OwnedFd)> =
            new.filter_map(|pid| Some((pid, pidfd_open(pid, PidfdFlags::empty()).ok()?))).collect();
        // A number may be another process's by now: what is still listed is the right one.
        let still = descendants(root);
        let new = new.into_iter().filter(|(pid, _)| still.contains(pid));
        stopped.extend(new.inspect(|(_, held)| stop(held)));
        // One that moved to another parent at that moment may be missed.
        let known = |pid: &Pid| stopped.iter().any(|(stopped, _)| stopped == pid);
        quiet = if still.iter().all(known) { quiet + 1 } else { 0 };
        if quiet == 3 {
            break;
        }
    }
    for (_, held) in &stopped {
        let _ = rustix::process::pidfd_send_signal(held, Signal::KILL);
    }
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
        let others = |pid: &&Pid| **pid != init && **pid != program;
        let held: Vec<(Pid, OwnedFd)> = listed()
            .iter()
            .filter(others)
            // One that has ended meanwhile is none.
            .filter_map(|pid| Some((*pid, pidfd_open(*pid, PidfdFlags::empty()).ok()?)))
            .collect();
        // A number may be another process's by now, anywhere on the host. What is still listed once it is
        // held is the right one.
        let still = listed();
        // Those that came meanwhile, too: one that forks and ends all the time is never listed twice.
        let mut alive = still.iter().any(|pid| others(&pid));
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

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{DirBuilderExt as _, symlink};

    use super::*;

    #[test]
    fn a_home_is_emptied_whatever_is_in_it_and_nothing_beside_it() {
        let temp = tempfile::tempdir().unwrap();
        let (home, beside) = (temp.path().join("home"), temp.path().join("beside"));
        fs::create_dir_all(home.join("a/.0/.1")).unwrap();
        fs::create_dir_all(&beside).unwrap();
        fs::write(beside.join("file"), "kept").unwrap();
        for (link, to) in [("link", "../beside"), ("a/link", "../../beside"), ("up", "..")] {
            symlink(to, home.join(link)).unwrap();
        }
        // Names that others are moved to, directories closed to their owner, and many in one.
        for name in [".0", ".1", ".2"] {
            fs::create_dir(home.join(name)).unwrap();
            fs::create_dir(home.join(name).join("inner")).unwrap();
        }
        for mode in [0, 0o100, 0o400, 0o500] {
            let closed = home.join(format!("a/closed-{mode:o}"));
            fs::create_dir(&closed).unwrap();
            fs::DirBuilder::new().mode(mode).create(closed.join("inner")).unwrap();
            let mode = std::os::unix::fs::PermissionsExt::from_mode(mode);
            fs::set_permissions(&closed, mode).unwrap();
        }
        // Deeper than a path can say.
        std::env::set_current_dir(&home).unwrap();
        for _ in 0..3000 {
            fs::create_dir("deep").unwrap();
            std::env::set_current_dir("deep").unwrap();
        }
        std::env::set_current_dir("/").unwrap();

        assert!(empty_home(&home, 100).unwrap_err().contains("too much"));
        empty_home(&home, MOST_STEPS).unwrap();
        assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
        assert_eq!(fs::read_to_string(beside.join("file")).unwrap(), "kept");
        remove(&home).unwrap();
        assert!(!home.exists());
    }
}
