//! Reading an artifact from a stranger: every entry is checked before anything is done with it.

use std::collections::HashMap;
use std::io::{self, Read, Write};
use std::path::Path;

use mayfly_types::Digest;
use tar::{EntryType, PaxExtensions};

use crate::path::{check_link, check_name};
use crate::stream::{Expanded, Hit};
use crate::{ArtifactError, Limits};

/// Most bytes of an entry's PAX records: two long paths and some change.
const PAX_LIMIT: u64 = 16 << 10;

/// What an artifact holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing {
    digest: Digest,
    compressed: u64,
    unpacked: u64,
    entries: Vec<Entry>,
}

impl Listing {
    /// The artifact's name.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size, in bytes.
    pub fn size(&self) -> u64 {
        self.compressed
    }

    /// The size of the archive inside, in bytes.
    pub fn unpacked_size(&self) -> u64 {
        self.unpacked
    }

    /// Its entries, in the order of the archive.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The paths of its files and links, in the order of the archive.
    pub fn files(&self) -> impl Iterator<Item = &str> {
        self.entries
            .iter()
            .filter(|entry| entry.kind != EntryKind::Directory)
            .map(|entry| entry.path.as_str())
    }
}

/// One entry of an artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Relative to the artifact's root, divided by `/`; unique, and without `.` and `..`.
    pub path: String,
    /// What it is.
    pub kind: EntryKind,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory that is listed. Most are only implied by what is in them.
    Directory,
    /// A regular file.
    File {
        /// Its bytes.
        size: u64,
        /// Whether it may be run.
        executable: bool,
    },
    /// A symbolic link that stays inside.
    Link {
        /// Relative to the link's directory.
        target: String,
    },
}

/// Reads an artifact to its end and keeps none of it.
///
/// # Errors
/// The first thing that is wrong with it.
pub fn verify(artifact: impl Read, limits: &Limits) -> Result<Listing, ArtifactError> {
    struct Nothing;
    impl Visitor for Nothing {
        type File = io::Sink;
        fn directory(&mut self, _path: &str) -> Result<(), ArtifactError> {
            Ok(())
        }
        fn file(&mut self, _path: &str, _executable: bool) -> Result<io::Sink, ArtifactError> {
            Ok(io::sink())
        }
        fn link(&mut self, _path: &str, _target: &str) -> Result<(), ArtifactError> {
            Ok(())
        }
    }
    walk(artifact, limits, &mut Nothing)
}

/// What is done with the entries, in the order of the archive; each is checked when it comes, and
/// all its directories have come before it.
pub(crate) trait Visitor {
    type File: Write;
    fn directory(&mut self, path: &str) -> Result<(), ArtifactError>;
    fn file(&mut self, path: &str, executable: bool) -> Result<Self::File, ArtifactError>;
    fn link(&mut self, path: &str, target: &str) -> Result<(), ArtifactError>;
}

pub(crate) fn walk<V: Visitor>(
    artifact: impl Read,
    limits: &Limits,
    visitor: &mut V,
) -> Result<Listing, ArtifactError> {
    let expanded = Expanded::new(artifact, limits).map_err(|error| at(None, limits)(error))?;
    let mut archive = tar::Archive::new(expanded);
    let mut walker = Walker {
        limits,
        visitor,
        seen: HashMap::new(),
        entries: Vec::new(),
        buffer: vec![0; 64 << 10],
    };
    let mut pax = None;
    // Raw, since the crate's own reading of extensions takes memory without a bound.
    let entries = archive.entries().map_err(at(None, limits))?.raw(true);
    for entry in entries {
        let mut entry = entry.map_err(at(walker.last(), limits))?;
        if entry.header().entry_type() == EntryType::XHeader {
            if pax.is_some() {
                return Err(walker.damaged("two PAX headers for one entry"));
            }
            pax = Some(walker.read_pax(&mut entry)?);
        } else {
            walker.entry(&mut entry, pax.take().unwrap_or_default())?;
        }
    }
    if pax.is_some() {
        return Err(ArtifactError::Truncated { after: walker.last().map(str::to_owned) });
    }
    let mut expanded = archive.into_inner();
    walker.read_end(&mut expanded)?;
    let (digest, compressed, unpacked) = expanded.finish();
    Ok(Listing { digest, compressed, unpacked, entries: walker.entries })
}

/// The names that PAX records give instead of the header's.
#[derive(Default)]
struct Pax {
    path: Option<Vec<u8>>,
    link: Option<Vec<u8>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Seen {
    Implied,
    Directory,
    Leaf,
}

struct Walker<'a, V> {
    limits: &'a Limits,
    visitor: &'a mut V,
    seen: HashMap<String, Seen>,
    entries: Vec<Entry>,
    buffer: Vec<u8>,
}

impl<V: Visitor> Walker<'_, V> {
    fn last(&self) -> Option<&str> {
        self.entries.last().map(|entry| entry.path.as_str())
    }

    fn damaged(&self, reason: impl Into<String>) -> ArtifactError {
        ArtifactError::Damaged { after: self.last().map(str::to_owned), reason: reason.into() }
    }

    fn read_pax(&self, entry: &mut tar::Entry<'_, impl Read>) -> Result<Pax, ArtifactError> {
        let size = entry.header().entry_size().map_err(at(self.last(), self.limits))?;
        if size > PAX_LIMIT {
            return Err(self.damaged("PAX records of more than 16 KB"));
        }
        let mut records = Vec::new();
        entry.read_to_end(&mut records).map_err(at(self.last(), self.limits))?;
        if records.len() as u64 != size {
            return Err(ArtifactError::Truncated { after: self.last().map(str::to_owned) });
        }
        let mut pax = Pax::default();
        for record in PaxExtensions::new(&records) {
            let record = record.map_err(at(self.last(), self.limits))?;
            let key = String::from_utf8_lossy(record.key_bytes()).into_owned();
            let place = match &*key {
                "path" => &mut pax.path,
                "linkpath" => &mut pax.link,
                // Times and owners are not kept.
                "mtime" | "atime" | "ctime" | "uid" | "gid" | "uname" | "gname" | "comment" => {
                    continue;
                }
                // Among them `size`, by which readers can be made to see different archives.
                _ => {
                    let key = key.escape_debug();
                    return Err(self.damaged(format!("a PAX record `{key}`")));
                }
            };
            if place.replace(record.value_bytes().to_vec()).is_some() {
                return Err(self.damaged(format!("two PAX records `{key}` for one entry")));
            }
        }
        Ok(pax)
    }

    fn entry(
        &mut self,
        entry: &mut tar::Entry<'_, impl Read>,
        pax: Pax,
    ) -> Result<(), ArtifactError> {
        let header = entry.header();
        let raw = pax.path.unwrap_or_else(|| header.path_bytes().into_owned());
        let kind = header.entry_type();
        let name = match kind {
            EntryType::Directory => raw.strip_suffix(b"/").unwrap_or(&raw),
            _ => &raw,
        };
        let path = check_name(name, self.limits)
            .map_err(|problem| ArtifactError::Name { entry: printable(name), problem })?
            .to_owned();
        let size = header.entry_size().map_err(at(Some(&path), self.limits))?;
        let executable = header.mode().map_err(at(Some(&path), self.limits))? & 0o100 != 0;
        let target = pax.link.or_else(|| header.link_name_bytes().map(|name| name.into_owned()));

        match kind {
            EntryType::Regular => {
                if size > self.limits.unpacked.as_bytes() {
                    let limit = self.limits.unpacked;
                    return Err(ArtifactError::UnpackedTooLarge { entry: path, limit });
                }
                self.claim(&path, Seen::Leaf)?;
                let mut file = self.visitor.file(&path, executable)?;
                self.copy(entry, &mut file, &path, size)?;
                self.entries.push(Entry { path, kind: EntryKind::File { size, executable } });
            }
            EntryType::Directory | EntryType::Symlink if size != 0 => {
                return Err(self.damaged(format!("`{path}` is no file, but has content")));
            }
            EntryType::Directory => {
                self.claim(&path, Seen::Directory)?;
                self.entries.push(Entry { path, kind: EntryKind::Directory });
            }
            EntryType::Symlink => {
                let target = target.unwrap_or_default();
                let target = match check_link(&path, &target, self.limits) {
                    Ok(target) => target.to_owned(),
                    Err(problem) => {
                        let target = printable(&target);
                        return Err(ArtifactError::Link { entry: path, target, problem });
                    }
                };
                self.claim(&path, Seen::Leaf)?;
                self.visitor.link(&path, &target)?;
                self.entries.push(Entry { path, kind: EntryKind::Link { target } });
            }
            other => return Err(ArtifactError::Kind { entry: path, kind: kind_name(other) }),
        }
        Ok(())
    }

    /// Takes `path` for `what`, and its ancestors for directories.
    fn claim(&mut self, path: &str, what: Seen) -> Result<(), ArtifactError> {
        for (slash, _) in path.match_indices('/') {
            let parent = &path[..slash];
            match self.seen.get(parent) {
                Some(Seen::Leaf) => {
                    return Err(ArtifactError::NotBelowDirectory {
                        entry: path.to_owned(),
                        parent: parent.to_owned(),
                    });
                }
                Some(Seen::Implied | Seen::Directory) => {}
                None => {
                    self.note(path, parent, Seen::Implied)?;
                    self.visitor.directory(parent)?;
                }
            }
        }
        match (self.seen.get(path), what) {
            (None, _) => {
                self.note(path, path, what)?;
                if what == Seen::Directory {
                    self.visitor.directory(path)?;
                }
            }
            (Some(Seen::Implied), Seen::Directory) => {
                self.seen.insert(path.to_owned(), what);
            }
            _ => return Err(ArtifactError::Duplicate { entry: path.to_owned() }),
        }
        Ok(())
    }

    fn note(&mut self, entry: &str, path: &str, what: Seen) -> Result<(), ArtifactError> {
        if self.seen.len() >= self.limits.entries {
            let limit = self.limits.entries;
            return Err(ArtifactError::TooManyEntries { entry: entry.to_owned(), limit });
        }
        self.seen.insert(path.to_owned(), what);
        Ok(())
    }

    fn copy(
        &mut self,
        from: &mut impl Read,
        to: &mut impl Write,
        path: &str,
        size: u64,
    ) -> Result<(), ArtifactError> {
        let mut copied = 0;
        loop {
            let n = match from.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(at(Some(path), self.limits)(error)),
            };
            to.write_all(&self.buffer[..n]).map_err(|source| ArtifactError::Write {
                path: Path::new(path).to_owned(),
                source,
            })?;
            copied += n as u64;
        }
        if copied != size {
            return Err(ArtifactError::Truncated { after: Some(path.to_owned()) });
        }
        Ok(())
    }

    /// After the first block of zeros there must be another, and nothing but zeros to the end.
    fn read_end(&mut self, rest: &mut impl Read) -> Result<(), ArtifactError> {
        let mut zeros = 0;
        loop {
            let n = match rest.read(&mut self.buffer) {
                Ok(0) => break,
                Ok(n) => n,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(at(self.last(), self.limits)(error)),
            };
            if self.buffer[..n].iter().any(|byte| *byte != 0) {
                return Err(self.damaged("content after the archive's end"));
            }
            zeros += n;
        }
        if zeros < 512 {
            return Err(ArtifactError::Truncated { after: self.last().map(str::to_owned) });
        }
        Ok(())
    }
}

/// Tells what an error of the decoders means when it came at `entry`.
fn at<'a>(entry: Option<&'a str>, limits: &'a Limits) -> impl FnOnce(io::Error) -> ArtifactError {
    let after = entry.map(str::to_owned);
    let (compressed, unpacked, ratio) = (limits.compressed, limits.unpacked, limits.ratio);
    move |error| {
        let named = after.clone().unwrap_or_else(|| "the first entry".to_owned());
        match error.downcast::<Hit>() {
            Ok(Hit::Compressed) => ArtifactError::TooLarge { limit: compressed },
            Ok(Hit::Unpacked) => ArtifactError::UnpackedTooLarge { entry: named, limit: unpacked },
            Ok(Hit::Ratio) => ArtifactError::Bomb { entry: named, ratio },
            Ok(Hit::Source(error)) => ArtifactError::Source(error),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                ArtifactError::Truncated { after }
            }
            Err(error) => {
                let reason = error.to_string().escape_debug().take(200).collect();
                ArtifactError::Damaged { after, reason }
            }
        }
    }
}

/// A stranger's bytes as they may stand in a message.
fn printable(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(&bytes[..bytes.len().min(200)]);
    text.escape_debug().collect()
}

fn kind_name(kind: EntryType) -> &'static str {
    match kind {
        EntryType::Link => "a hard link",
        EntryType::Char => "a character device",
        EntryType::Block => "a block device",
        EntryType::Fifo => "a named pipe",
        EntryType::GNUSparse => "a sparse file",
        EntryType::GNULongName | EntryType::GNULongLink => "a GNU long name, not a PAX one",
        EntryType::XGlobalHeader => "a global PAX header",
        _ => "of an unknown kind",
    }
}
