//! What was used in this day and this month, and whether more may be: one account for each function, app and
//! tenant.
//!
//! Accounts are in memory, so that admission waits for no store; they begin with what the store has.

mod hold;
mod scope;
#[cfg(test)]
mod tests;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::Duration;

use mayfly_control_api::{BudgetSummary, FunctionMeter, Spending};
use mayfly_state_api::{
    BudgetKey, BudgetKind, BudgetRecord, Error, Period, Prices, Span, Sums, UsageStore,
};
use mayfly_types::{AppKey, AppName, FunctionName, TenantName};

pub(crate) use self::hold::Hold;
use self::scope::{Calendar, Scope};
use crate::Clock;
use crate::admission::{Key, Lane, TenantLane};
use crate::keep::IdleTimes;

/// The accounts of a node.
pub struct Accounts {
    clock: Clock,
    prices: Prices,
    functions: RwLock<HashMap<(AppKey, FunctionName), Arc<Account>>>,
    apps: RwLock<HashMap<AppKey, Arc<Scope>>>,
    tenants: RwLock<HashMap<TenantName, Tenant>>,
    /// Soft budgets that were warned of, with the period in which that was.
    warned: Mutex<HashSet<(TenantName, BudgetKey, i64)>>,
    calendar: RwLock<Calendar>,
}

/// What all functions of a tenant share.
#[derive(Clone)]
struct Tenant {
    scope: Arc<Scope>,
    /// How many attempts run and wait.
    running: Arc<TenantLane>,
}

/// A function's account, with those that it is part of.
pub(crate) struct Account {
    pub(crate) app: AppKey,
    pub(crate) function: FunctionName,
    /// The same two.
    pub(crate) key: Key,
    /// Its attempts now.
    pub(crate) lane: Arc<Lane>,
    /// Of the function, its app and its tenant.
    scopes: [Arc<Scope>; 3],
    /// How long it was not called.
    idle: Mutex<IdleTimes>,
}

impl Accounts {
    /// Accounts with what a store has of this day and month.
    ///
    /// # Errors
    /// When it cannot be read.
    pub async fn load(
        store: &dyn UsageStore,
        clock: Clock,
        prices: Prices,
    ) -> Result<Arc<Self>, Error> {
        let accounts = Self::new(clock, prices);
        let calendar = accounts.calendar((accounts.clock)());
        for (period, from_us) in
            [(Period::Day, calendar.day_us), (Period::Month, calendar.month_us)]
        {
            for (app, function, sums) in store.totals(from_us).await? {
                for scope in &accounts.of(&app, &function).scopes {
                    scope.begin_with(&calendar, period, sums);
                }
            }
        }
        Ok(Arc::new(accounts))
    }

    /// Accounts of which nothing is used.
    pub(crate) fn new(clock: Clock, prices: Prices) -> Self {
        let calendar = Calendar::of(clock());
        Self {
            clock,
            prices,
            functions: RwLock::default(),
            apps: RwLock::default(),
            tenants: RwLock::default(),
            warned: Mutex::default(),
            calendar: RwLock::new(calendar),
        }
    }

    /// A function's account.
    pub(crate) fn of(&self, app: &AppKey, function: &FunctionName) -> Arc<Account> {
        let key = (app.clone(), function.clone());
        if let Some(account) =
            self.functions.read().unwrap_or_else(PoisonError::into_inner).get(&key)
        {
            return Arc::clone(account);
        }
        let calendar = self.calendar((self.clock)());
        let scope = || Arc::new(Scope::new(&calendar));
        let tenant = {
            let mut tenants = self.tenants.write().unwrap_or_else(PoisonError::into_inner);
            let new = || Tenant { scope: scope(), running: Arc::default() };
            tenants.entry(app.tenant.clone()).or_insert_with(new).clone()
        };
        let of_app = {
            let mut apps = self.apps.write().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(apps.entry(app.clone()).or_insert_with(scope))
        };
        let mut functions = self.functions.write().unwrap_or_else(PoisonError::into_inner);
        let account = functions.entry(key).or_insert_with(|| {
            let scopes = [scope(), of_app, tenant.scope];
            Arc::new(Account {
                app: app.clone(),
                function: function.clone(),
                key: Arc::new((app.clone(), function.clone())),
                lane: Arc::new(Lane::new(tenant.running)),
                scopes,
                idle: Mutex::default(),
            })
        });
        Arc::clone(account)
    }

    /// What of a tenant's budget is used, in its meter's unit, what attempts under way hold beside it, and when
    /// its period ends, in UTC microseconds since 1970.
    fn used(&self, budget: &BudgetRecord) -> (f64, f64, i64) {
        let calendar = self.calendar((self.clock)());
        let until_us = calendar.until_us(budget.key.period);
        let Some(scope) = self.scope(&budget.tenant, &budget.key) else {
            return (0.0, 0.0, until_us);
        };
        let (spent, held) = scope.read(&calendar, budget.key.period);
        let read = |sums: &Sums| budget.key.meter.read(sums, &self.prices);
        (read(&spent), read(&held), until_us)
    }

    /// What is measured of each function that ran.
    pub(crate) fn meters(&self) -> Vec<FunctionMeter> {
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let told = functions.values().map(|account| {
            let (sums, durations) = account.scopes[0].since_start();
            let (running, waiting) = account.lane.now();
            let (app, function) = (account.app.clone(), account.function.clone());
            FunctionMeter { app, function, sums, durations, running, waiting }
        });
        told.filter(|it| it.sums.attempts > 0 || it.running > 0 || it.waiting > 0).collect()
    }

    /// Functions for whose next call somebody should have an environment that waits; see [`IdleTimes`].
    pub(crate) fn due(&self, keep: Duration, most: Duration) -> Vec<(AppKey, FunctionName)> {
        let now_us = (self.clock)();
        let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
        let due = functions.values().filter(|account| {
            let idle = account.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.is_due(now_us, keep, most)
        });
        due.map(|account| (account.app.clone(), account.function.clone())).collect()
    }

    /// The day and month of a time.
    fn calendar(&self, now_us: i64) -> Calendar {
        let known = *self.calendar.read().unwrap_or_else(PoisonError::into_inner);
        if (known.day_us..known.until_us(Period::Day)).contains(&now_us) {
            return known;
        }
        let calendar = Calendar::of(now_us);
        *self.calendar.write().unwrap_or_else(PoisonError::into_inner) = calendar;
        calendar
    }

    /// The node's prices.
    pub fn prices(&self) -> &Prices {
        &self.prices
    }

    fn scope(&self, tenant: &TenantName, key: &BudgetKey) -> Option<Arc<Scope>> {
        let app = || key.app.clone().map(|app: AppName| AppKey::new(tenant.clone(), app));
        match (&key.app, &key.function) {
            (Some(_), Some(function)) => {
                let functions = self.functions.read().unwrap_or_else(PoisonError::into_inner);
                functions.get(&(app()?, function.clone())).map(|it| Arc::clone(&it.scopes[0]))
            }
            (Some(_), None) => {
                let apps = self.apps.read().unwrap_or_else(PoisonError::into_inner);
                apps.get(&app()?).cloned()
            }
            _ => {
                let tenants = self.tenants.read().unwrap_or_else(PoisonError::into_inner);
                tenants.get(tenant).map(|it| Arc::clone(&it.scope))
            }
        }
    }

    /// Counts what an attempt came to, which began at `started_us` and ran for `took_us`
    /// microseconds. Answers soft budgets that are used up with it
    /// and were not warned of in this period, with how much that is.
    pub(crate) fn settle(
        &self,
        account: &Account,
        budgets: &[BudgetRecord],
        started_us: i64,
        sums: Sums,
        took_us: u64,
    ) -> Vec<(BudgetRecord, f64)> {
        let calendar = self.calendar((self.clock)());
        let [function, app, tenant] = &account.scopes;
        function.add(&calendar, started_us, sums, Some(took_us));
        for scope in [app, tenant] {
            scope.add(&calendar, started_us, sums, None);
        }
        if budgets.is_empty() {
            return Vec::new();
        }
        let soft = budgets.iter().filter(|budget| {
            budget.key.kind == BudgetKind::Soft
                && budget.key.covers(&account.app.app, &account.function)
        });
        let over = soft.filter_map(|budget| {
            let (spent, _) = account.scope(&budget.key).read(&calendar, budget.key.period);
            let used = budget.key.meter.read(&spent, &self.prices);
            (used > budget.limit).then(|| (budget.clone(), used))
        });
        let mut over: Vec<_> = over.collect();
        if !over.is_empty() {
            let mut warned = self.warned.lock().unwrap_or_else(PoisonError::into_inner);
            // Of periods that are over nothing need be known.
            warned.retain(|(_, _, until_us)| *until_us > calendar.day_us);
            over.retain(|(budget, _)| {
                let until_us = calendar.until_us(budget.key.period);
                warned.insert((budget.tenant.clone(), budget.key.clone(), until_us))
            });
        }
        over
    }
}

impl Spending for Accounts {
    fn spent(&self, budget: &BudgetRecord) -> BudgetSummary {
        let (used, held, resets_us) = self.used(budget);
        BudgetSummary { key: budget.key.clone(), limit: budget.limit, used, held, resets_us }
    }
}

impl Account {
    /// An attempt begins, at this time in UTC microseconds since 1970.
    pub(crate) fn begins(&self, now_us: i64) {
        if self.lane.now().0 == 1 {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).begins(now_us);
        }
    }

    /// An attempt ended at this time, which needed so many microseconds to start if it had to.
    pub(crate) fn ended(&self, now_us: i64, start_us: Option<u64>) {
        if start_us.is_some() || self.lane.now().0 <= 1 {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).ended(now_us, start_us);
        }
    }

    fn scope(&self, key: &BudgetKey) -> &Scope {
        match (&key.app, &key.function) {
            (Some(_), Some(_)) => &self.scopes[0],
            (Some(_), None) => &self.scopes[1],
            _ => &self.scopes[2],
        }
    }
}

/// Seconds from now until then, rounded up; both in UTC microseconds since 1970.
fn seconds_until(now_us: i64, then_us: i64) -> u64 {
    let left_us = then_us.saturating_sub(now_us).max(0);
    (left_us.unsigned_abs()).div_ceil(Span::Minute.micros().unsigned_abs() / 60)
}
