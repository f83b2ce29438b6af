//! A node's configuration file (`mayfly serve --config FILE`).

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use ipnet::IpNet;
use mayfly_state_api::Prices;
use mayfly_types::{ByteSize, TimeSpan};
use serde::Deserialize;

/// What the operator of a node decides. Every key has a default; an unknown one is an error.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Config {
    /// Apps answer at `APP.BASE`.
    pub(crate) base: Option<String>,
    pub(crate) sandbox: Sandbox,
    /// Whom a node becomes that root has started.
    pub(crate) user: Option<String>,
    pub(crate) egress: Egress,
    pub(crate) limits: Limits,
    pub(crate) logs: Logs,
    pub(crate) ledger: Ledger,
    /// What things cost.
    pub(crate) prices: Prices,
    pub(crate) runtimes: Runtimes,
    pub(crate) otlp: Otlp,
}

/// Which sandboxes will do for processes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Sandbox {
    /// Whole ones; a host that makes none runs no processes.
    #[default]
    Whole,
    /// What the host can hold, where it makes no whole ones.
    Reduced,
}

/// The interpreters of process runtimes, where those in `PATH` are not the ones.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Runtimes {
    pub(crate) nodejs: Option<std::path::PathBuf>,
    pub(crate) python: Option<std::path::PathBuf>,
    pub(crate) ruby: Option<std::path::PathBuf>,
    /// Most interpreters of each that are booted before they are needed; none with 0.
    pub(crate) stems: Option<usize>,
}

/// Whom functions may call beyond the public network.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Egress {
    /// Private ranges that manifests may open.
    pub(crate) allow: Vec<IpNet>,
    /// Addresses that nobody may call, such as this node's own public one.
    pub(crate) deny: Vec<std::net::SocketAddr>,
}

/// Bounds on what comes in and runs at once.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Limits {
    /// Largest body of a request.
    pub(crate) body: Option<ByteSize>,
    /// Longest time until a request's head is there, and between two requests of a connection.
    pub(crate) head_timeout: Option<TimeSpan>,
    /// Longest time between two pieces of a request's body.
    pub(crate) body_timeout: Option<TimeSpan>,
    /// Most attempts at once of one function that does not say itself.
    pub(crate) function_concurrency: Option<u32>,
    /// Most attempts at once of all functions.
    pub(crate) node_concurrency: Option<u32>,
    /// Most attempts at once of one tenant's functions.
    pub(crate) tenant_concurrency: Option<u32>,
    /// Longest time that an invocation waits for a place.
    pub(crate) queue_wait: Option<TimeSpan>,
    /// Most invocations of one function that wait for a place.
    pub(crate) queue_length: Option<usize>,
    /// How often the machine's memory and processors may be promised to running attempts.
    pub(crate) oversell: Option<f64>,
    /// Longest time that compiling a component takes.
    pub(crate) compile_time: Option<TimeSpan>,
    /// How long a process without calls is kept.
    pub(crate) keep_alive: Option<TimeSpan>,
    /// What one function's `Idempotency-Key`s and the answers kept for them may take.
    pub(crate) kept_answers: Option<ByteSize>,
    /// How long requests under way may take when the node stops.
    pub(crate) drain: Option<TimeSpan>,
}

/// How much of functions' logs is kept.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Logs {
    /// All functions together.
    pub(crate) total: Option<ByteSize>,
    /// One function.
    pub(crate) function: Option<ByteSize>,
    /// Most lines per second of one function, over some seconds.
    pub(crate) rate: Option<u32>,
    /// How long.
    pub(crate) keep: Option<TimeSpan>,
    /// Whether each attempt has a line of what it took.
    pub(crate) report: Option<bool>,
}

/// Where spans and metrics go.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Otlp {
    /// The collector's URL; nothing is exported without one.
    pub(crate) endpoint: Option<String>,
    /// What every request to it says beside.
    pub(crate) headers: BTreeMap<String, Hidden>,
    pub(crate) traces: Option<bool>,
    pub(crate) metrics: Option<bool>,
    /// Which part of the traces that begin here is recorded, from 0 to 1.
    pub(crate) sample: Option<f64>,
    /// What this node is called there.
    pub(crate) service_name: Option<String>,
    /// How often metrics are sent.
    pub(crate) interval: Option<TimeSpan>,
}

/// A text that nothing shows.
#[derive(Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct Hidden(pub(crate) String);

impl std::fmt::Debug for Hidden {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(hidden)")
    }
}

/// How much of the records of attempts is kept once they were added up.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Ledger {
    /// Most space.
    pub(crate) total: Option<ByteSize>,
    /// How long.
    pub(crate) keep: Option<TimeSpan>,
}

impl Config {
    /// Reads a file.
    pub(crate) fn read(path: &Path) -> anyhow::Result<Self> {
        let text = std::fs::read_to_string(path)
            .with_context(|| format!("read the configuration {}", path.display()))?;
        let config: Self = toml::from_str(&text)
            .with_context(|| format!("the configuration {} is not valid", path.display()))?;
        let prices = &config.prices;
        let fits = |price: f64| price.is_finite() && price >= 0.0;
        anyhow::ensure!(
            fits(prices.request) && fits(prices.gb_second),
            "the configuration {} is not valid: a price in `[prices]` is a number from 0",
            path.display()
        );
        Ok(config)
    }
}
