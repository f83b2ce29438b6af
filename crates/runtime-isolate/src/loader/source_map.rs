//! From generated positions back to the ones that were written.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Where each part of a generated source came from.
///
/// Kept in the form of the `mappings` field of a source map (ECMA-426, "Mappings"): a few bytes
/// per position, decoded only when a stack trace needs it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct SourceMap {
    mappings: String,
}

impl SourceMap {
    /// Takes the `mappings` of a source map that has one source.
    pub(super) fn new(mappings: String) -> Self {
        Self { mappings }
    }

    /// The original line and column of a generated one. All count from 1; columns are in UTF-16
    /// units. `None` for a line that has nothing of the original.
    pub(crate) fn lookup(&self, line: u32, column: u32) -> Option<(u32, u32)> {
        let wanted_line = usize::try_from(line.checked_sub(1)?).ok()?;
        let wanted_column = i64::from(column.checked_sub(1)?);
        // Original positions are deltas over the whole map, so the lines before count too.
        let (mut line, mut column) = (0_i64, 0_i64);
        for (index, segments) in self.mappings.split(';').take(wanted_line + 1).enumerate() {
            let mut generated = 0_i64;
            let mut best = None;
            for segment in segments.split(',').filter(|segment| !segment.is_empty()) {
                let mut numbers = Numbers(segment.bytes());
                generated += numbers.next()?;
                let (Some(_source), Some(lines), Some(columns)) =
                    (numbers.next(), numbers.next(), numbers.next())
                else {
                    continue;
                };
                line += lines;
                column += columns;
                // Before the first segment of a line, the first is the nearest.
                if generated <= wanted_column || best.is_none() {
                    best = Some((line, column));
                }
            }
            if index == wanted_line {
                let (line, column) = best?;
                return Some((u32::try_from(line + 1).ok()?, u32::try_from(column + 1).ok()?));
            }
        }
        None
    }
}

/// Rewrites the positions in a stack trace of the engine (`at name (file:line:column)` or `at
/// file:line:column`, one per line) for the modules that have a map. All else stays as it is.
pub(crate) fn remap_stack(stack: &str, maps: &BTreeMap<String, SourceMap>) -> String {
    let mut out = String::with_capacity(stack.len());
    for line in stack.split_inclusive('\n') {
        match remap_line(line, maps) {
            Some(line) => out.push_str(&line),
            None => out.push_str(line),
        }
    }
    out
}

fn remap_line(text: &str, maps: &BTreeMap<String, SourceMap>) -> Option<String> {
    let trimmed = text.trim_end();
    let frame = trimmed.strip_suffix(')').unwrap_or(trimmed);
    let (rest, column) = frame.rsplit_once(':')?;
    let (rest, line) = rest.rsplit_once(':')?;
    let (line, column) = (line.parse().ok()?, column.parse().ok()?);
    // A file's name may hold blanks and brackets, so try what follows each opening.
    let starts = rest.match_indices(" (").map(|(at, opening)| at + opening.len());
    let start = rest.find("at ").map(|at| at + 3);
    let start = starts.chain(start).find(|&start| maps.contains_key(&rest[start..]))?;
    let name = &rest[start..];
    let (line, column) = maps.get(name)?.lookup(line, column)?;
    let before = &rest[..start];
    let after = &text[frame.len()..];
    Some(format!("{before}{name}:{line}:{column}{after}"))
}

/// The numbers of a segment: base 64, five bits to a digit, least significant first, the sign in
/// the lowest bit (ECMA-426, "Base64 VLQ").
struct Numbers<'a>(std::str::Bytes<'a>);

impl Iterator for Numbers<'_> {
    type Item = i64;

    fn next(&mut self) -> Option<i64> {
        let (mut value, mut shift) = (0_i64, 0);
        loop {
            let digit = match self.0.next()? {
                letter @ b'A'..=b'Z' => letter - b'A',
                letter @ b'a'..=b'z' => letter - b'a' + 26,
                figure @ b'0'..=b'9' => figure - b'0' + 52,
                b'+' => 62,
                b'/' => 63,
                _ => return None,
            };
            value |= i64::from(digit & 31) << shift;
            shift += 5;
            if digit & 32 == 0 {
                let magnitude = value >> 1;
                return Some(if value & 1 == 0 { magnitude } else { -magnitude });
            }
            if shift > 35 {
                return None;
            }
        }
    }
}
