//! Deployments that cannot work: each is refused with what is wrong and where, and nothing of it is kept.

use mayfly_testkit::{App, DeployError, Node, RequestBody};
use serde_json::json;

use super::common::serve;

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_no_artifact_is_refused_and_not_kept() {
    let node = serve().await;
    let code = App::single("good", "", "export default { fetch: () => new Response('x') }").code();
    let good = &code.functions["main"];
    let name = good.digest().to_string();
    let other = "0".repeat(64);
    let cut = good.bytes().slice(..good.bytes().len() / 2);
    let digest = |bytes: &[u8]| mayfly_types::Digest::of(bytes).to_string();
    for (what, name, content) in [
        ("another's name", &other, good.bytes().clone()),
        ("no digest", &"nonsense".to_owned(), good.bytes().clone()),
        ("truncated", &name, cut.clone()),
        ("truncated under its own name", &digest(&cut), cut.clone()),
        ("no archive", &digest(b"hello"), "hello".into()),
        ("nothing", &digest(b""), "".into()),
    ] {
        let answer = node.upload(name, content).await;
        assert!(matches!(answer.status, 400 | 422), "{what}: {} {}", answer.status, answer.text());
        let asked =
            node.command("POST", "/v1/artifacts/missing", Some(json!({ "digests": [name] }))).await;
        if what != "no digest" {
            assert_eq!(asked.expect(200).json()["missing"], json!([name]), "{what}");
        }
    }
    assert!((200..300).contains(&node.upload(&name, good.bytes().clone()).await.status));

    // Without the token, nothing.
    let request = http_request("PUT", &format!("/v1/artifacts/{name}"), &node);
    let answer = node.admin().send(request).await.unwrap().collect().await;
    assert_eq!((answer.status, answer.code().as_str()), (401, "unauthorized"));
}

fn http_request(method: &str, path: &str, node: &Node) -> http::Request<mayfly_testkit::Body> {
    let request = http::Request::builder().method(method).uri(path);
    request.header("host", node.admin().address().to_string()).body(RequestBody::full("x")).unwrap()
}

async fn refused(node: &Node, app: &App) -> DeployError {
    match node.deploy(app).await {
        Ok(deployed) => panic!("it was deployed as release {}", deployed.release),
        Err(error) => error,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_that_is_wrong_is_refused_in_its_line() {
    let node = serve().await;
    let source = "export default { fetch: () => new Response('x') }";
    // The manifest after `app`, the line, what the message and the help have.
    for (manifest, line, message, help) in [
        ("[functions.main]\ncode = \"main.js\"\nmemroy = \"1MB\"\n", 4, "memroy", "memory"),
        (
            "[functions.main]\ncode = \"main.js\"\nwarm = -2\n",
            4,
            "`warm` is from 0 to 1000, not -2",
            "",
        ),
        ("[functions.main]\ncode = \"main.js\"\ncpu = 0.5\n", 4, "cpu", ""),
        ("[functions.main]\ncode = \"main.js\"\ntimeout = \"soon\"\n", 4, "soon", ""),
        ("[functions.main]\ncode = \"../main.js\"\n", 3, "leaves the manifest's directory", ""),
        (
            "[functions.main]\ncode = \"main.js\"\n[[routes]]\npath = \"/\"\nfunction = \"mian\"\n",
            6,
            "mian",
            "main",
        ),
        (
            "[functions.main]\ncode = \"main.js\"\n[functions.other]\ncode = \"main.js\"\n[[routes]]\npath = \"/a/{x}\"\nfunction = \"main\"\n[[routes]]\npath = \"/a/{y}\"\nfunction = \"other\"\n",
            10,
            "/a/{",
            "",
        ),
        ("[functions.main\n", 2, "", ""),
    ] {
        let app = App::new()
            .file("main.js", source)
            .file("mayfly.toml", format!("app = \"wrong\"\n{manifest}"));
        let error = refused(&node, &app).await;
        assert_eq!(error.refusal.status, 422, "{error}");
        let detail = error.details.first().unwrap_or_else(|| panic!("no details: {error}"));
        assert_eq!(
            (detail.file.as_deref(), detail.line),
            (Some("mayfly.toml"), Some(line)),
            "{manifest}: {error}"
        );
        assert!(detail.column.is_some() && detail.source.is_some(), "{error}");
        assert!(detail.message.contains(message), "{error}");
        assert!(detail.help.as_deref().unwrap_or_default().contains(help), "{error}");
    }
    assert_eq!(node.command("GET", "/v1/apps/wrong", None).await.status, 404);
}

/// Source that nests, with brackets in no order that a compressor could use.
fn brackets(depth: usize) -> String {
    let (mut open, mut close) = (String::new(), Vec::new());
    let mut state = 1_u32;
    for _ in 0..depth {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let (before, after) = if state >> 31 == 0 { ('[', ']') } else { ('(', ')') };
        open.push(before);
        close.push(after);
    }
    open + "1" + &close.iter().rev().collect::<String>()
}

#[tokio::test(flavor = "multi_thread")]
async fn code_that_cannot_run_is_refused_in_its_line() {
    let node = serve().await;
    let deep = format!("export default {}\n", brackets(1_000_000));
    let parens = format!(
        "const x = {}1{};\nexport default {{ fetch: () => new Response(`${{x}}`) }}",
        "(".repeat(5_000),
        ")".repeat(5_000)
    );
    // The code, the line, the column, what the message has. 0 is any.
    let cases: Vec<(&str, &str, u64, u64, &str)> = vec![
        ("syntax error", "export default {\n  fetch() { return new Response('x' }\n}", 2, 0, ""),
        ("unclosed", "export default { fetch() {\n", 0, 0, ""),
        ("missing export", "const handler = 1;\n", 1, 1, "has no handler `default`"),
        ("wrong export", "export default { get() {} };\n", 1, 1, "has no handler `default`"),
        (
            "throwing top level",
            "const x = 1;\n\nthrow new RangeError('at the top');\n",
            3,
            0,
            "RangeError: at the top",
        ),
        (
            "throwing in a function",
            "function boom() {\n  return missing.thing;\n}\nboom();\nexport default {};",
            2,
            0,
            "ReferenceError",
        ),
        ("endless top level", "let i = 0;\nfor (;;) i++;\nexport default {};", 2, 0, "5 seconds"),
        (
            "unresolvable file",
            "\nimport x from './absent.js';\nexport default {};",
            2,
            0,
            "./absent.js",
        ),
        ("unresolvable package", "import x from 'left-pad';\nexport default {};", 1, 0, "left-pad"),
        ("a node module", "import fs from 'node:fs';\nexport default {};", 1, 0, "node:fs"),
        (
            "an import that leads out",
            "import x from '../../etc/passwd';\nexport default {};",
            1,
            0,
            "../../etc/passwd",
        ),
        (
            "a missing name",
            "import { nothing } from './lib.js';\nexport default {};",
            0,
            0,
            "nothing",
        ),
        (
            "fetch at the top",
            "await fetch('http://example.com/');\nexport default {};",
            1,
            0,
            "top level",
        ),
        ("a timer at the top", "\nsetTimeout(() => {}, 1);\nexport default {};", 2, 0, "top level"),
        (
            "randomness at the top",
            "export const id = crypto.randomUUID();\nexport default {};",
            1,
            0,
            "top level",
        ),
        (
            "a promise that never settles",
            "await new Promise(() => {});\nexport default {};",
            1,
            0,
            "never comes",
        ),
        (
            "memory at the top",
            "const held = [];\nfor (;;) held.push(new Uint8Array(1 << 20));",
            0,
            0,
            "memory limit",
        ),
        ("a million deep", &deep, 1, 0, ""),
    ];
    let mut failures = Vec::new();
    for (name, source, line, column, message) in cases {
        let manifest =
            "app = \"wrong\"\n[functions.main]\ncode = \"code\"\nhandler = \"main.default\"\n";
        let app = App::new()
            .file("mayfly.toml", manifest)
            .file("code/main.js", source)
            .file("code/lib.js", "export const something = 1;\n");
        let error = refused(&node, &app).await;
        let Some(detail) = error.details.first() else {
            failures.push(format!("{name}: no details: {error}"));
            continue;
        };
        let placed = detail.file.as_deref() == Some("code/main.js")
            && detail.line.is_some_and(|found| found == line || line == 0)
            && detail.column.is_some_and(|found| found == column || column == 0);
        if error.refusal.status != 422 || !placed || !detail.message.contains(message) {
            failures.push(format!(
                "{name}: {}",
                error.to_string().chars().take(600).collect::<String>()
            ));
        }
    }
    assert!(failures.is_empty(), "{} failed:\n{}", failures.len(), failures.join("\n"));
    // Deep, but within reason: it either runs or is refused, and the node goes on.
    let _ = node.deploy(&App::single("deep", "", &parens)).await;
    let app =
        node.function("good", "", "export default { fetch: () => new Response('good') }").await;
    assert_eq!(app.get("/").await.text(), "good");
    assert_eq!(node.command("GET", "/v1/apps/wrong", None).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn mistakes_of_several_functions_are_told_at_once_and_change_nothing() {
    let node = serve().await;
    let good = "export default { fetch: () => new Response('first') }";
    let manifest =
        "app = \"several\"\n[functions.a]\ncode = \"a.js\"\n[functions.b]\ncode = \"b.js\"\n";
    let app = App::new().file("mayfly.toml", manifest).file("a.js", good).file("b.js", good);
    node.deploy(&app).await.unwrap_or_else(|error| panic!("{error}"));
    app.write("a.js", "syntax error here");
    app.write("b.js", "throw new Error('b')");
    let error = refused(&node, &app).await;
    let files: Vec<_> = error.details.iter().filter_map(|detail| detail.file.as_deref()).collect();
    assert_eq!(files, ["a.js", "b.js"], "{error}");
    assert_eq!(node.app("several").get("/a").await.text(), "first");
    let releases = node.command("GET", "/v1/apps/several/releases", None).await.expect(200).json();
    assert_eq!(releases["releases"].as_array().unwrap().len(), 1, "{releases}");

    // A secret that is not set is told with the command that sets it.
    let secret = App::single("keyed", "secrets = [\"TOKEN\"]", good);
    let error = refused(&node, &secret).await;
    assert!(error.only().message.contains("TOKEN"), "{error}");
    assert!(
        error.only().help.as_deref().unwrap_or_default().contains("mayfly secret set TOKEN"),
        "{error}"
    );
}
