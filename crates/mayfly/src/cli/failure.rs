//! How a command ends when it does not succeed.

use std::io;
use std::process::ExitCode;

use mayfly_manifest::ManifestErrors;

use super::frame::{Frame, indented};
use super::terminal::{Terminal, Tone};
use crate::client::{self, FindError, FoundBy, ProfileError};

/// How the process ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Exit {
    /// It was done.
    Done,
    /// It failed.
    Failed,
    /// It was asked for wrongly.
    Usage,
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(match exit {
            Exit::Done => 0,
            Exit::Failed => 1,
            Exit::Usage => 2,
        })
    }
}

/// Why a command failed, and what to do about it.
#[derive(Debug)]
pub(crate) struct Failure {
    exit: Exit,
    message: Option<String>,
    frames: Vec<Frame>,
    detail: Option<String>,
    help: Option<String>,
}

impl Failure {
    /// It was tried and failed.
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self {
            exit: Exit::Failed,
            message: Some(message.into()),
            frames: Vec::new(),
            detail: None,
            help: None,
        }
    }

    /// The command line makes no sense.
    pub(crate) fn usage(message: impl Into<String>) -> Self {
        Self { exit: Exit::Usage, ..Self::failed(message) }
    }

    /// All that there is to say was said.
    pub(crate) fn silent(exit: Exit) -> Self {
        Self { exit, message: None, ..Self::failed("") }
    }

    /// The same with a remedy.
    pub(crate) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }

    /// The same with mistakes in their places.
    pub(crate) fn frames(mut self, frames: impl IntoIterator<Item = Frame>) -> Self {
        self.frames.extend(frames);
        self
    }

    /// The same with what a function's owner may see: a stack.
    pub(crate) fn detail(mut self, detail: Option<String>) -> Self {
        self.detail = detail;
        self
    }

    /// Tells the person, and how the process ends.
    pub(crate) fn report(&self, terminal: &Terminal) -> Exit {
        let palette = terminal.err;
        if let Some(message) = &self.message {
            let message = indented(message, 7);
            terminal.tell(format!("{} {message}", palette.paint(Tone::Bad, "error:")));
        }
        for frame in &self.frames {
            terminal.tell(frame.render(palette));
        }
        if let Some(detail) = &self.detail {
            let detail = indented(detail, 2);
            terminal.tell(format!("  {}", palette.paint(Tone::Faint, detail)));
        }
        if let Some(help) = &self.help {
            let help = indented(help, 6);
            terminal.tell(format!("{} {help}", palette.paint(Tone::Good, "help:")));
        }
        self.exit
    }
}

impl From<client::Error> for Failure {
    fn from(error: client::Error) -> Self {
        use client::Error;
        let failure = Self::failed(error.to_string());
        match error {
            Error::Unreachable { by, .. } => failure.help(start_or_name(&by)),
            Error::Lost { .. } => {
                failure.help("the node may have acted: look before you try again")
            }
            Error::Unauthorized { url, sent } => failure.help(log_in(&url, sent)),
            Error::Strange { .. } => failure.help(
                "is that the admin address (port 8081 by default) of a node of this version?",
            ),
            Error::Api(error) => {
                let repeats =
                    matches!(&error.details[..], [only] if only.to_string() == error.message);
                let message = match &error.details[..] {
                    [_] if repeats => "the node refuses this".to_owned(),
                    _ => error.message,
                };
                Self::failed(message)
                    .frames(error.details.into_iter().map(Frame::from))
                    .detail(error.detail)
            }
        }
    }
}

fn start_or_name(by: &FoundBy) -> String {
    let start = "start one with `mayfly dev` or `mayfly serve`";
    match by {
        FoundBy::Flag => format!("is --url right? Or {start}"),
        FoundBy::Environment => format!("is MAYFLY_URL right? Or {start}"),
        FoundBy::Profile(name) => {
            format!("the address is from the profile `{name}`; is the node running?")
        }
        FoundBy::Dev(directory) => {
            format!("`mayfly dev` has ended in {}; {start}", directory.display())
        }
        FoundBy::Default => {
            format!("{start}, or name another node: --url, MAYFLY_URL, or `mayfly login URL`")
        }
    }
}

fn log_in(url: &str, sent: bool) -> String {
    let file = "`mayfly serve` prints the path of the file that holds it when it starts";
    if sent {
        format!("the token was refused; {file}; then `mayfly login {url} --token-file FILE`")
    } else {
        format!("set MAYFLY_TOKEN, or `mayfly login {url} --token-file FILE`; {file}")
    }
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            // Whoever read the output has seen enough.
            io::ErrorKind::BrokenPipe => Self::silent(Exit::Done),
            _ => Self::failed(error.to_string()),
        }
    }
}

impl From<FindError> for Failure {
    fn from(error: FindError) -> Self {
        match error {
            FindError::Profiles(error) => error.into(),
            error => Self::usage(error.to_string()),
        }
    }
}

impl From<ProfileError> for Failure {
    fn from(error: ProfileError) -> Self {
        Self::failed(error.to_string())
    }
}

impl From<ManifestErrors> for Failure {
    fn from(errors: ManifestErrors) -> Self {
        let message = match errors.problems().len() {
            1 => "the manifest has a mistake".to_owned(),
            several => format!("the manifest has {several} mistakes"),
        };
        Self::failed(message).frames(errors.into_problems().into_iter().map(Frame::from))
    }
}

impl From<anyhow::Error> for Failure {
    fn from(error: anyhow::Error) -> Self {
        let error = match error.downcast::<ManifestErrors>() {
            Ok(errors) => return errors.into(),
            Err(error) => error,
        };
        let closed = |error: &io::Error| error.kind() == io::ErrorKind::BrokenPipe;
        if error.downcast_ref().is_some_and(closed) {
            return Self::silent(Exit::Done);
        }
        Self::failed(format!("{error:#}"))
    }
}
