//! How many attempts run at once, and who goes next when there are as many as there may be.
//!
//! Whoever finds no place waits in a short line, if it is likely to be served within the longest wait;
//! else it is refused at once, so that it can go elsewhere. Tenants take turns at the line, and in each tenant
//! its functions, so that neither a storm nor a slow function keeps others waiting.

mod line;
mod pace;
#[cfg(test)]
mod simulation;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use mayfly_types::{AppKey, Fault, FaultCode, FunctionConfig, FunctionName, TenantName};
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::line::{Line, Waiter};
pub use self::pace::Processors;
use self::pace::{Pace, Share};
use crate::keep::Host;

/// Of how long an attempt takes, how much of the newest is in the average: one part of so many.
const SMOOTHED: u64 = 8;

/// Bounds of what runs at once.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most attempts of one function at once, where its configuration does not say.
    pub function: u32,
    /// Most attempts of one tenant at once.
    pub tenant: u32,
    /// Most attempts at once of all functions.
    pub node: u32,
    /// Most memory that the limits of running attempts add up to, in bytes.
    pub memory: u64,
    /// Most thousandths of a core that the limits of running attempts add up to.
    pub cpu: u64,
    /// Longest time in line.
    pub wait: Duration,
    /// Most attempts of one function in line.
    pub line: usize,
    /// How long a function that nobody calls keeps its instances.
    pub idle: Duration,
    /// The same of one that starts slowly and is likely to be called then.
    pub most_idle: Duration,
    /// What the `Idempotency-Key`s of one function's requests and the answers kept for them may take, in bytes.
    pub kept_answers: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            function: 1000,
            tenant: u32::MAX,
            node: 4000,
            memory: u64::MAX,
            cpu: u64::MAX,
            wait: Duration::from_secs(1),
            line: 1000,
            idle: Duration::from_secs(60),
            most_idle: Duration::from_secs(600),
            kept_answers: 1 << 30,
        }
    }
}

/// Counts a function's attempts.
#[derive(Debug, Default)]
pub(crate) struct Lane {
    running: AtomicU32,
    waiting: AtomicU32,
    /// How long an attempt takes, in microseconds, over the last ones.
    takes_us: AtomicU64,
    share: Share,
    tenant: Arc<TenantLane>,
}

/// Counts the attempts of a tenant's functions.
#[derive(Debug, Default)]
pub(crate) struct TenantLane {
    running: AtomicU32,
    waiting: AtomicU32,
    /// Whether one of them waits for a place of the tenant.
    crowded: AtomicBool,
}

impl Lane {
    pub(crate) fn new(tenant: Arc<TenantLane>) -> Self {
        Self { tenant, ..Self::default() }
    }

    /// Attempts that run now, and that wait for a place.
    pub(crate) fn now(&self) -> (u32, u32) {
        (self.running.load(Ordering::Relaxed), self.waiting.load(Ordering::Relaxed))
    }

    /// How long whoever comes last waits, if attempts go on to take as long as they do.
    fn wait(&self, limit: u32) -> Duration {
        let before = u64::from(self.waiting.load(Ordering::Relaxed)) + 1;
        let takes_us = self.takes_us.load(Ordering::Relaxed);
        Duration::from_micros(takes_us.saturating_mul(before) / u64::from(limit.max(1)))
    }

    fn took(&self, time: Duration) {
        let newest = u64::try_from(time.as_micros()).unwrap_or(u64::MAX);
        let known = self.takes_us.load(Ordering::Relaxed);
        let average = match known {
            0 => newest,
            known => known - known / SMOOTHED + newest / SMOOTHED,
        };
        self.takes_us.store(average, Ordering::Relaxed);
    }
}

/// What an attempt needs.
#[derive(Debug, Clone, Copy)]
struct Need {
    /// Most attempts of its function at once.
    limit: u32,
    memory: u64,
    cpu: u64,
    /// What it weighs while processors are full.
    weight: u64,
}

/// What stands in the way of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Full {
    Function,
    Tenant,
    Node,
    /// Processors: for more attempts of a function that has some already.
    Pace,
}

/// Lets attempts begin.
#[derive(Debug)]
pub(crate) struct Admission(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limits: Limits,
    running: AtomicU32,
    memory: AtomicU64,
    cpu: AtomicU64,
    /// How many wait in the line.
    waiting: AtomicUsize,
    /// Whether somebody waits for a place of the node: then all do.
    crowded: AtomicBool,
    line: std::sync::Mutex<Line>,
    pace: Pace,
}

/// One attempt's place among those that may run at once. Dropping it makes room.
#[derive(Debug)]
pub(crate) struct Permit {
    shared: Arc<Shared>,
    lane: Arc<Lane>,
    key: Option<Key>,
    need: Need,
    began: Instant,
}

/// Whose lane it is.
pub(crate) type Key = Arc<(AppKey, FunctionName)>;

impl Admission {
    pub(crate) fn new(limits: Limits) -> Self {
        Self(Arc::new(Shared {
            limits,
            running: AtomicU32::new(0),
            memory: AtomicU64::new(0),
            cpu: AtomicU64::new(0),
            waiting: AtomicUsize::new(0),
            crowded: AtomicBool::new(false),
            line: Default::default(),
            pace: Pace::new(),
        }))
    }

    /// Holds attempts back while this host's processors are full, for as long as the admission lives.
    pub(crate) fn watch(&self, host: Arc<dyn Host>) {
        tokio::spawn(pace::run(Arc::downgrade(&self.0), host));
    }

    pub(crate) fn limits(&self) -> Limits {
        self.0.limits
    }

    /// Attempts that run now, and that wait in line, of all functions.
    pub(crate) fn now(&self) -> (u32, usize) {
        (self.0.running.load(Ordering::Relaxed), self.0.waiting.load(Ordering::Relaxed))
    }

    /// A place for one more attempt, after a while in line if need be.
    ///
    /// # Errors
    /// `too_many_requests` at the function's or the tenant's limit, `unavailable` at the node's, when the line is too
    /// long or the wait was.
    pub(crate) async fn enter(
        &self,
        key: &Key,
        lane: &Arc<Lane>,
        config: &FunctionConfig,
    ) -> Result<Permit, Fault> {
        let need = self.need(lane, config);
        let full = match self.0.take_first(key, lane, need) {
            Ok(permit) => return Ok(permit),
            Err(full) => full,
        };
        let limits = &self.0.limits;
        let long = lane.waiting.load(Ordering::Relaxed) as usize >= limits.line;
        let wait = match full {
            Full::Function => Some(lane.wait(need.limit)),
            // How long a tenant has no place is known to nobody.
            Full::Tenant | Full::Node => None,
            // Each function that somebody waits for has its turn.
            Full::Pace => {
                let before = lane.waiting.load(Ordering::Relaxed) as usize;
                let functions = self.0.line().functions().max(1);
                let places = before.saturating_add(1).saturating_mul(functions);
                // Who is refused at once can go elsewhere, and how quickly places come back is not exact.
                self.0.pace.wait(places).map(|wait| wait * 2)
            }
        };
        if long || wait.is_some_and(|wait| wait > limits.wait) {
            if self.0.waiting.load(Ordering::SeqCst) > 0 {
                // While this one was counted, another may have found no place where there was one.
                self.0.hand_out(key);
            }
            return Err(refusal(full, need));
        }
        let (give, given) = oneshot::channel();
        let place = InLine::join(&self.0, key, lane);
        self.0.line().join(key, Waiter { give, lane: Arc::clone(lane), need });
        // A place that was left between the look and the line is nobody's.
        self.0.hand_out(key);
        let waited = tokio::time::timeout(limits.wait, given).await;
        match waited {
            Ok(Ok(permit)) => {
                place.served();
                Ok(permit)
            }
            _ => Err(refusal(full, need)),
        }
    }

    fn need(&self, lane: &Lane, config: &FunctionConfig) -> Need {
        Need {
            weight: lane.share.weight(),
            limit: config.concurrency.unwrap_or(self.0.limits.function),
            memory: config.memory.as_bytes(),
            cpu: (config.cpu * 1000.0) as u64,
        }
    }
}

/// Counts one who waits, until it is dropped.
struct InLine<'a> {
    shared: &'a Arc<Shared>,
    key: &'a Key,
    lane: &'a Lane,
    served: bool,
}

impl<'a> InLine<'a> {
    fn join(shared: &'a Arc<Shared>, key: &'a Key, lane: &'a Lane) -> Self {
        shared.waiting.fetch_add(1, Ordering::SeqCst);
        lane.tenant.waiting.fetch_add(1, Ordering::SeqCst);
        lane.waiting.fetch_add(1, Ordering::SeqCst);
        Self { shared, key, lane, served: false }
    }

    fn served(mut self) {
        self.served = true;
    }
}

impl Drop for InLine<'_> {
    fn drop(&mut self) {
        let others = self.shared.waiting.fetch_sub(1, Ordering::SeqCst) > 1;
        self.lane.tenant.waiting.fetch_sub(1, Ordering::SeqCst);
        self.lane.waiting.fetch_sub(1, Ordering::SeqCst);
        if others && !self.served {
            // Those behind may have waited for nothing but its turn: what it needs may be more than what they do.
            self.shared.hand_out(self.key);
        }
    }
}

impl Shared {
    fn line(&self) -> std::sync::MutexGuard<'_, Line> {
        self.line.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    /// A place for one who did not wait: nobody goes past those who do.
    fn take_first(
        self: &Arc<Self>,
        key: &Key,
        lane: &Arc<Lane>,
        need: Need,
    ) -> Result<Permit, Full> {
        if lane.waiting.load(Ordering::SeqCst) > 0 {
            // What the one before waits for is not known here: the function's own limit is looked at first.
            let at_limit = lane.running.load(Ordering::SeqCst) >= need.limit;
            return Err(match self.pace.is_lasting() && !at_limit {
                true => Full::Pace,
                false => Full::Function,
            });
        }
        let waits = |count: u32, crowded: &AtomicBool| count > 0 && crowded.load(Ordering::SeqCst);
        if waits(lane.tenant.waiting.load(Ordering::SeqCst), &lane.tenant.crowded) {
            return Err(Full::Tenant);
        }
        // Whoever crowded it may have left since.
        if self.waiting.load(Ordering::SeqCst) > 0 && self.crowded.load(Ordering::SeqCst) {
            return Err(Full::Node);
        }
        self.take(key, lane, need)
    }

    /// A place, if there is one.
    fn take(self: &Arc<Self>, key: &Key, lane: &Arc<Lane>, need: Need) -> Result<Permit, Full> {
        let Limits { tenant, node, memory, cpu, .. } = self.limits;
        let within = |count: &AtomicU32, most: u32| count.fetch_add(1, Ordering::SeqCst) < most;
        let fits = |count: &AtomicU64, more: u64, most: u64| {
            if most == u64::MAX {
                return true;
            }
            // One that alone is more than the node has runs alone, rather than never.
            let before = count.fetch_add(more, Ordering::SeqCst);
            before == 0 || before.saturating_add(more) <= most
        };
        // What was counted is taken back by the permit's drop, whatever stood in the way.
        let others = lane.running.fetch_add(1, Ordering::SeqCst);
        let of_function = others < need.limit;
        let of_tenant = within(&lane.tenant.running, tenant);
        let of_node = within(&self.running, node);
        let has_memory = fits(&self.memory, need.memory, memory);
        let has_cpu = fits(&self.cpu, need.cpu, cpu);
        let in_pace = self.pace.takes(need.weight) || others == 0;
        let has_room = of_node && has_memory && has_cpu;
        let full = match (of_function, of_tenant, has_room) {
            (true, true, true) if in_pace => None,
            (true, true, true) => Some(Full::Pace),
            (false, ..) => Some(Full::Function),
            (_, false, _) => Some(Full::Tenant),
            (_, _, false) => Some(Full::Node),
        };
        if let Some(full) = full {
            self.give_back(lane, need);
            return Err(full);
        }
        Ok(Permit {
            shared: Arc::clone(self),
            lane: Arc::clone(lane),
            key: Some(Arc::clone(key)),
            need,
            began: Instant::now(),
        })
    }

    fn give_back(&self, lane: &Lane, need: Need) {
        lane.running.fetch_sub(1, Ordering::SeqCst);
        lane.tenant.running.fetch_sub(1, Ordering::SeqCst);
        self.running.fetch_sub(1, Ordering::SeqCst);
        let back = |count: &AtomicU64, less: u64, most: u64| {
            if most != u64::MAX {
                count.fetch_sub(less, Ordering::SeqCst);
            }
        };
        self.pace.gives(need.weight);
        back(&self.memory, need.memory, self.limits.memory);
        back(&self.cpu, need.cpu, self.limits.cpu);
    }

    /// Gives places that are free to those who wait, whoever they are.
    fn hand_out_any(self: &Arc<Self>) {
        if self.waiting.load(Ordering::SeqCst) > 0 {
            let first = self.line().first();
            if let Some(key) = first {
                self.hand_out(&key);
            }
        }
    }

    /// Gives places that are free to those who wait: of one function, or of its tenant or of all if somebody waits for a
    /// place of these.
    fn hand_out(self: &Arc<Self>, left: &Key) {
        // What was given to somebody who has left comes back by its own drop, after the lock.
        let mut unwanted = Vec::new();
        let mut line = self.line();
        line.hand_out(left, |key, lane, need| self.take(key, lane, need), &mut unwanted);
        self.crowded.store(line.is_crowded(), Ordering::SeqCst);
        drop(line);
        drop(unwanted);
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.shared.give_back(&self.lane, self.need);
        let Some(key) = self.key.take() else { return };
        self.lane.took(self.began.elapsed());
        self.shared.pace.came_back();
        if self.shared.waiting.load(Ordering::SeqCst) > 0 {
            self.shared.hand_out(&key);
        }
    }
}

fn refusal(full: Full, need: Need) -> Fault {
    match full {
        Full::Function => {
            let message = format!("the function runs {} times at once already", need.limit);
            Fault::new(FaultCode::TooManyRequests, message)
        }
        Full::Tenant => {
            let message = "the tenant's functions run as often at once as they may";
            Fault::new(FaultCode::TooManyRequests, message)
        }
        Full::Node | Full::Pace => {
            Fault::new(FaultCode::Unavailable, "the node takes no more work now")
        }
    }
}

/// A tenant's key in the line.
fn tenant(key: &Key) -> &TenantName {
    &key.0.tenant
}
