//! Invocations that nobody waits for, answers that are kept, and sums of what attempts came to.

mod accept;
mod ends;
mod leases;
mod queries;
mod replies;
mod report;
mod usage;

use async_trait::async_trait;
use mayfly_state_api::{
    Accepted, Backlog, Begun, Completion, Error, InvocationQuery, InvocationQueue,
    InvocationRecord, InvocationStatus, KeyedEnd, KeyedRequest, Lease, NewInvocation, Redrive,
    ReplyStore, Roll, Sums, UsageQuery, UsageRow, UsageStore,
};
use mayfly_types::{AppKey, FunctionName, InvocationId, TenantName};

use crate::Database;

/// Most invocations that are deleted in one step.
const DELETED_AT_ONCE: usize = 1_000;

/// Invocations and sums in PostgreSQL, for any number of nodes. A node that ends leaves its leases until their
/// time is over; then [`InvocationQueue::forget`] of any node queues them again.
pub struct Work {
    database: Database,
}

impl Work {
    /// What a database holds of them.
    pub fn open(database: &Database) -> Self {
        Self { database: database.clone() }
    }
}

#[async_trait]
impl InvocationQueue for Work {
    async fn accept(&self, new: NewInvocation) -> Result<Accepted, Error> {
        let new = &new;
        let work = |tx, now_us| async move { accept::accept(&tx, new, now_us).await };
        self.database.write(work).await
    }

    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.database.read(|db| async move { queries::backlogs(&db).await }).await
    }

    async fn lease(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
    ) -> Result<(Vec<Lease>, Option<i64>), Error> {
        let work = |tx, now_us| async move {
            leases::lease(&tx, app, function, limit, now_us, for_us).await
        };
        self.database.write(work).await
    }

    async fn extend(
        &self,
        leases: &[(InvocationId, u64)],
        for_us: i64,
    ) -> Result<Vec<InvocationId>, Error> {
        let work = |tx, now_us| async move { leases::extend(&tx, leases, now_us, for_us).await };
        self.database.write(work).await
    }

    async fn complete(&self, completion: Completion) -> Result<InvocationStatus, Error> {
        let end = &completion;
        let work = |tx, now_us| async move { ends::complete(&tx, end, now_us).await };
        self.database.write(work).await
    }

    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        let work = |tx, now_us| async move { ends::cancel(&tx, tenant, id, now_us).await };
        self.database.write(work).await
    }

    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
    ) -> Result<usize, Error> {
        let work = |tx, now_us| async move {
            ends::redrive(&tx, app, function, which, limit, now_us).await
        };
        self.database.write(work).await
    }

    async fn invocation(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<Option<InvocationRecord>, Error> {
        self.database.read(|db| async move { queries::invocation(&db, tenant, id).await }).await
    }

    async fn invocations(&self, query: &InvocationQuery) -> Result<Vec<InvocationRecord>, Error> {
        self.database.read(|db| async move { queries::invocations(&db, query).await }).await
    }

    async fn forget(&self, limit: usize) -> Result<usize, Error> {
        let work = |tx, now_us| async move { ends::forget(&tx, limit, now_us).await };
        self.database.write(work).await
    }

    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        let work = |tx, _| async move { ends::delete_app(&tx, app, DELETED_AT_ONCE).await };
        while self.database.write(work).await? == DELETED_AT_ONCE {}
        Ok(())
    }
}

#[async_trait]
impl ReplyStore for Work {
    async fn begin(&self, request: &KeyedRequest, for_us: i64) -> Result<Begun, Error> {
        let work = |tx, now_us| async move { replies::begin(&tx, request, now_us, for_us).await };
        self.database.write(work).await
    }

    async fn end(&self, request: &KeyedRequest, end: KeyedEnd) -> Result<(), Error> {
        let end = &end;
        let work = |tx, now_us| async move { replies::end(&tx, request, end, now_us).await };
        self.database.write(work).await
    }
}

#[async_trait]
impl UsageStore for Work {
    async fn roll(&self, roll: Roll) -> Result<u64, Error> {
        let roll = &roll;
        self.database.write(|tx, _| async move { usage::roll(&tx, roll).await }).await
    }

    async fn rolled(&self, source: &str) -> Result<u64, Error> {
        self.database.read(|db| async move { usage::rolled(&db, source).await }).await
    }

    async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageRow>, Error> {
        self.database.read(|db| async move { report::usage(&db, query).await }).await
    }

    async fn totals(&self, from_us: i64) -> Result<Vec<(AppKey, FunctionName, Sums)>, Error> {
        self.database.read(|db| async move { report::totals(&db, from_us).await }).await
    }
}
