//! The guest program's sources with QuickJS as `guest/js-engine/patches` mends it.
//!
//! Cargo cannot patch a crate by a file of differences. So a second tree is laid out, in which the
//! crate that holds QuickJS is a patched copy and everything else is the guest's own.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context as _, ensure};

use crate::shell::{run, sha256};

/// The crate that holds QuickJS's sources.
pub(super) const CRATE: &str = "rquickjs-sys";

/// Lays the tree out in `tree` and returns the directory to compile in. `source` is the crate as
/// its registry gave it.
pub(super) fn lay_out(guest: &Path, source: &Path, tree: &Path) -> anyhow::Result<PathBuf> {
    let copy = tree.join(CRATE);
    patch(&patches(guest)?, source, &copy)?;

    let directory = tree.join("guest");
    fs::create_dir_all(&directory)?;
    let read = |name: &str| {
        fs::read_to_string(guest.join(name)).with_context(|| format!("read guest/js-engine/{name}"))
    };
    let manifest = format!(
        "{}\n[patch.crates-io]\n{CRATE} = {{ path = \"../{CRATE}\" }}\n",
        read("Cargo.toml")?
    );
    fs::write(directory.join("Cargo.toml"), manifest)?;
    fs::write(directory.join("Cargo.lock"), without_origin(&read("Cargo.lock")?))?;
    for name in ["src", "prelude"] {
        let link = directory.join(name);
        if fs::symlink_metadata(&link).is_err() {
            symlink(guest.join(name), &link)?;
        }
    }
    Ok(directory)
}

/// The patches, in the order of their names.
fn patches(guest: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(guest.join("patches")).context("read guest/js-engine/patches")?;
    let mut patches: Vec<PathBuf> = entries
        .map(|entry| entry.map(|entry| entry.path()))
        .collect::<Result<_, _>>()
        .context("read guest/js-engine/patches")?;
    patches.retain(|path| path.extension().is_some_and(|extension| extension == "patch"));
    patches.sort();
    Ok(patches)
}

/// Makes `copy` the patched `source`, unless it is.
fn patch(patches: &[PathBuf], source: &Path, copy: &Path) -> anyhow::Result<()> {
    let mut parts = source.display().to_string();
    for patch in patches {
        parts.push_str(&fs::read_to_string(patch)?);
    }
    let (marker, stamp) = (copy.join(".patched"), sha256(parts.as_bytes()));
    if fs::read_to_string(&marker).is_ok_and(|marked| marked == stamp) {
        return Ok(());
    }
    if copy.exists() {
        fs::remove_dir_all(copy)?;
    }
    copy_directory(source, copy)?;
    for patch in patches {
        let arguments = ["-p1", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-"];
        let file = fs::File::open(patch)?;
        run(Command::new("patch").args(arguments).current_dir(copy).stdin(Stdio::from(file)))
            .with_context(|| format!("apply {} to {CRATE}", patch.display()))?;
    }
    fs::write(marker, stamp)?;
    Ok(())
}

fn copy_directory(from: &Path, to: &Path) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    let entries = fs::read_dir(from).with_context(|| format!("read {}", from.display()))?;
    for entry in entries {
        let entry = entry?;
        let (kind, target) = (entry.file_type()?, to.join(entry.file_name()));
        ensure!(!kind.is_symlink(), "{} is a link", entry.path().display());
        if kind.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}

/// A lock file in which the patched crate comes from no registry.
fn without_origin(lock: &str) -> String {
    let name = format!("name = \"{CRATE}\"");
    let blocks = lock.split("\n\n").map(|block| {
        if !block.contains(&name) {
            return block.to_owned();
        }
        let kept = |line: &&str| !line.starts_with("source =") && !line.starts_with("checksum =");
        block.lines().filter(kept).collect::<Vec<_>>().join("\n")
    });
    blocks.collect::<Vec<_>>().join("\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_patched_crate_loses_its_origin() {
        let lock = "version = 4\n\n[[package]]\nname = \"other\"\nsource = \"r\"\nchecksum = \"1\"\n\n\
                    [[package]]\nname = \"rquickjs-sys\"\nversion = \"1\"\nsource = \"r\"\n\
                    checksum = \"2\"\ndependencies = [\n \"cc\",\n]\n";
        let expected = "version = 4\n\n[[package]]\nname = \"other\"\nsource = \"r\"\nchecksum = \"1\"\n\n\
                        [[package]]\nname = \"rquickjs-sys\"\nversion = \"1\"\n\
                        dependencies = [\n \"cc\",\n]";
        assert_eq!(without_origin(lock).trim_end(), expected);
    }

    #[test]
    fn a_patch_that_does_not_fit_is_an_error() {
        let directory = tempfile::tempdir().unwrap();
        let (source, copy) = (directory.path().join("source"), directory.path().join("copy"));
        fs::create_dir(&source).unwrap();
        fs::write(source.join("file"), "one\ntwo\n").unwrap();
        let file = directory.path().join("1.patch");
        let difference = |from: &str| {
            format!("--- a/file\n+++ b/file\n@@ -1,2 +1,2 @@\n {from}\n-two\n+three\n")
        };
        fs::write(&file, difference("other")).unwrap();
        assert!(patch(std::slice::from_ref(&file), &source, &copy).is_err());
        fs::write(&file, difference("one")).unwrap();
        patch(&[file], &source, &copy).unwrap();
        assert_eq!(fs::read_to_string(copy.join("file")).unwrap(), "one\nthree\n");
    }
}
