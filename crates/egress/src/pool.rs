//! Connections that wait for another request.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::{Duration, Instant};

use tokio::sync::{AcquireError, OwnedSemaphorePermit, Semaphore};
use tokio::time::timeout;

use crate::connection::Connection;
use crate::policy::{Grant, Target};

/// What a connection may be used again for.
///
/// A request takes a connection after its own policy allowed the target, and only one that was made
/// for the same target under the same kind of grant. The operator's rules are the same for all
/// functions and judge an address by the grant alone. So the address behind a pooled connection is
/// one that the request would have been allowed to connect to: what a listed host reached in a
/// range the operator opened is never handed to a request that `*` allows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Key {
    pub(crate) grant: Grant,
    pub(crate) tls: bool,
    pub(crate) target: Target,
}

/// How often a request that waits for a place looks for idle connections to close.
const LOOK: Duration = Duration::from_millis(100);

/// The places of all connections, and the idle ones among them, oldest first.
pub(crate) struct Pool {
    state: Mutex<State>,
    places: Arc<Semaphore>,
    capacity: usize,
    idle_timeout: Duration,
}

struct State {
    idle: VecDeque<Idle>,
    reaping: bool,
}

struct Idle {
    key: Key,
    connection: Connection,
    since: Instant,
}

impl Pool {
    /// `places` connections at most, `capacity` of them idle for `idle_timeout` at most.
    pub(crate) fn new(places: usize, capacity: usize, idle_timeout: Duration) -> Arc<Self> {
        let state = Mutex::new(State { idle: VecDeque::new(), reaping: false });
        let places = Arc::new(Semaphore::new(places));
        Arc::new(Self { state, places, capacity, idle_timeout })
    }

    /// Waits for the place of one more connection. Idle ones make room.
    pub(crate) async fn place(&self) -> Result<OwnedSemaphorePermit, AcquireError> {
        if let Ok(place) = Arc::clone(&self.places).try_acquire_owned() {
            return Ok(place);
        }
        let mut place = pin!(Arc::clone(&self.places).acquire_owned());
        loop {
            self.lock().idle.retain(|idle| idle.connection.is_busy());
            if let Ok(place) = timeout(LOOK, place.as_mut()).await {
                return place;
            }
        }
    }

    /// A connection that can take a request now. HTTP/2 is shared and stays in the pool.
    pub(crate) fn take(&self, key: &Key) -> Option<Connection> {
        let mut state = self.lock();
        let at = state
            .idle
            .iter()
            .rposition(|idle| idle.key == *key && idle.connection.takes_a_request())?;
        if let Some(shared) = state.idle[at].connection.share() {
            state.idle[at].since = Instant::now();
            return Some(shared);
        }
        state.idle.remove(at).map(|idle| idle.connection)
    }

    /// Keeps a connection; the oldest one leaves when there are too many.
    pub(crate) fn put(self: &Arc<Self>, key: Key, connection: Connection) {
        if connection.is_closed() {
            return;
        }
        let mut state = self.lock();
        while state.idle.len() >= self.capacity.max(1) {
            state.idle.pop_front();
        }
        state.idle.push_back(Idle { key, connection, since: Instant::now() });
        if !state.reaping {
            state.reaping = true;
            tokio::spawn(reap(Arc::downgrade(self), self.idle_timeout));
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Closes what waited too long. It ends with the pool, or when nothing is left to wait.
async fn reap(pool: Weak<Pool>, every: Duration) {
    loop {
        tokio::time::sleep(every).await;
        let Some(pool) = pool.upgrade() else { return };
        let mut state = pool.lock();
        state.idle.retain(|idle| {
            !idle.connection.is_closed()
                && (idle.connection.is_busy() || idle.since.elapsed() < pool.idle_timeout)
        });
        if state.idle.is_empty() {
            state.reaping = false;
            return;
        }
    }
}
