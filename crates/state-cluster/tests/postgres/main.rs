//! State on a PostgreSQL of the tests' own. One program, so that its tests share a server where they may.

#![allow(clippy::unwrap_used, reason = "helpers of tests are test code")]

mod failures;
mod histories;
mod news;
mod opening;
mod server;
mod suite;
mod usage_nodes;
mod work_nodes;
