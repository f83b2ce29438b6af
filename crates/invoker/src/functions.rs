//! What the invoker holds of each revision that was called lately.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, RwLock};

use mayfly_control_api::Secrets;
use mayfly_runtime_api::{Instance, Keep};
use mayfly_types::{Revision, RevisionId};
use tokio::sync::OnceCell;

use crate::accounts::{Account, Accounts};

/// One revision under one set of secrets.
pub(crate) struct Function {
    pub(crate) revision: Arc<Revision>,
    pub(crate) instance: OnceCell<Arc<dyn Instance>>,
    pub(crate) account: Arc<Account>,
    /// What it is given.
    secrets: Arc<Secrets>,
    used: AtomicU64,
    /// What its instance was told last.
    told: Mutex<Keep>,
}

impl Function {
    /// Whether it is given these.
    pub(crate) fn has(&self, secrets: &Secrets) -> bool {
        self.secrets.generation == secrets.generation
    }

    /// What it is given.
    pub(crate) fn secrets(&self) -> &Secrets {
        &self.secrets
    }

    /// Whether its instance was told something else before.
    pub(crate) fn tells(&self, keep: Keep) -> bool {
        let mut told = self.told.lock().unwrap_or_else(|e| e.into_inner());
        std::mem::replace(&mut *told, keep) != keep
    }

    fn is_wanted(&self) -> bool {
        self.told.lock().unwrap_or_else(|e| e.into_inner()).warm > 0
    }
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
        secrets: &Arc<Secrets>,
        accounts: &Accounts,
    ) -> Arc<Function> {
        let now = self.clock.load(Ordering::Relaxed);
        let fits = |function: &&Arc<Function>| function.has(secrets);
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
            secrets: Arc::clone(secrets),
            used: AtomicU64::new(now),
            told: Mutex::default(),
        });
        held.insert(revision.id(), Arc::clone(&function));
        function
    }

    /// All that is held.
    pub(crate) fn all(&self) -> Vec<Arc<Function>> {
        let held = self.by_revision.read().unwrap_or_else(|e| e.into_inner());
        held.values().cloned().collect()
    }

    /// Forgets what was not called since the last `keep` sweeps.
    pub(crate) fn sweep(&self, keep: u64) {
        let now = self.clock.fetch_add(1, Ordering::Relaxed) + 1;
        let mut held = self.by_revision.write().unwrap_or_else(|e| e.into_inner());
        held.retain(|_, function| {
            // An attempt holds what it runs.
            Arc::strong_count(function) > 1
                || function.used.load(Ordering::Relaxed) + keep > now
                || function.is_wanted()
        });
    }
}
