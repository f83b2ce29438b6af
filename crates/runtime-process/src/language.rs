//! Languages: where their interpreters are, and how a bootstrap is started.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mayfly_sandbox::Bind;

/// Where a sandbox finds its bootstrap.
const RUNTIME: &str = "/var/runtime";

/// An interpreter of this host.
#[derive(Debug, Clone)]
pub struct Language {
    program: PathBuf,
    bootstrap: &'static str,
    file: &'static str,
    environment: &'static [(&'static str, &'static str)],
    binds: Vec<Bind>,
}

/// Why a language is not here.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// No program of that name is in `PATH`.
    #[error("no `{0}` is in PATH: install it, and start the node again")]
    Missing(&'static str),
    /// It does not say where it is.
    #[error("ask `{0}` where it is: {1}")]
    Silent(&'static str, String),
}

impl Language {
    /// Node.js, by the `node` in `path`, a list of directories as in `PATH`.
    ///
    /// # Errors
    /// When there is none, or it does not run.
    pub fn nodejs(path: &OsStr) -> Result<Self, LanguageError> {
        let asked = ["-p", "process.execPath"];
        let [program] = ask("node", path, &asked)?;
        Ok(Self {
            binds: above(&program).and_then(bound).into_iter().collect(),
            program,
            bootstrap: include_str!("../../../guest/bootstraps/node.mjs"),
            file: "node.mjs",
            environment: &[("NODE_OPTIONS", "--enable-source-maps")],
        })
    }

    /// Python, by the `python3` in `path`, a list of directories as in `PATH`. Its own packages come
    /// with it, those of a virtual environment do not.
    ///
    /// # Errors
    /// When there is none, or it does not run.
    pub fn python(path: &OsStr) -> Result<Self, LanguageError> {
        let asked = [
            "-Ic",
            "import os, sys; e = sys._base_executable; print(os.path.realpath(e)); print(sys.base_prefix)",
        ];
        let [program, prefix] = ask("python3", path, &asked)?;
        Ok(Self {
            program,
            binds: bound(&prefix).into_iter().collect(),
            bootstrap: include_str!("../../../guest/bootstraps/python.py"),
            file: "python.py",
            // The code is read-only.
            environment: &[("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1")],
        })
    }

    pub(crate) fn environment(&self) -> &'static [(&'static str, &'static str)] {
        self.environment
    }

    /// What the interpreter is called with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        vec![format!("{RUNTIME}/{}", self.file)]
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
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

/// Asks an interpreter for lines of paths: what is in `PATH` may be a script that chooses one.
fn ask<const N: usize>(
    name: &'static str,
    path: &OsStr,
    arguments: &[&str],
) -> Result<[PathBuf; N], LanguageError> {
    let mut files = std::env::split_paths(path).map(|directory| directory.join(name));
    let program = files.find(|file| file.is_file()).ok_or(LanguageError::Missing(name))?;
    let silent = |why: String| LanguageError::Silent(name, why);
    let output = Command::new(program)
        .args(arguments)
        .env("PATH", path)
        .stdin(Stdio::null())
        .output()
        .map_err(|error| silent(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<PathBuf> = text.lines().map(PathBuf::from).collect();
    lines.try_into().map_err(|_| silent(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// The directory above a program's `bin`.
fn above(program: &Path) -> Option<&Path> {
    program.parent()?.parent()
}

/// The bind that an interpreter's directory needs, if it is not one that every sandbox sees.
fn bound(prefix: &Path) -> Option<Bind> {
    let seen = prefix.starts_with("/usr") || prefix == Path::new("/");
    (!seen).then(|| Bind { source: prefix.into(), target: prefix.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interpreter_outside_of_usr_brings_its_directory_along() {
        let program = Path::new("/home/me/.nvm/versions/node/v22.1.0/bin/node");
        let bind = above(program).and_then(bound).unwrap();
        assert_eq!(bind.source, Path::new("/home/me/.nvm/versions/node/v22.1.0"));
        assert_eq!(bind.source, bind.target);
        for seen in ["/usr/bin/node", "/usr/local/bin/node", "/bin/node"] {
            assert!(above(Path::new(seen)).and_then(bound).is_none(), "{seen}");
        }
    }

    #[test]
    fn what_is_not_there_is_named_with_the_remedy() {
        let error = Language::nodejs(OsStr::new("/nowhere")).unwrap_err().to_string();
        assert!(error.contains("`node`") && error.contains("install"), "{error}");
    }

    #[test]
    fn an_interpreter_that_does_not_run_says_why() {
        use std::os::unix::fs::PermissionsExt;
        let directory = tempfile::tempdir().unwrap();
        let program = directory.path().join("python3");
        std::fs::write(&program, "#!/bin/sh\necho no version is chosen >&2\nexit 1\n").unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        let path = std::env::join_paths([directory.path(), Path::new("/bin")]).unwrap();
        let error = Language::python(&path).unwrap_err().to_string();
        assert!(error.contains("python3") && error.contains("no version is chosen"), "{error}");
    }
}
