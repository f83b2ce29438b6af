//! From byte offsets to what a person reads.

use mayfly_runtime_api::Diagnostic;

/// A longer line is not shown: it is a bundle's, and says nothing.
const MAX_LINE: usize = 400;

/// The line and the column, both from 1, the column in characters.
pub(super) fn line_column(source: &str, offset: usize) -> (u32, u32) {
    let offset = floor(source, offset);
    let start = line_start(source, offset);
    let line = source[..start].bytes().filter(|&byte| byte == b'\n').count() + 1;
    let column = source[start..offset].chars().count() + 1;
    (u32::try_from(line).unwrap_or(u32::MAX), u32::try_from(column).unwrap_or(u32::MAX))
}

/// A diagnostic at an offset of a file.
pub(super) fn at(
    message: impl Into<String>,
    file: &str,
    source: &str,
    offset: usize,
) -> Diagnostic {
    let (line, column) = line_column(source, offset);
    let start = line_start(source, floor(source, offset));
    let text = source[start..].lines().next().unwrap_or_default();
    let mut diagnostic = Diagnostic::new(message).at(file, line, column);
    diagnostic.source = (text.len() <= MAX_LINE).then(|| text.to_owned());
    diagnostic
}

/// The candidate that is most like `wanted`, if one is like it at all.
pub(super) fn nearest<'a>(
    wanted: &str,
    candidates: impl IntoIterator<Item = &'a str>,
) -> Option<&'a str> {
    let limit = (wanted.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (distance(wanted, candidate), candidate))
        .filter(|(distance, _)| *distance <= limit)
        .min()
        .map(|(_, candidate)| candidate)
}

/// The number of characters to insert, remove or replace; a change of case is free.
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().flat_map(char::to_lowercase).collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.chars().flat_map(char::to_lowercase).enumerate() {
        let mut diagonal = row[0];
        row[0] = i + 1;
        for (j, y) in b.iter().enumerate() {
            let replaced = diagonal + usize::from(x != *y);
            diagonal = row[j + 1];
            row[j + 1] = replaced.min(row[j] + 1).min(diagonal + 1);
        }
    }
    row[b.len()]
}

fn floor(source: &str, offset: usize) -> usize {
    source.floor_char_boundary(offset.min(source.len()))
}

fn line_start(source: &str, offset: usize) -> usize {
    source[..offset].rfind('\n').map_or(0, |newline| newline + 1)
}
