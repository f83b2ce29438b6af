//! Moving `live`, and deleting apps.

use mayfly_control_api::{AppSummary, Error};
use mayfly_runtime_api::Diagnostic;
use mayfly_state_api::ReleaseRecord;
use mayfly_types::{AppKey, Live, OperationId, ReleaseNumber};

use crate::ControlService;
use crate::ready::{Candidate, directory};

impl ControlService {
    pub(crate) async fn move_live(
        &self,
        op: OperationId,
        app: &AppKey,
        live: Live,
    ) -> Result<AppSummary, Error> {
        let now = self.app_record(app).await?;
        for (number, _) in live.weights() {
            let runs = now.live.weights().iter().any(|(other, _)| other == number);
            if !runs {
                self.revive(app, self.release(app, *number).await?).await?;
            }
        }
        let record = self.parts.store.set_live(op, app, live).await?;
        self.caught_up().await?;
        self.summary(record).await
    }

    pub(crate) async fn roll_back(
        &self,
        op: OperationId,
        app: &AppKey,
        to: Option<ReleaseNumber>,
    ) -> Result<AppSummary, Error> {
        let chosen = || self.choices.get(&(app.clone(), op));
        let target = match to.or_else(chosen) {
            Some(number) => number,
            None => {
                let number = self.older(app).await?;
                self.choices.insert((app.clone(), op), number, 1);
                number
            }
        };
        self.move_live(op, app, Live::only(target)).await
    }

    /// The newest release older than every one that is live: a canary gives way to what it was
    /// tried against.
    async fn older(&self, app: &AppKey) -> Result<ReleaseNumber, Error> {
        let record = self.app_record(app).await?;
        let newest_live = record.live.weights().iter().map(|(number, _)| *number).max();
        let older = self.parts.store.releases(app, newest_live, 1).await?;
        older.first().map(|release| release.number).ok_or_else(|| {
            Error::Conflict(format!("app {} has no release older than the live one", app.app))
        })
    }

    /// Makes a release ready that no traffic reaches now: what was prepared for it may be gone.
    async fn revive(&self, app: &AppKey, release: ReleaseRecord) -> Result<(), Error> {
        // A manifest that this build no longer reads only costs the files' directories.
        let manifest = mayfly_manifest::parse(&release.manifest, "mayfly.toml").ok();
        let candidate = |(name, revision): (_, mayfly_types::Revision)| {
            let only = [revision.config().entry.clone()];
            let directory = |manifest| directory(manifest, &name, &only);
            let directory = manifest.as_ref().map(directory).unwrap_or_default();
            let (artifact, config) = (revision.artifact(), revision.config().clone());
            Candidate { name, artifact, config, directory }
        };
        let candidates: Vec<_> = release.functions.into_iter().map(candidate).collect();
        let in_release = |mut diagnostic: Diagnostic| {
            diagnostic.message = format!("release {}: {}", release.number, diagnostic.message);
            diagnostic
        };
        match self.ready(app, &candidates).await {
            Ok(_) => Ok(()),
            Err(Error::Invalid(wrong)) => {
                Err(Error::Invalid(wrong.into_iter().map(in_release).collect()))
            }
            Err(error) => Err(error),
        }
    }

    pub(crate) async fn remove_app(&self, op: OperationId, app: &AppKey) -> Result<(), Error> {
        self.parts.store.delete_app(op, app).await?;
        // First the view, so that no new invocation writes lines behind the deletion.
        self.caught_up().await?;
        // A late repetition deletes nothing of an app that was made since.
        if self.parts.store.app(app).await?.is_none() {
            self.parts.logs.delete_app(app).await?;
            self.parts.queue.delete_app(app).await?;
        }
        Ok(())
    }
}
