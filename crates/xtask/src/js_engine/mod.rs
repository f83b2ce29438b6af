//! The JavaScript engine's guest program: built here, kept in the repository, checked by tests.
//!
//! What is kept are the module and a record of what made it, so that an ordinary build needs no
//! WebAssembly toolchain and nobody forgets to rebuild the module after a change of its sources.

mod inputs;
mod invariants;
mod patched;
mod record;
mod toolchain;

#[cfg(test)]
mod tests;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::PathBuf;

use anyhow::{Context as _, bail, ensure};

use crate::shell::{self, command, npm_ci, sha256};
use record::Record;

/// The command that mends what `--check` finds.
const REBUILD: &str = "run `cargo xtask js-engine` and keep what it writes";

#[derive(clap::Args)]
pub(crate) struct Arguments {
    /// Only check that the module kept in the repository is the one of its sources
    #[arg(long)]
    check: bool,
}

pub(crate) fn run(arguments: &Arguments) -> anyhow::Result<()> {
    if arguments.check { check() } else { build() }
}

/// Where the guest program's sources are.
pub(super) fn guest() -> PathBuf {
    shell::root().join("guest/js-engine")
}

/// Checks the module without building it.
pub(crate) fn check() -> anyhow::Result<()> {
    let guest = guest();
    let record = Record::read(&guest)?;
    let module = fs::read(guest.join("dist/engine.wasm")).context("read dist/engine.wasm")?;
    ensure!(
        record.sha256 == sha256(&module) && record.size == module.len(),
        "guest/js-engine/dist/engine.wasm is not the module that dist/engine.toml records: {REBUILD}"
    );
    let changed = inputs::changed(&record.inputs, &inputs::digests(&guest)?);
    if !changed.is_empty() {
        bail!(
            "the JavaScript engine's sources changed after guest/js-engine/dist was built: \
             {REBUILD}. Changed: {}",
            changed.join(", ")
        );
    }
    accept(&module, &[])?;
    println!("js-engine: dist is the module of its sources and holds every invariant");
    Ok(())
}

fn build() -> anyhow::Result<()> {
    let guest = guest();
    npm_ci(&guest)?;
    shell::run(command("npm", &guest).args(["run", "build"]))?;
    // Taken before the compiler reads them: what changes meanwhile then counts as changed.
    let inputs = inputs::digests(&guest)?;
    let toolchain = toolchain::Toolchain::find()?;
    println!("    with {}", toolchain.name());
    let module = toolchain.compile(&guest)?;
    accept(&module, &toolchain.private_paths()?)?;

    let record = Record::of(&guest, &module, &toolchain, inputs)?;
    let dist = guest.join("dist");
    fs::create_dir_all(&dist)?;
    // Replaced in one step, because a build under way would embed half of it.
    let new = dist.join("engine.wasm.new");
    fs::write(&new, &module).context("write dist/engine.wasm")?;
    fs::set_permissions(&new, fs::Permissions::from_mode(0o644))?;
    fs::rename(&new, dist.join("engine.wasm")).context("replace dist/engine.wasm")?;
    record.write(&guest)?;
    println!("js-engine: {} bytes, sha256 {}", record.size, record.sha256);
    Ok(())
}

/// Refuses a module that the runtime could not reset, or that names paths of a machine.
fn accept(module: &[u8], private: &[String]) -> anyhow::Result<()> {
    let mut broken = invariants::broken(module)?;
    broken.extend(invariants::paths(module, private));
    if !broken.is_empty() {
        bail!("the engine's module is not acceptable:\n  - {}", broken.join("\n  - "));
    }
    Ok(())
}
