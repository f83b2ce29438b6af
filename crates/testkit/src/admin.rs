//! The admin API, as far as tests need it.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use serde_json::{Value, json};

use crate::app::{App, Code};
use crate::client::{Answer, RequestBody};
use crate::node::Node;
use crate::{PATIENCE, within};

/// One thing that is wrong with what was deployed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Detail {
    /// What is wrong.
    pub message: String,
    /// The file.
    pub file: Option<String>,
    /// The line, from 1.
    pub line: Option<u64>,
    /// The column, from 1.
    pub column: Option<u64>,
    /// The line of source.
    pub source: Option<String>,
    /// What to do.
    pub help: Option<String>,
}

/// An answer of the admin API that is no success.
#[derive(Debug, Clone)]
pub struct Refusal {
    /// The HTTP status.
    pub status: u16,
    /// `error.code`.
    pub code: String,
    /// `error.message`.
    pub message: String,
    /// All of it.
    pub body: String,
}

/// A deployment that was refused.
#[derive(Debug, Clone)]
pub struct DeployError {
    /// The answer.
    pub refusal: Refusal,
    /// What is wrong, in order.
    pub details: Vec<Detail>,
}

impl fmt::Display for DeployError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.refusal.status, self.refusal.body)
    }
}

impl std::error::Error for DeployError {}

impl DeployError {
    /// The one detail.
    ///
    /// # Panics
    /// When there is another number of them.
    #[track_caller]
    pub fn only(&self) -> &Detail {
        assert_eq!(self.details.len(), 1, "{self}");
        &self.details[0]
    }
}

/// A release that was made.
#[derive(Debug, Clone)]
pub struct Deployed {
    /// Its number.
    pub release: u64,
    /// All that the node said of it.
    pub body: Value,
}

/// A line of a function's log.
#[derive(Debug, Clone)]
pub struct LogLine {
    /// `log`, `info`, `warn`, `error` or `debug`.
    pub level: String,
    /// The text.
    pub message: String,
    /// The function.
    pub function: String,
    /// The invocation, or "".
    pub invocation: String,
}

/// A reader of an app's log that remembers how far it is.
#[derive(Debug)]
pub struct Logs<'a> {
    node: &'a Node,
    app: String,
    position: Option<u64>,
    /// Everything that was read.
    pub seen: Vec<LogLine>,
}

impl Node {
    /// An answer of the admin API, with the token of the node.
    pub async fn command(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        let content = body.map(|body| body.to_string()).unwrap_or_default();
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("host", self.admin().address().to_string())
            .header("authorization", format!("Bearer {}", self.token()))
            .header("content-type", "application/json");
        let request = request.body(RequestBody::full(content)).unwrap();
        within(&format!("{method} {path}"), async {
            let reply = self.admin().send(request).await;
            reply.unwrap_or_else(|error| panic!("{method} {path}: {error}")).collect().await
        })
        .await
    }

    /// Uploads an artifact under a name that may be wrong.
    pub async fn upload(&self, name: &str, content: impl Into<Bytes>) -> Answer {
        let request = Request::builder()
            .method("PUT")
            .uri(format!("/v1/artifacts/{name}"))
            .header("host", self.admin().address().to_string())
            .header("authorization", format!("Bearer {}", self.token()))
            .header("content-type", "application/octet-stream");
        let request = request.body(RequestBody::full(content)).unwrap();
        within("an upload", async {
            let reply = self.admin().send(request).await;
            reply.unwrap_or_else(|error| panic!("upload: {error}")).collect().await
        })
        .await
    }

    /// Deploys an app and makes it live.
    ///
    /// # Errors
    /// When the node refuses it.
    pub async fn deploy(&self, app: &App) -> Result<Deployed, DeployError> {
        self.deploy_code(app.code(), json!("all")).await
    }

    /// Deploys a directory of the repository and makes it live.
    ///
    /// # Errors
    /// When the node refuses it.
    pub async fn deploy_dir(&self, directory: &str) -> Result<Deployed, DeployError> {
        self.deploy(&App::at(crate::repository(directory))).await
    }

    /// Deploys code; `go_live` is `"all"` or `"none"`.
    ///
    /// # Errors
    /// When the node refuses it.
    pub async fn deploy_code(&self, code: Code, go_live: Value) -> Result<Deployed, DeployError> {
        let mut artifacts = serde_json::Map::new();
        for (function, packed) in &code.functions {
            let name = packed.digest().to_string();
            let uploaded = self.upload(&name, packed.bytes().clone()).await;
            if !(200..300).contains(&uploaded.status) {
                return Err(DeployError::from(uploaded));
            }
            let entry = json!({ "artifact": name, "files": packed.files() });
            artifacts.insert(function.clone(), entry);
        }
        let request =
            json!({ "manifest": code.manifest, "artifacts": artifacts, "go_live": go_live });
        let answer = self.command("POST", "/v1/deployments", Some(request)).await;
        if answer.status != 201 {
            return Err(DeployError::from(answer));
        }
        let body = answer.json();
        Ok(Deployed { release: body["release"].as_u64().unwrap(), body })
    }

    /// Deploys one function, `main`, and gives the app that answers with it.
    ///
    /// # Panics
    /// When the node refuses it.
    pub async fn function(&self, app: &str, settings: &str, source: &str) -> crate::AppClient {
        let deployed = self.deploy(&App::single(app, settings, source)).await;
        deployed.unwrap_or_else(|error| panic!("deploy {app}: {error}"));
        self.app(app)
    }

    /// Runs a function by the admin API.
    pub async fn invoke(&self, app: &str, function: &str, event: Value) -> Answer {
        let path = format!("/v1/apps/{app}/functions/{function}/invocations");
        self.command("POST", &path, Some(event)).await
    }

    /// Sets a secret.
    pub async fn secret(&self, app: &str, name: &str, value: &str) {
        let path = format!("/v1/apps/{app}/secrets/{name}");
        let answer = self.command("PUT", &path, Some(json!({ "value": value }))).await;
        assert!((200..300).contains(&answer.status), "{} {}", answer.status, answer.text());
    }

    /// An app's log from its first line.
    pub fn logs(&self, app: &str) -> Logs<'_> {
        Logs { node: self, app: app.to_owned(), position: None, seen: Vec::new() }
    }
}

impl Logs<'_> {
    async fn more(&mut self, wait: Duration) {
        let mut path = format!("/v1/apps/{}/logs?limit=1000", self.app);
        if let Some(position) = self.position {
            path += &format!("&after={position}");
        }
        if !wait.is_zero() {
            path += &format!("&wait_ms={}", wait.as_millis());
        }
        let answer = self.node.command("GET", &path, None).await.expect(200).json();
        self.position = answer["position"].as_u64();
        let text = |line: &Value, key: &str| line[key].as_str().unwrap_or_default().to_owned();
        for line in answer["lines"].as_array().unwrap() {
            self.seen.push(LogLine {
                level: text(line, "level"),
                message: text(line, "message"),
                function: text(line, "function"),
                invocation: text(line, "invocation"),
            });
        }
    }

    /// Waits for a line that `wanted` takes, among those that were read before too.
    ///
    /// # Panics
    /// When none comes; what came instead is told.
    pub async fn line(&mut self, what: &str, wanted: impl Fn(&LogLine) -> bool) -> LogLine {
        let began = std::time::Instant::now();
        let mut checked = 0;
        loop {
            if let Some(line) = self.seen[checked..].iter().find(|line| wanted(line)) {
                return line.clone();
            }
            checked = self.seen.len();
            assert!(began.elapsed() < PATIENCE, "no log line {what} in {:#?}", self.seen);
            self.more(Duration::from_secs(5)).await;
        }
    }

    /// Waits for a line with `text` in its message.
    ///
    /// # Panics
    /// When none comes.
    pub async fn containing(&mut self, text: &str) -> LogLine {
        self.line(&format!("with `{text}`"), |line| line.message.contains(text)).await
    }

    /// All lines up to now.
    pub async fn all(&mut self) -> &[LogLine] {
        loop {
            let before = self.seen.len();
            self.more(Duration::ZERO).await;
            if self.seen.len() == before {
                return &self.seen;
            }
        }
    }
}

impl From<Answer> for DeployError {
    fn from(answer: Answer) -> Self {
        let body: Value = serde_json::from_slice(&answer.body).unwrap_or_default();
        let error = &body["error"];
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let detail = |detail: &Value| Detail {
            message: text(&detail["message"]).unwrap_or_default(),
            file: text(&detail["file"]),
            line: detail["line"].as_u64(),
            column: detail["column"].as_u64(),
            source: text(&detail["source"]),
            help: text(&detail["help"]),
        };
        Self {
            refusal: Refusal {
                status: answer.status,
                code: text(&error["code"]).unwrap_or_default(),
                message: text(&error["message"]).unwrap_or_default(),
                body: answer.text(),
            },
            details: error["details"].as_array().into_iter().flatten().map(detail).collect(),
        }
    }
}
