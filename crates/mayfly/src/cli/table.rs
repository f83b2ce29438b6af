//! Tables for people: columns in line, nothing drawn around them.

use super::terminal::{Palette, Tone};

/// Between two columns.
const GAP: usize = 2;

/// Rows below headings.
#[derive(Debug)]
pub(crate) struct Table {
    headings: Vec<String>,
    rows: Vec<Vec<Cell>>,
}

/// One field.
#[derive(Debug, Clone)]
pub(crate) struct Cell {
    text: String,
    tone: Tone,
    align: Align,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

impl Cell {
    /// A field in a tone.
    pub(crate) fn new(tone: Tone, text: impl ToString) -> Self {
        Self { text: text.to_string(), tone, align: Align::Left }
    }

    /// A number, at the right of its column.
    pub(crate) fn number(text: impl ToString) -> Self {
        Self { text: text.to_string(), tone: Tone::Plain, align: Align::Right }
    }

    /// The same in another tone.
    pub(crate) fn tone(mut self, tone: Tone) -> Self {
        self.tone = tone;
        self
    }
}

impl<T: ToString> From<T> for Cell {
    fn from(text: T) -> Self {
        Self::new(Tone::Plain, text)
    }
}

impl Table {
    /// A table with these headings and no rows.
    pub(crate) fn new<const N: usize>(headings: [&'static str; N]) -> Self {
        Self::with(headings.map(String::from).into())
    }

    /// A table with headings that are known only when it is made.
    pub(crate) fn with(headings: Vec<String>) -> Self {
        Self { headings, rows: Vec::new() }
    }

    /// A table that needs no headings.
    pub(crate) fn bare() -> Self {
        Self { headings: Vec::new(), rows: Vec::new() }
    }

    /// Adds a row.
    pub(crate) fn row<const N: usize>(&mut self, cells: [Cell; N]) {
        self.cells(cells.into());
    }

    /// Adds a row of as many cells as the table has headings.
    pub(crate) fn cells(&mut self, cells: Vec<Cell>) {
        self.rows.push(cells);
    }

    /// The table as lines, the last one without its end.
    pub(crate) fn render(&self, palette: Palette) -> String {
        let columns = self.rows.iter().map(Vec::len).chain([self.headings.len()]).max();
        let width = |text: &str| text.chars().count();
        let widths: Vec<usize> = (0..columns.unwrap_or(0))
            .map(|column| {
                let cells = self.rows.iter().filter_map(|row| row.get(column));
                let cells = cells.map(|cell| width(&cell.text));
                cells.chain(self.headings.get(column).map(|text| width(text))).max().unwrap_or(0)
            })
            .collect();
        let right = |column: usize| {
            let first = self.rows.first().and_then(|row| row.get(column));
            first.is_some_and(|cell| cell.align == Align::Right)
        };
        let headings = self.headings.iter().enumerate().map(|(column, text)| Cell {
            text: text.clone(),
            tone: Tone::Faint,
            align: if right(column) { Align::Right } else { Align::Left },
        });
        let headings: Vec<Cell> = headings.collect();
        let heading_row = (!headings.is_empty()).then_some(&headings);
        let lines = heading_row.into_iter().chain(&self.rows).map(|row| {
            let mut line = String::new();
            let mut pending = 0;
            for (cell, column) in row.iter().zip(&widths) {
                let pad = column - width(&cell.text);
                let (before, after) = match cell.align {
                    Align::Left => (0, pad),
                    Align::Right => (pad, 0),
                };
                if !cell.text.is_empty() {
                    line.push_str(&" ".repeat(pending + before));
                    line.push_str(&palette.paint(cell.tone, &cell.text));
                    pending = after + GAP;
                } else {
                    pending += column + GAP;
                }
            }
            line
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_stand_in_line_and_no_line_ends_in_spaces() {
        let mut table = Table::new(["APP", "N", "NOTE"]);
        table.row(["photos".into(), Cell::number(7), "été".into()]);
        table.row(["a".into(), Cell::number(120), "".into()]);
        table.row(["".into(), Cell::number(1), Cell::new(Tone::Good, "ok")]);
        insta::assert_snapshot!(table.render(Palette::Plain), @r"
        APP       N  NOTE
        photos    7  été
        a       120
                  1  ok
        ");
    }

    #[test]
    fn colours_do_not_move_columns() {
        let mut table = Table::bare();
        table.row([Cell::new(Tone::Good, "a"), "b".into()]);
        table.row([Cell::new(Tone::Bad, "ccc"), "d".into()]);
        let plain = table.render(Palette::Plain);
        assert_eq!(plain, "a    b\nccc  d");
        assert_eq!(
            table.render(Palette::Colours),
            "\u{1b}[32ma\u{1b}[0m    b\n\u{1b}[31;1mccc\u{1b}[0m  d"
        );
    }
}
