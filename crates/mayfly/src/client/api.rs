//! The admin API's calls, one method each.

use std::io::Read;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use mayfly_control_api::{
    AppSummary, DeployRequest, Deployed, FunctionDetail, ReleaseSummary, SecretSummary,
};
use mayfly_state_api::LogLine;
use mayfly_types::{
    AppName, Digest, FunctionName, InvocationId, Live, LogLevel, OperationId, ReleaseNumber,
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use ureq::http::Method;

use super::http::{Content, Http, Request};
use super::{Error, FoundBy, Node};

/// How often a call that may be repeated is made again.
const RETRIES: u32 = 4;

/// A node makes every function ready before it moves traffic, and then it answers.
const CHANGE: Duration = Duration::from_secs(300);

/// What a function answered.
#[derive(Debug)]
pub(crate) struct Invoked {
    /// The invocation.
    pub(crate) id: InvocationId,
    /// The answer.
    pub(crate) answer: Answer,
}

/// An answer, by what the handler takes.
#[derive(Debug)]
pub(crate) enum Answer {
    /// What an event handler returned, as it was written.
    Event(Box<RawValue>),
    /// What an HTTP handler answered; its headers are passed over.
    Http {
        /// The status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
}

/// Which log lines to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogsQuery {
    /// One function, or all of the app's.
    pub(crate) function: Option<FunctionName>,
    /// One invocation, or all.
    pub(crate) invocation: Option<InvocationId>,
    /// No line older than this.
    pub(crate) since: Option<Timestamp>,
    /// Only lines before this.
    pub(crate) until: Option<Timestamp>,
    /// Only lines of this level or a graver one.
    pub(crate) level: Option<LogLevel>,
    /// Only lines that hold this text.
    pub(crate) text: Option<String>,
    /// Only lines after this position.
    pub(crate) after: Option<u64>,
    /// At most this many.
    pub(crate) limit: usize,
    /// How long an empty answer may wait for a line.
    pub(crate) wait: Option<Duration>,
}

/// A node, as commands use it.
pub(crate) struct Client {
    pub(super) http: Http,
}

impl Client {
    /// A client of `node`. Nothing is sent yet.
    pub(crate) fn new(node: &Node) -> Self {
        Self { http: Http::new(node) }
    }

    /// The node's address.
    pub(crate) fn url(&self) -> &str {
        self.http.url()
    }

    /// What told the address.
    pub(crate) fn found_by(&self) -> &FoundBy {
        self.http.found_by()
    }

    /// Which of these artifacts must be uploaded.
    pub(crate) fn missing(&self, digests: &[Digest]) -> Result<Vec<Digest>, Error> {
        #[derive(Deserialize)]
        struct Missing {
            missing: Vec<Digest>,
        }
        let body = json(&serde_json::json!({ "digests": digests }));
        let request = || Request {
            body: Content::Json(body.clone()),
            ..Request::new(Method::POST, "/v1/artifacts/missing".into())
        };
        Ok(retried(|| self.http.json::<Missing>(request()))?.missing)
    }

    /// Uploads an artifact. `sent` is told every number of bytes that went out, from 0 again when
    /// the upload has to start anew.
    pub(crate) fn upload(
        &self,
        digest: Digest,
        artifact: &[u8],
        sent: &mut dyn FnMut(u64),
    ) -> Result<(), Error> {
        retried(|| {
            let mut reader = Counted { rest: artifact, total: artifact.len(), sent };
            let request = Request {
                body: Content::Stream(&mut reader, artifact.len() as u64),
                timeout: None,
                ..Request::new(Method::PUT, format!("/v1/artifacts/{digest}"))
            };
            self.http.bytes(request)
        })?;
        Ok(())
    }

    /// Deploys, once, however often the connection breaks.
    pub(crate) fn deploy(&self, deploy: &DeployRequest) -> Result<Deployed, Error> {
        let answer = self.change(Method::POST, "/v1/deployments".into(), Some(json(deploy)))?;
        self.http.read(&answer)
    }

    /// All apps.
    pub(crate) fn apps(&self) -> Result<Vec<AppSummary>, Error> {
        #[derive(Deserialize)]
        struct Apps {
            apps: Vec<AppSummary>,
        }
        Ok(self.get::<Apps>("/v1/apps".into())?.apps)
    }

    /// One app.
    pub(crate) fn app(&self, app: &AppName) -> Result<AppSummary, Error> {
        self.get(format!("/v1/apps/{app}"))
    }

    /// Deletes an app.
    pub(crate) fn delete_app(&self, app: &AppName) -> Result<(), Error> {
        self.change(Method::DELETE, format!("/v1/apps/{app}"), None)?;
        Ok(())
    }

    /// One function.
    pub(crate) fn function(
        &self,
        app: &AppName,
        function: &FunctionName,
    ) -> Result<FunctionDetail, Error> {
        self.get(format!("/v1/apps/{app}/functions/{function}"))
    }

    /// Runs a function with `event`, which is JSON. It takes as long as the function does.
    pub(crate) fn invoke(
        &self,
        app: &AppName,
        function: &FunctionName,
        event: Vec<u8>,
        kind: Option<&str>,
        key: Option<String>,
    ) -> Result<Invoked, Error> {
        #[derive(Deserialize)]
        struct Told {
            invocation_id: InvocationId,
            kind: String,
            result: Option<Box<RawValue>>,
            #[serde(default)]
            status: u16,
            #[serde(default)]
            body: String,
            #[serde(default)]
            base64: bool,
        }
        let path = format!("/v1/apps/{app}/functions/{function}/invocations");
        let kind = kind.map(|kind| ("x-mayfly-event", kind.to_owned()));
        let key = key.map(|key| ("idempotency-key", key));
        let told: Told = self.http.json(Request {
            headers: kind.into_iter().chain(key).collect(),
            body: Content::Json(event),
            timeout: None,
            ..Request::new(Method::POST, path)
        })?;
        let answer = match told.kind.as_str() {
            "event" => Answer::Event(told.result.unwrap_or_else(|| RawValue::NULL.to_owned())),
            "http" if told.base64 => {
                let body = STANDARD.decode(&told.body);
                let body = body.map_err(|error| self.http.strange(format!("a body: {error}")))?;
                Answer::Http { status: told.status, body }
            }
            "http" => Answer::Http { status: told.status, body: told.body.into_bytes() },
            kind => return Err(self.http.strange(format!("it answers with the kind `{kind}`"))),
        };
        Ok(Invoked { id: told.invocation_id, answer })
    }

    /// An app's releases, the newest first.
    pub(crate) fn releases(
        &self,
        app: &AppName,
        limit: usize,
    ) -> Result<Vec<ReleaseSummary>, Error> {
        #[derive(Deserialize)]
        struct Releases {
            releases: Vec<ReleaseSummary>,
        }
        Ok(self.get::<Releases>(format!("/v1/apps/{app}/releases?limit={limit}"))?.releases)
    }

    /// Moves `live` to weights.
    pub(crate) fn set_live(&self, app: &AppName, live: &Live) -> Result<AppSummary, Error> {
        let body = json(&serde_json::json!({ "weights": live }));
        let answer = self.change(Method::PUT, format!("/v1/apps/{app}/live"), Some(body))?;
        self.http.read(&answer)
    }

    /// Moves `live` to a release, or to the one before.
    pub(crate) fn rollback(
        &self,
        app: &AppName,
        to: Option<ReleaseNumber>,
    ) -> Result<AppSummary, Error> {
        let body = match to {
            Some(to) => json(&serde_json::json!({ "to": to })),
            None => b"{}".to_vec(),
        };
        let answer = self.change(Method::POST, format!("/v1/apps/{app}/rollback"), Some(body))?;
        self.http.read(&answer)
    }

    /// An app's secrets, without their values.
    pub(crate) fn secrets(&self, app: &AppName) -> Result<Vec<SecretSummary>, Error> {
        #[derive(Deserialize)]
        struct Secrets {
            secrets: Vec<SecretSummary>,
        }
        Ok(self.get::<Secrets>(format!("/v1/apps/{app}/secrets"))?.secrets)
    }

    /// Sets a secret.
    pub(crate) fn put_secret(&self, app: &AppName, name: &str, value: &str) -> Result<(), Error> {
        let body = json(&serde_json::json!({ "value": value }));
        self.change(Method::PUT, secret(app, name), Some(body))?;
        Ok(())
    }

    /// Deletes a secret.
    pub(crate) fn delete_secret(&self, app: &AppName, name: &str) -> Result<(), Error> {
        self.change(Method::DELETE, secret(app, name), None)?;
        Ok(())
    }

    /// Log lines, with the position to go on from.
    pub(crate) fn logs(
        &self,
        app: &AppName,
        query: &LogsQuery,
    ) -> Result<(Vec<LogLine>, u64), Error> {
        #[derive(Deserialize)]
        struct Logs {
            lines: Vec<LogLine>,
            position: u64,
        }
        let mut path = format!("/v1/apps/{app}/logs?limit={}", query.limit);
        let mut add = |key: &str, value: Option<String>| {
            if let Some(value) = value {
                path.extend(["&", key, "=", &value]);
            }
        };
        add("function", query.function.as_ref().map(ToString::to_string));
        add("invocation", query.invocation.as_ref().map(ToString::to_string));
        add("since", query.since.as_ref().map(ToString::to_string));
        add("until", query.until.as_ref().map(ToString::to_string));
        add("level", query.level.map(|level| level.as_str().to_owned()));
        let text = query.text.as_deref().map(|text| utf8_percent_encode(text, NON_ALPHANUMERIC));
        add("text", text.map(|text| text.to_string()));
        add("after", query.after.as_ref().map(ToString::to_string));
        add("wait_ms", query.wait.map(|wait| wait.as_millis().to_string()));
        let answer_within = Duration::from_secs(30) + query.wait.unwrap_or_default();
        let request = Request { timeout: Some(answer_within), ..Request::new(Method::GET, path) };
        let logs: Logs = self.http.json(request)?;
        Ok((logs.lines, logs.position))
    }

    pub(super) fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, Error> {
        retried(|| self.http.json(Request::new(Method::GET, path.clone())))
    }

    /// Makes a call that changes something. Every repetition has the same key, by which the node
    /// knows what it has done already.
    pub(super) fn change(
        &self,
        method: Method,
        path: String,
        body: Option<Vec<u8>>,
    ) -> Result<Vec<u8>, Error> {
        let op = OperationId::new();
        retried(|| {
            self.http.bytes(Request {
                headers: vec![("idempotency-key", op.to_string())],
                body: body.clone().map_or(Content::Nothing, Content::Json),
                timeout: Some(CHANGE),
                ..Request::new(method.clone(), path.clone())
            })
        })
    }
}

fn secret(app: &AppName, name: &str) -> String {
    format!("/v1/apps/{app}/secrets/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

pub(super) fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("plain data: {error}"))
}

/// Makes a call again while that may help. Only for calls that a repetition does no harm to.
pub(super) fn retried<T>(mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
    let mut attempt = 0;
    loop {
        match call() {
            Err(error) if attempt < RETRIES && may_repeat(&error, attempt) => {
                std::thread::sleep(Duration::from_millis(100 << attempt));
                attempt += 1;
            }
            outcome => return outcome,
        }
    }
}

/// A node that was there and is gone may be starting again.
fn may_repeat(error: &Error, attempt: u32) -> bool {
    error.is_retryable() || (attempt > 0 && matches!(error, Error::Unreachable { .. }))
}

/// Tells how much was read.
struct Counted<'a, 'f> {
    rest: &'a [u8],
    total: usize,
    sent: &'f mut dyn FnMut(u64),
}

impl Read for Counted<'_, '_> {
    fn read(&mut self, buf: &mut [u8]) -> std::io::Result<usize> {
        let n = self.rest.read(buf)?;
        (self.sent)((self.total - self.rest.len()) as u64);
        Ok(n)
    }
}
