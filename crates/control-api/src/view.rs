//! What is live, as the hot path reads it.

use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::sync::Arc;

use arc_swap::ArcSwap;
use mayfly_manifest::RouteTable;
use mayfly_state_api::BudgetRecord;
use mayfly_types::{AppKey, FunctionName, ReleaseNumber, Revision, TenantName};

/// The view, shared between who follows the store and who reads it.
pub type SharedView = Arc<ArcSwap<View>>;

/// Everything that is live, at one version of the store.
#[derive(Debug, Clone, Default)]
pub struct View {
    /// The store's version that this is a picture of.
    pub version: u64,
    /// The apps. A persistent map: one deployment among thousands copies a few nodes of it.
    pub apps: imbl::HashMap<AppKey, Arc<AppView>>,
    /// Tenants that something is laid down for; others may do as they like.
    pub tenants: imbl::HashMap<TenantName, Arc<TenantView>>,
}

/// What is laid down for a tenant.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TenantView {
    /// Whether none of its functions runs.
    pub suspended: bool,
    /// What it may use.
    pub budgets: Vec<BudgetRecord>,
}

/// One app.
#[derive(Debug)]
pub struct AppView {
    /// Its key.
    pub key: AppKey,
    /// Its live releases with their weights; never empty, no weight is 0.
    pub live: Vec<(u32, Arc<ReleaseView>)>,
    /// Its secrets, opened.
    pub secrets: Arc<Secrets>,
}

impl AppView {
    /// The release that `point` of the sum of all weights falls on; any number is taken modulo
    /// the sum.
    pub fn release_at(&self, point: u32) -> Option<&Arc<ReleaseView>> {
        if let [(_, release)] = &self.live[..] {
            return Some(release);
        }
        let total: u64 = self.live.iter().map(|(weight, _)| u64::from(*weight)).sum();
        let mut point = u64::from(point).checked_rem(total)?;
        for (weight, release) in &self.live {
            match point.checked_sub(u64::from(*weight)) {
                Some(rest) => point = rest,
                None => return Some(release),
            }
        }
        None
    }

    /// A live release by its number.
    pub fn release(&self, number: ReleaseNumber) -> Option<&Arc<ReleaseView>> {
        self.live.iter().map(|(_, release)| release).find(|release| release.number == number)
    }
}

/// One release.
#[derive(Debug)]
pub struct ReleaseView {
    /// Its number.
    pub number: ReleaseNumber,
    /// Where its functions answer.
    pub routes: RouteTable,
    /// Its functions.
    pub functions: HashMap<FunctionName, Arc<Revision>>,
}

/// Opened secrets. They never show in a log: `Debug` gives the names alone.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Secrets {
    /// Changes whenever a secret does, so that instances that hold older ones are retired.
    pub generation: u64,
    /// Values by name.
    pub values: Arc<BTreeMap<String, String>>,
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.values.keys()).finish()
    }
}
