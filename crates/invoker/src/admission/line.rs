//! Those who wait for a place.

use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::Ordering;

use mayfly_types::TenantName;
use tokio::sync::oneshot;

use super::{Full, Key, Lane, Need, Permit, tenant};

/// One who waits.
#[derive(Debug)]
pub(super) struct Waiter {
    pub(super) give: oneshot::Sender<Permit>,
    pub(super) lane: Arc<Lane>,
    pub(super) need: Need,
}

/// All who wait: tenants by turns, in each of them functions by turns, in each of them whoever came first.
#[derive(Debug, Default)]
pub(super) struct Line {
    tenants: VecDeque<TenantName>,
    functions: HashMap<TenantName, VecDeque<Key>>,
    waiters: HashMap<Key, VecDeque<Waiter>>,
    /// Whether somebody waits for a place of the node.
    crowded: bool,
    /// Whether somebody waits for processors, which any function's end may be the end of.
    paced: bool,
}

impl Line {
    pub(super) fn join(&mut self, key: &Key, waiter: Waiter) {
        let waiters = self.waiters.entry(Arc::clone(key)).or_default();
        if waiters.is_empty() {
            let functions = self.functions.entry(tenant(key).clone()).or_default();
            if functions.is_empty() {
                self.tenants.push_back(tenant(key).clone());
            }
            functions.push_back(Arc::clone(key));
        }
        waiters.push_back(waiter);
    }

    /// How many functions somebody waits for.
    pub(super) fn functions(&self) -> usize {
        self.waiters.len()
    }

    /// Whose turn it is.
    pub(super) fn first(&self) -> Option<Key> {
        self.functions.get(self.tenants.front()?)?.front().cloned()
    }

    /// Whether somebody waits for a place of the node.
    pub(super) fn is_crowded(&self) -> bool {
        self.crowded
    }

    /// Whether nobody is in any turn.
    #[cfg(test)]
    pub(super) fn is_empty(&self) -> bool {
        self.tenants.is_empty() && self.functions.is_empty() && self.waiters.is_empty()
    }

    /// Hands out what `take` gives: to those of the function that `left` a place, or to all by turns. A permit
    /// whose receiver has left goes to `unwanted`.
    pub(super) fn hand_out(
        &mut self,
        left: &Key,
        take: impl Fn(&Key, &Arc<Lane>, Need) -> Result<Permit, Full>,
        unwanted: &mut Vec<Permit>,
    ) {
        if !self.crowded && !self.paced {
            // The place was one of its tenant, too: another of that one's functions may wait for it.
            while let Ok(true) = self.serve_tenant(tenant(left), &take, unwanted) {}
            return;
        }
        (self.crowded, self.paced) = (false, false);
        let mut idle = 0;
        while idle < self.tenants.len() {
            let Some(tenant) = self.tenants.pop_front() else { return };
            let served = self.serve_tenant(&tenant, &take, unwanted);
            if served == Err(Full::Node) {
                // It is its turn still.
                self.tenants.push_front(tenant);
                return;
            }
            if served == Ok(true) {
                idle = 0;
            }
            // One that has nobody left is gone from the turns.
            if self.functions.contains_key(&tenant) {
                self.tenants.push_back(tenant);
                idle += usize::from(served != Ok(true));
            }
        }
    }

    /// Serves one of a tenant's functions, the first that can be.
    fn serve_tenant(
        &mut self,
        tenant: &TenantName,
        take: &impl Fn(&Key, &Arc<Lane>, Need) -> Result<Permit, Full>,
        unwanted: &mut Vec<Permit>,
    ) -> Result<bool, Full> {
        let functions = self.functions.get(tenant).map_or(0, VecDeque::len);
        if let Some(first) = self.functions.get(tenant).and_then(VecDeque::front)
            && let Some(waiter) = self.waiters.get(first).and_then(VecDeque::front)
        {
            // Whether it still is shows now.
            waiter.lane.tenant.crowded.store(false, Ordering::SeqCst);
        }
        for _ in 0..functions {
            let first = self.functions.get(tenant).and_then(VecDeque::front);
            let Some(key) = first.cloned() else { return Ok(false) };
            let served = self.serve(&key, take, unwanted);
            if let Err(full @ (Full::Tenant | Full::Node)) = served {
                // It is its turn still.
                return Err(full);
            }
            if let Some(functions) = self.functions.get_mut(tenant)
                && functions.front() == Some(&key)
            {
                functions.rotate_left(1);
            }
            if let Ok(true) = served {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Serves the first of a function; `false` when nobody waits.
    fn serve(
        &mut self,
        key: &Key,
        take: &impl Fn(&Key, &Arc<Lane>, Need) -> Result<Permit, Full>,
        unwanted: &mut Vec<Permit>,
    ) -> Result<bool, Full> {
        let Some(waiters) = self.waiters.get_mut(key) else { return Ok(false) };
        // Whoever left, or waited too long, wants nothing any more.
        while waiters.front().is_some_and(|waiter| waiter.give.is_closed()) {
            waiters.pop_front();
        }
        let Some(first) = waiters.front() else {
            self.forget(key);
            return Ok(false);
        };
        let permit = match take(key, &first.lane, first.need) {
            Ok(permit) => permit,
            Err(full) => {
                self.crowded |= full == Full::Node;
                self.paced |= full == Full::Pace;
                if full == Full::Tenant {
                    first.lane.tenant.crowded.store(true, Ordering::SeqCst);
                }
                return Err(full);
            }
        };
        if let Some(waiter) = waiters.pop_front()
            && let Err(permit) = waiter.give.send(permit)
        {
            unwanted.push(permit);
        }
        if waiters.is_empty() {
            self.forget(key);
        }
        Ok(true)
    }

    /// A function that nobody waits for has no turn.
    fn forget(&mut self, key: &Key) {
        self.waiters.remove(key);
        if let Some(functions) = self.functions.get_mut(tenant(key)) {
            functions.retain(|other| other != key);
            if functions.is_empty() {
                self.functions.remove(tenant(key));
                self.tenants.retain(|other| other != tenant(key));
            }
        }
    }
}
