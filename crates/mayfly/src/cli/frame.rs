//! Mistakes shown where they are: the message, the place, the line with a mark under it, the remedy.

use std::fmt::Write;

use mayfly_manifest::Problem;
use mayfly_runtime_api::Diagnostic;

use super::terminal::{Palette, Tone, harmless};

/// Columns that a tab takes, for marks must stand under what they mark.
const TAB: usize = 4;

/// Longest line that is shown whole; of a longer one, the part around the mark.
const LONGEST: usize = 120;

/// One mistake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Frame {
    diagnostic: Diagnostic,
    /// How many characters are marked.
    marked: usize,
}

impl From<Diagnostic> for Frame {
    fn from(diagnostic: Diagnostic) -> Self {
        Self { diagnostic, marked: 1 }
    }
}

impl From<Problem> for Frame {
    fn from(problem: Problem) -> Self {
        let skipped = problem.column.saturating_sub(1) as usize;
        let start = problem.source.char_indices().nth(skipped).map_or(0, |(at, _)| at);
        let length = problem.span.len().min(problem.source.len() - start);
        let marked = problem.source[start..].char_indices().take_while(|(at, _)| *at < length);
        let marked = marked.count().max(1);
        let diagnostic = Diagnostic {
            message: problem.message,
            file: Some(problem.file),
            line: Some(problem.line),
            column: Some(problem.column),
            source: Some(problem.source),
            help: problem.help,
        };
        Self { diagnostic, marked }
    }
}

impl Frame {
    /// The mistake as lines, the last one without its end.
    pub(crate) fn render(&self, palette: Palette) -> String {
        let Diagnostic { message, file, line, column, source, help } = &self.diagnostic;
        let mut text = format!("  {} {}", palette.paint(Tone::Bad, "×"), indented(message, 4));
        let number = line.map_or_else(String::new, |line| line.to_string());
        let rule = |text: &str| palette.paint(Tone::Faint, text);
        let margin = " ".repeat(number.len());
        if let Some(file) = file {
            let mut place = harmless(file);
            for part in [line, column].into_iter().flatten() {
                let _ = write!(place, ":{part}");
            }
            let (open, close) = (rule("╭─["), rule("]"));
            let _ = write!(text, "\n {margin} {open}{place}{close}");
        }
        if let (Some(source), Some(_)) = (source, line) {
            if file.is_none() {
                let _ = write!(text, "\n {margin} {}", rule("╭──"));
            }
            let shown = Shown::new(source, *column, self.marked);
            let _ = write!(text, "\n {} {} {}", rule(&number), rule("│"), shown.line);
            if let Some((before, width)) = shown.mark {
                let mark = palette.paint(Tone::Bad, "^".repeat(width));
                let _ = write!(text, "\n {margin} {} {}{mark}", rule("·"), " ".repeat(before));
            }
        }
        if file.is_some() || (source.is_some() && line.is_some()) {
            let _ = write!(text, "\n {margin} {}", rule("╰──"));
        }
        if let Some(help) = help {
            let _ =
                write!(text, "\n  {} {}", palette.paint(Tone::Good, "help:"), indented(help, 8));
        }
        text
    }
}

/// A line of source as it fits, and where its mark goes.
struct Shown {
    line: String,
    mark: Option<(usize, usize)>,
}

impl Shown {
    fn new(source: &str, column: Option<u32>, marked: usize) -> Self {
        let source = source.trim_end();
        let length = source.chars().count();
        let at = column.map(|column| (column.saturating_sub(1) as usize).min(length));
        let first = match at {
            Some(at) if length > LONGEST => at.saturating_sub(LONGEST / 2),
            _ => 0,
        };
        let width = |c: char| {
            if c == '\t' { TAB } else { harmless(c.encode_utf8(&mut [0; 4])).chars().count() }
        };
        let part = || source.chars().skip(first).take(LONGEST);
        let mut line = if first > 0 { "… ".to_owned() } else { String::new() };
        let indent = line.chars().count();
        for c in part() {
            match c {
                '\t' => line.push_str(&" ".repeat(TAB)),
                c => line.push_str(&harmless(c.encode_utf8(&mut [0; 4]))),
            }
        }
        if length > first + LONGEST {
            line.push_str(" …");
        }
        let mark = at.map(|at| {
            let before: usize = part().take(at - first).map(width).sum();
            let under: usize = part().skip(at - first).take(marked).map(width).sum();
            (indent + before, under.max(1))
        });
        Self { line, mark }
    }
}

/// `text` with the lines after its first one moved in.
pub(crate) fn indented(text: &str, by: usize) -> String {
    harmless(text.trim_end()).replace('\n', &format!("\n{}", " ".repeat(by)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn render(diagnostic: Diagnostic) -> String {
        Frame::from(diagnostic).render(Palette::Plain)
    }

    #[test]
    fn a_mistake_is_shown_in_its_line_with_its_remedy() {
        let mut diagnostic =
            Diagnostic::new("`foo` is not defined").at("src/index.js", 12, 7).help("import it");
        diagnostic.source = Some("  let x = foo();".into());
        insta::assert_snapshot!(render(diagnostic), @r"
          × `foo` is not defined
            ╭─[src/index.js:12:7]
         12 │   let x = foo();
            ·       ^
            ╰──
          help: import it
        ");
    }

    #[test]
    fn a_mistake_of_a_manifest_is_marked_as_long_as_it_is() {
        let text = "app = \"photos\"\n\n[functions.a]\ncode = \"a.js\"\nmemry = \"1MB\"\n";
        let errors = mayfly_manifest::parse(text, "mayfly.toml").unwrap_err();
        let frames = errors.into_problems().into_iter().map(Frame::from);
        let frames: Vec<String> = frames.map(|frame| frame.render(Palette::Plain)).collect();
        insta::assert_snapshot!(frames.join("\n"));
    }

    #[test]
    fn a_mistake_without_a_place_is_a_sentence() {
        insta::assert_snapshot!(render(Diagnostic::new("the artifact\nis damaged")), @r"
          × the artifact
            is damaged
        ");
        let mut diagnostic = Diagnostic::new("unexpected end");
        (diagnostic.line, diagnostic.source) = (Some(3), Some("}".into()));
        insta::assert_snapshot!(render(diagnostic), @r"
          × unexpected end
           ╭──
         3 │ }
           ╰──
        ");
    }

    #[test]
    fn marks_stand_under_tabs_wide_text_and_the_middle_of_long_lines() {
        let mut diagnostic = Diagnostic::new("x").at("a.js", 1, 3);
        diagnostic.source = Some("\té!\u{1b}".into());
        insta::assert_snapshot!(render(diagnostic.clone()), @r"
          × x
           ╭─[a.js:1:3]
         1 │     é!\u{1b}
           ·      ^
           ╰──
        ");
        diagnostic.source = Some(format!("{}!{}", "a".repeat(500), "b".repeat(500)));
        diagnostic.column = Some(501);
        let text = render(diagnostic.clone());
        let lines: Vec<&str> = text.lines().collect();
        let mark = lines[3].chars().position(|c| c == '^').unwrap();
        assert_eq!(lines[2].chars().nth(mark), Some('!'), "{text}");
        diagnostic.column = Some(u32::MAX);
        assert!(render(diagnostic).contains('^'));
    }
}
