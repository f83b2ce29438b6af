//! What leases events and runs them.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use mayfly_control_api::{Error, Event, Events};
use mayfly_runtime_api::{Diagnostic, OpenSpan, Trace};
use mayfly_state_api::{
    Accepted, Completion, Error as StateError, InvocationRecord, InvocationStatus, Lease,
    LedgerEntry, NewInvocation, Redrive, Then,
};
use mayfly_types::{AppKey, ByteSize, Destination, FunctionName, InvocationId, TenantName};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use super::lanes::{Lane, Lanes};
use super::policy::{self, Came};
use super::{EventParts, attempt, destination};
use crate::Invoker;
use crate::answer::tokio_tasks::Tasks;
use crate::trace;

/// How often a lease is extended, and leases that ran out are looked for, while one holds.
const EXTENDED: u32 = 3;
const LOOKED: u32 = 6;
/// How much of what was kept long enough is forgotten at once.
const FORGOTTEN_AT_ONCE: usize = 1_000;
/// Longest time to sleep: the clock may be set meanwhile.
const NAP: Duration = Duration::from_secs(1);
/// How long to wait after the queue failed, in microseconds.
const PAUSE_US: i64 = 1_000_000;
/// The same for the end of an attempt, which is not given up: at first, and at most.
const AGAIN: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(5));
/// Dead letters that are queued again in one step.
const REDRIVEN_AT_ONCE: usize = 1_000;

/// Runs functions on the events of a queue.
pub struct Dispatcher {
    shared: Arc<Shared>,
    loops: Vec<JoinHandle<()>>,
}

/// Random numbers from 0 to 1, by which retries are spread.
pub(super) type Jitter = Arc<dyn Fn() -> f64 + Send + Sync>;

struct Shared {
    parts: EventParts,
    invoker: Invoker,
    jitter: Jitter,
    lanes: Mutex<Lanes>,
    /// What is being tried, with the fences of its leases.
    held: Mutex<HashMap<InvocationId, u64>>,
    wake: Notify,
    stopping: AtomicBool,
    tasks: Arc<Tasks>,
}

impl Dispatcher {
    /// Starts to run what the queue has.
    ///
    /// # Errors
    /// When the queue cannot be read.
    pub async fn start(parts: EventParts, invoker: Invoker) -> Result<Self, Error> {
        Self::start_with(parts, invoker, Arc::new(rand::random)).await
    }

    /// The same with numbers that a test knows.
    pub(super) async fn start_with(
        parts: EventParts,
        invoker: Invoker,
        jitter: Jitter,
    ) -> Result<Self, Error> {
        let shared = Arc::new(Shared {
            parts,
            invoker,
            jitter,
            lanes: Mutex::default(),
            held: Mutex::default(),
            wake: Notify::new(),
            stopping: AtomicBool::new(false),
            tasks: Arc::default(),
        });
        shared.look().await?;
        let loops = vec![
            tokio::spawn(Arc::clone(&shared).dispatch()),
            tokio::spawn(Arc::clone(&shared).extend()),
            tokio::spawn(Arc::clone(&shared).forget()),
        ];
        Ok(Self { shared, loops })
    }

    /// What takes events.
    pub fn events(&self) -> Arc<dyn Events> {
        Arc::clone(&self.shared) as Arc<dyn Events>
    }

    /// Begins no more attempts and waits for those that run. One that is cut off is tried again by the next
    /// process.
    pub async fn drain(&self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        self.shared.wake.notify_one();
        self.shared.tasks.wait().await;
    }

    /// Ends at once, and has let go of the queue when this returns, but for what [`events`](Self::events)
    /// gave away and for attempts that were not waited for.
    pub async fn shutdown(mut self) {
        for one in std::mem::take(&mut self.loops) {
            one.abort();
            let _it_was_aborted = one.await;
        }
    }
}

impl Drop for Dispatcher {
    fn drop(&mut self) {
        self.shared.stopping.store(true, Ordering::SeqCst);
        for one in &self.loops {
            one.abort();
        }
    }
}

impl Shared {
    fn now_us(&self) -> i64 {
        (self.parts.clock)()
    }

    fn lease_us(&self) -> i64 {
        policy::micros(self.parts.limits.lease)
    }

    fn lanes(&self) -> MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn held(&self) -> MutexGuard<'_, HashMap<InvocationId, u64>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, lane: &Lane, due_us: i64) {
        self.lanes().note(lane, due_us, self.now_us());
        self.wake.notify_one();
    }

    /// Finds out which functions have events.
    async fn look(&self) -> Result<(), StateError> {
        for backlog in self.parts.queue.backlogs().await? {
            self.note(&(backlog.app, backlog.function), backlog.due_us);
        }
        Ok(())
    }

    /// Most attempts of a function at once.
    fn limit(&self, lane: &Lane) -> usize {
        let live = self.invoker.live(&lane.0, &lane.1);
        let written = live.and_then(|revision| revision.config().concurrency);
        written.unwrap_or(self.invoker.limits().function) as usize
    }

    async fn dispatch(self: Arc<Self>) {
        while !self.stopping.load(Ordering::SeqCst) {
            let (now_us, most) = (self.now_us(), self.parts.limits.at_once as usize);
            loop {
                let next = self.lanes().next(now_us, most, |lane| self.limit(lane));
                let Some((lane, places)) = next else { break };
                self.tasks.spawn(Arc::clone(&self).lease(lane, places));
            }
            let due_us = self.lanes().first_due();
            let wait = due_us.map_or(NAP, |due_us| {
                let wait = u64::try_from(due_us.saturating_sub(now_us)).unwrap_or(0);
                Duration::from_micros(wait).min(NAP)
            });
            let _woken_or_time = tokio::time::timeout(wait, self.wake.notified()).await;
        }
    }

    async fn lease(self: Arc<Self>, lane: Lane, places: usize) {
        let leased = self.parts.queue.lease(&lane.0, &lane.1, places, self.lease_us()).await;
        let (leases, next_due_us) = match leased {
            Ok(leased) => leased,
            Err(error) => {
                tracing::warn!(%error, "lease events");
                (Vec::new(), Some(self.now_us().saturating_add(PAUSE_US)))
            }
        };
        self.lanes().leased(&lane, places, leases.len(), next_due_us, self.now_us());
        for lease in leases {
            self.held().insert(lease.id, lease.fence);
            self.tasks.spawn(Arc::clone(&self).attempt(lane.clone(), lease));
        }
        self.wake.notify_one();
    }

    async fn attempt(self: Arc<Self>, lane: Lane, lease: Lease) {
        let live = self.invoker.live(&lane.0, &lane.1);
        let config = live.as_ref().map(|revision| revision.config().events.clone());
        let config = config.unwrap_or_default();
        let started_us = self.now_us();
        let (came, attempt) = if lease.lost >= policy::MOST_LOST {
            (Came::GivenUp(policy::lost(lease.lost)), None)
        } else if started_us > lease.expires_us {
            (Came::GivenUp(policy::expired(config.max_age)), None)
        } else {
            attempt::run(&self.invoker, &lane, &lease, started_us).await
        };
        let now_us = self.now_us();
        let limits = &self.parts.limits;
        let mut then = policy::then(&came, &lease, &config, limits, now_us, (self.jitter)());
        if let Some(revision) = &live {
            let age = |destination: &Destination| self.max_age_us(&lane.0.tenant, destination);
            destination::tell(&mut then, revision, &lease, &came, now_us, age);
        }
        let completion = Completion { id: lease.id, fence: lease.fence, attempt, then };
        self.complete(&lane, lease.caller.as_deref(), completion).await;
        // The event may be leased anew since it was told: that lease is not this one's to let go.
        if let Entry::Occupied(held) = self.held().entry(lease.id)
            && *held.get() == lease.fence
        {
            held.remove();
        }
        self.lanes().ended(&lane, self.now_us());
        self.wake.notify_one();
    }

    fn max_age_us(&self, tenant: &TenantName, destination: &Destination) -> i64 {
        let app = AppKey::new(tenant.clone(), destination.app.clone());
        let live = self.invoker.live(&app, &destination.function);
        let config = live.map(|revision| revision.config().events.clone()).unwrap_or_default();
        policy::micros(config.max_age.as_duration())
    }

    /// Writes down how an attempt ended: until that is done it goes on being this node's.
    async fn complete(&self, lane: &Lane, caller: Option<&str>, completion: Completion) {
        let mut pause = AGAIN.0;
        loop {
            match self.parts.queue.complete(completion.clone()).await {
                Ok(status) => {
                    let due_us = match &completion.then {
                        Then::Retry { due_us, .. } | Then::PutBack { due_us } => Some(*due_us),
                        _ => None,
                    };
                    if let (InvocationStatus::Queued, Some(due_us)) = (status, due_us) {
                        self.note(lane, due_us);
                    }
                    if let Then::Succeeded { send: Some(new), .. }
                    | Then::Failed { send: Some(new), .. } = &completion.then
                    {
                        if let Some(spans) = self.invoker.spans() {
                            let by = Trace::of_event(spans, completion.id).context().clone();
                            let send = OpenSpan::send(spans, new.id).after(Some(by));
                            trace::sent(send, new.id, &new.app, &new.function);
                        }
                        self.note(&(new.app.clone(), new.function.clone()), self.now_us());
                    }
                    return;
                }
                // Another has it, or its app was deleted. What ran is owed all the same, unless it may have been
                // counted by an earlier try whose answer was lost.
                Err(StateError::Conflict(_) | StateError::NotFound { .. }) => {
                    if let Some(attempt) = completion.attempt.as_ref().filter(|_| pause == AGAIN.0)
                    {
                        self.invoker.ledger().append(&LedgerEntry {
                            invocation: completion.id,
                            attempt: attempt.number,
                            app: &lane.0,
                            function: &lane.1,
                            caller,
                            started_us: attempt.started_us,
                            memory: attempt.memory.unwrap_or(ByteSize::bytes(0)),
                            outcome: &attempt.outcome,
                            before: None,
                        });
                    }
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, invocation = %completion.id, "end an attempt");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(AGAIN.1);
                }
            }
        }
    }

    async fn extend(self: Arc<Self>) {
        let mut interval = tokio::time::interval(self.parts.limits.lease / EXTENDED);
        loop {
            interval.tick().await;
            self.extend_held().await;
        }
    }

    async fn extend_held(&self) {
        let held: Vec<_> = self.held().iter().map(|(id, fence)| (*id, *fence)).collect();
        if held.is_empty() {
            return;
        }
        if let Err(error) = self.parts.queue.extend(&held, self.lease_us()).await {
            tracing::warn!(%error, "extend leases of events");
        }
    }

    async fn forget(self: Arc<Self>) {
        let mut interval = tokio::time::interval(self.parts.limits.lease / LOOKED);
        loop {
            interval.tick().await;
            // The clock may have been set forwards: what runs here is not lost by that.
            self.extend_held().await;
            let forgotten = loop {
                match self.parts.queue.forget(FORGOTTEN_AT_ONCE).await {
                    Ok(FORGOTTEN_AT_ONCE..) => {}
                    other => break other,
                }
            };
            // Leases that ran out are queued again.
            let looked = match forgotten {
                Ok(_) => self.look().await,
                Err(error) => Err(error),
            };
            if let Err(error) = looked {
                tracing::warn!(%error, "keep the queue of events tidy");
            }
        }
    }
}

#[async_trait]
impl Events for Shared {
    async fn accept(&self, event: Event) -> Result<InvocationId, Error> {
        let Event { id, app, function, kind, json, due_us, caller, key, trace } = event;
        let send = self.invoker.spans().map(|spans| OpenSpan::send(spans, id).after(trace));
        let live = self
            .invoker
            .live(&app, &function)
            .ok_or_else(|| Error::NotFound { what: format!("function {}/{function}", app.app) })?;
        let new = NewInvocation {
            id,
            app: app.clone(),
            function: function.clone(),
            kind,
            payload: json.into(),
            due_us: due_us.unwrap_or(0),
            max_age_us: policy::micros(live.config().events.max_age.as_duration()),
            caller,
            key,
        };
        match self.parts.queue.accept(new).await? {
            Accepted::Queued { due_us } => {
                if let Some(send) = send {
                    trace::sent(send, id, &app, &function);
                }
                self.note(&(app, function), due_us);
                Ok(id)
            }
            Accepted::Known(id) => Ok(id),
            Accepted::Differs => {
                let text = "this Idempotency-Key was given with another event";
                Err(Error::Invalid(vec![Diagnostic::new(text).help("choose another key")]))
            }
        }
    }

    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        Ok(self.parts.queue.cancel(tenant, id).await?)
    }

    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
    ) -> Result<usize, Error> {
        let mut all = 0;
        loop {
            let some = self.parts.queue.redrive(app, function, which, REDRIVEN_AT_ONCE).await?;
            if some > 0 {
                self.note(&(app.clone(), function.clone()), self.now_us());
            }
            all += some;
            if some < REDRIVEN_AT_ONCE {
                return Ok(all);
            }
        }
    }
}
