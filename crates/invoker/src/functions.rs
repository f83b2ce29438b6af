//! What the invoker holds of each revision that was called lately.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, RwLock};

use mayfly_runtime_api::Instance;
use mayfly_types::{Fault, FaultCode, Revision, RevisionId};
use tokio::sync::OnceCell;

use crate::accounts::{Account, Accounts};

/// One revision under one set of secrets.
pub(crate) struct Function {
    pub(crate) revision: Arc<Revision>,
    pub(crate) instance: OnceCell<Arc<dyn Instance>>,
    pub(crate) account: Arc<Account>,
    secrets: u64,
    running: AtomicU32,
    used: AtomicU64,
}

/// The revisions that were called lately.
#[derive(Default)]
pub(crate) struct Functions {
    by_revision: RwLock<HashMap<RevisionId, Arc<Function>>>,
    clock: AtomicU64,
}

impl Functions {
    /// What is held of a revision. Secrets of another generation make it anew.
    pub(crate) fn get(
        &self,
        revision: &Arc<Revision>,
        secrets: u64,
        accounts: &Accounts,
    ) -> Arc<Function> {
        let now = self.clock.load(Ordering::Relaxed);
        let fits = |function: &&Arc<Function>| function.secrets == secrets;
        {
            let held = self.by_revision.read().unwrap_or_else(|e| e.into_inner());
            if let Some(function) = held.get(&revision.id()).filter(fits) {
                function.used.store(now, Ordering::Relaxed);
                return Arc::clone(function);
            }
        }
        let mut held = self.by_revision.write().unwrap_or_else(|e| e.into_inner());
        if let Some(function) = held.get(&revision.id()).filter(fits) {
            return Arc::clone(function);
        }
        let function = Arc::new(Function {
            revision: Arc::clone(revision),
            instance: OnceCell::new(),
            account: accounts.of(revision.app(), revision.function()),
            secrets,
            running: AtomicU32::new(0),
            used: AtomicU64::new(now),
        });
        held.insert(revision.id(), Arc::clone(&function));
        function
    }

    /// Forgets what was not called since the last `keep` sweeps.
    pub(crate) fn sweep(&self, keep: u64) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let mut held = self.by_revision.write().unwrap_or_else(|e| e.into_inner());
        held.retain(|_, function| {
            function.running.load(Ordering::Relaxed) > 0
                || function.used.load(Ordering::Relaxed) + keep > now
        });
    }
}

/// One attempt's place among those that may run at once. Dropping it makes room.
pub(crate) struct Permit {
    function: Arc<Function>,
    node: Arc<AtomicU32>,
}

impl Permit {
    /// A place for one more attempt, within the function's limit and the node's.
    ///
    /// # Errors
    /// `too_many_requests` at the function's limit, `unavailable` at the node's.
    pub(crate) fn take(
        function: &Arc<Function>,
        node: &Arc<AtomicU32>,
        function_limit: u32,
        node_limit: u32,
    ) -> Result<Self, Fault> {
        let permit = Self { function: Arc::clone(function), node: Arc::clone(node) };
        let of_function = function.running.fetch_add(1, Ordering::Relaxed);
        let of_node = node.fetch_add(1, Ordering::Relaxed);
        // The permit is dropped on the way out, which takes both counts back.
        if of_function >= function_limit {
            let message = format!("the function runs {function_limit} times at once already");
            return Err(Fault::new(FaultCode::TooManyRequests, message));
        }
        if of_node >= node_limit {
            return Err(Fault::new(FaultCode::Unavailable, "the node takes no more work now"));
        }
        Ok(permit)
    }
}

impl Permit {
    /// What it is a permit for.
    pub(crate) fn function(&self) -> &Arc<Function> {
        &self.function
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.function.running.fetch_sub(1, Ordering::Relaxed);
        self.node.fetch_sub(1, Ordering::Relaxed);
    }
}
