//! Archives made by hand, as no packer would make them.

use std::fs;
use std::path::Path;

use tar::{EntryType, Header};

/// A tar archive in the making; nothing is checked.
#[derive(Default)]
pub(crate) struct Archive(Vec<u8>);

impl Archive {
    /// A regular file.
    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name.as_bytes(), b"", content)
    }

    /// A symbolic link.
    pub(crate) fn link(self, name: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, name.as_bytes(), target.as_bytes(), b"")
    }

    /// Any entry, its names written as they are.
    pub(crate) fn entry(self, kind: EntryType, name: &[u8], target: &[u8], content: &[u8]) -> Self {
        self.entry_of_size(kind, name, target, content, content.len() as u64)
    }

    /// An entry whose header tells another size than it has.
    pub(crate) fn entry_of_size(
        mut self,
        kind: EntryType,
        name: &[u8],
        target: &[u8],
        content: &[u8],
        size: u64,
    ) -> Self {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(size);
        let fields = header.as_old_mut();
        fields.name[..name.len()].copy_from_slice(name);
        fields.linkname[..target.len()].copy_from_slice(target);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(content);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    /// The archive's end, and the compressed whole.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        compress(&self.0)
    }

    /// The compressed whole without an end.
    pub(crate) fn cut(self) -> Vec<u8> {
        compress(&self.0)
    }
}

pub(crate) fn compress(bytes: &[u8]) -> Vec<u8> {
    zstd::encode_all(bytes, 3).unwrap()
}

/// All that is below a directory: paths with what they are.
pub(crate) fn tree(directory: &Path) -> Vec<String> {
    fn visit(directory: &Path, prefix: &str, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let entry = entry.unwrap();
            let name = format!("{prefix}{}", entry.file_name().to_str().unwrap());
            let kind = entry.file_type().unwrap();
            if kind.is_dir() {
                visit(&entry.path(), &format!("{name}/"), found);
                found.push(format!("{name}/"));
            } else if kind.is_symlink() {
                let target = fs::read_link(entry.path()).unwrap();
                found.push(format!("{name} -> {}", target.display()));
            } else {
                found.push(format!("{name} = {:?}", fs::read(entry.path()).unwrap()));
            }
        }
    }
    let mut found = Vec::new();
    visit(directory, "", &mut found);
    found.sort();
    found
}

/// A directory to unpack in, with things beside it that must stay as they are.
pub(crate) struct Canary {
    directory: tempfile::TempDir,
    before: Vec<String>,
}

impl Canary {
    pub(crate) fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let at = |name: &str| directory.path().join(name);
        fs::create_dir_all(at("outside/target")).unwrap();
        fs::write(at("outside/victim"), "untouched").unwrap();
        fs::write(at("victim"), "untouched").unwrap();
        fs::create_dir(at("in")).unwrap();
        fs::write(at("in/victim"), "untouched").unwrap();
        let before = tree(directory.path());
        Self { directory, before }
    }

    /// Where to unpack: two directories below the first thing that must not change.
    pub(crate) fn target(&self) -> std::path::PathBuf {
        self.directory.path().join("in/target")
    }

    /// Panics when anything but the target has changed.
    pub(crate) fn check(&self) {
        let inside = |path: &String| path.starts_with("in/target");
        let mut after = tree(self.directory.path());
        after.retain(|path| !inside(path));
        assert_eq!(after, self.before);
    }
}
