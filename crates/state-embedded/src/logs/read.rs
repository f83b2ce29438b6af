//! Finds lines in segments, beside the writer.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use mayfly_state_api::{LogLine, LogQuery};
use mayfly_types::FunctionName;
use serde::Deserialize;

use super::Record;

/// A segment as it was at one moment.
pub(crate) struct Source {
    pub(crate) path: PathBuf,
    pub(crate) function: FunctionName,
    /// No line's position is less.
    pub(crate) first: u64,
    /// No line's position is more.
    pub(crate) last: u64,
    /// Its length then; what follows was written later.
    pub(crate) bytes: u64,
}

/// Where an app's lines were at one moment.
pub(crate) struct Snapshot {
    pub(crate) sources: Vec<Source>,
    /// The position of the newest line of all apps.
    pub(crate) end: u64,
}

/// Answers a query: lines in order and the position to go on from.
pub(crate) fn read(query: &LogQuery, snapshot: Snapshot) -> io::Result<(Vec<LogLine>, u64)> {
    let (found, end) = match query.after {
        // A position from the future is of logs that are no more: the caller starts anew.
        Some(after) if after > snapshot.end => (BTreeMap::new(), snapshot.end),
        Some(after) if query.limit == 0 => (BTreeMap::new(), after),
        Some(after) => {
            let end = snapshot.end;
            let found = next(query, snapshot, after)?;
            let end = match found.last_key_value() {
                Some((last, _)) if found.len() >= query.limit => *last,
                _ => end,
            };
            (found, end)
        }
        None => {
            let end = snapshot.end;
            (newest(query, snapshot)?, end)
        }
    };
    Ok((found.into_values().collect(), end))
}

fn newest(query: &LogQuery, snapshot: Snapshot) -> io::Result<BTreeMap<u64, LogLine>> {
    let mut found = BTreeMap::new();
    let mut sources = snapshot.sources;
    sources.sort_unstable_by_key(|source| std::cmp::Reverse(source.last));
    for source in sources {
        // Once there are enough, only lines newer than the oldest of them matter.
        let oldest = |found: &BTreeMap<u64, LogLine>| match found.first_key_value() {
            Some((position, _)) if found.len() >= query.limit => *position,
            _ => 0,
        };
        if query.limit == 0 || source.last < oldest(&found) {
            break;
        }
        let bytes = load(&source)?;
        for line in lines(&bytes).into_iter().rev() {
            let Some(record) = parse(query, line) else { continue };
            if record.position < oldest(&found) {
                break;
            }
            if fits(query, &record) {
                found.insert(record.position, restore(query, &source, record));
            }
            if found.len() > query.limit {
                found.pop_first();
            }
        }
    }
    Ok(found)
}

fn next(query: &LogQuery, snapshot: Snapshot, after: u64) -> io::Result<BTreeMap<u64, LogLine>> {
    let mut found = BTreeMap::new();
    let mut sources = snapshot.sources;
    sources.retain(|source| source.last > after);
    sources.sort_unstable_by_key(|source| source.first);
    for source in sources {
        // Once there are enough, only lines older than the newest of them matter.
        let newest = |found: &BTreeMap<u64, LogLine>| match found.last_key_value() {
            Some((position, _)) if found.len() >= query.limit => *position,
            _ => u64::MAX,
        };
        if source.first > newest(&found) {
            break;
        }
        let bytes = load(&source)?;
        let lines = lines(&bytes);
        for line in &lines[start_after(&lines, after)..] {
            let Some(record) = parse(query, line) else { continue };
            if record.position > newest(&found) {
                break;
            }
            if record.position > after && fits(query, &record) {
                found.insert(record.position, restore(query, &source, record));
            }
            if found.len() > query.limit {
                found.pop_last();
            }
        }
    }
    Ok(found)
}

/// A segment's bytes; none where it was removed since to make room.
fn load(source: &Source) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    match File::open(&source.path) {
        Ok(file) => file.take(source.bytes).read_to_end(&mut bytes)?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => 0,
        Err(error) => return Err(error),
    };
    Ok(bytes)
}

/// The whole lines; what follows the last line break was cut off by a kill or a power cut.
fn lines(bytes: &[u8]) -> Vec<&[u8]> {
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').unwrap_or(0);
    bytes[..whole].split(|byte| *byte == b'\n').collect()
}

/// Where the lines after a position begin, found by halving.
fn start_after(lines: &[&[u8]], after: u64) -> usize {
    let (mut low, mut high) = (0, lines.len());
    while low < high {
        let middle = low.midpoint(high);
        // A damaged line tells nothing; the next whole one does.
        let told = (middle..high).find_map(|at| position(lines[at]).map(|told| (at, told)));
        match told {
            Some((at, told)) if told <= after => low = at + 1,
            _ => high = middle,
        }
    }
    low
}

fn position(line: &[u8]) -> Option<u64> {
    #[derive(Deserialize)]
    struct Position {
        position: u64,
    }
    serde_json::from_slice(line).ok().map(|Position { position }| position)
}

/// Reads a line; nothing where it is damaged or cannot be of the invocation that is asked for.
fn parse(query: &LogQuery, line: &[u8]) -> Option<Record> {
    let line = std::str::from_utf8(line).ok()?;
    // Searching is much cheaper than parsing.
    if query.invocation.is_some_and(|invocation| !line.contains(&invocation.to_string())) {
        return None;
    }
    serde_json::from_str(line).ok()
}

fn fits(query: &LogQuery, record: &Record) -> bool {
    query.wants(record.time_us, record.invocation, &record.level, &record.message)
}

fn restore(query: &LogQuery, source: &Source, record: Record) -> LogLine {
    LogLine {
        time_us: record.time_us,
        app: query.app.clone(),
        function: source.function.clone(),
        invocation: record.invocation,
        level: record.level,
        message: record.message,
    }
}
