use futures_util::future::join_all;
use mayfly_types::{AppName, Live, OperationId, ReleaseNumber};

use super::{
    assert_conflict, assert_not_found, live, new_release, release, tenant, unused_app, weights,
};
use crate::suite::{app, function, revision};
use crate::{AliasRecord, ControlStore, GoLive, SecretRecord};

/// Whatever was said about going live.
pub async fn an_apps_first_release_takes_all_traffic(store: &dyn ControlStore) {
    for go_live in [GoLive::All, GoLive::Percent(10), GoLive::No] {
        let app = unused_app(store).await;
        assert_eq!(store.app(&app).await, Ok(None));
        let made = release(store, &app, go_live).await;
        assert_eq!(made.number, ReleaseNumber(1));
        let record = store.app(&app).await.unwrap().unwrap();
        assert_eq!(record.key, app);
        assert_eq!(record.live, Live::only(ReleaseNumber(1)));
        assert_eq!(record.newest, ReleaseNumber(1));
        assert_eq!(record.created_us, made.created_us);
    }
}

/// Every field.
pub async fn a_release_reads_as_it_was_made(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let new = new_release(&app, GoLive::All);
    let made = store.create_release(OperationId::new(), new.clone()).await.unwrap();
    assert_eq!(made.app, app);
    assert_eq!(made.manifest, new.manifest);
    assert_eq!(made.routes, new.routes);
    assert_eq!(made.functions, new.functions);
    assert_eq!(made.by, new.by);
    assert_eq!(store.release(&app, made.number).await, Ok(Some(made)));
    assert_eq!(store.release(&app, ReleaseNumber(2)).await, Ok(None));
    assert_eq!(store.release(&app, ReleaseNumber(u64::MAX)).await, Ok(None));
}

/// Also those of apps of the same tenant.
pub async fn release_numbers_count_from_one_in_each_app(store: &dyn ControlStore) {
    let tenant = tenant(store).await;
    for name in ["a", "b"] {
        for number in 1..=3 {
            let made = release(store, &app(&tenant, name), GoLive::All).await;
            assert_eq!(made.number, ReleaseNumber(number));
        }
    }
    let record = store.app(&app(&tenant, "a")).await.unwrap().unwrap();
    assert_eq!(record.newest, ReleaseNumber(3));
}

/// A number never names two releases.
pub async fn release_numbers_go_on_after_the_app_was_deleted(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    release(store, &app, GoLive::All).await;
    release(store, &app, GoLive::All).await;
    store.delete_app(OperationId::new(), &app).await.unwrap();
    let made = release(store, &app, GoLive::No).await;
    assert_eq!(made.number, ReleaseNumber(3));
    assert_eq!(live(store, &app).await, [(3, 100)]);
    assert_eq!(store.release(&app, ReleaseNumber(2)).await, Ok(None));
}

/// Each number once.
pub async fn releases_made_at_once_get_numbers_without_gaps(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let made = join_all((0..40).map(|_| release(store, &app, GoLive::All))).await;
    let mut numbers: Vec<_> = made.iter().map(|release| release.number.0).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (1..=40).collect::<Vec<_>>());
    assert_eq!(live(store, &app).await, [(40, 100)]);
}

/// In proportion.
pub async fn a_percentage_is_shared_with_what_is_live(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    release(store, &app, GoLive::All).await;
    release(store, &app, GoLive::Percent(10)).await;
    assert_eq!(live(store, &app).await, [(1, 90), (2, 10)]);
    release(store, &app, GoLive::Percent(50)).await;
    assert_eq!(live(store, &app).await, [(1, 45), (2, 5), (3, 50)]);
    release(store, &app, GoLive::All).await;
    assert_eq!(live(store, &app).await, [(4, 100)]);
}

/// [`Error::Conflict`](crate::Error::Conflict), and no number is used up.
pub async fn a_wrong_percentage_makes_no_release(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    for percent in [0, 100, u32::MAX] {
        let new = new_release(&app, GoLive::Percent(percent));
        assert_conflict(store.create_release(OperationId::new(), new).await);
    }
    assert_eq!(store.app(&app).await, Ok(None));
    assert_eq!(release(store, &app, GoLive::All).await.number, ReleaseNumber(1));
}

/// But it is the newest.
pub async fn a_release_that_does_not_go_live_leaves_live_alone(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    release(store, &app, GoLive::All).await;
    let before = store.app(&app).await.unwrap().unwrap();
    release(store, &app, GoLive::No).await;
    let after = store.app(&app).await.unwrap().unwrap();
    assert_eq!(after.live, before.live);
    assert_eq!(after.moved_us, before.moved_us);
    assert_eq!(after.newest, ReleaseNumber(2));
}

/// To one, or to several by weight.
pub async fn live_moves_to_releases_that_are_there(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    for _ in 0..3 {
        release(store, &app, GoLive::All).await;
    }
    for wanted in [weights(&[(1, 100)]), weights(&[(3, 7), (1, 1)])] {
        let moved = store.set_live(OperationId::new(), &app, wanted.clone()).await.unwrap();
        assert_eq!(moved.live, wanted);
        assert_eq!(moved.newest, ReleaseNumber(3));
        assert_eq!(store.app(&app).await, Ok(Some(moved)));
    }
}

/// [`Error::NotFound`](crate::Error::NotFound), and `live` stays.
pub async fn live_does_not_move_to_releases_that_are_not_there(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let set = |wanted: &[(u64, u32)]| store.set_live(OperationId::new(), &app, weights(wanted));
    assert_not_found(set(&[(1, 100)]).await);
    release(store, &app, GoLive::All).await;
    assert_not_found(set(&[(2, 100)]).await);
    assert_not_found(set(&[(1, 50), (9, 50)]).await);
    assert_eq!(live(store, &app).await, [(1, 100)]);
}

/// `before` is exclusive.
pub async fn releases_are_listed_newest_first_in_pages(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    assert_eq!(store.releases(&app, None, 10).await, Ok(vec![]));
    for _ in 0..12 {
        release(store, &app, GoLive::All).await;
    }
    let mut numbers = Vec::new();
    let mut before = None;
    loop {
        let page = store.releases(&app, before, 5).await.unwrap();
        assert!(page.len() <= 5);
        let Some(last) = page.last() else { break };
        before = Some(last.number);
        numbers.extend(page.iter().map(|release| release.number.0));
    }
    assert_eq!(numbers, (1..=12).rev().collect::<Vec<_>>());
    let all = store.releases(&app, None, usize::MAX).await.unwrap();
    assert_eq!(store.release(&app, ReleaseNumber(12)).await, Ok(all.first().cloned()));
}

/// `after` is exclusive.
pub async fn apps_are_listed_by_name_in_pages(store: &dyn ControlStore) {
    let tenant = tenant(store).await;
    let names = ["a", "a-1", "a0", "b", "zz", "0"];
    for name in names {
        release(store, &app(&tenant, name), GoLive::All).await;
    }
    let mut listed: Vec<AppName> = Vec::new();
    loop {
        let page = store.apps(&tenant, listed.last(), 4).await.unwrap();
        assert!(page.len() <= 4);
        if page.is_empty() {
            break;
        }
        listed.extend(page.into_iter().map(|record| record.key.app));
    }
    let mut names: Vec<_> = names.iter().map(|name| AppName::new(name).unwrap()).collect();
    names.sort_unstable();
    assert_eq!(listed, names);
}

/// Releases, versions, aliases and secrets.
pub async fn a_deleted_app_is_gone_with_all_it_had(store: &dyn ControlStore) {
    let tenant = tenant(store).await;
    let (doomed, kept) = (app(&tenant, "photos"), app(&tenant, "photos-2"));
    let thumb = function("thumb");
    for app in [&doomed, &kept] {
        release(store, app, GoLive::All).await;
        let revision = revision(app, "thumb", "code").id();
        store.publish_version(OperationId::new(), app, &thumb, revision).await.unwrap();
        let alias = AliasRecord { name: "prod".into(), weights: vec![(1, 1)] };
        store.put_alias(OperationId::new(), app, &thumb, alias).await.unwrap();
        let (app, name, key_id) = (app.clone(), "KEY".into(), "1".into());
        let secret = SecretRecord { app, name, key_id, sealed: vec![1], updated_us: 1 };
        store.put_secret(OperationId::new(), secret).await.unwrap();
    }
    store.delete_app(OperationId::new(), &doomed).await.unwrap();
    assert_eq!(store.app(&doomed).await, Ok(None));
    assert_eq!(store.release(&doomed, ReleaseNumber(1)).await, Ok(None));
    assert_eq!(store.releases(&doomed, None, 10).await, Ok(vec![]));
    assert_eq!(store.versions(&doomed, &thumb).await, Ok(vec![]));
    assert_eq!(store.aliases(&doomed, &thumb).await, Ok(vec![]));
    assert_eq!(store.secrets(&doomed).await, Ok(vec![]));
    let apps = store.apps(&tenant, None, 10).await.unwrap();
    assert_eq!(
        apps.into_iter().map(|app| app.key).collect::<Vec<_>>(),
        std::slice::from_ref(&kept)
    );
    assert_eq!(store.releases(&kept, None, 10).await.unwrap().len(), 1);
    assert_eq!(store.versions(&kept, &thumb).await.unwrap().len(), 1);
    assert_eq!(store.aliases(&kept, &thumb).await.unwrap().len(), 1);
    assert_eq!(store.secrets(&kept).await.unwrap().len(), 1);
}

/// [`Error::NotFound`](crate::Error::NotFound).
pub async fn an_app_that_is_not_there_cannot_be_deleted(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    assert_not_found(store.delete_app(OperationId::new(), &app).await);
    release(store, &app, GoLive::All).await;
    store.delete_app(OperationId::new(), &app).await.unwrap();
    assert_not_found(store.delete_app(OperationId::new(), &app).await);
}

/// Even of the same name.
pub async fn tenants_do_not_see_each_others_apps(store: &dyn ControlStore) {
    let (mine, yours) = (unused_app(store).await, unused_app(store).await);
    release(store, &mine, GoLive::All).await;
    assert_eq!(store.app(&yours).await, Ok(None));
    assert_eq!(store.apps(&yours.tenant, None, 10).await, Ok(vec![]));
    assert_eq!(store.release(&yours, ReleaseNumber(1)).await, Ok(None));
    assert_not_found(store.delete_app(OperationId::new(), &yours).await);
    assert_eq!(live(store, &mine).await, [(1, 100)]);
}
