//! The way of one invocation.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use async_trait::async_trait;
use bytes::Bytes;
use mayfly_control_api::{FunctionMeter, Meters, NodeMeter, Secrets, SharedView, TenantView};
use mayfly_runtime_api::lambda::{self, EventContext};
use mayfly_runtime_api::{
    Answer, Answered, Body, Call, EventRequest, Failure, HttpRequest, Instance, Invocation, Invoke,
    LogLevel, LogSink, Payload, Reply, Runtime, Spans, StartRequest, Target, Trace,
};
use mayfly_state_api::{Ledger, LogStore, ReplyStore, Sums};
use mayfly_types::{
    AppKey, Blame, Fault, FaultCode, FunctionName, HandlerStyle, Outcome, OutcomeStatus, Revision,
    RuntimeKind,
};
use tokio::sync::oneshot;

use crate::Clock;
use crate::accounts::{Account, Accounts, Hold};
use crate::admission::{Admission, Limits, Permit};
use crate::answer::{self, Attempt, Settled, tokio_tasks::Tasks};
use crate::functions::{Function, Functions};
use crate::keep::{self, Host};
use crate::keyed;
use crate::logs::FunctionLogs;
use crate::trace::{self, Observers, Traced};

/// Largest body that becomes a JSON event, in bytes; Lambda's own limit.
const EVENT_BODY: usize = 6 << 20;
/// How often functions that nobody calls are looked for.
const SWEEP: Duration = Duration::from_secs(10);

/// What an invoker works with.
pub struct Parts {
    /// What is live.
    pub view: SharedView,
    /// The runtimes of this node.
    pub runtimes: Arc<BTreeMap<RuntimeKind, Arc<dyn Runtime>>>,
    /// Where log lines go.
    pub logs: Arc<dyn LogStore>,
    /// Where records of attempts go.
    pub ledger: Arc<dyn Ledger>,
    /// Where answers are kept for requests that come again.
    pub replies: Arc<dyn ReplyStore>,
    /// What was used, and may be.
    pub accounts: Arc<Accounts>,
    /// The time.
    pub clock: Clock,
    /// The node's own limits.
    pub limits: Limits,
    /// Who is told of what runs.
    pub observers: Observers,
    /// What is known of the machine.
    pub host: Arc<dyn Host>,
}

/// Runs functions.
#[derive(Clone)]
pub struct Invoker {
    pub(crate) shared: Arc<Shared>,
}

pub(crate) struct Shared {
    pub(crate) parts: Parts,
    pub(crate) functions: Functions,
    refusals: Refusals,
    pub(crate) admission: Admission,
    pub(crate) tasks: Arc<Tasks>,
    pub(crate) keyed: Arc<keyed::Running>,
}

impl Invoker {
    /// An invoker, with a task that forgets functions that nobody calls and ends with it.
    pub fn new(parts: Parts) -> Self {
        let shared = Arc::new(Shared {
            admission: Admission::new(parts.limits),
            parts,
            functions: Functions::default(),
            refusals: Refusals::default(),
            tasks: Arc::default(),
            keyed: Arc::default(),
        });
        shared.admission.watch(Arc::clone(&shared.parts.host));
        tokio::spawn(keep::run(Arc::downgrade(&shared)));
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
    async fn invoke(&self, mut invocation: Invocation) -> Answered {
        match invocation.key.take() {
            None => self.run(invocation, None).await.into(),
            // Few have one, and its future is large.
            Some(key) => Box::pin(self.run_keyed(invocation, key)).await,
        }
    }
}

impl Invoker {
    /// Runs an invocation once; `told` has what that came to when the last of it has ended, and nothing when
    /// it did not begin.
    pub(crate) async fn run(
        &self,
        mut invocation: Invocation,
        told: Option<oneshot::Sender<Settled>>,
    ) -> Result<Answer, Fault> {
        let shared = &self.shared;
        let queue = invocation.trace.as_ref().map(Trace::wait);
        let admitted = self.admit(&invocation.target).await;
        if let Some(queue) = queue {
            let Target { app, function, .. } = &invocation.target;
            trace::waited(queue, invocation.id, (app, function), admitted.as_ref().err());
        }
        let Admitted { function, permit, hold } =
            admitted.inspect_err(|fault| shared.refusals.count(fault.code))?;
        let revision = Arc::clone(&function.revision);
        let started_us = (shared.parts.clock)();
        if revision.config().runtime.is_process() {
            function.account.begins(started_us);
        }
        let mut attempt = Attempt {
            id: invocation.id,
            number: match &invocation.payload {
                Payload::Event(event) => event.attempt,
                Payload::Http(_) => 1,
            },
            caller: invocation.caller,
            started_us,
            shared: Arc::clone(shared),
            function: Arc::clone(&function),
            permit,
            hold,
            request: None,
            recorded: None,
            told,
            trace: invocation.trace.take().map(Traced::admitted),
        };
        let instance = match shared.instance(&function).await {
            Ok(instance) => instance,
            Err(fault) => {
                if let Some(traced) = attempt.trace.take() {
                    traced.not_started(attempt.id, &function, &fault);
                }
                // A function that cannot even start has had its attempt.
                if fault.code.blame() == Blame::Function {
                    let nothing = Outcome::nothing(OutcomeStatus::Fault(fault.code));
                    attempt.settle(&Outcome { cold: true, ..nothing });
                }
                return Err(fault);
            }
        };
        let deadline = Instant::now() + revision.config().timeout.as_duration();
        let id = invocation.id;
        let trace = attempt.trace.as_mut().map(|traced| traced.started(&mut invocation.payload));
        match (revision.style(), invocation.payload) {
            (HandlerStyle::Fetch, payload) => {
                let call = Call { id, payload, deadline, trace };
                run(instance, call, attempt).await
            }
            (HandlerStyle::Event, Payload::Event(event)) => {
                let call = Call { id, payload: Payload::Event(event), deadline, trace };
                shared.run_to_end(instance, call, attempt).await
            }
            (HandlerStyle::Event, Payload::Http(request)) => {
                let (event, bytes_in) = event(&revision, id, request).await?;
                let call = Call { id, payload: Payload::Event(event), deadline, trace };
                shared
                    .run_to_end(instance, call, Attempt { request: Some(bytes_in), ..attempt })
                    .await
            }
        }
    }

    /// Lets an attempt begin, if its tenant, its limits and its budgets do.
    async fn admit(&self, target: &Target) -> Result<Admitted, Fault> {
        let shared = &self.shared;
        let (revision, secrets) = shared.revision(target)?;
        let accounts = &shared.parts.accounts;
        let function = shared.functions.get(&revision, &secrets, accounts);
        let tenant = shared.tenant(revision.app());
        served(tenant.as_deref())?;
        let account = &function.account;
        let (key, lane, config) = (&account.key, &account.lane, revision.config());
        let permit = shared.admission.enter(key, lane, config).await?;
        let hold = match &tenant {
            Some(tenant) => accounts.hold(account, &tenant.budgets, config)?,
            None => None,
        };
        Ok(Admitted { function, permit, hold })
    }

    /// A revision of a function that is live.
    pub(crate) fn live(&self, app: &AppKey, function: &FunctionName) -> Option<Arc<Revision>> {
        let target = Target { app: app.clone(), function: function.clone(), release: None };
        self.shared.revision(&target).ok().map(|(revision, _)| revision)
    }

    /// Where records of attempts go.
    pub(crate) fn ledger(&self) -> &dyn Ledger {
        &*self.shared.parts.ledger
    }

    /// Who takes spans, where traces are kept.
    pub(crate) fn spans(&self) -> Option<&Arc<dyn Spans>> {
        self.shared.parts.observers.spans.as_ref()
    }

    /// The node's own limits.
    pub(crate) fn limits(&self) -> Limits {
        self.shared.admission.limits()
    }
}

/// An attempt that may begin.
struct Admitted {
    function: Arc<Function>,
    permit: Permit,
    hold: Option<Hold>,
}

/// Invocations that were refused before anything ran, by why.
#[derive(Default)]
struct Refusals(Mutex<BTreeMap<&'static str, (FaultCode, u64)>>);

impl Refusals {
    fn count(&self, code: FaultCode) {
        let mut counts = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counts.entry(code.as_str()).or_insert((code, 0)).1 += 1;
    }
}

impl Meters for Invoker {
    fn functions(&self) -> Vec<FunctionMeter> {
        self.shared.parts.accounts.meters()
    }

    fn node(&self) -> NodeMeter {
        let (running, waiting) = self.shared.admission.now();
        let refused = self.shared.refusals.0.lock().unwrap_or_else(PoisonError::into_inner);
        NodeMeter {
            running: running.into(),
            waiting: waiting as u64,
            refused: refused.values().copied().collect(),
        }
    }
}

impl Shared {
    /// What is laid down for an app's tenant.
    fn tenant(&self, app: &AppKey) -> Option<Arc<TenantView>> {
        let view = self.parts.view.load();
        // Most nodes have no such tenant.
        if view.tenants.is_empty() {
            return None;
        }
        view.tenants.get(&app.tenant).cloned()
    }

    /// Counts what an attempt came to, and warns of budgets that are used up with it.
    pub(crate) fn settle(&self, account: &Account, started_us: i64, sums: Sums, took_us: u64) {
        let tenant = self.tenant(&account.app);
        let budgets = tenant.as_ref().map_or(&[][..], |tenant| &tenant.budgets);
        let accounts = &self.parts.accounts;
        for (budget, used) in accounts.settle(account, budgets, started_us, sums, took_us) {
            let (key, prices) = (&budget.key, accounts.prices());
            let show = |amount| key.meter.show(amount, prices);
            let message = format!(
                "the soft budget of {} for each {} is used up: {} of {}",
                key.scope(),
                key.period,
                show(used),
                show(budget.limit)
            );
            tracing::warn!(tenant = %budget.tenant, "{message}");
            self.logs(account.app.clone(), account.function.clone()).write(
                None,
                LogLevel::Warn,
                &message,
            );
        }
    }

    pub(crate) fn logs(&self, app: AppKey, function: FunctionName) -> FunctionLogs {
        FunctionLogs { store: Arc::clone(&self.parts.logs), app, function }
    }

    /// Refuses what is for an app of a tenant that is suspended.
    pub(crate) fn is_served(&self, app: &AppKey) -> Result<(), Fault> {
        served(self.tenant(app).as_deref())
    }

    pub(crate) fn revision(&self, target: &Target) -> Result<(Arc<Revision>, Arc<Secrets>), Fault> {
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

    /// A function's instance, which is started where there is none.
    pub(crate) async fn instance(&self, function: &Function) -> Result<Arc<dyn Instance>, Fault> {
        let start = || async {
            let (revision, secrets) = (&function.revision, function.secrets());
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
                    logs: Arc::new(self.logs(revision.app().clone(), revision.function().clone())),
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

fn served(tenant: Option<&TenantView>) -> Result<(), Fault> {
    match tenant {
        Some(tenant) if tenant.suspended => {
            Err(Fault::new(FaultCode::Suspended, "the tenant of this app is suspended"))
        }
        _ => Ok(()),
    }
}

async fn run(instance: Arc<dyn Instance>, call: Call, attempt: Attempt) -> Result<Answer, Fault> {
    // A caller that leaves before there is an answer drops this here, and has run it all the same.
    let left = answer::Left::before(attempt);
    let ran = instance.run(call).await;
    let attempt = left.stayed();
    match ran {
        Ok(Reply::Http { head, body }) => {
            Ok(Answer::Http { head, body: answer::body(body, attempt) })
        }
        Ok(Reply::Event { json, rest }) => match attempt.request {
            None => {
                answer::finish(rest, attempt, |_| {});
                Ok(Answer::Event(json))
            }
            Some(bytes_in) => {
                // Callers are billed by what they sent and were sent, and not by what it looked like inside.
                let answer = lambda::http_from_result(&json);
                let bytes_out = answer.as_ref().map_or(0, |(_, body)| body.len() as u64);
                let wrong = answer.as_ref().err().map(|fault| OutcomeStatus::Fault(fault.code));
                answer::finish(rest, attempt, move |outcome| {
                    (outcome.bytes_in, outcome.bytes_out) = (bytes_in, bytes_out);
                    outcome.status = wrong.unwrap_or(outcome.status);
                });
                let (head, body) = answer?;
                Ok(Answer::Http { head, body: Body::full(body) })
            }
        },
        Err(Failure { fault, mut outcome }) => {
            outcome.bytes_in = attempt.request.unwrap_or(outcome.bytes_in);
            attempt.settle(&outcome);
            Err(fault)
        }
    }
}

/// An HTTP request as an event of payload format 2.0, and how many bytes its body has.
async fn event(
    revision: &Revision,
    id: mayfly_types::InvocationId,
    mut request: HttpRequest,
) -> Result<(EventRequest, u64), Fault> {
    let body: Bytes = std::mem::take(&mut request.body).collect(EVENT_BODY).await?;
    let context = EventContext {
        account: "000000000000".into(),
        api: revision.app().app.to_string(),
        stage: "$default".into(),
        time: SystemTime::now(),
    };
    let json = lambda::event_from_http(&request, &body, id, &context);
    Ok((EventRequest { kind: "http".into(), json, attempt: 1 }, body.len() as u64))
}
