//! The component that is written in Python.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, ensure};
use serde::Deserialize;

use crate::shell::{self, cargo, command, output, root};

/// Where its sources are. The world is of the release of WASI whose interfaces [`INTERFACES`] holds.
const SOURCE: &str = "tests/guests/wasm-python";
/// The package of the guests in Rust that brings WASI's interfaces.
const INTERFACES: &str = "wasip2";

/// Builds `python.wasm`, unless what is there is of these sources.
pub(super) fn build(target: &Path, guests: &Path) -> anyhow::Result<()> {
    let source = root().canonicalize()?.join(SOURCE);
    let built = guests.join("python.wasm");
    // It takes seconds, which a comparison does not.
    let made_of = target.join("python.txt");
    let sources = read(&source)?;
    if built.exists() && fs::read_to_string(&made_of).is_ok_and(|known| known == sources) {
        return Ok(());
    }
    let tools = target.join("python");
    let mut pip = command("/usr/bin/python3", root());
    pip.args(["-m", "pip", "install", "--quiet", "--root-user-action=ignore"]);
    pip.args(["--upgrade", "--require-hashes", "--target"]);
    shell::run(pip.arg(&tools).arg("--requirement").arg(source.join("requirements.txt")))?;
    // The tool leaves files beside the program.
    let place = target.join("python-app");
    let wit = place.join("wit");
    lay_out(&wit, &source)?;
    fs::copy(source.join("app.py"), place.join("app.py"))?;
    let mut componentize = command(tools.join("bin/componentize-py").display().to_string(), &place);
    componentize.env("PYTHONPATH", &tools).arg("-d").arg(&wit);
    shell::run(componentize.args(["componentize", "app", "--output"]).arg(&built))?;
    fs::write(made_of, sources).context("remember what the component was made of")
}

/// All sources in one text.
fn read(source: &Path) -> anyhow::Result<String> {
    let files = ["app.py", "world.wit", "requirements.txt"];
    let texts = files.map(|file| fs::read_to_string(source.join(file)));
    texts.into_iter().collect::<Result<_, _>>().context("read the component's sources")
}

/// Lays out the world and the interfaces that it is made of.
fn lay_out(wit: &Path, source: &Path) -> anyhow::Result<()> {
    let interfaces = interfaces()?.join("wit/deps");
    let deps = wit.join("deps");
    fs::create_dir_all(&deps)?;
    fs::copy(source.join("world.wit"), wit.join("world.wit"))?;
    let entries = fs::read_dir(&interfaces)
        .with_context(|| format!("look for interfaces in {}", interfaces.display()))?;
    for entry in entries {
        let path = entry?.path();
        let name = path.file_name().context("a file has a name")?;
        ensure!(path.is_file(), "{} was to be a file of interfaces", path.display());
        fs::copy(&path, deps.join(name))?;
    }
    Ok(())
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
}

/// Where cargo keeps the package that brings the interfaces.
fn interfaces() -> anyhow::Result<PathBuf> {
    let mut metadata = cargo();
    metadata.args(["metadata", "--format-version", "1", "--locked"]);
    let found = output(metadata.current_dir(root().join("tests/guests/wasm")))?;
    let found: Metadata = serde_json::from_str(&found).context("read cargo's metadata")?;
    let package = found.packages.into_iter().find(|package| package.name == INTERFACES);
    let manifest = package.with_context(|| format!("no package {INTERFACES}"))?.manifest_path;
    Ok(manifest.parent().context("a manifest is in a directory")?.to_owned())
}
