//! `dist/engine.toml`: what made the module.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use anyhow::Context as _;
use serde::{Deserialize, Serialize};

use super::inputs::Digests;
use super::toolchain::Toolchain;
use crate::shell::{self, sha256};

const HEAD: &str =
    "# Written by `cargo xtask js-engine`, checked by `cargo xtask js-engine --check`.\n";

#[derive(Serialize, Deserialize)]
pub(super) struct Record {
    /// Of `dist/engine.wasm`.
    pub(super) sha256: String,
    /// Of `dist/engine.wasm`, in bytes.
    pub(super) size: usize,
    /// Versions, by the tool's name.
    tools: BTreeMap<String, String>,
    /// The SHA-256 of each source, by its path below `guest/js-engine`.
    pub(super) inputs: Digests,
}

impl Record {
    pub(super) fn of(
        guest: &Path,
        module: &[u8],
        toolchain: &Toolchain,
        inputs: Digests,
    ) -> anyhow::Result<Self> {
        let mut tools = toolchain.versions();
        tools.insert("esbuild".into(), esbuild(guest)?);
        for name in ["rquickjs", "rquickjs-sys"] {
            tools.insert(name.into(), locked(guest, name)?);
        }
        if let Some(version) = toolchain.quickjs(&locked(guest, "rquickjs-sys")?) {
            tools.insert("quickjs-ng".into(), version);
        }
        Ok(Self { sha256: sha256(module), size: module.len(), tools, inputs })
    }

    pub(super) fn read(guest: &Path) -> anyhow::Result<Self> {
        let text = fs::read_to_string(guest.join("dist/engine.toml"))
            .with_context(|| format!("read dist/engine.toml: {}", super::REBUILD))?;
        toml::from_str(&text).context("read dist/engine.toml")
    }

    pub(super) fn write(&self, guest: &Path) -> anyhow::Result<()> {
        let text = format!("{HEAD}{}", toml::to_string(self)?);
        fs::write(guest.join("dist/engine.toml"), text).context("write dist/engine.toml")
    }
}

fn esbuild(guest: &Path) -> anyhow::Result<String> {
    shell::version(guest.join("node_modules/.bin/esbuild"), "--version")
        .context("ask esbuild for its version")
}

/// The version of a crate in the guest's lock file.
pub(super) fn locked(guest: &Path, name: &str) -> anyhow::Result<String> {
    #[derive(Deserialize)]
    struct Lock {
        package: Vec<Package>,
    }
    #[derive(Deserialize)]
    struct Package {
        name: String,
        version: String,
    }
    let lock: Lock = toml::from_str(&fs::read_to_string(guest.join("Cargo.lock"))?)?;
    let package = lock.package.into_iter().find(|package| package.name == name);
    Ok(package.with_context(|| format!("find {name} in the guest's Cargo.lock"))?.version)
}
