//! Keeps the view true to the store.

use std::sync::Arc;
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt};
use mayfly_control_api::{AppView, SharedView, View};
use mayfly_state_api::{AppRecord, ControlStore, Error};
use mayfly_types::AppKey;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::load::{Before, Loader};
use crate::{Progress, Sealer};

/// Apps that are read at once.
const READS: usize = 32;
/// Pauses between attempts to read a store that fails.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);

/// Follows the store for as long as it lives: the view shows what the store has, a moment later.
/// While the store fails the view stays as it was.
pub struct Follower {
    progress: Progress,
    // Dropping it ends the task.
    stop: watch::Sender<()>,
    task: JoinHandle<()>,
}

impl Follower {
    /// Fills `view` from the store and follows it from there.
    ///
    /// # Errors
    /// The store's, when it cannot be read even once.
    pub async fn start(
        store: Arc<dyn ControlStore>,
        sealer: Arc<dyn Sealer>,
        view: SharedView,
    ) -> Result<Self, Error> {
        let versions = store.version();
        let loader = Loader::new(store, sealer);
        let first = loader.whole(None).await?;
        let (told, reached) = watch::channel(first.version);
        view.store(Arc::new(first));
        let (stop, stopped) = watch::channel(());
        let following = Following { loader, view: view.clone(), told };
        let task = tokio::spawn(following.run(versions, stopped));
        Ok(Self { progress: Progress { view, reached }, stop, task })
    }

    /// How far the view is, for those who wait for it.
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Waits until the view shows at least `version` of the store; `false` when that cannot be
    /// any more.
    pub async fn reached(&self, version: u64) -> bool {
        self.progress.reached(version).await
    }

    /// Stops following and waits for the task's end. The view stays as it is.
    pub async fn shutdown(self) {
        drop(self.stop);
        if let Err(error) = self.task.await {
            tracing::error!(%error, "follow the store");
        }
    }
}

struct Following {
    loader: Loader,
    view: SharedView,
    told: watch::Sender<u64>,
}

impl Following {
    async fn run(self, mut versions: watch::Receiver<u64>, mut stopped: watch::Receiver<()>) {
        let work = async {
            let mut pause = None;
            loop {
                versions.borrow_and_update();
                match self.catch_up().await {
                    Ok(()) => {
                        if pause.take().is_some() {
                            tracing::info!("the store answers again");
                        }
                        if versions.changed().await.is_err() {
                            // The store has ended, and with it all changes.
                            return std::future::pending().await;
                        }
                    }
                    Err(error) => {
                        if pause.is_none() {
                            tracing::warn!(%error, "follow the store; the view stays as it is");
                        }
                        let next = pause.map_or(FIRST_PAUSE, |pause: Duration| pause * 2);
                        let next = next.min(LONGEST_PAUSE);
                        tokio::time::sleep(next).await;
                        pause = Some(next);
                    }
                }
            }
        };
        tokio::select! {
            () = work => {}
            // Nothing is ever sent: it is ready when the follower is dropped.
            _ = stopped.changed() => {}
        }
    }

    async fn catch_up(&self) -> Result<(), Error> {
        let now = self.view.load_full();
        let changes = self.loader.store.changes(now.version).await?;
        let next = if changes.version < now.version {
            // A backup was restored: what the view has may never have been.
            self.loader.whole(Some(&now)).await?
        } else if changes.version == now.version {
            return Ok(());
        } else {
            let mut apps = now.apps.clone();
            for (key, view) in self.loader.changed(&now, changes.apps).await? {
                match view {
                    Some(view) => apps.insert(key, view),
                    None => apps.remove(&key),
                };
            }
            let mut tenants = now.tenants.clone();
            for name in changes.tenants {
                match self.loader.tenant(&name).await? {
                    Some(tenant) => tenants.insert(name, tenant),
                    None => tenants.remove(&name),
                };
            }
            View { version: changes.version, apps, tenants }
        };
        let version = next.version;
        self.view.store(Arc::new(next));
        self.told.send_replace(version);
        Ok(())
    }
}

impl Loader {
    /// Everything, at one version of the store.
    async fn whole(&self, before: Option<&View>) -> Result<View, Error> {
        let (version, records) = self.store.all_apps().await?;
        let mut tenants = imbl::HashMap::new();
        for record in self.store.tenants().await? {
            if let Some(tenant) = self.tenant(&record.name).await? {
                tenants.insert(record.name, tenant);
            }
        }
        let load = |record: AppRecord| async move {
            let before = before.and_then(|view| view.apps.get(&record.key));
            let before = before.map_or(Before::Nothing, |view| Before::OtherStore(view));
            let key = record.key.clone();
            Ok::<_, Error>((key, self.load(record, before).await?))
        };
        let loaded = futures_util::stream::iter(records).map(load).buffer_unordered(READS);
        let present = |(key, view): (AppKey, Option<Arc<AppView>>)| Some((key, view?));
        let loaded: Vec<_> = loaded.try_collect().await?;
        let apps = loaded.into_iter().filter_map(present).collect();
        Ok(View { version, apps, tenants })
    }

    /// The apps of `keys` as they are now, with what they need not read again.
    async fn changed(
        &self,
        now: &View,
        keys: Vec<AppKey>,
    ) -> Result<Vec<(AppKey, Option<Arc<AppView>>)>, Error> {
        let load = |key: AppKey| async move {
            let Some(record) = self.store.app(&key).await? else { return Ok((key, None)) };
            let before = now.apps.get(&key);
            let before = before.map_or(Before::Nothing, |view| Before::Same(view));
            Ok((key, self.load(record, before).await?))
        };
        futures_util::stream::iter(keys).map(load).buffer_unordered(READS).try_collect().await
    }
}
