use std::collections::BTreeSet;

use futures_util::future::join_all;
use mayfly_types::{Digest, OperationId, TenantName};

use super::{assert_not_found, new_release, release, tenant};
use crate::suite::{app, function, revision, unused_tenant};
use crate::{
    BudgetKey, BudgetKind, BudgetRecord, ControlStore, Error, GoLive, Meter, Period, Role,
    SecretRecord, TokenRecord,
};

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
    let token =
        TokenRecord { tenant: nobody.clone(), name, hash, role: Role::Admin, created_us: 1 };
    assert_not_found(store.put_token(op(), token).await);
    assert_eq!(store.app(&app).await, Ok(None));
    assert_eq!(store.token(hash).await, Ok(None));
}

/// Everything it has stays.
pub async fn a_tenant_is_suspended_and_goes_on(store: &dyn ControlStore) {
    let name = tenant(store).await;
    let app = app(&name, "photos");
    release(store, &app, GoLive::All).await;
    for suspended in [true, false] {
        let record = store.set_suspended(OperationId::new(), &name, suspended).await.unwrap();
        assert_eq!((&record.name, record.suspended), (&name, suspended));
        assert_eq!(store.tenant(&name).await, Ok(Some(record.clone())));
        assert!(store.tenants().await.unwrap().contains(&record));
    }
    assert!(store.app(&app).await.unwrap().is_some());
    let nobody = unused_tenant();
    assert_not_found(store.set_suspended(OperationId::new(), &nobody, true).await);
    assert_eq!(store.tenant(&nobody).await, Ok(None));
}

fn token(tenant: &TenantName, name: &str) -> TokenRecord {
    let hash = Digest::of(format!("{tenant} {name}").as_bytes());
    TokenRecord {
        tenant: tenant.clone(),
        name: name.into(),
        hash,
        role: Role::Admin,
        created_us: 7,
    }
}

fn budget(tenant: &TenantName, app: Option<&str>, limit: f64) -> BudgetRecord {
    let key = BudgetKey {
        app: app.map(|app| app.parse().unwrap()),
        function: None,
        meter: Meter::GbSeconds,
        period: Period::Month,
        kind: BudgetKind::Hard,
        operator: true,
    };
    BudgetRecord { tenant: tenant.clone(), key, limit }
}

/// And nobody else loses anything.
pub async fn a_deleted_tenant_is_gone_with_all_it_had(store: &dyn ControlStore) {
    let names = [tenant(store).await, tenant(store).await];
    for name in &names {
        for app_name in ["photos", "shop"] {
            release(store, &app(name, app_name), GoLive::All).await;
        }
        store.put_token(OperationId::new(), token(name, "laptop")).await.unwrap();
        store.put_budget(OperationId::new(), budget(name, None, 1.0)).await.unwrap();
    }
    let [gone, stays] = &names;
    let op = OperationId::new();
    for _ in 0..2 {
        store.delete_tenant(op, gone).await.unwrap();
    }
    assert_eq!(store.tenant(gone).await, Ok(None));
    assert!(store.tenants().await.unwrap().iter().all(|tenant| tenant.name != *gone));
    assert_eq!(store.apps(gone, None, 10).await, Ok(vec![]));
    assert_eq!(store.app(&app(gone, "photos")).await, Ok(None));
    assert_eq!(store.tokens(gone).await, Ok(vec![]));
    assert_eq!(store.token(token(gone, "laptop").hash).await, Ok(None));
    assert_eq!(store.budgets(gone).await, Ok(vec![]));
    assert_not_found(store.delete_tenant(OperationId::new(), gone).await);
    assert_not_found(store.put_token(OperationId::new(), token(gone, "laptop")).await);
    assert_not_found(
        store
            .create_release(OperationId::new(), new_release(&app(gone, "photos"), GoLive::All))
            .await,
    );
    assert_eq!(store.apps(stays, None, 10).await.unwrap().len(), 2);
    assert_eq!(store.tokens(stays).await, Ok(vec![token(stays, "laptop")]));
    assert_eq!(store.budgets(stays).await, Ok(vec![budget(stays, None, 1.0)]));
}

/// Nobody who remembers release 1 takes another for it.
pub async fn a_tenant_that_is_made_again_goes_on_with_its_numbers(store: &dyn ControlStore) {
    let name = tenant(store).await;
    let before = store.tenant(&name).await.unwrap().unwrap();
    let app = app(&name, "photos");
    release(store, &app, GoLive::All).await;
    store.set_suspended(OperationId::new(), &name, true).await.unwrap();
    store.delete_tenant(OperationId::new(), &name).await.unwrap();
    let again = store.create_tenant(&name).await.unwrap();
    assert!(!again.suspended && again.account != before.account);
    assert_eq!(store.app(&app).await, Ok(None));
    let made = store.create_release(OperationId::new(), new_release(&app, GoLive::All)).await;
    assert_eq!(made.unwrap().number.0, 2);
}

/// [`Error::Conflict`].
pub async fn the_default_tenant_cannot_be_deleted(store: &dyn ControlStore) {
    let refused = store.delete_tenant(OperationId::new(), &TenantName::fallback()).await;
    assert!(matches!(refused, Err(Error::Conflict(_))), "{refused:?}");
}

/// Each by its key.
pub async fn a_budget_is_set_replaced_and_deleted(store: &dyn ControlStore) {
    let name = tenant(store).await;
    let (all, one) = (budget(&name, None, 10.5), budget(&name, Some("photos"), 0.0));
    for budget in [&one, &all] {
        store.put_budget(OperationId::new(), budget.clone()).await.unwrap();
    }
    assert_eq!(store.budgets(&name).await, Ok(vec![all.clone(), one.clone()]));
    let more = BudgetRecord { limit: 20.25, ..all.clone() };
    store.put_budget(OperationId::new(), more.clone()).await.unwrap();
    assert_eq!(store.budgets(&name).await, Ok(vec![more, one.clone()]));
    store.delete_budget(OperationId::new(), &name, &all.key).await.unwrap();
    assert_eq!(store.budgets(&name).await, Ok(vec![one]));
    assert_not_found(store.delete_budget(OperationId::new(), &name, &all.key).await);
    let nobody = budget(&unused_tenant(), None, 1.0);
    assert_not_found(store.put_budget(OperationId::new(), nobody).await);
}

/// By every command that makes, changes or deletes it, and by no other.
pub async fn every_change_of_a_tenant_is_told(store: &dyn ControlStore) {
    let name = unused_tenant();
    let mut version = store.changes(0).await.unwrap().version;
    macro_rules! told {
        ($told:expr, $call:expr) => {{
            $call.await.unwrap();
            let changes = store.changes(version).await.unwrap();
            let times = changes.tenants.iter().filter(|tenant| **tenant == name).count();
            assert_eq!(times, usize::from($told), stringify!($call));
            version = changes.version;
            assert_eq!(store.changes(version).await.unwrap().tenants.contains(&name), false);
        }};
    }
    let op = OperationId::new;
    told!(true, store.create_tenant(&name));
    told!(false, store.create_tenant(&name));
    told!(true, store.set_suspended(op(), &name, true));
    told!(false, store.set_suspended(op(), &name, true));
    told!(true, store.put_budget(op(), budget(&name, None, 1.0)));
    told!(false, store.put_budget(op(), budget(&name, None, 1.0)));
    told!(true, store.put_budget(op(), budget(&name, None, 2.0)));
    told!(true, store.delete_budget(op(), &name, &budget(&name, None, 0.0).key));
    told!(false, store.create_release(op(), new_release(&app(&name, "a"), GoLive::All)));
    told!(true, store.delete_tenant(op(), &name));
    told!(true, store.create_tenant(&name));
}
