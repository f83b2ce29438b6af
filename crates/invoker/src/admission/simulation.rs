//! Admission under callers that come, wait, leave and go at random: the rules hold at every instant.
//!
//! What happens, happens at even milliseconds of a clock that stands until all have done what they can; between
//! them everybody is looked at. A seed gives a history.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::future::poll_fn;
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;

use mayfly_state_api::suite::{Random, app, function, revision};
use mayfly_types::ByteSize;
use tokio::time::Instant;

use super::*;

/// A function of a tenant, as its callers see it.
struct Called {
    key: Key,
    lane: Arc<Lane>,
    config: FunctionConfig,
    /// Those in line with when they came, in that order.
    line: Mutex<Vec<(u64, Instant)>>,
    /// When the newest came of those that had a place.
    entered: Mutex<Option<Instant>>,
}

struct Simulation {
    admission: Admission,
    functions: Vec<Called>,
    began: Instant,
    trace: Mutex<String>,
    /// How many were served since both began to wait, of two tenants or two functions of one tenant.
    turns: Mutex<BTreeMap<(Turn, Turn), [u32; 2]>>,
}

/// Whose turn it may be: a tenant's, or a function's in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Turn {
    Tenant(TenantName),
    Function(TenantName, FunctionName),
}

impl Turn {
    /// Whether both take turns with each other.
    fn is_beside(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Tenant(_), Self::Tenant(_)) => true,
            (Self::Function(one, _), Self::Function(two, _)) => one == two,
            _ => false,
        }
    }
}

/// One who comes.
#[derive(Debug, Clone, Copy)]
struct Caller {
    number: u64,
    of: usize,
    comes: Duration,
    stays: Duration,
    /// When it has waited long enough by its own measure.
    patience: Duration,
}

/// An even number of milliseconds up to `most`.
fn even(random: &mut Random, most: u64) -> Duration {
    Duration::from_millis(2 * random.below(most / 2 + 1))
}

/// In a `fair` one only the node's places are short, and nobody leaves the line: so turns can be told.
fn world(random: &mut Random, fair: bool) -> Simulation {
    let some = |random: &mut Random, most: i64| {
        if fair || random.chance(40) { u32::MAX } else { random.between(1, most) as u32 }
    };
    let limits = Limits {
        function: some(random, 6),
        tenant: some(random, 6),
        node: if fair || random.chance(70) { random.between(1, 8) as u32 } else { u32::MAX },
        memory: if fair || random.chance(60) { u64::MAX } else { random.below(1_000) << 20 },
        cpu: if fair || random.chance(60) { u64::MAX } else { random.below(4_000) },
        wait: if fair { Duration::from_secs(3_600) } else { even(random, 200) },
        line: if fair || random.chance(70) { 1_000 } else { random.between(1, 8) as usize },
        ..Limits::default()
    };
    let mut functions = Vec::new();
    for tenant in 0..random.between(1, 3) {
        let tenant = TenantName::new(&format!("t{tenant}")).unwrap();
        let of_tenant = Arc::default();
        for name in 0..random.between(1, 3) {
            let (app, name) = (app(&tenant, "photos"), format!("f{name}"));
            let concurrency = (!fair && random.chance(50)).then(|| random.between(1, 4) as u32);
            let config = FunctionConfig {
                concurrency,
                memory: ByteSize::mb(random.between(64, 600) as u64),
                cpu: *random.pick(&[0.25, 0.5, 1.0, 2.0]),
                ..revision(&app, &name, "code").config().clone()
            };
            let lane = Arc::new(Lane::new(Arc::clone(&of_tenant)));
            let key = Arc::new((app, function(&name)));
            let (line, entered) = Default::default();
            functions.push(Called { key, lane, config, line, entered });
        }
    }
    Simulation {
        admission: Admission::new(limits),
        functions,
        began: Instant::now(),
        trace: Mutex::default(),
        turns: Mutex::default(),
    }
}

impl Called {
    fn enters(&self, came: Instant) {
        let mut newest = self.entered.lock().unwrap();
        *newest = (*newest).max(Some(came));
    }

    fn turns(&self) -> [Turn; 2] {
        let (tenant, name) = (self.key.0.tenant.clone(), self.key.1.clone());
        [Turn::Tenant(tenant.clone()), Turn::Function(tenant, name)]
    }
}

impl Simulation {
    fn tell(&self, what: &str, caller: Caller) {
        let at = self.began.elapsed().as_millis();
        let line =
            format!("{at} ms: {} {what} {:?}\n", caller.number, self.functions[caller.of].key);
        self.trace.lock().unwrap().write_str(&line).unwrap();
    }

    /// What stands in the way of one more attempt of a function: nothing, itself or its tenant, or the node.
    fn full(&self, of: &Called) -> Option<Full> {
        let (shared, limits, need) =
            (&self.admission.0, self.admission.limits(), self.admission.need(&of.lane, &of.config));
        let beyond = |count: &AtomicU64, more: u64, most: u64| {
            let count = count.load(Ordering::SeqCst);
            most != u64::MAX && count > 0 && count + more > most
        };
        if of.lane.running.load(Ordering::SeqCst) >= need.limit {
            Some(Full::Function)
        } else if of.lane.tenant.running.load(Ordering::SeqCst) >= limits.tenant {
            Some(Full::Tenant)
        } else if shared.running.load(Ordering::SeqCst) >= limits.node
            || beyond(&shared.memory, need.memory, limits.memory)
            || beyond(&shared.cpu, need.cpu, limits.cpu)
        {
            Some(Full::Node)
        } else {
            None
        }
    }

    /// What holds at every instant.
    fn within_limits(&self) {
        let (shared, limits) = (&self.admission.0, self.admission.limits());
        let running = shared.running.load(Ordering::SeqCst);
        assert!(running <= limits.node);
        let (mut memory, mut cpu, mut all) = (0, 0, 0);
        for of in &self.functions {
            let (need, (runs, waits)) = (self.admission.need(&of.lane, &of.config), of.lane.now());
            assert!(waits as usize <= limits.line, "{:?}: {waits} wait", of.key);
            assert!(runs <= need.limit, "{:?} runs {runs} times", of.key);
            assert!(of.lane.tenant.running.load(Ordering::SeqCst) <= limits.tenant);
            all += runs;
            memory += u64::from(runs) * need.memory;
            cpu += u64::from(runs) * need.cpu;
        }
        assert_eq!(all, running, "each place is somebody's");
        assert!(limits.memory == u64::MAX || memory <= limits.memory || running == 1);
        assert!(limits.cpu == u64::MAX || cpu <= limits.cpu || running == 1);
    }

    /// What holds whenever all have done what they can: who waits, waits for something.
    fn nobody_waits_for_nothing(&self) {
        for of in &self.functions {
            let first = of.line.lock().unwrap().first().map(|(_, came)| *came);
            let entered = *of.entered.lock().unwrap();
            assert!(first >= entered || first.is_none(), "one of {:?} went past another", of.key);
        }
        let waits = || self.functions.iter().filter(|of| !of.line.lock().unwrap().is_empty());
        // Who waits for the node lets nobody go past.
        if waits().any(|of| self.full(of) == Some(Full::Node)) {
            return;
        }
        for of in waits() {
            assert_ne!(self.full(of), None, "{:?} waits and there is a place", of.key);
        }
    }

    /// All who wait now take turns from now on.
    fn turns_begin(&self) {
        let waiting = self.waiting();
        let mut turns = self.turns.lock().unwrap();
        let pairs =
            waiting.iter().flat_map(|one| waiting.range(one..).map(move |other| (one, other)));
        for (one, other) in pairs.filter(|(one, other)| one != other && one.is_beside(other)) {
            turns.entry((one.clone(), other.clone())).or_default();
        }
    }

    /// One of `of` was served out of the line: nobody who waits all the time is passed over twice.
    fn served(&self, of: &Called) {
        let mut turns = self.turns.lock().unwrap_or_else(PoisonError::into_inner);
        for served in of.turns() {
            for (pair, counts) in turns.iter_mut() {
                counts[0] += u32::from(pair.0 == served);
                counts[1] += u32::from(pair.1 == served);
                let even = counts[0].abs_diff(counts[1]) <= 1;
                assert!(even, "{pair:?}: {counts:?}\n{}", self.trace.lock().unwrap());
            }
        }
    }

    /// Who no longer waits has given up its turn.
    fn left_the_line(&self) {
        let waiting = self.waiting();
        let both = |pair: &(Turn, Turn)| waiting.contains(&pair.0) && waiting.contains(&pair.1);
        self.turns.lock().unwrap_or_else(PoisonError::into_inner).retain(|pair, _| both(pair));
    }

    /// Whose turns those in line wait for.
    fn waiting(&self) -> BTreeSet<Turn> {
        let waits = |of: &&Called| !of.line.lock().unwrap().is_empty();
        self.functions.iter().filter(waits).flat_map(Called::turns).collect()
    }

    /// What one who comes lives through.
    async fn call(self: Arc<Self>, caller: Caller) {
        tokio::time::sleep(caller.comes).await;
        let (of, since) = (&self.functions[caller.of], Instant::now());
        let may_enter = self.full(of).is_none() && self.admission.now().1 == 0;
        self.tell("comes", caller);
        of.line.lock().unwrap().push((caller.number, since));
        let (entered, at_once) = {
            let mut enter = pin!(self.admission.enter(&of.key, &of.lane, &of.config));
            match poll_fn(|cx| Poll::Ready(enter.as_mut().poll(cx))).await {
                Poll::Ready(entered) => (Ok(entered), true),
                Poll::Pending => (tokio::time::timeout(caller.patience, enter).await, false),
            }
        };
        let waited = since.elapsed();
        of.line.lock().unwrap().retain(|(number, _)| *number != caller.number);
        let limits = self.admission.limits();
        assert!(waited <= limits.wait, "{waited:?} is longer than anybody waits");
        match entered {
            Err(_left) => self.tell("leaves", caller),
            Ok(Err(fault)) => {
                assert!(!may_enter, "there was a place and nobody waited for it: {fault}");
                assert!(at_once || waited == limits.wait, "{waited:?}: {fault}");
                self.tell(fault.code.as_str(), caller);
            }
            Ok(Ok(permit)) => {
                self.tell("enters", caller);
                assert!(at_once || !may_enter, "it waited, and there was a place");
                self.within_limits();
                // Those before it may have their places as well and not know it yet.
                of.enters(since);
                if !at_once {
                    self.served(of);
                }
                self.left_the_line();
                tokio::time::sleep(caller.stays).await;
                drop(permit);
                self.tell("goes", caller);
            }
        }
        self.left_the_line();
        self.within_limits();
    }

    /// What holds when all have gone.
    fn nothing_is_left(&self) {
        let shared = &self.admission.0;
        assert_eq!(self.admission.now(), (0, 0));
        for of in &self.functions {
            assert_eq!(of.lane.now(), (0, 0));
            assert_eq!(of.lane.tenant.running.load(Ordering::SeqCst), 0);
            assert_eq!(of.lane.tenant.waiting.load(Ordering::SeqCst), 0);
            // Whoever left the line is forgotten by the next who looks.
            shared.hand_out(&of.key);
        }
        assert_eq!(shared.memory.load(Ordering::SeqCst), 0);
        assert_eq!(shared.cpu.load(Ordering::SeqCst), 0);
        for of in &self.functions {
            assert_eq!(self.full(of), None, "there is room again");
        }
        assert!(shared.line().is_empty());
    }
}

/// Lives through the history of a seed, and tells it.
fn simulate(seed: u64, fair: bool) -> String {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build();
    runtime.unwrap().block_on(async {
        let mut random = Random::new(seed);
        let world = Arc::new(world(&mut random, fair));
        let busy = *random.pick(&[20, 60, 200]);
        let callers = (0..random.between(5, 60)).map(|number| {
            let caller = Caller {
                number: number.cast_unsigned(),
                of: random.below(world.functions.len() as u64) as usize,
                comes: even(&mut random, busy),
                stays: even(&mut random, 40),
                patience: match !fair && random.chance(30) {
                    true => even(&mut random, 100),
                    false => Duration::from_secs(3_600),
                },
            };
            tokio::spawn(Arc::clone(&world).call(caller))
        });
        let callers: Vec<_> = callers.collect();
        // An odd millisecond: whatever happened before has had its consequences.
        let mut looks = tokio::time::interval_at(
            world.began + Duration::from_millis(1),
            Duration::from_millis(2),
        );
        while callers.iter().any(|caller| !caller.is_finished()) {
            looks.tick().await;
            world.within_limits();
            world.nobody_waits_for_nothing();
            if fair {
                world.turns_begin();
            }
        }
        for caller in callers {
            caller.await.unwrap();
        }
        world.nothing_is_left();
        world.trace.lock().unwrap().clone()
    })
}

fn simulate_all(seeds: std::ops::Range<u64>, fair: bool) {
    for seed in seeds {
        let lived = std::panic::catch_unwind(|| simulate(seed, fair));
        assert!(lived.is_ok(), "seed {seed}");
    }
}

#[test]
fn limits_hold_nobody_waits_for_nothing_and_no_place_is_lost_in_any_history() {
    simulate_all(0..1_000, false);
}

#[test]
fn whoever_waits_all_the_time_is_passed_over_once_at_most() {
    simulate_all(0..600, true);
}

#[test]
fn one_seed_gives_one_history() {
    for seed in 0..20 {
        assert_eq!(simulate(seed, false), simulate(seed, false));
    }
    assert_ne!(simulate(1, false), simulate(2, false));
    // Enough of each kind happens.
    let all: String = (0..50).map(|seed| simulate(seed, false)).collect();
    for what in ["enters", "leaves", "too_many_requests", "unavailable"] {
        assert!(all.matches(what).count() > 20, "{what}");
    }
}
