//! Deployments: from a manifest and artifacts to a release that answers.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::{StreamExt, TryStreamExt};
use mayfly_control_api::{Caller, DeployRequest, Deployed, Error};
use mayfly_manifest::{CodeFiles, Manifest, ManifestErrors, Problem, RouteTable};
use mayfly_runtime_api::{Diagnostic, Prepared};
use mayfly_state_api::{NewRelease, ReleaseRecord};
use mayfly_types::{
    AppKey, Digest, FunctionName, Live, OperationId, ReleaseNumber, Revision, TenantName,
};

use crate::ControlService;
use crate::apps::functions;
use crate::ready::{Candidate, directory};
use crate::service::key;

/// What messages call the manifest.
const MANIFEST: &str = "mayfly.toml";

impl ControlService {
    pub(crate) async fn make_release(
        &self,
        caller: &Caller,
        op: OperationId,
        request: DeployRequest,
    ) -> Result<Deployed, Error> {
        let manifest = self.read_manifest(&request)?;
        let app = key(caller, manifest.app());
        let candidates = self.candidates(&caller.tenant, &manifest, &request).await?;
        let prepared = self.ready(&app, &candidates.functions).await?;
        let notes = notes(&candidates.functions, &prepared);
        let revisions = candidates.functions.into_iter().zip(prepared);
        let revision = |(candidate, prepared): (Candidate, Prepared)| {
            let Candidate { name, artifact, config, .. } = candidate;
            let style = prepared.style;
            (name.clone(), Revision::new(app.clone(), name, artifact, config, style))
        };
        let functions = revisions.map(revision).collect();
        let new = NewRelease {
            app,
            manifest: request.manifest,
            routes: candidates.routes,
            functions,
            go_live: request.go_live,
            by: caller.name.clone(),
        };
        let made = self.parts.store.create_release(op, new.clone()).await?;
        if made.app != new.app || made.manifest != new.manifest || made.functions != new.functions {
            let text = format!(
                "operation {op} already made release {} of app {} from another request; give this \
                 one an id of its own",
                made.number, made.app.app
            );
            return Err(Error::Conflict(text));
        }
        self.caught_up().await?;
        self.deployed(made, notes).await
    }

    fn read_manifest(&self, request: &DeployRequest) -> Result<Manifest, Error> {
        let limits = &self.parts.limits;
        if request.manifest.len() > limits.manifest {
            let text = format!("the manifest is larger than {} bytes", limits.manifest);
            return Err(Error::TooLarge(text));
        }
        let manifest = mayfly_manifest::parse(&request.manifest, MANIFEST).map_err(mistakes)?;
        if manifest.functions().len() > limits.functions {
            let text = format!("an app has at most {} functions", limits.functions);
            return Err(Error::TooLarge(text));
        }
        let mut wrong = Vec::new();
        if let Err(error) = request.go_live.over(None, ReleaseNumber(1)) {
            wrong.push(Diagnostic::new(error.to_string()));
        }
        let sent = request.artifacts.keys();
        for stranger in sent.filter(|name| !manifest.functions().contains_key(*name)) {
            let text = format!("code was sent for function {stranger}, which is not in {MANIFEST}");
            wrong.push(Diagnostic::new(text));
        }
        if wrong.is_empty() { Ok(manifest) } else { Err(Error::Invalid(wrong)) }
    }

    /// The functions with nothing left to infer. What their artifacts hold is read from these, for
    /// whoever deploys may say anything.
    async fn candidates(
        &self,
        tenant: &TenantName,
        manifest: &Manifest,
        request: &DeployRequest,
    ) -> Result<Candidates, Error> {
        self.all_uploaded(tenant, request).await?;
        let at_once = self.parts.limits.at_once.max(1);
        let sent = request.artifacts.iter();
        let read: Vec<_> =
            sent.map(|(name, code)| self.code_files(tenant, name, code.artifact)).collect();
        let read = futures_util::stream::iter(read).buffered(at_once);
        let code: BTreeMap<FunctionName, CodeFiles> = read.try_collect().await?;
        let resolved = manifest.resolve(&code).map_err(mistakes)?;
        if let Err(conflict) = RouteTable::new(&resolved.routes) {
            return Err(Error::Invalid(vec![Diagnostic::new(conflict.to_string())]));
        }
        let candidate = |(name, config)| {
            // Resolved from these very maps, so both have the name.
            let artifact = request.artifacts.get(&name)?.artifact;
            let directory = directory(manifest, &name, &code.get(&name)?.files);
            Some(Candidate { name, artifact, config, directory })
        };
        let functions = resolved.functions.into_iter().filter_map(candidate).collect();
        Ok(Candidates { functions, routes: resolved.routes })
    }

    async fn code_files(
        &self,
        tenant: &TenantName,
        function: &FunctionName,
        artifact: Digest,
    ) -> Result<(FunctionName, CodeFiles), Error> {
        let files = self.files(tenant, artifact).await?;
        Ok((function.clone(), CodeFiles { files: files.to_vec() }))
    }

    async fn all_uploaded(
        &self,
        tenant: &TenantName,
        request: &DeployRequest,
    ) -> Result<(), Error> {
        let digests: Vec<_> = request.artifacts.values().map(|code| code.artifact).collect();
        let missing = self.parts.artifacts.missing(tenant, &digests).await?;
        let absent = request.artifacts.iter().filter(|(_, code)| missing.contains(&code.artifact));
        let diagnostic = |(name, code): (&FunctionName, &mayfly_control_api::DeployedCode)| {
            let artifact = code.artifact.short();
            Diagnostic::new(format!("the artifact {artifact} of function {name} is not here"))
                .help(format!("upload it first: PUT /v1/artifacts/{}", code.artifact))
        };
        let wrong: Vec<_> = absent.map(diagnostic).collect();
        if wrong.is_empty() { Ok(()) } else { Err(Error::Invalid(wrong)) }
    }

    /// What a release that was made is told as. It follows from the record, so that a repeated
    /// deployment tells the same.
    async fn deployed(&self, made: ReleaseRecord, notes: Vec<String>) -> Result<Deployed, Error> {
        let app: &AppKey = &made.app;
        let before = self.parts.store.releases(app, Some(made.number), 1).await?.pop();
        let changed = |revision: &Revision| {
            let before =
                before.as_ref().and_then(|before| before.functions.get(revision.function()));
            Some(before.is_none_or(|before| before.id() != revision.id()))
        };
        // Deleted since it was made: then nothing is live, and this is what was.
        let now = self.parts.store.app(app).await?;
        let live = now.map_or_else(|| Live::only(made.number), |record| record.live);
        Ok(Deployed {
            app: app.app.clone(),
            release: made.number,
            live,
            urls: self.urls(app),
            functions: functions(&made, changed),
            notes,
        })
    }
}

struct Candidates {
    functions: Vec<Candidate>,
    routes: Vec<mayfly_types::Route>,
}

fn notes(candidates: &[Candidate], prepared: &[Prepared]) -> Vec<String> {
    let lines = candidates.iter().zip(prepared).flat_map(|(candidate, prepared)| {
        prepared.logs.iter().map(|line| format!("{}: {line}", candidate.name))
    });
    // What is so for several functions is told once.
    let of_host: BTreeSet<&String> = prepared.iter().flat_map(|one| &one.notes).collect();
    lines.chain(of_host.into_iter().cloned()).collect()
}

fn mistakes(errors: ManifestErrors) -> Error {
    let diagnostic = |problem: Problem| Diagnostic {
        message: problem.message,
        file: Some(problem.file),
        line: Some(problem.line),
        column: Some(problem.column),
        source: Some(problem.source),
        help: problem.help,
    };
    Error::Invalid(errors.into_problems().into_iter().map(diagnostic).collect())
}
