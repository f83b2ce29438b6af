//! A disk that is full while events come.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use mayfly_testkit::{Node, until};
use serde_json::{Value, json};

use super::load::{Caller, id, is_over};
use super::witness::Witness;
use crate::common;

const DISK: &str = "MAYFLY_TEST_SMALL_DISK";

/// Runs a test of this file again with a file system of its own, whose path is in [`DISK`]; in that run it answers
/// the path. Without the right to mount (no root, no user namespaces) there is nothing to test with.
fn on_a_small_disk(test: &str, options: &str) -> Option<PathBuf> {
    if let Some(path) = std::env::var_os(DISK) {
        return Some(path.into());
    }
    let dir = tempfile::tempdir().unwrap();
    let mount = format!("mount -t tmpfs -o {options} none \"$0\"");
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c", script]);
        command.arg(dir.path()).env(DISK, dir.path());
        command
    };
    if !unshare(&mount).status().is_ok_and(|status| status.success()) {
        eprintln!(
            "NOT SHOWN: a full disk, because this host lets nobody mount a tmpfs in a namespace"
        );
        return None;
    }
    let script = format!("{mount} && exec \"$1\" \"$2\" --exact --nocapture");
    let mut command = unshare(&script);
    let status = command.arg(std::env::current_exe().unwrap()).arg(test).status().unwrap();
    assert!(status.success(), "{status}");
    None
}

/// All the space that is left on a disk; it is free again when this is dropped.
struct Filler(PathBuf);

impl Filler {
    fn fill(disk: &Path) -> Self {
        let path = disk.join("filler");
        let mut taken = File::create(&path).unwrap();
        let piece = vec![1_u8; 64 << 10];
        while taken.write_all(&piece).is_ok() {}
        while taken.write_all(&[1]).is_ok() {}
        Self(path)
    }
}

impl Drop for Filler {
    fn drop(&mut self) {
        std::fs::remove_file(&self.0).unwrap();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_events_whole_and_takes_them_again_when_there_is_room() {
    let test =
        "faults::full::a_full_disk_refuses_events_whole_and_takes_them_again_when_there_is_room";
    let Some(disk) = on_a_small_disk(test, "size=96m") else { return };
    let witness = Witness::start().await;
    let node = common::node().config(Witness::config()).data(&disk.join("data")).start().await;
    node.deploy(&witness.jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    let (caller, app) = (Caller::of(&node), node.app("jobs"));
    let send = async |n: u64, bytes: usize| {
        let event = json!({ "n": n, "ballast": "x".repeat(bytes) });
        caller.send("work", &event).await.expect("an answer")
    };
    let mut taken = BTreeMap::new();
    taken.insert(id(&send(0, 10).await.expect(202)), 0);
    app.get("/page").await.expect(200);

    let mut refused = BTreeSet::new();
    for round in 0..3 {
        // Due when there is no room, not even to write down how they ended.
        for n in 800_000 + 10 * round..800_005 + 10 * round {
            let path = "/v1/apps/jobs/functions/work/invocations?mode=async&delay=100ms";
            let answer = caller.command("POST", path, json!({ "n": n }).to_string()).await;
            taken.insert(id(&answer.expect("an answer").expect(202)), n);
        }
        let filler = Filler::fill(&disk);
        let mut n = 1_000 * (round + 1);
        // Large and small ones at once; what is refused is refused each time.
        while refused.range(1_000 * (round + 1)..).count() < 20 {
            let sent = [20_000, 10, 20_000, 2_000].map(|bytes| {
                n += 1;
                let answer = send(n, bytes);
                async move { (n, answer.await) }
            });
            for (n, answer) in futures_util::future::join_all(sent).await {
                match answer.status {
                    202 => drop(taken.insert(id(&answer), n)),
                    503 => {
                        let text = answer.text().to_lowercase();
                        assert!(text.contains("full") || text.contains("space"), "{text}");
                        refused.insert(n);
                    }
                    other => panic!("{other}: {}", answer.text()),
                }
            }
            assert!(n < 1_000 * (round + 2), "the disk is not full");
            // What is deployed goes on.
            assert_eq!(app.get("/page").await.expect(200).text(), "a page");
        }
        drop(filler);
        for n in 900_000 + 10 * round..900_005 + 10 * round {
            taken.insert(id(&send(n, 10_000).await.expect(202)), n);
        }
    }
    for (id, n) in &taken {
        let end = async || caller.show(id).await.filter(is_over);
        let shown = until(&format!("the end of {n}"), end).await;
        assert_eq!((&shown["status"], &shown["result"]["n"]), (&json!("succeeded"), &json!(n)));
    }
    let listed = "/v1/apps/jobs/functions/work/invocations?limit=1000";
    let listed = node.command("GET", listed, None).await.expect(200).json();
    assert_eq!(listed["invocations"].as_array().unwrap().len(), taken.len());
    let ran: BTreeSet<u64> = witness.runs().iter().map(|run| run.n).collect();
    assert_eq!(ran, taken.values().copied().collect());
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_on_a_full_disk_and_counted_when_there_is_room() {
    let test = "faults::full::requests_are_answered_on_a_full_disk_and_counted_when_there_is_room";
    let Some(disk) = on_a_small_disk(test, "size=96m") else { return };
    let node = common::node().data(&disk.join("data")).start().await;
    let app = node.function("site", "", "export default { fetch: () => new Response('ok') }").await;
    // The ledger has no file yet, and no room for one.
    let filler = Filler::fill(&disk);
    for _ in 0..30 {
        assert_eq!(app.get("/").await.expect(200).text(), "ok");
    }
    drop(filler);
    app.get("/").await.expect(200);
    let counted = async || (attempts(&node).await? == 31).then_some(());
    until("31 attempts", counted).await;
}

async fn attempts(node: &Node) -> Option<u64> {
    let usage: Value = node.command("GET", "/v1/usage", None).await.expect(200).json();
    usage["total"]["attempts"].as_u64()
}
