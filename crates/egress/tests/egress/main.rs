//! The rule book and the client against real servers on loopback, which CIDRs open where a test
//! needs them.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod attacks;
mod connect;
mod fetch;
mod support;
