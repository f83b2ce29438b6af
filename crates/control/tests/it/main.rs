//! The service, the follower and the API, over the embedded stores and a runtime that does as told.
#![allow(clippy::unwrap_used, reason = "test code panics where something fails")]

mod access;
mod conform;
mod deployments;
mod document;
mod events;
mod fakes;
mod follower;
mod harness;
mod invocations;
mod live;
mod logs;
mod secrets;
mod tenants;
mod uploads;
mod usage;
