//! A node of a history: a real dispatcher and a real invoker, over a queue and a runtime of the history's own.

use std::collections::{BTreeMap, HashMap};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use arc_swap::ArcSwap;
use async_trait::async_trait;
use mayfly_control_api::{AppView, ReleaseView, Secrets, View};
use mayfly_manifest::RouteTable;
use mayfly_runtime_api::{
    Call, Failure, Instance, Keep, Payload, PrepareError, PrepareRequest, Prepared, Reply,
    ReplyBody, Runtime, StartRequest,
};
use mayfly_state_api::suite::{Faulty, Model, Plan};
use mayfly_state_api::{
    Accepted, Backlog, Begun, Completion, Error, InvocationQuery, InvocationQueue,
    InvocationRecord, InvocationStatus, KeyedEnd, KeyedRequest, Lease, Ledger, LedgerEntry,
    LogLine, LogQuery, LogStore, NewInvocation, Prices, Redrive, ReplyStore,
};
use mayfly_types::{
    AppKey, Fault, FunctionName, Outcome, OutcomeStatus, ReleaseNumber, RuntimeKind, TenantName,
};
use tokio::sync::{Notify, watch};

use super::world::{Act, World};
use super::*;
use crate::{Accounts, AnyHost, Invoker, Limits, Observers, Parts};

pub(super) struct Node {
    pub(super) dispatcher: Dispatcher,
    pub(super) shared: Arc<OfNode>,
}

/// What a node's parts know of it.
pub(super) struct OfNode {
    pub(super) world: Arc<World>,
    pub(super) number: u64,
    /// Once it is not, nothing that it began goes on.
    pub(super) alive: AtomicBool,
    /// It is to end, for a function took it with it.
    pub(super) killed: Notify,
    /// The queue answers nothing.
    pub(super) cut_off: AtomicBool,
    /// The queue does what it should.
    pub(super) calm: AtomicBool,
    /// Of so many ends of attempts the answer is lost.
    pub(super) unanswered: AtomicU32,
}

impl Node {
    pub(super) async fn start(world: &Arc<World>, number: u64, calm: bool) -> Self {
        let shared = Arc::new(OfNode {
            world: Arc::clone(world),
            number,
            alive: AtomicBool::new(true),
            killed: Notify::new(),
            cut_off: AtomicBool::new(false),
            calm: AtomicBool::new(calm),
            unanswered: AtomicU32::new(0),
        });
        let seed = world.seed.wrapping_add(number << 48);
        let plan = Plan { refused: 8, unanswered: 8, twice: 8, ..Plan::seeded(seed) };
        let faulty = Faulty::new(Arc::clone(&world.model), plan);
        let queue = Arc::new(Queue { node: Arc::clone(&shared), faulty });
        let invoker = invoker(&shared);
        loop {
            let parts =
                EventParts { queue: queue.clone(), clock: world.clock(), limits: world.limits };
            let of = Arc::clone(world);
            let jitter = Arc::new(move || of.roll(|random| random.part()));
            // A node that cannot read its queue does not start.
            match Dispatcher::start_with(parts, invoker.clone(), jitter).await {
                Ok(dispatcher) => return Self { dispatcher, shared },
                Err(_) => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    }

    /// It ends where it stands, as a machine without power does.
    pub(super) fn end(self) {
        self.shared.alive.store(false, Ordering::SeqCst);
        let mut book = self.shared.world.book.lock().unwrap();
        book.running.retain(|ran| ran.node != self.shared.number);
    }
}

impl OfNode {
    async fn unless_it_ended(&self) {
        if !self.alive.load(Ordering::SeqCst) {
            std::future::pending::<()>().await;
        }
    }
}

fn invoker(node: &Arc<OfNode>) -> Invoker {
    let mut view = View::default();
    for revision in &node.world.revisions {
        let key = revision.app().clone();
        let of_app = node.world.revisions.iter().filter(|other| *other.app() == key);
        let functions: HashMap<_, _> =
            of_app.map(|of| (of.function().clone(), Arc::clone(of))).collect();
        let (number, routes) = (ReleaseNumber(1), RouteTable::default());
        let release = Arc::new(ReleaseView { number, routes, functions });
        let secrets = Arc::new(Secrets { generation: 1, values: Default::default() });
        let app = AppView { key: key.clone(), live: vec![(100, release)], secrets };
        view.apps.insert(key, Arc::new(app));
    }
    let runtime: Arc<dyn Runtime> = Arc::new(Scripted(Arc::clone(node)));
    let clock = node.world.clock();
    Invoker::new(Parts {
        view: Arc::new(ArcSwap::from_pointee(view)),
        runtimes: Arc::new(BTreeMap::from([(RuntimeKind::Js, runtime)])),
        logs: Arc::new(Nowhere),
        ledger: Arc::new(Nowhere),
        replies: Arc::new(Nowhere),
        accounts: Arc::new(Accounts::new(clock.clone(), Prices::default())),
        clock,
        limits: Limits::default(),
        observers: Observers::default(),
        host: Arc::new(AnyHost),
    })
}

struct Scripted(Arc<OfNode>);

#[async_trait]
impl Runtime for Scripted {
    async fn prepare(&self, _request: PrepareRequest) -> Result<Prepared, PrepareError> {
        unreachable!("nothing is deployed")
    }

    async fn start(&self, request: StartRequest) -> Result<Arc<dyn Instance>, Fault> {
        let (app, function) = (request.revision.app(), request.revision.function());
        let of = self.0.world.of(app, function).unwrap();
        Ok(Arc::new(OfFunction(Arc::clone(&self.0), of)))
    }
}

struct OfFunction(Arc<OfNode>, usize);

impl Instance for OfFunction {
    fn keep(self: Arc<Self>, _keep: Keep) -> Pin<Box<dyn Future<Output = ()> + Send>> {
        Box::pin(std::future::ready(()))
    }

    fn run(
        self: Arc<Self>,
        call: Call,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send>> {
        Box::pin(async move {
            let Self(node, of) = &*self;
            let Payload::Event(event) = &call.payload else { panic!("it is an event") };
            let json = String::from_utf8(event.json.to_vec()).unwrap();
            node.unless_it_ended().await;
            let world = &node.world;
            world.begins(node.number, *of, call.id, event.attempt);
            let (mut act, takes) = world.act(&json, event.attempt);
            let most = world.revisions[*of].config().timeout.as_duration();
            if takes > most {
                act = Act::Hangs;
            }
            tokio::time::sleep(if act == Act::Hangs { most } else { takes }).await;
            node.unless_it_ended().await;
            if act == Act::Kills {
                world.tell("takes its node with it", call.id);
                node.killed.notify_one();
                std::future::pending::<()>().await;
            }
            world.ended(node.number, call.id, event.attempt, act);
            let code = match act {
                Act::Fails(code) => code,
                Act::Hangs => FaultCode::Timeout,
                Act::Answers | Act::Kills => {
                    let outcome = Outcome::nothing(OutcomeStatus::Ok);
                    let rest = ReplyBody::Complete(Bytes::new(), outcome);
                    return Ok(Reply::Event { json: Bytes::from_static(b"1"), rest });
                }
            };
            let outcome = Outcome::nothing(OutcomeStatus::Fault(code));
            Err(Failure { fault: Fault::new(code, "it failed"), outcome })
        })
    }
}

/// The queue as a node reaches it: late, with faults, or not at all.
struct Queue {
    node: Arc<OfNode>,
    faulty: Faulty<Arc<Model>>,
}

impl Queue {
    async fn reach<T>(
        &self,
        faulty: impl Future<Output = Result<T, Error>>,
        calm: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let node = &self.node;
        node.unless_it_ended().await;
        let rough = node.world.weather.faults && !node.calm.load(Ordering::SeqCst);
        if rough {
            self.late().await;
        }
        if node.cut_off.load(Ordering::SeqCst) {
            return Err(Error::Unavailable("it cannot be reached".into()));
        }
        node.unless_it_ended().await;
        let answer = if rough { faulty.await } else { calm.await };
        if rough {
            self.late().await;
        }
        node.unless_it_ended().await;
        answer
    }

    async fn late(&self) {
        let late = self.node.world.roll(|random| match random.below(10) {
            0..7 => 0,
            7..9 => random.below(20),
            _ => random.below(1_000),
        });
        if late > 0 {
            tokio::time::sleep(Duration::from_millis(late)).await;
        }
    }
}

#[async_trait]
impl InvocationQueue for Queue {
    async fn accept(&self, new: NewInvocation) -> Result<Accepted, Error> {
        self.reach(self.faulty.accept(new.clone()), self.faulty.inner().accept(new)).await
    }
    async fn backlogs(&self) -> Result<Vec<Backlog>, Error> {
        self.reach(self.faulty.backlogs(), self.faulty.inner().backlogs()).await
    }
    async fn lease(
        &self,
        app: &AppKey,
        function: &FunctionName,
        limit: usize,
        for_us: i64,
    ) -> Result<(Vec<Lease>, Option<i64>), Error> {
        let calm = self.faulty.inner().lease(app, function, limit, for_us);
        let leased = self.reach(self.faulty.lease(app, function, limit, for_us), calm).await?;
        let mut book = self.node.world.book.lock().unwrap();
        book.leases.extend(leased.0.iter().map(|lease| ((lease.id, lease.fence), lease.clone())));
        Ok(leased)
    }
    async fn extend(
        &self,
        leases: &[(InvocationId, u64)],
        for_us: i64,
    ) -> Result<Vec<InvocationId>, Error> {
        // Who fails to extend loses what runs, and that is for storms.
        let calm = || self.faulty.inner().extend(leases, for_us);
        self.reach(calm(), calm()).await
    }
    async fn complete(&self, completion: Completion) -> Result<InvocationStatus, Error> {
        self.node.world.follows(&completion);
        let calm = self.faulty.inner().complete(completion.clone());
        let told = self.reach(self.faulty.complete(completion), calm).await;
        let unanswered = &self.node.unanswered;
        let less = |left: u32| left.checked_sub(1);
        match unanswered.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less) {
            Ok(_) => Err(Error::Unavailable("its answer is lost".into())),
            Err(_) => told,
        }
    }
    async fn cancel(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<InvocationRecord, Error> {
        self.reach(self.faulty.cancel(tenant, id), self.faulty.inner().cancel(tenant, id)).await
    }
    async fn redrive(
        &self,
        app: &AppKey,
        function: &FunctionName,
        which: &Redrive,
        limit: usize,
    ) -> Result<usize, Error> {
        let calm = self.faulty.inner().redrive(app, function, which, limit);
        self.reach(self.faulty.redrive(app, function, which, limit), calm).await
    }
    async fn invocation(
        &self,
        tenant: &TenantName,
        id: InvocationId,
    ) -> Result<Option<InvocationRecord>, Error> {
        self.faulty.inner().invocation(tenant, id).await
    }
    async fn invocations(&self, query: &InvocationQuery) -> Result<Vec<InvocationRecord>, Error> {
        self.faulty.inner().invocations(query).await
    }
    async fn forget(&self, limit: usize) -> Result<usize, Error> {
        self.reach(self.faulty.forget(limit), self.faulty.inner().forget(limit)).await
    }
    async fn delete_app(&self, app: &AppKey) -> Result<(), Error> {
        self.faulty.inner().delete_app(app).await
    }
}

/// Where nothing is kept.
struct Nowhere;

#[async_trait]
impl Ledger for Nowhere {
    fn append(&self, _entry: &LedgerEntry<'_>) {}
    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
    fn lost(&self) -> u64 {
        0
    }
}

#[async_trait]
impl ReplyStore for Nowhere {
    async fn begin(&self, _request: &KeyedRequest, _for_us: i64) -> Result<Begun, Error> {
        unreachable!("events have their keys at the queue")
    }
    async fn end(&self, _request: &KeyedRequest, _end: KeyedEnd) -> Result<(), Error> {
        unreachable!("events have their keys at the queue")
    }
}

#[async_trait]
impl LogStore for Nowhere {
    fn append(&self, _line: LogLine) {}
    async fn query(&self, _query: LogQuery) -> Result<(Vec<LogLine>, u64), Error> {
        Ok((Vec::new(), 0))
    }
    fn position(&self) -> watch::Receiver<u64> {
        watch::channel(0).1
    }
    async fn flush(&self) -> Result<(), Error> {
        Ok(())
    }
    async fn delete_app(&self, _app: &AppKey) -> Result<(), Error> {
        Ok(())
    }
}
