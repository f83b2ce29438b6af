//! Histories of a queue: steps in an order that nobody would think of, each done to a backend and to
//! [`Model`], which must answer alike and hold the same after each step.
//!
//! A seed gives a history. One on which they differ is made as short as it can be by leaving out steps, and
//! told with its seed.

mod steps;
#[cfg(test)]
mod tests;

use std::fmt::Debug;
use std::ops::Range;
use std::sync::Arc;

use async_trait::async_trait;
use mayfly_types::{Fault, FaultCode, InvocationId, Outcome, OutcomeStatus};

use super::Model;
use super::queue::TestClock;
use crate::{
    AttemptRecord, Completion, Error, InvocationQuery, InvocationQueue, InvocationRecord,
    InvocationStatus, Lease, Redrive, Then,
};

use steps::{Follows, Turn, lanes};
pub use steps::{Step, history};

/// When each history begins, in UTC microseconds since 1970.
const BEGIN_US: i64 = 1_700_000_000_000_000;
/// Most histories that are tried to shorten one.
const TRIES: usize = 2_000;

/// A backend's queue, as a history needs it.
#[async_trait]
pub trait Subject: Send + Sync {
    /// The queue.
    fn queue(&self) -> &dyn InvocationQueue;
    /// Opens it anew, as the next process does.
    async fn reopen(&mut self) -> Leases;
}

/// What becomes of leases when a queue is opened anew.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Leases {
    /// They hold.
    Kept,
    /// They are lost: one process has the queue alone.
    Lost,
}

/// Where a queue differed from the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// After which step, from 0.
    pub at: usize,
    /// What was compared.
    pub what: String,
    /// As it should be.
    pub model: String,
    /// As it is.
    pub queue: String,
}

/// Follows the histories of these seeds, each of so many steps, one after another on one queue that `open`
/// answers.
///
/// # Panics
/// When the queue differs from the model, with the shortest history that shows it.
pub async fn follow<S: Subject>(
    open: impl AsyncFn(&TestClock) -> S,
    seeds: Range<u64>,
    length: usize,
) {
    let clock = TestClock::default();
    let mut subject = open(&clock).await;
    for seed in seeds {
        let steps = history(seed, length);
        let Err(difference) = run(&mut subject, &clock, &steps).await else { continue };
        let fresh = async |steps: &[Step]| {
            let clock = TestClock::default();
            run(&mut open(&clock).await, &clock, steps).await.err()
        };
        let Some(first) = fresh(&steps).await else {
            panic!("seed {seed}, but only after the histories before it: {difference:#?}");
        };
        let (steps, difference) = shortest(steps, first, fresh).await;
        let steps: Vec<_> =
            steps.iter().enumerate().map(|(at, step)| format!("{at}: {step:?}")).collect();
        panic!(
            "seed {seed}, after step {}: {}\n  the model: {}\n  the queue: {}\n{}",
            difference.at,
            difference.what,
            difference.model,
            difference.queue,
            steps.join("\n")
        );
    }
}

/// Leaves out whatever need not be there for a difference: long parts first, then single steps.
pub async fn shortest(
    mut steps: Vec<Step>,
    mut difference: Difference,
    differs: impl AsyncFn(&[Step]) -> Option<Difference>,
) -> (Vec<Step>, Difference) {
    let mut tries = 0;
    steps.truncate(difference.at + 1);
    let mut part = steps.len() / 2;
    while part > 0 && tries < TRIES {
        let (mut from, mut shorter) = (0, false);
        while from < steps.len() {
            let mut fewer = steps.clone();
            fewer.drain(from..(from + part).min(steps.len()));
            tries += 1;
            match differs(&fewer).await {
                Some(found) => {
                    fewer.truncate(found.at + 1);
                    (steps, difference, shorter) = (fewer, found, true);
                }
                None => from += part,
            }
        }
        if !shorter || part > 1 {
            part /= 2;
        }
    }
    (steps, difference)
}

/// Does every step to the queue and to a model, and leaves the queue empty.
///
/// # Errors
/// Where they differ.
pub async fn run(
    subject: &mut impl Subject,
    clock: &TestClock,
    steps: &[Step],
) -> Result<(), Difference> {
    clock.set(BEGIN_US);
    let told = clock.clone();
    let model = Model::new(Arc::new(move || told.now_us()));
    let mut run = Run::new(model, clock);
    for (at, step) in steps.iter().enumerate() {
        // No two things happen at one time, so that what is kept longest is the same for all.
        clock.advance(1);
        let done = run.step(subject, step).await;
        let same = match done {
            Ok(()) => run.compare(subject.queue(), at + 1 == steps.len()).await,
            different => different,
        };
        same.map_err(|difference| Difference { at, ..difference })?;
    }
    let [(one, _), _, (other, _)] = lanes();
    for app in [one, other] {
        subject.queue().delete_app(&app).await.unwrap();
    }
    Ok(())
}

struct Run {
    model: Model,
    clock: TestClock,
    /// All that were handed out and not ended, also those that ran out, oldest first.
    leases: Vec<Lease>,
    /// All that was ever told of how they ended.
    ends: Vec<Completion>,
    /// What the model had of each function when that was last compared.
    compared: [Vec<InvocationRecord>; 3],
}

/// What is compared of an answer: errors by their kind, since their texts are the backend's own.
fn told<T: Debug>(answer: &Result<T, Error>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(Error::NotFound { .. }) => "not found".into(),
        Err(Error::Conflict(_)) => "a conflict".into(),
        Err(other) => format!("{other:?}"),
    }
}

fn same<T: Debug>(
    what: &str,
    model: &Result<T, Error>,
    queue: &Result<T, Error>,
) -> Result<(), Difference> {
    let (model, queue) = (told(model), told(queue));
    if model == queue {
        return Ok(());
    }
    Err(Difference { at: 0, what: what.into(), model, queue })
}

impl Run {
    fn new(model: Model, clock: &TestClock) -> Self {
        let clock = clock.clone();
        Self { model, clock, leases: Vec::new(), ends: Vec::new(), compared: Default::default() }
    }

    async fn step(&mut self, subject: &mut impl Subject, step: &Step) -> Result<(), Difference> {
        let (model, queue) = (&self.model, subject.queue());
        match step {
            Step::Accept { new, delay_us } => {
                let due_us = delay_us.map_or(0, |delay_us| self.clock.now_us() + delay_us);
                let mut new = new.clone();
                new.due_us = due_us;
                same("accept", &model.accept(new.clone()).await, &queue.accept(new).await)
            }
            Step::Lease { lane, limit, for_us } => {
                let (app, function) = &lanes()[*lane];
                let leased = queue.lease(app, function, *limit, *for_us).await;
                let chosen: Vec<InvocationId> =
                    leased.iter().flat_map(|(leases, _)| leases).map(|lease| lease.id).collect();
                let expected = model.lease_as(app, function, *limit, *for_us, &chosen);
                same("lease", &Ok(expected), &leased)?;
                self.leases.extend(leased.into_iter().flat_map(|(leases, _)| leases));
                Ok(())
            }
            Step::Extend { back, many, for_us } => {
                let held: Vec<_> = (0..*many)
                    .filter_map(|more| self.lease(back + more))
                    .map(|lease| (lease.id, lease.fence))
                    .collect();
                let (expected, over) =
                    (model.extend(&held, *for_us).await, queue.extend(&held, *for_us).await);
                same("extend", &expected, &over)
            }
            Step::Complete { back, wall_us, then } => {
                let Some(at) = self.leases.len().checked_sub(1 + back) else { return Ok(()) };
                let lease = self.leases.remove(at);
                let completion = completion(&lease, self.clock.now_us(), *wall_us, then);
                self.ends.push(completion.clone());
                let expected = model.complete(completion.clone()).await;
                same("complete", &expected, &queue.complete(completion).await)
            }
            Step::Again { back } => {
                let Some(at) = self.ends.len().checked_sub(1 + back) else { return Ok(()) };
                let completion = self.ends[at].clone();
                let expected = model.complete(completion.clone()).await;
                same("complete again", &expected, &queue.complete(completion).await)
            }
            Step::Cancel { tenant, id } => {
                let expected = model.cancel(tenant, *id).await;
                same("cancel", &expected, &queue.cancel(tenant, *id).await)
            }
            Step::Redrive { lane, one, last_us, limit } => {
                let (app, function) = &lanes()[*lane];
                let until_us = self.clock.now_us();
                let which = match one {
                    Some(id) => Redrive::One(*id),
                    None => Redrive::Accepted { since_us: until_us - last_us, until_us },
                };
                let expected = model.redrive(app, function, &which, *limit).await;
                let redriven = queue.redrive(app, function, &which, *limit).await;
                same("redrive", &expected, &redriven)
            }
            Step::Read { tenant, id, query } => {
                let expected = model.invocation(tenant, *id).await;
                same("invocation", &expected, &queue.invocation(tenant, *id).await)?;
                let expected = model.invocations(query).await;
                same("invocations", &expected, &queue.invocations(query).await)
            }
            Step::Forget { limit } => {
                let expected = model.forget(*limit).await;
                same("forget", &expected, &queue.forget(*limit).await)?;
                self.spread(subject.queue()).await
            }
            Step::DeleteApp { app } => {
                let expected = model.delete_app(app).await;
                same("delete_app", &expected, &queue.delete_app(app).await)
            }
            Step::Clock(Turn::By(by_us)) => {
                self.clock.advance(*by_us);
                Ok(())
            }
            Step::Clock(Turn::ToNext { off_us }) => {
                // One less, for each step begins a microsecond later.
                if let Some(next_us) = model.next_turn(self.clock.now_us()) {
                    self.clock.set(next_us + off_us - 1);
                }
                Ok(())
            }
            Step::Reopen => {
                if subject.reopen().await == Leases::Lost {
                    self.model.reopened();
                }
                self.spread(subject.queue()).await
            }
        }
    }

    /// The lease that was handed out so many before the last one.
    fn lease(&self, back: usize) -> Option<&Lease> {
        self.leases.iter().rev().nth(back)
    }

    /// Takes over the times that the queue chose for what was lost again.
    async fn spread(&self, queue: &dyn InvocationQueue) -> Result<(), Difference> {
        for id in self.model.spread() {
            let lane = self.model.event(id).map(|event| event.app.tenant);
            let Some(tenant) = lane else { continue };
            let record = queue.invocation(&tenant, id).await;
            let due_us = record.iter().flatten().map(|record| record.due_us).next();
            if !due_us.is_some_and(|due_us| self.model.choose(id, due_us)) {
                let what = "what was lost again is not spread".into();
                let (model, queue) = (format!("{:?}", self.model.times(id)), told(&record));
                return Err(Difference { at: 0, what, model, queue });
            }
        }
        Ok(())
    }

    /// Compares what can be seen: of the functions of which something changed, or of `all`.
    async fn compare(&mut self, queue: &dyn InvocationQueue, all: bool) -> Result<(), Difference> {
        let mut changed = all;
        for (of, (app, function)) in lanes().into_iter().enumerate() {
            let query = InvocationQuery { app, function, status: None, before: None, limit: 1_000 };
            let expected = self.model.invocations(&query).await;
            if !all && expected.as_ref() == Ok(&self.compared[of]) {
                continue;
            }
            same("invocations", &expected, &queue.invocations(&query).await)?;
            self.compared[of] = expected.unwrap_or_default();
            changed = true;
        }
        if !changed {
            return Ok(());
        }
        let mut backlogs = queue.backlogs().await;
        if let Ok(backlogs) = &mut backlogs {
            backlogs.sort_by(|a, b| (&a.app, &a.function).cmp(&(&b.app, &b.function)));
        }
        same("backlogs", &self.model.backlogs().await, &backlogs)
    }
}

fn completion(lease: &Lease, now_us: i64, wall_us: u64, then: &Follows) -> Completion {
    let fault = || Fault::new(FaultCode::FunctionError, "it threw").with_detail("at line 1");
    let send = |send: &Option<crate::NewInvocation>| send.clone();
    let (then, failed) = match then {
        Follows::Succeeded { keep_us, result, send: next } => {
            let result = result.clone();
            (Then::Succeeded { result, keep_us: *keep_us, send: send(next) }, false)
        }
        Follows::Failed { keep_us, send: next } => {
            (Then::Failed { fault: fault(), keep_us: *keep_us, send: send(next) }, true)
        }
        Follows::Retry { after_us, counts } => {
            (Then::Retry { due_us: now_us + after_us, counts: *counts }, true)
        }
        Follows::PutBack { after_us } => (Then::PutBack { due_us: now_us + after_us }, true),
    };
    let fault = failed.then(fault);
    let status = fault.as_ref().map_or(OutcomeStatus::Ok, |fault| OutcomeStatus::Fault(fault.code));
    let attempt = AttemptRecord {
        number: lease.attempt,
        revision: None,
        memory: None,
        started_us: now_us,
        outcome: Outcome { wall_us, ..Outcome::nothing(status) },
        fault,
    };
    let ran = !matches!(then, Then::PutBack { .. });
    Completion { id: lease.id, fence: lease.fence, attempt: ran.then_some(attempt), then }
}

/// How many invocations of each status a history leaves, to see that it is worth its time.
pub async fn leaves(seed: u64, length: usize) -> [usize; 5] {
    let clock = TestClock::default();
    clock.set(BEGIN_US);
    let told = clock.clone();
    let mut subject = ModelSubject(Model::new(Arc::new(move || told.now_us())));
    let told = clock.clone();
    let model = Model::new(Arc::new(move || told.now_us()));
    let mut run = Run::new(model, &clock);
    let mut seen = [0; 5];
    for step in history(seed, length) {
        clock.advance(1);
        run.step(&mut subject, &step).await.unwrap();
        for (count, status) in seen.iter_mut().zip(InvocationStatus::ALL) {
            let all = run.model.all();
            let now = all.iter().filter(|record| record.status == status).count();
            *count = (*count).max(now);
        }
    }
    seen
}

/// A model, held against another.
pub(crate) struct ModelSubject(pub(crate) Model);

#[async_trait]
impl Subject for ModelSubject {
    fn queue(&self) -> &dyn InvocationQueue {
        &self.0
    }

    async fn reopen(&mut self) -> Leases {
        self.0.reopened();
        Leases::Lost
    }
}
