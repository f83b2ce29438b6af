use mayfly_state_api::suite::{app, function, revision, unused_tenant};
use mayfly_state_api::{Meter, UsageQuery, UsageRow};
use mayfly_types::{ByteSize, FaultCode, FunctionConfig, Outcome, OutcomeStatus, TimeSpan};

use super::*;

/// The last hour of a February.
const LATE_US: i64 = 1_709_247_600_000_000;
const HOUR_US: i64 = Span::Hour.micros();
const DAY_US: i64 = Span::Day.micros();

struct Has(Vec<(i64, AppKey, FunctionName, Sums)>);

#[async_trait::async_trait]
impl UsageStore for Has {
    async fn roll(&self, _roll: mayfly_state_api::Roll) -> Result<u64, Error> {
        unreachable!("accounts only read")
    }
    async fn rolled(&self, _source: &str) -> Result<u64, Error> {
        unreachable!("accounts only read")
    }
    async fn usage(&self, _query: &UsageQuery) -> Result<Vec<UsageRow>, Error> {
        unreachable!("accounts only read totals")
    }
    async fn totals(&self, from_us: i64) -> Result<Vec<(AppKey, FunctionName, Sums)>, Error> {
        let since = self.0.iter().filter(|(at_us, ..)| *at_us >= from_us);
        Ok(since.map(|(_, app, function, sums)| (app.clone(), function.clone(), *sums)).collect())
    }
}

struct World {
    accounts: Arc<Accounts>,
    now_us: Arc<std::sync::atomic::AtomicI64>,
    app: AppKey,
    config: FunctionConfig,
}

impl World {
    async fn new(has: impl FnOnce(&AppKey) -> Vec<(i64, AppKey, FunctionName, Sums)>) -> Self {
        let app = app(&unused_tenant(), "photos");
        let now_us = Arc::new(std::sync::atomic::AtomicI64::new(LATE_US));
        let clock = Arc::clone(&now_us);
        let clock: Clock = Arc::new(move || clock.load(std::sync::atomic::Ordering::SeqCst));
        let prices = Prices { currency: "USD".into(), request: 0.5, gb_second: 2.0 };
        let accounts = Accounts::load(&Has(has(&app)), clock, prices).await.unwrap();
        let config = FunctionConfig {
            memory: ByteSize::mb(512),
            timeout: TimeSpan::seconds(2),
            ..revision(&app, "a", "code").config().clone()
        };
        Self { accounts, now_us, app, config }
    }

    fn move_to(&self, now_us: i64) {
        self.now_us.store(now_us, std::sync::atomic::Ordering::SeqCst);
    }

    fn budget(&self, key: &str, meter: Meter, period: Period, limit: f64) -> BudgetRecord {
        let (app, function_) = match key.split_once('/') {
            None if key.is_empty() => (None, None),
            None => (Some(key), None),
            Some((app, function)) => (Some(app), Some(function)),
        };
        BudgetRecord {
            tenant: self.app.tenant.clone(),
            key: BudgetKey {
                app: app.map(|app| AppName::new(app).unwrap()),
                function: function_.map(function),
                meter,
                period,
                kind: BudgetKind::Hard,
                operator: false,
            },
            limit,
        }
    }

    fn account(&self, name: &str) -> Arc<Account> {
        self.accounts.of(&self.app, &function(name))
    }

    fn hold(
        &self,
        name: &str,
        budgets: &[BudgetRecord],
    ) -> Result<Option<Hold>, mayfly_types::Fault> {
        self.accounts.hold(&self.account(name), budgets, &self.config)
    }

    /// An attempt that ran for so long.
    fn ran(&self, name: &str, budgets: &[BudgetRecord], seconds: u64) -> usize {
        let outcome =
            Outcome { wall_us: seconds * 1_000_000, ..Outcome::nothing(OutcomeStatus::Ok) };
        let sums = Sums::of(&outcome, self.config.memory);
        let now_us = self.now_us.load(std::sync::atomic::Ordering::SeqCst);
        self.accounts.settle(&self.account(name), budgets, now_us, sums, outcome.wall_us).len()
    }
}

#[tokio::test]
async fn attempts_that_begin_together_cannot_use_more_than_there_is() {
    let world = World::new(|_| Vec::new()).await;
    // Each may use 2 s of 0.5 GB: 1 GB-second.
    let budgets = [world.budget("photos/a", Meter::GbSeconds, Period::Day, 3.5)];
    let holds: Vec<_> = (0..3).map(|_| world.hold("a", &budgets).unwrap()).collect();
    let refused = world.hold("a", &budgets).err().unwrap();
    assert_eq!(refused.code, FaultCode::BudgetExceeded);
    assert_eq!(refused.wait_seconds(), Some(2), "they may leave enough");
    assert_eq!(
        refused.message,
        "what is left of the budget of function photos/a for each day is held by attempts under way"
    );
    let detail = refused.detail.unwrap();
    assert!(detail.contains("hold 3.000 GB-seconds"), "{detail}");
    // What they did not use is free again.
    assert_eq!(world.ran("a", &budgets, 1), 0);
    drop(holds);
    assert_eq!(world.accounts.used(&budgets[0]), (0.5, 0.0, LATE_US + HOUR_US));
    let tight = [world.budget("photos/a", Meter::GbSeconds, Period::Day, 1.25)];
    let refused = world.hold("a", &tight).err().unwrap();
    assert_eq!(refused.wait_seconds(), Some(3_600), "the day ends in an hour");
    assert_eq!(
        refused.message,
        "the budget of function photos/a for each day is used up; it begins anew at 2024-03-01T00:00:00Z"
    );
    let holds: Vec<_> = (0..3).map(|_| world.hold("a", &budgets).unwrap()).collect();
    assert!(world.hold("a", &budgets).is_err());
    assert!(world.hold("b", &budgets).unwrap().is_none(), "it is not b's budget");
    drop(holds);
}

#[tokio::test]
async fn a_budget_of_an_app_or_a_tenant_is_shared_and_one_that_refuses_holds_nothing() {
    let world = World::new(|_| Vec::new()).await;
    let app = world.budget("photos", Meter::Requests, Period::Day, 2.0);
    let tenant = world.budget("", Meter::Requests, Period::Month, 3.0);
    let budgets = [app.clone(), tenant.clone()];
    let held = [world.hold("a", &budgets).unwrap(), world.hold("b", &budgets).unwrap()];
    let refused = world.hold("a", &budgets).err().unwrap();
    assert!(refused.message.contains("of app photos for each day"), "{}", refused.message);
    assert_eq!(world.accounts.used(&app).1, 2.0);
    assert_eq!(world.accounts.used(&tenant).1, 2.0);
    drop(held);
    assert_eq!(world.accounts.used(&app).1, 0.0);
}

#[tokio::test]
async fn money_is_counted_by_prices() {
    let world = World::new(|_| Vec::new()).await;
    // An attempt costs 0.5 and up to 2 for its GB-second.
    let budgets = [world.budget("", Meter::Money, Period::Day, 4.9)];
    let first = world.hold("a", &budgets).unwrap();
    assert!(world.hold("a", &budgets).is_err());
    assert_eq!(world.ran("a", &budgets, 0), 0);
    drop(first);
    assert_eq!(world.accounts.used(&budgets[0]).0, 0.5);
    assert!(world.hold("a", &budgets).is_ok());
}

#[tokio::test]
async fn budgets_begin_anew_with_their_period_also_on_the_last_day_of_a_month() {
    let world = World::new(|_| Vec::new()).await;
    let day = [world.budget("", Meter::Requests, Period::Day, 1.0)];
    let month = [world.budget("", Meter::Requests, Period::Month, 1.0)];
    world.ran("a", &[], 1);
    assert!(world.hold("a", &day).is_err() && world.hold("a", &month).is_err());
    world.move_to(LATE_US + HOUR_US);
    assert!(world.hold("a", &day).is_ok() && world.hold("a", &month).is_ok());
    world.ran("a", &[], 1);
    world.move_to(LATE_US + HOUR_US + DAY_US);
    assert!(world.hold("a", &day).is_ok());
    let refused = world.hold("a", &month).err().unwrap();
    assert!(refused.message.ends_with("2024-04-01T00:00:00Z"), "{}", refused.message);
    // A clock that goes back gives nobody anything.
    world.move_to(LATE_US);
    assert!(world.hold("a", &month).is_err());
    world.move_to(LATE_US + HOUR_US + DAY_US);
    assert_eq!(world.accounts.used(&month[0]).0, 1.0);
}

#[tokio::test]
async fn what_began_before_midnight_is_not_of_the_new_day() {
    let world = World::new(|_| Vec::new()).await;
    let day = world.budget("", Meter::Requests, Period::Day, 9.0);
    let account = world.account("a");
    world.move_to(LATE_US + HOUR_US + 1);
    let sums = Sums { attempts: 1, ..Sums::default() };
    world.accounts.settle(&account, &[], LATE_US + HOUR_US - 1, sums, 0);
    assert_eq!(world.accounts.used(&day).0, 0.0);
    world.accounts.settle(&account, &[], LATE_US + HOUR_US, sums, 0);
    assert_eq!(world.accounts.used(&day).0, 1.0);
}

#[tokio::test]
async fn accounts_begin_with_what_the_store_has() {
    let sums = |attempts| Sums { attempts, ..Sums::default() };
    let world = World::new(|app| {
        let row = |at_us, attempts| (at_us, app.clone(), function("a"), sums(attempts));
        vec![row(LATE_US - 40 * DAY_US, 100), row(LATE_US - DAY_US, 10), row(LATE_US, 1)]
    })
    .await;
    let used = |period| world.accounts.used(&world.budget("", Meter::Requests, period, 0.0)).0;
    assert_eq!((used(Period::Day), used(Period::Month)), (1.0, 11.0));
    assert_eq!(world.accounts.meters(), [], "these are of before");
}

#[tokio::test]
async fn a_soft_budget_refuses_nothing_and_is_warned_of_once_in_a_period() {
    let world = World::new(|_| Vec::new()).await;
    let mut soft = world.budget("photos", Meter::Requests, Period::Day, 1.0);
    soft.key.kind = BudgetKind::Soft;
    let budgets = [soft];
    let warnings: Vec<_> = (0..4).map(|_| world.ran("a", &budgets, 1)).collect();
    assert_eq!(warnings, [0, 1, 0, 0]);
    assert!(world.hold("a", &budgets).unwrap().is_none());
    world.move_to(LATE_US + HOUR_US);
    let warnings: Vec<_> = (0..3).map(|_| world.ran("b", &budgets, 1)).collect();
    assert_eq!(warnings, [0, 1, 0]);
}
