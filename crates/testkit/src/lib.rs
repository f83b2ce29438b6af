//! What the end-to-end tests share.
//!
//! [`Node`] runs the real binary with a data directory of its own and kills that very child when it
//! is dropped; [`App`] is an app on disk; [`Client`] is an HTTP client that hides nothing; and
//! [`Upstream`] is a server for functions to call.
//!
//! Nothing here sleeps for a fixed time. A test waits for what it needs to see (a line, an answer,
//! a closed connection), and every such wait has the one deadline [`PATIENCE`].
#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "this is test code: a panic is how it reports, and its stderr is read by people"
)]

mod admin;
mod app;
mod client;
mod node;
mod output;
mod upstream;

use std::time::Duration;

pub use admin::{DeployError, Deployed, Detail, LogLine, Logs, Refusal};
pub use app::{App, Code};
pub use client::{Answer, AppClient, Body, Client, Connection, Reply, RequestBody, Sender};
pub use node::{Node, NodeOptions, StartError};
pub use output::Output;
pub use upstream::Upstream;

/// How long any wait may take. Generous, because the machine is shared; a test that passes never
/// comes near it.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// The future's output.
///
/// # Panics
/// When it is not there within [`PATIENCE`]; `what` says what never came.
pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(PATIENCE, future).await {
        Ok(value) => value,
        Err(_) => panic!("{what}: nothing for {PATIENCE:?}"),
    }
}

/// Asks again, at growing distances, until `poll` gives a value; for conditions that send no event.
///
/// # Panics
/// When there is none within [`PATIENCE`].
pub async fn until<T>(what: &str, mut poll: impl AsyncFnMut() -> Option<T>) -> T {
    within(what, async {
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(value) = poll().await {
                return value;
            }
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(Duration::from_millis(200));
        }
    })
    .await
}

/// A file or directory of the repository, by its path from the top level.
pub fn repository(path: &str) -> std::path::PathBuf {
    let crates = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    crates.parent().unwrap().join(path)
}
