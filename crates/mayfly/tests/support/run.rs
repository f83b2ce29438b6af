//! Runs the binary in a directory of its own, with nothing of this machine's configuration.

use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use super::node::Node;

/// A person with an empty home, in an empty directory.
pub(crate) struct Mayfly {
    directory: tempfile::TempDir,
    home: tempfile::TempDir,
    url: Option<String>,
}

/// What a command did.
pub(crate) struct Output {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Mayfly {
    pub(crate) fn new() -> Self {
        let (directory, home) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        Self { directory, home, url: None }
    }

    /// With `MAYFLY_URL` and `MAYFLY_TOKEN` of a node.
    pub(crate) fn node(mut self, node: &Node) -> Self {
        self.url = Some(node.url().to_owned());
        self
    }

    pub(crate) fn directory(&self) -> &Path {
        self.directory.path()
    }

    pub(crate) fn write(&self, file: &str, text: &str) {
        let path = self.directory().join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    pub(crate) fn run(&self, args: &[&str]) -> Output {
        self.run_with(args, "")
    }

    /// Runs a command with `input` on its standard input.
    pub(crate) fn run_with(&self, args: &[&str], input: &str) -> Output {
        let mut command = Command::new(env!("CARGO_BIN_EXE_mayfly"));
        command.args(args).current_dir(self.directory()).env_clear();
        command.env("HOME", self.home.path()).env("PATH", "/usr/bin:/bin").env("COLUMNS", "100");
        if let Some(url) = &self.url {
            command.env("MAYFLY_URL", url).env("MAYFLY_TOKEN", "t0ken");
        }
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        // A command that does not read its input may have ended already.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        Output {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}
