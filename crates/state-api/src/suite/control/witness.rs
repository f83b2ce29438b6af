use mayfly_types::{AppKey, Digest, OperationId};

use super::{new_release, release, unused_app};
use crate::suite::{function, revision};
use crate::{
    AliasRecord, AppRecord, ControlStore, GoLive, ReleaseRecord, Role, SecretRecord, TenantRecord,
    TokenRecord, VersionRecord,
};

/// Records of every kind, to be found again once the store was closed and opened.
#[derive(Debug, PartialEq)]
pub struct Witness {
    op: OperationId,
    app: AppKey,
    tenant: TenantRecord,
    records: Records,
}

#[derive(Debug, PartialEq)]
struct Records {
    version: u64,
    app: Option<AppRecord>,
    releases: Vec<ReleaseRecord>,
    versions: Vec<VersionRecord>,
    aliases: Vec<AliasRecord>,
    secrets: Vec<SecretRecord>,
    tokens: Vec<TokenRecord>,
}

impl Witness {
    /// Writes one record of every kind.
    pub async fn write(store: &dyn ControlStore) -> Self {
        let app = unused_app(store).await;
        let tenant = store.create_tenant(&app.tenant).await.unwrap();
        let op = OperationId::new();
        store.create_release(op, new_release(&app, GoLive::All)).await.unwrap();
        release(store, &app, GoLive::Percent(20)).await;
        let thumb = function("thumb");
        let revision = revision(&app, "thumb", "code").id();
        store.publish_version(OperationId::new(), &app, &thumb, revision).await.unwrap();
        let alias = AliasRecord { name: "prod".into(), weights: vec![(1, 1)] };
        store.put_alias(OperationId::new(), &app, &thumb, alias).await.unwrap();
        let secret = SecretRecord {
            app: app.clone(),
            name: "KEY".into(),
            key_id: "1".into(),
            sealed: vec![0, 1, 2],
            updated_us: 7,
        };
        store.put_secret(OperationId::new(), secret).await.unwrap();
        let (name, hash) = ("laptop".into(), Digest::of(app.tenant.as_str().as_bytes()));
        let token = TokenRecord {
            tenant: app.tenant.clone(),
            name,
            hash,
            role: Role::Admin,
            created_us: 7,
        };
        store.put_token(OperationId::new(), token).await.unwrap();
        let records = Records::read(store, &app).await;
        Self { op, app, tenant, records }
    }

    /// Finds all of it again, the memory of operations too.
    pub async fn check(&self, store: &dyn ControlStore) {
        assert_eq!(store.create_tenant(&self.app.tenant).await, Ok(self.tenant.clone()));
        assert_eq!(*store.version().borrow(), self.records.version);
        assert_eq!(Records::read(store, &self.app).await, self.records);
        let repeated = store.create_release(self.op, new_release(&self.app, GoLive::All)).await;
        assert_eq!(Ok(self.records.releases.last().cloned()), repeated.map(Some));
        assert_eq!(Records::read(store, &self.app).await, self.records);
    }
}

impl Records {
    async fn read(store: &dyn ControlStore, app: &AppKey) -> Self {
        let thumb = function("thumb");
        Self {
            version: store.changes(0).await.unwrap().version,
            app: store.app(app).await.unwrap(),
            releases: store.releases(app, None, 10).await.unwrap(),
            versions: store.versions(app, &thumb).await.unwrap(),
            aliases: store.aliases(app, &thumb).await.unwrap(),
            secrets: store.secrets(app).await.unwrap(),
            tokens: store.tokens(&app.tenant).await.unwrap(),
        }
    }
}
