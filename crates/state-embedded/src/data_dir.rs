//! The data directory: who owns it, what format it has, where things are in it.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};

use crate::files;

/// The format this build writes. It rises with every change that an older build must not open.
pub const FORMAT: u32 = 1;

/// Tells the time in UTC microseconds since 1970.
pub type Clock = Arc<dyn Fn() -> i64 + Send + Sync>;

/// What [`DataDir::open`] is given.
pub struct OpenOptions {
    /// Where stored times come from.
    pub clock: Clock,
}

impl Default for OpenOptions {
    /// The system's clock.
    fn default() -> Self {
        let now = || {
            let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
            i64::try_from(since.as_micros()).unwrap_or(i64::MAX)
        };
        Self { clock: Arc::new(now) }
    }
}

/// Why a data directory, or a service in it, cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// There are files, but not ours.
    #[error(
        "{} is not a data directory: it has files but no `format`; name an empty directory or \
         one that does not exist", path.display()
    )]
    NotADataDir {
        /// The directory.
        path: PathBuf,
    },
    /// Another process has it.
    #[error(
        "{} is in use by {}; stop that node or name another directory", path.display(),
        pid.map_or_else(|| "another process".to_owned(), |pid| format!("process {pid}"))
    )]
    InUse {
        /// The directory.
        path: PathBuf,
        /// The process, when it could be told.
        pid: Option<u32>,
    },
    /// A newer build has written it.
    #[error(
        "{} has format {found}, but this build knows formats up to {known}; start the newer \
         mayfly that wrote it, or restore a backup of this build's", path.display()
    )]
    Newer {
        /// The directory or the database.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format this build knows.
        known: u32,
    },
    /// It cannot be written.
    #[error(
        "cannot write to {}: {source}; give its owner, the user that runs mayfly, the right to",
        path.display()
    )]
    Unwritable {
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// There is no space left.
    #[error("no space is left on the disk of {}; make room and start again", path.display())]
    Full {
        /// The file or directory.
        path: PathBuf,
    },
    /// A file in it is not what this build, or any, wrote.
    #[error("{} is damaged: {reason}; restore it from a backup", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// Anything else the system says.
    #[error("{doing} {}: {source}", path.display())]
    Io {
        /// What was tried: "lock".
        doing: &'static str,
        /// The file or directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// The database refuses.
    #[error("{doing} {}: {reason}", path.display())]
    Database {
        /// What was tried: "open".
        doing: &'static str,
        /// The database.
        path: PathBuf,
        /// What it says.
        reason: String,
    },
}

impl OpenError {
    /// Sorts an error of the file system that came of `doing` something with `path`.
    pub(crate) fn io(doing: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| {
            use io::ErrorKind::{PermissionDenied, ReadOnlyFilesystem};
            match source.kind() {
                PermissionDenied | ReadOnlyFilesystem => Self::Unwritable { path, source },
                _ if files::is_full(&source) => Self::Full { path },
                _ => Self::Io { doing, path, source },
            }
        }
    }
}

struct Inner {
    root: PathBuf,
    clock: Clock,
    // The kernel drops the lock with this descriptor. It is inherited by a child that forks and
    // never executes: such a child must close it.
    _lock: File,
}

/// An open data directory. Clones are handles to the same one; it stays locked until the last is
/// gone.
#[derive(Clone)]
pub struct DataDir(Arc<Inner>);

impl DataDir {
    /// Opens the directory, makes it where it is absent or empty, and locks it. A directory of an
    /// older format is brought forward.
    ///
    /// # Errors
    /// See [`OpenError`]. A directory that is refused is left as it was.
    pub fn open(path: impl AsRef<Path>, options: OpenOptions) -> Result<Self, OpenError> {
        let root = path.as_ref();
        files::make_dir(root).map_err(OpenError::io("create", root))?;
        let root = root.canonicalize().map_err(OpenError::io("find", root))?;
        if !is_ours(&root)? {
            return Err(OpenError::NotADataDir { path: root });
        }
        let lock = lock(&root)?;
        bring_forward(&root)?;
        for part in PARTS {
            let part = root.join(part);
            files::make_dir(&part).map_err(OpenError::io("create", &part))?;
        }
        files::sync_dir(&root).map_err(OpenError::io("sync", &root))?;
        Ok(Self(Arc::new(Inner { root, clock: options.clock, _lock: lock })))
    }

    /// The directory itself.
    pub fn root(&self) -> &Path {
        &self.0.root
    }

    /// Where artifacts are.
    pub fn artifacts(&self) -> PathBuf {
        self.root().join("artifacts")
    }

    /// Where logs are.
    pub fn logs(&self) -> PathBuf {
        self.root().join("logs")
    }

    /// Where the records of attempts are.
    pub fn ledger(&self) -> PathBuf {
        self.root().join("ledger")
    }

    /// What may be deleted at any time while no node runs.
    pub fn cache(&self) -> PathBuf {
        self.root().join("cache")
    }

    /// Where sealing keys are.
    pub fn keys(&self) -> PathBuf {
        self.root().join("keys")
    }

    /// The present, in UTC microseconds since 1970.
    pub(crate) fn now_us(&self) -> i64 {
        (self.0.clock)()
    }
}

/// The subdirectories.
const PARTS: [&str; 5] = ["artifacts", "ledger", "logs", "cache", "keys"];

/// What may stand in a directory that has no `format` yet: what a first start that was cut short
/// leaves, and what a new file system holds.
const BEFORE_FORMAT: [&str; 3] = ["lock", "format.new", "lost+found"];

fn is_ours(root: &Path) -> Result<bool, OpenError> {
    let mut foreign = false;
    for entry in fs::read_dir(root).map_err(OpenError::io("read", root))? {
        let name = entry.map_err(OpenError::io("read", root))?.file_name();
        if name == "format" {
            return Ok(true);
        }
        foreign |= !BEFORE_FORMAT.iter().any(|known| name == *known);
    }
    Ok(!foreign)
}

fn lock(root: &Path) -> Result<File, OpenError> {
    let path = root.join("lock");
    let mut options = File::options();
    let options = options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let mut file = options.open(&path).map_err(OpenError::io("open", &path))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut pid = String::new();
            let _unreadable_is_unknown = file.read_to_string(&mut pid);
            return Err(OpenError::InUse { path: root.to_owned(), pid: pid.trim().parse().ok() });
        }
        Err(TryLockError::Error(error)) => return Err(OpenError::io("lock", &path)(error)),
    }
    let pid = format!("{}\n", std::process::id());
    let written = file.set_len(0).and_then(|()| file.rewind());
    let written = written.and_then(|()| file.write_all(pid.as_bytes()));
    written.map_err(OpenError::io("write", &path))?;
    Ok(file)
}

/// Reads `format` and leaves it at [`FORMAT`]. The number rises before anything else changes, so
/// that an older build never opens what is half brought forward; each step can be repeated.
fn bring_forward(root: &Path) -> Result<(), OpenError> {
    let path = root.join("format");
    let found = match fs::read_to_string(&path) {
        Ok(text) => text.trim().parse().map_err(|_| OpenError::Damaged {
            path: path.clone(),
            reason: format!("{:?} is not a number", text.trim()),
        })?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(OpenError::io("read", &path)(error)),
    };
    if found > FORMAT {
        return Err(OpenError::Newer { path: root.to_owned(), found, known: FORMAT });
    }
    if found < FORMAT {
        let number = format!("{FORMAT}\n");
        files::replace(&path, number.as_bytes()).map_err(OpenError::io("write", &path))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn open(path: &Path) -> Result<DataDir, OpenError> {
        DataDir::open(path, OpenOptions::default())
    }

    #[test]
    fn a_new_directory_is_closed_to_others_and_has_its_format() {
        let temp = tempfile::tempdir().unwrap();
        let path = temp.path().join("a/data");
        let data = open(&path).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&path), 0o700);
        for part in [data.artifacts(), data.ledger(), data.logs(), data.cache(), data.keys()] {
            assert_eq!(mode(&part), 0o700, "{}", part.display());
        }
        assert_eq!(fs::read_to_string(path.join("format")).unwrap(), format!("{FORMAT}\n"));
    }

    #[test]
    fn a_second_node_is_refused_and_told_who_has_the_directory() {
        let temp = tempfile::tempdir().unwrap();
        let first = open(temp.path()).unwrap();
        let handle = first.clone();
        drop(first);
        let Err(OpenError::InUse { pid, .. }) = open(temp.path()) else { panic!("opened twice") };
        assert_eq!(pid, Some(std::process::id()));
        drop(handle);
        open(temp.path()).unwrap();
    }

    #[test]
    fn a_newer_format_is_refused_with_both_numbers_and_left_alone() {
        let temp = tempfile::tempdir().unwrap();
        drop(open(temp.path()).unwrap());
        fs::write(temp.path().join("format"), "7\n").unwrap();
        let error = open(temp.path()).err().unwrap().to_string();
        assert!(error.contains("format 7"), "{error}");
        assert!(error.contains(&format!("up to {FORMAT}")), "{error}");
        assert!(error.contains("start the newer mayfly"), "{error}");
        assert_eq!(fs::read_to_string(temp.path().join("format")).unwrap(), "7\n");
    }

    #[test]
    fn an_older_format_is_brought_forward() {
        let temp = tempfile::tempdir().unwrap();
        drop(open(temp.path()).unwrap());
        fs::write(temp.path().join("format"), "0").unwrap();
        open(temp.path()).unwrap();
        let format = fs::read_to_string(temp.path().join("format")).unwrap();
        assert_eq!(format.trim().parse(), Ok(FORMAT));
    }

    #[test]
    fn a_format_that_is_no_number_is_damage() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("format"), "one").unwrap();
        assert!(matches!(open(temp.path()), Err(OpenError::Damaged { .. })));
    }

    #[test]
    fn a_directory_with_other_files_is_refused_and_gets_none_of_ours() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("thesis.tex"), "").unwrap();
        let error = open(temp.path()).err().unwrap();
        assert!(matches!(error, OpenError::NotADataDir { .. }), "{error}");
        assert_eq!(fs::read_dir(temp.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_first_start_that_was_cut_short_is_finished_by_the_next() {
        let temp = tempfile::tempdir().unwrap();
        for name in BEFORE_FORMAT {
            fs::write(temp.path().join(name), "1").unwrap();
        }
        open(temp.path()).unwrap();
    }

    #[test]
    fn a_path_through_a_file_is_a_clear_error() {
        let temp = tempfile::tempdir().unwrap();
        fs::write(temp.path().join("file"), "").unwrap();
        let error = open(&temp.path().join("file/data")).err().unwrap().to_string();
        assert!(error.starts_with("create ") && error.contains("file/data"), "{error}");
    }

    #[test]
    fn errors_of_the_file_system_name_their_remedy() {
        let path = Path::new("/data");
        let sort = |kind: io::ErrorKind| OpenError::io("write", path)(kind.into());
        assert!(matches!(sort(io::ErrorKind::PermissionDenied), OpenError::Unwritable { .. }));
        assert!(matches!(sort(io::ErrorKind::ReadOnlyFilesystem), OpenError::Unwritable { .. }));
        assert!(matches!(sort(io::ErrorKind::StorageFull), OpenError::Full { .. }));
    }
}
