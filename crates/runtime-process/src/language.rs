//! Languages: where their interpreters are, and how a bootstrap is started.

use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mayfly_sandbox::Bind;
use mayfly_types::RuntimeKind;

/// Where a sandbox finds its bootstrap.
const RUNTIME: &str = "/var/runtime";

/// Where the interpreter of a language is looked for.
#[derive(Debug, Clone)]
pub struct Interpreter {
    /// The program that the operator names.
    pub program: Option<PathBuf>,
    /// Else it is looked for in these directories, as in `PATH`.
    pub path: OsString,
}

/// An interpreter of this host.
#[derive(Debug, Clone)]
pub(crate) struct Language {
    kind: &'static Known,
    program: PathBuf,
    binds: Vec<Bind>,
}

/// Why a language is not here.
#[derive(Debug, thiserror::Error)]
pub enum LanguageError {
    /// No program of that name is in `PATH`.
    #[error("no `{0}` is in PATH")]
    Missing(&'static str),
    /// The program that the operator names is not there.
    #[error("there is no program {}", .0.display())]
    NoProgram(PathBuf),
    /// It does not say where it is.
    #[error("ask `{0}` where it is: {1}")]
    Silent(&'static str, String),
    /// It is too old.
    #[error("`{program}` is version {found}, and {least} is needed")]
    Old {
        /// The program.
        program: &'static str,
        /// Its version.
        found: String,
        /// The oldest that will do.
        least: &'static str,
    },
}

/// What is known of a language.
#[derive(Debug)]
struct Known {
    program: &'static str,
    /// What makes it tell its own path, the directory of its libraries and its version.
    ask: &'static [&'static str],
    least: (u32, u32),
    least_text: &'static str,
    files: &'static [(&'static str, &'static str)],
    arguments: &'static [&'static str],
    environment: &'static [(&'static str, &'static str)],
    forks: bool,
}

static NODEJS: Known = Known {
    program: "node",
    ask: &[
        "-p",
        "const p = require('path'); \
         [process.execPath, p.dirname(p.dirname(process.execPath)), process.versions.node].join('\\n')",
    ],
    least: (18, 0),
    least_text: "18",
    files: &[
        ("node.mjs", include_str!("../../../guest/bootstraps/node.mjs")),
        ("light.mjs", include_str!("../../../guest/bootstraps/light.mjs")),
        ("warm.cjs", include_str!("../../../guest/bootstraps/warm.cjs")),
        ("warm.mjs", include_str!("../../../guest/bootstraps/warm.mjs")),
    ],
    arguments: &[],
    environment: &[("NODE_OPTIONS", "--enable-source-maps")],
    forks: false,
};

static PYTHON: Known = Known {
    program: "python3",
    ask: &[
        "-Ic",
        "import os, sys; print(os.path.realpath(getattr(sys, '_base_executable', sys.executable))); \
         print(sys.base_prefix); print('%d.%d' % sys.version_info[:2])",
    ],
    least: (3, 9),
    least_text: "3.9",
    files: &[("python.py", include_str!("../../../guest/bootstraps/python.py"))],
    // Its bootstrap does what is needed of that.
    arguments: &["-S"],
    // The code is read-only.
    environment: &[("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUNBUFFERED", "1")],
    forks: true,
};

static RUBY: Known = Known {
    program: "ruby",
    ask: &[
        "-rrbconfig",
        "-e",
        "puts File.realpath(RbConfig.ruby), RbConfig::CONFIG['prefix'], RUBY_VERSION",
    ],
    least: (3, 0),
    least_text: "3.0",
    files: &[("ruby.rb", include_str!("../../../guest/bootstraps/ruby.rb"))],
    arguments: &["-W1"],
    environment: &[],
    forks: true,
};

impl Language {
    /// Finds the interpreter of a runtime, which takes tens of milliseconds: it is asked where it is,
    /// because what is in `PATH` may be a script that chooses one.
    ///
    /// # Errors
    /// When there is none, or it does not run, or is too old.
    pub(crate) fn find(kind: RuntimeKind, at: &Interpreter) -> Result<Self, LanguageError> {
        let known = match kind {
            RuntimeKind::Python => &PYTHON,
            RuntimeKind::Ruby => &RUBY,
            _ => &NODEJS,
        };
        let [program, prefix, version] = ask(known, at)?;
        let numbers: Vec<u32> = version.split('.').map_while(|part| part.parse().ok()).collect();
        if let [major, minor, ..] = numbers[..]
            && (major, minor) < known.least
        {
            let (program, least) = (known.program, known.least_text);
            return Err(LanguageError::Old { program, found: version, least });
        }
        let binds = bound(Path::new(&prefix)).into_iter().collect();
        Ok(Self { kind: known, program: program.into(), binds })
    }

    /// Whether a process that has loaded a function forks for each call.
    pub(crate) fn forks(&self) -> bool {
        self.kind.forks
    }

    pub(crate) fn environment(&self) -> &'static [(&'static str, &'static str)] {
        self.kind.environment
    }

    /// What the interpreter is called with.
    pub(crate) fn arguments(&self) -> Vec<String> {
        let bootstrap = format!("{RUNTIME}/{}", self.kind.files[0].0);
        let before = self.kind.arguments.iter().map(|argument| (*argument).to_owned());
        before.chain([bootstrap]).collect()
    }

    pub(crate) fn program(&self) -> &Path {
        &self.program
    }

    /// What a sandbox sees besides the function's code: the interpreter, and the bootstrap that lies
    /// in `directory`.
    pub(crate) fn binds(&self, directory: &Path) -> Vec<Bind> {
        let source = directory.join(self.kind.program);
        let bootstrap = Bind { source, target: RUNTIME.into() };
        self.binds.iter().cloned().chain([bootstrap]).collect()
    }

    /// Writes the bootstrap into `directory`.
    pub(crate) fn install(&self, directory: &Path) -> std::io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        let directory = directory.join(self.kind.program);
        std::fs::create_dir_all(&directory)?;
        // Whoever a sandbox is on the host reads it.
        std::fs::set_permissions(&directory, PermissionsExt::from_mode(0o755))?;
        for (name, text) in self.kind.files {
            let mut file = tempfile::NamedTempFile::new_in(&directory)?;
            std::io::Write::write_all(&mut file, text.as_bytes())?;
            file.as_file().set_permissions(PermissionsExt::from_mode(0o644))?;
            file.persist(directory.join(name))?;
        }
        Ok(())
    }
}

/// Asks an interpreter for lines.
fn ask<const N: usize>(known: &Known, at: &Interpreter) -> Result<[String; N], LanguageError> {
    let name = known.program;
    let program = match &at.program {
        Some(program) if program.is_file() => program.clone(),
        Some(program) => return Err(LanguageError::NoProgram(program.clone())),
        None => {
            let mut files = std::env::split_paths(&at.path).map(|directory| directory.join(name));
            files.find(|file| file.is_file()).ok_or(LanguageError::Missing(name))?
        }
    };
    let silent = |why: String| LanguageError::Silent(name, why);
    let output = Command::new(program)
        .args(known.ask)
        .env_clear()
        .env("PATH", &at.path)
        .envs(home())
        .stdin(Stdio::null())
        .output()
        .map_err(|error| silent(error.to_string()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    lines.try_into().map_err(|_| silent(String::from_utf8_lossy(&output.stderr).trim().to_owned()))
}

/// Where scripts that choose a version find what was chosen.
fn home() -> Option<(&'static str, OsString)> {
    std::env::var_os("HOME").map(|home| ("HOME", home))
}

/// The bind that an interpreter's directory needs, if it is not one that every sandbox sees.
fn bound(prefix: &Path) -> Option<Bind> {
    let seen = prefix.starts_with("/usr") || prefix == Path::new("/");
    (!seen).then(|| Bind { source: prefix.into(), target: prefix.into() })
}

impl Interpreter {
    /// The interpreter that is found in `path`, directories as in `PATH`.
    pub fn in_path(path: impl AsRef<OsStr>) -> Self {
        Self { program: None, path: path.as_ref().to_owned() }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(directory: &Path, name: &str, text: &str) -> PathBuf {
        let program = directory.join(name);
        std::fs::write(&program, format!("#!/bin/sh\n{text}\n")).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
        program
    }

    fn with_bin(directory: &Path) -> Interpreter {
        Interpreter::in_path(std::env::join_paths([directory, Path::new("/bin")]).unwrap())
    }

    #[test]
    fn an_interpreter_outside_of_usr_brings_its_directory_along() {
        let directory = tempfile::tempdir().unwrap();
        let prefix = "/home/me/.nvm/versions/node/v22.1.0";
        script(
            directory.path(),
            "node",
            &format!("printf '{prefix}/bin/node\\n{prefix}\\n22.1.0\\n'"),
        );
        let node = Language::find(RuntimeKind::Nodejs, &with_bin(directory.path())).unwrap();
        assert_eq!(node.binds[0].source, Path::new(prefix));
        assert_eq!(node.binds[0].source, node.binds[0].target);
        for seen in ["/usr", "/usr/local", "/"] {
            assert!(bound(Path::new(seen)).is_none(), "{seen}");
        }
    }

    #[test]
    fn what_is_not_there_or_too_old_is_named() {
        let nowhere = Interpreter::in_path("/nowhere");
        let error = Language::find(RuntimeKind::Nodejs, &nowhere).unwrap_err().to_string();
        assert!(error.contains("`node`"), "{error}");
        let named = Interpreter { program: Some("/nowhere/ruby".into()), ..nowhere };
        let error = Language::find(RuntimeKind::Ruby, &named).unwrap_err().to_string();
        assert!(error.contains("/nowhere/ruby"), "{error}");
        let directory = tempfile::tempdir().unwrap();
        let old = script(directory.path(), "old", "printf '/usr/bin/python3\\n/usr\\n3.8\\n'");
        let named = Interpreter { program: Some(old), ..with_bin(directory.path()) };
        let error = Language::find(RuntimeKind::Python, &named).unwrap_err().to_string();
        assert!(error.contains("version 3.8") && error.contains("3.9 is needed"), "{error}");
    }

    #[test]
    fn an_interpreter_that_does_not_run_says_why() {
        let directory = tempfile::tempdir().unwrap();
        script(directory.path(), "python3", "echo no version is chosen >&2; exit 1");
        let found = Language::find(RuntimeKind::Python, &with_bin(directory.path()));
        let error = found.unwrap_err().to_string();
        assert!(error.contains("python3") && error.contains("no version is chosen"), "{error}");
    }
}
