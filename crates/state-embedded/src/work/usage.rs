//! Sums of what attempts came to, in `work.db`.

use std::collections::BTreeMap;

use mayfly_state_api::{Payer, Roll, Span, Sums, UsageQuery, UsageRow, pieces};
use mayfly_types::{AppKey, AppName, FunctionName};
use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension, Row, params, params_from_iter};

use super::commands::execute;
use crate::sqlite::failure::Step;
use crate::sqlite::rows::{all, integer, number, parsed};

/// Most of a sum. Two of them can be added, and so can those of a thousand years: a number that makes no sense must
/// not keep others from being counted.
const FULL: i64 = i64::MAX / 4;

pub(crate) fn roll(database: &Connection, roll: &Roll) -> Step<u64> {
    let at = rolled(database, &roll.source)?;
    if at != roll.from {
        return Ok(at);
    }
    for (minute_us, payer, sums) in &roll.sums {
        add(database, *minute_us, payer, *sums)?;
    }
    let sql = "INSERT INTO journals VALUES (?1, ?2) ON CONFLICT DO UPDATE SET rolled = ?2";
    execute(database, sql, params![roll.source, integer(roll.to)])?;
    Ok(roll.to)
}

pub(crate) fn rolled(database: &Connection, source: &str) -> Step<u64> {
    let sql = "SELECT rolled FROM journals WHERE source = ?1";
    let mut statement = database.prepare_cached(sql)?;
    Ok(statement.query_row([source], |row| number(row, 0)).optional()?.unwrap_or(0))
}

/// Adds sums of attempts that began in a minute.
pub(crate) fn add(database: &Connection, time_us: i64, payer: &Payer, sums: Sums) -> Step<()> {
    let of = payer_number(database, payer)?;
    let sql =
        "INSERT INTO usage VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)
        ON CONFLICT DO UPDATE SET
            attempts = attempts + excluded.attempts,
            function_faults = function_faults + excluded.function_faults,
            platform_faults = platform_faults + excluded.platform_faults,
            caller_faults = caller_faults + excluded.caller_faults,
            cold = cold + excluded.cold,
            billed_ms = min(billed_ms + excluded.billed_ms, ?16),
            mb_ms = min(mb_ms + excluded.mb_ms, ?16),
            cpu_us = min(cpu_us + excluded.cpu_us, ?16),
            init_us = min(init_us + excluded.init_us, ?16),
            bytes_in = min(bytes_in + excluded.bytes_in, ?16),
            bytes_out = min(bytes_out + excluded.bytes_out, ?16),
            estimated_cpu_us = min(estimated_cpu_us + excluded.estimated_cpu_us, ?16)";
    for span in Span::ALL {
        let key = [of, span as i64, span.start(time_us)];
        let numbers = sums.to_array().map(|number| integer(number).min(FULL));
        let row = key.into_iter().chain(numbers).chain([FULL]);
        database.prepare_cached(sql)?.execute(params_from_iter(row))?;
    }
    Ok(())
}

fn payer_number(database: &Connection, payer: &Payer) -> Step<i64> {
    let Payer { app, function, caller } = payer;
    let key = [app.tenant.as_str(), app.app.as_str(), function.as_str(), caller];
    let sql = "SELECT number FROM payers
        WHERE tenant = ?1 AND app = ?2 AND function = ?3 AND caller = ?4";
    let known = database.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?;
    if let Some(known) = known {
        return Ok(known);
    }
    let sql = "INSERT INTO payers (tenant, app, function, caller) VALUES (?1, ?2, ?3, ?4)";
    execute(database, sql, key)?;
    Ok(database.last_insert_rowid())
}

/// What a row is known by, in the order in which rows are told.
type Key = (Option<i64>, Option<AppName>, Option<FunctionName>, Option<String>);

/// The columns of sums, added up. `sum` fails where numbers that make no sense overflow; `total` does not, and is
/// exact up to 2^53.
const SUMMED: &str = "CAST(total(attempts) AS INTEGER),
    CAST(total(function_faults) AS INTEGER),
    CAST(total(platform_faults) AS INTEGER),
    CAST(total(caller_faults) AS INTEGER),
    CAST(total(cold) AS INTEGER),
    CAST(total(billed_ms) AS INTEGER),
    CAST(total(mb_ms) AS INTEGER),
    CAST(total(cpu_us) AS INTEGER),
    CAST(total(init_us) AS INTEGER),
    CAST(total(bytes_in) AS INTEGER),
    CAST(total(bytes_out) AS INTEGER),
    CAST(total(estimated_cpu_us) AS INTEGER)";

pub(crate) fn usage(database: &Connection, query: &UsageQuery) -> Step<Vec<UsageRow>> {
    let UsageQuery { tenant, app, function, from_us, until_us, by } = query;
    let mut found: BTreeMap<Key, Sums> = BTreeMap::new();
    let span_us = by.time.map_or(i64::MAX, Span::micros);
    let sql = format!(
        "SELECT u.start_us - u.start_us % ?7, p.app, p.function, p.caller, {SUMMED}
        FROM payers p JOIN usage u ON u.of = p.number
        WHERE p.tenant = ?1 AND (?2 IS NULL OR p.app = ?2) AND (?3 IS NULL OR p.function = ?3)
            AND u.span = ?4 AND u.start_us >= ?5 AND u.start_us < ?6
        GROUP BY 1, 2, 3, 4"
    );
    let text = |name: Option<&str>| name.map_or(Value::Null, |name| Value::Text(name.to_owned()));
    for (span, from_us, until_us) in pieces(*from_us, *until_us, by.time.unwrap_or(Span::Day)) {
        let params = params![
            tenant.as_str(),
            text(app.as_ref().map(AppName::as_str)),
            text(function.as_ref().map(FunctionName::as_str)),
            span as i64,
            from_us,
            until_us,
            span_us
        ];
        let rows = all(database, &sql, params, |row| {
            let named = by.app || by.function;
            let key: Key = (
                by.time.map(|_| row.get(0)).transpose()?,
                named.then(|| parsed(row, 1)).transpose()?,
                by.function.then(|| parsed(row, 2)).transpose()?,
                by.caller.then(|| row.get(3)).transpose()?,
            );
            Ok((key, sums(row, 4)?))
        })?;
        for (key, sums) in rows {
            *found.entry(key).or_default() += sums;
        }
    }
    let rows = found.into_iter().map(|((start_us, app, function, caller), sums)| UsageRow {
        start_us,
        app,
        function,
        caller,
        sums,
    });
    Ok(rows.collect())
}

pub(crate) fn totals(
    database: &Connection,
    from_us: i64,
) -> Step<Vec<(AppKey, FunctionName, Sums)>> {
    let mut found: BTreeMap<(AppKey, FunctionName), Sums> = BTreeMap::new();
    let sql = format!(
        "SELECT p.tenant, p.app, p.function, {SUMMED}
        FROM payers p JOIN usage u ON u.of = p.number
        WHERE u.span = ?1 AND u.start_us >= ?2 AND u.start_us < ?3 GROUP BY 1, 2, 3"
    );
    // The last day that there is begins before the end of time.
    let until_us = i64::MAX - Span::Day.micros();
    for (span, from_us, until_us) in pieces(from_us, until_us, Span::Day) {
        let rows = all(database, &sql, [span as i64, from_us, until_us], |row| {
            let app = AppKey::new(parsed(row, 0)?, parsed(row, 1)?);
            Ok(((app, parsed(row, 2)?), sums(row, 3)?))
        })?;
        for (key, sums) in rows {
            *found.entry(key).or_default() += sums;
        }
    }
    Ok(found.into_iter().map(|((app, function), sums)| (app, function, sums)).collect())
}

fn sums(row: &Row<'_>, first: usize) -> Step<Sums> {
    let mut numbers = [0; Sums::COUNT];
    for (i, place) in numbers.iter_mut().enumerate() {
        *place = number(row, first + i)?;
    }
    Ok(Sums::from_array(numbers))
}
