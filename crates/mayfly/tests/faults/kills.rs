//! `kill -9`, at any time.

use std::collections::{HashMap, HashSet};
use std::time::Duration;

use mayfly_testkit::until;
use serde_json::{Value, json};

use super::load::{Caller, Load, Shared, is_over};
use super::random::{Random, seed, times};
use super::witness::{Run, Witness};
use crate::common;

/// After so many kills everything comes to its end once. On a slow machine some events are under way at every kill
/// otherwise, and are given up after twenty.
const APART: usize = 10;

/// Why an event is given up whose node ended each time.
const LOST: &str = "the node ended 20 times";

// Two hundred kills, in four parts.

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_again_and_again_runs_every_event_it_took() {
    killed(times("MAYFLY_TEST_KILLS", 50), seed()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_node_that_is_killed_again_and_again_runs_every_event_it_took() {
    killed(times("MAYFLY_TEST_KILLS", 50), seed().wrapping_add(1)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_third_node_that_is_killed_again_and_again_runs_every_event_it_took() {
    killed(times("MAYFLY_TEST_KILLS", 50), seed().wrapping_add(2)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fourth_node_that_is_killed_again_and_again_runs_every_event_it_took() {
    killed(times("MAYFLY_TEST_KILLS", 50), seed().wrapping_add(3)).await;
}

async fn killed(kills: usize, seed: u64) {
    let (mut random, witness) = (Random::new(seed), Witness::start().await);
    // Interpreters that nobody needs would be booted at every start.
    let config = format!("{}[runtimes]\nstems = 0\n", Witness::config());
    let mut node = common::node().config(&config).start().await;
    node.deploy(&witness.jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    let shared = Shared::default();
    for kill in 0..kills {
        if kill % APART == APART - 1 {
            settled(&Caller::of(&node)).await;
        }
        let mut load = Load::events(&node, &shared, 4);
        match random.chance(0.5) {
            true => load.taken(random.below(12) as usize).await,
            false => witness.more(random.below(40) as usize).await,
        }
        // Not always in the moment in which somebody was told something.
        tokio::time::sleep(Duration::from_micros(random.below(5_000))).await;
        node.kill9().await;
        load.ended().await;
        node.start_again().await;
    }

    let (taken, events) = {
        let told = shared.told();
        (told.taken.clone(), told.events)
    };
    let caller = Caller::of(&node);
    for (id, n) in &taken {
        let end = async || caller.show(id).await.filter(is_over);
        let shown = until(&format!("the end of {id}"), end).await;
        assert_eq!(
            (&shown["status"], &shown["result"]["n"]),
            (&json!("succeeded"), &json!(n)),
            "seed {seed}: {shown}"
        );
        let attempts = shown["attempts"].as_array().unwrap();
        let numbers: Vec<u64> = attempts.iter().filter_map(|it| it["number"].as_u64()).collect();
        assert!(numbers.is_sorted_by(|a, b| a < b), "{shown}");
    }
    settled(&caller).await;
    let runs = witness.runs();
    once_each(&runs, &taken.into_iter().collect(), events);
}

/// Waits for the end of those that were taken in the moment of a kill, of which nobody was told.
async fn settled(caller: &Caller) {
    for status in ["queued", "running"] {
        let path = format!("/v1/apps/jobs/functions/work/invocations?status={status}");
        let none = async || {
            let listed = caller.command("GET", &path, "").await?.expect(200).json();
            listed["invocations"].as_array().is_some_and(Vec::is_empty).then_some(())
        };
        until(&format!("no event that is {status}"), none).await;
    }
}

/// No run is of something that was not sent, no event has two ids, and no attempt ran twice.
fn once_each(runs: &[Run], taken: &HashMap<String, u64>, events: u64) {
    let distinct: HashSet<&Run> = runs.iter().collect();
    assert_eq!(distinct.len(), runs.len(), "an attempt ran twice");
    let mut ids = HashMap::<u64, &str>::new();
    for run in runs {
        assert!((1..=events).contains(&run.n), "{run:?} was never sent");
        let first = *ids.entry(run.n).or_insert(&run.id);
        assert_eq!(first, run.id, "the event {} ran as two invocations", run.n);
    }
    for (id, n) in taken {
        assert_eq!(ids.get(n).copied(), Some(id.as_str()), "the event {n} was taken as {id}");
    }
    let again = runs.len() - ids.len();
    eprintln!("{} events taken, {} ran, {again} runs were repetitions", taken.len(), ids.len());
}

/// An event that ends its node each time it is tried is given up in the end; those beside it are not.
#[tokio::test(flavor = "multi_thread")]
async fn an_event_whose_node_dies_each_time_is_given_up_and_no_other() {
    let witness = Witness::start().await;
    let config = format!("{}[runtimes]\nstems = 0\n", Witness::config());
    let mut node = common::node().config(&config).start().await;
    node.deploy(&witness.jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    let mut others = Vec::new();
    let mut caller = Caller::of(&node);
    let sent = caller.send("work", &json!({ "n": 0, "stays": true })).await.unwrap().expect(202);
    let poison = super::load::id(&sent);
    let ran = |witness: &Witness| witness.runs().iter().filter(|run| run.n == 0).count();
    for times in 1..=20 {
        until("the event's run", async || (ran(&witness) == times).then_some(())).await;
        // One beside it, which runs at once, and one that is cut off with it.
        let sent = caller.send("work", &json!({ "n": times })).await.unwrap().expect(202);
        let beside = super::load::id(&sent);
        until("the other's end", async || caller.show(&beside).await.filter(is_over)).await;
        let sent = caller.send("work", &json!({ "n": 100 + times })).await.unwrap().expect(202);
        others.extend([beside, super::load::id(&sent)]);
        node.kill9().await;
        node.start_again().await;
        caller = Caller::of(&node);
    }
    let given_up: Value =
        until("the end of it", async || caller.show(&poison).await.filter(is_over)).await;
    assert_eq!(given_up["status"], "failed", "{given_up}");
    assert_eq!(given_up["fault"]["code"], "function_crashed", "{given_up}");
    let message = given_up["fault"]["message"].as_str().unwrap();
    assert!(message.contains(LOST), "{message}");
    assert_eq!(ran(&witness), 20);
    for other in others {
        let end = async || caller.show(&other).await.filter(is_over);
        assert_eq!(until("the others' ends", end).await["status"], "succeeded");
    }
}
