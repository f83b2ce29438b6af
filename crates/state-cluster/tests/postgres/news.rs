//! Control records of several nodes: who changes what when, and how the others learn of it.

use std::time::Duration;

use futures_util::future::join_all;
use mayfly_state_api::suite::{app, revision, until_answered, unused_tenant};
use mayfly_state_api::{
    BudgetKey, BudgetKind, BudgetRecord, ControlStore, GoLive, Meter, NewRelease, Period,
};
use mayfly_state_cluster::{Options, Store};
use mayfly_types::{AppKey, OperationId, ReleaseNumber, TenantName};
use tokio::sync::watch;
use tokio::time::timeout;

use crate::server::Server;

async fn node(server: &Server, schema: &str) -> Store {
    Store::open(&server.database(schema).await).await.unwrap()
}

fn new_release(app: &AppKey) -> NewRelease {
    let revision = revision(app, "thumb", "code");
    NewRelease {
        app: app.clone(),
        manifest: "app = \"photos\"".into(),
        routes: vec![],
        functions: [(revision.function().clone(), revision)].into(),
        go_live: GoLive::All,
        by: "laptop".into(),
    }
}

/// Makes a release, however long the machine takes.
async fn release(store: &Store, app: &AppKey) -> ReleaseNumber {
    let op = OperationId::new();
    until_answered(|| store.create_release(op, new_release(app))).await.unwrap().number
}

async fn rises_above(versions: &mut watch::Receiver<u64>, before: u64, within: Duration) -> bool {
    timeout(within, versions.wait_for(|version| *version > before)).await.is_ok()
}

/// Sooner than by looking every few seconds.
const AT_ONCE: Duration = Duration::from_millis(1_500);
const LATER: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_node_is_told_at_once_what_another_node_released() {
    let server = Server::shared();
    let (here, there) = (node(&server, "told").await, node(&server, "told").await);
    let app = app(&TenantName::fallback(), "photos");
    let mut versions = there.version();
    // Until it listens, it may learn by looking.
    let before = *versions.borrow();
    release(&here, &app).await;
    assert!(rises_above(&mut versions, before, LATER).await);
    tokio::time::sleep(Duration::from_millis(300)).await;
    for number in 2..8 {
        let before = *versions.borrow();
        assert_eq!(release(&here, &app).await, ReleaseNumber(number));
        assert!(rises_above(&mut versions, before, AT_ONCE).await);
        assert_eq!(there.changes(before).await.unwrap().apps, std::slice::from_ref(&app));
        assert_eq!(there.app(&app).await.unwrap().unwrap().newest, ReleaseNumber(number));
    }
}

#[tokio::test]
async fn a_node_is_told_of_a_budget_and_a_suspension_that_another_node_set() {
    let server = Server::shared();
    let (here, there) = (node(&server, "tenants").await, node(&server, "tenants").await);
    let name = unused_tenant();
    let mut versions = there.version();
    let mut before = *versions.borrow();
    here.create_tenant(&name).await.unwrap();
    let key = BudgetKey {
        app: None,
        function: None,
        meter: Meter::GbSeconds,
        period: Period::Month,
        kind: BudgetKind::Hard,
        operator: true,
    };
    let budget = BudgetRecord { tenant: name.clone(), key, limit: 10.5 };
    macro_rules! told {
        () => {{
            assert!(rises_above(&mut versions, before, LATER).await);
            let changes = there.changes(before).await.unwrap();
            assert_eq!((changes.tenants, changes.apps), (vec![name.clone()], vec![]));
            before = changes.version;
        }};
    }
    told!();
    here.put_budget(OperationId::new(), budget.clone()).await.unwrap();
    told!();
    assert_eq!(there.budgets(&name).await, Ok(vec![budget]));
    let suspended = here.set_suspended(OperationId::new(), &name, true).await.unwrap();
    told!();
    assert_eq!(there.tenant(&name).await, Ok(Some(suspended)));
    here.delete_tenant(OperationId::new(), &name).await.unwrap();
    told!();
    assert_eq!(there.tenant(&name).await, Ok(None));
    assert_eq!(there.changes(before).await.unwrap().tenants, []);
}

/// With all that its tenant had.
#[tokio::test]
async fn a_tenants_end_is_told_with_its_apps_in_one_version() {
    let server = Server::shared();
    let (here, there) = (node(&server, "end").await, node(&server, "end").await);
    let name = unused_tenant();
    here.create_tenant(&name).await.unwrap();
    let apps = ["a", "b", "c"].map(|it| app(&name, it));
    for app in &apps {
        release(&here, app).await;
    }
    here.delete_app(OperationId::new(), &apps[1]).await.unwrap();
    let before = there.changes(0).await.unwrap().version;
    here.delete_tenant(OperationId::new(), &name).await.unwrap();
    let changes = there.changes(before).await.unwrap();
    assert_eq!(changes.version, before + 1);
    assert_eq!(
        (changes.tenants, changes.apps),
        (vec![name], vec![apps[0].clone(), apps[2].clone()])
    );
    assert_eq!(there.all_apps().await, Ok((before + 1, vec![])));
}

#[tokio::test]
async fn a_node_that_is_not_told_looks_for_itself() {
    let server = Server::shared();
    let store = node(&server, "look").await;
    let mut versions = store.version();
    let before = *versions.borrow();
    let client = server.client("look").await;
    client.execute("UPDATE store SET version = version + 1", &[]).await.unwrap();
    assert!(rises_above(&mut versions, before, LATER).await);
}

#[tokio::test]
async fn a_node_whose_connection_for_news_breaks_makes_another() {
    let server = Server::shared();
    let (here, there) = (node(&server, "broken").await, node(&server, "broken").await);
    let app = app(&TenantName::fallback(), "photos");
    let mut versions = there.version();
    let before = *versions.borrow();
    release(&here, &app).await;
    assert!(rises_above(&mut versions, before, LATER).await);
    let client = server.client("broken").await;
    for _ in 0..3 {
        let sql = "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
            WHERE application_name = 'broken'
            AND (query LIKE 'LISTEN%' OR query = 'SELECT version FROM store')";
        let ended: i64 = client.query_one(sql, &[]).await.unwrap().get(0);
        assert!(ended >= 1, "{ended}");
        let before = *versions.borrow();
        release(&here, &app).await;
        assert!(rises_above(&mut versions, before, LATER).await);
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

#[tokio::test]
async fn a_database_that_was_restored_under_its_nodes_is_noticed() {
    let server = Server::shared();
    let store = node(&server, "restored").await;
    let app = app(&TenantName::fallback(), "photos");
    release(&store, &app).await;
    release(&store, &app).await;
    let mut versions = store.version();
    assert!(rises_above(&mut versions, 2, LATER).await);
    let client = server.client("restored").await;
    client.execute("UPDATE store SET version = 1", &[]).await.unwrap();
    let fell = timeout(LATER, versions.wait_for(|version| *version == 1)).await;
    assert!(fell.is_ok());
    assert_eq!(store.changes(2).await.unwrap().apps, [app], "all apps, as from the future");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn commands_of_several_nodes_are_one_after_another() {
    let server = Server::shared();
    let open = || node(&server, "serial");
    let nodes = [open().await, open().await, open().await];
    let app = app(&unused_tenant(), "photos");
    nodes[0].create_tenant(&app.tenant).await.unwrap();
    let made = join_all((0..60).map(|at| release(&nodes[at % 3], &app))).await;
    let mut numbers: Vec<_> = made.iter().map(|number| number.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=60).collect::<Vec<_>>());

    let op = OperationId::new();
    let again = |at: usize| nodes[at % 3].create_release(op, new_release(&app));
    let made = join_all((0..12).map(again)).await;
    assert!(made.iter().all(|answer| answer.is_ok() && *answer == made[0]), "{made:?}");
    assert_eq!(made[0].as_ref().unwrap().number, ReleaseNumber(61));

    let name = unused_tenant();
    let made = join_all((0..12).map(|at| nodes[at % 3].create_tenant(&name))).await;
    assert!(made.iter().all(|answer| answer.is_ok() && *answer == made[0]), "{made:?}");
}

#[tokio::test]
async fn answers_are_remembered_for_a_day_and_then_forgotten() {
    use std::sync::Arc;

    use mayfly_state_api::suite::queue::TestClock;
    const HOUR_US: i64 = 3_600_000_000;
    let (server, clock) = (Server::shared(), TestClock::default());
    let now = clock.clone();
    let database = server.connect("day", Arc::new(move || now.now_us())).await.unwrap();
    let store = Store::open(&database).await.unwrap();
    let client = server.client("day").await;
    let remembered = || async {
        let row = client.query_one("SELECT count(*) FROM operations", &[]).await.unwrap();
        row.get::<_, i64>(0)
    };
    let app = app(&TenantName::fallback(), "photos");
    let op = OperationId::new();
    let made = store.create_release(op, new_release(&app)).await.unwrap();
    clock.advance(23 * HOUR_US);
    assert_eq!(store.create_release(op, new_release(&app)).await, Ok(made));
    assert_eq!(remembered().await, 1);
    clock.advance(2 * HOUR_US);
    release(&store, &app).await;
    assert_eq!(remembered().await, 1);
}

#[tokio::test]
async fn ten_thousand_apps_are_read_at_once() {
    let server = Server::shared();
    let store = node(&server, "many").await;
    let client = server.client("many").await;
    release(&store, &app(&TenantName::fallback(), "app-0")).await;
    // As if they had been deployed, which one after another takes a while.
    for sql in [
        "INSERT INTO app_names SELECT tenant, 'app-' || n, 1, 1
            FROM app_names, generate_series(1, 9999) n",
        "INSERT INTO apps SELECT tenant, 'app-' || n, live, newest, created_us, moved_us
            FROM apps, generate_series(1, 9999) n",
    ] {
        client.execute(sql, &[]).await.unwrap();
    }
    let (version, apps) = store.all_apps().await.unwrap();
    assert_eq!(apps.len(), 10_000);
    assert_eq!(store.changes(version).await.unwrap().apps, []);
    assert_eq!(store.changes(0).await.unwrap().apps.len(), 10_000);
}

#[tokio::test]
async fn stores_on_two_schemas_of_one_database_know_nothing_of_each_other() {
    let server = Server::shared();
    let (mine, yours) = (node(&server, "mine").await, node(&server, "yours").await);
    let app = app(&TenantName::fallback(), "photos");
    release(&mine, &app).await;
    assert_eq!(yours.app(&app).await, Ok(None));
    // A store begins with the tenant `default`.
    assert_eq!(yours.all_apps().await, Ok((1, vec![])));
    assert_eq!(Options::default().schema, "mayfly");
}
