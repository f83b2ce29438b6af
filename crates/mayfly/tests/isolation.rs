//! Nothing of one invocation is left for the next, whatever it did, on slots that are reused: with
//! both ways of putting memory back, between two functions that share slots, and with a node whose
//! memory was swapped out in between.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]
#![allow(clippy::print_stderr, reason = "a test that cannot run here says so loudly")]

mod common;

use std::collections::HashSet;

use common::{deploy_guests, node};
use mayfly_testkit::{AppClient, Connection, Node, RequestBody, within};

/// The two ways of finding what was written to, by the names of the hidden flag.
const SCHEMES: [&str; 2] = ["pagemap-scan", "pagemap"];

const COLOUR: &str = "env = { COLOUR = \"blue\" }\n";

async fn deployed(scheme: &str) -> (Node, AppClient) {
    let node = node().args(["--js-reset", scheme]).start().await;
    let app = deploy_guests(&node, "isolation", COLOUR).await;
    (node, app)
}

/// One request after the other on one connection: each finds the slot that the last one left.
async fn get(app: &AppClient, connection: &mut Connection, path: &str) -> (u16, String) {
    let request = app.request("GET", path, &[], RequestBody::empty());
    let reply = within(path, connection.send(request)).await.unwrap();
    let answer = within(path, reply.collect()).await;
    (answer.status, answer.text())
}

async fn nothing_stays(app: &AppClient) {
    let mut connection = app.client().connect().await.unwrap();
    let mut expect = async |path: &str, expected: &str| {
        let (status, text) = get(app, &mut connection, path).await;
        assert_eq!((status, text.as_str()), (200, expected), "{path}");
    };
    for round in 0..30 {
        expect(&format!("/state?round={round}"), "clean").await;
        expect(&format!("/leftovers?id={round}"), "0").await;
    }
    for round in 0..3 {
        // 30 MB of a secret, then a small request, then one that looks at 64 MB of fresh memory.
        expect(&format!("/memory?write=of-{round}&mb=30"), "wrote 2031").await;
        expect("/memory?mb=1", "zero").await;
        expect(&format!("/memory?write=of-{round}&mb=30"), "wrote 2031").await;
        expect("/memory?mb=64", "zero").await;
        expect("/state?after-memory", "clean").await;
    }
}

async fn two_functions_never_meet(app: &AppClient) {
    let mut connection = app.client().connect().await.unwrap();
    for id in 0..100 {
        let name = if id % 2 == 0 { "one" } else { "two" };
        let (status, text) = get(app, &mut connection, &format!("/{name}?id={id}")).await;
        assert_eq!((status, text), (200, format!("{name} {name} {id} {id} true")));
    }
    // Now several at once, so that each slot shows now the one and now the other.
    let callers = (0..8).map(|caller| {
        let app = app.clone();
        tokio::spawn(async move {
            let mut connection = app.client().connect().await.unwrap();
            for at in 0..40 {
                let id = caller * 1000 + at;
                let name = if (caller + at) % 2 == 0 { "one" } else { "two" };
                let wait = if at % 3 == 0 { "&wait" } else { "" };
                let path = format!("/{name}?id={id}{wait}");
                let (status, text) = get(&app, &mut connection, &path).await;
                assert_eq!((status, text), (200, format!("{name} {name} {id} {id} true")));
            }
        })
    });
    for caller in callers.collect::<Vec<_>>() {
        caller.await.unwrap();
    }
}

async fn nothing_is_the_same_twice(app: &AppClient) {
    let mut connection = app.client().connect().await.unwrap();
    let mut seen: HashSet<String> = HashSet::new();
    for round in 0..50 {
        let (status, text) = get(app, &mut connection, "/unique").await;
        assert_eq!(status, 200, "{text}");
        let made: serde_json::Value = serde_json::from_str(&text).unwrap();
        for (name, value) in made.as_object().unwrap() {
            assert!(
                seen.insert(format!("{name} {value}")),
                "{name} {value} came again in round {round}"
            );
        }
    }
}

async fn nothing_runs_on(node: &Node, app: &AppClient) {
    let mut connection = app.client().connect().await.unwrap();
    for id in 0..20 {
        let (_, told) = get(app, &mut connection, &format!("/leftovers?id=late-{id}")).await;
        assert_eq!(told, "0");
    }
    // An invocation that outlasts every timer that was left, on the slots that they were left on.
    for id in 0..20 {
        get(app, &mut connection, &format!("/one?id={id}&wait")).await;
        get(app, &mut connection, "/memory?mb=4").await;
    }
    let mut logs = node.logs("isolation");
    let leftover = logs.all().await.iter().find(|line| line.message.contains("leftover"));
    assert!(leftover.is_none(), "{leftover:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_finds_nothing_of_those_before_it() {
    for scheme in SCHEMES {
        let (_node, app) = deployed(scheme).await;
        nothing_stays(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_functions_that_take_turns_on_slots_never_meet() {
    for scheme in SCHEMES {
        let (_node, app) = deployed(scheme).await;
        two_functions_never_meet(&app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_invocations_draw_the_same_numbers() {
    for scheme in SCHEMES {
        let (mut node, app) = deployed(scheme).await;
        nothing_is_the_same_twice(&app).await;
        // Images are read from the cache after a restart: nothing in them may decide the draw.
        let (_, before) = get(&app, &mut app.client().connect().await.unwrap(), "/unique").await;
        node.restart().await;
        let app = node.app("isolation");
        let (_, after) = get(&app, &mut app.client().connect().await.unwrap(), "/unique").await;
        assert_ne!(before, after);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_invocation_leaves_under_way_never_runs() {
    for scheme in SCHEMES {
        let (node, app) = deployed(scheme).await;
        nothing_runs_on(&node, &app).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slot_is_clean_after_every_way_of_failing() {
    let (node, app) = deployed("pagemap-scan").await;
    let faults = deploy_guests(&node, "faults", "").await;
    for way in [
        "throw",
        "loop",
        "memory",
        "never",
        "recursion-uncaught",
        "half-stream",
        "break-prototypes",
        "memory-caught",
        "poison-then",
        "wait-loops",
    ] {
        let reply = faults
            .open("GET", &format!("/misbehave/{way}"), &[], RequestBody::empty())
            .await
            .unwrap();
        let _ = reply.collect().await;
        let fine = faults.get("/misbehave/fine").await;
        assert_eq!((fine.status, fine.text().as_str()), (200, "fine"), "after {way}");
        let mut connection = app.client().connect().await.unwrap();
        for id in 0..4 {
            let (status, text) = get(&app, &mut connection, "/state").await;
            assert_eq!((status, text.as_str()), (200, "clean"), "after {way}");
            let (_, text) = get(&app, &mut connection, &format!("/one?id={id}")).await;
            assert_eq!(text, format!("one one {id} {id} true"), "after {way}");
        }
        assert_eq!(get(&app, &mut connection, "/memory?mb=16").await.1, "zero", "after {way}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_swapped_out_is_put_back_all_the_same() {
    let swap = match swap::Swap::make() {
        Ok(swap) => swap,
        Err(why) => {
            eprintln!("NOT TESTED: isolation of swapped pages. {why}");
            return;
        }
    };
    for scheme in SCHEMES {
        let group = swap.group().unwrap();
        let node = node().args(["--js-reset", scheme]).within(group.path()).start().await;
        let app = deploy_guests(&node, "isolation", COLOUR).await;
        let mut connection = app.client().connect().await.unwrap();
        let mut most = 0;
        for round in 0..4 {
            // The slot is written to and lies with its writes until the next one resets it, or the
            // writes of an invocation under way go out before it ends.
            let (_, text) =
                get(&app, &mut connection, &format!("/memory?write=swapped-{round}&mb=30")).await;
            assert_eq!(text, "wrote 2031");
            let request = app.request("GET", "/one?id=7&wait", &[], RequestBody::empty());
            let mut other = app.client().connect().await.unwrap();
            let under_way =
                tokio::spawn(async move { other.send(request).await.unwrap().collect().await });
            group.push_out();
            most = most.max(swap::swapped_kb(node.pid()));
            assert_eq!(under_way.await.unwrap().text(), "one one 7 7 true");
            group.push_out();
            most = most.max(swap::swapped_kb(node.pid()));
            for _ in 0..3 {
                assert_eq!(
                    get(&app, &mut connection, "/state").await,
                    (200, "clean".into()),
                    "{scheme}"
                );
                group.push_out();
            }
            assert_eq!(
                get(&app, &mut connection, "/memory?mb=40").await,
                (200, "zero".into()),
                "{scheme}"
            );
        }
        eprintln!("isolation of swapped pages with {scheme}: at most {most} KB were out at once");
        assert!(most > 1024, "nothing of the node was swapped out, so nothing was tested");
    }
}

/// A swap file, and a group of processes whose memory can be pushed out to it. Both need root.
mod swap {
    use std::path::{Path, PathBuf};
    use std::process::Command;

    use tempfile::TempDir;

    const MEMORY: &str = "/sys/fs/cgroup/memory";

    pub(super) struct Swap {
        file: PathBuf,
        _directory: TempDir,
    }

    fn run(command: &mut Command) -> Result<(), String> {
        let output = command.output().map_err(|error| format!("{command:?}: {error}"))?;
        match output.status.success() {
            true => Ok(()),
            false => Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr))),
        }
    }

    impl Swap {
        pub(super) fn make() -> Result<Self, String> {
            let directory = tempfile::tempdir().map_err(|error| error.to_string())?;
            let file = directory.path().join("swap");
            // Written, not made sparse: swapon refuses a file with holes.
            std::fs::write(&file, vec![0; 256 << 20]).map_err(|error| error.to_string())?;
            run(Command::new("chmod").arg("600").arg(&file))?;
            run(Command::new("mkswap").arg(&file))?;
            run(Command::new("swapon").arg(&file))?;
            let swap = Self { file, _directory: directory };
            swap.group().map(drop)?;
            Ok(swap)
        }

        pub(super) fn group(&self) -> Result<Group, String> {
            let base = [MEMORY, "/sys/fs/cgroup"].map(Path::new).into_iter().find(|base| {
                base.join("memory.limit_in_bytes").exists()
                    || base.join("cgroup.subtree_control").exists()
            });
            let base = base.ok_or("no memory controller of cgroups is mounted")?;
            let path = base.join(format!("mayfly-test-{}", std::process::id()));
            match std::fs::create_dir(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                    return Err(format!("{}: {error}", path.display()));
                }
                _ => {}
            }
            let group = Group(path);
            match group.limit_file().exists() || group.0.join("memory.reclaim").exists() {
                true => Ok(group),
                false => {
                    Err("the group has neither memory.limit_in_bytes nor memory.reclaim".into())
                }
            }
        }
    }

    impl Drop for Swap {
        fn drop(&mut self) {
            let _ = run(Command::new("swapoff").arg(&self.file));
        }
    }

    pub(super) struct Group(PathBuf);

    impl Group {
        pub(super) fn path(&self) -> &Path {
            &self.0
        }

        fn limit_file(&self) -> PathBuf {
            self.0.join("memory.limit_in_bytes")
        }

        /// Pushes out what can be pushed out; that the kernel cannot get down to the goal is no
        /// failure.
        pub(super) fn push_out(&self) {
            let limit = self.limit_file();
            if limit.exists() {
                let _ = std::fs::write(&limit, "4M");
                std::fs::write(&limit, "-1").unwrap();
            } else {
                let _ = std::fs::write(self.0.join("memory.reclaim"), "1G");
            }
        }
    }

    impl Drop for Group {
        fn drop(&mut self) {
            let _ = std::fs::remove_dir(&self.0);
        }
    }

    /// How much of a process is swapped out.
    pub(super) fn swapped_kb(pid: u32) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmSwap:"));
        line.and_then(|line| line.trim().trim_end_matches(" kB").trim().parse().ok()).unwrap_or(0)
    }
}
