//! Reading what the journal has, up to a position.

use std::collections::HashMap;
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

use mayfly_state_api::{Payer, Span, Sums};

use super::record::{self, HEAD, Record};
use super::segment::{self, FIRST, MAGIC, SIZE};

/// Bytes that are read at once; more than any record has.
const CHUNK: usize = 256 << 10;

/// Goes through a journal from the beginning to the end.
pub(crate) struct Reader {
    directory: PathBuf,
    at: u64,
    open: Option<Open>,
}

/// The segment that is read.
struct Open {
    start: u64,
    file: File,
    names: HashMap<u32, Payer>,
}

/// What attempts came to, by the minute in which they began and whose they are.
pub(crate) type Added = HashMap<(i64, Payer), Sums>;

impl Reader {
    /// A reader that goes on at a position.
    pub(crate) fn new(directory: &Path, at: u64) -> Self {
        Self { directory: directory.to_owned(), at, open: None }
    }

    /// Where it is.
    pub(crate) fn at(&self) -> u64 {
        self.at
    }

    /// Adds up what lies before `until`, where a record ends, or a part of it. Answers where that part ends.
    pub(crate) fn add_up(&mut self, until: u64) -> io::Result<Added> {
        let mut added = Added::new();
        let mut buffer = vec![0; CHUNK];
        while self.at < until {
            let start = self.at - self.at % SIZE;
            if !self.enter(start)? {
                // A whole segment is gone, with whatever was in it.
                self.at = (start + SIZE).min(until);
                continue;
            }
            let from = self.at.max(start + FIRST as u64);
            let until_here = until.min(start + SIZE);
            let Some(open) = &mut self.open else { continue };
            match open.read(from, until_here, &mut buffer, &mut added)? {
                // The segment was left before its end, or what follows was torn by a loss of power.
                None => self.at = until_here,
                Some(next) => {
                    self.at = next;
                    return Ok(added);
                }
            }
        }
        Ok(added)
    }

    /// Opens a segment and learns the names that stand in it before the present position.
    fn enter(&mut self, start: u64) -> io::Result<bool> {
        if self.open.as_ref().is_some_and(|open| open.start == start) {
            return Ok(true);
        }
        self.open = None;
        let path = segment::path(&self.directory, start);
        let file = match File::open(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            file => file?,
        };
        let mut magic = [0; FIRST];
        let read = file.read_at(&mut magic, 0)?;
        if read < FIRST || magic == [0; FIRST] {
            // Power was lost before anything of it was on disk.
            return Ok(false);
        }
        if magic != *MAGIC {
            let fault = format!(
                "{} is of another version of the ledger; move it away to begin without it",
                path.display()
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, fault));
        }
        let mut open = Open { start, file, names: HashMap::new() };
        let (mut from, mut buffer) = (start + FIRST as u64, vec![0; CHUNK]);
        while from < self.at {
            match open.read(from, self.at, &mut buffer, &mut Added::new())? {
                Some(next) => from = next,
                None => break,
            }
        }
        self.open = Some(open);
        Ok(true)
    }
}

impl Open {
    /// Reads some records of `from..until` and adds them up; answers where they end, or nothing where there is none.
    fn read(
        &mut self,
        from: u64,
        until: u64,
        buffer: &mut [u8],
        added: &mut Added,
    ) -> io::Result<Option<u64>> {
        let length = usize::try_from(until.saturating_sub(from)).unwrap_or(CHUNK).min(CHUNK);
        let mut read = 0;
        while read < length {
            let place = from - self.start + read as u64;
            match self.file.read_at(&mut buffer[read..length], place)? {
                0 => break,
                some => read += some,
            }
        }
        // By minute and number first: a number is looked up more quickly than names.
        let mut sums: HashMap<(i64, u32), Sums> = HashMap::new();
        let mut rest = &buffer[..read];
        while rest.len() > HEAD {
            let Some((record, length)) = record::read(rest) else { break };
            rest = &rest[length..];
            match record {
                Record::Names(number, payer) => {
                    // Where there was no room for another segment, a number begins anew in the same.
                    self.tell(&mut sums, added);
                    self.names.insert(number, payer);
                }
                Record::Attempt(record::Attempt { of, started_us, sums: more }) => {
                    *sums.entry((Span::Minute.start(started_us), of)).or_default() += more;
                }
            }
        }
        self.tell(&mut sums, added);
        let done = (read - rest.len()) as u64;
        Ok((done > 0).then_some(from + done))
    }

    /// Adds to names what was added up by numbers.
    fn tell(&self, sums: &mut HashMap<(i64, u32), Sums>, added: &mut Added) {
        for ((minute_us, of), sums) in sums.drain() {
            match self.names.get(&of) {
                Some(payer) => *added.entry((minute_us, payer.clone())).or_default() += sums,
                None => tracing::error!(of, "the ledger has an attempt of nobody"),
            }
        }
    }
}

/// Where the last record of a segment ends, relative to its beginning.
pub(crate) fn used(directory: &Path, start: u64) -> io::Result<u64> {
    let mut reader = Reader::new(directory, start + SIZE);
    if !reader.enter(start)? {
        return Ok(0);
    }
    let Some(mut open) = reader.open else { return Ok(0) };
    let (mut from, mut buffer) = (start + FIRST as u64, vec![0; CHUNK]);
    while let Some(next) = open.read(from, start + SIZE, &mut buffer, &mut Added::new())? {
        from = next;
    }
    Ok(from - start)
}
