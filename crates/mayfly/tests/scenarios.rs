//! Whole apps through `mayfly deploy`, and what they answer. Each scenario is a directory of
//! `tests/scenarios`; its README says what `requests.toml` can hold.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod common;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use base64::Engine as _;
use common::{MAYFLY, serve};
use mayfly_testkit::{Answer, App, Node, repository};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Scenario {
    app: Option<String>,
    #[serde(default)]
    secrets: BTreeMap<String, String>,
    request: Vec<Request>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Request {
    method: Option<String>,
    path: String,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    #[serde(default)]
    body: String,
    body_base64: Option<String>,
    expect: Expect,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct Expect {
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: Option<String>,
    json: Option<serde_json::Map<String, serde_json::Value>>,
    contains: Option<String>,
}

impl Expect {
    /// What is wrong with an answer.
    fn problems(&self, answer: &Answer) -> Vec<String> {
        let mut problems = Vec::new();
        let text = answer.text();
        let status = self.status.unwrap_or(200);
        if answer.status != status {
            problems.push(format!("status {} is not {status}: {text}", answer.status));
        }
        for (name, expected) in &self.headers {
            let found = answer.headers_named(name).join(", ");
            if !matches(&found, expected) {
                problems.push(format!("{name}: `{found}` is not `{expected}`"));
            }
        }
        if self.body.as_ref().is_some_and(|body| *body != text) {
            problems.push(format!("body `{text}`"));
        }
        if self.contains.as_ref().is_some_and(|part| !text.contains(part)) {
            problems.push(format!("`{}` is not in `{text}`", self.contains.as_deref().unwrap()));
        }
        for (name, expected) in self.json.iter().flatten() {
            let body: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
            if body[name] != *expected {
                problems.push(format!("`{name}` is not {expected} in {text}"));
            }
        }
        problems
    }
}

/// `^/notes/[0-9a-f-]{36}$`: of regular expressions, the part that these files need, namely a text
/// and one class with a count.
fn matches(found: &str, expected: &str) -> bool {
    let Some(pattern) = expected.strip_prefix('^').and_then(|rest| rest.strip_suffix('$')) else {
        return found == expected;
    };
    let Some((before, rest)) = pattern.split_once('[') else { return found == pattern };
    let (_, rest) = rest.split_once("]{").unwrap();
    let (count, after) = rest.split_once('}').unwrap();
    let middle = found.strip_prefix(before).and_then(|rest| rest.strip_suffix(after));
    middle.is_some_and(|middle| {
        middle.len() == count.parse::<usize>().unwrap()
            && middle.bytes().all(|c| c.is_ascii_hexdigit() || c == b'-')
    })
}

/// `mayfly ARGUMENTS` against a node, as a person calls it.
fn mayfly(node: &Node, home: &Path, arguments: &[&str]) -> Output {
    Command::new(MAYFLY)
        .args(arguments)
        .env("MAYFLY_URL", format!("http://{}", node.admin().address()))
        .env("MAYFLY_TOKEN", node.token())
        .env("HOME", home)
        .env("XDG_CONFIG_HOME", home)
        .env("NO_COLOR", "1")
        .current_dir(home)
        .output()
        .unwrap()
}

#[track_caller]
fn succeeded(output: Output) -> String {
    let (out, err) =
        (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{}\n{out}\n{err}", output.status);
    out.into_owned()
}

fn app_name(path: &Path) -> String {
    let manifest = std::fs::read_to_string(path.join("mayfly.toml"));
    let name = manifest.ok().and_then(|text| {
        let table: toml::Table = text.parse().unwrap();
        table["app"].as_str().map(str::to_owned)
    });
    name.unwrap_or_else(|| path.file_stem().unwrap().to_string_lossy().into_owned())
}

#[tokio::test(flavor = "multi_thread")]
async fn every_scenario_answers_as_it_is_written() {
    let node = serve().await;
    let home = tempfile::tempdir().unwrap();
    let mut failures = Vec::new();
    for (name, scenario, path) in scenarios() {
        let app = app_name(&path);
        for (secret, value) in &scenario.secrets {
            node.secret(&app, secret, value).await;
        }
        let said = mayfly(&node, home.path(), &["deploy", path.to_str().unwrap()]);
        let said = succeeded(said);
        assert!(said.contains("http://"), "`mayfly deploy` names no URL: {said}");
        let client = node.app(&app);
        for request in &scenario.request {
            let method = request.method.as_deref().unwrap_or("GET");
            let headers: Vec<_> = request.headers.iter().map(|(n, v)| (&**n, &**v)).collect();
            let body = match &request.body_base64 {
                Some(text) => base64::engine::general_purpose::STANDARD.decode(text).unwrap(),
                None => request.body.clone().into_bytes(),
            };
            let answer = client.call(method, &request.path, &headers, body).await;
            for problem in request.expect.problems(&answer) {
                failures.push(format!("{name}: {method} {}: {problem}", request.path));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn scenarios() -> Vec<(String, Scenario, PathBuf)> {
    let mut all = Vec::new();
    for entry in std::fs::read_dir(repository("tests/scenarios")).unwrap() {
        let directory = entry.unwrap().path();
        let Ok(text) = std::fs::read_to_string(directory.join("requests.toml")) else { continue };
        let scenario: Scenario = toml::from_str(&text)
            .unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        let path = scenario.app.as_ref().map_or(directory.clone(), |app| repository(app));
        all.push((directory.file_name().unwrap().to_string_lossy().into_owned(), scenario, path));
    }
    assert!(all.len() >= 5, "where are the scenarios?");
    all.sort_by(|a, b| a.0.cmp(&b.0));
    all
}

#[tokio::test(flavor = "multi_thread")]
async fn a_release_can_be_taken_back_from_the_command_line() {
    let node = serve().await;
    let home = tempfile::tempdir().unwrap();
    let source = |word: &str| format!("export default {{ fetch: () => new Response('{word}') }}\n");
    let app = App::single("words", "", &source("first"));
    let path = app.directory().to_str().unwrap();
    let client = node.app("words");
    succeeded(mayfly(&node, home.path(), &["deploy", path]));
    app.write("main.js", source("second"));
    succeeded(mayfly(&node, home.path(), &["deploy", path]));
    assert_eq!(client.get("/").await.text(), "second");

    succeeded(mayfly(&node, home.path(), &["rollback", "words"]));
    assert_eq!(client.get("/").await.text(), "first");
    succeeded(mayfly(&node, home.path(), &["rollback", "words", "--to", "2"]));
    assert_eq!(client.get("/").await.text(), "second");
    let releases =
        succeeded(mayfly(&node, home.path(), &["releases", "words", "--format", "json"]));
    let releases: serde_json::Value = serde_json::from_str(&releases).unwrap();
    assert_eq!(
        releases.as_array().or(releases["releases"].as_array()).unwrap().len(),
        2,
        "{releases}"
    );
    let wrong = mayfly(&node, home.path(), &["rollback", "words", "--to", "9"]);
    assert_eq!(wrong.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&wrong.stderr).contains('9'));
    assert_eq!(client.get("/").await.text(), "second");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_deployment_that_fails_shows_where_and_leaves_all_as_it_was() {
    let node = serve().await;
    let home = tempfile::tempdir().unwrap();
    let app = App::single("shown", "", "export default { fetch: () => new Response('good') }\n");
    let path = app.directory().to_str().unwrap();
    succeeded(mayfly(&node, home.path(), &["deploy", path]));
    app.write("main.js", "export default {\n  fetch() { return new Response('x' }\n}\n");
    let failed = mayfly(&node, home.path(), &["deploy", path]);
    let said = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("main.js:2") && said.contains("new Response('x' }"), "{said}");
    assert_eq!(node.app("shown").get("/").await.text(), "good");

    app.write(
        "mayfly.toml",
        "app = \"shown\"\n[functions.main]\ncode = \"main.js\"\nmemroy = \"1MB\"\n",
    );
    let failed = mayfly(&node, home.path(), &["deploy", path]);
    let said = String::from_utf8_lossy(&failed.stderr);
    assert_eq!(failed.status.code(), Some(1), "{said}");
    assert!(said.contains("mayfly.toml:4") && said.contains("`memory`"), "{said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_function_is_invoked_and_its_log_read_from_the_command_line() {
    let node = serve().await;
    let home = tempfile::tempdir().unwrap();
    let source = "export const handler = async (event) => { console.log('got', event.n); return { twice: event.n * 2 } }\n";
    let app = App::single("calls", "", source);
    succeeded(mayfly(&node, home.path(), &["deploy", app.directory().to_str().unwrap()]));
    let said =
        succeeded(mayfly(&node, home.path(), &["invoke", "calls/main", "--data", "{\"n\": 21}"]));
    let result: serde_json::Value = serde_json::from_str(&said).unwrap();
    assert_eq!(result, serde_json::json!({ "twice": 42 }));
    node.logs("calls").containing("got 21").await;
    let said = succeeded(mayfly(&node, home.path(), &["logs", "calls/main"]));
    assert!(said.contains("got 21"), "{said}");
}
