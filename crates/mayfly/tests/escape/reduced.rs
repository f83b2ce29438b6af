//! The same attacks where the host lets nobody make namespaces: what a reduced sandbox holds all the same,
//! and what it is known not to hold.

use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;

use mayfly_testkit::until;
use serde_json::{Value, json};

use crate::common::dev::Dev;

use super::abilities::{Services, listener, users, witness};
use super::ground::{Ground, SECRET, Who, allowed, attackers, denied_but, outside, python, text};
use super::host;

/// A user of no other process and no file.
const ALONE: u32 = 61_235;

/// A ground of one who may make no namespaces, with an attacker on it.
async fn ground_of(attacker: &str) -> Option<Ground> {
    let ground = Ground::new(Who::confined()?).await;
    ground.deploy(&python("attacker", &[(attacker, "")])).await;
    Some(ground)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_hides_the_files_of_the_host_and_of_others() {
    let Some(ground) = ground_of("files").await else { return };
    let turned: String = SECRET.chars().rev().collect();
    let world = json!({
        "data": text(ground.node.data()),
        "users": users(),
        "secret": turned,
        "disk": host::disk(),
    });
    let watch = ground.watch();
    let came = ground.attack("files", &world).await;
    watch.well().await;
    // Names, for programs that ask who they are.
    denied_but("files", &came, &["users_of_the_host"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_harms_no_other_process() {
    let Some(ground) = ground_of("processes").await else { return };
    ground.attack("processes", &json!({ "only": ["priority_over_others"] })).await;
    let attacker = ground.youngest_program();
    let mut witness = witness(host::field(attacker, "Uid").unwrap());
    let world = json!({ "pid": witness.0.id() });
    let watch = ground.watch();
    let came = ground.attack("processes", &world).await;
    watch.well().await;
    assert_eq!(witness.0.try_wait().unwrap(), None, "the witness lives");
    // It is of no use: signals and traces are denied by it too.
    denied_but("processes", &came, &["handle_of_others"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_reaches_no_network() {
    let Some(ground) = ground_of("network").await else { return };
    let services = Services::new();
    let watch = ground.watch();
    let came = ground.attack("network", &services.world(&ground)).await;
    watch.well().await;
    services.were_not_called();
    // It sees them, and reaches none.
    let seen = ["interfaces", "connections_of_others"];
    denied_but("network", &came, &seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_changes_nothing_that_it_shares_with_the_host() {
    let Some(ground) = ground_of("shared").await else { return };
    let place = tempfile::tempdir().unwrap();
    let datagrams = place.path().join("datagrams");
    let listener = UnixDatagram::bind(&datagrams).unwrap();
    listener.set_nonblocking(true).unwrap();
    for path in [place.path(), &datagrams] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o777)).unwrap();
    }
    // It may read this one, which is of its own user.
    let file = |data: &str| json!({ "file": data, "datagrams": text(&datagrams) });
    let task = ground.attack("shared", &file("attempt.py")).await;
    denied_but("shared", &task, &[]);
    assert!(listener.recv(&mut [0]).is_err(), "nobody wrote to it");
    // Outside all of it is allowed, to a user whom nobody else is and in a group of its own: what it changes of
    // their processes is not undone.
    let mine = place.path().join("file");
    std::fs::write(&mine, "text").unwrap();
    std::os::unix::fs::chown(&mine, Some(ALONE), Some(ALONE)).unwrap();
    let alone = ALONE.to_string();
    let alone =
        ["setpriv", "--reuid", &alone, "--regid", &alone, "--clear-groups", "setsid", "--wait"];
    let all: Vec<&str> = task.as_object().unwrap().keys().map(String::as_str).collect();
    allowed("outside", &outside(&alone, "shared", &file(text(&mine)), &all));
    assert!(listener.recv(&mut [0]).is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_asks_nothing_of_the_kernel() {
    let Some(ground) = ground_of("calls").await else { return };
    let watch = ground.watch();
    let came = ground.attack("calls", &Value::Object(Default::default())).await;
    watch.well().await;
    denied_but("calls", &came, &[]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_moves_while_a_reduced_sandbox_is_cleared_leads_nowhere() {
    let Some(who) = Who::confined() else { return };
    let ground = Ground::new(who).await;
    // A thread that outlives every invocation moves directories and links them while they are emptied.
    let mover = "import os, threading\n\
        def move():\n\
        \x20   home = os.environ['TMPDIR']\n\
        \x20   while True:\n\
        \x20       for act in (lambda: os.makedirs(home + '/a/b/c'), lambda: os.rename(home + '/a/b/c', home + '/c'),\n\
        \x20                   lambda: os.symlink('../..', home + '/a/b/d'), lambda: os.rename(home + '/a/b', home + '/b'),\n\
        \x20                   lambda: os.mkdir(home + '/closed', 0)):\n\
        \x20           try: act()\n\
        \x20           except OSError: pass\n\
        threading.Thread(target=move, daemon=True).start()\n\
        def handler(event, context): return 'moving'\n";
    let manifest = "app = \"attacker\"\n[functions.mover]\ncode = \"mover.py\"\n\
                    handler = \"mover.handler\"\nisolation = \"invocation\"\n";
    let app = mayfly_testkit::App::new().file("mayfly.toml", manifest).file("mover.py", mover);
    ground.deploy(&app).await;
    let watch = ground.watch();
    for _ in 0..30 {
        assert_eq!(ground.attack("mover", &json!({})).await, "moving");
    }
    watch.well().await;
    for part in ["control.db", "keys/master", "cache/code", "cache/sandboxes", "admin-token"] {
        assert!(ground.node.data().join(part).exists(), "{part}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_leaves_nothing_behind() {
    let Some(who) = Who::confined() else { return };
    let mut ground = Ground::new(who).await;
    let once = "isolation = \"invocation\"";
    ground.deploy(&python("attacker", &[("lasting.daemon", once), ("lasting.traces", once)])).await;
    ground.deploy(&python("another", &[("lasting.daemon", "")])).await;
    let seconds = format!("{}.{}", 90_000 + std::process::id() % 1000, ground.node.pid());
    let event = json!({ "seconds": seconds });
    ground.node.invoke("another", "daemon", event.clone()).await.expect(200);
    let daemons = || host::named(&seconds);
    let kept = until("the daemon", async || daemons().first().copied()).await;
    for _ in 0..3 {
        assert_eq!(ground.attack("daemon", &event).await, "left one behind");
        until("its end", async || (daemons() == [kept]).then_some(())).await;
    }
    for _ in 0..3 {
        assert_eq!(ground.attack("traces", &json!({})).await, json!([]));
    }
    let homes = ground.node.data().join("cache/sandboxes");
    assert!(std::fs::read_dir(&homes).unwrap().count() >= 3);
    // Not even when the node is killed.
    ground.node.kill9().await;
    until("the end of all", async || daemons().is_empty().then_some(())).await;
    let empty = async || (std::fs::read_dir(&homes).unwrap().count() == 0).then_some(());
    until("their files' end", empty).await;
    ground.node.start_again().await;
    ground.neighbour_is_well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_reduced_sandbox_does_not_hold_is_refused_or_told() {
    let Some(who) = Who::confined() else { return };
    let ground = Ground::new(who).await;
    let notes = ground.deploy(&python("attacker", &[("lasting.daemon", "")])).await.body["notes"]
        .to_string();
    for part in ["reduced sandbox, for ", "user namespaces", "memory, processors", "mayfly doctor"]
    {
        assert!(notes.contains(part), "{part}: {notes}");
    }
    for (key, line) in [
        ("egress", "egress = [\"example.com\"]"),
        ("memory", "memory = \"64MB\""),
        ("cpu", "cpu = 0.5"),
    ] {
        let app = python("refused", &[("lasting.daemon", line)]);
        let refused = ground.node.deploy(&app).await.expect_err(key).to_string();
        assert!(refused.contains(&format!("`{key}`")), "{refused}");
    }
    let provided = "app = \"refused\"\n[functions.main]\ncode = \".\"\nruntime = \"provided\"\n";
    let app = attackers().file("mayfly.toml", provided);
    let refused = ground.node.deploy(&app).await.expect_err("provided").to_string();
    assert!(refused.contains("provided"), "{refused}");
}

#[tokio::test(flavor = "multi_thread")]
async fn bombs_in_a_reduced_sandbox_harm_themselves() {
    let Some(who) = Who::confined() else { return };
    let ground = Ground::new(who).await;
    let functions = [
        ("bombs.memory", ""),
        ("bombs.processes", ""),
        ("bombs.processes_without_end", "timeout = \"2s\""),
    ];
    ground.deploy(&python("attacker", &functions)).await;
    let watch = ground.watch();
    ground.fails("memory", json!({}), "function_error", "MemoryError").await;
    let came = ground.attack("processes", &json!({})).await;
    assert_eq!(came["error"], "EAGAIN", "{came}");
    let before = host::descendants(ground.node.pid()).len();
    ground.fails("processes_without_end", json!({}), "timeout", "its timeout of 2s").await;
    let left = || host::descendants(ground.node.pid()).len();
    until("its end", async || (left() <= before).then_some(())).await;
    watch.well().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn dev_makes_do_with_reduced_sandboxes() {
    if Who::confined().is_none() {
        return;
    }
    let (home, program) = Ground::of_confined();
    let called = listener("127.0.0.1:0");
    let port = called.local_addr().unwrap().port();
    let settings = "memory = \"96MB\"\negress = [\"example.com\"]";
    let manifest = format!(
        "app = \"dev\"\n[functions.call]\ncode = \".\"\nruntime = \"python\"\n{settings}\n"
    );
    let code = "import socket\ndef handler(event, context):\n    \
                socket.create_connection(('127.0.0.1', int(event['rawPath'][1:]))).close()\n    \
                return 'called'\n";
    let app = home.path().join("app");
    std::fs::create_dir(&app).unwrap();
    std::fs::write(app.join("mayfly.toml"), manifest).unwrap();
    std::fs::write(app.join("app.py"), code).unwrap();
    let mut dev = Dev::start(&program, &app, &home.path().join("data")).await;
    dev.says("ready").await;
    // An author's own code may call whom it likes.
    assert_eq!(dev.get(&format!("/{port}")).await.expect(200).text(), "called");
    assert!(called.accept().is_ok());
    let said = dev.said();
    for note in ["reduced sandbox", "`memory` and `egress`", "the function runs without"] {
        assert!(said.contains(note), "{note}: {said}");
    }
}
