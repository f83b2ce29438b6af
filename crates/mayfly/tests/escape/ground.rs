//! Where attackers and their neighbour meet: a node of the tests' own user, or of another.

use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use mayfly_testkit::{App, AppClient, Deployed, Node, repository};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::common::{MAYFLY, node};

/// What the neighbour hides.
pub(crate) const SECRET: &str = "the-neighbours-own-7c1f";
/// An ordinary user, whom no file of a host belongs to.
const ORDINARY: u32 = 61_234;

/// Who the node runs as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Who {
    /// Whoever runs the tests.
    Ourselves,
    /// An ordinary user without powers, groups and cgroups.
    Ordinary,
    /// The same where nobody may make namespaces: its sandboxes are reduced.
    Confined,
}

impl Who {
    /// That one, where a node can run as it here.
    pub(crate) fn confined() -> Option<Self> {
        if rustix::process::geteuid().is_root() && has("setpriv") && has("unshare") {
            return Some(Self::Confined);
        }
        eprintln!(
            "NOT SHOWN: reduced sandboxes, because the tests do not run as root with setpriv"
        );
        None
    }

    /// Those as whom a node can run here.
    pub(crate) fn all() -> Vec<Self> {
        if rustix::process::geteuid().is_root() && has("setpriv") {
            return vec![Self::Ourselves, Self::Ordinary];
        }
        eprintln!("NOT SHOWN: as another user, because the tests do not run as root with setpriv");
        vec![Self::Ourselves]
    }
}

fn has(program: &str) -> bool {
    std::env::split_paths("/usr/local/bin:/usr/bin:/bin").any(|path| path.join(program).is_file())
}

/// A node with a neighbour on it.
pub(crate) struct Ground {
    pub(crate) who: Who,
    pub(crate) node: Node,
    _home: TempDir,
}

impl Ground {
    pub(crate) async fn new(who: Who) -> Self {
        match who {
            Who::Confined => Self::with(who, "sandbox = \"reduced\"\n").await,
            _ => Self::with(who, "").await,
        }
    }

    /// The same without interpreters that boot ahead of time, for those who count processes.
    pub(crate) async fn counted(who: Who) -> Self {
        Self::with(who, "[runtimes]\nstems = 0\n").await
    }

    /// A directory whose program runs as one who may make no namespaces, with room for data.
    pub(crate) fn of_confined() -> (TempDir, PathBuf) {
        let home = tempfile::Builder::new().prefix("mayfly-home-").tempdir().unwrap();
        engine_of_earlier_tests(&home.path().join("data"));
        // Where `mayfly dev` looks for the engine.
        let caches = home.path().join("caches");
        std::fs::create_dir(&caches).unwrap();
        std::os::unix::fs::symlink("../data/cache", caches.join("mayfly")).unwrap();
        let before = format!("env XDG_CACHE_HOME={} {CONFINED}", caches.display());
        let program = program_of_ordinary(home.path(), &before);
        (home, program)
    }

    async fn with(who: Who, config: &str) -> Self {
        let home = tempfile::Builder::new().prefix("mayfly-home-").tempdir().unwrap();
        let data = home.path().join("data");
        engine_of_earlier_tests(&data);
        let options = match who {
            Who::Ourselves => node(),
            Who::Ordinary => Node::options(text(&program_of_ordinary(home.path(), ""))),
            Who::Confined => Node::options(text(&program_of_ordinary(home.path(), CONFINED))),
        };
        // The interpreters of the system, which everybody may run.
        let options =
            options.data(&data).env("PATH", "/usr/local/bin:/usr/bin:/bin").config(config);
        let node = options.start().await;
        keep_engine(&data);
        let ground = Self { who, node, _home: home };
        let settings = format!("env = {{ SECRET = \"{SECRET}\" }}");
        ground.deploy(&python("neighbour", &[("neighbour", &settings)])).await;
        ground.neighbour_is_well().await;
        ground
    }

    /// Deploys an app that nothing is wrong with.
    pub(crate) async fn deploy(&self, app: &App) -> Deployed {
        let deployed = self.node.deploy(app).await;
        deployed.unwrap_or_else(|error| panic!("{:?}: {error}", self.who))
    }

    /// Whether limits of memory and processors hold here.
    pub(crate) async fn limited(&self) -> bool {
        let app = python("limits", &[("neighbour", "env = { SECRET = \"x\" }")]);
        let notes = self.deploy(&app).await.body["notes"].to_string();
        assert!(notes == "[]" || notes.contains("cgroup"), "{notes}");
        notes == "[]"
    }

    /// Calls an attacker, and gives what it tells.
    pub(crate) async fn attack(&self, function: &str, world: &Value) -> Value {
        let answer = self.node.invoke("attacker", function, world.clone()).await;
        assert_eq!(answer.status, 200, "{:?} {function}: {}", self.who, answer.text());
        answer.json()["result"].clone()
    }

    /// Calls an attacker whose call fails, and asserts what the caller is told, and the owner.
    pub(crate) async fn fails(&self, function: &str, event: Value, code: &str, reason: &str) {
        let answer = self.node.invoke("attacker", function, event).await;
        let status = if code == "timeout" { 504 } else { 502 };
        let told = (answer.status, answer.code());
        assert_eq!(told, (status, code.to_owned()), "{:?} {function}: {}", self.who, answer.text());
        let id = answer.json()["error"]["invocation_id"].as_str().unwrap().to_owned();
        let what = format!("{function}: {reason}");
        let mut logs = self.node.logs("attacker");
        logs.line(&what, |line| line.invocation == id && line.message.contains(reason)).await;
    }

    /// The memory that the node's process has, and the most that it had, in MB.
    pub(crate) fn memory(&self) -> [u32; 2] {
        ["VmRSS", "VmHWM"].map(|name| super::host::field(self.node.pid(), name).unwrap() >> 10)
    }

    /// How long the node's process has run on processors.
    pub(crate) fn processor_time(&self) -> Duration {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.node.pid())).unwrap();
        let fields: Vec<&str> = stat.rsplit(") ").next().unwrap().split(' ').collect();
        let ticks = |at: usize| fields[at].parse::<u64>().unwrap();
        // A hundred ticks a second, of user and system.
        Duration::from_millis((ticks(11) + ticks(12)) * 10)
    }

    fn neighbour(&self) -> AppClient {
        self.node.app("neighbour")
    }

    pub(crate) async fn neighbour_is_well(&self) {
        let answer = self.neighbour().get("/").await;
        assert_eq!((answer.status, answer.text().as_str()), (200, "well"), "{:?}", self.who);
    }

    /// Calls the neighbour again and again until it is asked how that went.
    pub(crate) fn watch(&self) -> Watch {
        let neighbour = self.neighbour();
        let (stop, mut stopped) = oneshot::channel();
        let task = tokio::spawn(async move {
            let mut slowest = Duration::ZERO;
            let mut pause = tokio::time::interval(Duration::from_millis(20));
            loop {
                let began = Instant::now();
                let answer = neighbour.get("/").await;
                assert_eq!((answer.status, answer.text().as_str()), (200, "well"));
                slowest = slowest.max(began.elapsed());
                tokio::select! {
                    _ = &mut stopped => return slowest,
                    _ = pause.tick() => {}
                }
            }
        });
        Watch { stop, task }
    }

    /// The number of a program in its sandbox, as the host counts: the one that started last.
    pub(crate) fn youngest_program(&self) -> u32 {
        super::host::descendants(self.node.pid()).into_iter().max().unwrap()
    }
}

/// A neighbour who is being called.
pub(crate) struct Watch {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Duration>,
}

impl Watch {
    /// It answered every time; tells how long it took at most.
    pub(crate) async fn well(self) -> Duration {
        let _ = self.stop.send(());
        let slowest = self.task.await.expect("the neighbour answers");
        assert!(slowest < Duration::from_secs(5), "the neighbour took {slowest:?}");
        slowest
    }
}

/// What makes a process one that may make no namespaces: it begins in one of which it is the only user and
/// that may have no others below it, and gives its powers there up.
const CONFINED: &str = "unshare --user --map-user=61234 --map-group=61234 --keep-caps sh -c \
    'echo 0 > /proc/sys/user/max_user_namespaces && exec setpriv --inh-caps=-all --ambient-caps=-all \
    --bounding-set=-all \"$@\"' sh";

/// Makes a home, with the data in it, the ordinary user's: the program under a path that it may walk,
/// behind a script that becomes it as that user, with the words of `before` before it.
fn program_of_ordinary(home: &Path, before: &str) -> PathBuf {
    let [program, script] = ["mayfly", "start"].map(|name| home.join(name));
    if std::fs::hard_link(MAYFLY, &program).is_err() {
        std::fs::copy(MAYFLY, &program).unwrap();
    }
    let become_it = as_ordinary().join(" ");
    let text = format!("#!/bin/sh\nexec {become_it} {before} {} \"$@\"\n", program.display());
    std::fs::write(&script, text).unwrap();
    for path in [home, &script] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).unwrap();
    }
    let data = home.join("data");
    for below in ["", "format", "cache", "cache/js"] {
        let path = data.join(below);
        if path.exists() {
            chown(&path, Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
    }
    for entry in std::fs::read_dir(data.join("cache/js")).into_iter().flatten().flatten() {
        chown(entry.path(), Some(ORDINARY), Some(ORDINARY)).unwrap();
    }
    script
}

/// Where the JavaScript engine is kept that a node compiles at its first start, which takes longer than
/// most tests here.
const ENGINE: &str = concat!(env!("CARGO_TARGET_TMPDIR"), "/escape-engine");

/// Makes a data directory, with the engine in it if an earlier test has kept it.
fn engine_of_earlier_tests(data: &Path) {
    std::fs::create_dir(data).unwrap();
    if Path::new(ENGINE).exists() {
        copy(Path::new(ENGINE), data);
    }
}

fn keep_engine(data: &Path) {
    let made = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).unwrap();
    std::fs::copy(data.join("format"), made.path().join("format")).unwrap();
    std::fs::create_dir(made.path().join("cache")).unwrap();
    copy(&data.join("cache/js"), &made.path().join("cache/js"));
    // Another test may have been faster.
    let _ = std::fs::rename(made.path(), ENGINE);
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    std::fs::set_permissions(to, PermissionsExt::from_mode(0o700)).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        match entry.path().is_dir() {
            true => copy(&entry.path(), &target),
            false => drop(std::fs::copy(entry.path(), target).unwrap()),
        }
    }
}

/// An app of functions from `tests/escape`, by their handlers, each with lines of its table. The
/// handler `bombs.memory` is the function `memory`; a file with one handler is named alone.
pub(crate) fn python(app: &str, functions: &[(&str, &str)]) -> App {
    let table = |(handler, settings): &(&str, &str)| {
        let (file, name) = handler.split_once('.').unwrap_or((handler, "handler"));
        let function = if name == "handler" { file } else { name };
        let what = "code = \".\"\nruntime = \"python\"";
        format!("\n[functions.{function}]\n{what}\nhandler = \"{file}.{name}\"\n{settings}\n")
    };
    let tables: String = functions.iter().map(table).collect();
    attackers().file("mayfly.toml", format!("app = \"{app}\"\n{tables}"))
}

/// The files of all attackers, without a manifest.
pub(crate) fn attackers() -> App {
    App::new().copy_of(&repository("tests/escape"))
}

/// What attacks come to outside of a sandbox, in a process that `before` starts.
pub(crate) fn outside(before: &[&str], module: &str, world: &Value, only: &[&str]) -> Value {
    let mut world = world.clone();
    world["only"] = json!(only);
    let code = attackers();
    std::fs::set_permissions(code.directory(), PermissionsExt::from_mode(0o755)).unwrap();
    let output = std::process::Command::new("timeout")
        .arg("30")
        .args(before)
        .args(["/usr/bin/python3", "attempt.py", module, &world.to_string()])
        .current_dir(code.directory())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{module}: {said}"))
}

/// What makes a process one of the ordinary user's.
pub(crate) fn as_ordinary() -> [String; 6] {
    let user = ORDINARY.to_string();
    ["setpriv", "--reuid", &user, "--regid", &user, "--clear-groups"].map(str::to_owned)
}

/// Attacks by the reason for which they are denied: `EPERM|EACCES` where kernels differ.
pub(crate) type Reasons = &'static [(&'static str, &'static [&'static str])];

/// Asserts what each attack came to, and that none is forgotten.
pub(crate) fn denied(what: &str, came: &Value, expected: &[Reasons]) {
    let mut wrong = Vec::new();
    let came = came.as_object().unwrap();
    for (name, outcome) in came {
        let reason = outcome.as_str().unwrap().strip_prefix("denied: ");
        let reasons = expected
            .iter()
            .copied()
            .flatten()
            .find(|(_, attacks)| attacks.contains(&name.as_str()));
        let reasons = reasons.map_or("nothing yet", |(reasons, _)| reasons);
        if !reason.is_some_and(|reason| reasons.split('|').any(|r| r == reason)) {
            wrong.push(format!("{name}: {outcome}, not {reasons}"));
        }
    }
    for name in expected.iter().copied().flatten().flat_map(|(_, attacks)| *attacks) {
        if !came.contains_key(*name) {
            wrong.push(format!("{name} was not tried"));
        }
    }
    assert!(wrong.is_empty(), "{what}: {} attacks:\n{}", wrong.len(), wrong.join("\n"));
}

/// Asserts that every attack is denied but those that are known not to be, and that these are not.
pub(crate) fn denied_but(what: &str, came: &Value, known: &[&str]) {
    let came = came.as_object().unwrap();
    let wrong: Vec<String> = came
        .iter()
        .filter(|(name, outcome)| {
            let denied = outcome.as_str().unwrap().starts_with("denied: ");
            denied == known.contains(&name.as_str())
        })
        .map(|(name, outcome)| format!("{name}: {outcome}"))
        .chain(
            known
                .iter()
                .filter(|name| !came.contains_key(**name))
                .map(|n| format!("{n}: not tried")),
        )
        .collect();
    assert!(wrong.is_empty(), "{what}: {} attacks:\n{}", wrong.len(), wrong.join("\n"));
}

/// Asserts that attacks succeed.
pub(crate) fn allowed(what: &str, came: &Value) {
    let came = came.as_object().unwrap();
    let failed: Vec<_> =
        came.iter().filter(|(_, o)| !o.as_str().unwrap().starts_with("allowed: ")).collect();
    assert!(failed.is_empty(), "{what}: {failed:?}");
}

/// The path as text.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}
