//! Holding a budget's part for an attempt before it runs.

use std::sync::Arc;

use jiff::Timestamp;
use mayfly_state_api::{BudgetKind, BudgetRecord, Sums};
use mayfly_types::{Fault, FaultCode, FunctionConfig};

use super::scope::Calendar;
use super::{Account, Accounts, seconds_until};

/// Seconds to wait for attempts under way.
const HELD: u64 = 2;

/// As much of an account as an attempt may use, held until it is dropped.
pub(crate) struct Hold {
    account: Arc<Account>,
    need: Sums,
    /// How many of the account's scopes hold it.
    scopes: usize,
}

impl Drop for Hold {
    fn drop(&mut self) {
        for scope in &self.account.scopes[..self.scopes] {
            scope.release(self.need);
        }
    }
}

impl Accounts {
    /// Holds what an attempt of a function with this configuration uses at most, in all hard budgets that cover
    /// it, so that attempts that begin together cannot use more than there is. Without such budgets there is
    /// nothing to hold.
    ///
    /// # Errors
    /// `budget_exceeded`, with the seconds until the period ends, when one has not so much left.
    pub(crate) fn hold(
        &self,
        account: &Arc<Account>,
        budgets: &[BudgetRecord],
        config: &FunctionConfig,
    ) -> Result<Option<Hold>, Fault> {
        let covers = |budget: &&BudgetRecord| {
            budget.key.kind == BudgetKind::Hard
                && budget.key.covers(&account.app.app, &account.function)
        };
        let hard: Vec<_> = budgets.iter().filter(covers).collect();
        if hard.is_empty() {
            return Ok(None);
        }
        let memory_mb = config.memory.as_bytes().div_ceil(1 << 20);
        let billed_ms = config.timeout.as_millis();
        let mb_ms = billed_ms.saturating_mul(memory_mb);
        let need = Sums { attempts: 1, billed_ms, mb_ms, ..Sums::default() };
        let now_us = (self.clock)();
        let calendar = self.calendar(now_us);
        let mut hold = Hold { account: Arc::clone(account), need, scopes: 0 };
        for (i, scope) in account.scopes.iter().enumerate() {
            let of_scope = |budget: &&&BudgetRecord| {
                std::ptr::eq(account.scope(&budget.key), Arc::as_ptr(scope))
            };
            let fits = |budget: &BudgetRecord, all: Sums| {
                budget.key.meter.read(&all, &self.prices) <= budget.limit
            };
            let held = scope.hold(&calendar, need, |period, all| {
                let mut of_period = hard.iter().filter(of_scope);
                of_period.all(|budget| budget.key.period != period || fits(budget, all))
            });
            if !held {
                // Which one it was is told by what is there now: it may have changed, but hardly.
                let (mut tight, first) = (hard.iter().filter(of_scope), hard[0]);
                let tight = tight.find(|budget| {
                    let (mut all, held) = scope.read(&calendar, budget.key.period);
                    all += held;
                    all += need;
                    !fits(budget, all)
                });
                return Err(self.refusal(
                    account,
                    tight.unwrap_or(&first),
                    need,
                    now_us,
                    &calendar,
                ));
            }
            hold.scopes = i + 1;
        }
        Ok(Some(hold))
    }

    fn refusal(
        &self,
        account: &Account,
        budget: &BudgetRecord,
        need: Sums,
        now_us: i64,
        calendar: &Calendar,
    ) -> Fault {
        let (key, meter) = (&budget.key, budget.key.meter);
        let (spent, held) = account.scope(key).read(calendar, key.period);
        let show = |amount| meter.show(amount, &self.prices);
        let read = |sums: &Sums| meter.read(sums, &self.prices);
        let detail = format!(
            "{} of {} are used, attempts under way hold {}, and this one may use up to {}, by its timeout and memory",
            show(read(&spent)),
            show(budget.limit),
            show(read(&held)),
            show(read(&need)),
        );
        let mut with = spent;
        with += need;
        let of = format!("the budget of {} for each {}", key.scope(), key.period);
        // Callers are not told how much it is.
        let (message, wait) = if read(&with) <= budget.limit {
            (format!("what is left of {of} is held by attempts under way"), HELD)
        } else {
            let until_us = calendar.until_us(key.period);
            let until = Timestamp::from_microsecond(until_us).unwrap_or_default();
            (format!("{of} is used up; it begins anew at {until}"), seconds_until(now_us, until_us))
        };
        Fault::new(FaultCode::BudgetExceeded, message).with_detail(detail).retry_after(wait)
    }
}
