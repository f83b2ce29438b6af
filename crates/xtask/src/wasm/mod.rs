//! Compiles the components of tests, benches and examples.

mod python;

use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use crate::shell::{self, command, output, root, which};

const TARGET: &str = "wasm32-wasip2";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";

/// Workspaces and packages of components.
const SOURCES: [&str; 2] = ["tests/guests/wasm", "examples/wasm-rust"];

/// Compiles all of them into `target/wasm/guests`.
pub(crate) fn run() -> anyhow::Result<()> {
    let toolchain = Toolchain::find()?;
    let target = root().canonicalize()?.join("target/wasm");
    let guests = guests();
    fs::create_dir_all(&guests)?;
    for source in SOURCES {
        let mut cargo = toolchain.cargo(&root().join(source));
        cargo.args(["build", "--release", "--locked", "--target", TARGET]);
        shell::run(cargo.env("CARGO_TARGET_DIR", &target))?;
    }
    let built = target.join(TARGET).join("release");
    for entry in fs::read_dir(&built).context("look for what was compiled")? {
        let path = entry?.path();
        if path.extension().is_some_and(|extension| extension == "wasm")
            && let Some(name) = path.file_name()
        {
            fs::copy(&path, guests.join(name))?;
        }
    }
    python::build(&target, &guests)
}

/// Where the compiled components are.
pub(crate) fn guests() -> PathBuf {
    root().join("target/wasm/guests")
}

/// Whether something here compiles components.
pub(crate) fn toolchain() -> bool {
    Toolchain::find().is_ok()
}

enum Toolchain {
    Rustup,
    /// Debian's compiler, which has the target but no standard library for it: that is built along.
    Debian {
        linker: PathBuf,
    },
}

impl Toolchain {
    fn find() -> anyhow::Result<Self> {
        let installed =
            || output(command("rustup", root()).args(["target", "list", "--installed"]));
        if which("rustup").is_some()
            && installed().is_ok_and(|targets| targets.lines().any(|target| target == TARGET))
        {
            return Ok(Self::Rustup);
        }
        let linkers = ["wasm-ld-19", "wasm-ld-20", "wasm-ld-21", "wasm-ld"];
        let linker = linkers.into_iter().find_map(which);
        let library = Path::new("/usr/lib/rustlib/src/rust/library/std");
        let libc = Path::new("/usr/lib/wasm32-wasi/libc.a");
        match linker {
            Some(linker)
                if library.exists() && libc.exists() && Path::new(DEBIAN_CARGO).exists() =>
            {
                Ok(Self::Debian { linker })
            }
            _ => bail!(
                "nothing here compiles to {TARGET}. Either `rustup target add {TARGET}`, or Debian's \
                 rustc-web cargo-web rust-web-src rust-web-llvm lld-19 wasi-libc"
            ),
        }
    }

    fn cargo(&self, directory: &Path) -> Command {
        let mut cargo = match self {
            Self::Rustup => shell::cargo(),
            Self::Debian { linker } => {
                let mut cargo = command(DEBIAN_CARGO, directory);
                let tools = format!("/usr/lib/rustlib/{ARCH}-unknown-linux-gnu/bin");
                let path = std::env::var("PATH").unwrap_or_default();
                let linker = linker.display();
                let flags = [
                    "-Clink-self-contained=no".to_owned(),
                    "-L/usr/lib/wasm32-wasi".to_owned(),
                    format!("-Clink-arg=--wasm-ld-path={linker}"),
                ];
                cargo
                    .arg("-Zbuild-std=std,panic_abort")
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("PATH", format!("{tools}:{path}"))
                    .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
                    // The cargo that runs this program names its own compiler's libraries there.
                    .env_remove("LD_LIBRARY_PATH");
                cargo
            }
        };
        cargo.current_dir(directory).env_remove("RUSTFLAGS");
        cargo
    }
}
