//! What compiles the guest program.
//!
//! With rustup's target everything but clang is there. Debian's packages ship no standard library
//! for a bare `wasm32-unknown-unknown`, so with them it is built along.

use std::collections::BTreeMap;
use std::env::consts::ARCH;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail};

use super::patched;
use crate::shell::{self, command, output, root, version, which};

const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
const DEBIAN_CARGO: &str = "/usr/bin/cargo";
/// Suffixes of LLVM's programs: the version that the repository is tested with comes first.
const LLVM: [&str; 4] = ["-19", "-20", "-21", ""];

/// Linker arguments. The host restores the stack's pointer after a trap and runs the constructors
/// itself; QuickJS recurses deeply.
const LINK: [&str; 3] =
    ["--export=__stack_pointer", "--export=__wasm_call_ctors", "-zstack-size=3407872"];

pub(crate) struct Toolchain {
    source: Source,
    /// Suffix of LLVM's programs.
    llvm: &'static str,
}

enum Source {
    Rustup,
    Debian,
}

impl Toolchain {
    pub(super) fn find() -> anyhow::Result<Self> {
        if which("patch").is_none() {
            bail!("QuickJS is mended by `patch`, which this machine lacks: install it");
        }
        let found = |programs: &[&str]| {
            let here = |suffix: &&str| {
                programs.iter().all(|name| which(&format!("{name}{suffix}")).is_some())
            };
            LLVM.into_iter().find(here)
        };
        if has_rustup_target() {
            let llvm = found(&["clang", "llvm-ar"])
                .context("QuickJS is compiled by clang: install clang and llvm")?;
            return Ok(Self { source: Source::Rustup, llvm });
        }
        let library = Path::new("/usr/lib/rustlib/src/rust/library/std");
        if Path::new(DEBIAN_CARGO).exists()
            && library.exists()
            && let Some(llvm) = found(&["clang", "llvm-ar", "wasm-ld"])
        {
            return Ok(Self { source: Source::Debian, llvm });
        }
        bail!(
            "nothing here compiles to {TARGET}. Either `rustup target add {TARGET}` and clang with \
             llvm, or Debian's rustc-web cargo-web rust-web-src rust-web-llvm clang-19 lld-19 llvm-19"
        )
    }

    pub(super) fn name(&self) -> &'static str {
        match self.source {
            Source::Rustup => "rustup's target",
            Source::Debian => "Debian's toolchain and its own standard library",
        }
    }

    /// Compiles the guest program and returns its module.
    pub(super) fn compile(&self, guest: &Path) -> anyhow::Result<Vec<u8>> {
        // Not the guest's own directory, because cargo there locks others out meanwhile.
        let target = target_directory();
        let remaps = self.remaps()?;
        let mut flags: Vec<String> = LINK.iter().map(|arg| format!("-Clink-arg={arg}")).collect();
        flags.extend(remaps.iter().map(|(from, to)| format!("--remap-path-prefix={from}={to}")));
        let c_flags = remaps.iter().map(|(from, to)| format!("'-ffile-prefix-map={from}={to}'"));
        let c_flags = c_flags.fold("-O3".to_owned(), |flags, flag| flags + " " + &flag);

        shell::run(self.cargo(guest).args(["fetch", "--locked"]))?;
        let version = super::record::locked(guest, patched::CRATE)?;
        let name = format!("{}-{version}", patched::CRATE);
        let mut sources = registries().into_iter().map(|registry| registry.join(&name));
        let source = sources.find(|source| source.exists());
        let source = source.with_context(|| format!("find the sources of {name}"))?;
        let directory = patched::lay_out(guest, &source, &target.join("tree"))?;

        let mut cargo = self.cargo(&directory);
        cargo
            .args(["build", "--release", "--locked", "--target", TARGET])
            .env("CARGO_TARGET_DIR", &target)
            .env("CARGO_ENCODED_RUSTFLAGS", flags.join("\u{1f}"))
            .env("CC_SHELL_ESCAPED_FLAGS", "1")
            .env("CC_wasm32_unknown_unknown", format!("clang{}", self.llvm))
            .env("AR_wasm32_unknown_unknown", format!("llvm-ar{}", self.llvm))
            .env("CFLAGS_wasm32_unknown_unknown", c_flags);
        shell::run(&mut cargo)?;
        let module = target.join(TARGET).join("release/mayfly_js_engine.wasm");
        fs::read(&module).context("read the compiled module")
    }

    /// Parts of this machine's paths that the module must not hold.
    pub(super) fn private_paths(&self) -> anyhow::Result<Vec<String>> {
        Ok(self.remaps()?.into_iter().map(|(from, _)| from).collect())
    }

    /// Versions of the compilers, by name.
    pub(super) fn versions(&self) -> BTreeMap<String, String> {
        let rustc = match self.source {
            Source::Rustup => version("rustc", "--version"),
            Source::Debian => version(DEBIAN_RUSTC, "--version"),
        };
        let clang = version(format!("clang{}", self.llvm), "--version");
        let known = |version: Option<String>| version.unwrap_or_else(|| "unknown".into());
        BTreeMap::from([("rustc".into(), known(rustc)), ("clang".into(), known(clang))])
    }

    /// The version of QuickJS-NG inside a version of rquickjs-sys, as its header tells it.
    pub(super) fn quickjs(&self, sys: &str) -> Option<String> {
        let header = registries().into_iter().find_map(|registry| {
            let file = registry.join(format!("rquickjs-sys-{sys}/quickjs/quickjs.h"));
            fs::read_to_string(file).ok()
        })?;
        let number = |part: &str| {
            let define = format!("#define QJS_VERSION_{part} ");
            header.lines().find_map(|line| line.strip_prefix(&define)).map(str::trim)
        };
        Some(format!("{}.{}.{}", number("MAJOR")?, number("MINOR")?, number("PATCH")?))
    }

    fn cargo(&self, guest: &Path) -> Command {
        let mut cargo = match self.source {
            Source::Rustup => shell::cargo(),
            Source::Debian => {
                let mut cargo = command(DEBIAN_CARGO, guest);
                let tools = format!("/usr/lib/rustlib/{ARCH}-unknown-linux-gnu/bin");
                let path = std::env::var("PATH").unwrap_or_default();
                cargo
                    .arg("-Zbuild-std=std,panic_abort")
                    .env("RUSTC", DEBIAN_RUSTC)
                    .env("RUSTC_BOOTSTRAP", "1")
                    .env("PATH", format!("{tools}:{path}"))
                    .env(
                        "CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_LINKER",
                        format!("wasm-ld{}", self.llvm),
                    )
                    // The cargo that runs this program names its own compiler's libraries there.
                    .env_remove("LD_LIBRARY_PATH");
                cargo
            }
        };
        cargo.current_dir(guest).env_remove("RUSTFLAGS");
        cargo
    }

    /// Prefixes of this machine's paths and what stands for them; of two that fit, the later wins.
    fn remaps(&self) -> anyhow::Result<Vec<(String, String)>> {
        let rustc = match self.source {
            Source::Rustup => "rustc",
            Source::Debian => DEBIAN_RUSTC,
        };
        let sysroot = output(Command::new(rustc).args(["--print", "sysroot"]).current_dir(root()))?;
        let root = root().canonicalize()?;
        let mut remaps = vec![
            (root.clone(), "/mayfly"),
            (root.join("guest/js-engine"), "/js-engine"),
            (target_directory(), "/build"),
            (Path::new(&sysroot).join("lib/rustlib/src/rust"), "/rust"),
            (cargo_home()?, "/cargo"),
        ];
        remaps.extend(registries().into_iter().map(|registry| (registry, "/deps")));
        Ok(remaps.into_iter().map(|(from, to)| (from.display().to_string(), to.into())).collect())
    }
}

fn target_directory() -> PathBuf {
    root().canonicalize().unwrap_or_else(|_| root().to_owned()).join("target/js-engine")
}

fn cargo_home() -> anyhow::Result<PathBuf> {
    let named = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    named.or_else(|| Some(std::env::home_dir()?.join(".cargo"))).context("find cargo's home")
}

/// Where cargo unpacks the sources of registries.
fn registries() -> Vec<PathBuf> {
    let Ok(sources) = cargo_home().map(|home| home.join("registry/src")) else { return Vec::new() };
    let directories = fs::read_dir(sources).into_iter().flatten().flatten();
    directories.map(|entry| entry.path()).collect()
}

fn has_rustup_target() -> bool {
    which("rustup").is_some()
        && output(command("rustup", root()).args(["target", "list", "--installed"]))
            .is_ok_and(|targets| targets.lines().any(|target| target == TARGET))
}
