//! A server under measurement.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail};
use rustix::process::{Pid, Signal, kill_process};

use super::cores;
use super::http::Client;

/// The engine compiles itself on a node's first start, which a development build does slowly.
const START: Duration = Duration::from_secs(180);
const STOP: Duration = Duration::from_secs(10);

/// A process on the servers' core; it ends with the value.
pub(super) struct Server {
    child: Child,
    lines: Receiver<String>,
    log: String,
    /// Where it answers.
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts a program that prints `ingress http://ADDRESS` and, when it answers, `ready`. What
    /// else it prints before is returned as pairs of words.
    pub(super) fn start(
        program: &Path,
        arguments: &[&str],
        log: &Path,
    ) -> anyhow::Result<(Self, Vec<(String, String)>)> {
        Self::start_with(program, arguments, log, None)
    }

    /// The same, with a library that is loaded in front of others.
    pub(super) fn start_with(
        program: &Path,
        arguments: &[&str],
        log: &Path,
        library: Option<&Path>,
    ) -> anyhow::Result<(Self, Vec<(String, String)>)> {
        let mut server = Self::spawn(program, arguments, log, library)?;
        let mut said = Vec::new();
        loop {
            let line = server.lines.recv_timeout(START).map_err(|_| server.silent())?;
            match line.split_once(' ') {
                Some(("ingress", url)) => server.address = address(url)?,
                Some((name, value)) => said.push((name.to_owned(), value.to_owned())),
                None if line == "ready" => return Ok((server, said)),
                None => {}
            }
        }
    }

    /// Starts a program that says nothing and listens where `arguments` makes it.
    pub(super) fn start_silent(
        program: &Path,
        arguments: impl Fn(SocketAddr) -> Vec<String>,
        log: &Path,
    ) -> anyhow::Result<Self> {
        let free = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let arguments = arguments(free);
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let mut server = Self::spawn(program, &arguments, log, None)?;
        server.address = free;
        let began = Instant::now();
        while Client::new(free, &[("host", "localhost")]).get("/ready").is_err() {
            if began.elapsed() > START || server.child.try_wait()?.is_some() {
                return Err(server.silent());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        Ok(server)
    }

    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn spawn(
        program: &Path,
        arguments: &[&str],
        log: &Path,
        library: Option<&Path>,
    ) -> anyhow::Result<Self> {
        let mut child = Command::new("taskset")
            .args(["--cpu-list", &cores::server().to_string()])
            .arg(program)
            .args(arguments)
            // Else the log of one that does not start ends with where, and not with why.
            .env("RUST_BACKTRACE", "0")
            .envs(library.map(|library| ("LD_PRELOAD", library)))
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(File::create(log).with_context(|| format!("create {}", log.display()))?)
            .spawn()
            .with_context(|| format!("start {}", program.display()))?;
        let stdout = BufReader::new(child.stdout.take().context("read what a server prints")?);
        let (said, lines) = mpsc::channel();
        // Reads to the end even when nobody listens any more, because a full pipe would stop the
        // server and a closed one would end it.
        std::thread::spawn(move || {
            stdout.lines().map_while(Result::ok).for_each(|line| drop(said.send(line)));
        });
        let log = log.display().to_string();
        Ok(Self { child, lines, log, address: SocketAddr::from(([127, 0, 0, 1], 0)) })
    }

    fn silent(&self) -> anyhow::Error {
        let log = std::fs::read_to_string(&self.log).unwrap_or_default();
        let last: Vec<&str> = log.lines().rev().take(5).collect();
        let last = last.into_iter().rev().collect::<Vec<_>>().join("\n");
        anyhow::anyhow!("a server does not start; its log ends with:\n{last}")
    }

    fn stop(&mut self) -> anyhow::Result<()> {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("a process has a number")?, Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < STOP {
            if self.child.try_wait()?.is_some() {
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        bail!("it does not stop")
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if self.stop().is_err() {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// The address in `http://ADDRESS`.
pub(super) fn address(url: &str) -> anyhow::Result<SocketAddr> {
    let address = url.trim_start_matches("http://").trim_end_matches('/');
    address.parse().with_context(|| format!("`{url}` is not where a server answers"))
}
