//! Invocations that nobody waits for, answers that are kept, and sums of what attempts came to, on `work.db`.

mod commands;
mod queries;
mod replies;
#[cfg(test)]
mod tests;
mod usage;

use async_trait::async_trait;
use mayfly_state_api::{
    Accepted, Backlog, Begun, Completion, Error, InvocationQuery, InvocationQueue,
    InvocationRecord, InvocationStatus, KeyedEnd, KeyedRequest, Lease, NewInvocation, Redrive,
    ReplyStore, Roll, Sums, UsageQuery, UsageRow, UsageStore,
};
use mayfly_types::{AppKey, FunctionName, InvocationId, TenantName};

use crate::sqlite::{Database, Kind};
use crate::{DataDir, OpenError, migrations};

/// `work.db`. Every command in it is known again by what it names, so no answer is remembered beside.
const KIND: Kind = Kind { file: "work.db", migrations: migrations::WORK, remembers: false };

/// Most invocations that are deleted in one step.
const DELETED_AT_ONCE: usize = 1_000;

/// Invocations and sums in SQLite. Invocations that were being tried when the last process ended are queued again.
///
/// Dropping it waits until the commands that were taken are on disk.
pub struct Work {
    database: Database,
}

impl Work {
    /// Opens `work.db`, makes it where it is absent, and brings an older one forward.
    ///
    /// # Errors
    /// See [`OpenError`].
    pub fn open(data: &DataDir) -> Result<Self, OpenError> {
        let database = Database::open(data, &KIND, |database, now_us| {
            commands::take_back(database, now_us, i64::MAX)?;
            replies::take_back(database)?;
            Ok(Box::new(|_| {}))
        })?;
        Ok(Self { database })
    }

    /// Transactions committed since it was opened.
    pub fn commits(&self) -> u64 {
        self.database.commits()
    }
}

#[async_trait]
impl InvocationQueue for Work {
    async fn accept(&self, new: NewInvocation) -> Result<Accepted, Error> {
        let work = move |db: &_, now_us| commands::accept(db, &new, now_us);
        self.database.write("accept an event", work).await
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.database.read(queries::backlogs).await
    }

    async fn lease(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
    ) -> Result<(Vec<Lease>, Option<i64>), Error> {
        let (app, function) = (app.clone(), function.clone());
        let work =
            move |db: &_, now_us| commands::lease(db, &app, &function, limit, now_us, for_us);
        self.database.write("lease events", work).await
    }

    async fn extend(
        &self,
        leases: &[(InvocationId, u64)],
        for_us: i64,
    ) -> Result<Vec<InvocationId>, Error> {
        let leases = leases.to_vec();
        let work = move |db: &_, now_us| commands::extend(db, &leases, now_us, for_us);
        self.database.write("extend leases", work).await
    }

    async fn complete(&self, completion: Completion) -> Result<InvocationStatus, Error> {
        let work = move |db: &_, now_us| commands::complete(db, &completion, now_us);
        self.database.write("end a lease", work).await
    }

    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        let tenant = tenant.clone();
        let work = move |db: &_, now_us| commands::cancel(db, &tenant, id, now_us);
        self.database.write("cancel an invocation", work).await
    }

    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
    ) -> Result<usize, Error> {
        let (app, function, which) = (app.clone(), function.clone(), which.clone());
        let work =
            move |db: &_, now_us| commands::redrive(db, &app, &function, &which, limit, now_us);
        self.database.write("redrive dead letters", work).await
    }

    async fn invocation(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<Option<InvocationRecord>, Error> {
        let tenant = tenant.clone();
        self.database.read(move |db| queries::invocation(db, &tenant, id)).await
    }

    async fn invocations(&self, query: &InvocationQuery) -> Result<Vec<InvocationRecord>, Error> {
        let query = query.clone();
        self.database.read(move |db| queries::invocations(db, &query)).await
    }

    async fn forget(&self, limit: usize) -> Result<usize, Error> {
        let work = move |db: &_, now_us| commands::forget(db, limit, now_us);
        self.database.write("forget what was kept long enough", work).await
    }

    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        loop {
            let app = app.clone();
            let work = move |db: &_, _| commands::delete_app(db, &app, DELETED_AT_ONCE);
            if self.database.write("delete an app's invocations", work).await? < DELETED_AT_ONCE {
                return Ok(());
            }
        }
    }
}

#[async_trait]
impl ReplyStore for Work {
    async fn begin(&self, request: &KeyedRequest, for_us: i64) -> Result<Begun, Error> {
        let request = request.clone();
        let work = move |db: &_, now_us| replies::begin(db, &request, now_us, for_us);
        self.database.write("take a key", work).await
    }

    async fn end(&self, request: &KeyedRequest, end: KeyedEnd) -> Result<(), Error> {
        let request = request.clone();
        let work = move |db: &_, now_us| replies::end(db, &request, &end, now_us);
        self.database.write("keep an answer", work).await
    }
}

#[async_trait]
impl UsageStore for Work {
    async fn roll(&self, roll: Roll) -> Result<u64, Error> {
        self.database.write("add up usage", move |db, _| usage::roll(db, &roll)).await
    }

    async fn rolled(&self, source: &str) -> Result<u64, Error> {
        let source = source.to_owned();
        self.database.read(move |db| usage::rolled(db, &source)).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, Error> {
        let query = query.clone();
        self.database.read(move |db| usage::usage(db, &query)).await
    }

    async fn totals(&self, from_us: i64) -> Result<Vec<(AppKey, FunctionName, Sums)>, Error> {
        self.database.read(move |db| usage::totals(db, from_us)).await
    }
}
