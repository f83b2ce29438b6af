//! The follower.

use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use mayfly_control::Follower;
use mayfly_control_api::SharedView;
use mayfly_state_api::suite::{
    Faulty, Plan, app, function, revision, until_answered, unused_tenant,
};
use mayfly_state_api::{ControlStore, GoLive, NewRelease};
use mayfly_state_embedded::{DataDir, Keys, OpenOptions, Store};
use mayfly_types::{AppKey, OperationId, ReleaseNumber, Route, TenantName};

use crate::fakes::KeysSealer;

struct Ground {
    store: Arc<Store>,
    data: DataDir,
    _root: tempfile::TempDir,
}

fn ground() -> Ground {
    let root = tempfile::tempdir().unwrap();
    let data = DataDir::open(root.path().join("data"), OpenOptions::default()).unwrap();
    Ground { store: Arc::new(Store::open(&data).unwrap()), data, _root: root }
}

impl Ground {
    fn sealer(&self) -> Arc<KeysSealer> {
        Arc::new(KeysSealer(Keys::open(&self.data.keys(), None).unwrap()))
    }

    async fn follow(&self) -> (Follower, SharedView) {
        let view = SharedView::default();
        let follower = Follower::start(self.store.clone(), self.sealer(), view.clone()).await;
        (follower.unwrap(), view)
    }
}

fn release(app: &AppKey, code: &str) -> NewRelease {
    NewRelease {
        app: app.clone(),
        manifest: String::new(),
        routes: vec![Route { path: "/".into(), methods: vec![], function: function("thumb") }],
        functions: [(function("thumb"), revision(app, "thumb", code))].into(),
        go_live: GoLive::All,
        by: "test".into(),
    }
}

async fn deploy(store: &dyn ControlStore, app: &AppKey, code: &str) -> ReleaseNumber {
    store.create_release(OperationId::new(), release(app, code)).await.unwrap().number
}

/// Waits until the view shows what the store has now.
async fn caught_up(follower: &Follower, store: &dyn ControlStore) {
    let version = store.changes(0).await.unwrap().version;
    assert!(follower.reached(version).await);
}

#[tokio::test]
async fn a_follower_shows_what_was_there_before_and_what_comes_after() {
    let ground = ground();
    let tenant = TenantName::fallback();
    let [old, new, gone] = ["old", "new", "gone"].map(|name| app(&tenant, name));
    deploy(&*ground.store, &old, "1").await;
    deploy(&*ground.store, &gone, "1").await;
    let (follower, view) = ground.follow().await;
    assert_eq!(view.load().apps.len(), 2);
    let kept = view.load().apps[&old].clone();

    deploy(&*ground.store, &new, "1").await;
    ground.store.delete_app(OperationId::new(), &gone).await.unwrap();
    caught_up(&follower, &*ground.store).await;
    let now = view.load_full();
    assert_eq!(now.apps.len(), 2);
    assert!(now.apps.contains_key(&new) && !now.apps.contains_key(&gone));
    assert!(Arc::ptr_eq(&kept, &now.apps[&old]), "an app that did not change is not read again");
    follower.shutdown().await;
}

#[tokio::test]
async fn only_live_releases_are_loaded() {
    let ground = ground();
    let app = app(&TenantName::fallback(), "photos");
    let (follower, view) = ground.follow().await;
    for code in ["1", "2", "3"] {
        deploy(&*ground.store, &app, code).await;
    }
    caught_up(&follower, &*ground.store).await;
    let shown = view.load().apps[&app].clone();
    let numbers: Vec<_> = shown.live.iter().map(|(weight, one)| (*weight, one.number.0)).collect();
    assert_eq!(numbers, [(100, 3)]);
    follower.shutdown().await;
}

#[tokio::test]
async fn a_failing_store_leaves_the_view_as_it_was_until_it_answers_again() {
    let ground = ground();
    let plan = Plan { seed: 7, refused: 30, unanswered: 10, twice: 10, delayed: 30 };
    let faulty = Arc::new(Faulty::new(ground.store.clone() as Arc<dyn ControlStore>, plan));
    let (sealer, view) = (ground.sealer(), SharedView::default());
    let start = || Follower::start(faulty.clone(), sealer.clone(), view.clone());
    let follower = until_answered(start).await.unwrap();
    let app = app(&TenantName::fallback(), "photos");
    for code in ["1", "2", "3"] {
        let number = deploy(&*ground.store, &app, code).await;
        caught_up(&follower, &*ground.store).await;
        assert!(view.load().apps[&app].release(number).is_some());
    }
    assert!(faulty.faults() > 0);
    follower.shutdown().await;
}

#[tokio::test]
async fn a_follower_that_was_shut_down_tells_those_who_wait() {
    let ground = ground();
    let (follower, view) = ground.follow().await;
    let progress = follower.progress();
    let wait = progress.reached(1_000_000);
    let (reached, ()) = tokio::join!(wait, follower.shutdown());
    assert!(!reached);
    assert_eq!(view.load().apps.len(), 0);
}

/// Two stores behind one pointer.
struct Switch {
    first: Arc<Store>,
    second: Arc<Store>,
    switched: AtomicBool,
}

impl Deref for Switch {
    type Target = Store;
    fn deref(&self) -> &Store {
        if self.switched.load(Ordering::SeqCst) { &self.second } else { &self.first }
    }
}

#[tokio::test]
async fn a_restored_backup_replaces_everything_but_unchanged_revisions() {
    let (now, backup) = (ground(), ground());
    let tenant = TenantName::fallback();
    let [photos, gone] = ["photos", "gone"].map(|name| app(&tenant, name));
    deploy(&*now.store, &photos, "1").await;
    deploy(&*now.store, &gone, "1").await;
    deploy(&*backup.store, &photos, "1").await;
    let switch = Switch {
        first: now.store.clone(),
        second: backup.store.clone(),
        switched: AtomicBool::new(false),
    };
    let plan = Plan { seed: 1, refused: 0, unanswered: 0, twice: 0, delayed: 0 };
    let store = Arc::new(Faulty::new(switch, plan));
    let view = SharedView::default();
    let follower = Follower::start(store.clone(), now.sealer(), view.clone()).await.unwrap();
    let before = view.load().apps[&photos].clone();

    store.inner().switched.store(true, Ordering::SeqCst);
    // Wakes the follower, which then reads the other store.
    deploy(&*now.store, &gone, "2").await;
    while view.load().apps.contains_key(&gone) {
        tokio::task::yield_now().await;
    }
    let after = view.load().apps[&photos].clone();
    let [before, after] = [&before, &after].map(|app| app.release(ReleaseNumber(1)).unwrap());
    assert!(!Arc::ptr_eq(before, after), "the same number may be another release");
    let thumb = function("thumb");
    assert!(Arc::ptr_eq(&before.functions[&thumb], &after.functions[&thumb]));
    follower.shutdown().await;
}

/// `cargo nextest run -p mayfly-control --run-ignored only --no-capture ten_thousand`
#[tokio::test(flavor = "multi_thread")]
#[ignore = "a measure: takes half a minute to fill the store"]
async fn ten_thousand_apps_are_loaded_in_a_second_or_two() {
    let ground = ground();
    let tenant = unused_tenant();
    ground.store.create_tenant(&tenant).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..10_000 {
        let (store, app) = (ground.store.clone(), app(&tenant, &format!("app-{n}")));
        tasks.spawn(async move { deploy(&*store, &app, "1").await });
    }
    tasks.join_all().await;
    let start = Instant::now();
    let (follower, view) = ground.follow().await;
    println!("{} apps in {:?}", view.load().apps.len(), start.elapsed());
    assert_eq!(view.load().apps.len(), 10_000);
    follower.shutdown().await;
}
