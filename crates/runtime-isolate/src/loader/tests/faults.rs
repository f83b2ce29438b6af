//! What an author reads when something is wrong.

use super::{fault, faults};

#[test]
fn a_syntax_error_has_its_place_and_its_line() {
    let fault = fault(&[("src/index.js", "const a = 1;\n  const é = \"ü\" const b = 2;\n")]);
    assert_eq!((fault.file.as_deref(), fault.line), (Some("src/index.js"), Some(2)));
    assert_eq!(fault.column, Some(16), "in characters: {fault:?}");
    assert_eq!(fault.source.as_deref(), Some("  const é = \"ü\" const b = 2;"));
}

#[test]
fn every_broken_file_is_reported() {
    let faults = faults(&[
        ("index.js", "import './a.js'; import './b.ts'; let x; let x;"),
        ("a.js", "let ="),
        ("b.ts", "let a: = 1"),
    ]);
    let files: Vec<_> = faults.iter().filter_map(|fault| fault.file.as_deref()).collect();
    assert_eq!(files, ["index.js"], "the entry alone, for what it imports is not known");
    let faults = super::faults(&[
        ("index.js", "import './a.js'; import './b.ts'; import './c.js'"),
        ("a.js", "let ="),
        ("b.ts", "let a: = 1"),
    ]);
    let files: Vec<_> = faults.iter().filter_map(|fault| fault.file.as_deref()).collect();
    assert_eq!(files, ["a.js", "b.ts", "index.js"]);
}

#[test]
fn what_the_language_forbids_is_found_before_it_runs() {
    let found = fault(&[("index.js", "const a = 1;\nconst a = 2;")]);
    assert_eq!(found.line, Some(1), "{found:?}");
    let found = fault(&[("index.js", "export default 1;\nreturn 2")]);
    assert_eq!(found.line, Some(2), "{found:?}");
}

#[test]
fn a_missing_file_names_the_one_that_is_there() {
    let fault = fault(&[
        ("src/index.js", "import a from './a.js';\nimport { help } from './lib/helprs.js';"),
        ("src/a.js", "export default 1"),
        ("src/lib/helpers.js", ""),
    ]);
    assert_eq!(fault.to_string(), "src/index.js:2:22: `./lib/helprs.js` is not in the artifact");
    assert_eq!(fault.source.as_deref(), Some("import { help } from './lib/helprs.js';"));
    assert_eq!(fault.help.as_deref(), Some("there is src/lib/helpers.js"));
}

#[test]
fn a_missing_package_says_how_to_install_it() {
    let faults = faults(&[("index.js", "import a from '@hono/zod/deep';\nimport b from 'zod'")]);
    assert_eq!(
        faults[0].to_string(),
        "index.js:1:15: the package `@hono/zod` is not in the artifact"
    );
    let help = "run `npm install @hono/zod` and deploy the directory again";
    assert_eq!(faults[0].help.as_deref(), Some(help));
    assert_eq!(faults[1].to_string(), "index.js:2:15: the package `zod` is not in the artifact");
}

#[test]
fn a_path_that_a_package_does_not_offer_is_named() {
    let fault = fault(&[
        ("index.js", "import 'p/inner.js'"),
        ("node_modules/p/package.json", r#"{"exports":{".":"./i.js"}}"#),
        ("node_modules/p/inner.js", ""),
    ]);
    let message = "cannot import `p/inner.js`: the `exports` of node_modules/p/package.json do \
                   not offer ./inner.js here";
    assert_eq!(fault.message, message);
}

#[test]
fn nodes_modules_point_to_the_nodejs_runtime() {
    for specifier in ["node:fs/promises", "path", "fs/promises", "crypto"] {
        let fault = fault(&[("index.js", &format!("// first\nimport x from '{specifier}'"))]);
        let message =
            format!("`{specifier}` is a module of Node's, and the js runtime has Web APIs");
        assert_eq!(fault.to_string(), format!("index.js:2:15: {message}"));
        assert!(fault.help.unwrap().contains("the runtime `nodejs`"));
    }
}

#[test]
fn other_schemes_and_kinds_are_refused() {
    for specifier in ["https://esm.sh/hono", "npm:hono", "cloudflare:workers", "file:///etc/passwd"]
    {
        let fault = fault(&[("index.js", &format!("import '{specifier}'"))]);
        let scheme = specifier.split(':').next().unwrap();
        assert!(fault.message.ends_with(&format!("`{scheme}:` names nothing in the artifact")));
    }
    let fault = fault(&[
        ("index.js", "import page from './page.html' with { type: 'text' }"),
        ("page.html", "<p>"),
    ]);
    assert_eq!(fault.message, "the js runtime cannot import `type: \"text\"`");
}

#[test]
fn a_name_that_is_not_exported_is_found() {
    let faults = faults(&[
        ("index.js", "import x, { creat } from './lib.js';\nexport { nothing } from './star.js'"),
        ("lib.js", "export const create = 1, { a, b: [c] } = {}"),
        ("star.js", "export * from './lib.js'; export * from './star.js'"),
    ]);
    let messages: Vec<_> = faults.iter().map(ToString::to_string).collect();
    assert_eq!(
        messages,
        [
            "index.js:1:8: `./lib.js` has no default export",
            "index.js:1:13: `./lib.js` does not export `creat`",
            "index.js:2:10: `./star.js` does not export `nothing`",
        ]
    );
    assert_eq!(faults[1].help.as_deref(), Some("it exports `create`"));
}

#[test]
fn a_package_reached_through_another_is_explained() {
    let fault = fault(&[
        ("src/index.js", "\nimport 'a'"),
        ("node_modules/a/package.json", r#"{"module":"i.js"}"#),
        ("node_modules/a/i.js", "import 'b'"),
        ("node_modules/b/package.json", r#"{"module":"i.js"}"#),
        ("node_modules/b/i.js", "import fs from 'node:fs'"),
    ]);
    assert_eq!(fault.file.as_deref(), Some("node_modules/b/i.js"));
    let help = fault.help.unwrap();
    assert!(help.ends_with("it comes in by src/index.js:2:8"), "{help}");
}

#[test]
fn broken_json_and_broken_encodings_are_named() {
    let fault = fault(&[("index.js", "import a from './a.json'"), ("a.json", "{\n  \"a\": }")]);
    assert_eq!((fault.file.as_deref(), fault.line), (Some("a.json"), Some(2)));
    let tree = super::Tree::new(&[("index.js", "")]);
    std::fs::write(tree.directory.path().join("index.js"), b"let a = '\xff'").unwrap();
    let fault = tree.load().unwrap_err().remove(0);
    assert_eq!(fault.to_string(), "index.js: not UTF-8 at byte 9");
}
