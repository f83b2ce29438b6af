//! What `mayfly dev` says in the terminal.
#![allow(clippy::print_stdout, reason = "this is the command's output")]

use std::time::Duration;

use mayfly_control_api::Error;
use mayfly_state_api::LogLine;

use crate::cli::{Frame, Palette, SourceError, Terminal, Tone, harmless};
use crate::node::Node;

/// Why the app could not be made live.
#[derive(Debug)]
pub(super) struct Problem {
    /// One line.
    pub(super) title: String,
    frames: Vec<Frame>,
}

impl Problem {
    pub(super) fn plain(error: impl std::fmt::Display) -> Self {
        Self { title: error.to_string(), frames: Vec::new() }
    }

    /// Something wrong with the files here.
    pub(super) fn local(error: SourceError) -> Self {
        match error {
            SourceError::Manifest(errors) => {
                let frames = errors.into_problems().into_iter().map(Frame::from);
                Self { title: "the manifest is not valid".into(), frames: frames.collect() }
            }
            error => Self::plain(error),
        }
    }

    pub(super) fn control(error: Error) -> Self {
        match error {
            Error::Invalid(diagnostics) => {
                let frames = diagnostics.into_iter().map(Frame::from);
                Self { title: "the app could not be made live".into(), frames: frames.collect() }
            }
            error => Self::plain(error),
        }
    }

    /// All of it.
    pub(super) fn text(&self, palette: Palette) -> String {
        let frames: Vec<String> = self.frames.iter().map(|frame| frame.render(palette)).collect();
        frames.join("\n")
    }
}

fn paint(text: &str, tone: Tone) -> String {
    Terminal::of_process().out.paint(tone, text)
}

pub(super) fn started(node: &Node, deployed: bool, took: Duration) {
    let url = format!("http://{}", node.ingress);
    println!("ingress {}", paint(&url, Tone::Strong));
    println!("admin http://{}", node.admin);
    if deployed {
        println!(
            "{} in {} ms; save a file and it is live",
            paint("ready", Tone::Good),
            took.as_millis()
        );
    } else {
        println!("{}; mend it, and it is live", paint("not ready", Tone::Bad));
    }
}

pub(super) fn reloaded(deployed: bool, took: Duration) {
    if deployed {
        println!("{} in {} ms", paint("reloaded", Tone::Good), took.as_millis());
    }
}

pub(super) fn notes(notes: &[String]) {
    for note in notes {
        println!("{} {note}", paint("note", Tone::Warning));
    }
}

pub(super) fn problem(problem: &Problem) {
    println!("{} {}", paint("error", Tone::Bad), problem.title);
    if !problem.frames.is_empty() {
        println!("{}", problem.text(Terminal::of_process().out));
    }
}

pub(super) fn log(line: &LogLine) {
    let tone = match line.level.as_str() {
        "error" => Tone::Bad,
        "warn" => Tone::Warning,
        "debug" => Tone::Faint,
        _ => Tone::Plain,
    };
    let name = paint(line.function.as_str(), Tone::Faint);
    println!("{name} {}", paint(&harmless(&line.message), tone));
}
