//! The rules of a queue of events, in memory and as plainly as they can be said: what every backend is held
//! against, and what a simulation runs over.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use mayfly_types::{AppKey, Fault, FunctionName, InvocationId, TenantName};

use crate::{
    Accepted, AttemptRecord, Backlog, Completion, Error, IdempotencyKey, InvocationQuery,
    InvocationQueue, InvocationRecord, InvocationStatus as Status, Lease, NewInvocation, Redrive,
    Then,
};

const DAY_US: i64 = 24 * 3_600_000_000;
/// How many attempts are shown.
const SHOWN: usize = 20;
/// What is lost more than once waits a multiple of this, in microseconds: as many times as it was lost before,
/// times 1 to 16.
const APART_US: i64 = 100_000;

/// A queue that is nothing but its rules. It never fails.
pub struct Model {
    clock: Arc<dyn Fn() -> i64 + Send + Sync>,
    state: Mutex<State>,
}

/// What happened to an invocation, and when, in UTC microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Change {
    /// When.
    pub at_us: i64,
    /// The invocation.
    pub id: InvocationId,
    /// What.
    pub what: What,
}

/// What happens to an invocation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// It was taken.
    Accepted,
    /// It was handed out for this attempt.
    Leased(u32),
    /// Its lease ran out, or was lost with its process.
    Lost,
    /// It is to be tried again.
    PutBack,
    /// It came to this end.
    Ended(Status),
    /// It was a dead letter, and is queued again.
    Redriven,
}

#[derive(Default)]
struct State {
    events: BTreeMap<InvocationId, Event>,
    keys: BTreeMap<(AppKey, FunctionName, String, String), Given>,
    numbers: u64,
    changes: Vec<Change>,
}

/// A key that was given.
struct Given {
    key: IdempotencyKey,
    id: InvocationId,
    at_us: i64,
}

struct Event {
    new: NewInvocation,
    /// The how manieth it is.
    number: u64,
    status: Status,
    accepted_us: i64,
    due_us: i64,
    expires_us: i64,
    fence: u64,
    leased_us: i64,
    attempts: u32,
    failed: u32,
    lost: u32,
    put_back: u32,
    cancelled: bool,
    kept_us: i64,
    fault: Option<Fault>,
    result: Option<String>,
    records: BTreeMap<u32, AttemptRecord>,
    /// From when and how far apart what was lost together is spread.
    spread: Option<(i64, i64)>,
}

impl Model {
    /// An empty queue with a clock.
    pub fn new(clock: Arc<dyn Fn() -> i64 + Send + Sync>) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// The process that had the queue alone has ended, and another begins: what was handed out is lost.
    pub fn reopened(&self) {
        let now_us = self.now_us();
        self.state().take_back(now_us, i64::MAX);
    }

    /// All that happened, in order, but for the first `from`.
    pub fn changes(&self, from: usize) -> Vec<Change> {
        self.state().changes.get(from..).unwrap_or_default().to_vec()
    }

    /// When an event is due, and when it is too old, in UTC microseconds since 1970; how many attempts it had.
    pub fn times(&self, id: InvocationId) -> Option<(i64, i64, u32)> {
        self.state().events.get(&id).map(|event| (event.due_us, event.expires_us, event.attempts))
    }

    /// Every invocation that there is, in the order in which they were accepted.
    pub fn all(&self) -> Vec<InvocationRecord> {
        let state = self.state();
        let mut all: Vec<&Event> = state.events.values().collect();
        all.sort_by_key(|event| event.number);
        all.into_iter().map(Event::record).collect()
    }

    /// What is known of an event as it was accepted, as long as it is kept.
    pub fn event(&self, id: InvocationId) -> Option<NewInvocation> {
        self.state().events.get(&id).map(|event| event.new.clone())
    }

    /// When the next queued event is due, lease over or end forgotten, of those after `after_us`.
    pub(super) fn next_turn(&self, after_us: i64) -> Option<i64> {
        let state = self.state();
        let turns = state.events.values().map(|event| match event.status {
            Status::Queued => event.due_us,
            Status::Running => event.leased_us,
            _ => event.kept_us,
        });
        let keys = state.keys.values().map(|given| given.at_us.saturating_add(DAY_US));
        turns.chain(keys).filter(|turn_us| *turn_us > after_us).min()
    }

    /// Those whose next time a backend chooses within bounds, since they were lost more than once.
    pub(super) fn spread(&self) -> Vec<InvocationId> {
        let state = self.state();
        let spread = state.events.iter().filter(|(_, event)| event.spread.is_some());
        spread.map(|(id, _)| *id).collect()
    }

    /// Takes over what a backend chose; whether it was free to.
    pub(super) fn choose(&self, id: InvocationId, due_us: i64) -> bool {
        let mut state = self.state();
        let Some(event) = state.events.get_mut(&id) else { return false };
        let Some((from_us, apart_us)) = event.spread.take() else { return false };
        event.due_us = due_us;
        let after_us = due_us - from_us;
        after_us % apart_us == 0 && (1..=16).contains(&(after_us / apart_us))
    }

    /// Hands out as [`InvocationQueue::lease`] does. Of those that have been due equally long, a backend may
    /// choose: those in `first` come before others.
    pub(super) fn lease_as(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
        first: &[InvocationId],
    ) -> (Vec<Lease>, Option<i64>) {
        let now_us = self.now_us();
        let mut state = self.state();
        let State { events, changes, .. } = &mut *state;
        let rank = |id| first.iter().position(|other| *other == id).unwrap_or(usize::MAX);
        let mut queued: Vec<(&InvocationId, &mut Event)> = events
            .iter_mut()
            .filter(|(_, event)| event.is_of(app, function) && event.status == Status::Queued)
            .collect();
        queued.sort_by_key(|(id, event)| (event.due_us, rank(**id), event.number));
        let mut leases = Vec::new();
        let mut next_us = None;
        for (id, event) in queued {
            if event.due_us > now_us || leases.len() == limit {
                next_us = Some(event.due_us);
                break;
            }
            event.status = Status::Running;
            event.fence += 1;
            event.attempts += 1;
            event.leased_us = now_us.saturating_add(for_us);
            changes.push(Change { at_us: now_us, id: *id, what: What::Leased(event.attempts) });
            leases.push(event.lease());
        }
        (leases, next_us)
    }

    fn now_us(&self) -> i64 {
        (self.clock)()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Event {
    fn is_of(&self, app: &AppKey, function: &FunctionName) -> bool {
        (&self.new.app, &self.new.function) == (app, function)
    }

    fn end(&mut self, status: Status, kept_us: i64) {
        self.status = status;
        self.kept_us = kept_us;
    }

    fn lease(&self) -> Lease {
        Lease {
            id: self.new.id,
            fence: self.fence,
            attempt: self.attempts,
            failed: self.failed,
            lost: self.lost,
            put_back: self.put_back,
            kind: self.new.kind.clone(),
            payload: self.new.payload.clone(),
            caller: self.new.caller.clone(),
            due_us: self.due_us,
            expires_us: self.expires_us,
        }
    }

    fn record(&self) -> InvocationRecord {
        InvocationRecord {
            id: self.new.id,
            app: self.new.app.clone(),
            function: self.new.function.clone(),
            kind: self.new.kind.clone(),
            status: self.status,
            accepted_us: self.accepted_us,
            due_us: self.due_us,
            attempts: self.records.values().cloned().collect(),
            fault: self.fault.clone(),
            result: self.result.clone(),
        }
    }
}

impl State {
    fn accept(&mut self, new: &NewInvocation, now_us: i64) -> Accepted {
        if let Some(event) = self.events.get(&new.id) {
            return Accepted::Queued { due_us: event.due_us };
        }
        if let Some(key) = &new.key {
            let name = (new.app.clone(), new.function.clone(), key.caller.clone(), key.key.clone());
            let remembered = |given: &&Given| given.at_us > now_us.saturating_sub(DAY_US);
            match self.keys.get(&name).filter(remembered) {
                Some(given) if given.key.payload == key.payload => {
                    return Accepted::Known(given.id);
                }
                Some(_) => return Accepted::Differs,
                None => {}
            }
            self.keys.insert(name, Given { key: key.clone(), id: new.id, at_us: now_us });
        }
        let due_us = new.due_us.max(now_us);
        self.numbers += 1;
        let event = Event {
            new: new.clone(),
            number: self.numbers,
            status: Status::Queued,
            accepted_us: now_us,
            due_us,
            expires_us: due_us.saturating_add(new.max_age_us),
            fence: 0,
            leased_us: 0,
            attempts: 0,
            failed: 0,
            lost: 0,
            put_back: 0,
            cancelled: false,
            kept_us: 0,
            fault: None,
            result: None,
            records: BTreeMap::new(),
            spread: None,
        };
        self.events.insert(new.id, event);
        self.changes.push(Change { at_us: now_us, id: new.id, what: What::Accepted });
        Accepted::Queued { due_us }
    }

    /// Ends leases that hold until `until_us` at most.
    fn take_back(&mut self, now_us: i64, until_us: i64) {
        let State { events, changes, .. } = self;
        for (id, event) in events {
            if event.status != Status::Running || event.leased_us > until_us {
                continue;
            }
            event.due_us = now_us;
            if event.lost > 0 {
                let apart_us = i64::from(event.lost) * APART_US;
                let place = 1 + (event.number % 16).cast_signed();
                event.due_us += place * apart_us;
                event.spread = Some((now_us, apart_us));
            }
            event.fence += 1;
            event.lost += 1;
            event.status = if event.cancelled { Status::Cancelled } else { Status::Queued };
            changes.push(Change { at_us: now_us, id: *id, what: What::Lost });
            if event.cancelled {
                changes.push(Change { at_us: now_us, id: *id, what: What::Ended(event.status) });
            }
        }
    }

    fn complete(&mut self, completion: &Completion, now_us: i64) -> Result<Status, Error> {
        let id = completion.id;
        let missing = || Error::NotFound { what: format!("invocation {id}") };
        let event = self.events.get_mut(&id).ok_or_else(missing)?;
        if event.fence != completion.fence {
            return Err(Error::Conflict(format!("another attempt has invocation {id}")));
        }
        if event.status != Status::Running {
            return Ok(event.status);
        }
        if let Some(attempt) = &completion.attempt {
            event.records.insert(attempt.number, attempt.clone());
            let oldest = attempt.number.saturating_sub(SHOWN as u32);
            event.records.retain(|number, _| *number > oldest);
        }
        let mut accepted = None;
        match &completion.then {
            Then::Succeeded { result, keep_us, send } => {
                event.end(Status::Succeeded, now_us.saturating_add(*keep_us));
                event.result.clone_from(result);
                accepted = send.as_ref();
            }
            Then::Failed { fault, keep_us, send } => {
                event.end(Status::Failed, now_us.saturating_add(*keep_us));
                event.fault = Some(fault.clone());
                accepted = send.as_ref();
            }
            Then::Retry { .. } | Then::PutBack { .. } if event.cancelled => {
                event.end(Status::Cancelled, now_us.saturating_add(DAY_US));
            }
            Then::Retry { due_us, counts } => {
                event.status = Status::Queued;
                event.due_us = *due_us;
                event.failed += u32::from(*counts);
                event.put_back = 0;
            }
            Then::PutBack { due_us } => {
                event.status = Status::Queued;
                event.due_us = *due_us;
                event.attempts -= 1;
                event.put_back += 1;
            }
        }
        let status = event.status;
        let what = if status.is_end() { What::Ended(status) } else { What::PutBack };
        self.changes.push(Change { at_us: now_us, id, what });
        if let Some(new) = accepted {
            self.accept(new, now_us);
        }
        Ok(status)
    }

    fn cancel(
        &mut self,
        tenant: &TenantName,
        id: InvocationId,
        now_us: i64,
    ) -> Result<InvocationRecord, Error> {
        let its = self.events.get_mut(&id).filter(|event| event.new.app.tenant == *tenant);
        let event = its.ok_or_else(|| Error::NotFound { what: format!("invocation {id}") })?;
        match event.status {
            Status::Queued => {
                event.end(Status::Cancelled, now_us.saturating_add(DAY_US));
                let what = What::Ended(Status::Cancelled);
                self.changes.push(Change { at_us: now_us, id, what });
            }
            Status::Running => {
                event.cancelled = true;
                event.kept_us = now_us.saturating_add(DAY_US);
            }
            Status::Cancelled => {}
            Status::Succeeded | Status::Failed => {
                return Err(Error::Conflict(format!("invocation {id} has ended")));
            }
        }
        Ok(event.record())
    }

    fn redrive(
        &mut self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
        now_us: i64,
    ) -> usize {
        let mut queued = 0;
        let State { events, changes, .. } = self;
        // By their ids, which is the order in which they were made.
        for (id, event) in events {
            let is_meant = match which {
                Redrive::One(one) => id == one,
                Redrive::Accepted { since_us, until_us } => {
                    queued < limit && (*since_us..*until_us).contains(&event.accepted_us)
                }
            };
            if !is_meant || event.status != Status::Failed || !event.is_of(app, function) {
                continue;
            }
            event.status = Status::Queued;
            event.due_us = now_us;
            event.expires_us = now_us.saturating_add(event.new.max_age_us);
            (event.failed, event.lost, event.put_back) = (0, 0, 0);
            event.cancelled = false;
            event.fault = None;
            changes.push(Change { at_us: now_us, id: *id, what: What::Redriven });
            queued += 1;
        }
        queued
    }

    fn forget(&mut self, limit: usize, now_us: i64) -> usize {
        self.take_back(now_us, now_us);
        let before_us = now_us.saturating_sub(DAY_US);
        let keys = self.keys.iter().filter(|(_, given)| given.at_us <= before_us);
        let mut keys: Vec<_> = keys.map(|(name, given)| (given.at_us, name.clone())).collect();
        keys.sort();
        keys.truncate(limit);
        for (_, name) in &keys {
            self.keys.remove(name);
        }
        let ended = self.events.iter().filter(|(_, event)| event.status.is_end());
        let old = ended.filter(|(_, event)| event.kept_us <= now_us);
        let mut old: Vec<_> = old.map(|(id, event)| (event.kept_us, *id)).collect();
        old.sort_unstable();
        old.truncate(limit);
        for (_, id) in &old {
            self.events.remove(id);
        }
        keys.len() + old.len()
    }
}

#[async_trait]
impl InvocationQueue for Model {
    async fn accept(&self, new: NewInvocation) -> Result<Accepted, Error> {
        let now_us = self.now_us();
        Ok(self.state().accept(&new, now_us))
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        let mut first: BTreeMap<(AppKey, FunctionName), i64> = BTreeMap::new();
        for event in self.state().events.values().filter(|event| event.status == Status::Queued) {
            let lane = (event.new.app.clone(), event.new.function.clone());
            let due_us = first.entry(lane).or_insert(event.due_us);
            *due_us = event.due_us.min(*due_us);
        }
        let backlog = |((app, function), due_us)| Backlog { app, function, due_us };
        Ok(first.into_iter().map(backlog).collect())
    }

    async fn lease(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
    ) -> Result<(Vec<Lease>, Option<i64>), Error> {
        Ok(self.lease_as(app, function, limit, for_us, &[]))
    }

    async fn extend(
        &self,
        leases: &[(InvocationId, u64)],
        for_us: i64,
    ) -> Result<Vec<InvocationId>, Error> {
        let now_us = self.now_us();
        let mut state = self.state();
        let mut over = Vec::new();
        for (id, fence) in leases {
            match state.events.get_mut(id) {
                Some(event)
                    if event.fence == *fence
                        && event.status == Status::Running
                        && !event.cancelled =>
                {
                    event.leased_us = now_us.saturating_add(for_us);
                }
                _ => over.push(*id),
            }
        }
        Ok(over)
    }

    async fn complete(&self, completion: Completion) -> Result<Status, Error> {
        let now_us = self.now_us();
        self.state().complete(&completion, now_us)
    }

    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        let now_us = self.now_us();
        self.state().cancel(tenant, id, now_us)
    }

    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
    ) -> Result<usize, Error> {
        let now_us = self.now_us();
        Ok(self.state().redrive(app, function, which, limit, now_us))
    }

    async fn invocation(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<Option<InvocationRecord>, Error> {
        let state = self.state();
        let its = state.events.get(&id).filter(|event| event.new.app.tenant == *tenant);
        Ok(its.map(Event::record))
    }

    async fn invocations(&self, query: &InvocationQuery) -> Result<Vec<InvocationRecord>, Error> {
        let state = self.state();
        let found = state.events.iter().rev().filter(|(id, event)| {
            event.is_of(&query.app, &query.function)
                && query.status.is_none_or(|status| status == event.status)
                && query.before.is_none_or(|before| **id < before)
        });
        Ok(found.take(query.limit).map(|(_, event)| event.record()).collect())
    }

    async fn forget(&self, limit: usize) -> Result<usize, Error> {
        let now_us = self.now_us();
        Ok(self.state().forget(limit, now_us))
    }

    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        let mut state = self.state();
        state.events.retain(|_, event| event.new.app != *app);
        state.keys.retain(|(of, ..), _| of != app);
        Ok(())
    }
}
