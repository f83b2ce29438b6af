//! What every [`InvocationQueue`] must do.

mod ends;
mod keys;
mod leases;
mod lists;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use mayfly_types::{
    AppKey, Digest, Fault, FaultCode, InvocationId, Outcome, OutcomeStatus, TenantName,
};

use super::{function, unused_tenant};
use crate::{
    Accepted, AttemptRecord, Completion, Error, IdempotencyKey, InvocationQuery, InvocationQueue,
    InvocationRecord, InvocationStatus, Lease, NewInvocation, Then,
};

pub use ends::*;
pub use keys::*;
pub use leases::*;
pub use lists::*;

/// One test per behaviour: `queue_suite!(open)`, where `open` is an async function that answers a pointer to
/// a fresh queue and the clock that it was given.
#[macro_export]
macro_rules! queue_suite {
    (@list $($how:tt)*) => {
        $crate::queue_suite! { @run $($how)*;
            an_event_is_handed_out_once_as_it_was_accepted
            an_event_that_is_accepted_twice_is_one
            what_is_not_due_is_not_handed_out
            what_is_due_longest_comes_first_and_no_more_than_asked_for
            a_lease_that_ran_out_gives_way_to_another
            a_lease_that_is_extended_holds
            what_is_put_back_costs_no_attempt
            attempts_are_counted_and_those_that_cost_one
            an_event_tells_when_it_is_too_old
            many_who_lease_at_once_never_have_the_same
            an_answer_is_kept_and_ends_an_invocation
            what_is_told_twice_is_done_once
            a_failure_is_a_dead_letter_until_it_is_redriven
            dead_letters_are_redriven_by_their_time_oldest_first
            an_event_for_another_function_comes_with_the_end
            a_queued_invocation_that_is_cancelled_is_not_tried
            a_running_invocation_that_is_cancelled_is_not_tried_again
            of_many_attempts_the_newest_are_kept
            what_was_kept_long_enough_is_forgotten
            a_key_that_was_given_before_names_the_same_invocation
            a_key_with_another_payload_is_told_apart
            keys_of_other_callers_and_functions_are_others
            a_key_is_remembered_for_a_day
            functions_with_work_are_told_with_the_first_time_due
            invocations_are_listed_newest_first_by_status_in_pages
            tenants_do_not_see_each_others_invocations
            a_deleted_apps_invocations_are_gone_and_no_others
        }
    };
    (@run tests $open:path; $($name:ident)*) => {$(
        #[::tokio::test]
        async fn $name() {
            let (queue, clock) = $open().await;
            $crate::suite::queue::$name(&*queue, &clock).await;
        }
    )*};
    (@run all $queue:ident $clock:ident; $($name:ident)*) => {$(
        ::std::boxed::Box::pin($crate::suite::queue::$name($queue, $clock)).await;
    )*};
    ($open:path) => { $crate::queue_suite! { @list tests $open } };
}

/// Every behaviour on one queue.
pub async fn all(queue: &dyn InvocationQueue, clock: &TestClock) {
    queue_suite! { @list all queue clock }
}

/// A clock that stands until it is moved.
#[derive(Debug, Clone)]
pub struct TestClock(Arc<AtomicI64>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(1_700_000_000_000_000)))
    }
}

impl TestClock {
    /// The time in UTC microseconds since 1970.
    pub fn now_us(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }

    /// Moves it by so many microseconds.
    pub fn advance(&self, by_us: i64) {
        self.0.fetch_add(by_us, Ordering::SeqCst);
    }
}

pub(super) const SECOND_US: i64 = 1_000_000;
pub(super) const HOUR_US: i64 = 3_600 * SECOND_US;

pub(super) fn some_app() -> AppKey {
    super::app(&unused_tenant(), "photos")
}

pub(super) fn event(app: &AppKey, payload: &str) -> NewInvocation {
    NewInvocation {
        id: InvocationId::new(),
        app: app.clone(),
        function: function("thumb"),
        kind: "invoke".into(),
        payload: payload.into(),
        due_us: 0,
        max_age_us: HOUR_US,
        caller: None,
        key: None,
    }
}

/// Accepts an event and answers its id.
async fn accepted(queue: &dyn InvocationQueue, app: &AppKey, payload: &str) -> InvocationId {
    let new = event(app, payload);
    let id = new.id;
    assert!(matches!(queue.accept(new).await, Ok(Accepted::Queued { .. })));
    id
}

/// Leases at most `limit` of the function for a minute.
async fn leases(queue: &dyn InvocationQueue, app: &AppKey, limit: usize) -> Vec<Lease> {
    queue.lease(app, &function("thumb"), limit, 60 * SECOND_US).await.unwrap().0
}

/// The one lease that there is.
async fn one(queue: &dyn InvocationQueue, app: &AppKey) -> Lease {
    let mut all = leases(queue, app, 10).await;
    assert_eq!(all.len(), 1, "{all:?}");
    all.remove(0)
}

async fn read(
    queue: &dyn InvocationQueue,
    tenant: &TenantName,
    id: InvocationId,
) -> InvocationRecord {
    queue.invocation(tenant, id).await.unwrap().unwrap()
}

fn fault() -> Fault {
    Fault::new(FaultCode::FunctionError, "it threw").with_detail("Error: it threw\n  at line 1")
}

fn attempt(lease: &Lease, clock: &TestClock, fault: Option<Fault>) -> AttemptRecord {
    let status = fault.as_ref().map_or(OutcomeStatus::Ok, |fault| OutcomeStatus::Fault(fault.code));
    AttemptRecord {
        number: lease.attempt,
        revision: None,
        memory: None,
        started_us: clock.now_us(),
        outcome: Outcome { wall_us: 1_500, bytes_out: 7, ..Outcome::nothing(status) },
        fault,
    }
}

fn completion(lease: &Lease, attempt: Option<AttemptRecord>, then: Then) -> Completion {
    Completion { id: lease.id, fence: lease.fence, attempt, then }
}

fn succeeded(lease: &Lease, clock: &TestClock, result: &str) -> Completion {
    let then = Then::Succeeded { result: Some(result.into()), keep_us: HOUR_US, send: None };
    completion(lease, Some(attempt(lease, clock, None)), then)
}

fn failed(lease: &Lease, clock: &TestClock) -> Completion {
    let then = Then::Failed { fault: fault(), keep_us: HOUR_US, send: None };
    completion(lease, Some(attempt(lease, clock, Some(fault()))), then)
}

fn retry(lease: &Lease, clock: &TestClock, after_us: i64, counts: bool) -> Completion {
    let then = Then::Retry { due_us: clock.now_us() + after_us, counts };
    completion(lease, Some(attempt(lease, clock, Some(fault()))), then)
}

fn is_conflict<T: std::fmt::Debug>(answer: Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Conflict(_)))
}

pub(super) fn key(name: &str, payload: &str) -> IdempotencyKey {
    let payload = Digest::of(payload.as_bytes());
    IdempotencyKey { caller: "laptop".into(), key: name.into(), payload }
}

fn query(app: &AppKey, status: Option<InvocationStatus>, limit: usize) -> InvocationQuery {
    InvocationQuery { app: app.clone(), function: function("thumb"), status, before: None, limit }
}
