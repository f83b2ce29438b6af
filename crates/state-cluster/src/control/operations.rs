//! Commands, one after another, and what each answered, for one that is repeated.

use mayfly_state_api::Error;
use mayfly_types::{OperationId, TenantName};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::queries;
use crate::database::Tx;
use crate::database::failure::{Failure, Step};
use crate::database::rows::{execute, first};

/// How long answers are remembered, in microseconds.
const REMEMBERED_US: i64 = 24 * 3_600_000_000;
/// Most answers that are forgotten at once.
const FORGET_MOST: i64 = 2_000;

/// What makes a repetition of a command known.
pub(super) type Operation<'a> = Option<(&'a TenantName, OperationId)>;

/// Carries out the command `name`, or tells what it answered before; beside that, the store's version.
///
/// Commands are serializable because there is only one at a time: the first thing each does is to lock the
/// store's row, and what it reads later was committed before that. A failure is not remembered but for one that
/// is an answer.
pub(super) async fn carry_out<T, F>(
    tx: &Tx,
    name: &'static str,
    op: Operation<'_>,
    now_us: i64,
    work: impl FnOnce() -> F + Send,
) -> Step<(Result<T, Error>, u64)>
where
    T: Serialize + DeserializeOwned + Send + Sync,
    F: Future<Output = Step<T>> + Send,
{
    let version = queries::lock(tx).await?;
    if let Some((tenant, op)) = op
        && let Some(answer) = recall(tx, name, tenant, op).await?
    {
        return Ok((answer, version));
    }
    tx.batch_execute("SAVEPOINT command").await?;
    let answer = match work().await {
        Ok(answer) => Ok(answer),
        Err(Failure::Refused(error)) => {
            tx.batch_execute("ROLLBACK TO command").await?;
            Err(error)
        }
        Err(failure) => return Err(failure),
    };
    if let Some((tenant, op)) = op {
        remember(tx, name, tenant, op, &answer, now_us).await?;
    }
    Ok((answer, queries::version(tx).await?))
}

async fn recall<T: DeserializeOwned>(
    tx: &Tx,
    name: &str,
    tenant: &TenantName,
    op: OperationId,
) -> Step<Option<Result<T, Error>>> {
    let sql = "SELECT command, outcome, answer FROM operations WHERE tenant = $1 AND id = $2";
    first(tx, sql, &[&tenant.as_str(), &op.uuid()], |row| {
        let (before, outcome): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        let text: &str = row.try_get(2)?;
        Ok(match outcome {
            _ if before != name => {
                Err(Error::Conflict(format!("operation {op} was already used to {before}")))
            }
            "done" => Ok(serde_json::from_str(text)?),
            "not_found" => Err(Error::NotFound { what: text.to_owned() }),
            _ => Err(Error::Conflict(text.to_owned())),
        })
    })
    .await
}

async fn remember<T: Serialize + Sync>(
    tx: &Tx,
    name: &str,
    tenant: &TenantName,
    op: OperationId,
    answer: &Result<T, Error>,
    now_us: i64,
) -> Step<()> {
    let (outcome, text) = match answer {
        Ok(answer) => ("done", serde_json::to_string(answer)?),
        Err(Error::NotFound { what }) => ("not_found", what.clone()),
        Err(Error::Conflict(reason)) => ("conflict", reason.clone()),
        Err(_) => return Ok(()),
    };
    let sql = "INSERT INTO operations (tenant, id, command, outcome, answer, at_us)
        VALUES ($1, $2, $3, $4, $5, $6)";
    execute(tx, sql, &[&tenant.as_str(), &op.uuid(), &name, &outcome, &text, &now_us]).await?;
    Ok(())
}

/// Forgets answers that were remembered long enough.
pub(super) async fn forget(tx: &Tx, now_us: i64) -> Step<()> {
    let sql = "DELETE FROM operations WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM operations WHERE at_us < $1 ORDER BY at_us LIMIT $2
        FOR UPDATE SKIP LOCKED))";
    execute(tx, sql, &[&now_us.saturating_sub(REMEMBERED_US), &FORGET_MOST]).await?;
    Ok(())
}
