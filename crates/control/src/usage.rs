//! Usage, what it costs, and budgets.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use mayfly_control_api::{BudgetSummary, Caller, Error, UsageLine, UsageReport, UsageRequest};
use mayfly_runtime_api::Diagnostic;
use mayfly_state_api::{BudgetKey, BudgetRecord, Meter, Role, Span, Sums, UsageQuery, UsageRow};
use mayfly_types::{AppKey, OperationId, TenantName};

use crate::ControlService;

/// Most budgets of a tenant: each is looked at before an attempt.
const MOST_BUDGETS: usize = 100;
/// Most lines of a report.
const MOST_LINES: usize = 100_000;

impl ControlService {
    pub(crate) async fn report_usage(
        &self,
        tenant: TenantName,
        request: UsageRequest,
    ) -> Result<UsageReport, Error> {
        let now_us = (self.parts.clock)();
        let UsageRequest { app, function, since_us, until_us, by } = request;
        let since_us = since_us.unwrap_or_else(|| month_us(now_us));
        let until_us = until_us.unwrap_or(now_us);
        if since_us > until_us {
            return Err(invalid(
                "`since` is later than `until`",
                "give the earlier time as `since`",
            ));
        }
        let longest_us = match by.time {
            Some(Span::Minute) => 2 * Span::Day.micros(),
            Some(Span::Hour) => 100 * Span::Day.micros(),
            _ => i64::MAX,
        };
        if until_us.saturating_sub(since_us) > longest_us {
            return Err(invalid(
                "that is too long a time for such short lines",
                "ask for at most 2 days by minute or 100 days by hour, or for longer lines",
            ));
        }
        // What ended a moment ago is part of the answer.
        self.parts.ledger.flush().await?;
        let query = UsageQuery { tenant, app, function, from_us: since_us, until_us, by };
        let rows = self.parts.usage.usage(&query).await?;
        if rows.len() > MOST_LINES {
            let text =
                format!("these are {} lines, and a report has at most {MOST_LINES}", rows.len());
            return Err(invalid(
                &text,
                "ask for a shorter time, longer lines, or one app or function",
            ));
        }
        let mut total = Sums::default();
        for row in &rows {
            total += row.sums;
        }
        let nothing =
            UsageRow { start_us: None, app: None, function: None, caller: None, sums: total };
        Ok(UsageReport {
            since_us,
            until_us,
            currency: self.parts.prices.currency.clone(),
            lines: rows.into_iter().map(|row| self.line(row)).collect(),
            total: self.line(nothing),
        })
    }

    fn line(&self, row: UsageRow) -> UsageLine {
        let UsageRow { start_us, app, function, caller, sums } = row;
        let (gb_seconds, cost) = (sums.gb_seconds(), self.parts.prices.cost(&sums));
        UsageLine { start_us, app, function, caller, sums, gb_seconds, cost }
    }

    pub(crate) async fn list_budgets(
        &self,
        tenant: TenantName,
    ) -> Result<Vec<BudgetSummary>, Error> {
        let budgets = self.parts.store.budgets(&tenant).await?;
        Ok(budgets.iter().map(|budget| self.parts.spending.spent(budget)).collect())
    }

    pub(crate) async fn set_budget(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: TenantName,
        key: BudgetKey,
        limit: f64,
    ) -> Result<BudgetSummary, Error> {
        if !(limit.is_finite() && limit >= 0.0) {
            return Err(invalid(
                "a budget's limit is a number from 0",
                "give the most that may be used",
            ));
        }
        if key.meter == Meter::Money && !self.parts.prices.any() {
            let help = "the operator sets `[prices]` in the node's configuration";
            return Err(invalid("this node has no prices, so money cannot be counted", help));
        }
        self.check_scope(&tenant, &key).await?;
        let budgets = self.parts.store.budgets(&tenant).await?;
        let key = BudgetKey { operator: caller.role == Role::Operator, ..key };
        // What a tenant sets leaves room for what the operator does.
        let alike = budgets.iter().filter(|budget| budget.key.operator == key.operator).count();
        if alike >= MOST_BUDGETS && budgets.iter().all(|budget| budget.key != key) {
            let text = format!("the tenant has {MOST_BUDGETS} budgets already");
            return Err(invalid(&text, "delete one that is not needed"));
        }
        let budget = BudgetRecord { tenant, key, limit };
        self.parts.store.put_budget(op, budget.clone()).await?;
        self.caught_up().await?;
        Ok(self.parts.spending.spent(&budget))
    }

    async fn check_scope(&self, tenant: &TenantName, key: &BudgetKey) -> Result<(), Error> {
        match (&key.app, &key.function) {
            (None, None) => Ok(()),
            (None, Some(_)) => {
                Err(invalid("a function's budget names its app as well", "add `app`"))
            }
            (Some(app), None) => {
                self.app_record(&AppKey::new(tenant.clone(), app.clone())).await.map(drop)
            }
            (Some(app), Some(function)) => {
                let app = AppKey::new(tenant.clone(), app.clone());
                self.function_detail(&app, function).await.map(drop)
            }
        }
    }

    pub(crate) async fn remove_budget(
        &self,
        caller: &Caller,
        op: OperationId,
        tenant: TenantName,
        key: BudgetKey,
    ) -> Result<(), Error> {
        let there = self.parts.store.budgets(&tenant).await?;
        let with = |operator| BudgetKey { operator, ..key.clone() };
        let of_operator = there.iter().any(|budget| budget.key == with(true));
        let own = there.iter().any(|budget| budget.key == with(false));
        let may = caller.role == Role::Operator;
        if of_operator && !own && !may {
            let text = "the node's operator set this budget, and only the operator can delete it";
            return Err(Error::Forbidden(text.to_owned()));
        }
        self.parts.store.delete_budget(op, &tenant, &with(of_operator && may)).await?;
        self.caught_up().await
    }
}

/// When a month began; both in UTC microseconds since 1970.
fn month_us(now_us: i64) -> i64 {
    let now = Timestamp::from_microsecond(now_us).unwrap_or_default().to_zoned(TimeZone::UTC);
    let first = now.first_of_month().and_then(|first| first.start_of_day()).unwrap_or(now);
    first.timestamp().as_microsecond()
}

fn invalid(text: &str, help: &str) -> Error {
    Error::Invalid(vec![Diagnostic::new(text).help(help)])
}
