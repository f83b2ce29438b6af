//! Sandboxes on this host: what a program finds, what it is denied, and how it ends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpListener;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::Duration;

use mayfly_sandbox::{
    Bind, CgroupKind, Ended, Exit, Limits, Listen, Network, Sandbox, SpawnError, Spawner,
    SpawnerOptions, Spec, Starter,
};

const LIMITS: Limits = Limits { memory: 64 << 20, cpu: 1.0, pids: 16, files: 64, tmp: 8 << 20 };

fn probe() -> PathBuf {
    let mut path = std::env::current_exe().unwrap();
    path.pop();
    path.pop();
    path.join("examples/sandbox-probe")
}

async fn spawner(name: &str) -> Spawner {
    let name = format!("mayfly-test-{}-{name}", std::process::id());
    let command = vec![probe().into(), "spawner".into()];
    let options = SpawnerOptions { starter: Starter::here(command), name, reduced: None };
    Spawner::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

fn spec(arguments: &[&str]) -> Spec {
    Spec {
        program: "/var/task/probe".into(),
        arguments: arguments.iter().map(|argument| (*argument).to_owned()).collect(),
        environment: vec![("GREETING".into(), "hello".into())],
        directory: "/var/task".into(),
        binds: vec![Bind { source: probe(), target: "/var/task/probe".into() }],
        limits: LIMITS,
        descriptors: vec![0, 1],
        listen: Vec::new(),
        network: Network::Loopback,
        places: Vec::new(),
    }
}

struct Program {
    sandbox: Sandbox,
    input: File,
    output: BufReader<File>,
}

impl Program {
    /// What an attempt of a program that goes on came to.
    fn ask(&mut self, what: &str) -> String {
        writeln!(self.input, "{what}").unwrap();
        let mut said = String::new();
        self.output.read_line(&mut said).unwrap();
        said.trim_end().to_owned()
    }
}

async fn start(spawner: &Spawner, spec: &Spec) -> Result<Program, SpawnError> {
    let (inside_in, input) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let (output, inside_out) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC).unwrap();
    let descriptors: [OwnedFd; 2] = [inside_in, inside_out];
    let sandbox = spawner.spawn(spec, &descriptors).await?;
    Ok(Program { sandbox, input: input.into(), output: BufReader::new(output.into()) })
}

async fn run(spawner: &Spawner, spec: &Spec) -> (String, Ended) {
    let mut program = start(spawner, spec).await.unwrap_or_else(|error| panic!("{error}"));
    drop(program.input);
    let reading = tokio::task::spawn_blocking(move || {
        let mut text = String::new();
        program.output.read_to_string(&mut text).map(|_| text)
    });
    let ended = tokio::time::timeout(Duration::from_secs(60), program.sandbox.ended());
    let ended = ended.await.expect("the sandbox ends");
    (reading.await.unwrap().unwrap().trim_end().to_owned(), ended)
}

/// What an attempt inside a sandbox came to.
async fn attempt(spawner: &Spawner, what: &[&str]) -> String {
    let arguments: Vec<&str> = ["try"].iter().chain(what).copied().collect();
    run(spawner, &spec(&arguments)).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_runs_as_nobody_with_what_it_was_given() {
    let spawner = spawner("runs").await;
    let (said, ended) = run(&spawner, &spec(&["say", "hello from inside"])).await;
    assert_eq!((said.as_str(), ended.exit), ("hello from inside", Exit::Code(0)));
    assert!(!ended.out_of_memory);
    if spawner.cgroups() != CgroupKind::None {
        assert!(ended.cpu_us.is_some() && ended.memory_peak.is_some());
    }
    // One user, the second process of its namespace, on a host of another name.
    assert_eq!(attempt(&spawner, &["identity"]).await, "allowed 1000 1000 2 mayfly");
    assert_eq!(
        attempt(&spawner, &["capabilities"]).await,
        "allowed CapInh: 0000000000000000;CapPrm: 0000000000000000;CapEff: 0000000000000000;\
         CapBnd: 0000000000000000;CapAmb: 0000000000000000;NoNewPrivs: 1;Seccomp: 2"
    );
    assert_eq!(attempt(&spawner, &["descriptors"]).await, "allowed 0 1 2");
    assert_eq!(attempt(&spawner, &["list", "/"]).await, root_of_this_host());
}

/// The directories that every sandbox has, by those that the host has.
fn root_of_this_host() -> String {
    let mut names = vec!["dev", "etc", "proc", "tmp", "var"];
    names.extend(
        ["usr", "bin", "sbin", "lib", "lib32", "lib64"]
            .into_iter()
            .filter(|name| Path::new("/").join(name).symlink_metadata().is_ok()),
    );
    names.sort_unstable();
    format!("allowed {}", names.join(" "))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_talks_over_its_descriptors_until_it_is_killed() {
    let spawner = spawner("talks").await;
    let mut program = start(&spawner, &spec(&["echo"])).await.unwrap();
    let mut line = String::new();
    for text in ["one\n", "two\n"] {
        program.input.write_all(text.as_bytes()).unwrap();
        program.output.read_line(&mut line).unwrap();
    }
    assert_eq!(line, "one\ntwo\n");
    program.sandbox.kill().await.unwrap();
    assert_eq!(program.sandbox.ended().await.exit, Exit::Signal(9));
}

#[tokio::test(flavor = "multi_thread")]
async fn how_a_program_ended_is_told() {
    let spawner = spawner("ends").await;
    assert_eq!(run(&spawner, &spec(&["exit", "7"])).await.1.exit, Exit::Code(7));
    assert_eq!(run(&spawner, &spec(&["abort"])).await.1.exit, Exit::Signal(6));
    // What a program leaves behind ends with it: the sandbox ends, and its pipe closes.
    let (said, ended) = run(&spawner, &spec(&["orphan"])).await;
    assert_eq!((said.as_str(), ended.exit), ("left one behind", Exit::Code(0)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_program_that_cannot_start_is_told_with_the_step_that_failed() {
    let spawner = spawner("fails").await;
    let absent = Spec { program: "/var/task/absent".into(), ..spec(&[]) };
    let error = start(&spawner, &absent).await.err().unwrap().to_string();
    assert!(error.contains("execute /var/task/absent"), "{error}");
    let nowhere = Spec { directory: "/nowhere".into(), ..spec(&[]) };
    let error = start(&spawner, &nowhere).await.err().unwrap().to_string();
    assert!(error.contains("enter /nowhere"), "{error}");
    for nested in ["/var/task/probe/inner", "/var/task", "/usr/lib/x", "/tmp/x", "/dev"] {
        let mut binds = spec(&[]).binds;
        binds.push(Bind { source: probe(), target: nested.into() });
        let over = Spec { binds, ..spec(&[]) };
        let error = start(&spawner, &over).await.err().unwrap().to_string();
        assert!(error.contains("inside of"), "{nested}: {error}");
    }
    let bind = Bind { source: "/no/such/file".into(), target: "/var/x".into() };
    let unbound = Spec { binds: vec![bind], ..spec(&[]) };
    let error = start(&spawner, &unbound).await.err().unwrap().to_string();
    assert!(error.contains("/no/such/file"), "{error}");
    // And the next one is fine.
    assert_eq!(run(&spawner, &spec(&["say", "fine"])).await.0, "fine");
}

#[tokio::test(flavor = "multi_thread")]
async fn files_of_the_host_are_out_of_reach() {
    let spawner = spawner("files").await;
    let secret = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(secret.path(), "s3cret").unwrap();
    let path = secret.path().to_str().unwrap();
    for what in [
        &["read", path][..],
        &["read", "/etc/shadow"],
        &["read", "/root/.bashrc"],
        &["read", "/proc/1/environ"],
        &["read", "/proc/1/maps"],
        &["list", "/proc/1/fd"],
        &["list", "/home"],
        &["list", "/sys"],
        &["read", "/proc/kcore"],
        &["write", "/var/task/probe"],
        &["write", "/etc/passwd"],
        &["write", "/usr/bin/x"],
        &["write", "/x"],
        &["write", "/proc/sys/kernel/hostname"],
        &["write", "/proc/sys/user/max_user_namespaces"],
        &["write", "/proc/sysrq-trigger"],
        &["write", "/proc/sys/kernel/core_pattern"],
        &["write", "/proc/sys/vm/drop_caches"],
        &["write", "/proc/self/comm"],
        &["list", "/etc/ssl/private"],
    ] {
        let came = attempt(&spawner, what).await;
        assert!(came.starts_with("denied: "), "{what:?}: {came}");
    }
    assert_eq!(attempt(&spawner, &["list", "/tmp"]).await, "allowed");
    assert_eq!(attempt(&spawner, &["write", "/tmp/x"]).await, "allowed");
    assert_eq!(attempt(&spawner, &["write", "/dev/shm/x"]).await, "allowed");
    assert_eq!(attempt(&spawner, &["write", "/dev/null"]).await, "allowed");
    // Another sandbox's files are not there either.
    assert_eq!(attempt(&spawner, &["list", "/tmp"]).await, "allowed");
    assert_eq!(
        attempt(&spawner, &["list", "/dev"]).await,
        "allowed fd full null random shm stderr stdin stdout urandom zero"
    );
    // Its own processes are all that it sees.
    let processes = attempt(&spawner, &["list", "/proc"]).await;
    let numbers: Vec<&str> =
        processes.split(' ').filter(|name| name.parse::<u32>().is_ok()).collect();
    assert_eq!(numbers, ["1", "2"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn system_calls_that_reach_beyond_the_sandbox_are_denied() {
    let spawner = spawner("calls").await;
    for what in [
        &["mount"][..],
        &["unmount", "/proc"],
        &["unmount", "/tmp"],
        &["chroot"],
        &["unshare", "268435456"],
        &["unshare", "131072"],
        &["unshare", "1073741824"],
        &["clone", "268435456"],
        &["clone", "536870912"],
        &["clone3"],
        &["setns"],
        &["trace", "1"],
        &["process_vm_readv"],
        &["pidfd_getfd"],
        &["keyctl"],
        &["add_key"],
        &["bpf"],
        &["perf"],
        &["userfaultfd"],
        &["io_uring"],
        &["aio"],
        &["inotify"],
        &["fanotify"],
        &["huge-map"],
        &["huge-file"],
        &["huge-shm"],
        &["filter"],
        &["filter-by-prctl"],
        &["socket-filter"],
        &["lease", "/etc/passwd"],
        &["kexec"],
        &["module"],
        &["reboot"],
        &["swapoff"],
        &["settime"],
        &["handle"],
        &["personality"],
        &["sethostname"],
        &["device"],
        &["setuid-file"],
    ] {
        let came = attempt(&spawner, what).await;
        let denied = ["Operation not permitted", "Function not implemented", "Invalid argument"];
        let expected = match what[0] {
            // The kernel has no such user for it.
            "setuid-file" => &denied[2..],
            _ => &denied[..2],
        };
        assert!(expected.iter().any(|error| came.contains(error)), "{what:?}: {came}");
    }
    assert_eq!(attempt(&spawner, &["sync"]).await, "allowed 0");
    // Signals reach its own processes alone: the first ignores what it has no handler for.
    let came = attempt(&spawner, &["signal", &std::process::id().to_string()]).await;
    assert!(came.contains("No such process"), "{came}");
}

#[tokio::test(flavor = "multi_thread")]
async fn networks_are_out_of_reach() {
    use std::os::linux::net::SocketAddrExt as _;
    let spawner = spawner("networks").await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let here = listener.local_addr().unwrap().to_string();
    let name = format!("mayfly-test-{}", std::process::id());
    let address = std::os::unix::net::SocketAddr::from_abstract_name(&name).unwrap();
    let _listening = std::os::unix::net::UnixListener::bind_addr(&address).unwrap();
    for what in [
        &["connect", &here][..],
        &["connect", "169.254.169.254:80"],
        &["connect", "1.1.1.1:443"],
        &["connect", "[::1]:80"],
        &["connect", "[2606:4700::1111]:443"],
        &["datagram", "8.8.8.8:53"],
        &["resolve", "example.com:80"],
        &["abstract", &name],
        // AF_NETLINK, AF_PACKET, AF_VSOCK, AF_ALG, AF_KEY; then raw sockets of IPv4 and IPv6.
        &["socket", "16", "3", "0"],
        &["socket", "17", "3", "0"],
        &["socket", "40", "1", "0"],
        &["socket", "38", "5", "0"],
        &["socket", "15", "3", "0"],
        &["socket", "2", "3", "0"],
        &["socket", "10", "3", "0"],
        // Multipath TCP and SCTP.
        &["socket", "2", "1", "262"],
        &["socket", "2", "1", "132"],
    ] {
        let came = attempt(&spawner, what).await;
        assert!(came.starts_with("denied: "), "{what:?}: {came}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_port_that_a_sandbox_listens_on_is_the_hosts_to_serve() {
    let spawner = spawner("port").await;
    let spec = Spec {
        listen: vec![Listen::Loopback(9001)],
        ..spec(&["try", "connect", "127.0.0.1:9001"])
    };
    let mut program = start(&spawner, &spec).await.unwrap();
    let listener = TcpListener::from(program.sandbox.take_listeners().remove(0));
    let (_, from) = listener.accept().unwrap();
    assert_eq!(from.ip().to_string(), "127.0.0.1");
    let mut said = String::new();
    program.output.read_line(&mut said).unwrap();
    assert_eq!(said.trim_end(), "allowed");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sandbox_that_owns_every_address_reaches_the_hosts_listener_under_each_of_them() {
    let spawner = spawner("anywhere").await;
    let listen = vec![Listen::Udp(53), Listen::Tcp(443)];
    for (to, arrives) in
        [("93.184.216.34:443", true), ("127.0.0.1:443", true), ("1.2.3.4:80", false)]
    {
        let mut wanted = spec(&["try", "connect", to]);
        (wanted.listen, wanted.network) = (listen.clone(), Network::Caught);
        let mut program = start(&spawner, &wanted).await.unwrap();
        let listener = TcpListener::from(program.sandbox.take_listeners().remove(1));
        if arrives {
            let (stream, _) = listener.accept().unwrap();
            assert_eq!(stream.local_addr().unwrap().to_string(), to);
        }
        let mut said = String::new();
        program.output.read_line(&mut said).unwrap();
        assert_eq!(said.starts_with("allowed"), arrives, "{to}: {said}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn code_in_another_users_private_directory_is_seen() {
    if !rustix::process::geteuid().is_root() {
        eprintln!("NOT SHOWN: only root reads other users' directories");
        return;
    }
    use std::os::unix::fs::{PermissionsExt, chown};
    let home = tempfile::tempdir().unwrap();
    let code = home.path().join("code");
    std::fs::create_dir(&code).unwrap();
    std::fs::copy(probe(), code.join("probe")).unwrap();
    std::fs::set_permissions(&code, PermissionsExt::from_mode(0o755)).unwrap();
    std::fs::set_permissions(home.path(), PermissionsExt::from_mode(0o700)).unwrap();
    chown(home.path(), Some(12_345), Some(12_345)).unwrap();
    let spawner = spawner("private").await;
    let binds = vec![Bind { source: code, target: "/var/task".into() }];
    let (said, _) = run(&spawner, &Spec { binds, ..spec(&["say", "seen"]) }).await;
    assert_eq!(said, "seen");
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_hold_and_harm_nobody_else() {
    let spawner = spawner("limits").await;
    if spawner.cgroups() == CgroupKind::None {
        // Such as an ordinary user to whom no cgroup is delegated: that is told.
        assert!(!spawner.problems().is_empty());
        eprintln!("NOT SHOWN: limits, because {}", spawner.problems().join("; "));
        return;
    }
    let mut neighbour = start(&spawner, &spec(&["echo"])).await.unwrap();

    let (said, ended) = run(&spawner, &spec(&["try", "eat", "256"])).await;
    assert!(ended.out_of_memory, "{said} {ended:?}");
    assert_eq!((said.as_str(), ended.exit), ("", Exit::Signal(9)));
    let came = attempt(&spawner, &["forks", "100"]).await;
    assert!(came.starts_with("denied: after 1"), "{came}");
    let came = attempt(&spawner, &["timers", "2000"]).await;
    assert!(came.starts_with("denied: after 25"), "{came}");
    let came = attempt(&spawner, &["files", "/tmp", "5000"]).await;
    assert!(came.starts_with("denied: after 10"), "{came}");
    let came = attempt(&spawner, &["fill", "/tmp/x", "64"]).await;
    assert!(came.contains("No space left"), "{came}");

    let mut line = String::new();
    neighbour.input.write_all(b"still here\n").unwrap();
    neighbour.output.read_line(&mut line).unwrap();
    assert_eq!(line, "still here\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_program_stands_still_and_can_be_killed() {
    let spawner = spawner("frozen").await;
    let mut program = start(&spawner, &spec(&["echo"])).await.unwrap();
    if spawner.cgroups() == CgroupKind::None {
        let error = program.sandbox.freeze(true).await.unwrap_err();
        assert!(error.to_string().contains("no cgroups"), "{error}");
        return;
    }
    program.sandbox.freeze(true).await.unwrap();
    program.input.write_all(b"later\n").unwrap();
    program.sandbox.freeze(false).await.unwrap();
    let mut line = String::new();
    program.output.read_line(&mut line).unwrap();
    assert_eq!(line, "later\n");
    program.sandbox.freeze(true).await.unwrap();
    program.sandbox.kill().await.unwrap();
    assert_eq!(program.sandbox.ended().await.exit, Exit::Signal(9));
}

/// Processes of the host whose command line names `name`, by their numbers.
fn processes(name: &str) -> Vec<(i32, String)> {
    let entries = std::fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        let line = std::fs::read_to_string(entry.path().join("cmdline")).ok()?;
        let line = line.replace('\0', " ");
        line.contains(name).then_some((pid, line))
    });
    lines.collect()
}

/// Cgroups of version 1 and 2 that have the name.
fn cgroups(name: &str) -> Vec<PathBuf> {
    fn look(directory: &Path, name: &str, depth: u32, found: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(directory).into_iter().flatten().flatten() {
            let path = entry.path();
            if entry.file_name().to_string_lossy() == name {
                found.push(path);
            } else if depth > 0 && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                look(&path, name, depth - 1, found);
            }
        }
    }
    let mut found = Vec::new();
    look(Path::new("/sys/fs/cgroup"), name, 5, &mut found);
    found
}

/// Waits until nothing is left, for at most ten seconds.
async fn gone<T: std::fmt::Debug>(mut left: impl FnMut() -> Vec<T>) {
    for _ in 0..500 {
        if left().is_empty() {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    panic!("left: {:?}", left());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_is_killed_leaves_nothing_behind() {
    let name = format!("mayfly-test-{}-killed", std::process::id());
    let mut node = std::process::Command::new(probe())
        .args(["node", &name])
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(node.stdout.take().unwrap()).read_line(&mut line).unwrap();
    assert_eq!(line, "running\n");
    // The node, the spawner, the sandbox's init and the program.
    assert_eq!(processes(&name).len(), 4, "{:?}", processes(&name));
    node.kill().unwrap();
    node.wait().unwrap();
    gone(|| processes(&name)).await;
    gone(|| cgroups(&name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_spawner_that_is_killed_takes_its_sandboxes_along_and_is_started_again() {
    let spawner = spawner("lost").await;
    let name = format!("mayfly-test-{}-lost", std::process::id());
    let program = start(&spawner, &spec(&["wait", &name])).await.unwrap();
    let frozen = start(&spawner, &spec(&["wait", &name])).await.unwrap();
    if spawner.cgroups() != CgroupKind::None {
        frozen.sandbox.freeze(true).await.unwrap();
    }
    // The inits are forks of the spawner and look like it; its own is the oldest.
    let (oldest, _) = processes(&format!("spawner {name}")).into_iter().min().unwrap();
    let oldest = rustix::process::Pid::from_raw(oldest).unwrap();
    rustix::process::kill_process(oldest, rustix::process::Signal::KILL).unwrap();
    let ended = tokio::time::timeout(Duration::from_secs(10), program.sandbox.ended()).await;
    assert_eq!(ended.expect("its end is told").exit, Exit::Code(125));
    // What is frozen cannot die before it is thawed, with cgroups v1.
    gone(|| processes(&format!("wait {name}"))).await;
    let again = async {
        loop {
            if let Ok(program) = start(&spawner, &spec(&["say", "fine"])).await {
                return program;
            }
        }
    };
    let again = tokio::time::timeout(Duration::from_secs(10), again).await;
    let mut again = again.expect("another spawner");
    let mut said = String::new();
    again.output.read_line(&mut said).unwrap();
    assert_eq!(said, "fine\n");
    drop((frozen, program.input, program.output, program.sandbox, again, spawner));
    gone(|| cgroups(&name)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_program_is_shown_more_files_and_given_other_limits() {
    let spawner = spawner("extend").await;
    let code = tempfile::tempdir().unwrap();
    std::fs::set_permissions(code.path(), std::os::unix::fs::PermissionsExt::from_mode(0o755))
        .unwrap();
    std::fs::write(code.path().join("note"), "shown later").unwrap();
    let wanted = Spec { places: vec!["/var/later".into()], ..spec(&["shell"]) };
    let mut program = start(&spawner, &wanted).await.unwrap();
    assert!(program.ask("read /var/later/note").starts_with("denied"));
    let limits = Limits { tmp: 2 << 20, memory: 96 << 20, ..LIMITS };
    let binds = vec![Bind { source: code.path().into(), target: "/var/later".into() }];
    program.sandbox.extend(limits, binds).await.unwrap();
    assert_eq!(program.ask("read /var/later/note"), "allowed shown later");
    assert!(program.ask("write /var/later/note").starts_with("denied"));
    assert_eq!(program.ask("fill /tmp/a 1"), "allowed");
    assert!(program.ask("fill /tmp/b 3").starts_with("denied"), "its /tmp is smaller now");
}

#[tokio::test(flavor = "multi_thread")]
async fn clearing_leaves_the_program_and_nothing_else() {
    let spawner = spawner("clear").await;
    let mut program = start(&spawner, &spec(&["shell"])).await.unwrap();
    for said in
        ["write /tmp/a", "deep /tmp/d 500", "write /dev/shm/b", "link /tmp/l /etc", "daemon"]
    {
        assert!(program.ask(said).starts_with("allowed"), "{said}");
    }
    assert_eq!(program.ask("processes"), "allowed 3");
    program.sandbox.clear().await.unwrap();
    assert_eq!(program.ask("processes"), "allowed 2");
    assert_eq!(program.ask("list /tmp"), "allowed");
    assert_eq!(program.ask("list /dev/shm"), "allowed");
    assert!(program.ask("write /tmp/a").starts_with("allowed"), "it can be used again");
    program.sandbox.clear().await.unwrap();
    assert_eq!(program.ask("list /tmp"), "allowed");
}
