use mayfly_state_api::suite::{app, function, revision, unused_tenant};
use mayfly_types::ByteSize;
use tokio::task::JoinHandle;

use super::*;

/// A function of a tenant.
#[derive(Clone)]
struct Calls {
    admission: Arc<Admission>,
    key: Key,
    lane: Arc<Lane>,
    config: FunctionConfig,
}

impl Calls {
    fn enter(&self) -> JoinHandle<Result<Permit, Fault>> {
        let it = self.clone();
        tokio::spawn(async move { it.admission.enter(&it.key, &it.lane, &it.config).await })
    }

    fn need(&self) -> Need {
        self.admission.need(&self.lane, &self.config)
    }

    async fn now(&self) -> Result<Permit, Fault> {
        self.enter().await.unwrap()
    }

    /// Waits until so many are in line.
    async fn in_line(&self, waiting: u32) {
        while self.lane.now().1 != waiting {
            tokio::task::yield_now().await;
        }
    }

    /// One that is in line.
    async fn waits(&self) -> JoinHandle<Result<Permit, Fault>> {
        let before = self.lane.now().1;
        let waits = self.enter();
        self.in_line(before + 1).await;
        waits
    }
}

struct World {
    admission: Arc<Admission>,
    tenants: std::sync::Mutex<std::collections::HashMap<TenantName, Arc<TenantLane>>>,
}

impl World {
    fn new(limits: Limits) -> Self {
        Self { admission: Arc::new(Admission::new(limits)), tenants: Default::default() }
    }

    fn calls(&self, tenant: &TenantName, name: &str, concurrency: Option<u32>) -> Calls {
        let app = app(tenant, "photos");
        let config = FunctionConfig {
            concurrency,
            memory: ByteSize::mb(128),
            cpu: 0.5,
            ..revision(&app, name, "code").config().clone()
        };
        let running = Arc::clone(self.tenants.lock().unwrap().entry(tenant.clone()).or_default());
        Calls {
            admission: Arc::clone(&self.admission),
            key: Arc::new((app, function(name))),
            lane: Arc::new(Lane::new(running)),
            config,
        }
    }
}

fn patient() -> Limits {
    Limits { wait: Duration::from_secs(30), ..Limits::default() }
}

fn code(refused: Result<Permit, Fault>) -> FaultCode {
    refused.unwrap_err().code
}

#[tokio::test]
async fn who_finds_no_place_has_the_next_one_in_the_order_of_coming() {
    let world = World::new(patient());
    let calls = world.calls(&unused_tenant(), "a", Some(2));
    let (first, second) = (calls.now().await.unwrap(), calls.now().await.unwrap());
    let (third, fourth) = (calls.waits().await, calls.waits().await);
    assert_eq!(calls.lane.now(), (2, 2));
    drop(first);
    let third = third.await.unwrap().unwrap();
    assert!(!fourth.is_finished());
    drop(second);
    let _fourth = fourth.await.unwrap().unwrap();
    drop(third);
    assert_eq!(calls.lane.now(), (1, 0));
    assert_eq!(world.admission.now(), (1, 0));
}

#[tokio::test]
async fn nobody_goes_past_those_who_wait() {
    let world = World::new(patient());
    let calls = world.calls(&unused_tenant(), "a", Some(1));
    let first = calls.now().await.unwrap();
    let second = calls.waits().await;
    let third = calls.waits().await;
    drop(first);
    drop(second.await.unwrap().unwrap());
    third.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_longest_wait_is_held_to_and_one_that_would_be_longer_is_refused_at_once() {
    let world = World::new(Limits { wait: Duration::from_millis(100), ..Limits::default() });
    let calls = world.calls(&unused_tenant(), "a", Some(1));
    let first = calls.now().await.unwrap();
    let began = tokio::time::Instant::now();
    assert_eq!(code(calls.now().await), FaultCode::TooManyRequests);
    assert_eq!(began.elapsed(), Duration::from_millis(100));
    assert_eq!(calls.lane.now(), (1, 0), "whoever was refused waits no more");
    drop(first);
    // An attempt takes 60 ms: the first in line waits so long, and a second would wait twice that.
    calls.lane.takes_us.store(60_000, Ordering::Relaxed);
    let _first = calls.now().await.unwrap();
    let waits = calls.waits().await;
    let began = tokio::time::Instant::now();
    assert_eq!(code(calls.now().await), FaultCode::TooManyRequests);
    assert_eq!(began.elapsed(), Duration::ZERO);
    assert_eq!(code(waits.await.unwrap()), FaultCode::TooManyRequests);
}

#[tokio::test]
async fn a_line_has_an_end() {
    let world = World::new(Limits { line: 2, ..patient() });
    let calls = world.calls(&unused_tenant(), "a", Some(1));
    let _first = calls.now().await.unwrap();
    let _waiting = [calls.waits().await, calls.waits().await];
    assert_eq!(code(calls.now().await), FaultCode::TooManyRequests);
}

#[tokio::test]
async fn who_leaves_the_line_keeps_no_place() {
    let world = World::new(patient());
    let calls = world.calls(&unused_tenant(), "a", Some(1));
    let first = calls.now().await.unwrap();
    let leaves = calls.waits().await;
    let stays = calls.waits().await;
    leaves.abort();
    assert!(leaves.await.unwrap_err().is_cancelled());
    assert_eq!(calls.lane.now(), (1, 1));
    drop(first);
    stays.await.unwrap().unwrap();
    assert_eq!(world.admission.now(), (0, 0));
    assert!(calls.now().await.is_ok());
}

/// Who is served, one after the other, as places of the node become free.
async fn order(
    first: Permit,
    mut waiting: Vec<(&'static str, JoinHandle<Result<Permit, Fault>>)>,
) -> Vec<&'static str> {
    let (mut running, mut order) = (Some(first), Vec::new());
    while !waiting.is_empty() {
        drop(running.take());
        let at = loop {
            match waiting.iter().position(|(_, waits)| waits.is_finished()) {
                Some(at) => break at,
                None => tokio::task::yield_now().await,
            }
        };
        let (name, served) = waiting.remove(at);
        running = Some(served.await.unwrap().unwrap());
        order.push(name);
    }
    order
}

#[tokio::test]
async fn tenants_take_turns_and_in_each_of_them_functions() {
    let world = World::new(Limits { node: 1, ..patient() });
    let (one, other) = (unused_tenant(), unused_tenant());
    let (storm, quiet) = (world.calls(&one, "storm", None), world.calls(&one, "quiet", None));
    let theirs = world.calls(&other, "theirs", None);
    let first = storm.now().await.unwrap();
    let mut waiting = Vec::new();
    for _ in 0..4 {
        waiting.push(("storm", storm.waits().await));
    }
    waiting.push(("quiet", quiet.waits().await));
    for _ in 0..2 {
        waiting.push(("theirs", theirs.waits().await));
    }
    let served = order(first, waiting).await;
    assert_eq!(served, ["storm", "theirs", "quiet", "theirs", "storm", "storm", "storm"]);
}

#[tokio::test]
async fn a_function_at_its_limit_keeps_no_other_waiting() {
    let world = World::new(Limits { node: 2, ..patient() });
    let tenant = unused_tenant();
    let (slow, other) = (world.calls(&tenant, "slow", Some(1)), world.calls(&tenant, "b", None));
    let busy = slow.now().await.unwrap();
    let waits = slow.waits().await;
    for _ in 0..3 {
        drop(other.now().await.unwrap());
    }
    assert!(!waits.is_finished());
    drop(busy);
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_tenant_is_held_to_its_limit_over_all_its_functions() {
    let world = World::new(Limits { tenant: 2, ..patient() });
    let (one, other) = (unused_tenant(), unused_tenant());
    let (a, b) = (world.calls(&one, "a", None), world.calls(&one, "b", None));
    let (first, _second) = (a.now().await.unwrap(), b.now().await.unwrap());
    let waits = a.waits().await;
    assert!(world.calls(&other, "a", None).enter().await.unwrap().is_ok());
    drop(first);
    waits.await.unwrap().unwrap();
}

#[tokio::test]
async fn memory_and_processors_are_not_sold_beyond_what_there_is() {
    for limits in [Limits { memory: 300 << 20, ..patient() }, Limits { cpu: 1_000, ..patient() }] {
        let world = World::new(limits);
        let calls = world.calls(&unused_tenant(), "a", None);
        let (first, _second) = (calls.now().await.unwrap(), calls.now().await.unwrap());
        let waits = calls.waits().await;
        drop(first);
        let third = waits.await.unwrap().unwrap();
        let refused = calls.admission.0.take_first(&calls.key, &calls.lane, calls.need());
        assert_eq!(refused.unwrap_err(), Full::Node);
        drop(third);
        // What alone needs more than there is runs alone.
        let mut large = world.calls(&unused_tenant(), "large", None);
        (large.config.memory, large.config.cpu) = (ByteSize::mb(1_000), 9.0);
        let waits = large.waits().await;
        drop(_second);
        waits.await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_line_that_everybody_left_keeps_nobody_out() {
    for limits in [Limits { node: 1, ..patient() }, Limits { tenant: 1, ..patient() }] {
        let world = World::new(limits);
        let calls = world.calls(&unused_tenant(), "a", None);
        // So slow that nobody would wait for a place of the function.
        calls.lane.takes_us.store(u64::MAX / 4, Ordering::Relaxed);
        let first = calls.now().await.unwrap();
        let leaves = calls.waits().await;
        leaves.abort();
        assert!(leaves.await.is_err());
        drop(first);
        calls.lane.takes_us.store(u64::MAX / 4, Ordering::Relaxed);
        assert!(calls.now().await.is_ok());
    }
}

#[tokio::test]
async fn a_tenant_at_its_limit_keeps_no_other_tenant_waiting() {
    let world = World::new(Limits { tenant: 1, ..patient() });
    let (crowded, other) = (unused_tenant(), unused_tenant());
    let (a, b) = (world.calls(&crowded, "a", None), world.calls(&crowded, "b", None));
    let first = a.now().await.unwrap();
    let waits = b.waits().await;
    let theirs = world.calls(&other, "slow", None);
    theirs.lane.takes_us.store(u64::MAX / 4, Ordering::Relaxed);
    drop(theirs.now().await.unwrap());
    // And a place of the tenant goes to whichever of its functions waits.
    let next = a.waits().await;
    drop(first);
    drop(waits.await.unwrap().unwrap());
    next.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_all_have_their_turn_and_never_more_than_may() {
    let world = World::new(Limits { node: 5, ..patient() });
    let tenants = [unused_tenant(), unused_tenant()];
    let running = Arc::new(AtomicU32::new(0));
    let mut tasks = Vec::new();
    for i in 0..12 {
        let calls = world.calls(&tenants[i % 2], &format!("f{}", i % 3), Some(2));
        for _ in 0..40 {
            let (calls, running) = (calls.clone(), Arc::clone(&running));
            tasks.push(tokio::spawn(async move {
                let permit = calls.now().await.unwrap();
                assert!(running.fetch_add(1, Ordering::SeqCst) < 5);
                tokio::task::yield_now().await;
                running.fetch_sub(1, Ordering::SeqCst);
                drop(permit);
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(world.admission.now(), (0, 0));
}

#[tokio::test]
async fn who_leaves_makes_way_for_those_behind_that_need_less() {
    let world = World::new(Limits { memory: 300 << 20, ..patient() });
    let small = world.calls(&unused_tenant(), "small", None);
    let mut large = world.calls(&unused_tenant(), "large", None);
    large.config.memory = ByteSize::mb(250);
    let _first = small.now().await.unwrap();
    let leaves = large.waits().await;
    let behind = small.waits().await;
    leaves.abort();
    assert!(leaves.await.is_err());
    behind.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_tenant_that_left_the_line_costs_no_other_its_turn() {
    let world = World::new(Limits { node: 1, ..patient() });
    let (gone, stays) =
        (world.calls(&unused_tenant(), "a", None), world.calls(&unused_tenant(), "a", None));
    let first = gone.now().await.unwrap();
    let leaves = gone.waits().await;
    let waits = stays.waits().await;
    leaves.abort();
    assert!(leaves.await.is_err());
    drop(first);
    waits.await.unwrap().unwrap();
}

/// A function whose attempts computed so many milliseconds so far, and did nothing else.
fn computes(calls: Calls, milliseconds: u64) -> Calls {
    for _ in 0..20 {
        calls.lane.ran(milliseconds * 1_000, milliseconds * 1_000);
    }
    calls
}

#[tokio::test]
async fn while_processors_are_full_only_what_they_carry_begins() {
    let world = World::new(patient());
    let tenant = unused_tenant();
    let storm = computes(world.calls(&tenant, "storm", None), 10);
    let before = [storm.now().await.unwrap(), storm.now().await.unwrap()];
    drop(before);
    world.admission.0.pace.fill(1, async || {}).await;
    let first = storm.now().await.unwrap();
    let (second, third) = (storm.waits().await, storm.waits().await);
    // Another function's first is the processors' own to share out, of whichever tenant it is.
    let others = [(&tenant, "other"), (&unused_tenant(), "stranger")];
    for (tenant, name) in others {
        let other = computes(world.calls(tenant, name, None), 10);
        let _first = other.now().await.unwrap();
    }
    // What is short ends within its turn.
    let short = computes(world.calls(&tenant, "short", None), 1);
    let _many = [short.now().await.unwrap(), short.now().await.unwrap()];
    assert!(!second.is_finished());
    drop(first);
    let second = second.await.unwrap().unwrap();
    assert!(!third.is_finished());
    drop(second);
    drop(third.await.unwrap().unwrap());
    assert_eq!(world.admission.now(), (2, 0));
}

#[tokio::test]
async fn a_place_of_another_tenants_function_is_one_for_whoever_waits_for_processors() {
    let world = World::new(patient());
    let [busy, storm] =
        ["busy", "storm"].map(|name| computes(world.calls(&unused_tenant(), name, None), 10));
    let begun = [busy.now().await.unwrap(), busy.now().await.unwrap(), storm.now().await.unwrap()];
    world.admission.0.pace.fill(2, async || {}).await;
    let more = storm.waits().await;
    let [first, second, _of_storm] = begun;
    drop(first);
    drop(second);
    more.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn who_would_wait_long_for_processors_is_told_so_at_once() {
    let world = World::new(Limits { wait: Duration::from_secs(1), ..Limits::default() });
    let storm = computes(world.calls(&unused_tenant(), "storm", Some(3)), 10);
    let one_after_the_other = async || {
        let one = storm.now().await.unwrap();
        tokio::time::advance(Duration::from_millis(300)).await;
        drop(one);
    };
    world.admission.0.pace.fill(1, one_after_the_other).await;
    let first = storm.now().await.unwrap();
    let second = storm.waits().await;
    let began = tokio::time::Instant::now();
    assert_eq!(code(storm.now().await), FaultCode::Unavailable);
    assert_eq!(began.elapsed(), Duration::ZERO);
    drop(first);
    second.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_function_at_its_limit_is_told_of_that_also_while_processors_are_full() {
    let world = World::new(Limits { wait: Duration::from_millis(20), ..Limits::default() });
    let one = computes(world.calls(&unused_tenant(), "one", Some(1)), 10);
    world.admission.0.pace.fill(1, async || {}).await;
    let _first = one.now().await.unwrap();
    let second = one.waits().await;
    assert_eq!(code(one.now().await), FaultCode::TooManyRequests);
    assert_eq!(code(second.await.unwrap()), FaultCode::TooManyRequests);
}
