use std::collections::BTreeMap;

use mayfly_types::{AppKey, OperationId};

use super::{new_release, release, tenant, unused_app, weights};
use crate::suite::{app, function, revision};
use crate::{AliasRecord, AppRecord, ControlStore, GoLive, SecretRecord};

/// Whether an app changed since a version, and the version now.
async fn changed(store: &dyn ControlStore, app: &AppKey, since: u64) -> (bool, u64) {
    let changes = store.changes(since).await.unwrap();
    let times = changes.apps.iter().filter(|changed| *changed == app).count();
    assert!(times < 2, "an app is named once");
    (times == 1, changes.version)
}

/// By every command that makes, changes or deletes it.
pub async fn every_change_of_an_app_is_told(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let thumb = function("thumb");
    let mut version = store.changes(0).await.unwrap().version;
    macro_rules! told {
        ($call:expr) => {{
            $call.await.unwrap();
            let (told, now) = changed(store, &app, version).await;
            assert!(told && now > version, stringify!($call));
            assert_eq!(changed(store, &app, now).await, (false, now));
            version = now;
        }};
    }
    let op = OperationId::new;
    told!(store.create_release(op(), new_release(&app, GoLive::All)));
    told!(store.create_release(op(), new_release(&app, GoLive::No)));
    told!(store.set_live(op(), &app, weights(&[(2, 100)])));
    told!(store.publish_version(op(), &app, &thumb, revision(&app, "thumb", "code").id()));
    let alias = AliasRecord { name: "prod".into(), weights: vec![(1, 1)] };
    told!(store.put_alias(op(), &app, &thumb, alias));
    told!(store.delete_alias(op(), &app, &thumb, "prod"));
    let (name, key_id, sealed) = ("KEY".to_owned(), "1".to_owned(), vec![1]);
    let secret = SecretRecord { app: app.clone(), name, key_id, sealed, updated_us: 1 };
    told!(store.put_secret(op(), secret));
    told!(store.delete_secret(op(), &app, "KEY"));
    told!(store.delete_app(op(), &app));
    told!(store.create_release(op(), new_release(&app, GoLive::All)));
    assert_eq!(changed(store, &app, 0).await, (true, version));
}

/// Neither a failure nor a repetition.
pub async fn a_command_that_changes_nothing_is_not_told(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let op = OperationId::new();
    store.create_release(op, new_release(&app, GoLive::All)).await.unwrap();
    let version = store.changes(0).await.unwrap().version;
    store.create_release(op, new_release(&app, GoLive::All)).await.unwrap();
    store.set_live(OperationId::new(), &app, weights(&[(9, 1)])).await.unwrap_err();
    store.delete_secret(OperationId::new(), &app, "KEY").await.unwrap_err();
    store.delete_alias(OperationId::new(), &app, &function("thumb"), "prod").await.unwrap();
    assert!(!changed(store, &app, version).await.0);
}

/// Whether it reads after each change or seldom, and also what was deleted.
pub async fn a_follower_ends_with_what_the_store_has(store: &dyn ControlStore) {
    let tenant = tenant(store).await;
    let mine = |apps: Vec<AppRecord>| {
        let mine = apps.into_iter().filter(|app| app.key.tenant == tenant);
        mine.map(|app| (app.key.clone(), app)).collect::<BTreeMap<_, _>>()
    };
    for pace in [1, 3, 50] {
        let (mut version, apps) = store.all_apps().await.unwrap();
        let mut view = mine(apps);
        for step in 0..30_usize {
            let key = app(&tenant, &format!("app-{}", step * 7 % 10));
            if step % 4 == 3 && store.app(&key).await.unwrap().is_some() {
                store.delete_app(OperationId::new(), &key).await.unwrap();
            } else {
                release(store, &key, GoLive::Percent(50)).await;
            }
            if step % pace == 0 || step == 29 {
                let changes = store.changes(version).await.unwrap();
                version = changes.version;
                for key in changes.apps.into_iter().filter(|key| key.tenant == tenant) {
                    match store.app(&key).await.unwrap() {
                        Some(app) => view.insert(key, app),
                        None => view.remove(&key),
                    };
                }
            }
        }
        assert_eq!(view, mine(store.all_apps().await.unwrap().1));
    }
}

/// Of every tenant.
pub async fn all_apps_are_of_the_version_that_comes_with_them(store: &dyn ControlStore) {
    let apps = [unused_app(store).await, unused_app(store).await];
    for app in &apps {
        release(store, app, GoLive::All).await;
    }
    let (version, all) = store.all_apps().await.unwrap();
    for app in &apps {
        let record = store.app(app).await.unwrap().unwrap();
        assert!(all.contains(&record));
        assert!(!changed(store, app, version).await.0);
    }
}

/// Whoever waits for it finds the change.
pub async fn the_version_rises_when_an_app_changes(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let mut version = store.version();
    let before = store.changes(0).await.unwrap().version;
    release(store, &app, GoLive::All).await;
    let risen = *version.wait_for(|version| *version > before).await.unwrap();
    let (told, now) = changed(store, &app, before).await;
    assert!(told && now >= risen);
}

/// The store was restored from a backup under its follower.
pub async fn a_version_from_the_future_answers_all_apps(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    release(store, &app, GoLive::All).await;
    let present = store.changes(0).await.unwrap().version;
    let (told, version) = changed(store, &app, u64::MAX).await;
    assert!(told && version >= present);
}
