//! Beginnings and ends: functions that do not load, that do not end, and a node that ends without
//! warning.

use std::collections::BTreeSet;
use std::path::PathBuf;

use mayfly_testkit::{App, until};
use serde_json::json;

use super::ground::{Ground, Who, attackers, python};
use super::host;

/// Files of functions that do not load, the first line of each without its language, and what their
/// author is told.
const BROKEN: &[(&str, &str, &[&str])] = &[
    (
        "bootstrap",
        "#!/bin/sh\necho no licence >&2\nexit 3",
        &["it exited with code 3", "no licence"],
    ),
    ("bootstrap", "#!/bin/sh\nexit 0", &["it exited with code 0"]),
    ("bootstrap", "#!/bin/sh\nkill -SEGV $$", &["signal 11 ended it"]),
    ("main.py", "raise ValueError('no licence')", &["ValueError: no licence", "main.py"]),
    ("main.py", "import sys; sys.exit(5)", &["it exited with code 5"]),
    ("main.py", "print('last words'); import os; os._exit(6)", &["code 6", "last words"]),
    ("main.py", "import os; os.abort()", &["signal 6 ended it"]),
    ("main.py", "import os; os.write(3, b'\\xff' * 99)", &["a frame is too long"]),
    ("main.py", "import os, time; os.close(3); time.sleep(60)", &["the process ended", "signal 9"]),
    ("main.py", "import os; os.kill(os.getpid(), 9)", &["signal 9 ended it"]),
    ("main.rb", "raise 'no licence'", &["no licence", "main.rb"]),
    ("main.rb", "exit! 7", &["it exited with code 7"]),
    ("main.cjs", "throw new Error('no licence')", &["Error: no licence", "main.cjs"]),
    ("main.cjs", "process.exit(8)", &["it exited with code 8"]),
    ("main.cjs", "process.abort()", &["signal 6 ended it"]),
];

fn single(file: &str, text: &str) -> App {
    let runtime = match file.rsplit('.').next() {
        Some("py") => "python",
        Some("rb") => "ruby",
        Some("cjs") => "nodejs",
        _ => "provided",
    };
    let table = format!("[functions.broken]\ncode = \".\"\nruntime = \"{runtime}\"\n");
    let app = App::new().file("mayfly.toml", format!("app = \"broken\"\n{table}"));
    let app = app.file(file, text);
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(app.directory().join(file), PermissionsExt::from_mode(0o755)).unwrap();
    app
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_ends_while_it_loads_is_refused_with_the_reason() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let watch = ground.watch();
        let before = host::descendants(ground.node.pid());
        for (file, text, reasons) in BROKEN {
            refused(&ground, file, text, reasons).await;
        }
        watch.well().await;
        let left = || host::descendants(ground.node.pid());
        until("the end of them", async || left().is_subset(&before).then_some(())).await;
    }
}

async fn refused(ground: &Ground, file: &str, text: &str, reasons: &[&str]) {
    let refused = ground.node.deploy(&single(file, text)).await.expect_err(text);
    for reason in reasons {
        let told = refused.details.iter().any(|detail| detail.message.contains(reason));
        assert!(told, "{:?}: {text}: {refused}", ground.who);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_that_is_no_program_is_refused_with_the_reason() {
    let ground = Ground::counted(Who::Ourselves).await;
    let cases = [("#!/nowhere/sh\n", "No such file"), ("\x7fELF and no more", "Exec format error")];
    for (text, reason) in cases {
        refused(&ground, "bootstrap", text, &["execute /var/task/bootstrap", reason]).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_that_loads_for_ever_is_refused_after_ten_seconds() {
    let who = Who::all();
    tokio::join!(loads_for_ever(who.first()), loads_for_ever(who.get(1)));
}

async fn loads_for_ever(who: Option<&Who>) {
    let Some(who) = who else { return };
    let ground = Ground::counted(*who).await;
    let asleep = single("bootstrap", "#!/bin/sh\nexec sleep 600");
    let busy = single("main.cjs", "for (;;) {}");
    let forking = single("main.py", "import os, time\nos.fork()\ntime.sleep(600)");
    let before = host::descendants(ground.node.pid());
    let watch = ground.watch();
    let (asleep, busy, forking) = tokio::join!(
        ground.node.deploy(&asleep),
        ground.node.deploy(&busy),
        ground.node.deploy(&forking),
    );
    for refused in [asleep, busy, forking] {
        let refused = refused.unwrap_err();
        let message = &refused.only().message;
        assert!(message.contains("ran for more than 10 seconds"), "{who:?}: {refused}");
    }
    watch.well().await;
    // The neighbour ends too when nobody has called it for a minute; so not how many, but who is left.
    let began = std::time::Instant::now();
    let left = || host::descendants(ground.node.pid());
    until("the end of them", async || left().is_subset(&before).then_some(())).await;
    assert!(began.elapsed().as_secs() < 30, "{who:?}: they ended late");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_process_that_ignores_signals_ends_with_its_timeout() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let ruby = "[functions.stubborn]\ncode = \".\"\nruntime = \"ruby\"\nhandler = \"stubborn.handler\"\n\
                    timeout = \"1s\"\n";
        let python = "[functions.forever]\ncode = \".\"\nruntime = \"python\"\n\
                      handler = \"lasting.forever\"\ntimeout = \"1s\"\n";
        let manifest = format!("app = \"attacker\"\n{ruby}{python}");
        ground.deploy(&attackers().file("mayfly.toml", manifest)).await;
        let watch = ground.watch();
        for function in ["stubborn", "forever"] {
            let reason = "did not finish within its timeout of 1s";
            ground.fails(function, json!({}), "timeout", reason).await;
            let left = || host::descendants(ground.node.pid()).len();
            until("its end", async || (left() == 3).then_some(())).await;
        }
        // The next call has a process of its own.
        assert_eq!(ground.attack("stubborn", &json!({ "pid": true })).await, 2, "{who:?}");
        watch.well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_without_an_end_ends_with_its_timeout() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let manifest = "app = \"attacker\"\n[functions.stalling]\ncode = \"stalling\"\n\
                        runtime = \"provided\"\ntimeout = \"1s\"\n";
        ground.deploy(&attackers().file("mayfly.toml", manifest)).await;
        let before = host::descendants(ground.node.pid());
        for _ in 0..2 {
            let reason = "did not finish within its timeout of 1s";
            ground.fails("stalling", json!({}), "timeout", reason).await;
            let left = || host::descendants(ground.node.pid());
            until("its end", async || left().is_subset(&before).then_some(())).await;
        }
        ground.neighbour_is_well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_after_the_deadline_is_nobodys() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        let manifest = "app = \"attacker\"\n[functions.late]\ncode = \".\"\nruntime = \"nodejs\"\n\
                        handler = \"late.default\"\ntimeout = \"500ms\"\n";
        ground.deploy(&attackers().file("mayfly.toml", manifest)).await;
        let app = ground.node.app("attacker");
        assert_eq!(app.get("/").await.expect(200).text(), "call 1");
        let watch = ground.watch();
        let late = app.get("/?wait=800").await;
        assert_eq!((late.status, late.code().as_str()), (504, "timeout"), "{who:?}");
        let mut logs = ground.node.logs("attacker");
        let line = logs.containing("did not finish within its timeout of 500ms").await;
        assert_eq!(line.invocation, late.header("x-mayfly-invocation-id"));
        // Whoever calls while that answer would come gets his own.
        for _ in 0..3 {
            let text = app.get("/?wait=300").await.expect(200).text();
            assert!(text.starts_with("call "), "{who:?}: {text}");
        }
        assert_eq!(app.get("/").await.expect(200).text(), "call 4", "{who:?}: a new process");
        watch.well().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_invocation_leaves_behind_ends_with_it() {
    for who in Who::all() {
        let ground = Ground::counted(who).await;
        // A number of seconds that nobody else sleeps for.
        let seconds = format!("{}.{}", 80_000 + std::process::id() % 1000, ground.node.pid());
        let once = "isolation = \"invocation\"";
        let functions = [("lasting.daemon", once), ("lasting.leftovers", once)];
        ground.deploy(&python("attacker", &functions)).await;
        ground.deploy(&python("another", &[("lasting.daemon", "")])).await;
        let watch = ground.watch();

        // Where processes are kept, it lives; so it can be found.
        let event = json!({ "seconds": seconds });
        ground.node.invoke("another", "daemon", event.clone()).await.expect(200);
        let daemons = || host::named(&seconds);
        let kept = until("the daemon", async || daemons().first().copied()).await;
        for _ in 0..3 {
            assert_eq!(ground.attack("daemon", &event).await, "left one behind", "{who:?}");
            until("its end", async || (daemons() == [kept]).then_some(())).await;
        }
        for _ in 0..3 {
            let found = ground.attack("leftovers", &json!({})).await;
            let nothing = json!({ "processes": 3, "files": [], "values": null });
            assert_eq!(found, nothing, "{who:?}");
        }
        watch.well().await;
    }
}

/// What the host sees of a node's sandboxes.
struct Seen {
    processes: BTreeSet<u32>,
    namespaces: BTreeSet<PathBuf>,
    /// The name of its cgroups, where there are any.
    cgroup: Option<String>,
}

impl Seen {
    fn of(node: u32) -> Self {
        let processes = host::descendants(node);
        let own = host::namespaces([std::process::id()]);
        let theirs = host::namespaces(processes.iter().copied());
        let namespaces = theirs.difference(&own).cloned().collect();
        let cgroup = processes.iter().find_map(|pid| {
            let text = std::fs::read_to_string(format!("/proc/{pid}/cgroup")).ok()?;
            let mut parts = text.split(['/', '\n']).map(str::to_owned);
            parts.find(|part| part.starts_with("mayfly-"))
        });
        Self { processes, namespaces, cgroup }
    }

    /// What is left of it, in words, but for what a later node has of the same names.
    fn left(&self, later: Option<u32>) -> Vec<String> {
        let later_ones = later.map(host::descendants).unwrap_or_default();
        let running = self.processes.iter().filter(|pid| host::runs(**pid));
        let running = running.map(|pid| format!("the process {pid}"));
        let held = host::namespaces(host::all().difference(&later_ones).copied());
        let namespaces = self.namespaces.intersection(&held).map(|n| n.display().to_string());
        let mine = |path: &String| self.cgroup.as_ref().is_some_and(|name| path.contains(name));
        let cgroups = host::cgroups().into_iter().filter(|_| later.is_none());
        let cgroups = cgroups.map(|path| path.display().to_string()).filter(mine);
        running.chain(namespaces).chain(cgroups).collect()
    }

    /// Waits until nothing is left.
    async fn gone(&self, later: Option<u32>) {
        let gone = async || self.left(later).is_empty().then_some(());
        until("the end of everything", gone).await;
    }

    /// Waits until a cgroup of it stands still.
    async fn frozen(&self) {
        let Some(name) = &self.cgroup else { return };
        let still = |path: &PathBuf| {
            let read = |file| std::fs::read_to_string(path.join(file)).unwrap_or_default();
            read("freezer.state").starts_with("FROZEN") || read("cgroup.freeze").starts_with('1')
        };
        let mine = |path: &PathBuf| path.to_string_lossy().contains(name.as_str());
        let frozen = || host::cgroups().into_iter().filter(mine).any(|path| still(&path));
        until("a frozen sandbox", async || frozen().then_some(())).await;
    }
}

/// A node with sandboxes that stand still, that run and that left a daemon behind.
async fn busy(ground: &Ground) -> Seen {
    let another = python("another", &[("lasting.daemon", ""), ("lasting.forever", "")]);
    ground.deploy(&another).await;
    ground.neighbour_is_well().await;
    let event = json!({ "seconds": "70000" });
    ground.node.invoke("another", "daemon", event).await.expect(200);
    // The node will not live to answer this one.
    let address = ground.node.admin().address();
    let request = format!(
        "POST /v1/apps/another/functions/forever/invocations HTTP/1.1\r\nhost: {address}\r\n\
         authorization: Bearer {}\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\r\n{{}}",
        ground.node.token()
    );
    let mut connection = std::net::TcpStream::connect(address).unwrap();
    std::io::Write::write_all(&mut connection, request.as_bytes()).unwrap();
    // The spawner; an init and a program each; the daemon.
    let all = || host::descendants(ground.node.pid()).len();
    until("all programs", async || (all() == 8).then_some(())).await;
    let seen = Seen::of(ground.node.pid());
    assert!(seen.namespaces.len() >= 3 * 6, "{:?}", seen.namespaces);
    seen.frozen().await;
    drop(connection);
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_leaves_nothing_of_its_sandboxes() {
    for who in Who::all() {
        let mounts = host::mounts();
        let mut ground = Ground::counted(who).await;
        assert_eq!(host::mounts(), mounts, "{who:?}: sandboxes show on the host");
        let seen = busy(&ground).await;
        assert_eq!(seen.cgroup.is_some(), ground.limited().await, "{who:?}");
        let seen = Seen { processes: host::descendants(ground.node.pid()), ..seen };
        ground.node.kill9().await;
        seen.gone(None).await;
        assert_eq!(host::mounts(), mounts, "{who:?}");

        ground.node.start_again().await;
        ground.neighbour_is_well().await;
        // Now nobody is there to clear up but the next node.
        let seen = busy(&ground).await;
        let spawner = *seen
            .processes
            .iter()
            .find(|pid| host::field(**pid, "PPid") == Some(ground.node.pid()))
            .unwrap();
        let pid = |pid: u32| rustix::process::Pid::from_raw(pid as i32).unwrap();
        rustix::process::kill_process(pid(ground.node.pid()), rustix::process::Signal::STOP)
            .unwrap();
        rustix::process::kill_process(pid(spawner), rustix::process::Signal::KILL).unwrap();
        ground.node.kill9().await;
        ground.node.start_again().await;
        seen.gone(Some(ground.node.pid())).await;
        ground.neighbour_is_well().await;
        if let Some(cgroup) = Seen::of(ground.node.pid()).cgroup {
            let sandboxes = host::cgroups().into_iter();
            let sandboxes = sandboxes.filter(|path| path.parent().unwrap().ends_with(&cgroup));
            let names: BTreeSet<_> =
                sandboxes.map(|path| path.file_name().unwrap().to_owned()).collect();
            assert_eq!(names.len(), 1, "{who:?}: the neighbour's alone");
        }
        assert_eq!(host::mounts(), mounts, "{who:?}");
        let status = ground.node.terminate().await;
        assert!(status.success(), "{who:?}: {status}");
    }
}
