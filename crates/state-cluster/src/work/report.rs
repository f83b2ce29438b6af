//! Reads of what attempts came to.

use deadpool_postgres::Object;
use mayfly_state_api::{Span, Sums, UsageQuery, UsageRow, pieces};
use mayfly_types::{AppKey, AppName, FunctionName};
use tokio_postgres::Row;

use super::usage::COLUMNS;
use crate::database::failure::Step;
use crate::database::rows::{Params, all, number, parsed};

/// Rows of payers, by the times that `$1`, `$2` and `$3` cut into pieces. All of them in one statement, so that they
/// are of one moment. `OFFSET 0` lets PostgreSQL find the rows of each payer and piece by their key: it expects so
/// many of them that it would rather read the whole table.
const FOUND: &str = "FROM payers p
    CROSS JOIN unnest($1::smallint[], $2::bigint[], $3::bigint[]) AS piece (span, from_us, until_us)
    CROSS JOIN LATERAL (SELECT * FROM usage WHERE of = p.number AND span = piece.span
        AND start_us >= piece.from_us AND start_us < piece.until_us OFFSET 0) AS u";

pub(super) async fn usage(database: &Object, query: &UsageQuery) -> Step<Vec<UsageRow>> {
    let UsageQuery { tenant, app, function, from_us, until_us, by } = query;
    // What rows are not told apart by is NULL in all of them; so is a time that is rounded by NULL.
    let sql = format!(
        "SELECT u.start_us - u.start_us % $7::bigint, CASE WHEN $8::boolean THEN p.app END,
            CASE WHEN $9::boolean THEN p.function END, CASE WHEN $10::boolean THEN p.caller END,
            {} {FOUND}
        WHERE p.tenant = $4 AND ($5::text IS NULL OR p.app = $5)
            AND ($6::text IS NULL OR p.function = $6)
        GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 3, 4",
        summed()
    );
    let (spans, from, until) = columns(*from_us, *until_us, by.time.unwrap_or(Span::Day));
    let app = app.as_ref().map(AppName::as_str);
    let function = function.as_ref().map(FunctionName::as_str);
    let (round_us, named) = (by.time.map(Span::micros), by.app || by.function);
    let tenant = tenant.as_str();
    let params: Params<'_> = &[
        &spans,
        &from,
        &until,
        &tenant,
        &app,
        &function,
        &round_us,
        &named,
        &by.function,
        &by.caller,
    ];
    all(database, &sql, params, |row| {
        Ok(UsageRow {
            start_us: row.try_get(0)?,
            app: by_name(row, 1)?,
            function: by_name(row, 2)?,
            caller: row.try_get(3)?,
            sums: sums(row, 4)?,
        })
    })
    .await
}

pub(super) async fn totals(
    database: &Object,
    from_us: i64,
) -> Step<Vec<(AppKey, FunctionName, Sums)>> {
    let sql = format!(
        "SELECT p.tenant, p.app, p.function, {} {FOUND} GROUP BY 1, 2, 3 ORDER BY 1, 2, 3",
        summed()
    );
    // The last day that there is begins before the end of time.
    let (spans, from, until) = columns(from_us, i64::MAX - Span::Day.micros(), Span::Day);
    all(database, &sql, &[&spans, &from, &until], |row| {
        let app = AppKey::new(parsed(row, 0)?, parsed(row, 1)?);
        Ok((app, parsed(row, 2)?, sums(row, 3)?))
    })
    .await
}

/// The pieces between two times, as columns.
fn columns(from_us: i64, until_us: i64, longest: Span) -> (Vec<i16>, Vec<i64>, Vec<i64>) {
    let pieces = pieces(from_us, until_us, longest).into_iter();
    pieces.map(|(span, from_us, until_us)| (span as i16, from_us, until_us)).collect()
}

/// The columns of sums, added up: as numbers without bound, of which those that can be told are told.
fn summed() -> String {
    COLUMNS.map(|column| format!("least(sum(u.{column}), {})::bigint", i64::MAX)).join(", ")
}

fn sums(row: &Row, first: usize) -> Step<Sums> {
    let mut numbers = [0; COLUMNS.len()];
    for (at, place) in numbers.iter_mut().enumerate() {
        *place = number(row, first + at)?;
    }
    Ok(Sums::from_array(numbers))
}

fn by_name<T: std::str::FromStr>(row: &Row, column: usize) -> Step<Option<T>> {
    let there: Option<&str> = row.try_get(column)?;
    there.map(|_| parsed(row, column)).transpose()
}
