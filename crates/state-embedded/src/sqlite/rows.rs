//! Rows as values.

use std::str::FromStr;

use rusqlite::{Connection, Params, Row};
use serde::de::DeserializeOwned;

use super::failure::{Failure, Step};

/// A number as SQLite stores it. Counters never come near the end of either type.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as [`integer`] stored it.
pub(crate) fn number(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    row.get(column).map(|number: i64| number.unsigned_abs())
}

pub(crate) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(crate) fn all<T, P: Params>(
    database: &Connection,
    sql: &str,
    params: P,
    read: impl Fn(&Row<'_>) -> Step<T>,
) -> Step<Vec<T>> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(read(row)?);
    }
    Ok(records)
}

pub(crate) fn first<T, P: Params>(
    database: &Connection,
    sql: &str,
    params: P,
    read: impl Fn(&Row<'_>) -> Step<T>,
) -> Step<Option<T>> {
    let mut statement = database.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    rows.next()?.map(read).transpose()
}

pub(crate) fn parsed<T: FromStr>(row: &Row<'_>, column: usize) -> Step<T> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    text.parse().map_err(|_| unknown(std::any::type_name::<T>(), text))
}

pub(crate) fn json<T: DeserializeOwned>(row: &Row<'_>, column: usize) -> Step<T> {
    let text = row.get_ref(column)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(serde_json::from_str(text)?)
}

pub(crate) fn unknown(what: &str, text: &str) -> Failure {
    Failure::Unknown(format!("`{text}` is not {what}"))
}
