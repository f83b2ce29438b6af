use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::mpsc;
use std::task::{Context, Poll};

use futures_util::future::join_all;
use mayfly_state_api::GoLive;
use mayfly_state_api::suite::{app, revision, unused_tenant};
use tempfile::TempDir;
use tokio::sync::oneshot;

use super::*;
use crate::OpenOptions;
use crate::sqlite::Command;
use crate::sqlite::failure::Step;

fn data(dir: &TempDir) -> DataDir {
    DataDir::open(dir.path(), OpenOptions::default()).unwrap()
}

fn new_release(name: &str) -> NewRelease {
    let app = app(&TenantName::fallback(), name);
    let revision = revision(&app, "thumb", "code");
    NewRelease {
        manifest: format!("app = \"{name}\""),
        routes: vec![],
        functions: [(revision.function().clone(), revision)].into(),
        go_live: GoLive::All,
        by: "laptop".into(),
        app,
    }
}

/// Polls once, which queues every command of a future.
async fn queue(future: &mut (impl Future + Unpin)) {
    let poll = |context: &mut Context<'_>| {
        assert!(Pin::new(&mut *future).poll(context).is_pending());
        Poll::Ready(())
    };
    std::future::poll_fn(poll).await;
}

/// Keeps the writer busy until the sender is dropped.
async fn hold(store: &Store) -> mpsc::Sender<()> {
    let (release, held) = mpsc::channel();
    let (started, starts) = oneshot::channel();
    let mut started = Some(started);
    let work = move |_: &Connection, _| -> Step<String> {
        if let Some(started) = started.take() {
            started.send(()).unwrap();
        }
        let _until_dropped = held.recv();
        Ok("null".into())
    };
    let (reply, _) = oneshot::channel();
    let command = Command { name: "wait", op: None, work: Box::new(work), reply };
    store.database.submit(command).await.unwrap();
    starts.await.unwrap();
    release
}

#[tokio::test]
async fn commands_that_wait_share_one_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&data(&dir)).unwrap();
    let held = hold(&store).await;
    let names: Vec<_> = (0..100).map(|i| format!("app-{i}")).collect();
    let create = |name: &String| store.create_release(OperationId::new(), new_release(name));
    let mut all = Box::pin(join_all(names.iter().map(create)));
    queue(&mut all).await;
    let before = store.commits();
    drop(held);
    assert!(all.await.iter().all(Result::is_ok));
    assert_eq!(store.commits() - before, 2, "the writer's own wait, and all hundred");
}

#[tokio::test]
async fn a_command_that_fails_in_a_batch_fails_alone() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&data(&dir)).unwrap();
    let held = hold(&store).await;
    let (good, missing) = (new_release("photos"), app(&TenantName::fallback(), "missing"));
    let nobody = NewRelease { app: app(&unused_tenant(), "x"), ..new_release("x") };
    // Not a refusal, but a failure of SQLite, which loses the transaction for all.
    let broken = store.database.command::<(), _>("break", None, |database: &Connection, _| {
        database.execute("DELETE FROM tenants", [])?;
        Ok(database.execute_batch("SELECT * FROM nowhere")?)
    });
    let mut all = Box::pin(join_all([
        Box::pin(async { store.create_release(OperationId::new(), good.clone()).await.is_ok() })
            as Pin<Box<dyn Future<Output = bool>>>,
        Box::pin(async { broken.await.is_ok() }),
        Box::pin(async { store.delete_app(OperationId::new(), &missing).await.is_ok() }),
        Box::pin(async { store.create_release(OperationId::new(), nobody).await.is_ok() }),
        Box::pin(async { store.create_release(OperationId::new(), good.clone()).await.is_ok() }),
    ]));
    queue(&mut all).await;
    drop(held);
    assert_eq!(all.await, [true, false, false, false, true]);
    assert_eq!(store.tenants().await.unwrap().len(), 1);
    assert_eq!(store.app(&good.app).await.unwrap().unwrap().newest, ReleaseNumber(2));
}

#[tokio::test]
async fn a_command_that_is_refused_in_the_midst_of_what_it_does_leaves_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&data(&dir)).unwrap();
    let held = hold(&store).await;
    let (good, tenant, op) = (new_release("photos"), TenantName::fallback(), OperationId::new());
    let runs = Arc::new(AtomicI64::new(0));
    let refused = || {
        let runs = Arc::clone(&runs);
        store.database.command::<(), _>("rename", Some((&tenant, op)), move |database, _| {
            runs.fetch_add(1, Ordering::Relaxed);
            assert!(database.execute("UPDATE apps SET newest = newest + 100", [])? > 0);
            Err(Error::Conflict("not now".into()).into())
        })
    };
    let mut all = Box::pin(join_all([
        Box::pin(async { store.create_release(OperationId::new(), good.clone()).await.is_ok() })
            as Pin<Box<dyn Future<Output = bool>>>,
        Box::pin(async { refused().await == Err(Error::Conflict("not now".into())) }),
        Box::pin(async { store.create_release(OperationId::new(), good.clone()).await.is_ok() }),
    ]));
    queue(&mut all).await;
    let before = store.commits();
    drop(held);
    assert_eq!(all.await, [true; 3]);
    assert_eq!(store.commits() - before, 2, "the writer's own wait, and all three");
    assert_eq!(store.app(&good.app).await.unwrap().unwrap().newest, ReleaseNumber(2));
    // Once without a savepoint, once with; and its answer is remembered.
    assert_eq!(runs.load(Ordering::Relaxed), 2);
    assert_eq!(refused().await, Err(Error::Conflict("not now".into())));
    assert_eq!(runs.load(Ordering::Relaxed), 2);
}

#[tokio::test]
async fn a_full_database_refuses_what_needs_room_and_nothing_else() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(&dir);
    let store = Store::open(&data).unwrap();
    let made = store.create_release(OperationId::new(), new_release("photos")).await.unwrap();
    let limit = store.database.command("limit", None, |database: &Connection, _| {
        let pages: i64 = database.pragma_query_value(None, "page_count", |row| row.get(0))?;
        database.pragma_update(None, "max_page_count", pages + 8)?;
        Ok(())
    });
    limit.await.unwrap();
    let op = OperationId::new();
    let large = NewRelease { manifest: "x".repeat(1 << 20), ..new_release("photos") };
    let held = hold(&store).await;
    let both = async {
        let large = store.create_release(op, large.clone());
        let live = store.set_live(OperationId::new(), &made.app, Live::only(made.number));
        tokio::join!(large, live)
    };
    let mut both = Box::pin(both);
    queue(&mut both).await;
    drop(held);
    let (refused, moved) = both.await;
    assert_eq!(refused, Err(Error::Full));
    moved.unwrap();
    assert_eq!(store.releases(&made.app, None, 10).await.unwrap().len(), 1);

    drop(store);
    let store = Store::open(&data).unwrap();
    let number = store.create_release(op, large).await.unwrap().number;
    assert_eq!(number, ReleaseNumber(2), "a full disk is not remembered as the answer");
}

#[tokio::test]
async fn answers_are_remembered_for_a_day_and_then_forgotten() {
    const HOUR_US: i64 = 3_600_000_000;
    let now_us = Arc::new(AtomicI64::new(1_700_000_000_000_000));
    let clock = now_us.clone();
    let options = OpenOptions { clock: Arc::new(move || clock.load(Ordering::Relaxed)) };
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&DataDir::open(dir.path(), options).unwrap()).unwrap();
    let remembered = || {
        store.database.read(|database| {
            let count = "SELECT count(*) FROM operations";
            Ok(database.query_row(count, [], |row| row.get::<_, i64>(0))?)
        })
    };
    let op = OperationId::new();
    let made = store.create_release(op, new_release("photos")).await.unwrap();
    now_us.fetch_add(23 * HOUR_US, Ordering::Relaxed);
    assert_eq!(store.create_release(op, new_release("photos")).await, Ok(made));
    assert_eq!(remembered().await, Ok(1));
    now_us.fetch_add(2 * HOUR_US, Ordering::Relaxed);
    for name in ["a", "b"] {
        // The first one's commit comes before it forgets; the second's answer comes after.
        store.create_release(OperationId::new(), new_release(name)).await.unwrap();
    }
    assert_eq!(remembered().await, Ok(2));
}

#[tokio::test]
async fn ten_thousand_apps_are_read_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = Store::open(&data(&dir)).unwrap();
    let names: Vec<_> = (0..10_000).map(|i| format!("app-{i}")).collect();
    let create = |name: &String| store.create_release(OperationId::new(), new_release(name));
    let made = join_all(names.iter().map(create)).await;
    assert!(made.iter().all(Result::is_ok));
    let (version, apps) = store.all_apps().await.unwrap();
    assert_eq!(apps.len(), 10_000);
    assert_eq!(store.changes(version).await.unwrap().apps, []);
    assert!(store.commits() < 1_000, "{} commits", store.commits());
}

#[tokio::test]
async fn a_store_that_is_dropped_finishes_what_it_took() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(&dir);
    let store = Store::open(&data).unwrap();
    let held = hold(&store).await;
    let new = new_release("photos");
    let mut create = Box::pin(store.create_release(OperationId::new(), new.clone()));
    queue(&mut create).await;
    drop(create);
    drop(held);
    drop(store);
    let store = Store::open(&data).unwrap();
    assert!(store.app(&new.app).await.unwrap().is_some());
}

#[test]
fn the_database_is_closed_to_others() {
    use std::os::unix::fs::PermissionsExt;
    let dir = tempfile::tempdir().unwrap();
    let _store = Store::open(&data(&dir)).unwrap();
    for name in ["control.db", "control.db-wal", "control.db-shm"] {
        let mode = std::fs::metadata(dir.path().join(name)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[test]
fn an_empty_database_becomes_the_newest() {
    let dir = tempfile::tempdir().unwrap();
    let data = data(&dir);
    std::fs::write(dir.path().join("control.db"), "").unwrap();
    drop(Store::open(&data).unwrap());
    let database = Connection::open(dir.path().join("control.db")).unwrap();
    let number = database.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
    assert_eq!(number.unwrap() as usize, migrations::CONTROL.len());
}
