//! `[functions.NAME.async]`: what becomes of events that nobody waits for.

use mayfly_types::{AppName, AsyncConfig, Destination, FunctionPath, TimeSpan};

use super::concurrency as count;
use crate::keys;
use crate::problem::Problems;
use crate::read::{Table, Value};

/// Most attempts: an event that fails so often fails.
const MOST_ATTEMPTS: u32 = 100;
/// The longest that an event is kept for, two weeks, in milliseconds.
const LONGEST_AGE: u64 = 14 * 24 * 3_600_000;

/// Reads the table of the function `name` of `app`.
pub(super) fn read(
    value: Value<'_>,
    name: &str,
    app: Option<&AppName>,
    problems: &mut Problems,
) -> Option<AsyncConfig> {
    let table = value.table(problems)?;
    table.check_keys(keys::ASYNC, &format!("`async` of function `{name}`"), problems);
    let defaults = AsyncConfig::default();
    Some(AsyncConfig {
        attempts: attempts(&table, problems).unwrap_or(defaults.attempts),
        max_age: span(&table, "max_age", "h", problems).unwrap_or(defaults.max_age),
        backoff: span(&table, "backoff", "s", problems).unwrap_or(defaults.backoff),
        on_success: destination(&table, "on_success", name, app, problems),
        on_failure: destination(&table, "on_failure", name, app, problems),
    })
}

fn attempts(table: &Table<'_>, problems: &mut Problems) -> Option<u32> {
    let attempts = count("attempts", table.get("attempts")?, problems)?;
    if *attempts.get_ref() <= MOST_ATTEMPTS {
        return Some(attempts.into_inner());
    }
    let message = format!("`attempts` is from 1 to {MOST_ATTEMPTS}, not {}", attempts.get_ref());
    problems.add_with_help(attempts.span(), message, "leave it out for 3");
    None
}

fn span(
    table: &Table<'_>,
    key: &'static str,
    unit: &str,
    problems: &mut Problems,
) -> Option<TimeSpan> {
    let span = table.get(key)?.quantity::<TimeSpan>(unit, problems)?;
    if (1..=LONGEST_AGE).contains(&span.get_ref().as_millis()) {
        return Some(span.into_inner());
    }
    let message = format!("`{key}` is from 1ms to 336h, not {}", span.get_ref());
    problems.add_with_help(span.span(), message, "leave it out for the default");
    None
}

fn destination(
    table: &Table<'_>,
    key: &'static str,
    name: &str,
    app: Option<&AppName>,
    problems: &mut Problems,
) -> Option<Destination> {
    let text = table.get(key)?.string(problems)?;
    let path = text.get_ref().strip_prefix("function:").map(str::parse::<FunctionPath>);
    let path = match path {
        Some(Ok(path)) => path,
        Some(Err(error)) => {
            problems.add(text.span(), error.to_string());
            return None;
        }
        None => {
            let message = format!("`{key}` names no function");
            let help = "write \"function:NAME\", or \"function:APP/NAME\" for one of another app";
            problems.add_with_help(text.span(), message, help);
            return None;
        }
    };
    // Without an app the manifest has a mistake already.
    let app = app?;
    let own = path.app.as_ref().is_none_or(|named| named == app);
    if own && path.function.as_str() == name {
        let message = format!("`{key}` of `{name}` is `{name}` itself");
        problems.add_with_help(text.span(), message, "it would never come to an end: name another");
        return None;
    }
    Some(Destination { app: path.app.unwrap_or_else(|| app.clone()), function: path.function })
}
