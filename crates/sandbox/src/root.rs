//! The root that a sandbox sees: a file system in memory that holds what was named, read-only.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Component, Path, PathBuf};

use rustix::fs::{CWD, Mode, OFlags};
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MountPropagationFlags, MoveMountFlags,
    OpenTreeFlags, UnmountFlags,
};

use crate::spec::{Bind, Limits};
use crate::sys::{MountAttributes, restrict_mount};

/// Files of the host that programs expect, beside its libraries.
pub(crate) const FILES: [&str; 8] = [
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/alternatives",
    "/etc/ssl/certs",
    "/etc/ssl/openssl.cnf",
    "/etc/pki/ca-trust",
    "/etc/pki/tls/certs",
];
/// Directories of the host that hold programs and libraries; where the host has links, so has the
/// sandbox.
pub(crate) const SYSTEM: [&str; 6] = ["/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64"];
/// Devices that are of nobody.
pub(crate) const DEVICES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];
/// Files that are the same in each sandbox.
const MADE: [(&str, &str); 5] = [
    (
        "/etc/passwd",
        "root:x:0:0:root:/:/usr/sbin/nologin\nsandbox:x:1000:1000:sandbox:/tmp:/usr/sbin/nologin\n",
    ),
    ("/etc/group", "root:x:0:\nsandbox:x:1000:\n"),
    ("/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n"),
    ("/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files dns\n"),
    // Where the host may serve names.
    ("/etc/resolv.conf", "nameserver 127.0.0.1\noptions timeout:2 attempts:2\n"),
];
/// What may lie at the root itself, in bytes: names, links and the files above.
const ROOT_SIZE: &str = "2m";
/// Shared memory, in bytes; it counts as the sandbox's memory.
const SHM_SIZE: u64 = 64 << 20;

/// Room for one file for so many bytes of a file system in memory: names cost memory too.
const BYTES_PER_FILE: u64 = 16 << 10;

/// How many files a file system in memory of so many bytes may hold.
pub(crate) fn files_in(size: u64) -> u64 {
    (size / BYTES_PER_FILE).max(1024)
}

/// Refuses binds inside one another, and those over what every sandbox has. A link in the outer one
/// would lead the making of the inner one's place to the host, which is still the root then.
fn refuse_nested(binds: &[Bind]) -> Result<(), Failed> {
    let own = SYSTEM.iter().chain(&FILES).chain(&["/etc", "/dev", "/proc", "/tmp"]).map(Path::new);
    let own: Vec<&Path> = own.collect();
    for (index, bind) in binds.iter().enumerate() {
        let target = &bind.target;
        let others = binds.iter().enumerate().filter(|(other, _)| *other != index);
        let others = others.map(|(_, bind)| bind.target.as_path()).chain(own.iter().copied());
        for other in others {
            if target.starts_with(other) || other.starts_with(target) {
                let error = io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("it lies inside of {} or around it", other.display()),
                );
                return Err(Failed { step: format!("bind {}", target.display()), error });
            }
        }
    }
    Ok(())
}

/// Says which step failed.
pub(crate) trait Step<T> {
    /// Names the step.
    fn step(self, name: impl FnOnce() -> String) -> Result<T, Failed>;
}

/// A step that failed.
#[derive(Debug, thiserror::Error)]
#[error("{step}: {error}")]
pub(crate) struct Failed {
    pub(crate) step: String,
    pub(crate) error: io::Error,
}

impl<T, E: Into<io::Error>> Step<T> for Result<T, E> {
    fn step(self, name: impl FnOnce() -> String) -> Result<T, Failed> {
        self.map_err(|error| Failed { step: name(), error: error.into() })
    }
}

/// Views of the host's files and devices, taken before a new root hides them.
pub(crate) struct Sources {
    /// Where they belong, and their mounts.
    trees: Vec<(PathBuf, OwnedFd)>,
    /// Links of the host's root, and where they lead.
    links: Vec<(PathBuf, PathBuf)>,
    devices: Vec<(&'static str, OwnedFd)>,
}

impl Sources {
    /// Takes them, and the views of the binds that the spawner took. The caller is in mount and user
    /// namespaces of its own and has not yet become the sandbox's user, who may not reach them.
    pub(crate) fn take(binds: &[Bind], views: Vec<OwnedFd>) -> Result<Self, Failed> {
        refuse_nested(binds)?;
        let private = MountPropagationFlags::PRIVATE | MountPropagationFlags::REC;
        rustix::mount::mount_change("/", private).step(|| "cut mounts off from the host".into())?;
        let (mut trees, mut links) = (Vec::new(), Vec::new());
        for path in SYSTEM.map(Path::new) {
            let Ok(meta) = std::fs::symlink_metadata(path) else { continue };
            if meta.is_symlink() {
                let target =
                    std::fs::read_link(path).step(|| format!("read {}", path.display()))?;
                links.push((path.into(), target));
            } else {
                trees.push((path.into(), clone_tree(path)?));
            }
        }
        for path in FILES.map(Path::new).into_iter().filter(|path| path.exists()) {
            trees.push((path.into(), clone_tree(path)?));
        }
        let targets = binds.iter().map(|bind| bind.target.clone());
        trees.extend(targets.zip(views));
        let devices = DEVICES.into_iter();
        let devices = devices.map(|name| Ok((name, device(&Path::new("/dev").join(name))?)));
        Ok(Self { trees, links, devices: devices.collect::<Result<_, Failed>>()? })
    }
}

/// Makes the root of its sources and enters it.
pub(crate) fn enter(sources: Sources, places: &[PathBuf], limits: &Limits) -> Result<(), Failed> {
    let Sources { trees, links, devices } = sources;
    let root = memory("root", &[("size", ROOT_SIZE), ("nr_inodes", "4096"), ("mode", "755")])?;
    let place = "/tmp";
    attach(&root, place)?;
    rustix::process::chdir(place).step(|| "enter the new root".into())?;

    for (path, target) in links {
        std::os::unix::fs::symlink(&target, inside(&path))
            .step(|| format!("link {}", path.display()))?;
    }
    for (path, content) in MADE {
        let path = Path::new(path);
        make_parent(path)?;
        std::fs::write(inside(path), content).step(|| format!("write {}", path.display()))?;
    }
    for (path, tree) in &trees {
        put(tree, path)?;
    }
    let own = ["/proc", "/tmp", "/dev/shm"].map(Path::new);
    for directory in own.into_iter().chain(places.iter().map(PathBuf::as_path)) {
        make_directory(directory)?;
    }
    for (name, device) in &devices {
        put(device, &Path::new("/dev").join(name))?;
    }
    for (name, target) in [
        ("fd", "/proc/self/fd"),
        ("stdin", "/proc/self/fd/0"),
        ("stdout", "/proc/self/fd/1"),
        ("stderr", "/proc/self/fd/2"),
    ] {
        std::os::unix::fs::symlink(target, Path::new("dev").join(name))
            .step(|| format!("link /dev/{name}"))?;
    }
    let scratch = |name: &str, size: u64| {
        let (files, size) = (files_in(size).to_string(), size.to_string());
        memory(name, &[("size", &size), ("nr_inodes", &files), ("mode", "1777")])
    };
    attach(&scratch("tmp", limits.tmp)?, "tmp")?;
    attach(&scratch("shm", SHM_SIZE.min(limits.memory / 2))?, "dev/shm")?;
    let proc = file_system("proc", "proc", &[]).map_err(|mut failed| {
        if failed.error.kind() == io::ErrorKind::PermissionDenied {
            failed.step.push_str(
                " (the node sees only a part of the host's /proc: without systemd's \
                 ProtectKernelTunables and the like it sees all)",
            );
        }
        failed
    })?;
    attach(&proc, "proc")?;

    rustix::process::pivot_root(".", ".").step(|| "make the new root the root".into())?;
    rustix::mount::unmount(".", UnmountFlags::DETACH).step(|| "leave the host's root".into())?;
    rustix::process::chdir("/").step(|| "enter the root".into())?;
    // Only now: everything in it stands.
    restrict_mount(&open("/")?, MountAttributes::READ_ONLY, false)
        .step(|| "make the root read-only".into())
}

/// The same path below the working directory, which is the new root.
fn inside(path: &Path) -> &Path {
    path.strip_prefix("/").unwrap_or(path)
}

fn open(path: &str) -> Result<OwnedFd, Failed> {
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::open(path, flags, Mode::empty()).step(|| format!("open {path}"))
}

/// A copy of the mounts at `path`, read-only and without devices and setuid.
pub(crate) fn clone_tree(path: &Path) -> Result<OwnedFd, Failed> {
    const RESTRICTED: MountAttributes =
        MountAttributes::READ_ONLY.and(MountAttributes::NO_SETUID).and(MountAttributes::NO_DEVICES);
    let tree = tree(path)?;
    restrict_mount(&tree, RESTRICTED, true)
        .step(|| format!("make {} read-only", path.display()))?;
    Ok(tree)
}

/// A device of the host. Its mount can be written through, to the device.
fn device(path: &Path) -> Result<OwnedFd, Failed> {
    const RESTRICTED: MountAttributes =
        MountAttributes::NO_SETUID.and(MountAttributes::NO_PROGRAMS);
    let tree = tree(path)?;
    restrict_mount(&tree, RESTRICTED, true).step(|| format!("restrict {}", path.display()))?;
    Ok(tree)
}

fn tree(path: &Path) -> Result<OwnedFd, Failed> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE
        | OpenTreeFlags::OPEN_TREE_CLOEXEC
        | OpenTreeFlags::AT_RECURSIVE;
    rustix::mount::open_tree(CWD, path, flags).step(|| format!("take a view of {}", path.display()))
}

/// A new file system in memory.
fn memory(name: &str, options: &[(&str, &str)]) -> Result<OwnedFd, Failed> {
    file_system("tmpfs", name, options)
}

fn file_system(kind: &str, name: &str, options: &[(&str, &str)]) -> Result<OwnedFd, Failed> {
    let make = || {
        let context = rustix::mount::fsopen(kind, FsOpenFlags::FSOPEN_CLOEXEC)?;
        rustix::mount::fsconfig_set_string(context.as_fd(), "source", name)?;
        for (key, value) in options {
            rustix::mount::fsconfig_set_string(context.as_fd(), *key, *value)?;
        }
        rustix::mount::fsconfig_create(context.as_fd())?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
        rustix::mount::fsmount(context.as_fd(), FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make().step(|| format!("make {name} of {kind}"))
}

/// Attaches a mount at a path that exists.
pub(crate) fn attach(mount: &OwnedFd, path: impl AsRef<Path>) -> Result<(), Failed> {
    let path = path.as_ref();
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH;
    rustix::mount::move_mount(mount.as_fd(), "", CWD, path, flags)
        .step(|| format!("attach {}", path.display()))
}

/// Attaches a tree at a path of the new root, which is made for it.
fn put(tree: &OwnedFd, path: &Path) -> Result<(), Failed> {
    let meta = rustix::fs::fstat(tree).step(|| format!("look at {}", path.display()))?;
    if rustix::fs::FileType::from_raw_mode(meta.st_mode).is_dir() {
        make_directory(path)?;
    } else {
        make_parent(path)?;
        std::fs::write(inside(path), "").step(|| format!("make {}", path.display()))?;
    }
    attach(tree, inside(path))
}

fn make_parent(path: &Path) -> Result<(), Failed> {
    path.parent().map_or(Ok(()), make_directory)
}

fn make_directory(path: &Path) -> Result<(), Failed> {
    let plain =
        path.components().all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if !plain {
        let error = io::Error::new(io::ErrorKind::InvalidInput, "not an absolute, plain path");
        return Err(Failed { step: format!("make {}", path.display()), error });
    }
    std::fs::create_dir_all(inside(path)).step(|| format!("make {}", path.display()))
}
