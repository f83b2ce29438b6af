//! What histories have found, each by itself, and what a clock does that is set.

use std::collections::BTreeMap;

use mayfly_state_api::InvocationStatus;
use mayfly_state_api::suite::What;
use mayfly_types::FaultCode;

use super::world::Act;
use super::*;

const QUIET: Weather = Weather { faults: false, storms: false, jumps_us: HOUR_US };

/// A world whose leases are this short, and in which an attempt may take 20 seconds.
fn seed(fits: impl Fn(&World) -> bool) -> u64 {
    (0..).find(|seed| paused(async { fits(&World::new(*seed, QUIET)) })).unwrap()
}

fn is_roomy(world: &World) -> bool {
    let config = world.revisions[0].config();
    world.limits.at_once == 64
        && world.limits.lease <= 8 * SECOND
        && config.timeout.as_duration() > 20 * SECOND
        && config.events.max_age.as_duration() > 500 * SECOND
        && config.events.attempts > 1
}

/// An event whose attempts do this.
fn number(world: &World, fits: impl Fn(&dyn Fn(u32) -> (Act, Duration)) -> bool) -> u64 {
    (0..).find(|number: &u64| fits(&|attempt| world.act(&number.to_string(), attempt))).unwrap()
}

fn lost(world: &World) -> usize {
    world.model.changes(0).iter().filter(|change| change.what == What::Lost).count()
}

#[test]
fn the_lease_of_an_attempt_is_extended_also_when_the_one_before_was_told_twice() {
    let seed = seed(|world| {
        let events = &world.revisions[0].config().events;
        let at_once = world.revisions[0].config().concurrency != Some(1);
        is_roomy(world) && at_once && events.backoff.as_duration() < SECOND / 100
    });
    paused(async {
        let life = Life::begin(seed, QUIET, 1).await;
        // Its first attempt fails at once, and its second takes longer than a lease.
        let number = number(&life.world, |act| {
            matches!(act(1), (Act::Fails(FaultCode::FunctionError), _))
                && matches!(act(2), (Act::Answers, takes) if takes > 15 * SECOND)
        });
        // The end of the first is told for three seconds, and the second has begun by then.
        life.nodes[0].shared.unanswered.store(6, Ordering::SeqCst);
        let world = Arc::clone(&life.world);
        let trace = life.through(vec![(0, Happens::Comes { number, of: 0, delay: None })]).await;
        assert_eq!(lost(&world), 0, "{trace}");
        assert!(trace.contains("Answers in its attempt 2"), "{trace}");
    });
}

/// Many events that are answered within 20 seconds, and a clock that is set while the first of them run.
fn set_by(by_us: i64) -> (Arc<World>, String) {
    let seed = seed(|world| is_roomy(world) && world.revisions[0].config().concurrency == Some(3));
    paused(async {
        let life = Life::begin(seed, QUIET, 1).await;
        let world = Arc::clone(&life.world);
        let long = |number: &u64| matches!(world.act(&number.to_string(), 1), (Act::Answers, takes) if takes > 10 * SECOND);
        let mut plan: Vec<_> = (0..)
            .filter(long)
            .take(9)
            .map(|number| (0, Happens::Comes { number, of: 0, delay: None }))
            .collect();
        // Leases that ran out are looked for next, and what runs is extended only after that.
        let at = world.limits.lease / 3 + SECOND / 20;
        plan.push((at.as_millis() as u64, Happens::Jumps { by_us }));
        let trace = life.through(plan).await;
        (world, trace)
    })
}

#[test]
fn what_runs_when_the_clock_is_set_forwards_is_not_tried_beside_itself() {
    for by_us in [61_000_000, HOUR_US / 10, 5 * HOUR_US] {
        let (world, trace) = set_by(by_us);
        assert_eq!(lost(&world), 0, "{trace}");
    }
}

#[test]
fn a_clock_that_is_set_by_seconds_makes_nothing_too_old_and_nothing_twice() {
    for by_us in [5_000_000, -5_000_000, 30_000_000, -30_000_000] {
        let (world, trace) = set_by(by_us);
        assert_eq!(trace.matches("begins").count(), 9, "{trace}");
        let ends: BTreeMap<_, _> =
            world.model.all().into_iter().map(|record| (record.id, record.status)).collect();
        assert_eq!(ends.len(), 9);
        assert!(ends.values().all(|end| *end == InvocationStatus::Succeeded), "{trace}");
    }
}

#[test]
fn what_was_accepted_before_the_clock_was_set_back_by_hours_runs_once_all_the_same() {
    let (world, trace) = set_by(-3 * HOUR_US);
    assert_eq!(trace.matches("begins").count(), 9, "{trace}");
    assert!(world.model.all().iter().all(|record| record.status == InvocationStatus::Succeeded));
}

/// When something is told of an event, in milliseconds.
fn at(trace: &str, number: u64, what: &str) -> u64 {
    let told = format!(" ms: event {number} {what}");
    let line = trace.lines().find(|line| line.contains(&told)).unwrap();
    line.split(' ').next().unwrap().parse().unwrap()
}

#[test]
fn a_storm_of_one_tenants_events_keeps_anothers_no_longer_than_its_turn() {
    let narrow = |seed: &u64| paused(async { World::new(*seed, QUIET).limits.at_once <= 4 });
    for seed in (0..).filter(narrow).take(30) {
        paused(async {
            let life = Life::begin(seed, QUIET, 1).await;
            let world = Arc::clone(&life.world);
            let short = |number: &u64| {
                let (act, takes) = world.act(&number.to_string(), 1);
                act == Act::Answers && takes < SECOND / 2
            };
            let mut numbers = (0..).filter(short);
            let mut comes = |at, of| {
                let number = numbers.next().unwrap();
                (at, Happens::Comes { number, of, delay: None })
            };
            let mut plan: Vec<_> = (0..120).map(|storm| comes(0, storm % 2)).collect();
            let others = [comes(1_000, 2), comes(2_500, 2)];
            plan.extend(others);
            let trace = life.through(plan).await;
            for (_, other) in others {
                let Happens::Comes { number, .. } = other else { continue };
                let waited = at(&trace, number, "begins") - at(&trace, number, "is acknowledged");
                // What runs, and one of each of the two functions whose turn may be before.
                assert!(waited <= 1_600, "seed {seed}: {waited} ms\n{trace}");
            }
        });
    }
}
