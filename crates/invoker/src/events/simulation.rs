//! Dispatchers through histories of events, failures, ends of nodes and set clocks, in a time that only goes on
//! when all have done what they can.
//!
//! The dispatcher and the invoker are the real ones; the queue is `Model` behind faults, and the runtime does
//! what a seed says. One seed gives one history.

mod node;
mod regressions;
mod rules;
mod world;

use std::sync::atomic::Ordering;

use mayfly_control_api::Events;
use mayfly_state_api::suite::Random;
use tokio::time::Instant;

use self::node::Node;
use self::world::{Weather, World};
use super::*;
use bytes::Bytes;
use mayfly_control_api::Event;
use mayfly_state_api::{Completion, Redrive};
use mayfly_types::{AsyncConfig, FaultCode, HandlerStyle, InvocationId, TimeSpan};
use std::sync::Mutex;

const SECOND: Duration = Duration::from_secs(1);
/// How long events come.
const COME: u64 = 90_000;
/// How long all takes at most: an event may be tried for half an hour, and an attempt takes its time.
const OVER: Duration = Duration::from_secs(3 * 3_600);
const HOUR_US: i64 = 3_600_000_000;

/// What happens to the world.
#[derive(Debug, Clone, Copy)]
enum Happens {
    /// An event comes, due after so many milliseconds if not at once.
    Comes { number: u64, of: usize, delay: Option<u64> },
    /// Somebody cancels one.
    Cancelled { number: u64 },
    /// Somebody queues dead letters again.
    Redriven { of: usize },
    /// A node ends.
    Ends { node: usize },
    /// A node does not reach the queue, for so many milliseconds.
    CutOff { node: usize, millis: u64 },
    /// It does again.
    Reaches { node: usize },
    /// The clock is set.
    Jumps { by_us: i64 },
}

fn plan(world: &World, nodes: u64) -> Vec<(u64, Happens)> {
    world.roll(|random| {
        let mut plan = Vec::new();
        let many = random.between(1, 30).cast_unsigned();
        let time = |random: &mut Random| {
            let most = if random.chance(50) { 5_000 } else { COME };
            random.below(most)
        };
        for number in 0..many {
            let delay = random.chance(20).then(|| random.below(60_000));
            let of = random.below(3) as usize;
            plan.push((time(random), Happens::Comes { number, of, delay }));
        }
        for _ in 0..random.below(4) {
            plan.push((random.below(COME), Happens::Cancelled { number: random.below(many) }));
            plan.push((random.below(2 * COME), Happens::Redriven { of: random.below(3) as usize }));
        }
        if world.weather.storms {
            for _ in 0..random.below(4) {
                let node = random.below(nodes) as usize;
                plan.push((random.below(COME), Happens::Ends { node }));
                let millis = random.below(100_000);
                plan.push((random.below(COME), Happens::CutOff { node, millis }));
            }
        }
        let most_us = world.weather.jumps_us;
        if most_us > 0 {
            for _ in 0..random.between(1, 3) {
                let by_us = random.between(-most_us, most_us);
                plan.push((random.below(COME), Happens::Jumps { by_us }));
            }
        }
        plan
    })
}

fn id(number: u64) -> InvocationId {
    let mut id = [0; 16];
    id[..8].copy_from_slice(&(number + 1).to_be_bytes());
    InvocationId::from_bytes(id)
}

/// A history as it goes.
struct Life {
    world: Arc<World>,
    nodes: Vec<Node>,
    started: u64,
    /// Whoever takes events now.
    doors: Arc<Mutex<Vec<Arc<dyn Events>>>>,
    clients: Vec<tokio::task::JoinHandle<()>>,
    acknowledged: Arc<Mutex<Vec<InvocationId>>>,
}

impl Life {
    async fn begin(seed: u64, weather: Weather, nodes: u64) -> Self {
        let mut life = Self {
            world: Arc::new(World::new(seed, weather)),
            nodes: Vec::new(),
            started: 0,
            doors: Arc::default(),
            clients: Vec::new(),
            acknowledged: Arc::default(),
        };
        for _ in 0..nodes {
            let node = life.start(false).await;
            life.nodes.push(node);
        }
        life.open_doors();
        life
    }

    async fn start(&mut self, calm: bool) -> Node {
        self.started += 1;
        Node::start(&self.world, self.started, calm).await
    }

    fn open_doors(&self) {
        let doors = self.nodes.iter().map(|node| node.dispatcher.events());
        *self.doors.lock().unwrap() = doors.collect();
    }

    /// Another node in the place of one that ends.
    async fn replace(&mut self, at: usize, calm: bool) {
        let alone = self.nodes.len() == 1;
        self.nodes.remove(at).end();
        if alone {
            self.world.model.reopened();
        }
        let node = self.start(calm).await;
        self.nodes.insert(at, node);
        self.open_doors();
    }

    /// Waits until then; nodes that a function takes with it are replaced meanwhile.
    async fn until(&mut self, then: Instant, calm: bool) {
        loop {
            let shared: Vec<_> = self.nodes.iter().map(|node| Arc::clone(&node.shared)).collect();
            let killed = shared.iter().map(|node| Box::pin(node.killed.notified()));
            let killed = futures_util::future::select_all(killed);
            let at = tokio::select! {
                biased;
                (_, at, _) = killed => at,
                () = tokio::time::sleep_until(then) => return,
            };
            self.replace(at, calm).await;
        }
    }

    /// Does to the queue what a client does: until it is answered.
    fn client<T: Send + 'static>(
        &mut self,
        what: impl AsyncClient<T>,
        answered: impl FnOnce(Result<T, mayfly_control_api::Error>) + Send + 'static,
    ) {
        let (doors, world) = (Arc::clone(&self.doors), Arc::clone(&self.world));
        self.clients.push(tokio::spawn(async move {
            loop {
                let open = doors.lock().unwrap().clone();
                let door = world.roll(|random| Arc::clone(random.pick(&open)));
                match tokio::time::timeout(5 * SECOND, what.ask(door)).await {
                    Ok(Err(mayfly_control_api::Error::Unavailable(_))) | Err(_) => {
                        tokio::time::sleep(SECOND / 5).await;
                    }
                    Ok(answer) => return answered(answer),
                }
            }
        }));
    }

    async fn happens(&mut self, what: Happens) {
        let world = Arc::clone(&self.world);
        match what {
            Happens::Comes { number, of, delay } => {
                let (app, function) = world.lane(of);
                world.book.lock().unwrap().names.insert(id(number), format!("event {number}"));
                let due_us =
                    delay.map(|millis| world.now_us() + i64::try_from(millis * 1_000).unwrap());
                let event = Event {
                    id: id(number),
                    app,
                    function,
                    kind: "invoke".into(),
                    json: Bytes::from(number.to_string()),
                    due_us,
                    caller: None,
                    key: None,
                    trace: None,
                };
                let acknowledged = Arc::clone(&self.acknowledged);
                self.client(Accept(event), move |answer| {
                    acknowledged.lock().unwrap().push(answer.unwrap());
                    world.tell("is acknowledged", id(number));
                });
            }
            Happens::Cancelled { number } => {
                let tenants = [0, 2].map(|of| world.lane(of).0.tenant);
                let event = world.model.event(id(number));
                let tenant = event.map_or(tenants[0].clone(), |event| event.app.tenant);
                self.client(Cancel(tenant, id(number)), move |_| {
                    world.tell("is cancelled, or was over", id(number));
                });
            }
            Happens::Redriven { of } => {
                let (app, function) = world.lane(of);
                self.client(Redriven(app, function), |_| {});
            }
            Happens::Ends { node } => self.replace(node, false).await,
            Happens::CutOff { node, .. } => {
                self.nodes[node].shared.cut_off.store(true, Ordering::SeqCst);
            }
            Happens::Reaches { node } => {
                self.nodes[node].shared.cut_off.store(false, Ordering::SeqCst);
            }
            Happens::Jumps { by_us } => {
                world.jumped_us.fetch_add(by_us, Ordering::SeqCst);
            }
        }
    }

    /// Lives through a plan and until all is over.
    async fn through(mut self, mut plan: Vec<(u64, Happens)>) -> String {
        for at in 0..plan.len() {
            if let (from, Happens::CutOff { node, millis }) = plan[at] {
                plan.push((from + millis, Happens::Reaches { node }));
            }
        }
        plan.sort_by_key(|(at, _)| *at);
        let began = Instant::now();
        for (at, what) in plan {
            self.until(began + Duration::from_millis(at), false).await;
            self.happens(what).await;
        }
        for node in &self.nodes {
            node.shared.cut_off.store(false, Ordering::SeqCst);
            node.shared.calm.store(true, Ordering::SeqCst);
        }
        // What was due when the clock went back is due when it is there again.
        let back = Duration::from_micros(self.world.weather.jumps_us.cast_unsigned());
        let over = Instant::now() + OVER + 3 * back;
        while !(self.clients.iter().all(|client| client.is_finished()) && self.world.is_over()) {
            let left: Vec<_> =
                self.world.model.all().into_iter().filter(|all| !all.status.is_end()).collect();
            assert!(Instant::now() < over, "not all comes to an end: {left:#?}");
            self.until(Instant::now() + 5 * SECOND, true).await;
        }
        for client in std::mem::take(&mut self.clients) {
            client.await.unwrap();
        }
        // What runs twice ends after what is over.
        self.until(Instant::now() + 120 * SECOND, true).await;
        for node in &self.nodes {
            node.dispatcher.drain().await;
        }
        self.world.ends_well(&self.acknowledged.lock().unwrap());
        let mut book = self.world.book.lock().unwrap();
        let mut trace = std::mem::take(&mut book.trace);
        for record in self.world.model.all() {
            trace += &format!("{:?} after {} attempts\n", record.status, record.attempts.len());
        }
        trace
    }
}

/// What a client asks.
trait AsyncClient<T>: Send + Sync + 'static {
    fn ask(
        &self,
        door: Arc<dyn Events>,
    ) -> impl Future<Output = Result<T, mayfly_control_api::Error>> + Send;
}

struct Accept(Event);
struct Cancel(mayfly_types::TenantName, InvocationId);
struct Redriven(mayfly_types::AppKey, mayfly_types::FunctionName);

impl AsyncClient<InvocationId> for Accept {
    async fn ask(&self, door: Arc<dyn Events>) -> Result<InvocationId, mayfly_control_api::Error> {
        door.accept(self.0.clone()).await
    }
}

impl AsyncClient<()> for Cancel {
    async fn ask(&self, door: Arc<dyn Events>) -> Result<(), mayfly_control_api::Error> {
        door.cancel(&self.0, self.1).await.map(drop)
    }
}

impl AsyncClient<()> for Redriven {
    async fn ask(&self, door: Arc<dyn Events>) -> Result<(), mayfly_control_api::Error> {
        let which = Redrive::Accepted { since_us: 0, until_us: i64::MAX };
        door.redrive(&self.0, &self.1, &which).await.map(drop)
    }
}

fn paused<T>(life: impl Future<Output = T>) -> T {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(life)
}

fn simulate(seed: u64, weather: Weather) -> String {
    paused(async {
        let nodes = if weather.storms { 1 + seed % 2 } else { 1 };
        let life = Life::begin(seed, weather, nodes).await;
        let plan = plan(&life.world, nodes);
        let world = Arc::clone(&life.world);
        let lived = std::panic::AssertUnwindSafe(life.through(plan));
        match futures_util::FutureExt::catch_unwind(lived).await {
            Ok(trace) => trace,
            Err(panic) => {
                let book = world.book.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
                eprintln!("seed {seed}:\n{}", book.trace);
                std::panic::resume_unwind(panic)
            }
        }
    })
}

/// So many seeds, or as many as are wanted.
fn seeds(usual: u64) -> std::ops::Range<u64> {
    let wanted = std::env::var("MAYFLY_TEST_HISTORIES").ok().map(|many| many.parse().unwrap());
    0..wanted.unwrap_or(usual)
}

const CALM: Weather = Weather { faults: true, storms: false, jumps_us: 0 };
const STORMS: Weather = Weather { faults: true, storms: true, jumps_us: 0 };

#[test]
fn events_come_to_one_end_by_the_rules_over_a_queue_with_faults() {
    for seed in seeds(300) {
        simulate(seed, CALM);
    }
}

#[test]
fn events_come_to_one_end_by_the_rules_when_nodes_end_and_cannot_reach_the_queue() {
    for seed in seeds(200) {
        simulate(seed, STORMS);
    }
}

#[test]
fn events_come_to_one_end_however_the_clock_is_set() {
    for seed in seeds(60) {
        let jumps_us = if seed % 2 == 0 { 10_000_000 } else { 5 * HOUR_US };
        simulate(seed, Weather { jumps_us, ..CALM });
    }
}

#[test]
fn one_seed_gives_one_history() {
    for seed in 0..10 {
        assert_eq!(simulate(seed, STORMS), simulate(seed, STORMS));
    }
    assert_ne!(simulate(0, STORMS), simulate(1, STORMS));
    // Enough of each kind happens.
    let all: String = (0..60).map(|seed| simulate(seed, STORMS)).collect();
    for what in [
        "Hangs in its attempt 2",
        "Fails(Internal)",
        "Fails(TooManyRequests)",
        "takes its node with it",
        "Succeeded",
        "Failed",
        "Cancelled",
        "what is told of",
    ] {
        assert!(all.contains(what), "{what}");
    }
}
