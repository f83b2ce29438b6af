use mayfly_types::{AppKey, FunctionName, OperationId};

use super::{assert_conflict, assert_not_found, unused_app};
use crate::suite::{function, revision};
use crate::{AliasRecord, ControlStore, VersionRecord};

async fn publish(
    store: &dyn ControlStore,
    app: &AppKey,
    function: &FunctionName,
    code: &str,
) -> VersionRecord {
    let revision = revision(app, function.as_str(), code).id();
    store.publish_version(OperationId::new(), app, function, revision).await.unwrap()
}

/// An app without releases can have them.
pub async fn versions_count_from_one_in_each_function(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    for name in ["a", "b"] {
        let function = function(name);
        let mut published = Vec::new();
        for (number, code) in (1..).zip(["one", "two", "one"]) {
            let version = publish(store, &app, &function, code).await;
            assert_eq!(version.version, number);
            assert_eq!(version.revision, revision(&app, name, code).id());
            published.push(version);
        }
        assert_eq!(store.versions(&app, &function).await, Ok(published));
    }
    assert_eq!(store.versions(&app, &function("c")).await, Ok(vec![]));
    assert_eq!(store.app(&app).await, Ok(None));
}

/// It answers the version there is.
pub async fn a_revision_that_is_the_newest_version_gets_no_other(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let thumb = function("thumb");
    let first = publish(store, &app, &thumb, "code").await;
    assert_eq!(publish(store, &app, &thumb, "code").await, first);
    assert_eq!(store.versions(&app, &thumb).await, Ok(vec![first]));
}

/// A number never names two versions.
pub async fn version_numbers_go_on_after_the_app_was_deleted(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let thumb = function("thumb");
    publish(store, &app, &thumb, "code").await;
    store.delete_app(OperationId::new(), &app).await.unwrap();
    assert_eq!(publish(store, &app, &thumb, "code").await.version, 2);
}

/// They are listed by name; deleting one that is not there is no error.
pub async fn aliases_are_made_moved_and_deleted(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let (thumb, other) = (function("thumb"), function("other"));
    for code in ["one", "two"] {
        publish(store, &app, &thumb, code).await;
    }
    let alias = |name: &str, weights: &[(u64, u32)]| AliasRecord {
        name: name.into(),
        weights: weights.to_vec(),
    };
    let put = |alias| store.put_alias(OperationId::new(), &app, &thumb, alias);
    put(alias("prod", &[(1, 1)])).await.unwrap();
    put(alias("Beta_1", &[(2, 1)])).await.unwrap();
    put(alias("prod", &[(2, 9), (1, 1)])).await.unwrap();
    let expected = vec![alias("Beta_1", &[(2, 1)]), alias("prod", &[(2, 9), (1, 1)])];
    assert_eq!(store.aliases(&app, &thumb).await, Ok(expected.clone()));
    assert_eq!(store.aliases(&app, &other).await, Ok(vec![]));
    for (function, name) in [(&other, "prod"), (&thumb, "gamma")] {
        store.delete_alias(OperationId::new(), &app, function, name).await.unwrap();
    }
    assert_eq!(store.aliases(&app, &thumb).await, Ok(expected.clone()));
    store.delete_alias(OperationId::new(), &app, &thumb, "prod").await.unwrap();
    assert_eq!(store.aliases(&app, &thumb).await, Ok(expected[..1].to_vec()));
}

/// With weights above 0.
pub async fn an_alias_needs_versions_that_are_there(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    let thumb = function("thumb");
    publish(store, &app, &thumb, "code").await;
    let put = |weights: &[(u64, u32)]| {
        let alias = AliasRecord { name: "prod".into(), weights: weights.to_vec() };
        store.put_alias(OperationId::new(), &app, &thumb, alias)
    };
    assert_not_found(put(&[(2, 1)]).await);
    assert_not_found(put(&[(1, 1), (7, 1)]).await);
    assert_conflict(put(&[]).await);
    assert_conflict(put(&[(1, 0)]).await);
    assert_eq!(store.aliases(&app, &thumb).await, Ok(vec![]));
}
