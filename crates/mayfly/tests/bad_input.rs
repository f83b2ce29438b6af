//! Functions that misbehave and clients that misbehave: whose fault it is told to be, and that the node goes on.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;
#[path = "bad_input/deployments.rs"]
mod deployments;

use std::time::{Duration, Instant};

use common::{MAYFLY, deploy_guests, guests, node, serve};
use mayfly_testkit::{App, AppClient, RequestBody, within};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

async fn misbehave(app: &AppClient, way: &str) -> mayfly_testkit::Answer {
    app.get(&format!("/misbehave/{way}")).await
}

async fn still_fine(app: &AppClient) {
    let fine = misbehave(app, "fine").await;
    assert_eq!((fine.status, fine.text().as_str()), (200, "fine"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_goes_wrong_is_told_to_be_at_fault() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let mut logs = node.logs("faults");
    // The way, the status, the code, what the caller's message has, what the log has.
    let ways = [
        ("throw", 502, "function_error", "", "TypeError: thrown with a s3cret in it"),
        ("throw-null", 502, "function_error", "", "null"),
        ("reject", 502, "function_error", "", "RangeError: rejected"),
        ("nothing", 502, "invalid_response", "undefined", "path without `return`"),
        ("string", 502, "invalid_response", "a string", "return new Response(text)"),
        ("object", 502, "invalid_response", "a plain object", "Response.json(value)"),
        ("lambda", 502, "invalid_response", "Lambda", "export it as `handler`"),
        ("used", 502, "invalid_response", "read already", "clone()"),
        ("error", 502, "invalid_response", "Response.error()", "failed fetch"),
        ("newline", 502, "function_error", "", "is not a valid header value"),
        ("never", 502, "function_error", "never comes", "never comes"),
        ("recursion-uncaught", 502, "function_error", "", "RangeError"),
        ("loop", 504, "timeout", "300ms", "misbehave.js:"),
        ("loop-in-microtasks", 504, "timeout", "300ms", "300ms"),
        ("loop-in-timers", 504, "timeout", "300ms", "300ms"),
        ("loop-in-regexp", 504, "timeout", "300ms", "300ms"),
        ("loop-that-catches", 504, "timeout", "300ms", "300ms"),
        ("break-prototypes", 502, "", "", ""),
    ];
    let mut failures = Vec::new();
    for (way, status, code, caller, log) in ways {
        let began = Instant::now();
        let answer = misbehave(&app, way).await;
        let text = answer.text();
        if answer.status != status || (!code.is_empty() && answer.code() != code) {
            failures.push(format!("{way}: {} {text}", answer.status));
            continue;
        }
        if !text.contains(caller) {
            failures.push(format!("{way}: no `{caller}` in {text}"));
        }
        // The caller learns neither what was thrown nor where.
        if text.contains("s3cret") || text.contains("misbehave.js") {
            failures.push(format!("{way}: the answer tells too much: {text}"));
        }
        let id = answer.json()["error"]["invocation_id"].as_str().unwrap_or_default().to_owned();
        if id.is_empty() || id != answer.header("x-mayfly-invocation-id") {
            failures.push(format!("{way}: no invocation id in {text}"));
        }
        if !log.is_empty() {
            let found = tokio::time::timeout(
                Duration::from_secs(10),
                logs.line(way, |line| line.invocation == id && line.message.contains(log)),
            );
            if found.await.is_err() {
                let lines: Vec<_> = logs.seen.iter().filter(|line| line.invocation == id).collect();
                failures.push(format!("{way}: no `{log}` in the log: {lines:?}"));
            }
        }
        if way == "never" && began.elapsed() > Duration::from_millis(290) {
            failures.push(format!("{way}: it took {:?}, not an instant", began.elapsed()));
        }
        still_fine(&app).await;
    }
    assert!(failures.is_empty(), "{} of {}:\n{}", failures.len(), ways.len(), failures.join("\n"));

    assert_eq!(misbehave(&app, "recursion").await.text(), "caught RangeError");
    assert_eq!(misbehave(&app, "poison-then").await.text(), "still mine");
    assert_eq!(misbehave(&app, "wait-fails").await.expect(200).text(), "answered");
    logs.containing("Rejected in waitUntil: Error: in waitUntil").await;
    assert_eq!(misbehave(&app, "wait-loops").await.expect(200).text(), "answered first");
    logs.line("of the loop in waitUntil", |line| line.message.contains("300ms")).await;
    still_fine(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn memory_over_the_limit_ends_the_invocation_and_names_the_limit() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let mut failures = Vec::new();
    for way in [
        "buffers",
        "strings",
        "objects",
        "closures",
        "map",
        "array-in-one",
        "buffer-in-one",
        "string-in-one",
    ] {
        let answer = app.get(&format!("/hoard/{way}")).await;
        if answer.status != 502
            || answer.code() != "out_of_memory"
            || !answer.text().contains("32MB")
        {
            failures.push(format!("{way}: {} {}", answer.status, answer.text()));
        }
        still_fine(&app).await;
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_may_catch_its_memory_limit() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let caught = app.get("/hoard/caught").await;
    let caught = caught.expect(200).text();
    assert!(caught.contains("InternalError"), "{caught}");
    still_fine(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_breaks_in_the_middle_cuts_the_connection() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let mut logs = node.logs("faults");
    for (way, first, log) in [
        ("half-stream", "the first half", "RangeError: no second half"),
        ("busy-stream", "the first half", "RangeError: no other half"),
        ("slow-stream", "begun", "300ms"),
        ("text-stream", "", "TextEncoderStream"),
        ("never-in-stream", "", "never"),
    ] {
        let path = format!("/misbehave/{way}");
        // Where no piece was given, the head may be cut off with the body.
        match app.open("GET", &path, &[], RequestBody::empty()).await {
            Ok(reply) => {
                let answer = within(way, reply.collect()).await;
                // A stream that breaks before its first byte is a failure like any other.
                if answer.status == 502 && first.is_empty() {
                    assert_eq!(answer.code(), "function_error", "{way}");
                } else {
                    assert_eq!((answer.status, answer.text().as_str()), (200, first), "{way}");
                    assert!(answer.broken.is_some(), "{way}: the body must not look whole");
                }
            }
            Err(error) => assert!(first.is_empty(), "{way}: {error}"),
        }
        logs.line(&format!("of {way} with `{log}`"), |line| line.message.contains(log)).await;
    }
    // On HTTP/2 the stream is cut and the connection lives on.
    let mut connection = app.client().connect_h2c().await;
    let request = app.request("GET", "/misbehave/half-stream", &[], RequestBody::empty());
    let broken = connection.send(request).await.unwrap().collect().await;
    assert!(broken.broken.is_some() && broken.text() == "the first half");
    let request = app.request("GET", "/misbehave/fine", &[], RequestBody::empty());
    assert_eq!(connection.send(request).await.unwrap().collect().await.text(), "fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_stream_gave_arrives_however_soon_it_breaks() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let path = "/misbehave/short-stream";
    let reply = app.open("GET", path, &[], RequestBody::empty()).await;
    let answer = within("the body", reply.expect("the head was given before").collect()).await;
    assert_eq!((answer.status, answer.text().as_str()), (200, "one piece"));
    assert!(answer.broken.is_some());
}

#[tokio::test(flavor = "multi_thread")]
async fn data_that_nests_too_deeply_harms_one_invocation() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    for depth in [100, 1_000, 20_000, 200_000] {
        let json = format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        let answer = app.post("/misbehave/json", json.clone()).await;
        match answer.status {
            200 => assert_eq!(answer.text(), json),
            status => {
                assert!(matches!(status, 502 | 504) && depth > 100, "{depth}: {}", answer.text());
            }
        }
        still_fine(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn loops_on_every_core_leave_others_their_share() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let cores = std::thread::available_parallelism().unwrap().get();
    let mut loops = Vec::new();
    for _ in 0..4 * cores {
        let app = app.clone();
        loops.push(tokio::spawn(async move {
            let reply = app.open("GET", "/burn", &[], RequestBody::empty()).await;
            reply.map(|reply| reply.status)
        }));
    }
    let mut logs = node.logs("faults");
    mayfly_testkit::until("all loops to run", async || {
        let lines = logs.all().await;
        (lines.iter().filter(|line| line.message == "burning").count() == 4 * cores).then_some(())
    })
    .await;
    // The loops go on for 20 s. In that time others are answered, one after the other.
    let mut answered = 0;
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(3) {
        still_fine(&app).await;
        answered += 1;
    }
    println!("{answered} answers in 3 s beside {} loops on {cores} cores", 4 * cores);
    assert!(answered >= 10, "only {answered} answers in 3 s");
    assert!(loops.iter().all(|one| !one.is_finished()), "a loop ended before its time");
    // Who leaves ends his loop.
    for one in &loops {
        one.abort();
    }
    let mut node = node;
    let began = Instant::now();
    assert!(node.terminate().await.success());
    assert!(began.elapsed() < Duration::from_secs(15), "the loops went on without their callers");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_refused() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let limit = 10 << 20;
    assert_eq!(app.post("/misbehave/size", vec![0; limit]).await.text(), limit.to_string());

    // Told beforehand: refused before the body is sent.
    let mut socket = app.client().tcp().await;
    let head = "POST /misbehave/size HTTP/1.1\r\nhost: faults.localhost\r\ncontent-length: 104857600\r\n\r\n";
    socket.write_all(head.as_bytes()).await.unwrap();
    let mut answer = vec![0; 12];
    within("the refusal", socket.read_exact(&mut answer)).await.unwrap();
    assert_eq!(answer, b"HTTP/1.1 413");

    // Not told: refused when it has become too much. A function that ignores its body may answer.
    for (way, statuses) in [("size", &["413"][..]), ("ignore", &["413", "200"])] {
        let (mut reading, mut writing) = app.client().tcp().await.into_split();
        let head = format!(
            "POST /misbehave/{way} HTTP/1.1\r\nhost: faults.localhost\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        let sent = tokio::spawn(async move {
            let chunk = [&b"100000\r\n"[..], &vec![0; 1 << 20], b"\r\n"].concat();
            writing.write_all(head.as_bytes()).await.unwrap();
            for sent in 0..100 {
                if writing.write_all(&chunk).await.is_err() {
                    return sent;
                }
            }
            100
        });
        let mut start = vec![0; 12];
        within("the refusal", reading.read_exact(&mut start)).await.unwrap();
        let start = String::from_utf8(start).unwrap();
        assert!(statuses.iter().any(|status| start.ends_with(status)), "{way}: {start}");
        drop(reading);
        assert!(within("the end of the upload", sent).await.unwrap() < 100, "{way}: all was taken");
    }
    still_fine(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_leaves_in_the_middle_ends_the_function() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let mut logs = node.logs("faults");
    let mut reply = app.open("GET", "/writer", &[], RequestBody::empty()).await.unwrap();
    within("a piece", reply.read(7)).await.unwrap();
    logs.containing("first piece").await;
    drop(reply);
    // All of its 20,000 pieces would take 20 s; a node that stops waits for what runs.
    still_fine(&app).await;
    let mut node = node;
    let began = Instant::now();
    assert!(node.terminate().await.success());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    node.start_again().await;
    let mut logs = node.logs("faults");
    assert!(!logs.all().await.iter().any(|line| line.message == "nobody stopped it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn odd_clients_harm_nobody() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;

    // One that closes its writing half counts as gone; the node is fine either way.
    let mut half = app.client().tcp().await;
    half.write_all(
        b"GET /misbehave/fine HTTP/1.1\r\nhost: faults.localhost\r\nconnection: close\r\n\r\n",
    )
    .await
    .unwrap();
    half.shutdown().await.unwrap();
    let mut rest = Vec::new();
    let _ = within("the end of a half-closed connection", half.read_to_end(&mut rest)).await;
    assert!(
        rest.is_empty() || rest.starts_with(b"HTTP/1.1 200"),
        "{}",
        String::from_utf8_lossy(&rest)
    );

    // Requests that are none.
    for (request, status) in [
        ("nonsense\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a\r\nhost: b\r\n\r\n", "400"),
        ("GET / HTTP/1.1\r\nhost: a b\r\n\r\n", "400"),
        (
            "POST / HTTP/1.1\r\nhost: faults.localhost\r\ncontent-length: 1\r\ncontent-length: 2\r\n\r\nx",
            "400",
        ),
        ("POST / HTTP/1.1\r\nhost: faults.localhost\r\ncontent-length: x\r\n\r\n", "400"),
        ("GET /misbehave/fine HTTP/1.1\r\nhost: faults.localhost\r\nbad header\r\n\r\n", "400"),
        ("GET /misbehave/fine HTTP/1.0\r\nhost: faults.localhost\r\n\r\n", "200"),
    ] {
        let mut socket = app.client().tcp().await;
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut start = vec![0; 12];
        within("an answer to nonsense", socket.read_exact(&mut start))
            .await
            .unwrap_or_else(|error| panic!("{request:?}: {error}"));
        assert!(
            start.ends_with(status.as_bytes()),
            "{request:?}: {}",
            String::from_utf8_lossy(&start)
        );
    }

    // Targets and heads over their limits.
    let long = app.get(&format!("/misbehave/fine?{}", "x".repeat(20_000))).await;
    assert_eq!((long.status, long.code().as_str()), (414, "uri_too_long"));
    let big = "x".repeat(100 << 10);
    let mut socket = app.client().tcp().await;
    let request =
        format!("GET /misbehave/fine HTTP/1.1\r\nhost: faults.localhost\r\nx-big: {big}\r\n\r\n");
    let _ = socket.write_all(request.as_bytes()).await;
    let mut start = vec![0; 12];
    if within("an answer to a big head", socket.read_exact(&mut start)).await.is_ok() {
        assert!(start.ends_with(b"431"), "{}", String::from_utf8_lossy(&start));
    }

    // 200 that send a byte and no more, some within the head and some within the body.
    let mut slow = Vec::new();
    for at in 0..200 {
        let mut socket = app.client().tcp().await;
        let begun = match at % 2 {
            0 => "GET /misbehave/fi",
            _ => {
                "POST /misbehave/size HTTP/1.1\r\nhost: faults.localhost\r\ncontent-length: 100000\r\n\r\nx"
            }
        };
        socket.write_all(begun.as_bytes()).await.unwrap();
        slow.push(socket);
    }
    for _ in 0..20 {
        still_fine(&app).await;
    }
    drop(slow);
    still_fine(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_ends_the_start_with_a_message() {
    let first = serve().await;
    for (flag, address) in
        [("--listen", first.client().address()), ("--admin", first.admin().address())]
    {
        let second = node().args([flag, &address.to_string()]).try_start().await;
        let error = second.expect_err("two nodes on one port");
        assert_eq!(error.code, Some(1), "{error}");
        assert!(
            error.said.contains(&address.to_string()) && error.said.contains("in use"),
            "{error}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_directory_in_use_ends_the_start_and_names_the_process() {
    let first = serve().await;
    let error =
        node().data(first.data()).try_start().await.expect_err("two nodes on one directory");
    assert_eq!(error.code, Some(1), "{error}");
    assert!(error.said.contains(&format!("process {}", first.pid())), "{error}");
    // A directory of somebody else's is left alone.
    let foreign = tempfile::tempdir().unwrap();
    std::fs::write(foreign.path().join("thesis.txt"), "years of work").unwrap();
    let error = node().data(foreign.path()).try_start().await.expect_err("a foreign directory");
    assert!(error.said.contains("not a data directory"), "{error}");
    assert_eq!(std::fs::read_dir(foreign.path()).unwrap().count(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configuration_that_is_wrong_ends_the_start_with_its_line() {
    for (config, said) in [
        ("[egress]\nallow = [\"everything\"]\n", "everything"),
        ("[limits]\nbodyy = \"1MB\"\n", "bodyy"),
        ("not toml at all [", "config.toml"),
    ] {
        let error = node().config(config).try_start().await.expect_err(config);
        assert_eq!(error.code, Some(1), "{error}");
        assert!(error.said.contains(said), "{error}");
    }
    let nonsense =
        std::process::Command::new(MAYFLY).args(["serve", "--nonsense"]).output().unwrap();
    assert_eq!(nonsense.status.code(), Some(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_stalls_is_given_up() {
    let limits = "[limits]\nhead_timeout = \"300ms\"\nbody_timeout = \"100ms\"\n";
    let node = node().config(limits).start().await;
    let app = deploy_guests(&node, "faults", "").await;

    // A body that stops coming, whatever the function makes of it.
    let stalled = "POST /misbehave/size HTTP/1.1\r\nhost: faults.localhost\r\n\
                   content-length: 100\r\nconnection: close\r\n\r\nx";
    let mut socket = app.client().tcp().await;
    socket.write_all(stalled.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    within("an answer to a stalled body", socket.read_to_end(&mut answer)).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 408 "), "{answer}");
    assert!(answer.contains("\"request_timeout\""), "{answer}");

    // A head that never ends, byte by byte or at once: the connection is closed.
    let mut socket = app.client().tcp().await;
    socket.write_all(b"GET /misbehave/fine HTTP/1.1\r\nhost: fau").await.unwrap();
    let (mut reading, mut writing) = socket.into_split();
    let drip = tokio::spawn(async move {
        let mut interval = tokio::time::interval(Duration::from_millis(50));
        while writing.write_all(b"l").await.is_ok() {
            interval.tick().await;
        }
    });
    let mut answer = Vec::new();
    let _ = within("the end of a slow head", reading.read_to_end(&mut answer)).await;
    assert!(!String::from_utf8_lossy(&answer).contains("200"));
    drop(reading);
    within("the end of dripping", drip).await.unwrap();
    still_fine(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_at_its_limit_sends_callers_elsewhere() {
    let node =
        node().config("[limits]\nnode_concurrency = 2\nqueue_wait = \"10ms\"\n").start().await;
    let app = deploy_guests(&node, "faults", "").await;
    let slow: Vec<_> = (0..2)
        .map(|_| {
            let app = app.clone();
            tokio::spawn(async move { app.get("/slow").await.status })
        })
        .collect();
    let mut logs = node.logs("faults");
    mayfly_testkit::until("both to begin", async || {
        let lines = logs.all().await;
        (lines.iter().filter(|line| line.message == "begun").count() == 2).then_some(())
    })
    .await;
    let third = app.get("/misbehave/fine").await;
    assert_eq!(
        (third.status, third.code().as_str(), third.header("retry-after")),
        (503, "unavailable", "1")
    );
    for one in slow {
        assert_eq!(one.await.unwrap(), 200);
    }
    still_fine(&app).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_death_of_the_process_that_prepares_code_costs_one_deployment() {
    let node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    let endless = App::single("endless", "", "for (;;);\nexport default {};");
    let (refused, ()) = tokio::join!(node.deploy(&endless), async {
        let child = mayfly_testkit::until("the process that prepares code", async || {
            // Any of the node's threads may have started it.
            let threads = std::fs::read_dir(format!("/proc/{}/task", node.pid())).unwrap();
            let children = threads.filter_map(|thread| {
                std::fs::read_to_string(thread.unwrap().path().join("children")).ok()
            });
            let children = children.collect::<String>();
            let prepares = |pid: &&str| {
                let line = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
                String::from_utf8_lossy(&line).contains("prepare")
            };
            children.split_whitespace().find(prepares).map(str::to_owned)
        })
        .await;
        let killed = std::process::Command::new("kill").args(["-9", &child]).status().unwrap();
        assert!(killed.success());
    });
    let error = refused.expect_err("a deployment whose process was killed");
    assert!(error.to_string().contains("signal 9"), "{error}");
    still_fine(&app).await;
    let sound = App::single("endless", "", "export default { fetch: () => new Response('x') };");
    node.deploy(&sound).await.unwrap_or_else(|error| panic!("{error}"));
    assert_eq!(node.app("endless").get("/").await.expect(200).text(), "x");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_of_the_operator_hold() {
    let limits = "body = \"1KB\"\nfunction_concurrency = 2\nqueue_wait = \"10ms\"";
    let node = node().config(&format!("[limits]\n{limits}\n")).start().await;
    let app = {
        node.deploy(&guests("faults", "faults", ""))
            .await
            .unwrap_or_else(|error| panic!("{error}"));
        node.app("faults")
    };
    assert_eq!(app.post("/misbehave/size", vec![0; 1024]).await.text(), "1024");
    assert_eq!(app.post("/misbehave/size", vec![0; 1025]).await.code(), "payload_too_large");
    // Two are under way; the third is one too many.
    let mut slow = Vec::new();
    for _ in 0..2 {
        let app = app.clone();
        slow.push(tokio::spawn(async move { app.get("/slow").await.status }));
    }
    let mut logs = node.logs("faults");
    mayfly_testkit::until("both to begin", async || {
        let lines = logs.all().await;
        (lines.iter().filter(|line| line.message == "begun").count() == 2).then_some(())
    })
    .await;
    let third = app.get("/slow").await;
    assert_eq!(
        (third.status, third.code().as_str(), third.header("retry-after")),
        (429, "too_many_requests", "1")
    );
    for one in slow {
        assert_eq!(one.await.unwrap(), 200);
    }
    app.get("/slow").await.expect(200);
}
