//! Unpacking an artifact from a stranger.
//!
//! Files are written into a fresh directory that only this process knows, each of them created
//! anew; links are made after all files, so that nothing is ever written through one. The whole
//! takes its place by one rename: a killed unpack leaves a directory that nobody looks at.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Read};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use crate::verify::{Visitor, walk};
use crate::{ArtifactError, Limits, Listing};

/// Begins the name of every directory that is not complete.
pub(crate) const UNFINISHED: &str = ".unpack-";

/// Unpacks an artifact into `target`, which must not exist; its parent must. Files are read-only
/// afterwards.
///
/// # Errors
/// What [`verify`](crate::verify()) refuses, and what the file system does. Nothing is left behind.
pub fn unpack(
    artifact: impl Read,
    target: &Path,
    limits: &Limits,
) -> Result<Listing, ArtifactError> {
    if target.symlink_metadata().is_ok() {
        return Err(ArtifactError::TargetExists { path: target.to_owned() });
    }
    let parent = match target.parent() {
        Some(parent) if parent != Path::new("") => parent,
        _ => Path::new("."),
    };
    let (unfinished, listing) = unpack_beside(artifact, parent, limits)?;
    fs::rename(unfinished.path(), target).map_err(write_error(target))?;
    // It is no longer under this name: there is nothing to remove.
    let _renamed = unfinished.keep();
    Ok(listing)
}

/// Unpacks an artifact into a directory in `parent` that is removed unless it is kept.
pub(crate) fn unpack_beside(
    artifact: impl Read,
    parent: &Path,
    limits: &Limits,
) -> Result<(TempDir, Listing), ArtifactError> {
    let directory = tempfile::Builder::new()
        .prefix(UNFINISHED)
        .tempdir_in(parent)
        .map_err(write_error(parent))?;
    let mut writer = Writer { root: directory.path().to_owned(), links: Vec::new() };
    let listing = walk(artifact, limits, &mut writer)?;
    writer.make_links()?;
    set_mode(directory.path(), 0o755)?;
    Ok((directory, listing))
}

struct Writer {
    root: PathBuf,
    links: Vec<(PathBuf, String)>,
}

impl Writer {
    fn make_links(&self) -> Result<(), ArtifactError> {
        self.links
            .iter()
            .try_for_each(|(path, target)| symlink(target, path).map_err(write_error(path)))
    }
}

impl Visitor for Writer {
    type File = File;

    fn directory(&mut self, path: &str) -> Result<(), ArtifactError> {
        let path = self.root.join(path);
        fs::create_dir(&path).map_err(write_error(&path))?;
        set_mode(&path, 0o755)
    }

    fn file(&mut self, path: &str, executable: bool) -> Result<File, ArtifactError> {
        let path = self.root.join(path);
        // `create_new` neither opens what is there nor follows a link.
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(write_error(&path))?;
        let mode = if executable { 0o555 } else { 0o444 };
        // On the open file, which the mode does not close; and past the process's umask.
        file.set_permissions(Permissions::from_mode(mode)).map_err(write_error(&path))?;
        Ok(file)
    }

    fn link(&mut self, path: &str, target: &str) -> Result<(), ArtifactError> {
        self.links.push((self.root.join(path), target.to_owned()));
        Ok(())
    }
}

fn set_mode(path: &Path, mode: u32) -> Result<(), ArtifactError> {
    fs::set_permissions(path, Permissions::from_mode(mode)).map_err(write_error(path))
}

pub(crate) fn write_error(path: &Path) -> impl FnOnce(io::Error) -> ArtifactError {
    let path = path.to_owned();
    move |source| ArtifactError::Write { path, source }
}
