//! What is known about a host, gathered once, so that checks are functions of it.

use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use rustix::fs::{Access, access, statvfs};
use rustix::process::{Resource, Rlimit, geteuid, getrlimit};

/// A host, as far as checks ask.
pub(super) struct Host {
    /// Where its file system begins.
    pub(super) root: PathBuf,
    pub(super) is_root: bool,
    pub(super) cores: usize,
    pub(super) now: Timestamp,
    pub(super) open_files: Limit,
    pub(super) address_space: Limit,
}

/// A limit of the process; `None` is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) soft: Option<u64>,
    pub(super) hard: Option<u64>,
}

impl From<Rlimit> for Limit {
    fn from(limit: Rlimit) -> Self {
        Self { soft: limit.current, hard: limit.maximum }
    }
}

impl Host {
    /// The one that this process runs on.
    pub(super) fn this() -> Self {
        Self {
            root: "/".into(),
            is_root: geteuid().is_root(),
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            now: Timestamp::now(),
            open_files: getrlimit(Resource::Nofile).into(),
            address_space: getrlimit(Resource::As).into(),
        }
    }

    /// The text of a file, without the white space around it.
    pub(super) fn read(&self, path: &str) -> Option<String> {
        let text = fs::read_to_string(self.path(path)).ok()?;
        Some(text.trim().to_owned())
    }

    /// The number in a file.
    pub(super) fn number(&self, path: &str) -> Option<u64> {
        self.read(path)?.parse().ok()
    }

    pub(super) fn exists(&self, path: &str) -> bool {
        self.path(path).exists()
    }

    pub(super) fn is_writable(&self, path: &str) -> bool {
        access(self.path(path), Access::WRITE_OK).is_ok()
    }

    pub(super) fn is_readable(&self, path: &str) -> bool {
        access(self.path(path), Access::READ_OK).is_ok()
    }

    fn path(&self, path: &str) -> PathBuf {
        self.root.join(path.trim_start_matches('/'))
    }
}

/// Bytes that this user may still write at `path`, or in the nearest directory above that is there.
pub(super) fn free_space(path: &Path) -> Option<u64> {
    let full = std::path::absolute(path).ok()?;
    let there = full.ancestors().find(|path| path.exists())?;
    let space = statvfs(there).ok()?;
    space.f_bavail.checked_mul(space.f_frsize)
}

/// Whether a data directory can be made or used at `path`.
pub(super) fn can_write(path: &Path) -> bool {
    let Ok(full) = std::path::absolute(path) else { return false };
    let there = full.ancestors().find(|path| path.exists());
    there.is_some_and(|path| path.is_dir() && access(path, Access::WRITE_OK).is_ok())
}

/// Whether a port of loopback can be listened at; `None` when that is forbidden.
pub(super) fn port_is_free(port: u16) -> Option<bool> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)) {
        Ok(_) => Some(true),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Some(false),
        Err(_) => None,
    }
}

/// The first line that a program says about its version.
pub(super) fn version_of(program: &str) -> Option<String> {
    let mut child = Command::new(program)
        .arg("--version")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .ok()?;
    let patience = Instant::now() + Duration::from_secs(2);
    while child.try_wait().ok()?.is_none() {
        if Instant::now() > patience {
            child.kill().ok()?;
            child.wait().ok()?;
            return None;
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().ok()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    output.status.success().then(|| text.lines().next().unwrap_or_default().trim().to_owned())
}
