//! Unpacked artifacts by their digests.
//!
//! An entry is a directory named by its digest that came to be by one rename, so what is there is
//! complete. Entries are not synced to disk, which a power loss could turn into empty files; they
//! are therefore dropped when the machine has started anew, and made again when they are needed.

use std::fs::{self, File, TryLockError};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use mayfly_types::Digest;

use crate::unpack::{UNFINISHED, unpack_beside, write_error};
use crate::{ArtifactError, Limits};

/// Held by who opens the cache, alone.
const OPENING: &str = ".opening";
/// Held by all who insert, together.
const INSERTING: &str = ".inserting";
/// Names the start of the machine that the entries are from.
const BOOT: &str = ".boot";

/// A directory of unpacked artifacts. Several processes may use it at once, and it may be deleted
/// at any time.
#[derive(Debug, Clone)]
pub struct Cache {
    directory: PathBuf,
    limits: Limits,
}

impl Cache {
    /// The cache in `directory`, which is made if it is not there. What was not finished by those
    /// who died is removed.
    ///
    /// # Errors
    /// [`ArtifactError::Write`] when the directory cannot be used.
    pub fn open(directory: impl Into<PathBuf>) -> Result<Self, ArtifactError> {
        let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
        Self::open_in_boot(directory.into(), boot.trim())
    }

    /// The same cache with other limits on what is inserted.
    #[must_use]
    pub fn with_limits(mut self, limits: Limits) -> Self {
        self.limits = limits;
        self
    }

    fn open_in_boot(directory: PathBuf, boot: &str) -> Result<Self, ArtifactError> {
        let cache = Self { directory, limits: Limits::default() };
        let opening = cache.lock_file(OPENING)?;
        opening.lock().map_err(write_error(&cache.directory))?;
        cache.clear_stale(boot).map_err(write_error(&cache.directory))?;
        Ok(cache)
    }

    /// Where the artifact is unpacked, if it is.
    pub fn get(&self, digest: Digest) -> Option<PathBuf> {
        let path = self.path(digest);
        path.is_dir().then_some(path)
    }

    /// Unpacks an artifact, unless it is there: then it is not even read. Of several that insert
    /// the same at once, all succeed.
    ///
    /// # Errors
    /// What [`unpack`](crate::unpack()) refuses, and content of another digest. Nothing is left
    /// behind.
    pub fn insert(&self, digest: Digest, artifact: impl Read) -> Result<PathBuf, ArtifactError> {
        if let Some(path) = self.get(digest) {
            return Ok(path);
        }
        let inserting = self.lock_file(INSERTING)?;
        inserting.lock_shared().map_err(write_error(&self.directory))?;
        let (unfinished, listing) = unpack_beside(artifact, &self.directory, &self.limits)?;
        if listing.digest() != digest {
            return Err(ArtifactError::Digest { expected: digest, found: listing.digest() });
        }
        let path = self.path(digest);
        match fs::rename(unfinished.path(), &path) {
            Ok(()) => {
                // It is no longer under this name: there is nothing to remove.
                let _renamed = unfinished.keep();
                Ok(path)
            }
            // Another one was faster.
            Err(_) if path.is_dir() => Ok(path),
            Err(error) => Err(write_error(&path)(error)),
        }
    }

    fn path(&self, digest: Digest) -> PathBuf {
        self.directory.join(digest.to_string())
    }

    fn lock_file(&self, name: &str) -> Result<File, ArtifactError> {
        fs::create_dir_all(&self.directory).map_err(write_error(&self.directory))?;
        let path = self.directory.join(name);
        File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&path)
            .map_err(write_error(&path))
    }

    fn clear_stale(&self, boot: &str) -> io::Result<()> {
        let record = self.directory.join(BOOT);
        if fs::read_to_string(&record).ok().as_deref() != Some(boot) {
            // Nobody uses the cache since the start, for whoever opens it writes the record.
            self.remove(|name| name.parse::<Digest>().is_ok())?;
            fs::write(&record, boot)?;
        }
        let inserting = self.lock_file(INSERTING).map_err(io::Error::other)?;
        match inserting.try_lock() {
            Ok(()) => self.remove(|name| name.starts_with(UNFINISHED)),
            // Someone inserts: what is unfinished may be theirs.
            Err(TryLockError::WouldBlock) => Ok(()),
            Err(TryLockError::Error(error)) => Err(error),
        }
    }

    fn remove(&self, stale: impl Fn(&str) -> bool) -> io::Result<()> {
        for entry in fs::read_dir(&self.directory)? {
            let entry = entry?;
            if entry.file_name().to_str().is_some_and(&stale) {
                remove_tree(&entry.path())?;
            }
        }
        Ok(())
    }
}

fn remove_tree(path: &Path) -> io::Result<()> {
    match fs::remove_dir_all(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests;
