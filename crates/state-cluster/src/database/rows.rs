//! Statements and rows as values.

use std::str::FromStr;

use deadpool_postgres::Object;
use serde::de::DeserializeOwned;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;

use super::failure::{Failure, Step};

/// Values of a statement's `$1`, `$2` and so on.
pub(crate) type Params<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(crate) async fn execute(database: &Object, sql: &str, params: Params<'_>) -> Step<u64> {
    let statement = database.prepare_cached(sql).await?;
    Ok(database.execute(&statement, params).await?)
}

pub(crate) async fn all<T>(
    database: &Object,
    sql: &str,
    params: Params<'_>,
    read: impl Fn(&Row) -> Step<T>,
) -> Step<Vec<T>> {
    let statement = database.prepare_cached(sql).await?;
    database.query(&statement, params).await?.iter().map(read).collect()
}

pub(crate) async fn first<T>(
    database: &Object,
    sql: &str,
    params: Params<'_>,
    read: impl Fn(&Row) -> Step<T>,
) -> Step<Option<T>> {
    let statement = database.prepare_cached(sql).await?;
    database.query_opt(&statement, params).await?.as_ref().map(read).transpose()
}

/// The one row that a statement always has.
pub(crate) async fn one<T>(
    database: &Object,
    sql: &str,
    params: Params<'_>,
    read: impl Fn(&Row) -> Step<T>,
) -> Step<T> {
    let statement = database.prepare_cached(sql).await?;
    read(&database.query_one(&statement, params).await?)
}

/// A number as PostgreSQL stores it. Counters never come near the end of either type.
pub(crate) fn integer(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A number as [`integer`] stored it.
pub(crate) fn number(row: &Row, column: usize) -> Step<u64> {
    Ok(row.try_get::<_, i64>(column)?.unsigned_abs())
}

/// A count of attempts.
pub(crate) fn count(row: &Row, column: usize) -> Step<u32> {
    Ok(row.try_get::<_, i32>(column)?.unsigned_abs())
}

pub(crate) fn bounded(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

pub(crate) fn parsed<T: FromStr>(row: &Row, column: usize) -> Step<T> {
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|_| unknown(std::any::type_name::<T>(), text))
}

pub(crate) fn json<T: DeserializeOwned>(row: &Row, column: usize) -> Step<T> {
    Ok(serde_json::from_str(row.try_get(column)?)?)
}

pub(crate) fn unknown(what: &str, text: &str) -> Failure {
    Failure::Unknown(format!("`{text}` is not {what}"))
}
