//! A runtime, an invoker and logs that do as a test tells them.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use mayfly_control::{SealError, Sealer};
use mayfly_control_api::{
    BudgetSummary, Durations, Error as ControlError, Event, Events, FunctionMeter, Meters,
    NodeMeter, SharedView, Spending,
};
use mayfly_runtime_api::{
    Answer, Answered, Diagnostic, Instance, Invocation, Invoke, PrepareError, PrepareRequest,
    Prepared, Runtime, StartRequest,
};
use mayfly_state_api::{
    Accepted, BudgetRecord, Error, InvocationQueue, InvocationRecord, LogLine, LogQuery, LogStore,
    NewInvocation, Redrive, Sums,
};
use mayfly_state_embedded::Keys;
use mayfly_types::{
    AppKey, AppName, Digest, Fault, FaultCode, FunctionName, HandlerStyle, InvocationId, TenantName,
};
use tokio::sync::{Notify, watch};

/// Prepares everything but what it was told not to.
#[derive(Default)]
pub(crate) struct FakeRuntime {
    refused: Mutex<HashMap<Digest, PrepareError>>,
    asked: Mutex<Vec<Digest>>,
}

impl FakeRuntime {
    pub(crate) fn refuse(&self, artifact: Digest, error: PrepareError) {
        self.refused.lock().unwrap().insert(artifact, error);
    }

    /// What was asked for since the last call.
    pub(crate) fn asked(&self) -> Vec<Digest> {
        std::mem::take(&mut self.asked.lock().unwrap())
    }
}

#[async_trait]
impl Runtime for FakeRuntime {
    async fn prepare(&self, request: PrepareRequest) -> Result<Prepared, PrepareError> {
        self.asked.lock().unwrap().push(request.artifact);
        match self.refused.lock().unwrap().get(&request.artifact) {
            Some(error) => Err(error.clone()),
            None => Ok(Prepared {
                style: HandlerStyle::Fetch,
                logs: vec!["top level".into()],
                notes: vec!["a note".into()],
            }),
        }
    }

    async fn start(&self, _request: StartRequest) -> Result<std::sync::Arc<dyn Instance>, Fault> {
        Err(Fault::new(FaultCode::Internal, "nothing starts here"))
    }
}

/// Answers each invocation with what comes next.
#[derive(Default)]
pub(crate) struct FakeInvoke {
    pub(crate) answers: Mutex<Vec<Result<Answer, Fault>>>,
    pub(crate) taken: Mutex<Vec<Invocation>>,
}

#[async_trait]
impl Invoke for FakeInvoke {
    async fn invoke(&self, invocation: Invocation) -> Answered {
        self.taken.lock().unwrap().push(invocation);
        let mut answers = self.answers.lock().unwrap();
        if answers.is_empty() {
            return Err(Fault::new(FaultCode::NotFound, "nothing was to be answered")).into();
        }
        answers.remove(0).into()
    }
}

/// Logs in memory, which tell when they are read.
pub(crate) struct MemoryLogs {
    lines: Mutex<Vec<LogLine>>,
    position: watch::Sender<u64>,
    pub(crate) read: Notify,
}

impl Default for MemoryLogs {
    fn default() -> Self {
        Self { lines: Mutex::default(), position: watch::channel(0).0, read: Notify::new() }
    }
}

#[async_trait]
impl LogStore for MemoryLogs {
    fn append(&self, line: LogLine) {
        let mut lines = self.lines.lock().unwrap();
        lines.push(line);
        self.position.send_replace(lines.len() as u64);
    }

    async fn query(&self, query: LogQuery) -> Result<(Vec<LogLine>, u64), Error> {
        let lines = self.lines.lock().unwrap();
        let after = usize::try_from(query.after.unwrap_or(0)).unwrap();
        let fits = |line: &&LogLine| {
            line.app == query.app
                && query.function.as_ref().is_none_or(|function| *function == line.function)
        };
        let found = lines.iter().skip(after).filter(fits).take(query.limit).cloned().collect();
        self.read.notify_one();
        Ok((found, lines.len() as u64))
    }

    fn position(&self) -> watch::Receiver<u64> {
        self.position.subscribe()
    }

    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }

    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        self.lines.lock().unwrap().retain(|line| line.app != *app);
        Ok(())
    }
}

/// The embedded keys, as the binary adapts them.
pub(crate) struct KeysSealer(pub(crate) Keys);

impl Sealer for KeysSealer {
    fn key_id(&self) -> String {
        self.0.key_id().to_owned()
    }

    fn seal(&self, aad: &[u8], plain: &[u8]) -> Result<Vec<u8>, SealError> {
        self.0.seal(aad, plain).map_err(|error| SealError::Failed(error.to_string()))
    }

    fn open(&self, key_id: &str, aad: &[u8], sealed: &[u8]) -> Result<Vec<u8>, SealError> {
        let opened = self.0.unseal(key_id, aad, sealed);
        opened.map(|value| value.to_vec()).map_err(|_| SealError::Damaged)
    }
}

/// Budgets of which half is used.
pub(crate) struct HalfSpent;

impl Spending for HalfSpent {
    fn spent(&self, budget: &BudgetRecord) -> BudgetSummary {
        let (key, limit) = (budget.key.clone(), budget.limit);
        BudgetSummary { key, limit, used: limit / 2.0, held: 0.0, resets_us: 1_700_006_400_000_000 }
    }
}

/// As many functions as have series of their own, and three more; two tenants have the half of them each.
pub(crate) struct ManyFunctions;

impl Meters for ManyFunctions {
    fn functions(&self) -> Vec<FunctionMeter> {
        let meter = |i: u64| {
            let tenant = if i.is_multiple_of(2) { "default" } else { "acme" };
            let app = AppName::new("photos").unwrap();
            let mut durations = Durations::default();
            (0..i + 1).for_each(|_| durations.add(3_000));
            let attempts = i + 1;
            FunctionMeter {
                app: AppKey::new(TenantName::new(tenant).unwrap(), app),
                function: FunctionName::new(&format!("f{i}")).unwrap(),
                sums: Sums { attempts, function_faults: 1, billed_ms: 1_500, ..Sums::default() },
                durations,
                running: 1,
                waiting: 0,
            }
        };
        (0..1_003).map(meter).collect()
    }

    fn node(&self) -> NodeMeter {
        let refused = vec![(FaultCode::TooManyRequests, 7)];
        NodeMeter { running: 4, waiting: 2, refused }
    }
}

/// Events of functions that are live, in a queue that nobody runs.
pub(crate) struct QueuedEvents {
    pub(crate) queue: Arc<dyn InvocationQueue>,
    pub(crate) view: SharedView,
}

#[async_trait]
impl Events for QueuedEvents {
    async fn accept(&self, event: Event) -> Result<InvocationId, ControlError> {
        let Event { id, app, function, kind, json, due_us, caller, key, trace: _ } = event;
        let view = self.view.load();
        let live = view.apps.get(&app).and_then(|app| app.release_at(0));
        if live.is_none_or(|release| !release.functions.contains_key(&function)) {
            return Err(ControlError::NotFound { what: format!("function {function}") });
        }
        let (payload, due_us, max_age_us) = (json.into(), due_us.unwrap_or(0), 3_600_000_000);
        let new =
            NewInvocation { id, app, function, kind, payload, due_us, max_age_us, caller, key };
        match self.queue.accept(new).await? {
            Accepted::Queued { .. } => Ok(id),
            Accepted::Known(id) => Ok(id),
            Accepted::Differs => {
                Err(ControlError::Invalid(vec![Diagnostic::new("another payload")]))
            }
        }
    }

    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, ControlError> {
        Ok(self.queue.cancel(tenant, id).await?)
    }

    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
    ) -> Result<usize, ControlError> {
        Ok(self.queue.redrive(app, function, which, 1_000).await?)
    }
}
