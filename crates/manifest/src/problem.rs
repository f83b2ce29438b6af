//! What is wrong with a manifest, and where.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

use miette::{Diagnostic, LabeledSpan, NamedSource, SourceCode};

/// Most mistakes that are told. Each carries its line of the manifest, which a stranger may make long.
const MOST: usize = 100;

/// A manifest's text under the name that messages use for it.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) name: String,
    pub(crate) text: String,
}

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// What is wrong, as one sentence without a full stop.
    pub message: String,
    /// The manifest's name.
    pub file: String,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1, in characters.
    pub column: u32,
    /// The bytes of the manifest it is about.
    pub span: Range<usize>,
    /// The line of the manifest it is in.
    pub source: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}: {}", self.file, self.line, self.column, self.message)
    }
}

/// All that is wrong with a manifest, up to a hundred mistakes; never empty, in the order of the text.
///
/// As a [`miette::Diagnostic`] it carries the manifest, so that a report shows each mistake in its
/// line.
#[derive(Debug, Clone)]
pub struct ManifestErrors {
    source: Arc<NamedSource<String>>,
    problems: Vec<Framed>,
}

impl ManifestErrors {
    /// The mistakes, in the order of the text.
    pub fn problems(&self) -> impl ExactSizeIterator<Item = &Problem> {
        self.problems.iter().map(|framed| &framed.0)
    }

    /// The mistakes themselves.
    pub fn into_problems(self) -> Vec<Problem> {
        self.problems.into_iter().map(|framed| framed.0).collect()
    }
}

impl fmt::Display for ManifestErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.problems[..] {
            [Framed(only)] => f.write_str(&only.message),
            several => write!(f, "{} has {} mistakes", self.source.name(), several.len()),
        }
    }
}

impl std::error::Error for ManifestErrors {}

// A single mistake is the report; several are listed below a heading.
impl Diagnostic for ManifestErrors {
    fn source_code(&self) -> Option<&dyn SourceCode> {
        Some(&*self.source)
    }

    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        match &self.problems[..] {
            [only] => only.help(),
            _ => None,
        }
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        match &self.problems[..] {
            [only] => only.labels(),
            _ => None,
        }
    }

    fn related<'a>(&'a self) -> Option<Box<dyn Iterator<Item = &'a dyn Diagnostic> + 'a>> {
        match &self.problems[..] {
            [_] => None,
            several => Some(Box::new(several.iter().map(|problem| problem as &dyn Diagnostic))),
        }
    }
}

/// A problem as miette shows it: without the place in its message, for the frame tells it.
#[derive(Debug, Clone)]
struct Framed(Problem);

impl fmt::Display for Framed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl std::error::Error for Framed {}

impl Diagnostic for Framed {
    fn help<'a>(&'a self) -> Option<Box<dyn fmt::Display + 'a>> {
        self.0.help.as_ref().map(|help| Box::new(help) as Box<dyn fmt::Display>)
    }

    fn labels(&self) -> Option<Box<dyn Iterator<Item = LabeledSpan> + '_>> {
        Some(Box::new(std::iter::once(LabeledSpan::underline(self.0.span.clone()))))
    }
}

/// Collects mistakes while a manifest is read.
pub(crate) struct Problems {
    source: Arc<Source>,
    /// Where each line begins.
    lines: Vec<usize>,
    found: Vec<Problem>,
}

impl Problems {
    pub(crate) fn new(source: Arc<Source>) -> Self {
        let newlines = source.text.match_indices('\n').map(|(newline, _)| newline + 1);
        let lines = std::iter::once(0).chain(newlines).collect();
        Self { source, lines, found: Vec::new() }
    }

    pub(crate) fn add(&mut self, span: Range<usize>, message: impl Into<String>) {
        self.push(span, message.into(), None);
    }

    pub(crate) fn add_with_help(
        &mut self,
        span: Range<usize>,
        message: impl Into<String>,
        help: impl Into<String>,
    ) {
        self.push(span, message.into(), Some(help.into()));
    }

    fn push(&mut self, span: Range<usize>, message: String, help: Option<String>) {
        if self.found.len() == MOST {
            return;
        }
        let text = &self.source.text;
        // A recovering parser may point past the end or into a character.
        let start = text.floor_char_boundary(span.start);
        let end = text.ceil_char_boundary(span.end).max(start);
        let line = self.line_of(start);
        let line_start = self.lines[line - 1];
        let line_end = text[start..].find('\n').map_or(text.len(), |newline| start + newline);
        self.found.push(Problem {
            message,
            file: self.source.name.clone(),
            line: number(line),
            column: number(text[line_start..start].chars().count() + 1),
            span: start..end,
            source: text[line_start..line_end].trim_end_matches('\r').to_owned(),
            help,
        });
    }

    /// The line, from 1, that `offset` is in.
    pub(crate) fn line_of(&self, offset: usize) -> usize {
        self.lines.partition_point(|start| *start <= offset)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.found.is_empty()
    }

    /// `value` when there were no mistakes.
    pub(crate) fn finish<T>(mut self, value: T) -> Result<T, ManifestErrors> {
        if self.found.is_empty() { Ok(value) } else { Err(self.sorted()) }
    }

    /// The mistakes, of which there must be one at least.
    pub(crate) fn into_errors(mut self) -> ManifestErrors {
        debug_assert!(!self.found.is_empty(), "a failure says why");
        self.sorted()
    }

    fn sorted(&mut self) -> ManifestErrors {
        let mut found = std::mem::take(&mut self.found);
        found.sort_by_key(|problem| problem.span.start);
        ManifestErrors {
            source: Arc::new(
                NamedSource::new(&self.source.name, self.source.text.clone()).with_language("toml"),
            ),
            problems: found.into_iter().map(Framed).collect(),
        }
    }
}

fn number(n: usize) -> u32 {
    u32::try_from(n).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;
