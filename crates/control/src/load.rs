//! From an app's records to its view.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use mayfly_control_api::{AppView, ReleaseView, Secrets, TenantView};
use mayfly_manifest::RouteTable;
use mayfly_state_api::{AppRecord, ControlStore, Error, ReleaseRecord, SecretRecord};
use mayfly_types::{AppKey, ReleaseNumber, Revision, RevisionId, TenantName};

use crate::{Sealer, secret_aad};

/// Reads apps from the store.
pub(crate) struct Loader {
    pub(crate) store: Arc<dyn ControlStore>,
    pub(crate) sealer: Arc<dyn Sealer>,
    generation: AtomicU64,
}

/// What was live in an app before, as far as it may be kept.
#[derive(Clone, Copy)]
pub(crate) enum Before<'a> {
    Nothing,
    /// Its releases are what they were: numbers are never used again.
    Same(&'a AppView),
    /// Only its revisions can be trusted, whose names are digests.
    OtherStore(&'a AppView),
}

impl Loader {
    pub(crate) fn new(store: Arc<dyn ControlStore>, sealer: Arc<dyn Sealer>) -> Self {
        Self { store, sealer, generation: AtomicU64::new(0) }
    }

    /// What is laid down for a tenant; `None` when nothing is, or when it is gone.
    pub(crate) async fn tenant(&self, name: &TenantName) -> Result<Option<Arc<TenantView>>, Error> {
        let Some(record) = self.store.tenant(name).await? else { return Ok(None) };
        let budgets = self.store.budgets(name).await?;
        let view = TenantView { suspended: record.suspended, budgets };
        Ok((view != TenantView::default()).then(|| Arc::new(view)))
    }

    /// The view of an app; `None` when it is gone.
    pub(crate) async fn load(
        &self,
        record: AppRecord,
        before: Before<'_>,
    ) -> Result<Option<Arc<AppView>>, Error> {
        let mut live = Vec::with_capacity(record.live.weights().len());
        for (number, weight) in record.live.weights() {
            if let Some(release) = self.release(&record.key, *number, before).await? {
                live.push((*weight, release));
            }
        }
        if live.is_empty() {
            // Deleted after the record was read; the next change tells so.
            return Ok(None);
        }
        let secrets = self.secrets(&record.key, &live, before).await?;
        Ok(Some(Arc::new(AppView { key: record.key, live, secrets })))
    }

    async fn release(
        &self,
        app: &AppKey,
        number: ReleaseNumber,
        before: Before<'_>,
    ) -> Result<Option<Arc<ReleaseView>>, Error> {
        if let Before::Same(before) = before
            && let Some(release) = before.release(number)
        {
            return Ok(Some(release.clone()));
        }
        let Some(record) = self.store.release(app, number).await? else { return Ok(None) };
        Ok(Some(Arc::new(view(record, &revisions(before)))))
    }

    async fn secrets(
        &self,
        app: &AppKey,
        live: &[(u32, Arc<ReleaseView>)],
        before: Before<'_>,
    ) -> Result<Arc<Secrets>, Error> {
        let mut functions = live.iter().flat_map(|(_, release)| release.functions.values());
        let values = if functions.any(|revision| !revision.config().secrets.is_empty()) {
            let records = self.store.secrets(app).await?;
            records.into_iter().filter_map(|secret| open(&*self.sealer, app, secret)).collect()
        } else {
            BTreeMap::new()
        };
        let kept = before.view().map(|before| &before.secrets);
        match kept {
            Some(kept) if *kept.values == values => Ok(kept.clone()),
            None if values.is_empty() => Ok(Arc::default()),
            _ => {
                // Never used twice, also not by an app that was deleted and made again.
                let generation = self.generation.fetch_add(1, Ordering::Relaxed) + 1;
                Ok(Arc::new(Secrets { generation, values: Arc::new(values) }))
            }
        }
    }
}

/// A secret's name and value. One that cannot be opened is told of, and left out.
pub(crate) fn open(
    sealer: &dyn Sealer,
    app: &AppKey,
    secret: SecretRecord,
) -> Option<(String, String)> {
    let SecretRecord { name, key_id, sealed, .. } = secret;
    let reason = match sealer.open(&key_id, &secret_aad(app, &name), &sealed) {
        Ok(value) => match String::from_utf8(value) {
            Ok(value) => return Some((name, value)),
            // The error holds the value: it must not be shown.
            Err(_) => "the value is not text".to_owned(),
        },
        Err(error) => error.to_string(),
    };
    tracing::error!(%app, secret = name, reason, "open a secret; its functions run without it");
    None
}

impl<'a> Before<'a> {
    fn view(self) -> Option<&'a AppView> {
        match self {
            Self::Nothing => None,
            Self::Same(view) | Self::OtherStore(view) => Some(view),
        }
    }
}

fn revisions(before: Before<'_>) -> HashMap<RevisionId, &Arc<Revision>> {
    let releases = before.view().into_iter().flat_map(|before| &before.live);
    let revisions = releases.flat_map(|(_, release)| release.functions.values());
    revisions.map(|revision| (revision.id(), revision)).collect()
}

fn view(record: ReleaseRecord, known: &HashMap<RevisionId, &Arc<Revision>>) -> ReleaseView {
    let routes = RouteTable::new(&record.routes).unwrap_or_else(|error| {
        let (app, release) = (&record.app, record.number);
        tracing::error!(%app, %release, %error, "read routes; none of the release answers");
        RouteTable::default()
    });
    let functions = record.functions.into_iter().map(|(name, revision)| {
        let kept = known.get(&revision.id()).map(|kept| Arc::clone(kept));
        (name, kept.unwrap_or_else(|| Arc::new(revision)))
    });
    ReleaseView { number: record.number, routes, functions: functions.collect() }
}
