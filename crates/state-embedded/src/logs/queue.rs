//! Lines and requests on their way to the writer's thread.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use mayfly_state_api::{Error, LogLine};
use mayfly_types::{AppKey, FunctionName};
use tokio::sync::oneshot;

use super::rate::Rates;
use super::{Owner, Snapshot};

/// What a line costs beside its message, in bytes.
const OVERHEAD: usize = 256;

/// What is asked of the writer. It is done after every line that was taken before.
pub(crate) enum Request {
    /// Where an app's lines are.
    Snapshot { app: AppKey, function: Option<FunctionName>, reply: oneshot::Sender<Snapshot> },
    /// Everything onto the disk.
    Flush(oneshot::Sender<Result<(), Error>>),
    /// An app's lines away.
    DeleteApp { app: AppKey, reply: oneshot::Sender<Result<(), Error>> },
}

/// What has gathered since the writer last came.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) lines: Vec<LogLine>,
    /// How many lines each function lost because there was no room.
    pub(crate) lost: BTreeMap<Owner, u64>,
    pub(crate) requests: Vec<Request>,
    pub(crate) closed: bool,
}

struct Waiting {
    taken: Taken,
    bytes: usize,
    /// What each function holds of `bytes`.
    shares: HashMap<Owner, usize>,
    rates: Rates,
}

/// Bounded in bytes, with a share for each function, so that one that floods loses its own lines.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    limit: usize,
}

impl Queue {
    /// A queue of so many bytes, of which each function fills at most so many lines per second.
    pub(crate) fn new(limit: usize, rate: u32) -> Self {
        let (taken, shares) = (Taken::default(), HashMap::new());
        let waiting = Waiting { taken, bytes: 0, shares, rates: Rates::new(rate) };
        Self { waiting: Mutex::new(waiting), wake: Condvar::new(), limit }
    }

    /// Takes a line, or counts it as lost.
    pub(crate) fn push(&self, line: LogLine) {
        let owner = (line.app.clone(), line.function.clone());
        let bytes = line.message.len() + OVERHEAD;
        let mut waiting = self.lock();
        let share = waiting.shares.get(&owner).copied().unwrap_or(0) + bytes;
        let admitted = waiting.rates.admit(&owner, Instant::now());
        if !admitted || share > self.limit / 4 || waiting.bytes + bytes > self.limit {
            *waiting.taken.lost.entry(owner).or_default() += 1;
        } else {
            waiting.shares.insert(owner, share);
            waiting.bytes += bytes;
            waiting.taken.lines.push(line);
        }
        drop(waiting);
        self.wake.notify_one();
    }

    pub(crate) fn request(&self, request: Request) {
        self.lock().taken.requests.push(request);
        self.wake.notify_one();
    }

    /// Lets the writer end once it has taken what is there.
    pub(crate) fn close(&self) {
        self.lock().taken.closed = true;
        self.wake.notify_one();
    }

    /// Waits until there is something and takes it all.
    pub(crate) fn take(&self) -> Taken {
        let nothing = |waiting: &mut Waiting| {
            let Taken { lines, lost, requests, closed } = &waiting.taken;
            lines.is_empty() && lost.is_empty() && requests.is_empty() && !closed
        };
        let waiting = self.wake.wait_while(self.lock(), nothing);
        let mut waiting = waiting.unwrap_or_else(PoisonError::into_inner);
        waiting.bytes = 0;
        waiting.shares.clear();
        std::mem::take(&mut waiting.taken)
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
