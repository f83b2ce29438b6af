//! A node that root starts and that goes on as another user.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says so loudly")]

mod common;

use std::os::unix::fs::MetadataExt as _;

use common::node;
use mayfly_testkit::{App, Node, until};

/// A user that every Linux has, and nothing belongs to.
const NOBODY: u32 = 65_534;

fn status(pid: u32, field: &str) -> String {
    let text = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
    line.unwrap_or_default().split_whitespace().collect::<Vec<_>>().join(" ")
}

/// The processes of a node below it, with what they are.
fn below(node: &Node) -> Vec<(u32, String)> {
    let all = std::fs::read_dir("/proc").unwrap().flatten();
    let all: Vec<u32> = all.filter_map(|e| e.file_name().to_str()?.parse().ok()).collect();
    let mut found = vec![node.pid()];
    let mut next = 0;
    while next < found.len() {
        let parent = found[next].to_string();
        found.extend(all.iter().filter(|pid| status(**pid, "PPid") == parent));
        next += 1;
    }
    let line = |pid: &u32| std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let named = |pid: u32| (pid, String::from_utf8_lossy(&line(&pid)).replace('\0', " "));
    found.into_iter().skip(1).map(named).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_gives_up_root_and_its_sandboxes_hold_all_the_same() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT SHOWN: giving up root, because the tests do not run as root");
        return;
    }
    let home = tempfile::Builder::new().prefix("mayfly-home-").tempdir().unwrap();
    let open = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(home.path(), open).unwrap();
    let data = home.path().join("data");
    let mut node = node().config("user = \"nobody\"\n").data(&data).start().await;
    let nobody = format!("{NOBODY} {NOBODY} {NOBODY} {NOBODY}");
    for thread in std::fs::read_dir(format!("/proc/{}/task", node.pid())).unwrap() {
        let thread: u32 = thread.unwrap().file_name().to_str().unwrap().parse().unwrap();
        let of = |field| status(thread, field);
        assert_eq!((of("Uid"), of("Gid")), (nobody.clone(), nobody.clone()));
        for powers in ["CapPrm", "CapEff", "CapAmb"] {
            assert_eq!(of(powers), "0000000000000000", "{powers}");
        }
        assert_eq!(of("NoNewPrivs"), "1");
    }
    for part in ["", "control.db", "keys/master", "admin-token", "cache/code"] {
        assert_eq!(std::fs::metadata(data.join(part)).unwrap().uid(), NOBODY, "{part}");
    }

    let manifest = "app = \"who\"\n[functions.who]\ncode = \"who.py\"\nhandler = \"who.handler\"\n\
                    memory = \"64MB\"\n";
    let code = "import os\ndef handler(event, context):\n    return str(os.getuid())\n";
    let app = App::new().file("mayfly.toml", manifest).file("who.py", code);
    let deployed = node.deploy(&app).await.unwrap();
    assert_eq!(deployed.body["notes"].to_string(), "[]", "limits hold");
    assert_eq!(node.app("who").get("/").await.expect(200).text(), "1000");
    let sandboxed = below(&node).into_iter().filter(|(pid, _)| {
        status(*pid, "Uid").split(' ').next().unwrap().parse::<u32>().unwrap() >= 1_900_000_000
    });
    assert!(sandboxed.count() >= 2, "an init and a program of a user that nothing else has");

    // Another spawner can be started, though the node could start none.
    let (spawner, _) =
        below(&node).into_iter().find(|(_, line)| line.contains("__spawner")).unwrap();
    assert_eq!(status(spawner, "Uid"), "0 0 0 0");
    let pid = rustix::process::Pid::from_raw(spawner as i32).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
    let app = node.app("who");
    let again = async || (app.get("/").await.status == 200).then_some(());
    until("another spawner", again).await;

    let left: Vec<u32> = below(&node).into_iter().map(|(pid, _)| pid).collect();
    node.kill9().await;
    let gone = |pid: &u32| matches!(status(*pid, "State").chars().next(), None | Some('Z'));
    until("the end of all", async || left.iter().all(gone).then_some(())).await;
    node.start_again().await;
    until("the function", async || (node.app("who").get("/").await.status == 200).then_some(()))
        .await;
}
