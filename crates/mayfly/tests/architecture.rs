//! Holds the map in ARCHITECTURE.md to the code.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde::Deserialize;

/// The layers. Imports go down; inside L0 to L2 also sideways, without a circle.
const LAYERS: [&[&str]; 5] = [
    &["types", "manifest", "artifact"],
    &["runtime-api", "control-api", "state-api"],
    &[
        "egress",
        "otlp",
        "sandbox",
        "guest-memory",
        "runtime-isolate",
        "runtime-wasm",
        "runtime-process",
        "state-embedded",
        "state-cluster",
    ],
    &["invoker", "gateway", "triggers", "control", "aws", "dashboard"],
    &["mayfly"],
];
/// The layer whose crates meet in the traits of L1 only.
const APART: usize = 3;
/// The layer that chooses backends.
const TOP: usize = 4;

/// Crates outside the layers: what tests use, and the tools of the repository.
const TESTKIT: &str = "testkit";
const TOOLS: [&str; 2] = ["xtask", "bench"];

/// What only the binary names, because it alone chooses between them.
const BACKENDS: [&str; 6] = [
    "runtime-isolate",
    "runtime-wasm",
    "runtime-process",
    "state-embedded",
    "state-cluster",
    "otlp",
];

/// Crates that may hold `unsafe`.
const UNSAFE: [&str; 5] =
    ["sandbox", "guest-memory", "runtime-isolate", "runtime-wasm", "state-embedded"];

#[test]
fn every_crate_has_a_place_on_the_map() {
    let workspace = Workspace::read();
    let unplaced = workspace.crates.keys().filter(|name| {
        layer(name).is_none() && *name != TESTKIT && !TOOLS.contains(&name.as_str())
    });
    assert_none("crates have no layer", unplaced.map(|name| format!("crates/{name}")));
}

#[test]
fn a_crate_is_named_after_its_directory() {
    let workspace = Workspace::read();
    let misnamed = workspace.crates.iter().filter_map(|(directory, package)| {
        let wanted = package_name(directory);
        let name = package.name.as_str();
        (name != wanted).then(|| format!("crates/{directory} is `{name}`, not `{wanted}`"))
    });
    assert_none("crates have another name than their directory", misnamed);
}

#[test]
fn imports_go_down_or_sideways() {
    let workspace = Workspace::read();
    let upwards = workspace.imports().filter_map(|(from, to)| {
        let (above, below) = (layer(&from)?, layer(&to)?);
        (below > above).then(|| format!("{from} (L{above}) imports {to} (L{below})"))
    });
    assert_none("imports go up", upwards);
}

#[test]
fn crates_of_the_third_layer_never_import_each_other() {
    let workspace = Workspace::read();
    let sideways = workspace.imports().filter_map(|(from, to)| {
        let apart = layer(&from) == Some(APART) && layer(&to) == Some(APART);
        apart.then(|| format!("{from} imports {to}"))
    });
    assert_none("crates of L3 import each other: they meet in traits of L1", sideways);
}

#[test]
fn imports_make_no_circle() {
    // Cargo refuses circles of ordinary imports; this also finds one over optional imports of
    // which no build has all.
    let mut left: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (from, to) in Workspace::read().imports() {
        left.entry(to.clone()).or_default();
        left.entry(from).or_default().insert(to);
    }
    loop {
        let before = left.len();
        let leaves: Vec<String> = left
            .iter()
            .filter(|(_, imports)| !imports.iter().any(|import| left.contains_key(import)))
            .map(|(name, _)| name.clone())
            .collect();
        left.retain(|name, _| !leaves.contains(name));
        if left.len() == before {
            break;
        }
    }
    assert_none("crates import each other in a circle", left.into_keys());
}

#[test]
fn only_the_binary_names_backends() {
    let workspace = Workspace::read();
    let named = workspace.imports().filter_map(|(from, to)| {
        let chooses = layer(&from) == Some(TOP) || !BACKENDS.contains(&to.as_str());
        (!chooses).then(|| format!("{from} imports {to}"))
    });
    assert_none("a backend is imported", named);
}

#[test]
fn the_testkit_is_for_tests_only() {
    let workspace = Workspace::read();
    let importers = workspace.imports().filter(|(_, to)| to == TESTKIT);
    assert_none("the testkit is more than a dev-dependency of", importers.map(|(from, _)| from));
}

#[test]
fn unsafe_code_stays_where_the_map_allows_it() {
    let workspace = Workspace::read();
    let mut found = Vec::new();
    for (name, package) in &workspace.crates {
        if UNSAFE.contains(&name.as_str()) {
            continue;
        }
        for file in sources(package.directory()) {
            let text = fs::read_to_string(&file).expect("read a source");
            let text: String = text.split_whitespace().collect();
            // In two parts, or this file would find itself.
            let lifts = [concat!("allow(", "unsafe_code"), concat!("expect(", "unsafe_code")];
            if lifts.iter().any(|lift| text.contains(lift)) {
                found.push(file.display().to_string());
            }
        }
        let manifest = fs::read_to_string(&package.manifest_path).expect("read a manifest");
        if !manifest.contains("[lints]\nworkspace = true") {
            found.push(format!("crates/{name}/Cargo.toml does not take the workspace's lints"));
        }
    }
    assert_none("unsafe code is allowed outside of its crates", found);
}

#[test]
fn every_dependency_has_a_line_in_the_architecture_document() {
    let workspace = Workspace::read();
    let document = workspace.root.join("ARCHITECTURE.md");
    let text = fs::read_to_string(&document)
        .unwrap_or_else(|error| panic!("read {}: {error}", document.display()));
    let named: BTreeSet<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-' && c != '_').collect();
    let third_parties: BTreeSet<&str> = workspace
        .crates
        .values()
        .flat_map(|package| &package.dependencies)
        .filter(|dependency| dependency.path.is_none())
        .map(|dependency| dependency.name.as_str())
        .collect();
    let missing = third_parties.into_iter().filter(|name| !named.contains(name));
    assert_none("dependencies have no line in ARCHITECTURE.md", missing);
}

/// What `cargo metadata` tells.
#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    workspace_root: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    dependencies: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    name: String,
    /// `None` for an ordinary one, else `dev` or `build`.
    kind: Option<String>,
    /// Of one that lies in the workspace.
    path: Option<PathBuf>,
}

impl Package {
    fn directory(&self) -> &Path {
        self.manifest_path.parent().expect("a manifest has a directory")
    }
}

/// The members of the workspace.
struct Workspace {
    root: PathBuf,
    /// By the name of their directory in `crates`.
    crates: BTreeMap<String, Package>,
}

impl Workspace {
    fn read() -> Self {
        // Without dependencies it needs neither a network nor a lock file that is up to date.
        let output = Command::new(env!("CARGO"))
            .args(["metadata", "--format-version", "1", "--no-deps"])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("start cargo");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let metadata: Metadata =
            serde_json::from_slice(&output.stdout).expect("read what cargo tells");
        let members = metadata.packages.into_iter();
        let crates = members.map(|package| (last_name(package.directory()), package)).collect();
        Self { root: metadata.workspace_root, crates }
    }

    /// Who imports whom of the workspace, by directory. Tests may import what they like.
    fn imports(&self) -> impl Iterator<Item = (String, String)> {
        self.crates.iter().flat_map(|(from, package)| {
            let kept = package.dependencies.iter();
            let kept = kept.filter(|dependency| dependency.kind.as_deref() != Some("dev"));
            kept.filter_map(|dependency| Some((from.clone(), last_name(dependency.path.as_ref()?))))
        })
    }
}

fn last_name(path: &Path) -> String {
    path.file_name().expect("a crate's directory has a name").to_string_lossy().into_owned()
}

fn layer(name: &str) -> Option<usize> {
    LAYERS.iter().position(|names| names.contains(&name))
}

/// The package of `crates/NAME`: `mayfly-NAME`, but for the binary and the tools.
fn package_name(directory: &str) -> String {
    if layer(directory) == Some(TOP) || TOOLS.contains(&directory) {
        directory.to_owned()
    } else {
        format!("mayfly-{directory}")
    }
}

fn sources(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).expect("read a directory of sources").flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(sources(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

#[track_caller]
fn assert_none(what: &str, found: impl IntoIterator<Item = impl std::fmt::Display>) {
    let found: Vec<String> = found.into_iter().map(|item| format!("  - {item}")).collect();
    assert!(found.is_empty(), "{what}:\n{}", found.join("\n"));
}
