//! Small artifacts, written to a directory and loaded.

mod commonjs;
mod faults;
mod limits;
mod properties;
mod resolving;
mod stacks;
mod typescript;

use std::path::Path;

use mayfly_runtime_api::Diagnostic;
use tempfile::TempDir;

use super::{LoadRequest, Module, ModuleGraph, load};

/// An artifact of these files; the first is the entry.
struct Tree {
    directory: TempDir,
    entry: String,
}

impl Tree {
    fn new(files: &[(&str, &str)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            write(directory.path(), name, text);
        }
        Self { directory, entry: files[0].0.to_owned() }
    }

    fn load(&self) -> Result<ModuleGraph, Vec<Diagnostic>> {
        load(LoadRequest { root: self.directory.path(), entry: &self.entry })
    }
}

fn write(root: &Path, name: &str, text: &str) {
    let path = root.join(name);
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, text).unwrap();
}

fn graph(files: &[(&str, &str)]) -> ModuleGraph {
    Tree::new(files).load().unwrap_or_else(|faults| panic!("{faults:#?}"))
}

fn faults(files: &[(&str, &str)]) -> Vec<Diagnostic> {
    Tree::new(files).load().expect_err("an artifact with faults")
}

/// The only fault of an artifact.
fn fault(files: &[(&str, &str)]) -> Diagnostic {
    let mut faults = faults(files);
    assert_eq!(faults.len(), 1, "{faults:#?}");
    faults.remove(0)
}

impl ModuleGraph {
    fn names(&self) -> Vec<&str> {
        self.modules.iter().map(|module| module.name.as_str()).collect()
    }

    fn named(&self, name: &str) -> &Module {
        let found = self.modules.iter().find(|module| module.name == name);
        found.unwrap_or_else(|| panic!("no {name} in {:?}", self.names()))
    }

    /// The name of the module that a specifier means.
    fn meaning(&self, module: &str, specifier: &str) -> &str {
        let target = self.named(module).imports.get(specifier);
        let target = target.unwrap_or_else(|| panic!("{specifier} is not in {module}"));
        &self.modules[*target].name
    }
}
