//! `mayfly.toml`: from text to a complete app, with every mistake found and placed; and the table
//! that finds the function for a request.
//!
//! Nothing here touches a file or a network. [`parse`] takes the manifest's text;
//! [`Manifest::resolve`] takes the names of each function's files and fills in what the manifest
//! leaves out; [`RouteTable`] is built from the routes of the result.

mod check;
mod infer;
mod keys;
mod manifest;
mod parse;
mod pattern;
mod problem;
mod read;
mod routes;

pub use infer::{CodeFiles, ResolvedApp};
pub use manifest::{FunctionSection, Manifest, RouteSection, app_name_from, function_name_from};
pub use parse::parse;
pub use pattern::PatternError;
pub use problem::{ManifestErrors, Problem};
pub use routes::{RouteConflict, RouteMatch, RouteTable};

#[cfg(test)]
mod properties;
