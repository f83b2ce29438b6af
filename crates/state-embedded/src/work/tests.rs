use mayfly_state_api::suite::{app, function};
use mayfly_state_api::{InvocationStatus, NewInvocation};

use super::*;
use crate::OpenOptions;

fn open(path: &std::path::Path) -> Work {
    Work::open(&DataDir::open(path, OpenOptions::default()).unwrap()).unwrap()
}

#[tokio::test]
async fn what_ran_when_the_process_ended_is_queued_again_by_the_next() {
    let dir = tempfile::tempdir().unwrap();
    let app = app(&TenantName::fallback(), "photos");
    let new = |payload: &str| NewInvocation {
        id: InvocationId::new(),
        app: app.clone(),
        function: function("thumb"),
        kind: "invoke".into(),
        payload: payload.into(),
        due_us: 0,
        max_age_us: 1_000_000,
        caller: None,
        key: None,
    };
    let queue = open(dir.path());
    let (first, second) = (new("1"), new("2"));
    queue.accept(first.clone()).await.unwrap();
    queue.accept(second.clone()).await.unwrap();
    let (leases, _) = queue.lease(&app, &function("thumb"), 10, i64::MAX).await.unwrap();
    assert_eq!(leases.len(), 2);
    queue.cancel(&app.tenant, second.id).await.unwrap();
    drop(queue);

    let queue = open(dir.path());
    let (leases, _) = queue.lease(&app, &function("thumb"), 10, 1).await.unwrap();
    let told = |lease: &Lease| (lease.id, lease.attempt, lease.lost, lease.failed);
    assert_eq!(leases.iter().map(told).collect::<Vec<_>>(), [(first.id, 2, 1, 0)]);
    let record = queue.invocation(&app.tenant, second.id).await.unwrap().unwrap();
    assert_eq!(record.status, InvocationStatus::Cancelled);
}
