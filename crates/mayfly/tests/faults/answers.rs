//! What happens before a `202`: the event is written, and what was written is synced. By the order in which the
//! node's own calls were made, and with a sync that takes as long as a test wants.

use std::collections::HashMap;

use mayfly_testkit::{until, within};
use serde_json::json;

use super::disk::Disk;
use super::load::{Caller, Load, Shared, id, is_over, jobs};
use super::random::seed;
use super::trace::{Kind, Record, Trace};

const LOG: &str = "work.db-wal";
/// Bytes of the head of a frame of SQLite's write-ahead log (<https://sqlite.org/fileformat2.html>, 4.2).
const FRAME: usize = 24;

#[tokio::test(flavor = "multi_thread")]
async fn an_event_is_synced_before_its_202_is_sent() {
    let disk = Disk::new(seed());
    let mut node = disk.node().env("DISK_WATCH", LOG).start().await;
    node.deploy(&jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    let shared = Shared::default();
    let mut load = Load::start(&node, &shared, 16);
    load.taken(300).await;
    node.kill9().await;
    load.ended().await;

    let trace = disk.trace();
    let (taken, pages) = (shared.told().taken.clone(), pages(&trace));
    let syncs = trace.syncs().into_iter().filter(|sync| sync.name == LOG);
    let (syncs, mut told) = (syncs.collect::<Vec<_>>(), 0);
    for (at, record) in trace.0.iter().enumerate() {
        if record.kind != Kind::Answered {
            continue;
        }
        let text = String::from_utf8_lossy(&record.bytes);
        let id: uuid::Uuid = text
            .split_once("\"invocation_id\":\"")
            .and_then(|(_, rest)| rest.get(..36)?.parse().ok())
            .unwrap_or_else(|| panic!("a 202 that names no invocation: {text}"));
        told += usize::from(taken.contains_key(&id.to_string()));
        let page = pages.get(id.as_bytes());
        let committed = page.and_then(|page| committed(&trace, *page));
        let committed = committed.unwrap_or_else(|| panic!("{id} was answered and not written"));
        assert!(
            syncs.iter().any(|sync| committed < sync.began && sync.ended < at),
            "{id}: written at {committed}, answered at {at}, and synced at {syncs:?}"
        );
    }
    assert_eq!(told, taken.len(), "all that were told are in the trace");
    assert!(told >= 300);
}

fn is_written(record: &Record) -> bool {
    record.kind == Kind::Written
}

/// Where in the trace each id was written first: whatever looks like a UUID of version 7.
fn pages(trace: &Trace) -> HashMap<[u8; 16], usize> {
    let mut pages = HashMap::new();
    for (at, record) in trace.0.iter().enumerate().filter(|(_, record)| is_written(record)) {
        for bytes in record.bytes.windows(16) {
            if bytes[6] >> 4 == 7 && bytes[8] >> 6 == 2 {
                pages.entry(bytes.try_into().unwrap()).or_insert(at);
            }
        }
    }
    pages
}

/// Where in the trace the transaction ends that wrote the page of the record `page`.
fn committed(trace: &Trace, page: usize) -> Option<usize> {
    let head_offset = trace.0[page].offset - FRAME as u64;
    let head = trace.0[..page].iter().rposition(|record| record.offset == head_offset)?;
    // The head of a transaction's last frame says how large the database is then; that of others is zero there.
    let ends = |record: &Record| record.bytes.len() == FRAME && record.bytes[4..8] != [0; 4];
    let last =
        head + trace.0[head..].iter().position(|record| is_written(record) && ends(record))?;
    let page_offset = trace.0[last].offset + FRAME as u64;
    let written = trace.0[last..]
        .iter()
        .position(|record| is_written(record) && record.offset == page_offset);
    Some(last + written?)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sync_that_takes_its_time_holds_up_events_and_no_request() {
    let disk = Disk::new(seed());
    let node = disk.node().env("DISK_WATCH", LOG).start().await;
    node.deploy(&jobs("")).await.unwrap_or_else(|error| panic!("{error}"));
    let caller = Caller::of(&node);
    let app = node.app("jobs");
    app.get("/page").await.expect(200);
    for round in 0..3_u64 {
        let held = disk.hold().with_extension("held");
        std::fs::write(disk.hold(), "").unwrap();
        let senders: Vec<_> = (0..8)
            .map(|n| {
                let caller = caller.clone();
                tokio::spawn(async move {
                    caller.send("work", &json!({ "n": round * 8 + n })).await.expect("an answer")
                })
            })
            .collect();
        until("a sync", async || held.exists().then_some(())).await;
        for _ in 0..50 {
            assert_eq!(app.get("/page").await.expect(200).text(), "a page");
        }
        // What was read before, and what is there already, is shown all the same.
        node.command("GET", "/v1/apps/jobs/functions/work/invocations", None).await.expect(200);
        assert!(senders.iter().all(|sender| !sender.is_finished()), "answered before the sync");
        std::fs::remove_file(&held).unwrap();
        std::fs::remove_file(disk.hold()).unwrap();
        for (n, sender) in senders.into_iter().enumerate() {
            let answer = within("a 202", sender).await.unwrap().expect(202);
            let id = id(&answer);
            let end = async || caller.show(&id).await.filter(is_over);
            let shown = until("the event's end", end).await;
            assert_eq!(shown["result"], json!({ "n": round * 8 + n as u64, "attempt": 1 }));
        }
    }
}
