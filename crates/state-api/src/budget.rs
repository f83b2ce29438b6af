//! Budgets: how much a tenant, an app or a function may use in a day or a month.

use std::fmt;

use mayfly_types::{AppName, FunctionName, TenantName};
use serde::{Deserialize, Serialize};

use crate::Sums;

/// What is counted against a budget.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Meter {
    /// Attempts.
    Requests,
    /// Billed time times memory limit, in seconds and GB of 2^30 bytes.
    GbSeconds,
    /// What it costs by the node's prices.
    Money,
}

/// How long a budget lasts until it begins anew, in UTC.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Period {
    /// From midnight to midnight.
    Day,
    /// From the first day of a month to that of the next.
    Month,
}

/// What happens at a budget's limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum BudgetKind {
    /// A warning in the log.
    Soft,
    /// Nothing more runs until the period ends.
    Hard,
}

macro_rules! words {
    ($type:ident { $($variant:ident = $word:literal),* }) => {
        impl $type {
            /// The word for it.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $word,)* }
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(self.as_str())
            }
        }

        impl std::str::FromStr for $type {
            type Err = String;
            fn from_str(word: &str) -> Result<Self, String> {
                match word {
                    $($word => Ok(Self::$variant),)*
                    _ => Err(format!("`{word}` is none of {}", [$($word),*].join(", "))),
                }
            }
        }
    };
}

words! { Meter { Requests = "requests", GbSeconds = "gb_seconds", Money = "money" } }
words! { Period { Day = "day", Month = "month" } }
words! { BudgetKind { Soft = "soft", Hard = "hard" } }

/// Which budget of a tenant it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct BudgetKey {
    /// The app that it is for, or all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub app: Option<AppName>,
    /// The function of that app, or all of them together.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub function: Option<FunctionName>,
    /// What is counted.
    pub meter: Meter,
    /// How long it lasts.
    pub period: Period,
    /// What happens at its limit.
    pub kind: BudgetKind,
    /// Whether the operator set it, so that the tenant cannot change it.
    #[serde(default)]
    pub operator: bool,
}

/// A budget.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct BudgetRecord {
    /// Whose it is.
    pub tenant: TenantName,
    /// Which one.
    #[serde(flatten)]
    pub key: BudgetKey,
    /// Most that may be used, in the meter's unit: a number from 0.
    pub limit: f64,
}

/// What things cost. A fresh node charges nothing.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Prices {
    /// The currency's name, as it is shown: `USD`.
    pub currency: String,
    /// Of one attempt.
    pub request: f64,
    /// Of one GB-second.
    pub gb_second: f64,
}

impl Prices {
    /// Whether anything costs something.
    pub fn any(&self) -> bool {
        self.request > 0.0 || self.gb_second > 0.0
    }

    /// What it costs, in the currency.
    pub fn cost(&self, sums: &Sums) -> f64 {
        self.request * sums.billed_attempts() as f64 + self.gb_second * sums.gb_seconds()
    }
}

impl Meter {
    /// How much of it sums come to.
    pub fn read(self, sums: &Sums, prices: &Prices) -> f64 {
        match self {
            Self::Requests => sums.billed_attempts() as f64,
            Self::GbSeconds => sums.gb_seconds(),
            Self::Money => prices.cost(sums),
        }
    }

    /// An amount of it for people.
    pub fn show(self, amount: f64, prices: &Prices) -> String {
        match self {
            Self::Requests => format!("{amount:.0} requests"),
            Self::GbSeconds => format!("{amount:.3} GB-seconds"),
            Self::Money if prices.currency.is_empty() => format!("{amount:.4}"),
            Self::Money => format!("{amount:.4} {}", prices.currency),
        }
    }
}

impl BudgetKey {
    /// Whether it counts what this function uses.
    pub fn covers(&self, app: &AppName, function: &FunctionName) -> bool {
        self.app.as_ref().is_none_or(|it| it == app)
            && self.function.as_ref().is_none_or(|it| it == function)
    }

    /// What it is for, for people.
    pub fn scope(&self) -> String {
        match (&self.app, &self.function) {
            (Some(app), Some(function)) => format!("function {app}/{function}"),
            (Some(app), None) => format!("app {app}"),
            _ => "all apps".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prices_add_up_as_on_lambdas_bill() {
        // A million requests of 120 ms at 1,536 MB: 0.20 for requests, 3.00 for 180,000 GB-seconds.
        let prices = Prices { currency: "USD".into(), request: 0.2e-6, gb_second: 0.000_016_666_7 };
        let sums = Sums { attempts: 1_000_000, mb_ms: 1_000_000 * 120 * 1_536, ..Sums::default() };
        assert!((sums.gb_seconds() - 180_000.0).abs() < 1e-6);
        assert!((prices.cost(&sums) - 3.200_006).abs() < 1e-6);
        assert_eq!(Meter::Money.show(prices.cost(&sums), &prices), "3.2000 USD");
        assert!(!Prices::default().any());
    }

    #[test]
    fn a_budget_covers_what_it_names_and_below() {
        let key = |app: Option<&str>, function: Option<&str>| BudgetKey {
            app: app.map(|app| AppName::new(app).unwrap()),
            function: function.map(|function| FunctionName::new(function).unwrap()),
            meter: Meter::Requests,
            period: Period::Day,
            kind: BudgetKind::Hard,
            operator: false,
        };
        let (app, function) = (AppName::new("a").unwrap(), FunctionName::new("f").unwrap());
        let covers = |it: BudgetKey| it.covers(&app, &function);
        assert!(covers(key(None, None)) && covers(key(Some("a"), None)));
        assert!(covers(key(Some("a"), Some("f"))));
        assert!(!covers(key(Some("b"), None)) && !covers(key(Some("a"), Some("g"))));
        assert_eq!("gb_seconds".parse(), Ok(Meter::GbSeconds));
        assert!("gb".parse::<Meter>().unwrap_err().contains("requests, gb_seconds, money"));
    }
}
