//! What the end-to-end tests of this binary share.
#![allow(dead_code, reason = "each test is a program of its own and takes what it needs")]

pub(crate) mod dev;

use std::path::{Path, PathBuf};

use mayfly_testkit::{App, Node, NodeOptions, repository};

/// The binary under test.
pub(crate) const MAYFLY: &str = env!("CARGO_BIN_EXE_mayfly");

/// How a node of it is started.
pub(crate) fn node() -> NodeOptions {
    Node::options(MAYFLY)
}

/// A node of it with nothing but the defaults.
pub(crate) async fn serve() -> Node {
    node().start().await
}

/// The compiled component of a package of `tests/guests/wasm`.
pub(crate) fn component(name: &str) -> Vec<u8> {
    let path = repository("target/wasm/guests").join(name).with_extension("wasm");
    std::fs::read(&path).unwrap_or_else(|error| {
        panic!("{}: {error}; `cargo xtask wasm` compiles it", path.display())
    })
}

/// Runs the command line against a node with this token; what it prints, if it ends well.
pub(crate) fn mayfly(node: &Node, token: &str, arguments: &[&str]) -> Result<String, String> {
    let output = std::process::Command::new(MAYFLY)
        .args(arguments)
        .env("MAYFLY_URL", format!("http://{}", node.admin().address()))
        .env("MAYFLY_TOKEN", token)
        .output()
        .unwrap();
    match output.status.success() {
        true => Ok(String::from_utf8(output.stdout).unwrap()),
        false => Err(String::from_utf8(output.stderr).unwrap()),
    }
}

/// A program in Python that speaks Lambda's Runtime API: `body` makes `answer` of `event` and the headers `heads`, or
/// sets `where` to `error`.
pub(crate) fn bootstrap(body: &str) -> String {
    format!(
        r#"#!/usr/bin/python3
import http.client, json, os
api = http.client.HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
while True:
    api.request("GET", "/2018-06-01/runtime/invocation/next")
    next = api.getresponse()
    event, heads, where = json.loads(next.read()), next.headers, "response"
    {body}
    path = "/2018-06-01/runtime/invocation/" + heads["lambda-runtime-aws-request-id"] + "/" + where
    api.request("POST", path, json.dumps(answer))
    api.getresponse().read()
"#
    )
}

/// An app with a program `program/bootstrap` that may be run.
pub(crate) fn with_bootstrap(app: App, text: &str) -> App {
    let app = app.file("program/bootstrap", text);
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(app.directory().join("program/bootstrap"), mode).unwrap();
    app
}

/// The files of a directory of `tests/guests`, by the names of the functions that they are.
pub(crate) fn guest_files(directory: &str) -> Vec<(String, PathBuf)> {
    let mut files: Vec<_> = std::fs::read_dir(repository("tests/guests").join(directory))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "js"))
        .map(|path| (path.file_stem().unwrap().to_string_lossy().into_owned(), path))
        .collect();
    files.sort();
    files
}

/// An app with one function for each file of a directory of `tests/guests`. A line `// mayfly: KEY`
/// of a file goes to its function's table, and `settings` to every function's.
pub(crate) fn guests(app: &str, directory: &str, settings: &str) -> App {
    let mut manifest = format!("app = \"{app}\"\n");
    for (name, path) in guest_files(directory) {
        manifest += &section(directory, &name, &path);
        manifest += settings;
        manifest += "\n";
    }
    App::new().copy_of(&repository("tests/guests")).file("mayfly.toml", manifest)
}

fn section(directory: &str, name: &str, path: &Path) -> String {
    let source = std::fs::read_to_string(path).unwrap();
    let export = if source.contains("export default") { "default" } else { "handler" };
    let mut section =
        format!("\n[functions.{name}]\ncode = \".\"\nhandler = \"{directory}/{name}.{export}\"\n");
    for setting in source.lines().filter_map(|line| line.strip_prefix("// mayfly: ")) {
        section += setting;
        section += "\n";
    }
    section
}

/// Deploys the guests of a directory as the app of the same name.
pub(crate) async fn deploy_guests(
    node: &Node,
    directory: &str,
    settings: &str,
) -> mayfly_testkit::AppClient {
    let deployed = node.deploy(&guests(directory, directory, settings)).await;
    deployed.unwrap_or_else(|error| panic!("deploy the guests of {directory}: {error}"));
    node.app(directory)
}

/// A process that a test starts beside nodes; it is killed when the test is done with it.
#[derive(Debug)]
pub(crate) struct Killed(pub(crate) std::process::Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
