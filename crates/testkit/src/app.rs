//! Apps on disk.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use mayfly_artifact::{Limits, Packed};
use tempfile::TempDir;

/// A manifest with the files of its functions.
#[derive(Debug)]
pub struct App {
    directory: PathBuf,
    _made: Option<TempDir>,
}

/// What a deployment sends.
#[derive(Debug)]
pub struct Code {
    /// The manifest's text.
    pub manifest: String,
    /// The code of each function that the manifest names.
    pub functions: BTreeMap<String, Packed>,
}

impl App {
    /// An empty app in a directory of its own.
    pub fn new() -> Self {
        let made = tempfile::Builder::new().prefix("mayfly-app-").tempdir().unwrap();
        Self { directory: made.path().to_owned(), _made: Some(made) }
    }

    /// The app in a directory that is there.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: directory.into(), _made: None }
    }

    /// One function, `main`, from one file; `settings` are lines of its table.
    pub fn single(name: &str, settings: &str, source: &str) -> Self {
        let manifest =
            format!("app = \"{name}\"\n\n[functions.main]\ncode = \"main.js\"\n{settings}\n");
        Self::new().file("mayfly.toml", &manifest).file("main.js", source)
    }

    /// With a file more, or with another content.
    pub fn file(self, path: &str, content: impl AsRef<[u8]>) -> Self {
        self.write(path, content);
        self
    }

    /// With a copy of all that is in `from`.
    pub fn copy_of(self, from: &Path) -> Self {
        copy(from, &self.directory);
        self
    }

    /// Writes a file, as an editor would that saves in place.
    pub fn write(&self, path: &str, content: impl AsRef<[u8]>) {
        let path = self.directory.join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, content).unwrap();
    }

    /// Where it is.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Packs it. The manifest is read leniently, so that a wrong one reaches the node.
    pub fn code(&self) -> Code {
        let manifest = std::fs::read_to_string(self.directory.join("mayfly.toml")).unwrap();
        let parsed: toml::Table = manifest.parse().unwrap_or_default();
        let functions = parsed.get("functions").and_then(toml::Value::as_table);
        let packed = |(name, section): (&String, &toml::Value)| {
            let code = self.directory.join(section.get("code")?.as_str()?);
            Some((name.clone(), mayfly_artifact::pack(&code, &Limits::default()).ok()?))
        };
        let functions = functions.into_iter().flatten().filter_map(packed).collect();
        Code { manifest, functions }
    }
}

impl Default for App {
    fn default() -> Self {
        Self::new()
    }
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true if entry.file_name() == "node_modules" || entry.file_name() == ".mayfly" => {}
            true => copy(&entry.path(), &target),
            false => {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
