//! The way of one invocation.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use mayfly_control_api::{Secrets, SharedView};
use mayfly_runtime_api::lambda::{self, EventContext};
use mayfly_runtime_api::{
    Answer, Body, Call, EventRequest, Failure, HttpRequest, Instance, Invocation, Invoke, Payload,
    Reply, Runtime, StartRequest, Target,
};
use mayfly_state_api::LogStore;
use mayfly_types::{AppKey, Fault, FaultCode, FunctionName, HandlerStyle, Revision, RuntimeKind};
use tokio::sync::oneshot;

use crate::answer::{self, Attempt, Settled, tokio_tasks::Tasks};
use crate::functions::{Function, Functions, Permit};
use crate::logs::FunctionLogs;

/// Largest body that becomes a JSON event, in bytes; Lambda's own limit.
const EVENT_BODY: usize = 6 << 20;
/// How often functions that nobody calls are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// The node's own limits.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Most attempts of one function at once, where its configuration does not say.
    pub function: u32,
    /// Most attempts at once of all functions.
    pub node: u32,
    /// How long a function that nobody calls keeps its instances.
    pub idle: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self { function: 1000, node: 4000, idle: Duration::from_secs(60) }
    }
}

/// What an invoker works with.
pub struct Parts {
    /// What is live.
    pub view: SharedView,
    /// The runtimes of this node.
    pub runtimes: Arc<BTreeMap<RuntimeKind, Arc<dyn Runtime>>>,
    /// Where log lines go.
    pub logs: Arc<dyn LogStore>,
    /// The node's own limits.
    pub limits: Limits,
}

/// Runs functions.
#[derive(Clone)]
pub struct Invoker {
    shared: Arc<Shared>,
}

struct Shared {
    parts: Parts,
    functions: Functions,
    running: Arc<AtomicU32>,
    tasks: Arc<Tasks>,
}

impl Invoker {
    /// An invoker, with a task that forgets functions that nobody calls and ends with it.
    pub fn new(parts: Parts) -> Self {
        let shared = Arc::new(Shared {
            parts,
            functions: Functions::default(),
            running: Arc::default(),
            tasks: Arc::default(),
        });
        let weak = Arc::downgrade(&shared);
        tokio::spawn(async move {
            let mut interval = tokio::time::interval(SWEEP);
            loop {
                interval.tick().await;
                let Some(shared) = weak.upgrade() else { return };
                let keep = shared.parts.limits.idle.as_secs().div_ceil(SWEEP.as_secs());
                shared.functions.sweep(keep);
            }
        });
        Self { shared }
    }

    /// Waits for attempts that go on after their answer.
    pub async fn drain(&self) {
        self.shared.tasks.wait().await;
    }
}

#[async_trait]
impl Invoke for Invoker {
    async fn invoke(&self, invocation: Invocation) -> Result<Answer, Fault> {
        self.run(invocation, None).await
    }
}

impl Invoker {
    /// Runs an invocation once; `told` has what that came to when the last of it has ended, and nothing when
    /// it did not begin.
    pub(crate) async fn run(
        &self,
        invocation: Invocation,
        told: Option<oneshot::Sender<Settled>>,
    ) -> Result<Answer, Fault> {
        let (revision, secrets) = self.shared.revision(&invocation.target)?;
        let function = self.shared.functions.get(&revision, secrets.generation);
        let limits = self.shared.parts.limits;
        let limit = revision.config().concurrency.unwrap_or(limits.function);
        let permit = Permit::take(&function, &self.shared.running, limit, limits.node)?;
        let instance = self.shared.instance(&function, &secrets).await?;
        let tasks = Arc::clone(&self.shared.tasks);
        let attempt = Attempt { id: invocation.id, tasks, permit, told };
        let deadline = Instant::now() + revision.config().timeout.as_duration();
        let id = invocation.id;
        match (revision.style(), invocation.payload) {
            (HandlerStyle::Fetch, payload) => {
                let call = Call { id, payload, deadline };
                run(instance, call, attempt).await
            }
            (HandlerStyle::Event, Payload::Event(event)) => {
                let call = Call { id, payload: Payload::Event(event), deadline };
                self.shared.run_to_end(instance, call, attempt).await
            }
            (HandlerStyle::Event, Payload::Http(request)) => {
                let event = event(&revision, id, request).await?;
                let call = Call { id, payload: Payload::Event(event), deadline };
                let answer = self.shared.run_to_end(instance, call, attempt).await?;
                let Answer::Event(json) = answer else { return Ok(answer) };
                let (head, body) = lambda::http_from_result(&json)?;
                Ok(Answer::Http { head, body: Body::full(body) })
            }
        }
    }

    /// A revision of a function that is live.
    pub(crate) fn live(&self, app: &AppKey, function: &FunctionName) -> Option<Arc<Revision>> {
        let target = Target { app: app.clone(), function: function.clone(), release: None };
        self.shared.revision(&target).ok().map(|(revision, _)| revision)
    }

    /// The node's own limits.
    pub(crate) fn limits(&self) -> Limits {
        self.shared.parts.limits
    }
}

impl Shared {
    fn revision(&self, target: &Target) -> Result<(Arc<Revision>, Arc<Secrets>), Fault> {
        let view = self.parts.view.load();
        let app = view.apps.get(&target.app).ok_or_else(|| {
            Fault::new(FaultCode::NotFound, format!("there is no app `{}`", target.app.app))
        })?;
        // A release that is no longer live was chosen a moment ago: what is live now serves.
        let pinned = target.release.and_then(|number| app.release(number));
        let release = pinned.or_else(|| app.release_at(rand::random()));
        let revision = release.and_then(|release| release.functions.get(&target.function));
        let revision = revision.ok_or_else(|| {
            let message = format!("app `{}` has no function `{}`", target.app.app, target.function);
            Fault::new(FaultCode::NotFound, message)
        })?;
        Ok((Arc::clone(revision), Arc::clone(&app.secrets)))
    }

    async fn instance(
        &self,
        function: &Arc<Function>,
        secrets: &Secrets,
    ) -> Result<Arc<dyn Instance>, Fault> {
        let start = || async {
            let revision = &function.revision;
            let kind = revision.config().runtime;
            let runtime = self.parts.runtimes.get(&kind).ok_or_else(|| {
                Fault::new(FaultCode::Unavailable, format!("this node has no runtime `{kind}`"))
            })?;
            let named = &revision.config().secrets;
            let given = secrets.values.iter().filter(|(name, _)| named.contains(name));
            runtime
                .start(StartRequest {
                    revision: Arc::clone(revision),
                    secrets: Arc::new(given.map(|(n, v)| (n.clone(), v.clone())).collect()),
                    logs: Arc::new(FunctionLogs {
                        store: Arc::clone(&self.parts.logs),
                        app: revision.app().clone(),
                        function: revision.function().clone(),
                    }),
                })
                .await
        };
        function.instance.get_or_try_init(start).await.cloned()
    }

    /// Runs an attempt that its caller cannot stop by leaving.
    async fn run_to_end(
        &self,
        instance: Arc<dyn Instance>,
        call: Call,
        attempt: Attempt,
    ) -> Result<Answer, Fault> {
        let ran = self.tasks.spawn(run(instance, call, attempt));
        ran.await.unwrap_or_else(|error| {
            tracing::error!(%error, "an attempt's task broke");
            Err(Fault::new(FaultCode::Internal, "the attempt was lost"))
        })
    }
}

async fn run(instance: Arc<dyn Instance>, call: Call, attempt: Attempt) -> Result<Answer, Fault> {
    match instance.run(call).await {
        Ok(Reply::Http { head, body }) => {
            Ok(Answer::Http { head, body: answer::body(body, attempt) })
        }
        Ok(Reply::Event { json, rest }) => {
            answer::finish(rest, attempt);
            Ok(Answer::Event(json))
        }
        Err(Failure { fault, outcome }) => {
            attempt.settle(&outcome);
            Err(fault)
        }
    }
}

/// An HTTP request as an event of payload format 2.0.
async fn event(
    revision: &Revision,
    id: mayfly_types::InvocationId,
    mut request: HttpRequest,
) -> Result<EventRequest, Fault> {
    let body: Bytes = std::mem::take(&mut request.body).collect(EVENT_BODY).await?;
    let context = EventContext {
        account: "000000000000".into(),
        api: revision.app().app.to_string(),
        stage: "$default".into(),
        time: SystemTime::now(),
    };
    let json = lambda::event_from_http(&request, &body, id, &context);
    Ok(EventRequest { kind: "http".into(), json, attempt: 1 })
}
