//! The segments on disk and the bounds they keep.

use std::collections::{BTreeMap, VecDeque};
use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

use mayfly_state_api::{Error, LogLine};
use mayfly_types::{AppKey, AppName, FunctionName, TenantName};

use super::read::{Snapshot, Source};
use super::{LogLimits, Owner, Record};
use crate::files;

/// Positions that are taken from the `position` file at once, so that it is seldom written. What
/// a run does not use is never used.
const RESERVE: u64 = 1_000_000;
/// No segment is closed before it has this many bytes, unless the limits ask for it.
const SMALLEST: u64 = 64 << 10;
/// Most files that stay open between two rounds.
const OPEN: usize = 128;
/// A segment is closed when it has lines of so much of the time that they are kept, in parts of it.
const PARTS: i64 = 8;
/// How often old segments are looked for, in microseconds.
const LOOK_US: i64 = 60_000_000;

struct Segment {
    first: u64,
    // An upper bound for a segment of an earlier run.
    last: u64,
    bytes: u64,
    /// When its first line was written and its newest, in UTC microseconds since 1970; of an earlier run's, the latter is both.
    begun_us: i64,
    newest_us: i64,
}

/// One function's segments, oldest first; the last one grows.
struct Partition {
    dir: PathBuf,
    segments: VecDeque<Segment>,
    bytes: u64,
    file: Option<File>,
    dirty: bool,
}

/// All segments.
pub(crate) struct Shelf {
    root: PathBuf,
    limits: LogLimits,
    partitions: BTreeMap<Owner, Partition>,
    bytes: u64,
    next: u64,
    reserved: u64,
    /// When old segments were looked for last, in UTC microseconds since 1970.
    looked_us: i64,
    /// Lines that each function lost and that no line tells of yet.
    lost: BTreeMap<Owner, u64>,
    /// Why lines were lost since the last flush.
    fault: Option<Error>,
}

impl Shelf {
    /// Finds what earlier runs left. `now_us` numbers lines where the file with their number is
    /// gone.
    pub(crate) fn open(root: &Path, limits: LogLimits, now_us: i64) -> io::Result<Self> {
        let mut partitions = BTreeMap::new();
        for (tenant, dir) in dirs::<TenantName>(root)? {
            for (app, dir) in dirs::<AppName>(&dir)? {
                let app = AppKey::new(tenant.clone(), app);
                for (function, dir) in dirs::<FunctionName>(&dir)? {
                    partitions.insert((app.clone(), function), Partition::open(dir)?);
                }
            }
        }
        let bytes = partitions.values().map(|partition| partition.bytes).sum();
        let number = fs::read_to_string(root.join("position")).ok();
        let next = match number.and_then(|number| number.trim().parse().ok()) {
            Some(next) => next,
            None if partitions.is_empty() => 1,
            None => u64::try_from(now_us).unwrap_or(0).max(1),
        };
        for partition in partitions.values_mut() {
            partition.bound(next - 1);
        }
        let root = root.to_owned();
        let lost = BTreeMap::new();
        let mut shelf = Self {
            root,
            limits,
            partitions,
            bytes,
            next,
            reserved: next,
            looked_us: i64::MIN,
            lost,
            fault: None,
        };
        shelf.forget(now_us);
        Ok(shelf)
    }

    /// The position of the newest line.
    pub(crate) fn end(&self) -> u64 {
        self.next - 1
    }

    /// Writes lines, and for each function that lost some a line that says so. What cannot be
    /// written is counted as lost.
    pub(crate) fn write(&mut self, lines: Vec<LogLine>, lost: BTreeMap<Owner, u64>, now_us: i64) {
        let mut batches: BTreeMap<Owner, Vec<Record>> = BTreeMap::new();
        for line in lines {
            let position = self.next;
            self.next += 1;
            let LogLine { time_us, app, function, invocation, level, message } = line;
            let record = Record { position, time_us, invocation, level, message };
            batches.entry((app, function)).or_default().push(record);
        }
        let mut told = std::mem::take(&mut self.lost);
        for (owner, count) in lost {
            *told.entry(owner).or_default() += count;
        }
        for (owner, count) in &told {
            let record = lost_line(self.next, now_us, *count);
            self.next += 1;
            batches.entry(owner.clone()).or_default().push(record);
        }
        if let Err(error) = self.reserve() {
            tracing::warn!(%error, "write the position of logs");
            self.fault = Some(files::failed("write logs", &error));
            for (owner, batch) in batches {
                let before = told.remove(&owner);
                self.count_lost(owner, batch.len() as u64, before);
            }
            return;
        }
        for (owner, batch) in batches {
            let length = batch.len() as u64;
            if let Err((error, written)) = self.write_batch(&owner, batch, now_us) {
                tracing::warn!(%error, app = %owner.0, function = %owner.1, "write logs");
                self.fault = Some(files::failed("write logs", &error));
                let before = told.remove(&owner);
                self.count_lost(owner, length - written, before);
            }
        }
        self.make_room();
        self.forget(now_us);
        self.close_some();
    }

    /// Where an app's lines are now.
    pub(crate) fn snapshot(
        &self,
        app: &AppKey,
        function: Option<&FunctionName>,
        now_us: i64,
    ) -> Snapshot {
        let before_us = self.kept_since_us(now_us);
        let of_app = self.partitions.iter().filter(|((key, name), _)| {
            key == app && function.is_none_or(|function| function == name)
        });
        let sources = of_app.flat_map(|((_, function), partition)| {
            let kept = partition.segments.iter().filter(move |it| it.newest_us >= before_us);
            kept.map(|segment| Source {
                path: partition.path(segment.first),
                function: function.clone(),
                first: segment.first,
                last: segment.last,
                bytes: segment.bytes,
            })
        });
        Snapshot { sources: sources.collect(), end: self.end() }
    }

    /// Puts everything onto the disk, or says why lines did not get there since the last flush.
    pub(crate) fn flush(&mut self) -> Result<(), Error> {
        let dirty = self.partitions.values_mut().filter(|partition| partition.dirty);
        for partition in dirty {
            partition.sync(&self.root).map_err(|error| files::failed("write logs", &error))?;
        }
        self.fault.take().map_or(Ok(()), Err)
    }

    /// Removes an app's lines.
    pub(crate) fn delete_app(&mut self, app: &AppKey) -> Result<(), Error> {
        self.partitions.retain(|(key, _), partition| {
            if key == app {
                self.bytes -= partition.bytes;
            }
            key != app
        });
        self.lost.retain(|(key, _), _| key != app);
        match fs::remove_dir_all(self.root.join(app.tenant.as_str()).join(app.app.as_str())) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(files::failed("delete logs", &error))
            }
            _ => Ok(()),
        }
    }

    /// Keeps the `position` file ahead of every line, so that no number is ever used twice.
    fn reserve(&mut self) -> io::Result<()> {
        if self.next > self.reserved {
            let reserved = self.next + RESERVE;
            files::replace(&self.root.join("position"), format!("{reserved}\n").as_bytes())?;
            self.reserved = reserved;
        }
        Ok(())
    }

    /// Counts lines as lost. Where one of them was the line that told of `before` earlier ones,
    /// those count again instead of it.
    fn count_lost(&mut self, owner: Owner, lines: u64, before: Option<u64>) {
        let lines = before.map_or(lines, |before| lines.saturating_sub(1) + before);
        *self.lost.entry(owner).or_default() += lines;
    }

    /// Writes one function's lines. An error comes with how many were written before it.
    fn write_batch(
        &mut self,
        owner: &Owner,
        batch: Vec<Record>,
        now_us: i64,
    ) -> Result<(), (io::Error, u64)> {
        let close = Close { at: self.close_at(), before_us: now_us - self.keep_us() / PARTS };
        let (app, function) = owner;
        let partition = self.partitions.entry(owner.clone()).or_insert_with(|| {
            let of_app = self.root.join(app.tenant.as_str()).join(app.app.as_str());
            Partition::new(of_app.join(function.as_str()))
        });
        let before = partition.bytes;
        let written = partition.append(batch, close, now_us);
        while partition.bytes > self.limits.function && partition.segments.len() > 1 {
            partition.remove_oldest();
        }
        self.bytes = self.bytes + partition.bytes - before;
        written
    }

    fn keep_us(&self) -> i64 {
        // Times in microseconds have room for many of these.
        i64::try_from(self.limits.keep.as_micros()).unwrap_or(i64::MAX / 4)
    }

    /// Lines that were written before are not shown.
    fn kept_since_us(&self, now_us: i64) -> i64 {
        now_us.saturating_sub(self.keep_us())
    }

    /// Removes segments whose newest line is too old.
    fn forget(&mut self, now_us: i64) {
        // A clock that went back is no reason to wait.
        if (self.looked_us..self.looked_us.saturating_add(LOOK_US)).contains(&now_us) {
            return;
        }
        self.looked_us = now_us;
        let before_us = self.kept_since_us(now_us);
        for partition in self.partitions.values_mut() {
            let before = partition.bytes;
            while partition.segments.front().is_some_and(|it| it.newest_us < before_us) {
                partition.remove_oldest();
            }
            self.bytes -= before - partition.bytes;
        }
    }

    /// At which size a segment is closed: small enough that removing one is no great loss.
    fn close_at(&self) -> u64 {
        let share = self.limits.total / (8 * (self.partitions.len() as u64 + 1));
        let most = self.limits.segment.min(self.limits.function / 4).min(self.limits.total / 8);
        share.max(SMALLEST).min(most)
    }

    /// Removes the oldest segments of whoever holds the most.
    fn make_room(&mut self) {
        while self.bytes > self.limits.total {
            let partitions = self.partitions.values_mut();
            // A function keeps its newest segment while another has more than one.
            let largest = partitions.max_by_key(|p| (p.segments.len() > 1, p.bytes));
            let Some(largest) = largest.filter(|partition| partition.bytes > 0) else { return };
            let before = largest.bytes;
            largest.remove_oldest();
            self.bytes -= before - largest.bytes;
        }
    }

    fn close_some(&mut self) {
        let open = self.partitions.values_mut().filter(|partition| partition.file.is_some());
        for partition in open.skip(OPEN) {
            partition.file = None;
        }
    }
}

/// When a segment is closed.
#[derive(Clone, Copy)]
struct Close {
    /// With so many bytes.
    at: u64,
    /// When its first line was written before this.
    before_us: i64,
}

impl Partition {
    fn new(dir: PathBuf) -> Self {
        Self { dir, segments: VecDeque::new(), bytes: 0, file: None, dirty: false }
    }

    fn open(dir: PathBuf) -> io::Result<Self> {
        let mut segments = Vec::new();
        for entry in fs::read_dir(&dir)? {
            let entry = entry?;
            let name = entry.file_name();
            let first = name.to_str().and_then(|name| name.strip_suffix(".jsonl")?.parse().ok());
            if let Some(first) = first {
                let metadata = entry.metadata()?;
                let written = metadata.modified()?.duration_since(UNIX_EPOCH);
                let written = written.map_or(0, |since| since.as_micros());
                let newest_us = i64::try_from(written).unwrap_or(i64::MAX);
                let bytes = metadata.len();
                let segment =
                    Segment { first, last: u64::MAX, bytes, begun_us: newest_us, newest_us };
                segments.push(segment);
            }
        }
        segments.sort_unstable_by_key(|segment| segment.first);
        let bytes = segments.iter().map(|segment| segment.bytes).sum();
        Ok(Self { bytes, segments: segments.into(), ..Self::new(dir) })
    }

    /// Bounds the positions in segments of an earlier run: none reaches the next segment's first.
    fn bound(&mut self, end: u64) {
        let mut end = end;
        for segment in self.segments.iter_mut().rev() {
            segment.last = end.max(segment.first);
            end = segment.first - 1;
        }
    }

    fn path(&self, first: u64) -> PathBuf {
        self.dir.join(format!("{first:020}.jsonl"))
    }

    /// Appends lines; a segment that is to be closed is followed by a new one.
    fn append(
        &mut self,
        batch: Vec<Record>,
        close: Close,
        now_us: i64,
    ) -> Result<(), (io::Error, u64)> {
        let (mut written, mut waiting) = (0, 0);
        let mut bytes = Vec::new();
        let mut batch = batch.into_iter().peekable();
        while let Some(record) = batch.next() {
            let position = record.position;
            let open = |error| (error, written);
            if bytes.is_empty() {
                self.open_last(position, close, now_us).map_err(open)?;
            }
            serde_json::to_writer(&mut bytes, &record).map_err(|error| open(error.into()))?;
            bytes.push(b'\n');
            waiting += 1;
            let closes = self.newest_bytes() + bytes.len() as u64 >= close.at;
            if closes || batch.peek().is_none() {
                self.write_last(&bytes, position, now_us).map_err(open)?;
                written += waiting;
                waiting = 0;
                bytes.clear();
            }
        }
        Ok(())
    }

    fn newest_bytes(&self) -> u64 {
        self.segments.back().map_or(0, |segment| segment.bytes)
    }

    /// Makes sure that there is an open segment with room; a new one begins at `position`.
    fn open_last(&mut self, position: u64, close: Close, now_us: i64) -> io::Result<()> {
        let mut options = File::options();
        let options = options.read(true).append(true).mode(0o600);
        match self.segments.back_mut() {
            Some(segment) if segment.bytes < close.at && segment.begun_us >= close.before_us => {
                if self.file.is_none() {
                    files::make_dir(&self.dir)?;
                    let path = self.dir.join(format!("{:020}.jsonl", segment.first));
                    let mut file = options.create(true).open(path)?;
                    let bytes = mend(&mut file)?;
                    self.bytes = self.bytes - segment.bytes + bytes;
                    segment.bytes = bytes;
                    self.file = Some(file);
                }
            }
            _ => {
                if self.dirty {
                    self.sync_newest()?;
                }
                files::make_dir(&self.dir)?;
                self.file = Some(options.create_new(true).open(self.path(position))?);
                self.segments.push_back(Segment {
                    first: position,
                    last: position,
                    bytes: 0,
                    begun_us: now_us,
                    newest_us: now_us,
                });
            }
        }
        Ok(())
    }

    /// Writes whole lines to the open segment, or nothing.
    fn write_last(&mut self, bytes: &[u8], last: u64, now_us: i64) -> io::Result<()> {
        let (Some(file), Some(segment)) = (&mut self.file, self.segments.back_mut()) else {
            return Err(io::Error::other("no segment is open"));
        };
        if let Err(error) = file.write_all(bytes) {
            // What was written of it must not stand before later lines.
            if file.set_len(segment.bytes).is_err() {
                self.file = None;
            }
            return Err(error);
        }
        self.dirty = true;
        segment.bytes += bytes.len() as u64;
        segment.last = last;
        segment.newest_us = now_us;
        self.bytes += bytes.len() as u64;
        Ok(())
    }

    fn sync_newest(&self) -> io::Result<()> {
        match (&self.file, self.segments.back()) {
            (Some(file), _) => file.sync_data(),
            (None, Some(segment)) => File::open(self.path(segment.first))?.sync_data(),
            (None, None) => Ok(()),
        }
    }

    /// Puts the newest segment and the names above it onto the disk; older ones were put there
    /// when they were closed.
    fn sync(&mut self, root: &Path) -> io::Result<()> {
        self.sync_newest()?;
        let dirs = self.dir.ancestors().take_while(|dir| dir.starts_with(root));
        dirs.filter(|dir| dir.exists()).try_for_each(files::sync_dir)?;
        self.dirty = false;
        Ok(())
    }

    fn remove_oldest(&mut self) {
        let Some(segment) = self.segments.pop_front() else { return };
        self.bytes -= segment.bytes;
        if self.segments.is_empty() {
            self.file = None;
        }
        if let Err(error) = fs::remove_file(self.path(segment.first)) {
            tracing::warn!(%error, "remove an old segment of logs");
        }
    }
}

/// Cuts off a line that was not written to its end, and answers the length that is left.
fn mend(file: &mut File) -> io::Result<u64> {
    let length = file.metadata()?.len();
    if length == 0 {
        return Ok(0);
    }
    let mut last = [0];
    file.seek(SeekFrom::Start(length - 1))?;
    file.read_exact(&mut last)?;
    if last == *b"\n" {
        return Ok(length);
    }
    let mut bytes = Vec::new();
    file.rewind()?;
    file.read_to_end(&mut bytes)?;
    let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at as u64 + 1);
    file.set_len(whole)?;
    Ok(whole)
}

fn lost_line(position: u64, time_us: i64, count: u64) -> Record {
    let (lines, were, they) =
        if count == 1 { ("line", "was", "it") } else { ("lines", "were", "they") };
    let message =
        format!("{count} {lines} {were} dropped here: {they} came faster than lines are kept");
    Record { position, time_us, invocation: None, level: "warn".into(), message }
}

/// Subdirectories whose names are names of this kind.
fn dirs<T: std::str::FromStr>(path: &Path) -> io::Result<Vec<(T, PathBuf)>> {
    let mut dirs = Vec::new();
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_str().and_then(|name| name.parse().ok());
        if let Some(name) = name
            && entry.file_type()?.is_dir()
        {
            dirs.push((name, entry.path()));
        }
    }
    Ok(dirs)
}
