//! The admin API's calls, one method each.

use std::io::Read;
use std::time::Duration;

use mayfly_control_api::{
    AppSummary, DeployRequest, Deployed, FunctionDetail, ReleaseSummary, SecretSummary,
};
use mayfly_state_api::LogLine;
use mayfly_types::{AppName, Digest, FunctionName, InvocationId, Live, OperationId, ReleaseNumber};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use ureq::http::Method;

use super::http::{Content, Http, Request};
use super::{Error, FoundBy, Node};

/// How often a call that may be repeated is made again.
const RETRIES: u32 = 4;

/// A deployment prepares every function before it answers.
const DEPLOY: Duration = Duration::from_secs(300);

/// What a function answered.
#[derive(Debug, Clone, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub(crate) enum Invoked {
    /// An event handler's result.
    Event {
        /// The invocation.
        invocation_id: InvocationId,
        /// What the handler returned.
        #[serde(default)]
        result: serde_json::Value,
    },
    /// An HTTP handler's answer; its headers are passed over.
    Http {
        /// The invocation.
        invocation_id: InvocationId,
        /// The status.
        status: u16,
        /// The body: text, or base64.
        body: String,
        /// Which of them.
        #[serde(default)]
        base64: bool,
    },
}

/// Which log lines to read.
#[derive(Debug, Clone, Default)]
pub(crate) struct LogsQuery {
    /// One function, or all of the app's.
    pub(crate) function: Option<FunctionName>,
    /// One invocation, or all.
    pub(crate) invocation: Option<InvocationId>,
    /// No line older than this, in UTC microseconds since 1970.
    pub(crate) since_us: Option<i64>,
    /// Only lines after this position.
    pub(crate) after: Option<u64>,
    /// At most this many.
    pub(crate) limit: usize,
    /// How long an empty answer may wait for a line.
    pub(crate) wait: Option<Duration>,
}

/// A node, as commands use it.
pub(crate) struct Client {
    http: Http,
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

    /// Deploys. The same `op` deploys once, however often it is sent.
    pub(crate) fn deploy(
        &self,
        op: OperationId,
        deploy: &DeployRequest,
    ) -> Result<Deployed, Error> {
        let body = json(deploy);
        retried(|| {
            self.http.json(Request {
                headers: vec![("idempotency-key", op.to_string())],
                body: Content::Json(body.clone()),
                timeout: Some(DEPLOY),
                ..Request::new(Method::POST, "/v1/deployments".into())
            })
        })
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
        self.http.bytes(Request::new(Method::DELETE, format!("/v1/apps/{app}")))?;
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
    ) -> Result<Invoked, Error> {
        let path = format!("/v1/apps/{app}/functions/{function}/invocations");
        self.http.json(Request {
            headers: kind.map(|kind| ("x-mayfly-event", kind.to_owned())).into_iter().collect(),
            body: Content::Json(event),
            timeout: None,
            ..Request::new(Method::POST, path)
        })
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
        self.change(Method::PUT, format!("/v1/apps/{app}/live"), body)
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
        self.change(Method::POST, format!("/v1/apps/{app}/rollback"), body)
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
        self.http.bytes(Request {
            body: Content::Json(body),
            ..Request::new(Method::PUT, secret(app, name))
        })?;
        Ok(())
    }

    /// Deletes a secret.
    pub(crate) fn delete_secret(&self, app: &AppName, name: &str) -> Result<(), Error> {
        self.http.bytes(Request::new(Method::DELETE, secret(app, name)))?;
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
        add("since_us", query.since_us.as_ref().map(ToString::to_string));
        add("after", query.after.as_ref().map(ToString::to_string));
        add("wait_ms", query.wait.map(|wait| wait.as_millis().to_string()));
        let answer_within = Duration::from_secs(30) + query.wait.unwrap_or_default();
        let request = Request { timeout: Some(answer_within), ..Request::new(Method::GET, path) };
        let logs: Logs = self.http.json(request)?;
        Ok((logs.lines, logs.position))
    }

    fn get<T: DeserializeOwned>(&self, path: String) -> Result<T, Error> {
        retried(|| self.http.json(Request::new(Method::GET, path.clone())))
    }

    fn change<T: DeserializeOwned>(
        &self,
        method: Method,
        path: String,
        body: Vec<u8>,
    ) -> Result<T, Error> {
        let body = Content::Json(body);
        self.http.json(Request { body, timeout: Some(DEPLOY), ..Request::new(method, path) })
    }
}

fn secret(app: &AppName, name: &str) -> String {
    format!("/v1/apps/{app}/secrets/{}", utf8_percent_encode(name, NON_ALPHANUMERIC))
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).unwrap_or_else(|error| unreachable!("plain data: {error}"))
}

/// Makes a call again while that may help. Only for calls that a repetition does no harm to.
fn retried<T>(mut call: impl FnMut() -> Result<T, Error>) -> Result<T, Error> {
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
