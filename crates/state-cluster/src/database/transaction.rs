//! One transaction on one connection.

use std::ops::Deref;
use std::sync::Arc;

use deadpool_postgres::Object;
use tokio::runtime::Handle;

use super::failure::{Failure, Step};

/// What a transaction sees and may do.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// Each statement sees what was committed before it. The level is said, because a database may have another
    /// default. That it writes is not, because it must fail where an operator or a standby allows no writes.
    Write,
    /// All statements see one moment.
    Read,
    /// Each statement is a transaction of its own: for one that reads.
    Apart,
}

impl Kind {
    const fn begin(self) -> Option<&'static str> {
        match self {
            Self::Write => Some("BEGIN ISOLATION LEVEL READ COMMITTED"),
            Self::Read => Some("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY"),
            Self::Apart => None,
        }
    }
}

/// A connection inside of a transaction. Clones are of the same.
///
/// Not the driver's own type, because that borrows the connection: a future that holds it could not be shown
/// to be `Send` wherever it came from.
#[derive(Clone)]
pub(crate) struct Tx(Arc<Object>);

impl Deref for Tx {
    type Target = Object;
    fn deref(&self) -> &Object {
        &self.0
    }
}

/// Runs `work` in a transaction, which is committed when it has an answer. Otherwise it is rolled back, also
/// when the caller leaves in the middle.
pub(super) async fn run<T, F>(
    client: Object,
    kind: Kind,
    work: impl FnOnce(Tx) -> F + Send,
) -> Step<T>
where
    F: Future<Output = Step<T>> + Send,
{
    let client = Arc::new(client);
    let mut left = Left(None);
    if let Some(begin) = kind.begin() {
        left.0 = Some(Arc::clone(&client));
        client.batch_execute(begin).await?;
    }
    let done = work(Tx(Arc::clone(&client))).await;
    let ended = match (left.0.is_some(), &done) {
        (false, _) => Ok(()),
        (true, Ok(_)) => client.batch_execute("COMMIT").await,
        (true, Err(_)) => client.batch_execute("ROLLBACK").await,
    };
    left.0 = None;
    // A connection that does not even end its transaction is of no more use. Nor is one to a server that takes
    // no writes any more: it would stay open, while the database has moved to another.
    let lost = ended.is_err() || done.as_ref().is_err_and(Failure::is_of_the_server);
    if lost && let Some(client) = Arc::into_inner(client) {
        drop(Object::take(client));
    }
    let answer = done?;
    ended?;
    Ok(answer)
}

/// The connection of a transaction whose caller may leave.
struct Left(Option<Arc<Object>>);

impl Drop for Left {
    fn drop(&mut self) {
        let Some(client) = self.0.take() else { return };
        match Handle::try_current() {
            // It goes back to the pool after that; PostgreSQL bounds how long this may take.
            Ok(runtime) => drop(runtime.spawn(async move {
                if client.batch_execute("ROLLBACK").await.is_err()
                    && let Some(client) = Arc::into_inner(client)
                {
                    drop(Object::take(client));
                }
            })),
            // There is nothing to end it with, and the next user would be inside of it.
            Err(_) => std::mem::forget(client),
        }
    }
}
