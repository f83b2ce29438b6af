//! What a history is lived in: functions that do what their events say, and what is known of each attempt.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::sync::atomic::{AtomicI64, Ordering};

use mayfly_state_api::suite::{Model, Random, What, app, function, revision};
use mayfly_state_api::{InvocationStatus, Lease};
use mayfly_types::{AppKey, Destination, FunctionConfig, FunctionName, Revision, TenantName};
use tokio::time::Instant;

use super::*;

/// When histories begin, in UTC microseconds since 1970.
pub(super) const BEGIN_US: i64 = 1_700_000_000_000_000;

/// What a function does with an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Answers,
    Fails(FaultCode),
    /// It goes on until its time is over.
    Hangs,
    /// It takes the node with it.
    Kills,
}

/// How rough the world is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Weather {
    /// The queue fails, forgets to answer and does things twice.
    pub(super) faults: bool,
    /// Nodes end, and the queue cannot be reached for a while.
    pub(super) storms: bool,
    /// The clock is set, by so many microseconds at most.
    pub(super) jumps_us: i64,
}

/// One attempt that runs.
pub(super) struct Running {
    pub(super) id: InvocationId,
    pub(super) attempt: u32,
    pub(super) node: u64,
    of: usize,
    /// How much had happened in the queue when it began.
    from: usize,
}

#[derive(Default)]
pub(super) struct Book {
    pub(super) running: Vec<Running>,
    /// What attempts came to, until that is told to the queue.
    pub(super) came: BTreeMap<(InvocationId, u32), Act>,
    pub(super) leases: BTreeMap<(InvocationId, u64), Lease>,
    pub(super) told: BTreeMap<(InvocationId, u64), Completion>,
    /// What clients named.
    pub(super) names: BTreeMap<InvocationId, String>,
    pub(super) trace: String,
    pub(super) attempts: u64,
}

pub(super) struct World {
    pub(super) seed: u64,
    pub(super) weather: Weather,
    pub(super) model: Arc<Model>,
    pub(super) revisions: Vec<Arc<Revision>>,
    pub(super) limits: EventLimits,
    pub(super) random: Mutex<Random>,
    pub(super) book: Mutex<Book>,
    pub(super) began: Instant,
    pub(super) jumped_us: Arc<AtomicI64>,
}

impl World {
    pub(super) fn new(seed: u64, weather: Weather) -> Self {
        let mut random = Random::new(seed);
        let (began, jumped_us) = (Instant::now(), Arc::new(AtomicI64::new(0)));
        let clock = clock(began, &jumped_us);
        let revisions = revisions(&mut random);
        let limits = EventLimits {
            at_once: *random.pick(&[1, 2, 4, 64]),
            lease: Duration::from_secs(random.between(6, 60).cast_unsigned()),
            ..EventLimits::default()
        };
        Self {
            seed,
            weather,
            model: Arc::new(Model::new(clock)),
            revisions,
            limits,
            random: Mutex::new(random),
            book: Mutex::default(),
            began,
            jumped_us,
        }
    }

    pub(super) fn now_us(&self) -> i64 {
        (self.clock())()
    }

    pub(super) fn clock(&self) -> crate::Clock {
        clock(self.began, &self.jumped_us)
    }

    pub(super) fn roll<T>(&self, roll: impl FnOnce(&mut Random) -> T) -> T {
        roll(&mut self.random.lock().unwrap())
    }

    pub(super) fn tell(&self, what: &str, id: InvocationId) {
        let mut book = self.book.lock().unwrap();
        let name = book.names.get(&id).cloned().unwrap_or_else(|| self.told_of(&book, id));
        let at = self.began.elapsed().as_millis();
        writeln!(book.trace, "{at} ms: {name} {what}").unwrap();
    }

    /// The name of an event that tells of another, whose id is another in each run.
    fn told_of(&self, book: &Book, id: InvocationId) -> String {
        let record = self.model.event(id).and_then(|event| told(&event.payload));
        let of = record.and_then(|(of, _)| book.names.get(&of).cloned());
        format!("what is told of {}", of.unwrap_or_default())
    }

    pub(super) fn of(&self, app: &AppKey, function: &FunctionName) -> Option<usize> {
        self.revisions.iter().position(|of| (of.app(), of.function()) == (app, function))
    }

    /// What the function does in an attempt, and how long that takes.
    pub(super) fn act(&self, json: &str, attempt: u32) -> (Act, Duration) {
        let Ok(number) = json.parse::<u64>() else {
            return (Act::Answers, Duration::from_millis(2));
        };
        let mut random = Random::new(self.seed ^ (number << 32));
        let kind = random.below(20);
        // The same in each of its attempts, and then another.
        let mut random = Random::new(random.number() ^ u64::from(attempt));
        let most = if random.chance(20) { 20_000 } else { 500 };
        let takes = Duration::from_millis(random.below(most));
        let fails = *random.pick(&[FaultCode::FunctionError, FaultCode::OutOfMemory]);
        let act = match kind {
            0..7 => Act::Answers,
            7..10 => Act::Fails(fails),
            10..14 if random.chance(60) => Act::Fails(fails),
            14..16 if attempt < 6 => {
                Act::Fails(*random.pick(&[FaultCode::TooManyRequests, FaultCode::Internal]))
            }
            16..18 if random.chance(70) => Act::Hangs,
            18 if self.weather.storms && number % 4 == 0 => Act::Kills,
            _ => Act::Answers,
        };
        (act, takes)
    }

    /// An attempt begins.
    pub(super) fn begins(&self, node: u64, of: usize, id: InvocationId, attempt: u32) {
        self.tell(&format!("begins its attempt {attempt} on node {node}"), id);
        let mut book = self.book.lock().unwrap();
        book.attempts += 1;
        let config = self.revisions[of].config();
        let on_node = book.running.iter().filter(|other| other.node == node);
        let of_function = on_node.clone().filter(|other| other.of == of).count();
        let most = config.concurrency.unwrap_or(1_000) as usize;
        assert!(of_function < most, "{of_function} of a function run already");
        assert!(on_node.count() < self.limits.at_once as usize, "too many run on a node");
        for other in book.running.iter().filter(|other| other.id == id) {
            let since = self.model.changes(other.from);
            let lost = since.iter().any(|change| (change.id, change.what) == (id, What::Lost));
            assert!(lost, "attempt {} runs and its lease holds", other.attempt);
        }
        if let Some((due_us, expires_us, attempts)) = self.model.times(id)
            && attempts == attempt
            && self.weather.jumps_us == 0
        {
            let now_us = self.now_us();
            assert!(now_us >= due_us, "it is not due");
            // A place may be waited for.
            assert!(now_us <= expires_us + 2_000_000, "it is too old");
        }
        let from = self.model.changes(0).len();
        book.running.push(Running { id, attempt, node, of, from });
    }

    /// An attempt has ended.
    pub(super) fn ended(&self, node: u64, id: InvocationId, attempt: u32, act: Act) {
        self.tell(&format!("{act:?} in its attempt {attempt}"), id);
        let mut book = self.book.lock().unwrap();
        let is_it = |other: &Running| (other.id, other.attempt, other.node) == (id, attempt, node);
        let at = book.running.iter().position(is_it).unwrap();
        let ran = book.running.remove(at);
        book.came.insert((id, attempt), act);
        // What runs on a node that reaches its queue is nobody else's, unless it was cancelled.
        let since = self.model.changes(ran.from);
        let has = |what| since.iter().any(|change| (change.id, change.what) == (id, what));
        let lost = has(What::Lost) && !has(What::Ended(InvocationStatus::Cancelled));
        let calm = !self.weather.storms && self.weather.jumps_us == 0;
        assert!(!(calm && lost), "its lease was lost while it ran");
    }
}

fn clock(began: Instant, jumped_us: &Arc<AtomicI64>) -> crate::Clock {
    let jumped_us = Arc::clone(jumped_us);
    Arc::new(move || {
        let since = i64::try_from(began.elapsed().as_micros()).unwrap();
        BEGIN_US + since + jumped_us.load(Ordering::SeqCst)
    })
}

/// Of which invocation an event tells, and what.
pub(super) fn told(payload: &[u8]) -> Option<(InvocationId, String)> {
    let record: serde_json::Value = serde_json::from_slice(payload).ok()?;
    let context = record.get("requestContext")?;
    let condition = context.get("condition")?.as_str()?.to_owned();
    Some((context.get("requestId")?.as_str()?.parse().ok()?, condition))
}

/// Three functions with limits of their own, of two tenants, and one of each that is told of others' ends.
fn revisions(random: &mut Random) -> Vec<Arc<Revision>> {
    let mut revisions = Vec::new();
    for (tenant, name) in [("t0", "a"), ("t0", "b"), ("t1", "a"), ("t0", "told"), ("t1", "told")] {
        let app = app(&TenantName::new(tenant).unwrap(), "photos");
        let to = |random: &mut Random| {
            let to = *random.pick(&["told", "told", "nobody"]);
            let wanted = name != "told" && random.chance(50);
            wanted.then(|| Destination { app: app.app.clone(), function: function(to) })
        };
        let events = AsyncConfig {
            attempts: random.between(1, 4) as u32,
            backoff: TimeSpan::millis(*random.pick(&[1, 50, 1_000, 10_000])),
            max_age: TimeSpan::seconds(*random.pick(&[20, 600, 1_800])),
            on_success: to(random),
            on_failure: to(random),
        };
        let config = FunctionConfig {
            timeout: TimeSpan::millis(*random.pick(&[1_000, 30_000, 90_000])),
            concurrency: random.chance(60).then(|| random.between(1, 3) as u32),
            secrets: Vec::new(),
            events,
            ..revision(&app, name, "code").config().clone()
        };
        let digest = mayfly_types::Digest::of(name.as_bytes());
        let revision = Revision::new(app, function(name), digest, config, HandlerStyle::Event);
        revisions.push(Arc::new(revision));
    }
    revisions
}
