//! What keeps the journal on disk, and its size within bounds.

use std::fs;
use std::io;
use std::sync::{Arc, PoisonError};
use std::time::{Duration, SystemTime};

use super::segment::{self, SIZE, Segment};
use super::{Shared, Writer};
use crate::files;

/// Longest time between a record and its sync.
const SYNC: Duration = Duration::from_millis(100);
/// Of its segment, what is used before the next one is made ahead.
const AHEAD: usize = SIZE as usize / 4;

impl Shared {
    /// Syncs while there is something, until the journal is closed.
    pub(super) fn run(&self) {
        let mut failing = false;
        loop {
            let idle = |writer: &mut Writer| !writer.dirty && !writer.closed;
            let writer = self.wake.wait_while(self.writer(), idle);
            let writer = writer.unwrap_or_else(PoisonError::into_inner);
            // What comes in the meantime shares the sync.
            let open = |writer: &mut Writer| !writer.closed;
            let waited = self.wake.wait_timeout_while(writer, SYNC, open);
            let closed = waited.unwrap_or_else(PoisonError::into_inner).0.closed;
            match self.sync() {
                Ok(()) => failing = false,
                Err(error) => {
                    if !std::mem::replace(&mut failing, true) {
                        tracing::warn!(%error, "sync the ledger; it is tried again");
                    }
                }
            }
            if closed {
                self.close();
                return;
            }
            self.make_ahead();
        }
    }

    /// Puts all that was appended up to now onto the disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        let (waited, full, current, end, named) = {
            let mut writer = self.writer();
            writer.dirty = false;
            let waited = writer.write_waiting(&self.directory);
            let current = writer.segment.as_ref().map(|segment| Arc::clone(&segment.file));
            let full = std::mem::take(&mut writer.full);
            (waited, full, current, writer.end(), std::mem::take(&mut writer.named))
        };
        let mut files = full.iter().map(|segment| &segment.file).chain(&current);
        let mut synced = files.try_for_each(|file| file.sync_data());
        if named {
            synced = synced.and_then(|()| files::sync_dir(&self.directory));
        }
        if let Err(error) = synced {
            let mut writer = self.writer();
            writer.full.extend(full);
            writer.named |= named;
            // There still is something to sync.
            writer.dirty = true;
            return Err(error);
        }
        for segment in full {
            if let Err(error) = segment.seal() {
                tracing::warn!(%error, "cut a file of the ledger; it stays as large as it is");
            }
        }
        let mut writer = self.writer();
        writer.dirty |= waited.is_err();
        if end > writer.synced {
            writer.synced = end;
            drop(writer);
            self.synced.notify_one();
        }
        waited
    }

    /// Makes the next segment before it is needed.
    fn make_ahead(&self) {
        let start = {
            let mut writer = self.writer();
            let far = writer.segment.as_ref().is_some_and(|it| it.left() < SIZE as usize - AHEAD);
            if !far || writer.spare.is_some() {
                return;
            }
            writer.reserve()
        };
        // Without the lock: it takes as long as a disk does. Where there is no room, whoever needs it says so.
        let Ok(made) = Segment::create(&self.directory, start) else { return };
        let mut writer = self.writer();
        if writer.segment.as_ref().is_some_and(|segment| segment.start < start) {
            writer.spare = Some(made);
        } else {
            drop(writer);
            self.remove(&made);
        }
    }

    fn remove(&self, unused: &Segment) {
        let path = segment::path(&self.directory, unused.start);
        if let Err(error) = fs::remove_file(path) {
            tracing::debug!(%error, "remove an unused file; the next process does");
        }
    }

    fn close(&self) {
        let (segment, spare) = {
            let mut writer = self.writer();
            if !writer.waiting.is_empty() {
                let records = writer.waiting.len();
                tracing::error!(records, "the disk is full: attempts are lost to the ledger");
            }
            (writer.segment.take(), writer.spare.take())
        };
        if let Some(segment) = segment
            && let Err(error) = segment.seal()
        {
            tracing::warn!(%error, "close the ledger");
        }
        if let Some(spare) = spare {
            self.remove(&spare);
        }
    }

    /// Removes files that were added up and are old, or too many.
    pub(super) fn forget(&self, rolled: u64) -> io::Result<()> {
        let starts = segment::list(&self.directory)?;
        let mut found = Vec::new();
        for start in starts.into_iter().filter(|start| start + SIZE <= rolled) {
            let path = segment::path(&self.directory, start);
            let metadata = fs::metadata(&path)?;
            found.push((path, metadata.len(), metadata.modified()?));
        }
        let mut bytes: u64 = found.iter().map(|(_, length, _)| length).sum();
        let now = SystemTime::UNIX_EPOCH
            + Duration::from_micros(u64::try_from(self.data.now_us()).unwrap_or(0));
        for (path, length, modified) in found {
            let old = now.duration_since(modified).is_ok_and(|age| age > self.limits.keep);
            if !old && bytes <= self.limits.total {
                break;
            }
            fs::remove_file(&path)?;
            bytes -= length;
        }
        Ok(())
    }
}
