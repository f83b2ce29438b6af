//! What `mayfly` alone says.

use super::table::{Cell, Table};
use super::terminal::{Palette, Tone};

/// A short way in.
pub(crate) fn render(palette: Palette) -> String {
    let mut steps = Table::bare();
    for (command, what) in [
        ("mayfly init", "start an app in this directory"),
        ("mayfly dev", "run it here, reload on save"),
        ("mayfly deploy", "send it to a node, get a URL"),
        ("mayfly logs -f", "watch what it writes"),
        ("mayfly list", "see what is deployed"),
    ] {
        steps.row([Cell::new(Tone::Plain, " "), Cell::new(Tone::Strong, command), what.into()]);
    }
    let mut node = Table::bare();
    for (command, what) in [
        ("mayfly doctor", "see whether this machine can be a node"),
        ("mayfly serve", "make it one"),
    ] {
        node.row([Cell::new(Tone::Plain, " "), Cell::new(Tone::Strong, command), what.into()]);
    }
    format!(
        "Mayfly runs functions on machines you own.\n\nWrite and ship:\n{}\n\nRun a node:\n{}\n\n\
         `mayfly --help` names every command, `mayfly COMMAND --help` explains one.",
        steps.render(palette),
        node.render(palette)
    )
}
