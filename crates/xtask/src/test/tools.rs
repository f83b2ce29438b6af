//! What the steps need, and how a machine gets it.

use std::process::Command;

use anyhow::bail;
use rustix::process::geteuid;

use crate::shell::{cargo, command, output, root, run, which};

struct Tool {
    name: &'static str,
    present: fn() -> bool,
    from: Origin,
}

enum Origin {
    /// Packages of Debian and its kin.
    Apt(&'static [&'static str]),
    /// A component of the Rust toolchain.
    Rustup(&'static str),
    /// A crate.
    Cargo(&'static str),
}

// cargo-nextest is not among them: building it takes longer than it saves, and `cargo test` runs
// the same tests.
const TOOLS: &[Tool] = &[
    Tool {
        name: "a C compiler",
        present: || which("cc").is_some(),
        from: Origin::Apt(&["build-essential"]),
    },
    Tool {
        name: "Node.js with npm",
        present: || which("node").is_some() && which("npm").is_some(),
        from: Origin::Apt(&["nodejs", "npm"]),
    },
    Tool {
        name: "rustfmt",
        present: || has_subcommand("fmt"),
        from: Origin::Rustup("rustfmt"),
    },
    Tool { name: "clippy", present: || has_subcommand("clippy"), from: Origin::Rustup("clippy") },
    Tool {
        name: "cargo-deny",
        present: || has_subcommand("deny"),
        from: Origin::Cargo("cargo-deny"),
    },
];

/// Fails and names what is missing, if anything is.
pub(super) fn require() -> anyhow::Result<()> {
    let missing: Vec<String> =
        missing().map(|tool| format!("{}: {}", tool.name, tool.from.shown())).collect();
    if !missing.is_empty() {
        bail!(
            "the tests need what this machine lacks (`cargo xtask test --install` fetches it):\n  - {}",
            missing.join("\n  - ")
        );
    }
    Ok(())
}

/// Fetches what is missing.
pub(super) fn install() -> anyhow::Result<()> {
    for tool in missing() {
        println!("=== {} is missing", tool.name);
        for mut command in tool.from.commands() {
            run(&mut command)?;
        }
    }
    require()
}

fn missing() -> impl Iterator<Item = &'static Tool> {
    TOOLS.iter().filter(|tool| !(tool.present)())
}

fn has_subcommand(name: &str) -> bool {
    output(cargo().args([name, "--version"])).is_ok()
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
