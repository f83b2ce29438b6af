//! Adding up what attempts came to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use mayfly_state_api::{Payer, Roll, Span, Sums};
use tokio_postgres::types::ToSql;

use crate::database::Tx;
use crate::database::failure::{Failure, Step};
use crate::database::rows::{Params, all, execute, first, integer, number};

/// The columns of sums, in the order of [`Sums::to_array`].
pub(super) const COLUMNS: [&str; Sums::COUNT] = [
    "attempts",
    "function_faults",
    "platform_faults",
    "caller_faults",
    "cold",
    "billed_ms",
    "mb_ms",
    "cpu_us",
    "init_us",
    "bytes_in",
    "bytes_out",
    "estimated_cpu_us",
];
/// The columns by which a row of sums is found, but for its part.
const KEY: [&str; 3] = ["of", "span", "start_us"];
/// The part that journals are added to.
const JOURNALS: i16 = 0;
/// How many rows the ends of one payer's events are spread over. A row is locked until its transaction is on disk,
/// so that this many can be on their way there at once.
const PARTS: i16 = 4;

/// Adds to rows, or makes them. All do it in the order of the key: two that add to many never wait for each other.
///
/// A sum that is full stays full. It is the addition that must not fail, for it would fail again and again, and with
/// it the end of an event.
static ADD: LazyLock<String> = LazyLock::new(|| {
    let columns = [KEY.as_slice(), &COLUMNS].concat();
    let arrays: Vec<_> = (2..2 + columns.len()).map(|at| format!("${at}::bigint[]")).collect();
    let added = COLUMNS.map(|column| {
        let most = i64::MAX;
        format!("{column} = least(u.{column}, {most} - excluded.{column}) + excluded.{column}")
    });
    let (columns, arrays, added) = (columns.join(", "), arrays.join(", "), added.join(", "));
    format!(
        "INSERT INTO usage AS u (part, {columns})
        SELECT $1::smallint, * FROM unnest({arrays}) AS more ({columns}) ORDER BY of, span, start_us
        ON CONFLICT (of, span, start_us, part) DO UPDATE SET {added}"
    )
});

/// Adds what a journal holds, if it is at the position where that begins. Answers where it is then.
pub(super) async fn roll(tx: &Tx, roll: &Roll) -> Step<u64> {
    if !advance(tx, roll).await? {
        return rolled(tx, &roll.source).await;
    }
    if !roll.sums.is_empty() {
        let sums: Vec<_> =
            roll.sums.iter().map(|(at_us, who, sums)| (*at_us, who, *sums)).collect();
        add(tx, JOURNALS, &sums).await?;
    }
    Ok(roll.to)
}

/// Moves a journal on. Whoever does the same at the same time waits here for the end of the first, and then finds
/// it moved.
async fn advance(tx: &Tx, roll: &Roll) -> Step<bool> {
    let (from, to) = (integer(roll.from), integer(roll.to));
    let sql = "UPDATE journals SET rolled = $3 WHERE source = $1 AND rolled = $2";
    if execute(tx, sql, &[&roll.source, &from, &to]).await? > 0 {
        return Ok(true);
    }
    if roll.from > 0 {
        return Ok(false);
    }
    let sql = "INSERT INTO journals (source, rolled) VALUES ($1, $2) ON CONFLICT DO NOTHING";
    Ok(execute(tx, sql, &[&roll.source, &to]).await? > 0)
}

pub(super) async fn rolled(tx: &Tx, source: &str) -> Step<u64> {
    let sql = "SELECT rolled FROM journals WHERE source = $1";
    Ok(first(tx, sql, &[&source], |row| number(row, 0)).await?.unwrap_or(0))
}

/// Adds one attempt of an event. The event's number spreads them.
pub(super) async fn add_one(
    tx: &Tx,
    event: i64,
    started_us: i64,
    payer: &Payer,
    sums: Sums,
) -> Step<()> {
    let part = i16::try_from(event.rem_euclid(i64::from(PARTS))).unwrap_or(0);
    add(tx, JOURNALS + 1 + part, &[(started_us, payer, sums)]).await
}

async fn add(tx: &Tx, part: i16, sums: &[(i64, &Payer, Sums)]) -> Step<()> {
    let payers: BTreeSet<&Payer> = sums.iter().map(|(_, payer, _)| *payer).collect();
    let numbers = numbers(tx, &payers.into_iter().collect::<Vec<_>>()).await?;
    // One statement cannot change a row twice, but a journal may tell of a minute more than once, and of many
    // minutes of an hour.
    let mut rows: BTreeMap<[i64; 3], Sums> = BTreeMap::new();
    for (time_us, payer, sums) in sums {
        let of = *numbers.get(payer).ok_or(Failure::Again)?;
        for span in Span::ALL {
            *rows.entry([of, span as i64, span.start(*time_us)]).or_default() += *sums;
        }
    }
    let mut columns: [Vec<i64>; KEY.len() + COLUMNS.len()] = Default::default();
    for (key, sums) in rows {
        let row = key.into_iter().chain(sums.to_array().map(integer));
        columns.iter_mut().zip(row).for_each(|(column, number)| column.push(number));
    }
    let arrays = columns.iter().map(|column| column as &(dyn ToSql + Sync));
    let params: Vec<_> = std::iter::once(&part as &(dyn ToSql + Sync)).chain(arrays).collect();
    execute(tx, &ADD, &params).await?;
    Ok(())
}

/// The numbers of payers, given now to those that have none.
async fn numbers<'a>(tx: &Tx, payers: &[&'a Payer]) -> Step<BTreeMap<&'a Payer, i64>> {
    let found = known(tx, payers).await?;
    if found.len() == payers.len() {
        return Ok(found);
    }
    // In one order by all. What another node inserted at the same time is waited for, and found after that.
    let sql = "INSERT INTO payers (tenant, app, function, caller)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::text[]) ORDER BY 1, 2, 3, 4
        ON CONFLICT DO NOTHING";
    let [tenants, apps, functions, callers] = names(payers);
    execute(tx, sql, &[&tenants, &apps, &functions, &callers]).await?;
    known(tx, payers).await
}

async fn known<'a>(tx: &Tx, payers: &[&'a Payer]) -> Step<BTreeMap<&'a Payer, i64>> {
    let sql = "SELECT named.at, p.number
        FROM unnest($1::text[], $2::text[], $3::text[], $4::text[])
            WITH ORDINALITY AS named (tenant, app, function, caller, at)
        JOIN payers p ON p.tenant = named.tenant AND p.app = named.app
            AND p.function = named.function AND p.caller = named.caller";
    let [tenants, apps, functions, callers] = names(payers);
    let params: Params<'_> = &[&tenants, &apps, &functions, &callers];
    // PostgreSQL counts from 1.
    let found = all(tx, sql, params, |row| Ok((number(row, 0)? - 1, row.try_get(1)?))).await?;
    Ok(found.into_iter().map(|(at, number): (u64, i64)| (payers[at as usize], number)).collect())
}

/// Payers as columns.
fn names<'a>(payers: &[&'a Payer]) -> [Vec<&'a str>; 4] {
    let column = |name: fn(&'a Payer) -> &'a str| payers.iter().map(|payer| name(payer)).collect();
    [
        column(|payer| payer.app.tenant.as_str()),
        column(|payer| payer.app.app.as_str()),
        column(|payer| payer.function.as_str()),
        column(|payer| &payer.caller),
    ]
}
