//! CommonJS files as modules.

use super::{fault, graph};

#[test]
fn a_commonjs_package_gets_a_core_and_a_facade() {
    let graph = graph(&[
        ("index.js", "import p, { a } from 'p'"),
        ("node_modules/p/package.json", r#"{"main":"./lib"}"#),
        ("node_modules/p/lib/index.js", "const b = require('./b');\nexports.a = b.b; // end"),
        ("node_modules/p/lib/b.js", "module.exports = { b: 1, 'c': 2, default: 3 }"),
    ]);
    let (core, facade) = ("node_modules/p/lib/index.js", "node_modules/p/lib/index.js?esm");
    assert_eq!(graph.meaning("index.js", "p"), facade);
    assert_eq!(graph.meaning(facade, "require:."), core);
    assert_eq!(graph.meaning(core, "require:./b"), "node_modules/p/lib/b.js");
    assert_eq!(graph.modules.len(), 4, "b.js is only required, so it needs no facade");
    let source = &graph.named(core).source;
    assert_eq!(source.lines().nth(1), Some("exports.a = b.b; // end"), "lines keep their numbers");
    assert!(graph.named(facade).source.contains("as a }"));
}

#[test]
fn names_are_found_in_all_usual_forms() {
    let graph = graph(&[
        ("index.js", "export * from 'p'; import p from 'p'"),
        (
            "node_modules/p/index.js",
            "Object.defineProperty(exports, '__esModule', { value: true });\n\
             exports.one = void 0; exports['two'] = 2; module.exports.three = 3;\n\
             Object.defineProperty(exports, 'four', { get() { return 4 } });\n\
             __exportStar(require('./star'), exports);\n\
             0 && (module.exports = { five, six: 6, ...require('./spread') });\n\
             exports.delete = 7;",
        ),
        ("node_modules/p/star.js", "exports.eight = 8"),
        ("node_modules/p/spread.js", "module.exports = require('./nine')"),
        ("node_modules/p/nine.mjs", ""),
        ("node_modules/p/nine.js", "module.exports = { nine: 9 }"),
    ]);
    let facade = &graph.named("node_modules/p/index.js?esm").source;
    for name in ["one", "two", "three", "four", "five", "six", "delete", "eight", "nine"] {
        assert!(facade.contains(&format!(" as {name} }}")), "{name} in {facade}");
    }
}

#[test]
fn a_name_that_cannot_be_seen_is_exported_because_it_is_imported() {
    let graph = graph(&[
        ("index.js", "import { hidden } from 'p'; import { deep } from './again.js'"),
        ("again.js", "export * from 'p'"),
        (
            "node_modules/p/index.js",
            "(function (root, factory) { typeof exports === 'object' ? factory(exports) : 0 })\
             (this, function (e) { e.hidden = e.deep = 1 })",
        ),
    ]);
    let facade = &graph.named("node_modules/p/index.js?esm").source;
    assert!(facade.contains(" as hidden }") && facade.contains(" as deep }"), "{facade}");
}

#[test]
fn a_require_resolves_with_its_own_conditions() {
    let graph = graph(&[
        ("index.js", "import 'a'; import 'dual'"),
        ("node_modules/a/index.js", "require('dual'); require('./data'); require('esm')"),
        ("node_modules/a/data.json", "{}"),
        (
            "node_modules/dual/package.json",
            r#"{"exports":{"import":"./i.mjs","require":"./r.cjs"}}"#,
        ),
        ("node_modules/dual/i.mjs", ""),
        ("node_modules/dual/r.cjs", ""),
        ("node_modules/esm/package.json", r#"{"type":"module","exports":"./i.js"}"#),
        ("node_modules/esm/i.js", "export default 1"),
    ]);
    let core = "node_modules/a/index.js";
    assert_eq!(graph.meaning("index.js", "dual"), "node_modules/dual/i.mjs");
    assert_eq!(graph.meaning(core, "require:dual"), "node_modules/dual/r.cjs");
    assert_eq!(graph.meaning(core, "require:esm"), "node_modules/esm/i.js");
    assert_eq!(graph.meaning(core, "require:./data"), "node_modules/a/data.json");
    assert!(graph.named(core).source.contains("import * as $r2 from \"require:esm\""));
}

#[test]
fn a_handler_written_for_lambda_is_an_entry() {
    let graph = graph(&[("index.js", "exports.handler = async (event) => event")]);
    assert_eq!(graph.modules[graph.entry].name, "index.js?esm");
    assert!(graph.modules[graph.entry].source.contains(" as handler }"));
}

#[test]
fn type_module_and_module_syntax_say_that_a_file_is_no_commonjs() {
    let graph = graph(&[
        ("index.js", "import './a.js'; import 'p'"),
        ("a.js", "export default typeof require === 'function' && require('x')"),
        ("node_modules/p/package.json", r#"{"type":"module","main":"i.js"}"#),
        ("node_modules/p/i.js", "globalThis.module = 1; module.exports = 1"),
    ]);
    assert_eq!(graph.names(), ["index.js", "a.js", "node_modules/p/i.js"]);
}

#[test]
fn a_required_node_module_is_an_error_where_it_is_sure_to_be_reached() {
    let fault = fault(&[
        ("index.js", "import 'p'"),
        ("node_modules/p/index.js", "'use strict';\nconst fs = require('fs');"),
    ]);
    assert_eq!(
        fault.to_string(),
        "node_modules/p/index.js:2:20: `fs` is a module of Node's, and the js runtime has Web APIs"
    );
    let help = fault.help.unwrap();
    assert!(help.contains("the runtime `nodejs`"), "{help}");
    assert!(help.ends_with("; it comes in by index.js:1:8"), "{help}");
}

#[test]
fn a_require_that_may_never_be_reached_is_a_warning() {
    let graph = graph(&[
        ("index.js", "import 'p'"),
        (
            "node_modules/p/index.js",
            "let fs; try { fs = require('fs') } catch {}\n\
             module.exports = () => require('optional');\nif (fs) require('node:os')",
        ),
    ]);
    assert_eq!(graph.warnings.len(), 3, "{:?}", graph.warnings);
    assert!(graph.warnings[0].starts_with("node_modules/p/index.js:1:28: `fs` is a module of"));
}

#[test]
fn sloppy_mode_is_an_error_that_says_why() {
    let fault = fault(&[
        ("index.js", "import 'p'"),
        ("node_modules/p/index.js", "with (Math) { exports.x = max(1, 2) }"),
    ]);
    assert_eq!(fault.file.as_deref(), Some("node_modules/p/index.js"));
    assert_eq!(fault.line, Some(1));
    assert!(fault.help.is_some());
}

#[test]
fn a_circle_of_requires_is_loaded() {
    let graph = graph(&[
        ("index.cjs", "#!/usr/bin/env node\nexports.a = 1; require('./b.cjs');"),
        ("b.cjs", "exports.b = require('./index.cjs').a"),
    ]);
    assert_eq!(graph.meaning("b.cjs", "require:./index.cjs"), "index.cjs");
    assert!(graph.named("index.cjs").source.contains("{ //#!/usr/bin/env node\n"));
}
