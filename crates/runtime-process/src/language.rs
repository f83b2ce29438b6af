//! Languages: where their interpreters are, and how a bootstrap is started.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

use mayfly_sandbox::Bind;

/// Where a sandbox finds its bootstrap.
const RUNTIME: &str = "/var/runtime";

/// An interpreter of this host.
#[derive(Debug, Clone)]
pub struct Language {
    program: PathBuf,
    arguments: Vec<String>,
    bootstrap: &'static str,
    file: &'static str,
    binds: Vec<Bind>,
}

/// Why a language is not here.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// No program of that name is in `PATH`.
    #[error("no `{0}` is in PATH: install it, and start the node again")]
    Missing(&'static str),
}

impl Language {
    /// Node.js, by the `node` in `path`, a list of directories as in `PATH`.
    ///
    /// # Errors
    /// When there is none.
    pub fn nodejs(path: &OsStr) -> Result<Self, LanguageError> {
        let program = find("node", path).ok_or(LanguageError::Missing("node"))?;
        let file = "node.mjs";
        Ok(Self {
            binds: prefix(&program).into_iter().collect(),
            program,
            arguments: vec![format!("{RUNTIME}/{file}")],
            bootstrap: include_str!("../../../guest/bootstraps/node.mjs"),
            file,
        })
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    pub(crate) fn arguments(&self) -> &[String] {
        &self.arguments
    }

    /// What a sandbox sees besides the function's code: the interpreter, and the bootstrap that lies
    /// in `directory`.
    pub(crate) fn binds(&self, directory: &Path) -> Vec<Bind> {
        let bootstrap =
            Bind { source: directory.join(self.file), target: Path::new(RUNTIME).join(self.file) };
        self.binds.iter().cloned().chain([bootstrap]).collect()
    }

    /// Writes the bootstrap into `directory`.
    pub(crate) fn install(&self, directory: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::create_dir_all(directory)?;
        let mut file = tempfile::NamedTempFile::new_in(directory)?;
        std::io::Write::write_all(&mut file, self.bootstrap.as_bytes())?;
        // Whoever a sandbox is on the host reads it.
        file.as_file().set_permissions(PermissionsExt::from_mode(0o644))?;
        file.persist(directory.join(self.file))?;
        Ok(())
    }
}

/// The real file of a program in a list of directories.
fn find(name: &str, path: &OsStr) -> Option<PathBuf> {
    let found = std::env::split_paths(path).map(|directory| directory.join(name));
    found.filter(|file| file.is_file()).find_map(|file| file.canonicalize().ok())
}

/// What has to be bound for an interpreter that is not below `/usr`: the directory above its `bin`.
fn prefix(program: &Path) -> Option<Bind> {
    let prefix = program.parent()?.parent()?;
    let seen = prefix.starts_with("/usr") || prefix == Path::new("/");
    (!seen).then(|| Bind { source: prefix.into(), target: prefix.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_outside_of_usr_brings_its_directory_along() {
        let bind = prefix(Path::new("/home/me/.nvm/versions/node/v22.1.0/bin/node")).unwrap();
        assert_eq!(bind.source, Path::new("/home/me/.nvm/versions/node/v22.1.0"));
        assert_eq!(bind.source, bind.target);
        assert!(prefix(Path::new("/usr/bin/node")).is_none());
        assert!(prefix(Path::new("/bin/node")).is_none());
    }

    #[test]
    fn what_is_not_there_is_named_with_the_remedy() {
        let error = Language::nodejs(OsStr::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("`node`") && error.contains("install"), "{error}");
    }
}
