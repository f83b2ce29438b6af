//! What waits, over a runtime that notes what it is told.

use std::sync::atomic::Ordering;

use mayfly_control_api::ReleaseView;
use mayfly_manifest::RouteTable;
use mayfly_runtime_api::{Failure, Payload, Reply, ReplyBody};
use mayfly_types::{
    FunctionConfig, FunctionName, HandlerStyle, Isolation, Outcome, ReleaseNumber, RuntimeKind,
};

use super::*;
use crate::tests::{World, complete, event, outcome, release, revision, world};

/// A revision of a process, of which so many are to wait.
fn of_process(warm: u32, code: &str) -> Revision {
    let like = revision(HandlerStyle::Event, None, code);
    let config = FunctionConfig {
        runtime: RuntimeKind::Js,
        isolation: Isolation::Instance,
        warm,
        ..like.config().clone()
    };
    Revision::new(
        like.app().clone(),
        like.function().clone(),
        like.artifact(),
        config,
        like.style(),
    )
}

/// What was told by the next time that it was looked.
async fn look(world: &World) -> Vec<Keep> {
    tokio::time::sleep(LOOK).await;
    world.kept()
}

const WARM: Keep = Keep { warm: 2, short: false };
const NONE: Keep = Keep { warm: 0, short: false };

#[tokio::test(start_paused = true)]
async fn what_a_manifest_asks_for_waits_before_anybody_calls() {
    let world = world(vec![(100, release(1, of_process(2, "a")))], |_| complete("x"));
    assert_eq!(look(&world).await, [WARM]);
    assert_eq!(world.starts(), 1);
    // One may have ended meanwhile.
    assert_eq!(look(&world).await, [WARM]);
    // Somebody who calls finds it.
    world.invoker.shared.functions.sweep(0);
    look(&world).await;
    assert_eq!(world.starts(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_is_live_no_more_waits_no_more() {
    let world = world(vec![(100, release(1, of_process(2, "a")))], |_| complete("x"));
    look(&world).await;
    world.show(vec![(100, release(2, of_process(2, "b")))], 1);
    let mut told = look(&world).await;
    told.sort_by_key(|keep| keep.warm);
    assert_eq!((told, world.starts()), (vec![NONE, WARM], 2));
    assert_eq!(look(&world).await, [WARM], "the old one knows");
    // Other secrets are another instance.
    world.show(vec![(100, release(2, of_process(2, "b")))], 2);
    look(&world).await;
    look(&world).await;
    assert_eq!(world.starts(), 3);
    world.show(Vec::new(), 2);
    let told = look(&world).await;
    assert!(!told.is_empty() && told.iter().all(|keep| *keep == NONE), "{told:?}");
    assert_eq!(look(&world).await, []);
}

/// A function of a runtime whose functions are processes, with a name of its own.
fn of_python(name: &str) -> Revision {
    let like = of_process(0, name);
    let config = FunctionConfig { runtime: RuntimeKind::Python, ..like.config().clone() };
    let name = FunctionName::new(name).unwrap();
    Revision::new(like.app().clone(), name, like.artifact(), config, like.style())
}

/// An answer of an instance that started in so many microseconds.
fn started_in(init_us: u64) -> Result<Reply, Failure> {
    let rest = Outcome { cold: true, init_us, ..outcome() };
    Ok(Reply::Event { json: "1".into(), rest: ReplyBody::Complete(Default::default(), rest) })
}

/// Calls after so many seconds.
async fn call_after(world: &World, seconds: i64) {
    world.host.later_us.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    world.call(event("1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_function_that_starts_slowly_is_ready_when_its_next_call_is_likely() {
    let world = world(vec![(100, release(1, of_python("f")))], |_| started_in(800_000));
    for _ in 0..12 {
        call_after(&world, 1800).await;
        assert_eq!(look(&world).await, [], "or not yet");
    }
    world.host.later_us.fetch_add(1750 * 1_000_000, Ordering::SeqCst);
    let ready = Keep { warm: 1, short: false };
    assert_eq!(look(&world).await, [ready]);
    // Memory that is short is for what runs.
    world.host.short.store(true, Ordering::SeqCst);
    assert_eq!(look(&world).await, [Keep { warm: 0, short: true }]);
    assert_eq!(look(&world).await, []);
    world.host.short.store(false, Ordering::SeqCst);
    assert_eq!(look(&world).await, [ready]);
    // Whoever is suspended has nothing that waits.
    world.suspend(true);
    assert_eq!(look(&world).await, [NONE]);
    world.suspend(false);
    assert_eq!(look(&world).await, [ready]);
    // Nobody called: it is not likely any more.
    world.host.later_us.fetch_add(3600 * 1_000_000, Ordering::SeqCst);
    assert_eq!(look(&world).await, [NONE]);
}

/// Ten thousand functions, each called once an hour: a hundred of them each 36 seconds. Every second one starts slowly.
#[tokio::test(start_paused = true)]
async fn of_ten_thousand_functions_that_are_called_once_an_hour_few_are_held_and_none_in_the_end() {
    const FUNCTIONS: usize = 10_000;
    const AT_ONCE: usize = 100;
    const STEP: Duration = Duration::from_secs(36);
    const HOURS: usize = 10;
    let names: Vec<_> =
        (0..FUNCTIONS).map(|i| FunctionName::new(&format!("f{i}")).unwrap()).collect();
    let world = world(Vec::new(), |call| {
        let Payload::Event(event) = call.payload else { panic!("an event") };
        started_in(if event.json == "\"slow\"" { 800_000 } else { 20_000 })
    });
    let revisions = names.iter().map(|name| (name.clone(), Arc::new(of_python(name.as_str()))));
    let all = ReleaseView {
        number: ReleaseNumber(1),
        routes: RouteTable::default(),
        functions: revisions.collect(),
    };
    world.show(vec![(100, Arc::new(all))], 1);
    let step = async || {
        world.host.later_us.fetch_add(STEP.as_micros() as i64, Ordering::SeqCst);
        tokio::time::advance(STEP).await;
        // What is due by then is done.
        tokio::time::sleep(Duration::from_millis(1)).await;
        world.invoker.shared.functions.all().len()
    };
    let mut most = 0;
    for hour in 0..HOURS {
        let before = world.starts();
        let mut begun_by_calls = 0;
        for called in names.chunks(AT_ONCE) {
            most = most.max(step().await);
            let started = world.starts();
            for (at, name) in called.iter().enumerate() {
                let payload = event(if at % 2 == 0 { "\"fast\"" } else { "\"slow\"" });
                world.call_function(name.clone(), payload, None).await.unwrap();
            }
            begun_by_calls += world.starts() - started;
        }
        // Whoever starts slowly is ready when it is called, once eight pauses are known.
        let ready = if hour < HOURS - 1 { 0 } else { FUNCTIONS / 2 };
        assert_eq!(begun_by_calls, FUNCTIONS - ready, "in hour {hour}");
        assert!(world.starts() - before >= FUNCTIONS - ready, "each starts once an hour");
    }
    assert!(most < FUNCTIONS / 5, "{most} were held at once");
    for _ in 0..110 {
        step().await;
    }
    assert_eq!(step().await, 0, "nobody called for more than an hour");
}
