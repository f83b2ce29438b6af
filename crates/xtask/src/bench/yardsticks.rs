//! What the platform is measured against.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};

use super::server::Server;
use super::{Extent, Settings};
use crate::shell::{self, command, root, which};

/// A server that runs, and its version.
pub(super) type Started = anyhow::Result<(Server, Option<String>)>;

/// The version of workerd's npm package.
const WORKERD: &str = "1.20261117.1";

/// The yardstick *bare*.
pub(super) fn bare(settings: &Settings) -> anyhow::Result<Server> {
    Ok(Server::start(&settings.bare, &[], &settings.work.join("bare.log"))?.0)
}

/// The yardstick *node* and its version.
pub(super) fn node(settings: &Settings) -> Started {
    let program = which("node").context("node is not installed")?;
    let script = root().join("bench/node-server.mjs").display().to_string();
    let version = shell::version(&program, "--version");
    Ok((Server::start(&program, &[&script], &settings.work.join("node.log"))?.0, version))
}

/// The version of uvicorn from PyPI.
const UVICORN: &str = "0.34.0";

/// The yardstick *uvicorn* and its version, with what `pip install uvicorn` brings.
pub(super) fn uvicorn(settings: &Settings) -> Started {
    let place = settings.work.join("uvicorn");
    let program = place.join("bin/uvicorn");
    if !program.exists() {
        let python = which("python3").context("python3 is not installed")?;
        shell::run(command(python.display().to_string(), root()).args(["-m", "venv"]).arg(&place))?;
        let pip = place.join("bin/pip").display().to_string();
        let package = format!("uvicorn=={UVICORN}");
        shell::run(command(pip, root()).args(["install", "--quiet", &package]))?;
    }
    let directory = root().join("bench").display().to_string();
    let arguments = |address: SocketAddr| {
        let port = address.port().to_string();
        ["uvicorn_app:app", "--app-dir", &directory, "--port", &port, "--log-level", "warning"]
            .map(str::to_owned)
            .to_vec()
    };
    let server = Server::start_silent(&program, arguments, &settings.work.join("uvicorn.log"))?;
    Ok((server, Some(format!("{UVICORN}, one worker, asyncio and h11"))))
}

/// The yardstick *puma* and its version: one worker, one thread, as one instance has.
pub(super) fn puma(settings: &Settings) -> Started {
    let program = which("puma").context("puma is not installed: `apt-get install puma`")?;
    let app = root().join("bench/puma.ru").display().to_string();
    let arguments = |address: SocketAddr| {
        let bind = format!("tcp://{address}");
        ["-w", "0", "-t", "1:1", "-q", "-b", &bind, &app].map(str::to_owned).to_vec()
    };
    let server = Server::start_silent(&program, arguments, &settings.work.join("puma.log"))?;
    let version = shell::version(&program, "--version");
    Ok((server, version.map(|version| format!("{version}, one worker, one thread"))))
}

/// The yardstick *workerd* and its version.
pub(super) fn workerd(settings: &Settings) -> Started {
    let program = workerd_program(&settings.work)?;
    let config = root().join("bench/workerd.capnp").display().to_string();
    let arguments = |address: SocketAddr| {
        let socket = format!("http={address}");
        ["serve", &config, "--socket-addr", &socket].map(str::to_owned).to_vec()
    };
    let server = Server::start_silent(&program, arguments, &settings.work.join("workerd.log"))?;
    Ok((server, shell::version(&program, "--version")))
}

/// The program itself and not the package's script, which would start it as a child of its own.
fn workerd_program(work: &Path) -> anyhow::Result<PathBuf> {
    let machine = if cfg!(target_arch = "aarch64") { "arm64" } else { "64" };
    let program =
        work.join(format!("node_modules/@cloudflare/workerd-linux-{machine}/bin/workerd"));
    if !program.exists() {
        which("npm").context("npm is not installed, and workerd is an npm package")?;
        // A project of its own, or npm would look for one in the directories above.
        fs::write(work.join("package.json"), "{ \"private\": true }\n")?;
        let mut npm = command("npm", work);
        npm.args(["install", "--no-save", "--no-audit", "--no-fund"]);
        shell::run(npm.arg(format!("workerd@{WORKERD}"))).context("install workerd")?;
    }
    Ok(program)
}

/// The version of wasmtime's command line: that of the library in Mayfly.
const WASMTIME: &str = "48.0.8";

/// What `serve` needs of it.
const WASMTIME_FEATURES: &str = "run,compile,serve,component-model,component-model-async,cranelift,\
                                 pooling-allocator,parallel-compilation,backtrace,addr2line,gc,\
                                 gc-null,threads,clap/default";

/// What makes it as quick as it can be. Not `-Wconcurrency-support=n`, which Mayfly's engine has: `serve` runs
/// every component by what that takes away.
const TUNED: [&str; 5] = [
    "-Opooling-allocator=y",
    "-Opooling-memory-keep-resident=1048576",
    "-Opooling-table-keep-resident=65536",
    "-Opooling-pagemap-scan=y",
    "-Opooling-max-unused-warm-slots=256",
];

/// The yardstick *wserve*, `wasmtime serve`, and its version.
pub(super) fn wserve(settings: &Settings, component: &Path, tuned: bool) -> Started {
    let place = settings.work.join("wasmtime");
    let program = place.join("bin/wasmtime");
    if !program.exists() {
        // It takes minutes, and whether Mayfly answers right shows without it.
        let build = settings.extent == Extent::Whole;
        ensure!(build, "wasmtime's command line is not built; `cargo xtask bench wasm-hello` does");
        let mut install = shell::cargo();
        install.args(["install", "wasmtime-cli", "--version", WASMTIME, "--locked", "--root"]);
        // What is built stays when something fails: it takes minutes.
        install.arg(&place).arg("--target-dir").arg(settings.work.join("wasmtime-target"));
        install.args(["--no-default-features", "--features", WASMTIME_FEATURES]);
        shell::run(&mut install).context("build wasmtime's command line")?;
    }
    let component = component.display().to_string();
    let arguments = |address: SocketAddr| {
        let mut arguments = vec!["serve".to_owned(), "-Scli".to_owned()];
        if tuned {
            arguments.extend(TUNED.map(str::to_owned));
        }
        arguments.extend(["--addr".to_owned(), address.to_string(), component.clone()]);
        arguments
    };
    let server = Server::start_silent(&program, arguments, &settings.work.join("wserve.log"))?;
    Ok((server, Some(if tuned { format!("{WASMTIME}, tuned") } else { WASMTIME.to_owned() })))
}
