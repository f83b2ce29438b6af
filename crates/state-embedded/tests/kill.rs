//! A node that is killed while it writes keeps everything it has acknowledged.

#![allow(clippy::unwrap_used, reason = "helpers of tests are test code")]

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use mayfly_state_api::suite::{app, revision};
use mayfly_state_api::{ControlStore, GoLive, NewRelease};
use mayfly_state_embedded::{DataDir, OpenOptions, Store};
use mayfly_types::{OperationId, ReleaseNumber, TenantName};

const CHILD: &str = "MAYFLY_TEST_KILLED_NODE";
const APPS: u32 = 5;

fn open(path: &Path) -> Store {
    Store::open(&DataDir::open(path, OpenOptions::default()).unwrap()).unwrap()
}

fn new_release(name: &str) -> NewRelease {
    let app = app(&TenantName::fallback(), name);
    let revision = revision(&app, "thumb", "code");
    NewRelease {
        manifest: "x".repeat(20_000),
        routes: vec![],
        functions: [(revision.function().clone(), revision)].into(),
        go_live: GoLive::All,
        by: "child".into(),
        app,
    }
}

/// Not a test of its own: what the test below runs in another process. It makes releases without
/// end and prints each one that was acknowledged.
#[tokio::test]
async fn a_node_under_load() {
    let Some(path) = std::env::var_os(CHILD) else { return };
    let store = open(Path::new(&path));
    let mut running = FuturesUnordered::new();
    let mut count = 0;
    loop {
        while running.len() < 50 {
            let name = format!("app-{}", count % APPS);
            count += 1;
            let new = new_release(&name);
            running.push(async { (name, store.create_release(OperationId::new(), new).await) });
        }
        let Some((name, made)) = running.next().await else { return };
        let line = format!("made {name} {}\n", made.unwrap().number);
        std::io::stdout().write_all(line.as_bytes()).unwrap();
    }
}

#[tokio::test]
async fn what_was_acknowledged_survives_a_kill_and_nothing_is_half_there() {
    let dir = tempfile::tempdir().unwrap();
    let mut acknowledged = 0;
    for enough in [1, 100, 300] {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["a_node_under_load", "--exact", "--nocapture"])
            .env(CHILD, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let mut made = Vec::new();
        for line in lines {
            // The last line may be cut; then its release was acknowledged, but to nobody.
            let line = line.unwrap();
            let words: Vec<&str> = line.split(' ').collect();
            if let ["made", name, number] = words[..] {
                made.push((name.to_owned(), number.parse::<u64>().unwrap()));
            }
            if made.len() == enough {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(made.len() >= enough, "the child ended by itself");
        acknowledged += made.len();
        check(dir.path(), &made).await;
    }
    assert!(acknowledged >= 401);
}

async fn check(path: &Path, acknowledged: &[(String, u64)]) {
    let store = open(path);
    for (name, number) in acknowledged.iter().rev().skip(1) {
        let new = new_release(name);
        let release = store.release(&new.app, ReleaseNumber(*number)).await.unwrap().unwrap();
        assert_eq!(release.functions, new.functions);
        assert_eq!(release.manifest, new.manifest);
    }
    let (_, apps) = store.all_apps().await.unwrap();
    for record in apps {
        let releases = store.releases(&record.key, None, usize::MAX).await.unwrap();
        let numbers = releases.iter().map(|release| release.number.0);
        assert!(numbers.eq((1..=record.newest.0).rev()), "numbers without gaps");
        assert_eq!(record.live.main(), record.newest);
    }
    let new = new_release("app-0");
    store.create_release(OperationId::new(), new).await.unwrap();
}
