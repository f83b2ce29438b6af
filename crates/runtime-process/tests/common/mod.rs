//! A runtime without a node around it.
#![allow(dead_code, reason = "each test is a program of its own and takes what it needs")]
#![allow(clippy::print_stderr, reason = "a test says what it could not show")]

use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use bytes::Bytes;
use http::{HeaderMap, Method};
use mayfly_egress::{Egress, OperatorRules, Resolver};
use mayfly_runtime_api::{
    Body, Call, CodeStore, EventRequest, Failure, HttpRequest, Instance, LogLevel, LogSink,
    OpenSecrets, Payload, PrepareError, PrepareRequest, Reply, ReplyBody, Runtime, StartRequest,
};
use mayfly_runtime_process::{Boots, Interpreter, Options, ProcessRuntime, Unheld};
use mayfly_sandbox::{CgroupKind, Spawner, SpawnerOptions, Starter};
use mayfly_types::{
    AppKey, AsyncConfig, ByteSize, Digest, Fault, FaultCode, FunctionConfig, HandlerStyle,
    InvocationId, Isolation, Outcome, OutcomeStatus, Revision, RuntimeKind, TenantName, TimeSpan,
    WrittenLimits,
};

struct Code(PathBuf);

#[async_trait]
impl CodeStore for Code {
    async fn directory(&self, _: &TenantName, _: Digest) -> Result<PathBuf, Fault> {
        Ok(self.0.clone())
    }
}

/// Every name is this host.
struct Loopback;

#[async_trait]
impl Resolver for Loopback {
    async fn resolve(&self, _host: &str) -> std::io::Result<Vec<std::net::IpAddr>> {
        Ok(vec![std::net::Ipv4Addr::LOCALHOST.into()])
    }
}

#[derive(Default)]
pub(crate) struct Lines(pub(crate) Mutex<Vec<(Option<InvocationId>, LogLevel, String)>>);

impl LogSink for Lines {
    fn write(&self, invocation: Option<InvocationId>, level: LogLevel, message: &str) {
        self.0.lock().unwrap().push((invocation, level, message.to_owned()));
    }
}

pub(crate) struct Function {
    runtime: ProcessRuntime,
    config: FunctionConfig,
    /// Where its code is, on the host.
    pub(crate) code: PathBuf,
    pub(crate) lines: Arc<Lines>,
    limited: bool,
    _directory: tempfile::TempDir,
}

/// A function of the files, on a node of its own.
pub(crate) async fn function(
    kind: RuntimeKind,
    files: &[(&str, &str)],
    change: impl FnOnce(&mut FunctionConfig),
) -> Function {
    let files: Vec<_> = files.iter().map(|(name, text)| (*name, text.as_bytes())).collect();
    function_of(kind, &files, change).await
}

/// The same of files that need not be text. What begins as a program does is one.
pub(crate) async fn function_of(
    kind: RuntimeKind,
    files: &[(&str, &[u8])],
    change: impl FnOnce(&mut FunctionConfig),
) -> Function {
    use std::sync::atomic::{AtomicU32, Ordering};
    static NODES: AtomicU32 = AtomicU32::new(0);
    let directory = tempfile::tempdir().unwrap();
    // Whoever the sandbox is on this host reads its code.
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let code = directory.path().join("code");
    std::fs::create_dir(&code).unwrap();
    for (name, content) in files {
        let file = code.join(name);
        std::fs::create_dir_all(file.parent().unwrap()).unwrap();
        std::fs::write(&file, content).unwrap();
        if content.starts_with(b"#!") || content.starts_with(b"\x7fELF") {
            std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        }
    }
    let mut example = std::env::current_exe().unwrap();
    example.pop();
    example.pop();
    let number = NODES.fetch_add(1, Ordering::Relaxed);
    let name = format!("mayfly-test-{}-{number}", std::process::id());
    let command = vec![example.join("examples/process-spawner").into()];
    let spawner =
        Spawner::start(SpawnerOptions { starter: Starter::here(command), name, reduced: None })
            .await
            .unwrap();
    let limited = spawner.cgroups() != CgroupKind::None;
    let runtime = ProcessRuntime::new(Options {
        spawner,
        kind,
        interpreter: Interpreter::in_path(std::env::var_os("PATH").unwrap()),
        bootstraps: directory.path().join("bootstraps"),
        boots: Boots::new(2),
        stems: 4,
        egress: Egress::new(
            OperatorRules { allow: vec!["127.0.0.0/8".parse().unwrap()], deny_addrs: Vec::new() },
            Loopback,
        ),
        code: Arc::new(Code(code.clone())),
        idle: Duration::from_secs(60),
        unheld: Unheld::Refused,
    });
    let mut config = FunctionConfig {
        runtime: kind,
        entry: files[0].0.to_owned(),
        handler: None,
        memory: ByteSize::mb(256),
        cpu: 1.0,
        disk: ByteSize::mb(64),
        timeout: TimeSpan::millis(20_000),
        concurrency: None,
        concurrency_per_instance: None,
        warm: 0,
        isolation: Isolation::Instance,
        env: [("COLOUR".to_owned(), "green".to_owned())].into(),
        secrets: Vec::new(),
        egress: Vec::new(),
        written: WrittenLimits::default(),
        events: AsyncConfig::default(),
    };
    change(&mut config);
    Function { runtime, config, code, lines: Arc::default(), limited, _directory: directory }
}

impl Function {
    /// Whether this host holds limits of memory, as a test needs it; says when it does not. An ordinary
    /// user to whom no cgroup is delegated cannot bound memory.
    pub(crate) fn bounds_memory(&self) -> bool {
        if !self.limited {
            eprintln!("NOT SHOWN: this host gives no cgroup, so no limit of memory was tried");
        }
        self.limited
    }

    /// Tries each way of failing: the event's `way`, the fault's code, and what a line of the log says.
    /// After each the next call is fine, and no trace of an error goes through the file of the `bootstrap`.
    pub(crate) async fn fails_by(&self, ways: &[(&str, FaultCode, &str)], bootstrap: &str) {
        let instance = self.start().await;
        for (way, code, log) in ways.iter().copied() {
            if way == "memory" && !self.bounds_memory() {
                continue;
            }
            self.lines.0.lock().unwrap().clear();
            let failure = self.event(&instance, &format!("{{\"way\":\"{way}\"}}")).await;
            let failure = failure.expect_err(way);
            assert_eq!(failure.fault.code, code, "{way}: {:?}", failure.fault);
            assert_eq!(failure.outcome.status, OutcomeStatus::Fault(code), "{way}");
            let lines = self.lines.0.lock().unwrap().clone();
            assert!(lines.iter().any(|(_, _, line)| line.contains(log)), "{way}: {lines:?}");
            if code == FaultCode::FunctionError {
                let message = &failure.fault.message;
                assert!(!message.contains(log), "{way}: a caller learns what was thrown");
                let told = lines.iter().any(|(_, _, line)| line.contains(bootstrap));
                assert!(!told, "{way}: {lines:?}");
            }
            assert_eq!(self.event(&instance, "{}").await.unwrap(), "\"fine\"", "after {way}");
        }
    }

    pub(crate) async fn prepare(&self) -> Result<HandlerStyle, PrepareError> {
        let request = PrepareRequest {
            tenant: TenantName::fallback(),
            artifact: Digest::of(b"code"),
            config: self.config.clone(),
            secrets: OpenSecrets([("TOKEN".to_owned(), "s3cret".to_owned())].into()),
        };
        self.runtime.prepare(request).await.map(|prepared| prepared.style)
    }

    pub(crate) async fn start(&self) -> Arc<dyn Instance> {
        let style = self.prepare().await.unwrap_or_else(|error| panic!("{error}"));
        let app = AppKey::new(TenantName::fallback(), "app".parse().unwrap());
        let function = "function".parse().unwrap();
        let revision =
            Revision::new(app, function, Digest::of(b"code"), self.config.clone(), style);
        let request = StartRequest {
            revision: Arc::new(revision),
            secrets: Arc::new([("TOKEN".to_owned(), "s3cret".to_owned())].into()),
            logs: self.lines.clone(),
        };
        self.runtime.start(request).await.unwrap()
    }

    fn call(&self, payload: Payload) -> Call {
        let deadline = Instant::now() + self.config.timeout.as_duration();
        Call { id: InvocationId::new(), payload, deadline, trace: None }
    }

    /// What an event is answered with.
    pub(crate) async fn reply(
        &self,
        instance: &Arc<dyn Instance>,
        json: &str,
    ) -> Result<Reply, Failure> {
        let event =
            EventRequest { kind: "invoke".into(), json: Bytes::from(json.to_owned()), attempt: 1 };
        Arc::clone(instance).run(self.call(Payload::Event(event))).await
    }

    pub(crate) async fn event(
        &self,
        instance: &Arc<dyn Instance>,
        json: &str,
    ) -> Result<String, Failure> {
        match self.reply(instance, json).await? {
            Reply::Event { json, rest } => {
                let outcome = tokio::time::timeout(Duration::from_secs(20), outcome(rest)).await;
                assert_eq!(outcome.expect("the call ends").status, OutcomeStatus::Ok);
                Ok(String::from_utf8(json.to_vec()).unwrap())
            }
            other => panic!("{other:?}"),
        }
    }

    pub(crate) async fn send(
        &self,
        instance: &Arc<dyn Instance>,
        path: &str,
        body: Body,
    ) -> Result<Reply, Failure> {
        let request = HttpRequest {
            method: if matches!(body, Body::Empty) { Method::GET } else { Method::POST },
            url: format!("http://app.localhost{path}"),
            headers: HeaderMap::new(),
            body,
            route: None,
            params: Vec::new(),
            remote: None,
            version: http::Version::HTTP_11,
        };
        Arc::clone(instance).run(self.call(Payload::Http(request))).await
    }

    pub(crate) async fn get(
        &self,
        instance: &Arc<dyn Instance>,
        path: &str,
        body: Body,
    ) -> (u16, HeaderMap, String, Outcome) {
        match self.send(instance, path, body).await {
            Ok(Reply::Http { head, body: ReplyBody::Complete(bytes, outcome) }) => {
                let text = String::from_utf8(bytes.to_vec()).unwrap();
                (head.status.as_u16(), head.headers, text, outcome)
            }
            Ok(Reply::Http { head, body: ReplyBody::Running(mut stream) }) => {
                let mut all = Vec::new();
                while let Some(piece) =
                    std::future::poll_fn(|cx| stream.as_mut().poll_data(cx)).await
                {
                    all.extend_from_slice(&piece.unwrap());
                }
                let text = String::from_utf8(all).unwrap();
                (
                    head.status.as_u16(),
                    head.headers,
                    text,
                    outcome(ReplyBody::Running(stream)).await,
                )
            }
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) async fn outcome(rest: ReplyBody) -> Outcome {
    match rest {
        ReplyBody::Complete(_, outcome) => outcome,
        ReplyBody::Running(mut stream) => {
            std::future::poll_fn(|cx| stream.as_mut().poll_outcome(cx)).await
        }
    }
}

/// The body of an answer as it came, and the fault that broke it off.
pub(crate) async fn body(body: ReplyBody) -> (Vec<String>, Option<Fault>) {
    let mut pieces = Vec::new();
    match body {
        ReplyBody::Complete(bytes, _) => pieces.push(String::from_utf8(bytes.to_vec()).unwrap()),
        ReplyBody::Running(mut stream) => {
            while let Some(piece) = std::future::poll_fn(|cx| stream.as_mut().poll_data(cx)).await {
                match piece {
                    Ok(piece) => pieces.push(String::from_utf8(piece.to_vec()).unwrap()),
                    Err(fault) => return (pieces, Some(fault)),
                }
            }
        }
    }
    (pieces, None)
}
