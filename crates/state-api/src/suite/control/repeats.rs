use futures_util::future::join_all;
use mayfly_types::{Digest, OperationId, ReleaseNumber};

use super::{
    assert_conflict, assert_not_found, live, new_release, release, tenant, unused_app, weights,
};
use crate::suite::{Faulty, Plan, app, function, revision, until_answered};
use crate::{AliasRecord, ControlStore, GoLive, Role, SecretRecord, TokenRecord};

/// It answers the same record and uses up no number.
pub async fn a_repeated_release_is_made_once(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let op = OperationId::new();
    let new = new_release(&app, GoLive::All);
    let made = store.create_release(op, new.clone()).await.unwrap();
    assert_eq!(store.create_release(op, new).await, Ok(made));
    assert_eq!(store.releases(&app, None, 10).await.unwrap().len(), 1);
    assert_eq!(release(store, &app, GoLive::All).await.number, ReleaseNumber(2));
}

/// Right after the first time.
pub async fn every_repeated_command_answers_as_it_did(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let thumb = function("thumb");
    release(store, &app, GoLive::All).await;
    release(store, &app, GoLive::All).await;
    macro_rules! twice {
        ($call:expr) => {{
            let op = OperationId::new();
            let call = $call;
            let first = call(op).await;
            assert!(first.is_ok(), "{first:?}");
            assert_eq!(call(op).await, first);
        }};
    }
    twice!(|op| store.set_live(op, &app, weights(&[(1, 1)])));
    let revision = revision(&app, "thumb", "code").id();
    twice!(|op| store.publish_version(op, &app, &thumb, revision));
    let alias = AliasRecord { name: "prod".into(), weights: vec![(1, 1)] };
    twice!(|op| store.put_alias(op, &app, &thumb, alias.clone()));
    twice!(|op| store.delete_alias(op, &app, &thumb, "prod"));
    let (key_id, sealed) = ("1".to_owned(), vec![1]);
    let secret =
        SecretRecord { app: app.clone(), name: "KEY".into(), key_id, sealed, updated_us: 1 };
    twice!(|op| store.put_secret(op, secret.clone()));
    twice!(|op| store.delete_secret(op, &app, "KEY"));
    let (tenant, hash) = (app.tenant.clone(), Digest::of(app.tenant.as_str().as_bytes()));
    let token =
        TokenRecord { tenant, name: "laptop".into(), hash, role: Role::Read, created_us: 1 };
    twice!(|op| store.put_token(op, token.clone()));
    twice!(|op| store.delete_token(op, &app.tenant, "laptop"));
    twice!(|op| store.delete_app(op, &app));
}

/// After other commands undid it.
pub async fn a_late_repetition_changes_nothing(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    release(store, &app, GoLive::All).await;
    release(store, &app, GoLive::All).await;
    let (to_first, delete) = (OperationId::new(), OperationId::new());
    let moved = store.set_live(to_first, &app, weights(&[(1, 100)])).await.unwrap();
    store.set_live(OperationId::new(), &app, weights(&[(2, 100)])).await.unwrap();
    assert_eq!(store.set_live(to_first, &app, weights(&[(1, 100)])).await, Ok(moved));
    assert_eq!(live(store, &app).await, [(2, 100)]);

    store.delete_app(delete, &app).await.unwrap();
    release(store, &app, GoLive::All).await;
    store.delete_app(delete, &app).await.unwrap();
    assert_eq!(live(store, &app).await, [(3, 100)]);
}

/// Even if it would succeed by now; another operation does.
pub async fn a_repeated_failure_answers_as_it_did(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let op = OperationId::new();
    let failure = store.set_live(op, &app, weights(&[(1, 100)])).await;
    assert_not_found(failure.clone());
    release(store, &app, GoLive::All).await;
    assert_eq!(store.set_live(op, &app, weights(&[(1, 100)])).await, failure);
    store.set_live(OperationId::new(), &app, weights(&[(1, 100)])).await.unwrap();

    let op = OperationId::new();
    let wrong = new_release(&app, GoLive::Percent(0));
    let failure = store.create_release(op, wrong.clone()).await;
    assert_conflict(failure.clone());
    assert_eq!(store.create_release(op, wrong).await, failure);
}

/// All are answered the same.
pub async fn one_operation_repeated_at_once_is_done_once(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let op = OperationId::new();
    let again = || store.create_release(op, new_release(&app, GoLive::All));
    let made = join_all((0..20).map(|_| again())).await;
    assert!(made.iter().all(|answer| answer.is_ok() && *answer == made[0]));
    assert_eq!(store.releases(&app, None, 10).await.unwrap().len(), 1);
}

/// One tenant's ids cannot get in another's way.
pub async fn operations_belong_to_their_tenant(store: &dyn ControlStore) {
    let op = OperationId::new();
    for _ in 0..2 {
        let app = unused_app(store).await;
        let made = store.create_release(op, new_release(&app, GoLive::All)).await.unwrap();
        assert_eq!(made.app, app);
    }
}

/// An id that comes with another command is a mistake of the caller.
pub async fn an_operation_is_one_kind_of_command(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let op = OperationId::new();
    store.create_release(op, new_release(&app, GoLive::All)).await.unwrap();
    assert_conflict(store.delete_app(op, &app).await);
    assert_eq!(live(store, &app).await, [(1, 100)]);
}

/// A caller that repeats with the same id cannot tell a store with faults from one without.
pub async fn commands_repeated_through_faults_take_effect_once(store: &dyn ControlStore) {
    const COUNT: u64 = 20;
    for seed in 0..3 {
        let faulty = Faulty::new(store, Plan::seeded(seed));
        let tenant = tenant(store).await;
        let apps = ["a", "b", "c"].map(|name| app(&tenant, name));
        let work = apps.iter().map(|app| async {
            for number in 1..=COUNT {
                let (create, back) = (OperationId::new(), OperationId::new());
                let new = || new_release(app, GoLive::All);
                let made = until_answered(|| faulty.create_release(create, new())).await;
                assert_eq!(made.unwrap().number, ReleaseNumber(number));
                let first = || faulty.set_live(back, app, weights(&[(1, 100)]));
                let moved = until_answered(first).await.unwrap();
                assert_eq!(moved.newest, ReleaseNumber(number));
                let code = number.to_string();
                let (publish, revision) = (OperationId::new(), revision(app, "thumb", &code).id());
                let thumb = function("thumb");
                let version = || faulty.publish_version(publish, app, &thumb, revision);
                assert_eq!(until_answered(version).await.unwrap().version, number);
            }
        });
        join_all(work).await;
        assert!(faulty.faults() > 30);
        for app in &apps {
            let releases = store.releases(app, None, 100).await.unwrap();
            assert_eq!(releases.len() as u64, COUNT);
            assert_eq!(store.versions(app, &function("thumb")).await.unwrap().len() as u64, COUNT);
            assert_eq!(live(store, app).await, [(1, 100)]);
        }
    }
}
