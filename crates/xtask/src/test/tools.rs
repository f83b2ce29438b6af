//! What the steps need, and how a machine gets it.

use std::collections::BTreeSet;
use std::fs;
use std::process::Command;

use anyhow::bail;
use rustix::process::geteuid;

use crate::shell::{cargo, command, output, root, run, which};
use crate::wasm;

/// What a step may need.
// cargo-nextest is not among them: building it takes longer than it saves, and `cargo test` runs
// the same tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Tool {
    CCompiler,
    Node,
    Python,
    Ruby,
    Postgres,
    Rustfmt,
    Clippy,
    CargoDeny,
    WasmTarget,
    Wrk,
}

enum Origin {
    /// Packages of Debian and its kin.
    Apt(&'static [&'static str]),
    /// A component of the Rust toolchain.
    Rustup(&'static str),
    /// A crate.
    Cargo(&'static str),
}

/// Fails and names what is missing, if anything is.
pub(super) fn require(needed: &BTreeSet<Tool>) -> anyhow::Result<()> {
    let missing: Vec<String> =
        missing(needed).map(|tool| format!("{}: {}", tool.name(), tool.origin().shown())).collect();
    if !missing.is_empty() {
        bail!(
            "the tests need what this machine lacks (`cargo xtask test --install` fetches it):\n  - {}",
            missing.join("\n  - ")
        );
    }
    Ok(())
}

/// Fetches what is missing.
pub(super) fn install(needed: &BTreeSet<Tool>) -> anyhow::Result<()> {
    for tool in missing(needed) {
        println!("=== {} is missing", tool.name());
        for mut command in tool.origin().commands() {
            run(&mut command)?;
        }
    }
    require(needed)
}

fn missing(needed: &BTreeSet<Tool>) -> impl Iterator<Item = &Tool> {
    needed.iter().filter(|tool| !tool.is_present())
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Self::CCompiler => "a C compiler",
            Self::Node => "Node.js with npm",
            Self::Python => "the system's Python 3 with pip",
            Self::Ruby => "Ruby",
            Self::Postgres => "PostgreSQL's server",
            Self::Rustfmt => "rustfmt",
            Self::Clippy => "clippy",
            Self::CargoDeny => "cargo-deny",
            Self::WasmTarget => "a compiler to wasm32-wasip2",
            Self::Wrk => "wrk and taskset",
        }
    }

    fn is_present(self) -> bool {
        // A component's program may be there without the component.
        let works = |name: &str| output(cargo().args([name, "--version"])).is_ok();
        match self {
            Self::CCompiler => which("cc").is_some(),
            Self::Node => which("node").is_some() && which("npm").is_some(),
            // The one that every user may run, because tests run functions as others.
            Self::Python => output(&mut pip()).is_ok() && which("python3").is_some(),
            Self::Ruby => which("ruby").is_some(),
            Self::Postgres => postgres(),
            Self::Rustfmt => works("fmt"),
            Self::Clippy => works("clippy"),
            Self::CargoDeny => works("deny"),
            Self::WasmTarget => wasm::toolchain(),
            Self::Wrk => which("wrk").is_some() && which("taskset").is_some(),
        }
    }

    fn origin(self) -> Origin {
        match self {
            Self::CCompiler => Origin::Apt(&["build-essential"]),
            Self::Node => Origin::Apt(&["nodejs", "npm"]),
            Self::Python => Origin::Apt(&["python3", "python3-pip", "python3-venv"]),
            Self::Ruby => Origin::Apt(&["ruby"]),
            // Tests start servers of their own. Whether Debian starts one as well is all the same.
            Self::Postgres => Origin::Apt(&["postgresql"]),
            Self::Rustfmt => Origin::Rustup("rustfmt"),
            Self::Clippy => Origin::Rustup("clippy"),
            Self::CargoDeny => Origin::Cargo("cargo-deny"),
            // Not rustup's target: where rustup can fetch it, it is one command, and elsewhere none.
            Self::WasmTarget => Origin::Apt(&[
                "rustc-web",
                "cargo-web",
                "rust-web-src",
                "rust-web-llvm",
                "lld-19",
                "wasi-libc",
            ]),
            Self::Wrk => Origin::Apt(&["wrk", "util-linux"]),
        }
    }
}

impl Origin {
    fn commands(&self) -> Vec<Command> {
        match self {
            Self::Apt(packages) => {
                let mut install = apt("install");
                install.args(["--yes", "--no-install-recommends"]).args(*packages);
                vec![apt("update"), install]
            }
            Self::Rustup(component) => {
                let mut rustup = command("rustup", root());
                rustup.args(["component", "add", component]);
                vec![rustup]
            }
            Self::Cargo(package) => {
                let mut install = cargo();
                install.args(["install", "--locked", package]);
                vec![install]
            }
        }
    }

    fn shown(&self) -> String {
        match self {
            Self::Apt(packages) => format!("`sudo apt-get install {}`", packages.join(" ")),
            Self::Rustup(component) => format!("`rustup component add {component}`"),
            Self::Cargo(package) => format!("`cargo install --locked {package}`"),
        }
    }
}

/// Debian keeps the programs of each version in a directory that is not on `PATH`.
fn postgres() -> bool {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.map(|version| version.path().join("bin/initdb")).any(|initdb| initdb.exists())
        || which("initdb").is_some()
}

fn pip() -> Command {
    let mut pip = command("/usr/bin/python3", root());
    pip.args(["-m", "pip", "--version"]);
    pip
}

fn apt(what: &str) -> Command {
    let mut apt = if geteuid().is_root() {
        command("apt-get", root())
    } else {
        let mut sudo = command("sudo", root());
        sudo.arg("apt-get");
        sudo
    };
    apt.arg(what);
    apt
}
