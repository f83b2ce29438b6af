//! What is bounded: memory, time, processors, files, handles.

use super::{behaviours, serve, told};
use mayfly_testkit::{RequestBody, within};

#[tokio::test(flavor = "multi_thread")]
async fn memory_ends_at_its_limit_and_only_for_who_reached_it() {
    let node = serve().await;
    let app = behaviours(&node, "memory = \"64MB\"\n").await;
    assert_eq!(told(&app, "/grow?mb=40").await, "took 40");
    let answer = app.get("/grow?mb=80").await;
    assert_eq!((answer.status, answer.code().as_str()), (502, "out_of_memory"));
    let line = node.logs("behaviours").containing("memory limit of 64MB").await;
    // Where it happened stands in the log, by the names of the source.
    assert!(line.message.contains("at behaviours::limits::grow"), "{}", line.message);
    assert_eq!(told(&app, "/grow?mb=40").await, "took 40");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_end_at_theirs_and_are_gone_with_the_invocation() {
    let node = serve().await;
    let app = behaviours(&node, "memory = \"64MB\"\ndisk = \"8MB\"\n").await;
    for _ in 0..3 {
        assert_eq!(told(&app, "/fresh").await, "found 0");
    }
    assert_eq!(told(&app, "/fill?mb=7").await, "all; all");
    // A little goes for the names; what was removed is there again.
    assert_eq!(told(&app, "/fill?mb=9").await, "7 MB, then StorageFull; 7 MB, then StorageFull");
    // They are of the memory, too.
    let app = behaviours(&node, "memory = \"16MB\"\ndisk = \"16MB\"\n").await;
    let said = told(&app, "/fill?mb=16").await;
    assert!(said.contains("StorageFull"), "{said}");
    // As deep as it can be made, it is removed again.
    let said = told(&app, "/deep?count=100000").await;
    let depth: u64 = said.strip_suffix(" deep").unwrap().parse().unwrap();
    assert!(depth > 10_000, "{said}");
    assert_eq!(told(&app, "/fresh").await, "found 0");
}

#[tokio::test(flavor = "multi_thread")]
async fn time_ends_for_who_computes_and_for_who_waits() {
    let node = serve().await;
    let app = behaviours(&node, "timeout = \"300ms\"\n").await;
    for path in ["/loop", "/sleep?ms=60000"] {
        let answer = app.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (504, "timeout"), "{path}");
    }
    let mut logs = node.logs("behaviours");
    logs.line("of where it looped", |line| {
        line.message.contains("300ms") && line.message.contains("limits::spin_for_ever")
    })
    .await;
    // In the middle of an answer the connection breaks, for the head has gone.
    let mut reply =
        app.open("GET", "/ticks?count=1000&ms=20", &[], RequestBody::empty()).await.unwrap();
    let broken = within("the end", async {
        while reply.read(1).await.is_ok_and(|read| !read.is_empty()) {}
    });
    broken.await;
    assert_eq!(told(&app, "/clock").await.len(), 10);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_leaves_the_threads_to_others() {
    let node = serve().await;
    let app = behaviours(&node, "timeout = \"60s\"\n").await;
    let cores = std::thread::available_parallelism().unwrap().get();
    let loops: Vec<_> = (0..cores * 4)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move {
                app.open("GET", "/loop", &[], RequestBody::empty()).await.map(drop)
            })
        })
        .collect();
    // Whoever came before would hold every thread, did they not yield.
    for _ in 0..20 {
        assert_eq!(told(&app, "/clock").await.len(), 10);
    }
    for running in loops {
        running.abort();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_node_holds_for_a_guest_is_bounded() {
    let node = serve().await;
    let app = behaviours(&node, "").await;
    assert_eq!(told(&app, "/handles?count=500").await, "kept 500");
    for path in ["/handles?count=5000", "/random?bytes=1000000000", "/headers?count=5000"] {
        let answer = app.get(path).await;
        assert_eq!((answer.status, answer.code().as_str()), (502, "function_crashed"), "{path}");
    }
    // More headers than an answer has here, though they fit into the guest's own bound.
    let answer = app.get("/headers?count=1001").await;
    assert_eq!(answer.status, 502, "{}", answer.text());
    assert_eq!(told(&app, "/clock").await.len(), 10);
}
