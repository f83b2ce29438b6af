//! What fails, and what is left of it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use mayfly_state_api::suite::{app, function, revision};
use mayfly_state_api::{
    AttemptRecord, Completion, ControlStore, Error, GoLive, InvocationQueue, InvocationStatus,
    Lease, NewInvocation, NewRelease, Then, UsageStore,
};
use mayfly_state_cluster::{Database, Options, Store, Work};
use mayfly_types::{
    AppKey, InvocationId, OperationId, Outcome, OutcomeStatus, ReleaseNumber, TenantName,
};
use tokio::time::timeout;

use crate::server::Server;

const MINUTE_US: i64 = 60_000_000;

fn photos() -> AppKey {
    app(&TenantName::fallback(), "photos")
}

fn event(name: &str) -> NewInvocation {
    NewInvocation {
        id: InvocationId::new(),
        app: photos(),
        function: function(name),
        kind: "invoke".into(),
        payload: b"1".to_vec(),
        due_us: 0,
        max_age_us: MINUTE_US,
        caller: None,
        key: None,
    }
}

fn attempt(lease: &Lease) -> AttemptRecord {
    AttemptRecord {
        number: lease.attempt,
        revision: None,
        memory: None,
        started_us: MINUTE_US,
        outcome: Outcome::nothing(OutcomeStatus::Ok),
        fault: None,
    }
}

fn new_release() -> NewRelease {
    let (app, revision) = (photos(), revision(&photos(), "thumb", "code"));
    NewRelease {
        app,
        manifest: "app = \"photos\"".into(),
        routes: vec![],
        functions: [(revision.function().clone(), revision)].into(),
        go_live: GoLive::All,
        by: "laptop".into(),
    }
}

/// Makes whatever is inserted into a table fail with a code of PostgreSQL's, where a condition holds.
async fn fail(client: &tokio_postgres::Client, table: &str, code: &str, when: &str) {
    let sql = format!(
        "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN RAISE EXCEPTION 'as a test asked' USING ERRCODE = '{code}'; END $$;
        CREATE TRIGGER fail BEFORE INSERT ON {table} FOR EACH ROW WHEN ({when})
            EXECUTE FUNCTION fail()"
    );
    client.batch_execute(&sql).await.unwrap();
}

async fn mend(client: &tokio_postgres::Client) {
    client.batch_execute("DROP FUNCTION fail CASCADE").await.unwrap();
}

#[tokio::test]
async fn a_full_disk_refuses_what_needs_room_and_nothing_is_half_there() {
    let server = Server::shared();
    let database = server.database("full").await;
    let (store, work) = (Store::open(&database).await.unwrap(), Work::open(&database));
    let client = server.client("full").await;

    let op = OperationId::new();
    fail(&client, "releases", "53100", "true").await;
    assert_eq!(store.create_release(op, new_release()).await, Err(Error::Full));
    assert_eq!(store.app(&photos()).await, Ok(None));
    mend(&client).await;
    let made = store.create_release(op, new_release()).await.unwrap();
    assert_eq!(made.number, ReleaseNumber(1), "a full disk is not remembered as the answer");

    work.accept(event("thumb")).await.unwrap();
    let lease = work.lease(&photos(), &function("thumb"), 1, MINUTE_US).await.unwrap().0.remove(0);
    // An end of an attempt that counts, with an event for another function; once the one does not fit any more,
    // and once the other.
    let attempt = Some(attempt(&lease));
    let then = Then::Succeeded { result: None, keep_us: MINUTE_US, send: Some(event("next")) };
    let end = Completion { id: lease.id, fence: lease.fence, attempt, then };
    let tenant = photos().tenant;
    for (table, when) in [("invocations", "NEW.status = 0"), ("usage", "NEW.span = 2")] {
        fail(&client, table, "53100", when).await;
        assert_eq!(work.complete(end.clone()).await, Err(Error::Full));
        let record = work.invocation(&tenant, lease.id).await.unwrap().unwrap();
        assert_eq!((record.status, record.attempts), (InvocationStatus::Running, vec![]));
        assert_eq!(work.totals(0).await, Ok(vec![]));
        if table == "invocations" {
            assert_eq!(work.accept(event("thumb")).await, Err(Error::Full));
        }
        mend(&client).await;
    }
    assert_eq!(work.complete(end).await, Ok(InvocationStatus::Succeeded));
    assert_eq!(work.totals(0).await.unwrap().len(), 1);
    let (sent, _) = work.lease(&photos(), &function("next"), 9, MINUTE_US).await.unwrap();
    assert_eq!(sent.len(), 1);
}

#[tokio::test]
async fn a_transaction_that_postgresql_ended_for_another_is_tried_anew() {
    let server = Server::shared();
    let work = Work::open(&server.database("anew").await);
    let client = server.client("anew").await;
    // A sequence counts on though the transaction is rolled back.
    client.batch_execute("CREATE SEQUENCE tries").await.unwrap();
    for (code, last) in [("40001", 4), ("40P01", 10)] {
        fail(&client, "invocations", code, &format!("nextval('tries') < {last}")).await;
        let new = event("thumb");
        work.accept(new.clone()).await.unwrap();
        assert!(work.invocation(&new.app.tenant, new.id).await.unwrap().is_some());
        mend(&client).await;
    }
    fail(&client, "invocations", "40001", "nextval('tries') > 0").await;
    let refused = work.accept(event("thumb")).await;
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    let tried: i64 = client.query_one("SELECT nextval('tries')", &[]).await.unwrap().get(0);
    assert!(tried < 40, "{tried}");
}

#[tokio::test]
async fn text_that_postgresql_cannot_store_is_refused_and_not_tried_again() {
    let server = Server::shared();
    let work = Work::open(&server.database("text").await);
    let refused = work.accept(NewInvocation { kind: "in\0voke".into(), ..event("thumb") }).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
}

#[tokio::test]
async fn a_caller_who_leaves_in_the_middle_leaves_nothing_behind() {
    let server = Server::shared();
    let options = Options { schema: "leaves".into(), connections: 1, ..Options::default() };
    let database = Database::connect(&server.url(), options).await.unwrap();
    let store = Store::open(&database).await.unwrap();
    let client = server.client("leaves").await;
    for _ in 0..3 {
        // It is free at once, not when PostgreSQL loses patience.
        let lock = client.batch_execute("BEGIN; SELECT 1 FROM store FOR UPDATE");
        timeout(Duration::from_secs(15), lock).await.unwrap().unwrap();
        let create = store.create_release(OperationId::new(), new_release());
        let early = timeout(Duration::from_millis(200), create).await;
        assert!(early.is_err(), "it waits: {early:?}");
        client.batch_execute("COMMIT").await.unwrap();
        // On the only connection that there is.
        assert_eq!(store.app(&photos()).await, Ok(None));
    }
    let made = store.create_release(OperationId::new(), new_release()).await.unwrap();
    assert_eq!(made.number, ReleaseNumber(1));
}

#[tokio::test]
async fn commands_that_wait_leave_connections_to_others() {
    let server = Server::shared();
    let options = Options { schema: "turns".into(), connections: 2, ..Options::default() };
    let database = Database::connect(&server.url(), options).await.unwrap();
    let (store, work) = (Store::open(&database).await.unwrap(), Work::open(&database));
    let client = server.client("turns").await;
    client.batch_execute("BEGIN; SELECT 1 FROM store FOR UPDATE").await.unwrap();
    let commands =
        join_all((0..8).map(|_| store.create_release(OperationId::new(), new_release())));
    let others = async {
        for _ in 0..10 {
            work.accept(event("thumb")).await.unwrap();
        }
        client.batch_execute("COMMIT").await.unwrap();
    };
    let (made, in_time) = tokio::join!(commands, timeout(Duration::from_secs(10), others));
    in_time.unwrap();
    assert!(made.iter().all(Result::is_ok), "{made:?}");
}

#[tokio::test]
async fn an_operation_whose_connection_dies_is_unavailable_and_can_be_repeated() {
    let server = Server::shared();
    let database = server.database("dies").await;
    let store = Arc::new(Store::open(&database).await.unwrap());
    let client = server.client("dies").await;
    let op = OperationId::new();
    client.batch_execute("BEGIN; SELECT 1 FROM store FOR UPDATE").await.unwrap();
    let waits = tokio::spawn({
        let store = Arc::clone(&store);
        async move { store.create_release(op, new_release()).await }
    });
    let end = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
        WHERE application_name = 'dies' AND wait_event_type = 'Lock'";
    // Another connection looks, because what a transaction sees of the others stands still.
    let looks = server.client("dies").await;
    while looks.query_one(end, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!waits.is_finished(), "it waits for the lock");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let answer = waits.await.unwrap();
    assert!(matches!(answer, Err(Error::Unavailable(_))), "{answer:?}");
    client.batch_execute("COMMIT").await.unwrap();
    let made = store.create_release(op, new_release()).await.unwrap();
    assert_eq!(made.number, ReleaseNumber(1));
}

#[tokio::test]
async fn a_server_that_takes_no_writes_any_more_is_left_until_it_does() {
    let server = Server::start();
    let work = Work::open(&server.database("writes").await);
    work.accept(event("thumb")).await.unwrap();
    let client = server.client("writes").await;
    // As a primary that became a standby: connections that are open stay so.
    let change = async |how: &str| {
        let sql = format!("ALTER SYSTEM {how}");
        client.batch_execute(&sql).await.unwrap();
        client.batch_execute("SELECT pg_reload_conf()").await.unwrap();
    };
    change("SET default_transaction_read_only = on").await;
    let refused = async {
        while work.accept(event("thumb")).await.is_ok() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        work.accept(event("thumb")).await
    };
    let refused = timeout(Duration::from_secs(60), refused).await.unwrap();
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    client.batch_execute("SET default_transaction_read_only = off").await.unwrap();
    let ours = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'writes'";
    let none_is_kept = async {
        while client.query_one(ours, &[]).await.unwrap().get::<_, i64>(0) > 0 {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(20), none_is_kept).await.unwrap();
    change("RESET default_transaction_read_only").await;
    let taken = async {
        while work.accept(event("thumb")).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    timeout(Duration::from_secs(60), taken).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_was_acknowledged_survives_a_crash_of_the_server() {
    let mut server = Server::start();
    let database = server.database("crash").await;
    let store = Store::open(&database).await.unwrap();
    let work = Arc::new(Work::open(&database));
    let ends = Arc::new(AtomicBool::new(false));
    for _ in 0..3 {
        ends.store(false, Ordering::SeqCst);
        let senders: Vec<_> = (0..6)
            .map(|_| {
                let (work, ends) = (Arc::clone(&work), Arc::clone(&ends));
                tokio::spawn(async move {
                    let mut acknowledged = Vec::new();
                    while !ends.load(Ordering::SeqCst) {
                        let new = event("thumb");
                        let id = new.id;
                        match work.accept(new).await {
                            Ok(_) => acknowledged.push(id),
                            Err(Error::Unavailable(_)) => break,
                            Err(other) => panic!("{other}"),
                        }
                    }
                    acknowledged
                })
            })
            .collect();
        tokio::time::sleep(Duration::from_millis(300)).await;
        let before = store.create_release(OperationId::new(), new_release()).await.unwrap();
        tokio::task::block_in_place(|| server.restart());
        ends.store(true, Ordering::SeqCst);
        let acknowledged: Vec<_> =
            join_all(senders).await.into_iter().flat_map(Result::unwrap).collect();
        assert!(acknowledged.len() > 6, "{}", acknowledged.len());
        // The same nodes go on, without being started anew.
        for id in acknowledged {
            let found = work.invocation(&photos().tenant, id).await;
            assert!(matches!(found, Ok(Some(_))), "{found:?}");
        }
        assert_eq!(store.release(&photos(), before.number).await, Ok(Some(before)));
    }
}
