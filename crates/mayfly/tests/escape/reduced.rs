//! The same attacks where the host lets nobody make namespaces: what a reduced sandbox holds all the same,
//! and what it is known not to hold.

use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::net::{SocketAddr, UnixListener};

use mayfly_testkit::until;
use serde_json::{Value, json};

use crate::common::dev::Dev;

use super::abilities::{address, listener, users, witness};
use super::ground::{Ground, SECRET, Who, attackers, denied_but, python, text};
use super::host;

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_hides_the_files_of_the_host_and_of_others() {
    let Some(who) = Who::confined() else { return };
    let ground = Ground::new(who).await;
    ground.deploy(&python("attacker", &[("files", "")])).await;
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
    let Some(who) = Who::confined() else { return };
    let ground = Ground::new(who).await;
    ground.deploy(&python("attacker", &[("processes", "")])).await;
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
    let Some(who) = Who::confined() else { return };
    let ground = Ground::new(who).await;
    ground.deploy(&python("attacker", &[("network", "")])).await;
    let place = tempfile::tempdir().unwrap();
    let (service, service6) = (listener("127.0.0.1:0"), listener("[::1]:0"));
    let name = format!("mayfly-escape-{}", std::process::id());
    let without_file = SocketAddr::from_abstract_name(&name).unwrap();
    let without_file = UnixListener::bind_addr(&without_file).unwrap();
    let in_file = UnixListener::bind(place.path().join("socket")).unwrap();
    let world = json!({
        "port": service.local_addr().unwrap().port(),
        "port6": service6.local_addr().unwrap().port(),
        "ingress": ground.node.client().address().port(),
        "admin": ground.node.admin().address().port(),
        "address": address(),
        "abstract": name,
        "socket": text(&place.path().join("socket")),
        "interface": "lo",
    });
    let watch = ground.watch();
    let came = ground.attack("network", &world).await;
    watch.well().await;
    for listener in [&service, &service6] {
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
    }
    for listener in [&without_file, &in_file] {
        listener.set_nonblocking(true).unwrap();
        assert!(listener.accept().is_err());
    }
    // It sees them, and reaches none.
    let seen = ["interfaces", "connections_of_others"];
    denied_but("network", &came, &seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reduced_sandbox_asks_nothing_of_the_kernel() {
    let Some(who) = Who::confined() else { return };
    let ground = Ground::new(who).await;
    ground.deploy(&python("attacker", &[("calls", "")])).await;
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
