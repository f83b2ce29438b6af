//! What was acknowledged is there after a crash, a full disk costs one deployment, and a node that
//! is told to stop finishes what it began. `mayfly dev` lives here too: it follows files.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says so loudly")]

mod common;

use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};

use common::dev::Dev;
use common::{MAYFLY, deploy_guests, node, serve};
use mayfly_testkit::{App, Node, RequestBody, Upstream, within};
use serde_json::json;

fn answering(text: &str) -> String {
    format!("export default {{ fetch: () => new Response({}) }};\n", json!(text))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_kill_in_the_middle_of_deployments_loses_none_that_was_acknowledged() {
    let mut node = serve().await;
    for round in 0..3 {
        // Two apps are deployed over and over until the node dies under them.
        let acknowledged = Arc::new(Mutex::new([0_u64; 2]));
        let (said, mut counted) = tokio::sync::watch::channel(0);
        let shared = Arc::new(node);
        let deployers: Vec<_> = (0..2)
            .map(|which| {
                let (node, acknowledged, said) =
                    (Arc::clone(&shared), Arc::clone(&acknowledged), said.clone());
                tokio::spawn(async move {
                    for at in 1.. {
                        let name = format!("app-{round}-{which}");
                        let app = App::single(&name, "", &answering(&format!("{name} {at}")));
                        let code = app.code();
                        let deployed = tokio::spawn({
                            let node = Arc::clone(&node);
                            async move { node.deploy_code(code, json!("all")).await }
                        });
                        // A request that the dying node cut off panics in its own task.
                        let Ok(Ok(deployed)) = deployed.await else { return };
                        assert_eq!(deployed.release, at);
                        acknowledged.lock().unwrap()[which] = at;
                        said.send_modify(|count| *count += 1);
                    }
                })
            })
            .collect();
        let enough = 6 + round;
        within("deployments", counted.wait_for(|count| *count >= enough)).await.unwrap();
        kill(shared.pid());
        for deployer in deployers {
            within("the deployers' end", deployer).await.unwrap();
        }
        node = Arc::into_inner(shared).unwrap();
        node.exited().await;
        node.start_again().await;

        let acknowledged = *acknowledged.lock().unwrap();
        for (which, last) in acknowledged.into_iter().enumerate() {
            let name = format!("app-{round}-{which}");
            let listed =
                node.command("GET", &format!("/v1/apps/{name}/releases?limit=100"), None).await;
            let listed = listed.expect(200).json();
            let numbers: Vec<u64> = listed["releases"]
                .as_array()
                .unwrap()
                .iter()
                .map(|release| release["number"].as_u64().unwrap())
                .collect();
            // The one under way may be there, whole, or not at all.
            let newest = numbers[0];
            assert!(
                newest == last || newest == last + 1,
                "{last} was acknowledged, {numbers:?} are there"
            );
            let whole: Vec<u64> = (1..=newest).rev().collect();
            assert_eq!(numbers, whole);
            let answer = node.app(&name).get("/").await.expect(200);
            assert_eq!(answer.text(), format!("{name} {newest}"));
            // Every release can be made live again.
            for number in [1, last] {
                let moved = node
                    .command(
                        "POST",
                        &format!("/v1/apps/{name}/rollback"),
                        Some(json!({ "to": number })),
                    )
                    .await;
                assert_eq!(moved.status, 200, "{}", moved.text());
                assert_eq!(
                    node.app(&name).get("/").await.expect(200).text(),
                    format!("{name} {number}")
                );
            }
        }
    }
}

fn kill(pid: u32) {
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn secrets_logs_and_releases_are_there_after_a_restart() {
    let mut node = serve().await;
    node.secret("kept", "KEY", "first").await;
    let source = "export default { fetch: (request, env) => { console.log('key', env.KEY); return new Response(env.KEY) } }";
    let app = node.function("kept", "secrets = [\"KEY\"]", source).await;
    assert_eq!(app.get("/").await.expect(200).text(), "first");
    // A new value reaches the next invocation.
    node.secret("kept", "KEY", "kept-secret-2").await;
    assert_eq!(app.get("/").await.expect(200).text(), "kept-secret-2");
    let token = node.token().to_owned();
    node.restart().await;
    assert_eq!(node.token(), token);
    assert_eq!(node.app("kept").get("/").await.expect(200).text(), "kept-secret-2");
    let mut logs = node.logs("kept");
    logs.containing("key first").await;
    logs.containing("key kept-secret-2").await;
    // The secret is on disk in no readable form, but for what the function logged itself.
    let held = grep(node.data(), b"kept-secret-2");
    assert!(held.iter().all(|path| path.contains("/logs/")), "{held:?}");
    // Without its cache, which may be deleted at any time, a node makes all of it again.
    assert!(node.terminate().await.success());
    std::fs::remove_dir_all(node.data().join("cache")).unwrap();
    node.start_again().await;
    assert_eq!(node.app("kept").get("/").await.expect(200).text(), "kept-secret-2");
}

/// The files below a directory that hold some bytes.
fn grep(directory: &Path, needle: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let entry = entry.unwrap();
        match entry.file_type().unwrap().is_dir() {
            true => found.extend(grep(&entry.path(), needle)),
            false => {
                let content = std::fs::read(entry.path()).unwrap_or_default();
                if content.windows(needle.len()).any(|window| window == needle) {
                    found.push(entry.path().display().to_string());
                }
            }
        }
    }
    found
}

/// A small file system of its own, as root; it is unmounted when the test is done with it.
struct Mounted(tempfile::TempDir);

impl Mounted {
    fn make(megabytes: u32) -> Result<Self, String> {
        let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
        let output = Command::new("mount")
            .args(["-t", "tmpfs", "-o", &format!("size={megabytes}m"), "mayfly-test"])
            .arg(directory.path())
            .output()
            .map_err(|error| error.to_string())?;
        match output.status.success() {
            true => Ok(Self(directory)),
            false => Err(String::from_utf8_lossy(&output.stderr).into_owned()),
        }
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0.path()).output();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_costs_a_deployment_and_not_the_node() {
    let disk = match Mounted::make(64) {
        Ok(disk) => disk,
        Err(why) => {
            eprintln!("NOT TESTED: a full disk. A tmpfs cannot be mounted: {why}");
            return;
        }
    };
    let node = node().data(&disk.0.path().join("data")).start().await;
    let app = node.function("first", "", &answering("still here")).await;
    // The rest of the disk is taken.
    let filler = disk.0.path().join("filler");
    let mut taken = std::fs::File::create(&filler).unwrap();
    let piece = vec![1_u8; 64 << 10];
    while std::io::Write::write_all(&mut taken, &piece).is_ok() {}
    while std::io::Write::write_all(&mut taken, &[1]).is_ok() {}

    let bytes: Vec<u8> =
        (0..1 << 20).map(|at: u32| (at.wrapping_mul(2_654_435_761) >> 13) as u8).collect();
    let second = App::single("second", "", &answering("new"))
        .file("mayfly.toml", "app = \"second\"\n[functions.main]\ncode = \"code\"\n")
        .file("code/index.js", answering("new"))
        .file("code/ballast.bin", bytes);
    let error = node.deploy(&second).await.expect_err("a deployment on a full disk");
    assert_eq!(error.refusal.status, 503, "{error}");
    let text = error.refusal.body.to_lowercase();
    assert!(text.contains("space") || text.contains("full"), "{error}");
    for _ in 0..20 {
        assert_eq!(app.get("/").await.expect(200).text(), "still here");
    }
    // With room again, the same deployment succeeds, on the same node.
    drop(taken);
    std::fs::remove_file(&filler).unwrap();
    node.deploy(&second).await.unwrap_or_else(|error| panic!("with room again: {error}"));
    assert_eq!(node.app("second").get("/").await.expect(200).text(), "new");
    assert_eq!(app.get("/").await.expect(200).text(), "still here");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_finishes_the_request_under_way() {
    let mut node = serve().await;
    let app = deploy_guests(&node, "faults", "").await;
    // A connection that lies idle must not hold it up.
    let mut idle = app.client().connect().await.unwrap();
    let request = app.request("GET", "/misbehave/fine", &[], RequestBody::empty());
    idle.send(request).await.unwrap().collect().await;
    let slow = tokio::spawn(async move { app.get("/slow").await });
    node.logs("faults").containing("begun").await;
    node.send_term();
    let answer = slow.await.unwrap();
    assert_eq!((answer.status, answer.text().as_str()), (200, "in its own time"));
    within("the idle connection's end", idle.closed()).await;
    assert_eq!(node.exited().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_under_way_at_a_deployment_end_with_the_code_that_they_began_with() {
    let upstream = Upstream::start().await;
    let node = node().config("[egress]\nallow = [\"127.0.0.0/8\"]\n").start().await;
    let there = upstream.address();
    let fetch = format!(
        "export default {{ async fetch() {{
           console.log('begun');
           await (await fetch('http://{there}/gated')).text();
           return new Response('old');
         }} }}"
    );
    let python = format!(
        "import urllib.request\ndef handler(event, context):\n    print('begun')\n    \
         urllib.request.urlopen('http://{there}/gated').read()\n    return 'old'\n"
    );
    let new_python = "def handler(event, context):\n    return 'new'\n";
    let new_fetch = "export default { fetch() { return new Response('new'); } }";
    for (runtime, file, handler, old, new) in [
        ("js", "code.js", "default", fetch.as_str(), new_fetch),
        ("nodejs", "code.mjs", "default", &fetch, new_fetch),
        ("python", "code.py", "handler", &python, new_python),
    ] {
        let manifest = format!(
            "app = \"{runtime}\"\n[functions.f]\ncode = \".\"\nruntime = \"{runtime}\"\n\
             handler = \"code.{handler}\"\negress = [\"{there}\"]\n"
        );
        let version = |source| App::new().file("mayfly.toml", &manifest).file(file, source);
        node.deploy(&version(old)).await.unwrap_or_else(|error| panic!("{runtime}: {error}"));
        let app = node.app(runtime);
        let slow = tokio::spawn({
            let app = app.clone();
            async move { app.get("/").await }
        });
        node.logs(runtime).containing("begun").await;
        node.deploy(&version(new)).await.unwrap_or_else(|error| panic!("{runtime}: {error}"));
        assert_eq!(app.get("/").await.expect(200).text(), "new", "{runtime}");
        assert!(!slow.is_finished(), "{runtime}");
        upstream.open_gate();
        assert_eq!(slow.await.unwrap().expect(200).text(), "old", "{runtime}");
        assert_eq!(app.get("/").await.expect(200).text(), "new", "{runtime}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_told_to_stop_waits_for_what_goes_on_after_an_answer() {
    let upstream = Upstream::start().await;
    let mut node = node().config("[egress]\nallow = [\"127.0.0.0/8\"]\n").start().await;
    let source = format!(
        "export default {{ fetch(request, env, ctx) {{
           ctx.waitUntil(fetch('http://{}/gated').then((answer) => answer.text()).then(console.log));
           return new Response('answered');
         }} }}",
        upstream.address()
    );
    let settings = format!("egress = [\"{}\"]\n", upstream.address());
    let app = node.function("after", &settings, &source).await;
    assert_eq!(app.get("/").await.expect(200).text(), "answered");
    node.send_term();
    mayfly_testkit::until("the listener to close", async || app.client().connect().await.err())
        .await;
    upstream.open_gate();
    assert_eq!(node.exited().await.code(), Some(0));
    node.start_again().await;
    node.logs("after").containing("firstsecond").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn weights_share_the_traffic_between_releases() {
    let node = serve().await;
    let app = App::single("canary", "", &answering("old"));
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    app.write("main.js", answering("new"));
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    let client = node.app("canary");
    assert_eq!(client.get("/").await.text(), "new");

    let path = "/v1/apps/canary/live";
    node.command("PUT", path, Some(json!({ "weights": [[1, 50], [2, 50]] }))).await.expect(200);
    let mut old = 0;
    for _ in 0..200 {
        match &*client.get("/").await.expect(200).text() {
            "old" => old += 1,
            other => assert_eq!(other, "new"),
        }
    }
    // Both are seen; that all 200 fall to one side, or nearly, is less likely than a broken disk.
    assert!((40..=160).contains(&old), "{old} of 200 went to the old release");
    for wrong in [json!([]), json!([[1, 0]]), json!([[1, 1], [1, 2]]), json!([[9, 1]]), json!("x")]
    {
        let answer = node.command("PUT", path, Some(json!({ "weights": wrong }))).await;
        assert!(
            (400..500).contains(&answer.status),
            "{wrong}: {} {}",
            answer.status,
            answer.text()
        );
    }
    node.command("PUT", path, Some(json!({ "weights": [[1, 1]] }))).await.expect(200);
    assert_eq!(client.get("/").await.text(), "old");
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_serves_one_file_and_follows_it() {
    let app = App::new().file("hello.js", answering("one"));
    let data = tempfile::tempdir().unwrap();
    let file = app.directory().join("hello.js");
    let mut dev = Dev::start(MAYFLY.as_ref(), &file, &data.path().join("data")).await;
    dev.says("ready").await;
    assert_eq!(dev.get("/any/path").await.text(), "one");

    app.write("hello.js", answering("two"));
    dev.says("reloaded").await;
    assert_eq!(dev.get("/").await.text(), "two");

    // A mistake is shown in its line, in the terminal and to the browser.
    app.write("hello.js", "export default {\n  fetch() { return new Response('x' }\n}\n");
    dev.says("error").await;
    let frame = dev.says("hello.js:2").await;
    assert!(!frame.is_empty());
    let broken = dev.get("/").await;
    assert_eq!(broken.status, 502);
    assert!(broken.text().contains("hello.js:2"), "{}", broken.text());

    // Mended, by an editor that writes beside and renames.
    app.write("hello.js.tmp", answering("three"));
    std::fs::rename(app.directory().join("hello.js.tmp"), &file).unwrap();
    dev.says("reloaded").await;
    assert_eq!(dev.get("/").await.text(), "three");

    // What it throws is shown to its author, and what it logs is in the terminal.
    app.write("hello.js", "export default { fetch() { console.log('a word'); throw new TypeError('to the author') } }\n");
    dev.says("reloaded").await;
    let thrown = dev.get("/").await;
    assert!(
        thrown.text().contains("to the author") && thrown.text().contains("hello.js:1"),
        "{}",
        thrown.text()
    );
    dev.says("a word").await;
    dev.says("to the author").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_with_a_key_runs_once_also_if_the_node_dies_between() {
    let mut node = serve().await;
    let source = "let n = Math.random();\nexport default { async fetch(request, env, ctx) { const text = await \
                  request.text(); if (text === 'bad') throw new Error('bad'); return new Response(text + crypto.randomUUID(), \
                  { status: 201, headers: { 'x-of': 'pay' } }); } };\n";
    let app = node.function("shop", "", source).await;
    let pay = async |node: &Node, key: &str, body: &'static str| {
        node.app("shop").call("POST", "/pay", &[("idempotency-key", key)], body).await
    };
    let first = pay(&node, "order-7", "7 ").await.expect(201);
    assert!(first.headers_named("idempotent-replayed").is_empty());
    let again = pay(&node, "order-7", "7 ").await.expect(201);
    assert_eq!((again.text(), again.header("x-of")), (first.text(), "pay"));
    assert_eq!(again.header("idempotent-replayed"), "true");
    let id = first.header("x-mayfly-invocation-id");
    assert_eq!(again.header("x-mayfly-invocation-id"), id);
    assert_ne!(pay(&node, "order-8", "7 ").await.expect(201).text(), first.text());
    assert_eq!(pay(&node, "order-7", "8 ").await.expect(422).code(), "key_reused");
    assert_eq!(pay(&node, "bad", "bad").await.expect(502).code(), "function_error");
    assert_eq!(pay(&node, "bad", "bad").await.expect(502).code(), "function_error");
    // A method that changes nothing needs no key.
    let read =
        async || app.call("GET", "/", &[("idempotency-key", "k")], "").await.expect(201).text();
    assert_ne!(read().await, read().await);
    assert_eq!(
        app.call("POST", "/", &[("idempotency-key", "")], "").await.expect(400).code(),
        "bad_request"
    );

    node.kill9().await;
    node.start_again().await;
    let again = pay(&node, "order-7", "7 ").await.expect(201);
    assert_eq!((again.text(), again.header("x-mayfly-invocation-id")), (first.text(), id));

    let invoke = |event: &str| {
        let output = Command::new(MAYFLY)
            .args(["invoke", "shop/main", "--idempotency-key", "k", "--data", event])
            .env("MAYFLY_URL", format!("http://{}", node.admin().address()))
            .env("MAYFLY_TOKEN", node.token())
            .output()
            .unwrap();
        (
            output.status.success(),
            String::from_utf8(output.stdout).unwrap() + &String::from_utf8(output.stderr).unwrap(),
        )
    };
    let (good, printed) = invoke("1");
    assert!(good, "{printed}");
    assert_eq!(invoke("1").1, printed);
    let (good, refused) = invoke("2");
    assert!(!good && refused.contains("choose another key"), "{refused}");
}
