//! Apps, functions and releases as they are told.

use futures_util::{StreamExt, TryStreamExt};
use mayfly_control_api::{AppSummary, Error, FunctionDetail, FunctionSummary, ReleaseSummary};
use mayfly_state_api::{AppRecord, ReleaseRecord};
use mayfly_types::{AppKey, FunctionName, ReleaseNumber, Revision, Route, TenantName};

use crate::ControlService;

/// Apps that are read at once, and their releases.
const PAGE: usize = 500;
const READS: usize = 8;

impl ControlService {
    pub(crate) async fn app_record(&self, app: &AppKey) -> Result<AppRecord, Error> {
        let record = self.parts.store.app(app).await?;
        record.ok_or_else(|| Error::NotFound { what: format!("app {}", app.app) })
    }

    pub(crate) async fn release(
        &self,
        app: &AppKey,
        number: ReleaseNumber,
    ) -> Result<ReleaseRecord, Error> {
        let record = self.parts.store.release(app, number).await?;
        let what = || format!("release {number} of app {}", app.app);
        record.ok_or_else(|| Error::NotFound { what: what() })
    }

    pub(crate) async fn list_apps(&self, tenant: &TenantName) -> Result<Vec<AppSummary>, Error> {
        let mut summaries = Vec::new();
        let mut after = None;
        loop {
            let page = self.parts.store.apps(tenant, after.as_ref(), PAGE).await?;
            let Some(last) = page.last() else { return Ok(summaries) };
            after = Some(last.key.app.clone());
            let read = futures_util::stream::iter(page).map(|record| async {
                match self.summary(record).await {
                    // Deleted since the page was read.
                    Err(Error::NotFound { .. }) => Ok(None),
                    summary => summary.map(Some),
                }
            });
            let page: Vec<_> = read.buffered(READS).try_collect().await?;
            summaries.extend(page.into_iter().flatten());
        }
    }

    pub(crate) async fn summary(&self, record: AppRecord) -> Result<AppSummary, Error> {
        let release = self.release(&record.key, record.live.main()).await?;
        Ok(AppSummary {
            urls: self.urls(&record.key),
            app: record.key.app,
            live: record.live,
            newest: record.newest,
            moved_us: record.moved_us,
            functions: functions(&release, |_| None),
        })
    }

    pub(crate) async fn function_detail(
        &self,
        app: &AppKey,
        function: &FunctionName,
    ) -> Result<FunctionDetail, Error> {
        let record = self.app_record(app).await?;
        let mut release = self.release(app, record.live.main()).await?;
        let revision = release.functions.remove(function).ok_or_else(|| Error::NotFound {
            what: format!("function {function} in release {} of app {}", release.number, app.app),
        })?;
        let routes: Vec<Route> =
            release.routes.into_iter().filter(|route| route.function == *function).collect();
        let urls = match routes.first() {
            Some(best) => {
                let at = |base: &String| format!("{}{}", base.trim_end_matches('/'), best.path);
                self.urls(app).iter().map(at).collect()
            }
            None => Vec::new(),
        };
        Ok(FunctionDetail { release: release.number, revision, routes, urls })
    }

    pub(crate) async fn list_releases(
        &self,
        app: &AppKey,
        limit: usize,
    ) -> Result<Vec<ReleaseSummary>, Error> {
        let record = self.app_record(app).await?;
        let releases = self.parts.store.releases(app, None, limit).await?;
        let shares = shares(record.live.weights());
        let summary = |release: ReleaseRecord| {
            let short = |(name, revision): (FunctionName, Revision)| (name, revision.id().short());
            let share = shares.iter().find(|(number, _)| *number == release.number);
            ReleaseSummary {
                number: release.number,
                percent: share.map_or(0, |(_, percent)| *percent),
                by: release.by,
                created_us: release.created_us,
                functions: release.functions.into_iter().map(short).collect(),
            }
        };
        Ok(releases.into_iter().map(summary).collect())
    }
}

/// The functions of a release, with what `changed` says of each.
pub(crate) fn functions(
    release: &ReleaseRecord,
    changed: impl Fn(&Revision) -> Option<bool>,
) -> Vec<FunctionSummary> {
    let summary = |(name, revision): (&FunctionName, &Revision)| FunctionSummary {
        app: release.app.app.clone(),
        function: name.clone(),
        runtime: revision.config().runtime.to_string(),
        revision: revision.id().short(),
        changed: changed(revision),
        routes: release.routes.iter().filter(|route| route.function == *name).map(told).collect(),
    };
    release.functions.iter().map(summary).collect()
}

fn told(route: &Route) -> String {
    match &route.methods[..] {
        [] => format!("ANY {}", route.path),
        methods => format!("{} {}", methods.join(","), route.path),
    }
}

/// Weights as parts of a hundred. What is live never shows as 0.
fn shares(weights: &[(ReleaseNumber, u32)]) -> Vec<(ReleaseNumber, u32)> {
    let sum: u64 = weights.iter().map(|(_, weight)| u64::from(*weight)).sum();
    let percent = |weight: u32| {
        let rounded = (u64::from(weight) * 100 + sum / 2) / sum.max(1);
        u32::try_from(rounded).unwrap_or(100).max(1)
    };
    weights.iter().map(|(number, weight)| (*number, percent(*weight))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_told_as_parts_of_a_hundred_and_what_is_live_is_never_nothing() {
        let shares = |weights: &[(u64, u32)]| {
            let weights: Vec<_> = weights.iter().map(|(n, w)| (ReleaseNumber(*n), *w)).collect();
            shares(&weights)
                .iter()
                .map(|(number, percent)| (number.0, *percent))
                .collect::<Vec<_>>()
        };
        assert_eq!(shares(&[(1, 90), (2, 10)]), [(1, 90), (2, 10)]);
        assert_eq!(shares(&[(1, 1), (2, 2)]), [(1, 33), (2, 67)]);
        assert_eq!(shares(&[(1, u32::MAX), (2, 1)]), [(1, 100), (2, 1)]);
    }
}
