//! Files of a cache that are trusted because nobody else could write them and their digest holds.

use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt};
use std::path::Path;

use mayfly_types::Digest;

/// Makes a directory that only this user can enter.
///
/// # Errors
/// Those of the file system.
pub fn private_directory(path: &Path) -> io::Result<()> {
    std::fs::create_dir_all(path)?;
    std::fs::set_permissions(path, PermissionsExt::from_mode(0o700))
}

/// A file that this user owns, that nobody else can reach, and whose digest holds. What is not so is told
/// in the node's log; an absent file is not.
pub fn read_checked(path: &Path) -> Option<Vec<u8>> {
    let file = File::open(path).ok()?;
    let meta = file.metadata().ok()?;
    if meta.uid() != rustix::process::geteuid().as_raw() || meta.mode() & 0o077 != 0 {
        tracing::warn!(path = %path.display(), "ignored: other users can reach this cache file");
        return None;
    }
    let mut bytes = Vec::with_capacity(meta.len() as usize);
    (&file).read_to_end(&mut bytes).ok()?;
    let length = bytes.len().checked_sub(32);
    let whole = length.is_some_and(|length| {
        let (content, digest) = bytes.split_at(length);
        Digest::of(content).as_bytes()[..] == *digest
    });
    if !whole {
        tracing::warn!(path = %path.display(), "ignored: this cache file is damaged");
        return None;
    }
    bytes.truncate(length?);
    Some(bytes)
}

/// Writes a file that [`read_checked`] takes; whoever reads meanwhile sees the old one or all of
/// the new one.
///
/// # Errors
/// Those of the file system.
pub fn write_checked(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let directory = path.parent().unwrap_or(Path::new("."));
    let mut file = tempfile::Builder::new()
        .permissions(PermissionsExt::from_mode(0o600))
        .tempfile_in(directory)?;
    file.write_all(bytes)?;
    file.write_all(Digest::of(bytes).as_bytes())?;
    file.persist(path)?;
    Ok(())
}
