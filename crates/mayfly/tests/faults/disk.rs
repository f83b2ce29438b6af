//! A disk that loses power: `disk.c` knows what was synced, and this puts together what is left.

use std::collections::HashMap;
use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use mayfly_testkit::{Node, NodeOptions, until};
use rustix::fs::{AtFlags, CWD, StatxFlags, statx};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

use super::random::Random;
use super::trace::Trace;
use crate::common;

/// What is torn: the unit in which a file reaches the disk.
const PAGE: usize = 4096;

/// A data directory on a disk that forgets.
pub(crate) struct Disk {
    home: TempDir,
    library: PathBuf,
    random: Random,
}

impl Disk {
    /// An empty disk. What it keeps beyond what was synced is chosen by `seed`.
    pub(crate) fn new(seed: u64) -> Self {
        let home = tempfile::Builder::new().prefix("mayfly-disk-").tempdir().unwrap();
        let library = home.path().join("disk.so");
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/faults/disk.c");
        let built = Command::new("cc")
            .args(["-shared", "-fPIC", "-O2", "-Wall", "-Wextra", "-Werror", "-o"])
            .args([&library, &source])
            .status();
        assert!(built.expect("a C compiler, as CONTRIBUTING.md says").success());
        let disk = Self { home, library, random: Random::new(seed) };
        fs::create_dir(disk.data()).unwrap();
        fs::set_permissions(disk.data(), fs::Permissions::from_mode(0o700)).unwrap();
        disk.settle();
        disk
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.home.path().join("data")
    }

    fn shadow(&self) -> PathBuf {
        self.home.path().join("shadow")
    }

    fn traced(&self) -> PathBuf {
        self.home.path().join("trace")
    }

    /// While this file is there, syncs of the watched file wait.
    pub(crate) fn hold(&self) -> PathBuf {
        self.home.path().join("hold")
    }

    /// How a node on this disk is started.
    pub(crate) fn node(&self) -> NodeOptions {
        let path = |path: &Path| path.to_str().unwrap().to_owned();
        common::node()
            .data(&self.data())
            .env("LD_PRELOAD", &path(&self.library))
            .env("DISK_ROOT", &path(&self.data()))
            .env("DISK_SHADOW", &path(&self.shadow()))
            .env("DISK_TRACE", &path(&self.traced()))
            .env("DISK_HOLD", &path(&self.hold()))
            .env("DISK_SEED", &(self.random.clone().next() | 1).to_string())
    }

    /// What happened since the last loss of power.
    pub(crate) fn trace(&self) -> Trace {
        Trace::read(&self.traced())
    }

    /// Leaves of the data directory what a loss of power does. Nobody may use it.
    pub(crate) fn lose_power(&mut self) {
        let (data, after) = (self.data(), self.home.path().join("after"));
        let mut now = HashMap::new();
        find(&data, &mut now);
        let mut left = Left { shadow: self.shadow(), now, random: &mut self.random };
        left.directory(&key(&data), &after);
        // The machine starts anew, which the cache of unpacked code is to notice.
        let _it_may_not_be_there = fs::remove_file(after.join("cache/code/.boot"));
        fs::remove_dir_all(&data).unwrap();
        fs::rename(&after, &data).unwrap();
        self.settle();
    }

    /// Puts copies of the files in a directory onto the disk, where that has come so far to have a format.
    pub(crate) fn keep(&self, directory: &str, from: &Path) {
        let to = self.data().join(directory);
        if !self.data().join("format").exists() {
            return;
        }
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&to).unwrap();
        copy(from, &to);
        self.settle();
    }

    /// Copies the files in a directory of the disk to elsewhere.
    pub(crate) fn copy(&self, directory: &str, to: &Path) {
        copy(&self.data().join(directory), to);
    }

    /// Takes all that is there for synced, and forgets what happened.
    fn settle(&self) {
        let shadow = self.shadow();
        let _it_may_not_be_there = fs::remove_dir_all(&shadow);
        let _it_may_not_be_there = fs::remove_file(self.traced());
        fs::create_dir_all(shadow.join("names")).unwrap();
        fs::create_dir_all(shadow.join("bytes")).unwrap();
        settle(&self.data(), &shadow);
    }
}

/// Ends a node, and whatever it has started, as a machine does that loses power.
pub(crate) async fn kill(node: &mut Node) {
    let pid = node.pid();
    // What stands still starts nothing more.
    signal(pid, Signal::STOP);
    until("a node that stands still", async || (state(pid) == Some('T')).then_some(())).await;
    let below = below(pid);
    for pid in &below {
        signal(*pid, Signal::KILL);
    }
    node.kill9().await;
    let gone =
        async || below.iter().all(|pid| matches!(state(*pid), None | Some('Z'))).then_some(());
    until("the end of what a node started", gone).await;
}

fn signal(pid: u32, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    let _it_may_have_ended = kill_process(pid, signal);
}

fn state(pid: u32) -> Option<char> {
    let text = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    text.rsplit_once(") ")?.1.chars().next()
}

/// The processes that one has started, and those that these have.
fn below(pid: u32) -> Vec<u32> {
    let tasks = fs::read_dir(format!("/proc/{pid}/task")).into_iter().flatten().flatten();
    let children = tasks.flat_map(|task| {
        let text = fs::read_to_string(task.path().join("children")).unwrap_or_default();
        text.split_whitespace().map(|pid| pid.parse().unwrap()).collect::<Vec<u32>>()
    });
    children.flat_map(|child| [vec![child], below(child)].concat()).collect()
}

fn copy(from: &Path, to: &Path) {
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to.join(entry.file_name())).unwrap();
        }
    }
}

/// The name of a file or directory in the shadow, as in `key_of` of `disk.c`.
fn key(path: &Path) -> String {
    let wanted = StatxFlags::BASIC_STATS | StatxFlags::BTIME;
    let found = statx(CWD, path, AtFlags::SYMLINK_NOFOLLOW, wanted).unwrap();
    format!("{}-{}.{}", found.stx_ino, found.stx_btime.tv_sec, found.stx_btime.tv_nsec)
}

fn settle(directory: &Path, shadow: &Path) {
    let mut names = String::new();
    for (name, key, is_directory) in entries(directory) {
        let path = directory.join(&name);
        names += &line(&key, is_directory, &name);
        match is_directory {
            true => settle(&path, shadow),
            false => {
                fs::copy(&path, shadow.join("bytes").join(&key)).unwrap();
            }
        }
    }
    fs::write(shadow.join("names").join(key(directory)), names).unwrap();
}

/// What a directory names now.
fn entries(directory: &Path) -> Vec<(String, String, bool)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, key(&entry.path()), entry.file_type().unwrap().is_dir())
    });
    let mut entries: Vec<_> = entries.collect();
    // The order of a directory is chance of another kind.
    entries.sort();
    entries
}

fn line(key: &str, is_directory: bool, name: &str) -> String {
    format!("{key} {} {name}\n", if is_directory { 'd' } else { 'f' })
}

/// Where each file and directory is now.
fn find(directory: &Path, now: &mut HashMap<String, PathBuf>) {
    now.insert(key(directory), directory.to_owned());
    for (name, key, is_directory) in entries(directory) {
        let path = directory.join(name);
        if is_directory {
            find(&path, now);
        } else {
            now.insert(key, path);
        }
    }
}

struct Left<'a> {
    shadow: PathBuf,
    now: HashMap<String, PathBuf>,
    random: &'a mut Random,
}

impl Left<'_> {
    /// What is left of a directory: what it named when it was synced, or now. A file system writes changes
    /// of names in their order, so it is never a mixture.
    fn directory(&mut self, key: &str, target: &Path) {
        fs::DirBuilder::new().mode(0o700).create(target).unwrap();
        let synced = fs::read_to_string(self.shadow.join("names").join(key)).unwrap_or_default();
        let now = self.now.get(key).map(|path| {
            let lines = entries(path).into_iter();
            lines.map(|(name, key, is_directory)| line(&key, is_directory, &name)).collect()
        });
        let names: String = match now {
            Some(now) if self.random.chance(0.5) => now,
            _ => synced,
        };
        for line in names.lines() {
            let mut words = line.splitn(3, ' ');
            let (key, kind, name) =
                (words.next().unwrap(), words.next().unwrap(), words.next().unwrap());
            match kind {
                "d" => self.directory(key, &target.join(name)),
                _ => self.file(key, &target.join(name)),
            }
        }
    }

    /// What is left of a file: what was synced, and some of the pages that were written since.
    fn file(&mut self, key: &str, target: &Path) {
        let synced = fs::read(self.shadow.join("bytes").join(key)).unwrap_or_default();
        let path = self.now.get(key);
        // What was removed since has nothing but what was synced.
        let now = path.map_or_else(|| synced.clone(), |path| fs::read(path).unwrap());
        let mode = path.map_or(0o600, |path| fs::metadata(path).unwrap().permissions().mode());
        let kept = *self.random.pick(&[0.0, 0.1, 0.5, 0.9, 1.0]);
        let mut left = synced.clone();
        if now.len() < synced.len() && self.random.chance(kept) {
            left.truncate(now.len());
        }
        for (at, page) in now.chunks(PAGE).enumerate() {
            let place = at * PAGE..at * PAGE + page.len();
            let same = synced.get(place.clone()) == Some(page);
            if same {
                continue;
            }
            if self.random.chance(kept) {
                // A hole where a page before it did not come this far.
                left.resize(left.len().max(place.end), 0);
                left[place].copy_from_slice(page);
            }
        }
        let mut options = fs::OpenOptions::new();
        let options = options.write(true).create_new(true).mode(mode & 0o777);
        std::io::Write::write_all(&mut options.open(target).unwrap(), &left).unwrap();
    }
}
