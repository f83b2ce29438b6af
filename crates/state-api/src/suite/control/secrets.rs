use mayfly_types::{AppKey, Digest, OperationId, TenantName};

use super::{assert_conflict, assert_not_found, tenant, unused_app};
use crate::suite::app;
use crate::{ControlStore, Role, SecretRecord, TokenRecord};

fn secret(app: &AppKey, name: &str, sealed: &[u8]) -> SecretRecord {
    SecretRecord {
        app: app.clone(),
        name: name.into(),
        key_id: "key".into(),
        sealed: sealed.to_vec(),
        updated_us: 7,
    }
}

/// For an app that does not exist yet; listed by name.
pub async fn a_secret_is_set_replaced_and_deleted(store: &dyn ControlStore) {
    let app = unused_app(store).await;
    assert_eq!(store.secrets(&app).await, Ok(vec![]));
    let any_byte: Vec<u8> = (0..=255).collect();
    let (b, a) = (secret(&app, "B", b""), secret(&app, "A", &any_byte));
    for secret in [secret(&app, "B", b"old"), b.clone(), a.clone()] {
        store.put_secret(OperationId::new(), secret).await.unwrap();
    }
    assert_eq!(store.secrets(&app).await, Ok(vec![a.clone(), b]));
    assert_eq!(store.app(&app).await, Ok(None));
    store.delete_secret(OperationId::new(), &app, "B").await.unwrap();
    assert_eq!(store.secrets(&app).await, Ok(vec![a]));
    assert_not_found(store.delete_secret(OperationId::new(), &app, "B").await);
}

/// Not to another app of the tenant, nor to an app of that name of another tenant.
pub async fn secrets_belong_to_one_app(store: &dyn ControlStore) {
    let mine = unused_app(store).await;
    store.put_secret(OperationId::new(), secret(&mine, "A", b"1")).await.unwrap();
    for other in [app(&mine.tenant, "mail"), unused_app(store).await] {
        assert_eq!(store.secrets(&other).await, Ok(vec![]));
        assert_not_found(store.delete_secret(OperationId::new(), &other, "A").await);
    }
    assert_eq!(store.secrets(&mine).await.unwrap().len(), 1);
}

fn token(tenant: &TenantName, name: &str, token: &str) -> TokenRecord {
    let hash = Digest::of(format!("{tenant} {token}").as_bytes());
    TokenRecord {
        tenant: tenant.clone(),
        name: name.into(),
        hash,
        role: Role::Deploy,
        created_us: 7,
    }
}

/// Until it is deleted.
pub async fn a_token_is_found_by_its_hash(store: &dyn ControlStore) {
    let (mine, yours) = (tenant(store).await, tenant(store).await);
    let (b, a) = (token(&mine, "b", "1"), token(&mine, "a", "2"));
    let other = token(&yours, "b", "3");
    for token in [&b, &a, &other] {
        assert_eq!(store.token(token.hash).await, Ok(None));
        store.put_token(OperationId::new(), token.clone()).await.unwrap();
        assert_eq!(store.token(token.hash).await, Ok(Some(token.clone())));
    }
    assert_eq!(store.tokens(&mine).await, Ok(vec![a.clone(), b.clone()]));
    store.delete_token(OperationId::new(), &mine, "b").await.unwrap();
    assert_eq!(store.token(b.hash).await, Ok(None));
    assert_eq!(store.tokens(&mine).await, Ok(vec![a]));
    assert_eq!(store.tokens(&yours).await, Ok(vec![other]));
    assert_not_found(store.delete_token(OperationId::new(), &mine, "b").await);
}

/// The former one no longer works.
pub async fn a_token_of_the_same_name_is_replaced(store: &dyn ControlStore) {
    let tenant = tenant(store).await;
    let (old, new) = (token(&tenant, "laptop", "old"), token(&tenant, "laptop", "new"));
    store.put_token(OperationId::new(), old.clone()).await.unwrap();
    store.put_token(OperationId::new(), new.clone()).await.unwrap();
    assert_eq!(store.token(old.hash).await, Ok(None));
    assert_eq!(store.token(new.hash).await, Ok(Some(new.clone())));
    assert_eq!(store.tokens(&tenant).await, Ok(vec![new]));
}

/// A hash names one tenant, or nobody would know whose it is.
pub async fn a_token_has_one_name(store: &dyn ControlStore) {
    let (mine, yours) = (tenant(store).await, tenant(store).await);
    let first = token(&mine, "laptop", "secret");
    store.put_token(OperationId::new(), first.clone()).await.unwrap();
    for (tenant, name) in [(&mine, "phone"), (&yours, "laptop")] {
        let again = TokenRecord { tenant: tenant.clone(), name: name.into(), ..first.clone() };
        assert_conflict(store.put_token(OperationId::new(), again).await);
    }
    assert_eq!(store.token(first.hash).await, Ok(Some(first.clone())));
    store.put_token(OperationId::new(), first).await.unwrap();
}
