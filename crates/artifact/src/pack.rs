//! Packing a function's code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use ignore::gitignore::{Gitignore, GitignoreBuilder};
use mayfly_types::{ByteSize, Digest};
use tar::{EntryType, Header};

use crate::path::{check_name, relative};
use crate::{Limits, NameProblem, PackError};

const IGNORE_FILE: &str = ".mayflyignore";

/// Fast rather than small: code is packed on every save under `mayfly dev`.
const LEVEL: i32 = 3;

/// How many files a message names.
const NAMED_FILES: usize = 5;

/// Code as an artifact.
#[derive(Debug, Clone)]
pub struct Packed {
    bytes: Bytes,
    digest: Digest,
    files: Vec<String>,
}

impl Packed {
    /// The artifact.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }

    /// The artifact, alone.
    pub fn into_bytes(self) -> Bytes {
        self.bytes
    }

    /// Its name.
    pub fn digest(&self) -> Digest {
        self.digest
    }

    /// Its size, in bytes.
    pub fn size(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// The paths of its files and links, relative to what was packed, divided by `/`, sorted.
    pub fn files(&self) -> &[String] {
        &self.files
    }
}

/// Packs the file or directory at `root`.
///
/// Of a directory, what its `.mayflyignore` names (in gitignore's syntax) is left out, and always
/// `.git` and other repositories, `.mayfly`, `mayfly.toml`, `.env*`, what editors and desktops drop,
/// and `.bin` in `node_modules`. Links that stay inside become relative links to where they lead.
/// Empty directories are not kept.
///
/// # Errors
/// Code that cannot be read, or that no node with these limits would take.
pub fn pack(root: &Path, limits: &Limits) -> Result<Packed, PackError> {
    pack_with(root, None, limits)
}

/// The same, with what is in the directory `beside` as if it were in `root`, which wins where both
/// have a file.
///
/// # Errors
/// As [`pack`].
pub fn pack_with(root: &Path, beside: Option<&Path>, limits: &Limits) -> Result<Packed, PackError> {
    let metadata = fs::metadata(root).map_err(read_error(root))?;
    let mut code = Code { limits, items: BTreeMap::new() };
    if let Some(beside) = beside {
        let root = fs::canonicalize(beside).map_err(read_error(beside))?;
        Walk { root, ignored: Gitignore::empty(), code: &mut code }.directory("")?;
    }
    if metadata.is_dir() {
        let mut walk = Walk {
            root: fs::canonicalize(root).map_err(read_error(root))?,
            ignored: read_ignore_file(root)?,
            code: &mut code,
        };
        walk.directory("")?;
        code.check_links()?;
    } else {
        let name = root.file_name().unwrap_or_default().as_encoded_bytes();
        code.add_file(name, root.to_owned(), &metadata)?;
    }
    if code.items.is_empty() {
        return Err(PackError::Empty { root: root.to_owned() });
    }
    code.check_limits()?;
    code.write()
}

/// What goes in, by path: the order of the archive.
struct Code<'a> {
    limits: &'a Limits,
    items: BTreeMap<String, Item>,
}

enum Item {
    File { path: PathBuf, size: u64, executable: bool },
    Link { target: String, packed: String },
}

impl Code<'_> {
    fn check_name(&self, name: &[u8]) -> Result<String, PackError> {
        let refused = |problem: NameProblem| {
            let path = String::from_utf8_lossy(name).escape_debug().to_string();
            PackError::Name { path, problem }
        };
        check_name(name, self.limits).map(str::to_owned).map_err(refused)
    }

    fn add_file(
        &mut self,
        name: &[u8],
        path: PathBuf,
        metadata: &fs::Metadata,
    ) -> Result<(), PackError> {
        let name = self.check_name(name)?;
        if !metadata.is_file() {
            return Err(PackError::Kind { path: name });
        }
        let executable = metadata.permissions().mode() & 0o100 != 0;
        self.items.insert(name, Item::File { path, size: metadata.len(), executable });
        Ok(())
    }

    /// Links lead to what is packed.
    fn check_links(&self) -> Result<(), PackError> {
        for (name, item) in &self.items {
            let Item::Link { target, packed } = item else { continue };
            let below = format!("{packed}/");
            let directory = || {
                packed.is_empty()
                    || self
                        .items
                        .range(below.clone()..)
                        .next()
                        .is_some_and(|(path, _)| path.starts_with(&below))
            };
            if !self.items.contains_key(packed) && !directory() {
                let (link, target) = (name.clone(), target.clone());
                return Err(PackError::LinkNowhere { link, target });
            }
        }
        Ok(())
    }

    fn check_limits(&self) -> Result<(), PackError> {
        let directories: BTreeSet<&str> = self
            .items
            .keys()
            .flat_map(|path| path.match_indices('/').map(|(slash, _)| &path[..slash]))
            .collect();
        let found = self.items.len() + directories.len();
        if found > self.limits.entries {
            return Err(PackError::TooManyFiles { found, limit: self.limits.entries });
        }
        let content: u64 = self.sizes().map(|(_, size)| size).sum();
        self.check_size(content, "and it may have", self.limits.unpacked)
    }

    fn check_size(&self, found: u64, what: &'static str, limit: ByteSize) -> Result<(), PackError> {
        if found <= limit.as_bytes() {
            return Ok(());
        }
        Err(PackError::TooLarge { found, what, limit, largest: self.largest() })
    }

    fn sizes(&self) -> impl Iterator<Item = (&str, u64)> {
        self.items.iter().filter_map(|(path, item)| match item {
            Item::File { size, .. } => Some((path.as_str(), *size)),
            Item::Link { .. } => None,
        })
    }

    fn largest(&self) -> Vec<(String, u64)> {
        let mut sizes: Vec<(&str, u64)> = self.sizes().collect();
        sizes.sort_by_key(|(_, size)| std::cmp::Reverse(*size));
        sizes.into_iter().take(NAMED_FILES).map(|(path, size)| (path.to_owned(), size)).collect()
    }

    fn write(self) -> Result<Packed, PackError> {
        let in_memory =
            |error: io::Error| PackError::Read { path: "archive".into(), source: error };
        let encoder = zstd::Encoder::new(Vec::new(), LEVEL).map_err(in_memory)?;
        let mut archive = tar::Builder::new(Counted { inner: encoder, written: 0 });
        for (name, item) in &self.items {
            match item {
                Item::File { path, executable, .. } => {
                    let content = self.read(path)?;
                    let mode = if *executable { 0o755 } else { 0o644 };
                    append(&mut archive, EntryType::Regular, name, None, mode, &content)
                }
                Item::Link { target, .. } => {
                    append(&mut archive, EntryType::Symlink, name, Some(target), 0o644, &[])
                }
            }
            .map_err(in_memory)?;
        }
        let counted = archive.into_inner().map_err(in_memory)?;
        let unpacked = counted.written;
        let bytes = counted.inner.finish().map_err(in_memory)?;

        self.check_size(unpacked, "headers included, and it may have", self.limits.unpacked)?;
        let compressed = bytes.len() as u64;
        self.check_size(compressed, "compressed, and it may have", self.limits.compressed)?;
        if self.limits.is_bomb(compressed, unpacked) {
            let ratio = self.limits.ratio;
            return Err(PackError::Padding { ratio, largest: self.largest() });
        }
        let digest = Digest::of(&bytes);
        Ok(Packed { bytes: bytes.into(), digest, files: self.items.into_keys().collect() })
    }

    /// All of a file, however long it has become since it was found.
    fn read(&self, path: &Path) -> Result<Vec<u8>, PackError> {
        let limit = self.limits.unpacked.as_bytes();
        let mut content = Vec::new();
        File::open(path)
            .and_then(|file| file.take(limit.saturating_add(1)).read_to_end(&mut content))
            .map_err(read_error(path))?;
        self.check_size(content.len() as u64, "and it may have", self.limits.unpacked)?;
        Ok(content)
    }
}

struct Walk<'a, 'l> {
    root: PathBuf,
    ignored: Gitignore,
    code: &'a mut Code<'l>,
}

impl Walk<'_, '_> {
    /// Adds what is in the directory at `prefix`, which is empty or ends in `/`.
    fn directory(&mut self, prefix: &str) -> Result<(), PackError> {
        let directory = self.root.join(prefix);
        for entry in fs::read_dir(&directory).map_err(read_error(&directory))? {
            let entry = entry.map_err(read_error(&directory))?;
            let path = entry.path();
            let kind = entry.file_type().map_err(read_error(&path))?;
            let name = entry.file_name();
            let name = name.as_encoded_bytes();
            if always_left_out(prefix, &String::from_utf8_lossy(name)) {
                continue;
            }
            let name = [prefix.as_bytes(), name].concat();
            // What is left out may have any name.
            let shown = String::from_utf8_lossy(&name);
            if self.ignored.matched(&*shown, kind.is_dir()).is_ignore() {
                continue;
            }
            if kind.is_dir() {
                let name = self.code.check_name(&name)?;
                self.directory(&format!("{name}/"))?;
            } else if kind.is_symlink() {
                self.link(&name, &path)?;
            } else {
                let metadata = entry.metadata().map_err(read_error(&path))?;
                self.code.add_file(&name, path, &metadata)?;
            }
        }
        Ok(())
    }

    /// Adds a link, leading straight to where it ends.
    fn link(&mut self, name: &[u8], path: &Path) -> Result<(), PackError> {
        let name = self.code.check_name(name)?;
        let written = fs::read_link(path).map_err(read_error(path))?;
        let end = match fs::canonicalize(path) {
            Ok(end) => end,
            Err(_) => {
                let target = written.to_string_lossy().escape_debug().to_string();
                return Err(PackError::LinkNowhere { link: name, target });
            }
        };
        let Ok(inside) = end.strip_prefix(&self.root) else {
            return Err(PackError::LinkOutside { link: name, target: end });
        };
        let packed = match inside.as_os_str().as_encoded_bytes() {
            b"" => String::new(),
            bytes => self.code.check_name(bytes)?,
        };
        let target = relative(&name, &packed);
        self.code.items.insert(name, Item::Link { target, packed });
        Ok(())
    }
}

fn read_ignore_file(root: &Path) -> Result<Gitignore, PackError> {
    let path = root.join(IGNORE_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Gitignore::empty()),
        Err(error) => return Err(read_error(&path)(error)),
    };
    // Rooted nowhere: paths are matched as they are seen from the root.
    let mut builder = GitignoreBuilder::new("");
    for (i, line) in text.lines().enumerate() {
        let refused =
            |error: ignore::Error| PackError::Ignore { line: i + 1, reason: error.to_string() };
        builder.add_line(None, line).map_err(refused)?;
    }
    builder.build().map_err(|error| PackError::Ignore { line: 1, reason: error.to_string() })
}

fn always_left_out(prefix: &str, name: &str) -> bool {
    match name {
        ".git" | ".hg" | ".svn" | ".jj" | ".mayfly" | IGNORE_FILE => true,
        "mayfly.toml" => prefix.is_empty(),
        ".bin" => prefix == "node_modules/" || prefix.ends_with("/node_modules/"),
        ".DS_Store" | "Thumbs.db" | "desktop.ini" => true,
        _ => name.starts_with(".env") || left_by_editor(name),
    }
}

/// Vim's swap files, Emacs's locks and autosaves, and everybody's backups.
fn left_by_editor(name: &str) -> bool {
    let swap = |extension: &str| matches!(extension.as_bytes(), [b's', b'v' | b'w', b'a'..=b'z']);
    name.ends_with('~')
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#') && name.len() > 1)
        || (name.starts_with('.')
            && name.rsplit_once('.').is_some_and(|(stem, end)| !stem.is_empty() && swap(end)))
}

fn append(
    archive: &mut tar::Builder<impl io::Write>,
    kind: EntryType,
    name: &str,
    target: Option<&str>,
    mode: u32,
    content: &[u8],
) -> io::Result<()> {
    let mut header = Header::new_ustar();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(content.len() as u64);
    let mut records: Vec<(&str, &[u8])> = Vec::new();
    if header.set_path(name).is_err() {
        records.push(("path", name.as_bytes()));
        header.set_path("long")?;
    }
    if let Some(target) = target
        && header.set_link_name_literal(target).is_err()
    {
        records.push(("linkpath", target.as_bytes()));
        header.set_link_name_literal("long")?;
    }
    archive.append_pax_extensions(records)?;
    header.set_cksum();
    archive.append(&header, content)
}

struct Counted<W> {
    inner: W,
    written: u64,
}

impl<W: io::Write> io::Write for Counted<W> {
    fn write(&mut self, buf: &[u8]) -> io::Result<usize> {
        let n = self.inner.write(buf)?;
        self.written += n as u64;
        Ok(n)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.inner.flush()
    }
}

fn read_error(path: &Path) -> impl FnOnce(io::Error) -> PackError {
    let path = path.to_owned();
    move |source| PackError::Read { path, source }
}

#[cfg(test)]
mod tests;
