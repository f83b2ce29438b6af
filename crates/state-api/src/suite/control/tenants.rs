use std::collections::BTreeSet;

use futures_util::future::join_all;
use mayfly_types::{Digest, OperationId, TenantName};

use super::{assert_not_found, new_release, tenant};
use crate::suite::{app, function, revision, unused_tenant};
use crate::{ControlStore, GoLive, SecretRecord, TokenRecord};

/// With an account id.
pub async fn a_fresh_store_has_the_default_tenant(store: &dyn ControlStore) {
    let tenants = store.tenants().await.unwrap();
    assert!(tenants.iter().any(|tenant| tenant.name == TenantName::fallback()), "{tenants:?}");
}

/// Making it again answers what is there.
pub async fn a_tenant_is_made_once_and_keeps_its_account(store: &dyn ControlStore) {
    let name = unused_tenant();
    let made = store.create_tenant(&name).await.unwrap();
    assert_eq!(made.name, name);
    assert_eq!(made.account.to_string().len(), 12);
    assert_eq!(store.create_tenant(&name).await, Ok(made.clone()));
    assert!(store.tenants().await.unwrap().contains(&made));
}

/// Each with an account of its own.
pub async fn tenants_are_listed_by_name(store: &dyn ControlStore) {
    for _ in 0..5 {
        tenant(store).await;
    }
    let tenants = store.tenants().await.unwrap();
    assert!(tenants.is_sorted_by_key(|tenant| tenant.name.clone()));
    let accounts: BTreeSet<_> = tenants.iter().map(|tenant| tenant.account.to_string()).collect();
    assert_eq!(accounts.len(), tenants.len());
}

/// All are answered the same record.
pub async fn a_tenant_made_by_many_at_once_is_one(store: &dyn ControlStore) {
    let name = unused_tenant();
    let made = join_all((0..10).map(|_| store.create_tenant(&name))).await;
    assert!(made.iter().all(|answer| answer.is_ok() && *answer == made[0]), "{made:?}");
}

/// [`Error::NotFound`](crate::Error::NotFound).
pub async fn nothing_is_made_for_a_tenant_that_is_not_there(store: &dyn ControlStore) {
    let nobody = unused_tenant();
    let app = app(&nobody, "photos");
    let op = OperationId::new;
    assert_not_found(store.create_release(op(), new_release(&app, GoLive::All)).await);
    let revision = revision(&app, "thumb", "code").id();
    assert_not_found(store.publish_version(op(), &app, &function("thumb"), revision).await);
    let secret = SecretRecord {
        app: app.clone(),
        name: "API_KEY".into(),
        key_id: "1".into(),
        sealed: vec![1],
        updated_us: 1,
    };
    assert_not_found(store.put_secret(op(), secret).await);
    let (name, hash) = ("laptop".into(), Digest::of(nobody.as_str().as_bytes()));
    let token = TokenRecord { tenant: nobody.clone(), name, hash, created_us: 1 };
    assert_not_found(store.put_token(op(), token).await);
    assert_eq!(store.app(&app).await, Ok(None));
    assert_eq!(store.token(hash).await, Ok(None));
}
