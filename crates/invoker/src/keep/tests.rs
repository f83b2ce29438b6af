//! What waits, over a runtime that notes what it is told.

use std::sync::atomic::Ordering;

use mayfly_types::{FunctionConfig, HandlerStyle, Isolation, Outcome, RuntimeKind};

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

/// Calls after so many seconds.
async fn call_after(world: &World, seconds: i64) {
    world.host.later_us.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    world.call(event("1")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_function_that_starts_slowly_is_ready_when_its_next_call_is_likely() {
    let live = of_process(0, "a");
    let config = FunctionConfig { runtime: RuntimeKind::Python, ..live.config().clone() };
    let live = Revision::new(
        live.app().clone(),
        live.function().clone(),
        live.artifact(),
        config,
        live.style(),
    );
    let world = world(vec![(100, release(1, live))], |_| {
        use mayfly_runtime_api::{Reply, ReplyBody};
        let slow = Outcome { cold: true, init_us: 800_000, ..outcome() };
        Ok(Reply::Event { json: "1".into(), rest: ReplyBody::Complete(Default::default(), slow) })
    });
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
