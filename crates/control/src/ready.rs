//! Making functions ready to run, before any traffic can reach them.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use mayfly_control_api::Error;
use mayfly_manifest::Manifest;
use mayfly_runtime_api::{Diagnostic, OpenSecrets, PrepareError, PrepareRequest, Prepared};
use mayfly_state_api::SecretRecord;
use mayfly_types::{AppKey, Blame, Digest, FunctionConfig, FunctionName};

use crate::ControlService;
use crate::load::open;

/// A function that is to run.
#[derive(Debug, Clone)]
pub(crate) struct Candidate {
    pub(crate) name: FunctionName,
    pub(crate) artifact: Digest,
    pub(crate) config: FunctionConfig,
    /// The directory that its files are in, as the manifest writes it: "" or one that ends in `/`.
    pub(crate) directory: String,
}

enum Trouble {
    Code(Vec<Diagnostic>),
    Platform(String),
}

impl ControlService {
    /// Prepares every candidate and answers how each came out, in their order.
    ///
    /// # Errors
    /// [`Error::Invalid`] with all that is wrong with any of them; [`Error::Unavailable`] when
    /// nothing is, but the platform failed.
    pub(crate) async fn ready(
        &self,
        app: &AppKey,
        candidates: &[Candidate],
    ) -> Result<Vec<Prepared>, Error> {
        let secrets = self.secrets_of(app, candidates).await?;
        let at_once = self.parts.limits.at_once.max(1);
        let attempts: Vec<_> =
            candidates.iter().map(|candidate| self.attempt(app, candidate, &secrets)).collect();
        let attempts = futures_util::stream::iter(attempts);
        let attempts: Vec<_> = attempts.buffered(at_once).collect().await;
        let (mut prepared, mut wrong, mut failed) = (Vec::new(), Vec::new(), None);
        for attempt in attempts {
            match attempt {
                Ok(one) => prepared.push(one),
                Err(Trouble::Code(diagnostics)) => wrong.extend(diagnostics),
                Err(Trouble::Platform(message)) => failed = Some(message),
            }
        }
        match failed {
            _ if !wrong.is_empty() => Err(Error::Invalid(wrong)),
            Some(message) => Err(Error::Unavailable(message)),
            None => Ok(prepared),
        }
    }

    async fn attempt(
        &self,
        app: &AppKey,
        candidate: &Candidate,
        secrets: &BTreeMap<String, Option<String>>,
    ) -> Result<Prepared, Trouble> {
        let mut wrong = missing_secrets(app, candidate, secrets);
        match self.prepare(app, candidate, secrets).await {
            Ok(prepared) if wrong.is_empty() => Ok(prepared),
            Ok(_) => Err(Trouble::Code(wrong)),
            Err(Trouble::Platform(_)) if !wrong.is_empty() => Err(Trouble::Code(wrong)),
            Err(Trouble::Platform(message)) => Err(Trouble::Platform(message)),
            Err(Trouble::Code(more)) => {
                wrong.extend(more);
                Err(Trouble::Code(wrong))
            }
        }
    }

    async fn prepare(
        &self,
        app: &AppKey,
        candidate: &Candidate,
        secrets: &BTreeMap<String, Option<String>>,
    ) -> Result<Prepared, Trouble> {
        let Candidate { name, artifact, config, directory } = candidate;
        let Some(runtime) = self.parts.runtimes.get(&config.runtime) else {
            let has = self.parts.runtimes.keys().map(|kind| format!("`{kind}`"));
            let has = has.collect::<Vec<_>>().join(", ");
            let kind = config.runtime;
            let message = format!("function {name} needs the runtime `{kind}`, not on this node");
            let help = format!("this node runs {has}; `mayfly doctor` says what others need");
            return Err(Trouble::Code(vec![Diagnostic::new(message).help(help)]));
        };
        let tenant = app.tenant.clone();
        let own = secrets.iter().filter(|(name, _)| config.secrets.contains(name));
        let own = own.filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        let secrets = OpenSecrets(own.collect());
        let config = config.clone();
        let request = PrepareRequest { tenant, artifact: *artifact, config, secrets };
        match runtime.prepare(request).await {
            Ok(prepared) => Ok(prepared),
            Err(PrepareError::Code(diagnostics)) if diagnostics.is_empty() => {
                let message = format!("function {name} cannot be prepared");
                Err(Trouble::Code(vec![Diagnostic::new(message)]))
            }
            Err(PrepareError::Code(diagnostics)) => {
                let placed = |found| place(found, name, directory);
                Err(Trouble::Code(diagnostics.into_iter().map(placed).collect()))
            }
            Err(PrepareError::Platform(fault)) if fault.code.blame() == Blame::Platform => {
                let detail = fault.detail.as_deref().unwrap_or_default();
                tracing::warn!(%app, function = %name, %fault, detail, "prepare a function");
                Err(Trouble::Platform(format!("function {name}: {fault}")))
            }
            Err(PrepareError::Platform(fault)) => {
                Err(Trouble::Code(vec![Diagnostic::new(format!("function {name}: {fault}"))]))
            }
        }
    }

    /// The app's secrets, if any function names some. One that cannot be opened is there without a
    /// value.
    async fn secrets_of(
        &self,
        app: &AppKey,
        candidates: &[Candidate],
    ) -> Result<BTreeMap<String, Option<String>>, Error> {
        if candidates.iter().all(|candidate| candidate.config.secrets.is_empty()) {
            return Ok(BTreeMap::new());
        }
        let records = self.parts.store.secrets(app).await?;
        let opened = |secret: SecretRecord| {
            let name = secret.name.clone();
            (name, open(&*self.parts.sealer, app, secret).map(|(_, value)| value))
        };
        Ok(records.into_iter().map(opened).collect())
    }
}

fn missing_secrets(
    app: &AppKey,
    candidate: &Candidate,
    there: &BTreeMap<String, Option<String>>,
) -> Vec<Diagnostic> {
    let missing = candidate.config.secrets.iter().filter(|name| !there.contains_key(*name));
    let diagnostic = |name: &String| {
        let function = &candidate.name;
        Diagnostic::new(format!("function {function} needs the secret {name}, which is not set"))
            .help(format!("mayfly secret set {name} --app {}", app.app))
    };
    missing.map(diagnostic).collect()
}

/// A runtime names files from the artifact's root; people know them from the manifest's directory.
fn place(mut found: Diagnostic, function: &FunctionName, directory: &str) -> Diagnostic {
    match &found.file {
        Some(file) => found.file = Some(format!("{directory}{file}")),
        None => found.message = format!("function {function}: {}", found.message),
    }
    found
}

/// The directory that a function's files are in, as the manifest writes its `code`. A single file
/// is in the directory it is written with.
pub(crate) fn directory(manifest: &Manifest, function: &FunctionName, files: &[String]) -> String {
    let Some(section) = manifest.functions().get(function) else { return String::new() };
    let code = section.code().trim_end_matches('/');
    let code = code.strip_prefix("./").unwrap_or(code);
    let (parent, name) = code.rsplit_once('/').unwrap_or(("", code));
    let directory = match files {
        [only] if only == name => parent,
        _ => code,
    };
    if matches!(directory, "" | ".") { String::new() } else { format!("{directory}/") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_told_from_the_manifests_directory() {
        let name = FunctionName::new("a").unwrap();
        for (code, files, expected) in [
            ("functions/thumb", &["index.js", "lib.js"][..], "functions/thumb/"),
            ("./functions/thumb/", &["index.js"], "functions/thumb/"),
            ("functions/thumb.js", &["thumb.js"], "functions/"),
            ("thumb.js", &["thumb.js"], ""),
            (".", &["index.js"], ""),
        ] {
            let text = format!("app = \"x\"\n[functions.a]\ncode = \"{code}\"\n");
            let manifest = mayfly_manifest::parse(&text, "mayfly.toml").unwrap();
            let files: Vec<String> = files.iter().map(|file| (*file).to_owned()).collect();
            assert_eq!(directory(&manifest, &name, &files), expected, "{code}");
        }
    }
}
