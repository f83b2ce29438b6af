//! The histories on the model itself, and on queues that break a rule.

use super::*;
use crate::{Accepted, Backlog, NewInvocation};
use mayfly_types::{AppKey, FunctionName, TenantName};

async fn model(clock: &TestClock) -> ModelSubject {
    let clock = clock.clone();
    ModelSubject(Model::new(Arc::new(move || clock.now_us())))
}

#[tokio::test]
async fn a_history_reaches_every_status_and_is_the_same_for_its_seed() {
    let mut most = [0; 5];
    for seed in 0..20 {
        assert_eq!(history(seed, 40), history(seed, 40));
        for (most, seen) in most.iter_mut().zip(leaves(seed, 40).await) {
            *most = (*most).max(seen);
        }
    }
    assert!(most.iter().all(|seen| *seen >= 2), "{most:?}");
    assert_ne!(history(1, 40), history(2, 40));
}

#[tokio::test]
async fn the_model_agrees_with_itself() {
    follow(model, 0..300, 60).await;
}

/// A rule that is broken.
#[derive(Clone, Copy, Debug)]
enum Broken {
    /// Whoever had a lease that ran out can still end it.
    Fence,
    /// A lease that runs out at this moment holds still.
    Boundary,
    /// An event that is sent twice is two.
    Twice,
    /// What is put back costs an attempt.
    PutBack,
    /// Another tenant can cancel.
    Tenant,
}

/// A queue that breaks one.
struct Breaks(Model, Broken, TestClock);

#[async_trait]
impl Subject for Breaks {
    fn queue(&self) -> &dyn InvocationQueue {
        self
    }
    async fn reopen(&mut self) -> Leases {
        self.0.reopened();
        Leases::Lost
    }
}

#[async_trait]
impl InvocationQueue for Breaks {
    async fn accept(&self, mut new: NewInvocation) -> Result<Accepted, Error> {
        if matches!(self.1, Broken::Twice) && self.0.times(new.id).is_some() {
            let mut id = *new.id.as_bytes();
            id[15] ^= 1;
            new.id = InvocationId::from_bytes(id);
        }
        self.0.accept(new).await
    }
    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.0.backlogs().await
    }
    async fn lease(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
    ) -> Result<(Vec<Lease>, Option<i64>), Error> {
        self.0.lease(app, function, limit, for_us).await
    }
    async fn extend(
        &self,
        leases: &[(InvocationId, u64)],
        for_us: i64,
    ) -> Result<Vec<InvocationId>, Error> {
        self.0.extend(leases, for_us).await
    }
    async fn complete(&self, mut completion: Completion) -> Result<InvocationStatus, Error> {
        match (self.1, &completion.then) {
            (Broken::Fence, _) => {
                let newest = (1..9).rev().find(|fence| {
                    let told = Completion { fence: *fence, ..completion.clone() };
                    futures_util::FutureExt::now_or_never(self.0.complete(told))
                        .is_some_and(|answer| answer.is_ok())
                });
                completion.fence = newest.unwrap_or(completion.fence);
            }
            (Broken::PutBack, Then::PutBack { due_us }) => {
                completion.then = Then::Retry { due_us: *due_us, counts: false };
            }
            _ => {}
        }
        self.0.complete(completion).await
    }
    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        let whose = self.0.event(id).map(|event| event.app.tenant);
        let breaks = matches!(self.1, Broken::Tenant);
        self.0.cancel(whose.as_ref().filter(|_| breaks).unwrap_or(tenant), id).await
    }
    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
    ) -> Result<usize, Error> {
        self.0.redrive(app, function, which, limit).await
    }
    async fn invocation(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<Option<InvocationRecord>, Error> {
        self.0.invocation(tenant, id).await
    }
    async fn invocations(&self, query: &InvocationQuery) -> Result<Vec<InvocationRecord>, Error> {
        self.0.invocations(query).await
    }
    async fn forget(&self, limit: usize) -> Result<usize, Error> {
        let late = i64::from(matches!(self.1, Broken::Boundary));
        self.2.advance(-late);
        let forgotten = self.0.forget(limit).await;
        self.2.advance(late);
        forgotten
    }
    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        self.0.delete_app(app).await
    }
}

#[tokio::test]
async fn a_queue_that_breaks_a_rule_is_found_with_a_short_history() {
    for broken in [Broken::Fence, Broken::Boundary, Broken::Twice, Broken::PutBack, Broken::Tenant]
    {
        let differs = async |steps: &[Step]| {
            let clock = TestClock::default();
            let mut subject = Breaks(model(&clock).await.0, broken, clock.clone());
            run(&mut subject, &clock, steps).await.err()
        };
        let mut found = None;
        for seed in 0..2_000 {
            let steps = history(seed, 60);
            if let Some(difference) = differs(&steps).await {
                found = Some((steps, difference));
                break;
            }
        }
        let (steps, difference) = found.unwrap_or_else(|| panic!("{broken:?} is not found"));
        let short = shortest(steps.clone(), difference.clone(), differs).await;
        assert!(short.0.len() <= 6, "{broken:?}: {short:#?}");
        assert_eq!(short, shortest(steps, difference, differs).await);
    }
}
