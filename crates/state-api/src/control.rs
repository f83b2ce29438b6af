//! Control records: tenants, apps, releases, revisions, versions and aliases, secrets, tokens.

use std::collections::BTreeMap;

use async_trait::async_trait;
use mayfly_types::{
    AccountId, AppKey, AppName, Digest, FunctionName, Live, OperationId, ReleaseNumber, Revision,
    RevisionId, Route, TenantName,
};
use serde::{Deserialize, Serialize};
use tokio::sync::watch;

use crate::{BudgetKey, BudgetRecord, Error};

/// A tenant.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TenantRecord {
    /// Its name.
    pub name: TenantName,
    /// Its account id, given at creation and never changed.
    pub account: AccountId,
    /// When it was made, in UTC microseconds since 1970.
    pub created_us: i64,
    /// Whether none of its functions runs.
    #[serde(default)]
    pub suspended: bool,
}

/// What a token may do. Each role may do what those after it may, but that `invoke` reads nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// All of its tenant, and tenants themselves.
    Operator,
    /// All of its tenant: also its tokens, secrets and budgets, and what deletes.
    Admin,
    /// Deploy, move traffic, set secrets, invoke and read.
    Deploy,
    /// Run functions, and see what became of events.
    Invoke,
    /// Read, but no secret's value.
    Read,
}

impl Role {
    /// Every role.
    pub const ALL: [Self; 5] =
        [Self::Operator, Self::Admin, Self::Deploy, Self::Invoke, Self::Read];

    /// Whether a token of this role may do what a role is needed for.
    pub fn may(self, needed: Self) -> bool {
        match needed {
            Self::Read => self != Self::Invoke,
            _ => self <= needed,
        }
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Operator => "operator",
            Self::Admin => "admin",
            Self::Deploy => "deploy",
            Self::Invoke => "invoke",
            Self::Read => "read",
        }
    }
}

impl std::fmt::Display for Role {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.as_str())
    }
}

impl std::str::FromStr for Role {
    type Err = String;
    fn from_str(word: &str) -> Result<Self, String> {
        let role = Self::ALL.into_iter().find(|role| role.as_str() == word);
        role.ok_or_else(|| {
            format!("`{word}` is none of {}", Self::ALL.map(Self::as_str).join(", "))
        })
    }
}

/// An app and which of its releases are live.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AppRecord {
    /// Its key.
    pub key: AppKey,
    /// Which releases take traffic.
    pub live: Live,
    /// The newest release's number.
    pub newest: ReleaseNumber,
    /// When it was first deployed, in UTC microseconds since 1970.
    pub created_us: i64,
    /// When `live` last moved, in UTC microseconds since 1970.
    pub moved_us: i64,
}

/// What becomes of `live` when a release is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GoLive {
    /// The release takes all traffic.
    All,
    /// The release takes this many parts of a hundred, 1 to 99; the releases that are live now
    /// share the rest in proportion. An app's first release takes all.
    Percent(u32),
    /// `live` stays. An app's first release takes all.
    No,
}

/// Above this sum, weights are rounded, so that no chain of releases can overflow them.
const FINEST: u64 = 1_000_000;

impl GoLive {
    /// What is live once release `newest` is made over `live`; `None` is an app's first release.
    ///
    /// Weights stay exact. They add up to 100 where whole numbers allow it.
    ///
    /// # Errors
    /// [`Error::Conflict`] for a percentage outside 1 to 99, also at an app's first release.
    pub fn over(self, live: Option<&Live>, newest: ReleaseNumber) -> Result<Live, Error> {
        let percent = match self {
            Self::Percent(percent) if !(1..100).contains(&percent) => {
                let text = format!("{percent} is not a percentage from 1 to 99");
                return Err(Error::Conflict(text));
            }
            Self::Percent(percent) => u64::from(percent),
            Self::All => 100,
            Self::No => 0,
        };
        let Some(live) = live else { return Ok(Live::only(newest)) };
        match percent {
            0 => Ok(live.clone()),
            100 => Ok(Live::only(newest)),
            _ => share(live, newest, percent),
        }
    }
}

fn share(live: &Live, newest: ReleaseNumber, percent: u64) -> Result<Live, Error> {
    let sum: u64 = live.weights().iter().map(|(_, weight)| u64::from(*weight)).sum();
    let older = live.weights().iter().map(|(release, weight)| {
        let weight = u64::from(*weight) * (100 - percent);
        (*release, weight)
    });
    let mut weights: Vec<(ReleaseNumber, u64)> = older.collect();
    weights.push((newest, sum * percent));
    let divisor = weights.iter().fold(0, |divisor, (_, weight)| gcd(divisor, *weight)).max(1);
    let sum = weights.iter().map(|(_, weight)| weight / divisor).sum::<u64>().max(1);
    let fit = |weight: u64| match weight / divisor {
        weight if 100 % sum == 0 => weight * (100 / sum),
        weight if sum > FINEST => scale(weight, sum).max(1),
        weight => weight,
    };
    let weights = weights.iter().map(|(release, weight)| {
        let weight = u32::try_from(fit(*weight)).unwrap_or(u32::MAX);
        (*release, weight)
    });
    Live::weighted(weights.collect()).map_err(|error| Error::Conflict(error.to_string()))
}

fn scale(weight: u64, sum: u64) -> u64 {
    let scaled = u128::from(weight) * u128::from(FINEST) / u128::from(sum);
    u64::try_from(scaled).unwrap_or(FINEST)
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// A release to be made.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NewRelease {
    /// The app; it is made with its first release.
    pub app: AppKey,
    /// The manifest as it was written.
    pub manifest: String,
    /// Where its functions answer.
    pub routes: Vec<Route>,
    /// Its functions.
    pub functions: BTreeMap<FunctionName, Revision>,
    /// What becomes of `live`, in the same step.
    pub go_live: GoLive,
    /// Who made it, for the history: a token's name.
    pub by: String,
}

/// A release.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ReleaseRecord {
    /// The app.
    pub app: AppKey,
    /// Its number.
    pub number: ReleaseNumber,
    /// The manifest as it was written.
    pub manifest: String,
    /// Where its functions answer.
    pub routes: Vec<Route>,
    /// Its functions.
    pub functions: BTreeMap<FunctionName, Revision>,
    /// Who made it.
    pub by: String,
    /// When, in UTC microseconds since 1970.
    pub created_us: i64,
}

/// A version in Lambda's sense: a number given to a revision on publish, per function, from 1,
/// never reused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionRecord {
    /// The number.
    pub version: u64,
    /// The revision it names.
    pub revision: RevisionId,
    /// When it was published, in UTC microseconds since 1970.
    pub created_us: i64,
}

/// An alias in Lambda's sense: a name for versions of one function, by weight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AliasRecord {
    /// Its name.
    pub name: String,
    /// Versions with their parts; none is 0.
    pub weights: Vec<(u64, u32)>,
}

/// A sealed secret of an app. Only whoever holds the key named by `key_id` can open it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SecretRecord {
    /// The app that may use it.
    pub app: AppKey,
    /// Its name.
    pub name: String,
    /// The sealing key.
    pub key_id: String,
    /// The sealed value.
    pub sealed: Vec<u8>,
    /// When it was set, in UTC microseconds since 1970.
    pub updated_us: i64,
}

/// A token of the admin API. The token itself is stored nowhere.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenRecord {
    /// The tenant it speaks for.
    pub tenant: TenantName,
    /// A name for people, unique in the tenant.
    pub name: String,
    /// SHA-256 of the token.
    pub hash: Digest,
    /// What it may do.
    pub role: Role,
    /// When it was made, in UTC microseconds since 1970.
    pub created_us: i64,
}

/// What changed since a version of the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Changes {
    /// The version that these changes lead to.
    pub version: u64,
    /// Apps that were made, changed or deleted, or whose secrets were. Read each anew.
    pub apps: Vec<AppKey>,
    /// Tenants that were made, changed or deleted, or whose budgets were. Read each anew.
    pub tenants: Vec<TenantName>,
}

/// Apps with everything that decides what runs.
///
/// A fresh store has the tenant `default`. A command for a tenant that is not there is
/// [`Error::NotFound`].
///
/// All commands are serializable and durable when they return. A command repeated with the same
/// operation id changes nothing more and answers as it did, also [`Error::NotFound`] and
/// [`Error::Conflict`] (the last 24 hours are remembered). Operation ids belong to a tenant; one
/// that is used for two kinds of command is [`Error::Conflict`].
#[async_trait]
pub trait ControlStore: Send + Sync {
    /// Makes a tenant with a new account id; an existing one is returned as it is.
    async fn create_tenant(&self, name: &TenantName) -> Result<TenantRecord, Error>;
    /// All tenants, by name.
    async fn tenants(&self) -> Result<Vec<TenantRecord>, Error>;
    /// One tenant.
    async fn tenant(&self, name: &TenantName) -> Result<Option<TenantRecord>, Error>;
    /// Suspends a tenant, or lets it go on.
    async fn set_suspended(
        &self,
        op: OperationId,
        name: &TenantName,
        suspended: bool,
    ) -> Result<TenantRecord, Error>;
    /// Deletes a tenant with its apps, tokens and budgets. Made again, it has another account, and its apps'
    /// numbers go on. [`Error::Conflict`] for the tenant `default`.
    async fn delete_tenant(&self, op: OperationId, name: &TenantName) -> Result<(), Error>;

    /// Sets a budget.
    async fn put_budget(&self, op: OperationId, budget: BudgetRecord) -> Result<(), Error>;
    /// Deletes a budget. [`Error::NotFound`] when it is not there.
    async fn delete_budget(
        &self,
        op: OperationId,
        tenant: &TenantName,
        key: &BudgetKey,
    ) -> Result<(), Error>;
    /// A tenant's budgets, in the order of their keys.
    async fn budgets(&self, tenant: &TenantName) -> Result<Vec<BudgetRecord>, Error>;

    /// Makes a release, numbered one above the app's newest ever (also of a deleted app), and moves
    /// `live`, in one step.
    async fn create_release(
        &self,
        op: OperationId,
        release: NewRelease,
    ) -> Result<ReleaseRecord, Error>;
    /// Moves `live`. [`Error::NotFound`] when a release is not there.
    async fn set_live(&self, op: OperationId, app: &AppKey, live: Live)
    -> Result<AppRecord, Error>;
    /// Deletes an app with its releases, versions, aliases and secrets. [`Error::NotFound`] when
    /// there is none of these.
    async fn delete_app(&self, op: OperationId, app: &AppKey) -> Result<(), Error>;
    /// One app.
    async fn app(&self, app: &AppKey) -> Result<Option<AppRecord>, Error>;
    /// A tenant's apps by name, after `after`, at most `limit`.
    async fn apps(
        &self,
        tenant: &TenantName,
        after: Option<&AppName>,
        limit: usize,
    ) -> Result<Vec<AppRecord>, Error>;
    /// One release.
    async fn release(
        &self,
        app: &AppKey,
        number: ReleaseNumber,
    ) -> Result<Option<ReleaseRecord>, Error>;
    /// An app's releases, newest first, older than `before`, at most `limit`.
    async fn releases(
        &self,
        app: &AppKey,
        before: Option<ReleaseNumber>,
        limit: usize,
    ) -> Result<Vec<ReleaseRecord>, Error>;

    /// Gives the revision the function's next version, or the version it already has when it is
    /// the newest. The app need not have a release. Numbers go on after the app was deleted.
    async fn publish_version(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        revision: RevisionId,
    ) -> Result<VersionRecord, Error>;
    /// A function's versions, oldest first.
    async fn versions(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<VersionRecord>, Error>;
    /// Makes or moves an alias. [`Error::NotFound`] when a version is not there;
    /// [`Error::Conflict`] when there is no weight or one is 0.
    async fn put_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        alias: AliasRecord,
    ) -> Result<(), Error>;
    /// Deletes an alias; one that is not there is no error.
    async fn delete_alias(
        &self,
        op: OperationId,
        app: &AppKey,
        function: &FunctionName,
        name: &str,
    ) -> Result<(), Error>;
    /// A function's aliases by name.
    async fn aliases(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<Vec<AliasRecord>, Error>;

    /// Sets a secret. The app need not exist yet.
    async fn put_secret(&self, op: OperationId, secret: SecretRecord) -> Result<(), Error>;
    /// Deletes a secret. [`Error::NotFound`] when it is not there.
    async fn delete_secret(&self, op: OperationId, app: &AppKey, name: &str) -> Result<(), Error>;
    /// An app's secrets by name.
    async fn secrets(&self, app: &AppKey) -> Result<Vec<SecretRecord>, Error>;

    /// Stores a token; the same name in the same tenant is replaced. [`Error::Conflict`] when
    /// another name has the same hash.
    async fn put_token(&self, op: OperationId, token: TokenRecord) -> Result<(), Error>;
    /// Deletes a token. [`Error::NotFound`] when it is not there.
    async fn delete_token(
        &self,
        op: OperationId,
        tenant: &TenantName,
        name: &str,
    ) -> Result<(), Error>;
    /// The token with this hash.
    async fn token(&self, hash: Digest) -> Result<Option<TokenRecord>, Error>;
    /// A tenant's tokens by name.
    async fn tokens(&self, tenant: &TenantName) -> Result<Vec<TokenRecord>, Error>;

    /// Every app of every tenant with the version they are of, for a follower that starts.
    async fn all_apps(&self) -> Result<(u64, Vec<AppRecord>), Error>;
    /// What changed since `version`. A version from the future, as after a restored backup,
    /// answers all apps.
    async fn changes(&self, version: u64) -> Result<Changes, Error>;
    /// Tells when the store's version rises. It may skip values.
    fn version(&self) -> watch::Receiver<u64>;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn live(weights: &[(u64, u32)]) -> Live {
        let weights = weights.iter().map(|(release, weight)| (ReleaseNumber(*release), *weight));
        Live::weighted(weights.collect()).unwrap()
    }

    #[test]
    fn a_percentage_takes_its_part_from_all_others_in_proportion() {
        let share = |before: &[(u64, u32)], percent, newest| {
            GoLive::Percent(percent).over(Some(&live(before)), ReleaseNumber(newest)).unwrap()
        };
        assert_eq!(share(&[(1, 100)], 10, 2), live(&[(1, 90), (2, 10)]));
        assert_eq!(share(&[(1, 90), (2, 10)], 50, 3), live(&[(1, 45), (2, 5), (3, 50)]));
        assert_eq!(
            share(&[(1, 1), (2, 1), (3, 1)], 50, 4),
            live(&[(1, 1), (2, 1), (3, 1), (4, 3)])
        );
    }

    #[test]
    fn a_long_chain_of_percentages_overflows_nothing() {
        let mut now = live(&[(1, u32::MAX), (2, u32::MAX - 1), (3, 1)]);
        for number in 4..200 {
            now = GoLive::Percent(37).over(Some(&now), ReleaseNumber(number)).unwrap();
            let sum: u64 = now.weights().iter().map(|(_, weight)| u64::from(*weight)).sum();
            let newest = now.weights().last().unwrap();
            assert_eq!(newest.0, ReleaseNumber(number));
            let part = f64::from(newest.1) / sum as f64;
            assert!((part - 0.37).abs() < 0.001, "{part}");
        }
    }

    #[test]
    fn a_first_release_takes_all_but_a_wrong_percentage_is_refused() {
        for go_live in [GoLive::All, GoLive::No, GoLive::Percent(1)] {
            assert_eq!(go_live.over(None, ReleaseNumber(7)), Ok(Live::only(ReleaseNumber(7))));
        }
        for percent in [0, 100] {
            let refused = GoLive::Percent(percent).over(None, ReleaseNumber(1));
            assert!(matches!(refused, Err(Error::Conflict(_))));
        }
    }
}
