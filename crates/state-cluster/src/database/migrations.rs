//! Brings a database to the newest schema: forward only, all or nothing, by one node at a time.

use deadpool_postgres::Object;

use super::error::OpenError;
use super::failure::{Failure, Step};
use super::settings::Schema;
use super::transaction::{Kind, Tx, run};

/// The steps. A step that was released never changes; its place is its number.
pub(super) const ALL: &[&str] = &[
    include_str!("../migrations/0001-control.sql"),
    include_str!("../migrations/0002-work.sql"),
    include_str!("../migrations/0003-replies.sql"),
    include_str!("../migrations/0004-estimates.sql"),
    include_str!("../migrations/0005-room.sql"),
];

/// Applies the steps that the schema lacks, in one transaction.
pub(super) async fn apply(
    client: Object,
    schema: &Schema,
    steps: &[&str],
) -> Result<(), OpenError> {
    let known = u32::try_from(steps.len()).unwrap_or(u32::MAX);
    let migrate = |tx: Tx| async move {
        let state = lock(&tx, schema).await?;
        if let State::Format(found) = state
            && found < known
        {
            for (number, sql) in (1_i32..).zip(steps).skip(found as usize) {
                tx.batch_execute(sql).await?;
                tx.execute("INSERT INTO migrations (number) VALUES ($1)", &[&number]).await?;
            }
        }
        Ok(state)
    };
    match run(client, Kind::Write, migrate).await.map_err(OpenError::of("migrate"))? {
        State::Foreign => Err(OpenError::Foreign { schema: schema.to_string() }),
        State::Format(found) if found > known => {
            Err(OpenError::Newer { schema: schema.to_string(), found, known })
        }
        State::Format(_) => Ok(()),
    }
}

/// What a schema is.
enum State {
    /// Ours, of this format.
    Format(u32),
    /// It holds tables, but not ours.
    Foreign,
}

/// Waits until no other node migrates, and reads what there is then; makes what is to be filled.
async fn lock(tx: &Tx, schema: &Schema) -> Step<State> {
    // A large table takes as long as it takes.
    tx.batch_execute("SET LOCAL statement_timeout = 0").await?;
    // Of this transaction, so that a failover takes both or none.
    let sql = "SELECT pg_advisory_xact_lock(hashtextextended('mayfly ' || $1, 0))";
    tx.query_one(sql, &[&schema.as_str()]).await?;
    let sql = "SELECT EXISTS (SELECT 1 FROM pg_namespace WHERE nspname = $1)";
    let there: bool = tx.query_one(sql, &[&schema.as_str()]).await?.try_get(0)?;
    if !there {
        // Not IF NOT EXISTS, which needs the right to make schemas also where there is one.
        tx.batch_execute(&format!("CREATE SCHEMA \"{schema}\"")).await?;
    }
    let sql = "SELECT count(*), count(*) FILTER (WHERE tablename = 'migrations') FROM pg_tables
        WHERE schemaname = $1";
    let row = tx.query_one(sql, &[&schema.as_str()]).await?;
    match (row.try_get::<_, i64>(0)?, row.try_get::<_, i64>(1)?) {
        (0, _) => {
            tx.batch_execute("CREATE TABLE migrations (number integer PRIMARY KEY)").await?;
            Ok(State::Format(0))
        }
        (_, 0) => Ok(State::Foreign),
        _ => {
            let sql = "SELECT coalesce(max(number), 0) FROM migrations";
            let found: i32 = tx.query_one(sql, &[]).await?.try_get(0)?;
            let format = u32::try_from(found)
                .map_err(|_| Failure::Unknown(format!("{found} is no format")))?;
            Ok(State::Format(format))
        }
    }
}
