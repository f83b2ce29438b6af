//! What the module is made of.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;

use crate::shell::sha256;

/// Files and directories that decide what the module is, besides the compiler.
const INPUTS: [&str; 6] =
    ["Cargo.toml", "Cargo.lock", "package.json", "package-lock.json", "patches", "src"];

/// The SHA-256 of each input, by its path.
pub(super) type Digests = BTreeMap<String, String>;

/// Reads every input of the guest program.
pub(super) fn digests(guest: &Path) -> anyhow::Result<Digests> {
    let mut digests = Digests::new();
    for input in INPUTS {
        add(guest, input, &mut digests)?;
    }
    Ok(digests)
}

/// The paths whose digests differ, each with what happened to it.
pub(super) fn changed(before: &Digests, now: &Digests) -> Vec<String> {
    let gone = before.keys().filter(|path| !now.contains_key(*path));
    let gone = gone.map(|path| format!("{path} (deleted)"));
    let other = now.iter().filter_map(|(path, digest)| match before.get(path) {
        None => Some(format!("{path} (new)")),
        Some(known) if known != digest => Some(path.clone()),
        Some(_) => None,
    });
    gone.chain(other).collect()
}

fn add(guest: &Path, path: &str, digests: &mut Digests) -> anyhow::Result<()> {
    let full = guest.join(path);
    let read = || format!("read guest/js-engine/{path}");
    if !full.is_dir() {
        digests.insert(path.to_owned(), sha256(&fs::read(&full).with_context(read)?));
        return Ok(());
    }
    for entry in fs::read_dir(&full).with_context(read)? {
        let name = entry?.file_name();
        let name = name.to_string_lossy();
        // What editors leave behind is no source.
        if !name.starts_with('.') && !name.ends_with('~') {
            add(guest, &format!("{path}/{name}"), digests)?;
        }
    }
    Ok(())
}
