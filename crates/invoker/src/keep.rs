//! Environments that wait for calls: those that manifests ask for (`warm`), and those of functions whose next call is
//! likely to come soon.

mod idle;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use mayfly_control_api::{Secrets, View};
use mayfly_runtime_api::{Keep, Target};
use mayfly_types::{Revision, RevisionId};

pub(crate) use self::idle::IdleTimes;
use crate::admission::Processors;
use crate::functions::Function;
use crate::invoker::Shared;

/// How often it is looked what should wait.
const LOOK: Duration = Duration::from_secs(1);
/// Below this part of the memory nothing waits that nobody asked for, and nothing is started to wait.
const SHORT: f64 = 0.1;

/// What the host says of itself.
pub trait Host: Send + Sync {
    /// The part of its memory that is free for more, from 0 to 1.
    fn free_memory(&self) -> f64;
    /// What its processors did, where that is known.
    fn processors(&self) -> Option<Processors>;
}

/// A host of which nothing is known.
pub struct AnyHost;

impl Host for AnyHost {
    fn free_memory(&self) -> f64 {
        1.0
    }
    fn processors(&self) -> Option<Processors> {
        None
    }
}

/// A revision that should have environments that wait.
struct Wanted {
    revision: Arc<Revision>,
    secrets: Arc<Secrets>,
    warm: u32,
}

/// Sees to what should wait, for as long as the invoker lives.
pub(crate) async fn run(shared: Weak<Shared>) {
    let mut interval = tokio::time::interval(LOOK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut keeper = Keeper::default();
    loop {
        interval.tick().await;
        let Some(shared) = shared.upgrade() else { return };
        keeper.look(&shared);
    }
}

#[derive(Default)]
struct Keeper {
    /// What manifests ask for, of this view.
    view: Option<Arc<View>>,
    asked: Vec<(Arc<Revision>, Arc<Secrets>)>,
}

impl Keeper {
    /// Reads what manifests ask for, where that may have changed.
    fn read(&mut self, view: Arc<View>) {
        if self.view.as_ref().is_some_and(|known| Arc::ptr_eq(known, &view)) {
            return;
        }
        self.asked.clear();
        for app in view.apps.values() {
            if view.tenants.get(&app.key.tenant).is_some_and(|tenant| tenant.suspended) {
                continue;
            }
            for revision in app.live.iter().flat_map(|(_, release)| release.functions.values()) {
                if revision.config().warm > 0 {
                    self.asked.push((Arc::clone(revision), Arc::clone(&app.secrets)));
                }
            }
        }
        self.view = Some(view);
    }

    fn look(&mut self, shared: &Arc<Shared>) {
        self.read(shared.parts.view.load_full());
        let short = shared.parts.host.free_memory() < SHORT;
        let mut wanted: HashMap<RevisionId, Wanted> = HashMap::new();
        for (revision, secrets) in &self.asked {
            let (revision, secrets, warm) =
                (Arc::clone(revision), Arc::clone(secrets), revision.config().warm);
            wanted.insert(revision.id(), Wanted { revision, secrets, warm });
        }
        if !short {
            let limits = shared.admission.limits();
            for (app, function) in shared.parts.accounts.due(limits.idle, limits.most_idle) {
                let target = Target { app, function, release: None };
                let Ok((revision, secrets)) = shared.revision(&target) else { continue };
                if shared.is_served(&target.app).is_err() {
                    continue;
                }
                let entry = wanted.entry(revision.id());
                let wanted = entry.or_insert(Wanted { revision, secrets, warm: 0 });
                wanted.warm = wanted.warm.max(1);
            }
        }
        for function in shared.functions.all() {
            let id = function.revision.id();
            let warm = match wanted.get(&id) {
                // One with other secrets gives way to one with these.
                Some(its) if function.has(&its.secrets) => its.warm,
                _ => 0,
            };
            if warm > 0 {
                wanted.remove(&id);
            }
            keep(shared, function, Keep { warm, short });
        }
        for Wanted { revision, secrets, warm } in wanted.into_values() {
            let function = shared.functions.get(&revision, &secrets, &shared.parts.accounts);
            keep(shared, function, Keep { warm, short });
        }
    }
}

/// Tells a function's instance what should wait. One that is wanted and is not there is started.
fn keep(shared: &Arc<Shared>, function: Arc<Function>, keep: Keep) {
    // Of those that are to wait one may have ended: that is told again and again.
    if !function.tells(keep) && keep.warm == 0 {
        return;
    }
    let shared = Arc::clone(shared);
    tokio::spawn(async move {
        if function.instance.get().is_none() && keep.warm == 0 {
            return;
        }
        match shared.instance(&function).await {
            Ok(instance) => instance.keep(keep).await,
            // Its log has more.
            Err(fault) => {
                tracing::debug!(%fault, function = %function.revision.function(), "keep it warm");
            }
        }
    });
}
