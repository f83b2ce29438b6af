//! What must hold of how attempts end, said anew and not as the dispatcher says it.

use std::collections::BTreeMap;

use mayfly_state_api::suite::What;
use mayfly_state_api::{Completion, InvocationStatus, Lease, Then};
use mayfly_types::{AppKey, AsyncConfig, Blame, FunctionName, InvocationId};

use super::world::{Act, Book, World, told};

const SECOND_US: i64 = 1_000_000;
/// How often an event may be lost.
const LOST: u32 = 20;

/// How long is waited before the next attempt, more or less, in microseconds.
fn waits(first_us: i64, before: u32, most_us: i64) -> i64 {
    (0..before).fold(first_us, |wait, _| wait.saturating_mul(2).min(most_us)).min(most_us)
}

impl World {
    /// An attempt ends in a way that the rules allow. It may be told again, but not otherwise.
    pub(super) fn follows(&self, completion: &Completion) {
        let key = (completion.id, completion.fence);
        let mut book = self.book.lock().unwrap();
        if let Some(before) = book.told.get(&key) {
            assert_eq!(before, completion, "what is told again is what was told before");
            return;
        }
        book.told.insert(key, completion.clone());
        let lease = book.leases[&key].clone();
        let Some(event) = self.model.event(completion.id) else { return };
        match self.of(&event.app, &event.function) {
            Some(of) => self.follows_from(&book, &lease, of, completion),
            None => assert!(matches!(completion.then, Then::Failed { .. }), "nobody is there"),
        }
    }

    fn follows_from(&self, book: &Book, lease: &Lease, of: usize, completion: &Completion) {
        let config = &self.revisions[of].config().events;
        let now_us = self.now_us();
        let came = book.came.get(&(lease.id, lease.attempt)).copied();
        let within = |due_us: i64, wait_us: i64| {
            let after_us = due_us - now_us;
            (wait_us * 3 / 4 - 1..=wait_us * 5 / 4 + 1).contains(&after_us)
        };
        let too_old = |wait_us: i64| now_us + wait_us * 5 / 4 >= lease.expires_us;
        let then = &completion.then;
        let (holds, ran) = match came {
            None if lease.lost >= LOST || now_us > lease.expires_us => {
                (matches!(then, Then::Failed { .. }), false)
            }
            // It found no place.
            None => {
                let wait_us = waits(SECOND_US / 10, lease.put_back, 30 * SECOND_US);
                let holds = match then {
                    Then::PutBack { due_us } => within(*due_us, wait_us),
                    Then::Failed { .. } => too_old(wait_us),
                    _ => false,
                };
                (holds, false)
            }
            Some(Act::Answers) => (matches!(then, Then::Succeeded { .. }), true),
            Some(Act::Fails(code)) if code.blame() != Blame::Function => {
                let before = lease.attempt - 1 - lease.failed.min(lease.attempt - 1);
                let wait_us = waits(SECOND_US, before, 300 * SECOND_US);
                let holds = match then {
                    Then::Retry { due_us, counts: false } => within(*due_us, wait_us),
                    Then::Failed { .. } => too_old(wait_us),
                    _ => false,
                };
                (holds, true)
            }
            Some(Act::Fails(_) | Act::Hangs) => {
                (self.own_failure(config, lease, then, within), true)
            }
            Some(Act::Kills) => (false, true),
        };
        assert!(holds, "{came:?} of {lease:?} at {now_us} is followed by {then:?}");
        assert_eq!(completion.attempt.is_some(), ran);
        let (sends, to) = match then {
            Then::Succeeded { send, .. } => (send, &config.on_success),
            Then::Failed { send, .. } => (send, &config.on_failure),
            Then::Retry { .. } | Then::PutBack { .. } => return,
        };
        assert_eq!(sends.is_some(), to.is_some(), "whoever is to be told is told");
    }

    fn own_failure(
        &self,
        config: &AsyncConfig,
        lease: &Lease,
        then: &Then,
        within: impl Fn(i64, i64) -> bool,
    ) -> bool {
        let first_us = i64::try_from(config.backoff.as_duration().as_micros()).unwrap();
        let wait_us = waits(first_us, lease.failed, first_us.max(3_600 * SECOND_US));
        let last = lease.failed + 1 >= config.attempts;
        match then {
            Then::Retry { due_us, counts: true } => !last && within(*due_us, wait_us),
            Then::Failed { .. } => last || self.now_us() + wait_us * 5 / 4 >= lease.expires_us,
            _ => false,
        }
    }

    /// What holds when all is over.
    pub(super) fn ends_well(&self, acknowledged: &[InvocationId]) {
        let book = self.book.lock().unwrap();
        assert_eq!(book.running.len(), 0, "something runs still");
        let changes = self.model.changes(0);
        let mut ends: BTreeMap<InvocationId, Vec<InvocationStatus>> = BTreeMap::new();
        let mut again: BTreeMap<InvocationId, usize> = BTreeMap::new();
        for change in &changes {
            match change.what {
                What::Accepted => assert_eq!(ends.insert(change.id, Vec::new()), None),
                What::Ended(status) => ends.get_mut(&change.id).unwrap().push(status),
                What::Redriven => *again.entry(change.id).or_default() += 1,
                What::Leased(_) | What::Lost | What::PutBack => {}
            }
        }
        for id in acknowledged {
            assert!(ends.contains_key(id), "an event that was acknowledged is not there");
        }
        let mut tells: BTreeMap<(InvocationId, bool), usize> = BTreeMap::new();
        for id in ends.keys() {
            let event = self.model.event(*id);
            if let Some((of, condition)) = event.and_then(|event| told(&event.payload)) {
                *tells.entry((of, condition == "Success")).or_default() += 1;
            }
        }
        for record in self.model.all() {
            let (id, ended) = (record.id, &ends[&record.id]);
            let redriven = again.get(&id).copied().unwrap_or_default();
            assert_eq!(ended.len(), 1 + redriven, "{id} ends once, each time that it is queued");
            let Some(of) = self.of(&record.app, &record.function) else { continue };
            let config = &self.revisions[of].config().events;
            let count = |status| ended.iter().filter(|end| **end == status).count();
            for (status, to, works) in [
                (InvocationStatus::Succeeded, &config.on_success, true),
                (InvocationStatus::Failed, &config.on_failure, false),
            ] {
                let expected = if to.is_some() { count(status) } else { 0 };
                let tells = tells.get(&(id, works)).copied().unwrap_or_default();
                assert_eq!(tells, expected, "each end is told once");
            }
            let own = record.attempts.iter().filter(|attempt| {
                attempt.fault.as_ref().is_some_and(|fault| fault.code.blame() == Blame::Function)
            });
            let most = config.attempts as usize * (1 + redriven);
            assert!(own.count() <= most, "it failed more often than it may");
        }
    }

    /// Whether nothing waits or runs any more.
    pub(super) fn is_over(&self) -> bool {
        self.model.all().iter().all(|record| record.status.is_end())
    }

    /// Which function an event is sent to.
    pub(super) fn lane(&self, of: usize) -> (AppKey, FunctionName) {
        (self.revisions[of].app().clone(), self.revisions[of].function().clone())
    }
}
