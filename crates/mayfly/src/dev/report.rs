//! What `mayfly dev` says in the terminal.
#![allow(clippy::print_stdout, reason = "this is the command's output")]

use std::fmt::Write as _;
use std::time::Duration;

use mayfly_control_api::Error;
use mayfly_manifest::ManifestErrors;
use mayfly_runtime_api::Diagnostic;
use mayfly_state_api::LogLine;
use owo_colors::{OwoColorize, Stream, Style};

use crate::node::Node;

/// Why the app could not be made live.
#[derive(Debug)]
pub(super) struct Problem {
    /// One line.
    pub(super) title: String,
    /// All of it, without colours.
    pub(super) text: String,
}

impl Problem {
    pub(super) fn plain(error: &anyhow::Error) -> Self {
        let title = error.to_string();
        Self { text: format!("{error:#}"), title }
    }

    /// Something wrong with the files here.
    pub(super) fn local(error: &anyhow::Error) -> Self {
        match error.downcast_ref::<ManifestErrors>() {
            Some(errors) => {
                let diagnostics: Vec<Diagnostic> = errors
                    .problems()
                    .map(|problem| Diagnostic {
                        message: problem.message.clone(),
                        file: Some(problem.file.clone()),
                        line: Some(problem.line),
                        column: Some(problem.column),
                        source: Some(problem.source.clone()),
                        help: problem.help.clone(),
                    })
                    .collect();
                Self::diagnostics("the manifest is not valid", &diagnostics)
            }
            None => Self::plain(error),
        }
    }

    pub(super) fn control(error: &Error) -> Self {
        match error {
            Error::Invalid(diagnostics) => {
                Self::diagnostics("the app could not be made live", diagnostics)
            }
            error => Self { title: error.to_string(), text: error.to_string() },
        }
    }

    fn diagnostics(title: &str, diagnostics: &[Diagnostic]) -> Self {
        let mut text = String::new();
        for diagnostic in diagnostics {
            frame(&mut text, diagnostic);
        }
        Self { title: title.into(), text }
    }
}

/// A diagnostic with its line of source and a mark under the column.
fn frame(text: &mut String, diagnostic: &Diagnostic) {
    let _ = writeln!(text, "{diagnostic}");
    if let (Some(source), Some(line)) = (&diagnostic.source, diagnostic.line) {
        let number = line.to_string();
        let _ = writeln!(text, "  {number} | {source}");
        if let Some(column) = diagnostic.column {
            let indent = number.len() + 4 + column as usize;
            let _ = writeln!(text, "{:indent$}^", "");
        }
    }
    if let Some(help) = &diagnostic.help {
        let _ = writeln!(text, "  help: {help}");
    }
}

fn paint(text: &str, style: Style) -> String {
    text.if_supports_color(Stream::Stdout, |text| text.style(style)).to_string()
}

pub(super) fn started(node: &Node, deployed: bool, took: Duration) {
    let url = format!("http://{}", node.ingress);
    println!("ingress {}", paint(&url, Style::new().bold().underline()));
    println!("admin http://{}", node.admin);
    if deployed {
        println!("{} in {} ms; save a file and it is live", paint("ready", good()), took.as_millis());
    } else {
        println!("{}; mend it, and it is live", paint("not ready", bad()));
    }
}

pub(super) fn reloaded(deployed: bool, took: Duration) {
    if deployed {
        println!("{} in {} ms", paint("reloaded", good()), took.as_millis());
    }
}

pub(super) fn notes(notes: &[String]) {
    for note in notes {
        println!("{} {note}", paint("note", Style::new().cyan()));
    }
}

pub(super) fn problem(problem: &Problem) {
    println!("{} {}", paint("error", bad()), problem.title);
    if problem.text != problem.title {
        for line in problem.text.lines() {
            println!("  {line}");
        }
    }
}

pub(super) fn log(line: &LogLine) {
    let style = match line.level.as_str() {
        "error" => bad(),
        "warn" => Style::new().yellow(),
        "debug" => Style::new().dimmed(),
        _ => Style::new(),
    };
    let name = paint(line.function.as_str(), Style::new().dimmed());
    println!("{name} {}", paint(&line.message, style));
}

fn good() -> Style {
    Style::new().green().bold()
}

fn bad() -> Style {
    Style::new().red().bold()
}
