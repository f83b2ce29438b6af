//! What `disk.c` saw, in its order.

use std::collections::{HashMap, HashSet};
use std::path::Path;

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    /// Bytes of the watched file were written.
    Written,
    /// A sync begins.
    Begins,
    /// It has ended.
    Ended,
    /// An answer `202` is about to be sent.
    Answered,
}

/// One thing that happened.
#[derive(Debug)]
pub(crate) struct Record {
    pub(crate) kind: Kind,
    pub(crate) thread: u32,
    /// Nanoseconds of the monotonic clock.
    pub(crate) time_ns: u64,
    /// Where something was written.
    pub(crate) offset: u64,
    /// The file, below the data directory.
    pub(crate) name: String,
    /// What was written or answered.
    pub(crate) bytes: Vec<u8>,
}

/// A sync that was done, by the places of its beginning and end in the trace.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sync<'a> {
    pub(crate) name: &'a str,
    pub(crate) began: usize,
    pub(crate) ended: usize,
}

#[derive(Debug)]
pub(crate) struct Trace(pub(crate) Vec<Record>);

/// Bytes of `struct record`.
const HEAD: usize = 32;

impl Trace {
    /// The records of a file, to the last whole one.
    pub(crate) fn read(path: &Path) -> Self {
        let bytes = std::fs::read(path).unwrap_or_default();
        let (mut rest, mut records) = (&bytes[..], Vec::new());
        while let Some((head, after)) = rest.split_at_checked(HEAD) {
            let short = |at: usize| u32::from_ne_bytes(head[at..at + 4].try_into().unwrap());
            let long = |at: usize| u64::from_ne_bytes(head[at..at + 8].try_into().unwrap());
            let (name, length) = (short(24) as usize, short(28) as usize);
            let Some((content, after)) = after.split_at_checked(name + length) else { break };
            rest = after;
            records.push(Record {
                kind: match head[0] {
                    b'W' => Kind::Written,
                    b'B' => Kind::Begins,
                    b'E' => Kind::Ended,
                    b'A' => Kind::Answered,
                    other => panic!("a record of kind {other}"),
                },
                thread: short(4),
                time_ns: long(8),
                offset: long(16),
                name: String::from_utf8(content[..name].to_vec()).unwrap(),
                bytes: content[name..].to_vec(),
            });
        }
        Self(records)
    }

    /// The syncs that were done, in the order of their ends.
    pub(crate) fn syncs(&self) -> Vec<Sync<'_>> {
        let (mut begun, mut done) = (HashMap::new(), Vec::new());
        for (at, record) in self.0.iter().enumerate() {
            match record.kind {
                Kind::Begins => {
                    begun.insert((record.thread, &record.name), at);
                }
                Kind::Ended => {
                    let began = begun[&(record.thread, &record.name)];
                    done.push(Sync { name: &record.name, began, ended: at });
                }
                Kind::Written | Kind::Answered => {}
            }
        }
        done
    }

    /// Until when, by the monotonic clock, everything in the ledger was synced: its file, and the name of that.
    pub(crate) fn ledger_synced_ns(&self) -> u64 {
        let (mut named, mut seen, mut unnamed_ns, mut synced_ns) =
            (HashSet::new(), HashSet::new(), 0, 0);
        for sync in self.syncs() {
            let began_ns = self.0[sync.began].time_ns;
            if sync.name == "ledger" {
                named.extend(seen.drain());
                synced_ns = unnamed_ns;
            } else if sync.name.starts_with("ledger/") {
                unnamed_ns = began_ns;
                match named.contains(sync.name) {
                    true => synced_ns = began_ns,
                    false => drop(seen.insert(sync.name)),
                }
            }
        }
        synced_ns
    }
}

/// The monotonic clock, as traces have it.
pub(crate) fn now_ns() -> u64 {
    let now = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}
