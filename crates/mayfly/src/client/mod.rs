//! The client of a node's admin API: it finds the node, and calls it.
//!
//! Everything here blocks: a command does one thing after the other.

mod api;
mod error;
mod find;
mod http;
mod invocations;
mod profiles;
mod usage;

pub(crate) use api::{Answer, Client, Invoked, LogsQuery};
pub(crate) use error::{ApiError, Error};
pub(crate) use find::{
    DEFAULT_DATA, FindError, FoundBy, Node, Surroundings, Wanted, find, is_loopback,
};
pub(crate) use invocations::{Invocation, Listing, Sending};
pub(crate) use profiles::{Profile, ProfileError, Profiles, Token};
pub(crate) use usage::{Budget, Tenant, TokenLine, Usage, UsageLine};

#[cfg(test)]
mod tests;
