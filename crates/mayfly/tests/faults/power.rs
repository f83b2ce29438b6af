//! A loss of power: what was acknowledged is there, whatever of the rest is.

use mayfly_testkit::{Node, until, within};
use serde_json::json;

use super::disk::{self, Disk};
use super::load::{Caller, Load, Shared, is_over, jobs};
use super::random::{Random, seed, times};
use super::trace::{Trace, now_ns};

/// Rounds of a test, each of which ends with a loss of power: `MAYFLY_TEST_POWER`, or a few.
fn rounds() -> usize {
    times("MAYFLY_TEST_POWER", 6)
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_is_there_after_a_loss_of_power() {
    let seed = seed();
    let (mut disk, mut random) = (Disk::new(seed), Random::new(!seed));
    let mut node = disk.node().start().await;
    node.deploy(&jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    // What is left of the compiled engine is looked at once: to compile it takes seconds.
    let compiled = tempfile::tempdir().unwrap();
    disk.copy("cache/js", compiled.path());
    let (shared, mut counted) = (Shared::default(), 0);
    for round in 0..rounds() {
        let mut load = Load::start(&node, &shared, 4);
        load.taken(random.below(60) as usize).await;
        if round == 0 {
            let some = async || shared.told().has_some_of_each().then_some(());
            until("something of each kind", some).await;
        }
        disk::kill(&mut node).await;
        load.ended().await;
        let trace = disk.trace();
        disk.lose_power();
        if round > 0 {
            disk.keep("cache/js", compiled.path());
        }
        node.start_again().await;
        let lost = missing(&node, &shared).await;
        assert_eq!(lost, Vec::<String>::new(), "round {round} of seed {seed}");
        is_deployed(&node, &shared).await;
        counted = is_billed(&node, &shared, counted, &trace).await;
    }
    all_end(&node, &shared).await;
}

/// Nobody has to do anything for it: a moment after an answer its record is synced.
#[tokio::test(flavor = "multi_thread")]
async fn the_ledger_is_synced_by_itself_and_then_has_every_answer_after_a_loss_of_power() {
    const ANSWERS: u64 = 20;
    let seed = seed();
    let mut disk = Disk::new(seed);
    let mut node = disk.node().start().await;
    node.deploy(&jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    for round in 1..=3 {
        for _ in 0..ANSWERS {
            node.app("jobs").get("/page").await.expect(200);
        }
        let last_ns = now_ns();
        let synced =
            async || Some(disk.trace().ledger_synced_ns()).filter(|at_ns| *at_ns > last_ns);
        let at_ns = until("the ledger's sync", synced).await;
        eprintln!("synced {} ms after the last answer", (at_ns - last_ns) / 1_000_000);
        disk::kill(&mut node).await;
        disk.lose_power();
        node.start_again().await;
        let (counted, expected) = (attempts_of_page(&node).await, round * ANSWERS);
        assert_eq!(counted, expected, "round {round} of seed {seed}");
    }
}

/// Events that were taken and are not there, or are there and not as they were shown.
async fn missing(node: &Node, shared: &Shared) -> Vec<String> {
    let caller = Caller::of(node);
    let (taken, ended) = {
        let told = shared.told();
        (told.taken.clone(), told.ended.clone())
    };
    let mut missing = Vec::new();
    for id in taken.keys() {
        let path = format!("/v1/invocations/{id}");
        let shown = caller.command("GET", &path, "").await.expect("the node answers");
        if shown.status != 200 {
            missing.push(format!("{id} was taken: {}", shown.text()));
        } else if let Some(before) = ended.get(id).filter(|before| **before != shown.json()) {
            missing.push(format!("{id} was {before}, and is {}", shown.text()));
        }
    }
    missing
}

/// The release that was acknowledged, or the one that was under way, is live and answers.
async fn is_deployed(node: &Node, shared: &Shared) {
    let acknowledged = shared.told().release;
    if acknowledged == 0 {
        return;
    }
    let listed = node.command("GET", "/v1/apps/again/releases?limit=1000", None).await;
    let listed = listed.expect(200).json();
    let numbers = listed["releases"].as_array().unwrap().iter();
    let numbers: Vec<u64> = numbers.map(|release| release["number"].as_u64().unwrap()).collect();
    let newest = numbers[0];
    assert!(
        newest == acknowledged || newest == acknowledged + 1,
        "{acknowledged} was acknowledged, {numbers:?} are there"
    );
    assert_eq!(numbers, (1..=newest).rev().take(numbers.len()).collect::<Vec<_>>());
    node.app("again").get("/").await.expect(200);
    shared.told().release = newest;
}

/// Requests that were answered before the ledger's last sync began are counted; answers the count, of which
/// `before` were there when the last node began.
async fn is_billed(node: &Node, shared: &Shared, before: u64, trace: &Trace) -> u64 {
    let synced_ns = trace.ledger_synced_ns();
    let answers_ns = std::mem::take(&mut shared.told().answers_ns);
    let (all, cut_off) = (answers_ns.len() as u64, 2);
    let synced = answers_ns.iter().filter(|at_ns| **at_ns < synced_ns).count() as u64;
    let counted = attempts_of_page(node).await;
    let allowed = before + synced..=before + all + cut_off;
    assert!(allowed.contains(&counted), "{counted}, not in {allowed:?}");
    counted
}

async fn attempts_of_page(node: &Node) -> u64 {
    let usage = node.command("GET", "/v1/usage?by=function", None).await.expect(200).json();
    let mut lines = usage["lines"].as_array().unwrap().iter();
    let line = lines.find(|line| line["function"] == "page");
    line.map_or(0, |line| line["attempts"].as_u64().unwrap())
}

/// Every event that was taken has its answer in the end.
async fn all_end(node: &Node, shared: &Shared) {
    let caller = Caller::of(node);
    let taken = shared.told().taken.clone();
    for (id, n) in taken {
        let end = async || caller.show(&id).await.filter(is_over);
        let shown = until(&format!("the end of {id}"), end).await;
        assert_eq!(
            (&shown["status"], &shown["result"]["n"]),
            (&json!("succeeded"), &json!(n)),
            "{shown}"
        );
    }
}

/// The disk is one that is told to lose: the same test, over a database whose syncs are never made, fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_sync_loses_what_it_acknowledged() {
    let seed = seed();
    let mut disk = Disk::new(seed);
    let mut node = disk.node().start().await;
    node.deploy(&jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    node.terminate().await;
    let mut node = disk.node().env("DISK_DEAF", "work.db").start().await;
    let shared = Shared::default();
    for _ in 0..10 {
        let mut load = Load::start(&node, &shared, 4);
        load.taken(20).await;
        disk::kill(&mut node).await;
        load.ended().await;
        disk.lose_power();
        // A database in pieces is a loss as well.
        let again = disk.node().env("DISK_DEAF", "work.db");
        let Ok(started) = within("a start", again.try_start()).await else { return };
        node = started;
        if !missing(&node, &shared).await.is_empty() {
            return;
        }
    }
    panic!("nothing was lost (seed {seed})");
}

/// A first start is cut short at each of its syncs in turn; the next start finishes it, and its token is the one
/// that is in the file.
#[tokio::test(flavor = "multi_thread")]
async fn a_first_start_that_loses_power_is_finished_by_the_next() {
    let seed = seed();
    let compiled = tempfile::tempdir().unwrap();
    for sync in 1.. {
        let mut disk = Disk::new(seed.wrapping_add(sync));
        let first = disk.node().env("DISK_DIES", &sync.to_string()).try_start().await;
        let over = first.is_ok();
        if let Ok(mut node) = first {
            disk::kill(&mut node).await;
        }
        disk.lose_power();
        disk.keep("cache/js", compiled.path());
        let node = disk.node().try_start().await;
        let node = node.unwrap_or_else(|error| panic!("sync {sync} of seed {seed}: {error}"));
        node.command("GET", "/v1/apps", None).await.expect(200);
        node.secret("kept", "KEY", "value").await;
        // Only to save the seconds that compiling the engine takes.
        disk.copy("cache/js", compiled.path());
        if over {
            assert!(sync > 10, "a first start has no more than {sync} syncs");
            return;
        }
    }
}
