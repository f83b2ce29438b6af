//! Usage and budgets.

use mayfly_state_api::{BudgetKey, BudgetRecord, Sums, UsageBy};
use mayfly_types::{AppName, FunctionName};
use serde::{Deserialize, Serialize};

/// Which usage to tell.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct UsageRequest {
    /// One app, or all.
    pub app: Option<AppName>,
    /// One function, or all.
    pub function: Option<FunctionName>,
    /// From here on, in UTC microseconds since 1970; the first day of the month by default.
    pub since_us: Option<i64>,
    /// Before this, in UTC microseconds since 1970; now by default.
    pub until_us: Option<i64>,
    /// Lines by what.
    pub by: UsageBy,
}

/// What was used.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct UsageReport {
    /// From here on, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "since", with = "mayfly_types::rfc3339")]
    pub since_us: i64,
    /// Before this, in the same way.
    #[serde(rename = "until", with = "mayfly_types::rfc3339")]
    pub until_us: i64,
    /// The currency of costs; empty where the node's operator named none.
    pub currency: String,
    /// In the order of time, app, function and caller.
    pub lines: Vec<UsageLine>,
    /// All lines together.
    pub total: UsageLine,
}

/// A line of a report. What it is not told apart by is absent.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct UsageLine {
    /// When its minute, hour or day begins, in UTC microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start_us: Option<i64>,
    /// The app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The function.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionName>,
    /// The name of the caller's credential; an empty text where there was none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub caller: Option<String>,
    /// What was used.
    #[serde(flatten)]
    pub sums: Sums,
    /// Billed time times memory limit, in seconds and GB of 2^30 bytes.
    pub gb_seconds: f64,
    /// What that costs.
    pub cost: f64,
}

/// A budget and how much of it is left.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetSummary {
    /// Which one.
    #[serde(flatten)]
    pub key: BudgetKey,
    /// Most that may be used, in the meter's unit.
    pub limit: f64,
    /// What is used.
    pub used: f64,
    /// What attempts under way may use beside that.
    pub held: f64,
    /// When it begins anew, in UTC microseconds since 1970; in JSON, as RFC 3339.
    #[serde(rename = "resets", with = "mayfly_types::rfc3339")]
    pub resets_us: i64,
}

/// Knows how much of budgets is used.
pub trait Spending: Send + Sync {
    /// What of a budget is used and held now, and when it begins anew.
    fn spent(&self, budget: &BudgetRecord) -> BudgetSummary;
}
