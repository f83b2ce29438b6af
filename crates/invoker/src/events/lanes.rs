//! Whose turn it is: one lane for each function that has events.
//!
//! Functions take turns, however many events each has, and none has more attempts at once than it may.

use std::collections::{BTreeSet, HashMap, VecDeque};

use mayfly_types::{AppKey, FunctionName};

/// A function.
pub(crate) type Lane = (AppKey, FunctionName);

/// The lanes of a node.
#[derive(Debug, Default)]
pub(crate) struct Lanes {
    lanes: HashMap<Lane, State>,
    /// Those that have something due and room for it, in the order of their turns.
    ready: VecDeque<Lane>,
    /// Those that have something later.
    timed: BTreeSet<(i64, Lane)>,
    /// Places that are taken, of all lanes.
    busy: usize,
}

#[derive(Debug, Default)]
struct State {
    /// When the first of what is known to be queued is due, in UTC microseconds since 1970.
    due_us: Option<i64>,
    /// Places that it has: for attempts, and for what it is being leased.
    taken: usize,
    leasing: bool,
    waits: Waits,
}

/// Where a lane stands.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Waits {
    #[default]
    Nowhere,
    Ready,
    Until(i64),
}

impl Lanes {
    /// Something of a function is due then.
    pub(crate) fn note(&mut self, lane: &Lane, due_us: i64, now_us: i64) {
        let state = self.lanes.entry(lane.clone()).or_default();
        state.due_us = Some(state.due_us.map_or(due_us, |known| known.min(due_us)));
        self.place(lane, now_us);
    }

    /// The next lane to lease from and how much, which is at most `most` of all and `limit` of this one
    /// together with what it has. The places are taken until [`leased`](Self::leased).
    pub(crate) fn next(
        &mut self,
        now_us: i64,
        most: usize,
        limit: impl Fn(&Lane) -> usize,
    ) -> Option<(Lane, usize)> {
        while self.timed.first().is_some_and(|(due_us, _)| *due_us <= now_us) {
            let Some((_, lane)) = self.timed.pop_first() else { break };
            self.lanes.entry(lane.clone()).or_default().waits = Waits::Ready;
            self.ready.push_back(lane);
        }
        let free = most.saturating_sub(self.busy);
        // Each that waits gets a part of what is free; what one leaves the next round has.
        let part = free.div_ceil(self.ready.len().max(1));
        for _ in 0..self.ready.len() {
            if free == 0 {
                return None;
            }
            let lane = self.ready.pop_front()?;
            let state = self.lanes.entry(lane.clone()).or_default();
            state.waits = Waits::Nowhere;
            let want = part.min(limit(&lane).saturating_sub(state.taken));
            if want == 0 {
                // It is at its limit: the end of one of its attempts gives it its turn again.
                continue;
            }
            state.leasing = true;
            state.due_us = None;
            state.taken += want;
            self.busy += want;
            return Some((lane, want));
        }
        None
    }

    /// What came of a lease: how many of the places that were taken are used, and when the next is due.
    pub(crate) fn leased(
        &mut self,
        lane: &Lane,
        taken: usize,
        used: usize,
        next_due_us: Option<i64>,
        now_us: i64,
    ) {
        let state = self.lanes.entry(lane.clone()).or_default();
        state.leasing = false;
        let unused = taken.saturating_sub(used);
        state.taken = state.taken.saturating_sub(unused);
        self.busy = self.busy.saturating_sub(unused);
        // What was noted meanwhile may be in neither.
        state.due_us = [state.due_us, next_due_us].into_iter().flatten().min();
        self.place(lane, now_us);
    }

    /// An attempt of a lane has ended.
    pub(crate) fn ended(&mut self, lane: &Lane, now_us: i64) {
        if let Some(state) = self.lanes.get_mut(lane) {
            state.taken = state.taken.saturating_sub(1);
        }
        self.busy = self.busy.saturating_sub(1);
        self.place(lane, now_us);
    }

    /// When the first lane that waits for a time is due.
    pub(crate) fn first_due(&self) -> Option<i64> {
        self.timed.first().map(|(due_us, _)| *due_us)
    }

    /// Puts a lane where it belongs.
    fn place(&mut self, lane: &Lane, now_us: i64) {
        let Some(state) = self.lanes.get_mut(lane) else { return };
        let wanted = match state.due_us {
            _ if state.leasing => Waits::Nowhere,
            None => Waits::Nowhere,
            Some(due_us) if due_us <= now_us => Waits::Ready,
            Some(due_us) => Waits::Until(due_us),
        };
        if state.waits == Waits::Ready && wanted == Waits::Ready {
            return;
        }
        match state.waits {
            Waits::Nowhere => {}
            Waits::Ready => self.ready.retain(|other| other != lane),
            Waits::Until(due_us) => {
                self.timed.remove(&(due_us, lane.clone()));
            }
        }
        state.waits = wanted;
        match wanted {
            Waits::Ready => self.ready.push_back(lane.clone()),
            Waits::Until(due_us) => {
                self.timed.insert((due_us, lane.clone()));
            }
            Waits::Nowhere if state.taken == 0 && !state.leasing && state.due_us.is_none() => {
                self.lanes.remove(lane);
            }
            Waits::Nowhere => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lane(name: &str) -> Lane {
        let app = AppKey::new(mayfly_types::TenantName::fallback(), "photos".parse().unwrap());
        (app, name.parse().unwrap())
    }

    fn no_limit(_: &Lane) -> usize {
        usize::MAX
    }

    #[test]
    fn functions_take_turns_however_much_each_has() {
        let (mut lanes, storm, quiet) = (Lanes::default(), lane("storm"), lane("quiet"));
        lanes.note(&storm, 0, 10);
        assert_eq!(lanes.next(10, 4, no_limit), Some((storm.clone(), 4)));
        lanes.leased(&storm, 4, 4, Some(0), 10);
        lanes.note(&quiet, 5, 10);
        assert_eq!(lanes.next(10, 4, no_limit), None);
        // Each place that becomes free goes to one after the other.
        lanes.ended(&storm, 10);
        assert_eq!(lanes.next(10, 4, no_limit), Some((storm.clone(), 1)));
        lanes.leased(&storm, 1, 1, Some(0), 10);
        lanes.ended(&storm, 10);
        assert_eq!(lanes.next(10, 4, no_limit), Some((quiet.clone(), 1)));
        lanes.leased(&quiet, 1, 1, Some(0), 10);
        lanes.ended(&storm, 10);
        assert_eq!(lanes.next(10, 4, no_limit), Some((storm, 1)));
    }

    #[test]
    fn what_is_free_is_shared_among_those_that_wait() {
        let mut lanes = Lanes::default();
        let names = ["a", "b", "c"].map(lane);
        for name in &names {
            lanes.note(name, 0, 1);
        }
        let shares: Vec<_> = std::iter::from_fn(|| lanes.next(1, 9, no_limit)).collect();
        assert_eq!(shares, names.map(|name| (name, 3)));
    }

    #[test]
    fn a_lane_at_its_limit_stands_in_nobodys_way() {
        let (mut lanes, slow, other) = (Lanes::default(), lane("slow"), lane("other"));
        let limit = |lane: &Lane| if lane.1.as_str() == "slow" { 1 } else { usize::MAX };
        lanes.note(&slow, 0, 1);
        assert_eq!(lanes.next(1, 10, limit), Some((slow.clone(), 1)));
        lanes.leased(&slow, 1, 1, Some(0), 1);
        assert_eq!(lanes.next(1, 10, limit), None);
        lanes.note(&other, 0, 1);
        assert_eq!(lanes.next(1, 10, limit), Some((other, 9)));
        lanes.ended(&slow, 1);
        assert_eq!(lanes.next(1, 20, limit), Some((slow, 1)));
    }

    #[test]
    fn what_is_due_later_waits_for_its_time() {
        let (mut lanes, lane) = (Lanes::default(), lane("a"));
        lanes.note(&lane, 50, 10);
        assert_eq!((lanes.next(49, 1, no_limit), lanes.first_due()), (None, Some(50)));
        lanes.note(&lane, 30, 10);
        assert_eq!(lanes.first_due(), Some(30));
        assert_eq!(lanes.next(30, 1, no_limit), Some((lane.clone(), 1)));
        assert_eq!(lanes.first_due(), None);
        lanes.leased(&lane, 1, 0, Some(50), 30);
        assert_eq!(lanes.first_due(), Some(50));
    }

    #[test]
    fn what_comes_while_a_lane_is_leased_is_not_forgotten() {
        let (mut lanes, lane) = (Lanes::default(), lane("a"));
        lanes.note(&lane, 0, 1);
        lanes.next(1, 10, no_limit).unwrap();
        lanes.note(&lane, 1, 1);
        assert_eq!(lanes.next(1, 10, no_limit), None, "one lease at a time");
        lanes.leased(&lane, 10, 1, None, 2);
        assert_eq!(lanes.next(2, 10, no_limit), Some((lane, 9)));
    }

    #[test]
    fn a_lane_without_events_leaves_nothing_behind() {
        let (mut lanes, lane) = (Lanes::default(), lane("a"));
        lanes.note(&lane, 0, 1);
        lanes.next(1, 10, no_limit).unwrap();
        lanes.leased(&lane, 10, 2, None, 2);
        lanes.ended(&lane, 3);
        lanes.ended(&lane, 3);
        assert!(lanes.lanes.is_empty() && lanes.ready.is_empty() && lanes.timed.is_empty());
        assert_eq!(lanes.busy, 0);
    }
}
