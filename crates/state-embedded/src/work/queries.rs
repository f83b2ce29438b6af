//! Reads of `work.db`.

use mayfly_state_api::{
    AttemptRecord, Backlog, InvocationQuery, InvocationRecord, InvocationStatus,
};
use mayfly_types::{AppKey, FunctionName, InvocationId, TenantName};
use rusqlite::{Connection, OptionalExtension, Row, params};

use crate::sqlite::failure::{Failure, Step};
use crate::sqlite::rows::{all, bounded, json, parsed};

/// A function's number, if it ever had an event.
pub(crate) fn function(
    database: &Connection,
    app: &AppKey,
    function: &FunctionName,
) -> Step<Option<i64>> {
    let sql = "SELECT number FROM functions WHERE tenant = ?1 AND app = ?2 AND function = ?3";
    let key = [app.tenant.as_str(), app.app.as_str(), function.as_str()];
    Ok(database.prepare_cached(sql)?.query_row(key, |row| row.get(0)).optional()?)
}

pub(crate) fn backlogs(database: &Connection) -> Step<Vec<Backlog>> {
    let sql = "SELECT tenant, app, function, due_us FROM (
            SELECT tenant, app, function,
                (SELECT min(due_us) FROM invocations WHERE of = functions.number AND status = 0)
                AS due_us
            FROM functions)
        WHERE due_us IS NOT NULL";
    all(database, sql, [], |row| {
        let app = AppKey::new(parsed(row, 0)?, parsed(row, 1)?);
        Ok(Backlog { app, function: parsed(row, 2)?, due_us: row.get(3)? })
    })
}

/// When the first queued invocation of a function is due.
pub(crate) fn next_due(database: &Connection, of: i64) -> Step<Option<i64>> {
    let sql = "SELECT min(due_us) FROM invocations WHERE of = ?1 AND status = 0";
    Ok(database.prepare_cached(sql)?.query_row([of], |row| row.get(0))?)
}

const COLUMNS: &str =
    "i.id, f.tenant, f.app, f.function, i.kind, i.status, i.accepted_us, i.due_us,
    i.fault, i.result, i.number
    FROM invocations i JOIN functions f ON f.number = i.of";

pub(crate) fn invocation(
    database: &Connection,
    tenant: &TenantName,
    id: InvocationId,
) -> Step<Option<InvocationRecord>> {
    let sql = format!("SELECT {COLUMNS} WHERE i.id = ?1 AND f.tenant = ?2");
    let mut statement = database.prepare_cached(&sql)?;
    let mut rows = statement.query(params![id.as_bytes(), tenant.as_str()])?;
    rows.next()?.map(|row| record(database, row)).transpose()
}

pub(crate) fn invocations(
    database: &Connection,
    query: &InvocationQuery,
) -> Step<Vec<InvocationRecord>> {
    let Some(of) = function(database, &query.app, &query.function)? else { return Ok(Vec::new()) };
    let sql = format!(
        "SELECT {COLUMNS} WHERE i.of = ?1 AND i.status = ?2 AND i.id < ?3
            ORDER BY i.id DESC LIMIT ?4"
    );
    // No id is above this.
    let before = query.before.map_or([0xff; 16], |id| *id.as_bytes());
    let mut found = Vec::new();
    for status in InvocationStatus::ALL {
        if query.status.is_none_or(|wanted| wanted == status) {
            let params = params![of, number(status), before, bounded(query.limit)];
            found.extend(all(database, &sql, params, |row| record(database, row))?);
        }
    }
    found.sort_unstable_by_key(|record| std::cmp::Reverse(record.id));
    found.truncate(query.limit);
    Ok(found)
}

fn record(database: &Connection, row: &Row<'_>) -> Step<InvocationRecord> {
    let fault: Option<String> = row.get(8)?;
    Ok(InvocationRecord {
        id: id(row, 0)?,
        app: AppKey::new(parsed(row, 1)?, parsed(row, 2)?),
        function: parsed(row, 3)?,
        kind: row.get(4)?,
        status: status(row.get(5)?)?,
        accepted_us: row.get(6)?,
        due_us: row.get(7)?,
        attempts: attempts(database, row.get(10)?)?,
        fault: fault.map(|fault| serde_json::from_str(&fault)).transpose()?,
        result: row.get(9)?,
    })
}

fn attempts(database: &Connection, invocation: i64) -> Step<Vec<AttemptRecord>> {
    let sql = "SELECT record FROM attempts WHERE invocation = ?1 ORDER BY number";
    all(database, sql, [invocation], |row| json(row, 0))
}

/// An invocation's id.
pub(crate) fn id(row: &Row<'_>, column: usize) -> Step<InvocationId> {
    Ok(InvocationId::from_bytes(row.get(column)?))
}

/// A status as it is stored.
pub(crate) const fn number(status: InvocationStatus) -> i64 {
    match status {
        InvocationStatus::Queued => 0,
        InvocationStatus::Running => 1,
        InvocationStatus::Succeeded => 2,
        InvocationStatus::Failed => 3,
        InvocationStatus::Cancelled => 4,
    }
}

/// A status as [`number`] stored it.
pub(crate) fn status(stored: i64) -> Step<InvocationStatus> {
    let status = InvocationStatus::ALL.into_iter().find(|status| number(*status) == stored);
    status.ok_or_else(|| Failure::Unknown(format!("{stored} is no status")))
}
