//! What commands write to: the two streams, their colours, and what may be asked.

use std::fmt::Display;
use std::io::{self, BufRead, IsTerminal, Read, Write};

use owo_colors::{OwoColorize, Style};
use rustix::termios::{LocalModes, OptionalActions, tcgetattr, tcsetattr};
use supports_color::Stream;

/// How a piece of text stands out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Tone {
    /// Not at all.
    Plain,
    /// A name that the eye should find.
    Strong,
    /// What may be passed over.
    Faint,
    /// All is well.
    Good,
    /// Something to know.
    Warning,
    /// Something failed.
    Bad,
}

/// The colours of one stream, or none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Palette {
    /// Text alone.
    Plain,
    /// The terminal's own sixteen colours.
    Colours,
}

impl Palette {
    fn of(stream: Stream) -> Self {
        // NO_COLOR, FORCE_COLOR, CLICOLOR and what is no terminal are told apart there.
        if supports_color::on(stream).is_some() { Self::Colours } else { Self::Plain }
    }

    /// `text` in `tone`.
    pub(crate) fn paint(self, tone: Tone, text: impl Display) -> String {
        let style = match (self, tone) {
            (Self::Plain, _) | (_, Tone::Plain) => return text.to_string(),
            (_, Tone::Strong) => Style::new().bold(),
            (_, Tone::Faint) => Style::new().dimmed(),
            (_, Tone::Good) => Style::new().green(),
            (_, Tone::Warning) => Style::new().yellow(),
            (_, Tone::Bad) => Style::new().red().bold(),
        };
        text.style(style).to_string()
    }
}

/// The process's streams.
#[derive(Debug)]
pub(crate) struct Terminal {
    /// Colours of standard output.
    pub(crate) out: Palette,
    /// Colours of standard error.
    pub(crate) err: Palette,
    /// Whether a person reads standard output.
    pub(crate) out_is_terminal: bool,
    /// Whether a person reads standard error.
    pub(crate) err_is_terminal: bool,
    /// Whether a person types on standard input.
    pub(crate) in_is_terminal: bool,
}

impl Terminal {
    /// The process's own.
    pub(crate) fn of_process() -> Self {
        Self {
            out: Palette::of(Stream::Stdout),
            err: Palette::of(Stream::Stderr),
            out_is_terminal: io::stdout().is_terminal(),
            err_is_terminal: io::stderr().is_terminal(),
            in_is_terminal: io::stdin().is_terminal(),
        }
    }

    /// Writes a result: `text` and a new line.
    pub(crate) fn print(&self, text: impl Display) -> io::Result<()> {
        writeln!(io::stdout().lock(), "{text}")
    }

    /// Writes a result as it is.
    pub(crate) fn write(&self, bytes: &[u8]) -> io::Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes)?;
        out.flush()
    }

    /// Tells the person something that is no result.
    pub(crate) fn tell(&self, text: impl Display) {
        // Nobody is left to be told that standard error is closed.
        let _ = writeln!(io::stderr().lock(), "{text}");
    }

    /// Asks a question that `y` or `yes` agrees to.
    pub(crate) fn confirm(&self, question: &str) -> io::Result<bool> {
        self.ask(question)?;
        let mut answer = String::new();
        io::stdin().lock().read_line(&mut answer)?;
        Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
    }

    /// Asks for a line that is not shown while it is typed.
    pub(crate) fn secret_line(&self, question: &str) -> io::Result<String> {
        self.ask(question)?;
        let stdin = io::stdin();
        let before = tcgetattr(&stdin)?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO);
        silent.local_modes.insert(LocalModes::ECHONL);
        tcsetattr(&stdin, OptionalActions::Flush, &silent)?;
        let mut line = String::new();
        let read = stdin.lock().read_line(&mut line);
        tcsetattr(&stdin, OptionalActions::Flush, &before)?;
        read?;
        Ok(without_newline(line))
    }

    /// All of standard input.
    pub(crate) fn read_all(&self) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        io::stdin().lock().read_to_end(&mut bytes)?;
        Ok(bytes)
    }

    fn ask(&self, question: &str) -> io::Result<()> {
        let mut err = io::stderr().lock();
        write!(err, "{question} ")?;
        err.flush()
    }
}

/// `text` without the one line end that `echo` and editors add.
pub(crate) fn without_newline(mut text: String) -> String {
    if text.ends_with('\n') {
        text.pop();
        if text.ends_with('\r') {
            text.pop();
        }
    }
    text
}

/// `text` with every control character made visible, but for new lines and tabs: what a function
/// writes must not be able to steer the terminal that shows it.
pub(crate) fn harmless(text: &str) -> String {
    let mut clean = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' | '\t' => clean.push(c),
            c if c.is_control() => clean.extend(c.escape_default()),
            // These turn the order of what is shown around.
            '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => clean.extend(c.escape_default()),
            c => clean.push(c),
        }
    }
    clean
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_without_colours_is_text_alone() {
        assert_eq!(Palette::Plain.paint(Tone::Bad, "no"), "no");
        assert_eq!(Palette::Colours.paint(Tone::Plain, "no"), "no");
        assert_eq!(Palette::Colours.paint(Tone::Good, "yes"), "\u{1b}[32myes\u{1b}[0m");
    }

    #[test]
    fn a_function_cannot_steer_the_terminal() {
        assert_eq!(harmless("a\tb\nc é"), "a\tb\nc é");
        assert_eq!(harmless("\u{1b}]0;x\u{7}\r\u{9b}2J"), "\\u{1b}]0;x\\u{7}\\r\\u{9b}2J");
        assert_eq!(harmless("a\u{202e}b"), "a\\u{202e}b");
    }

    #[test]
    fn one_line_end_is_no_part_of_a_secret() {
        assert_eq!(without_newline("a\n\n".into()), "a\n");
        assert_eq!(without_newline("a\r\n".into()), "a");
        assert_eq!(without_newline("a ".into()), "a ");
    }
}
