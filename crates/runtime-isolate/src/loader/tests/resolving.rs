//! What a specifier means.

use super::{Tree, fault, graph};

#[test]
fn plain_javascript_is_passed_on_as_it_is_written() {
    let source = "// a comment\nexport default { fetch: () => new Response('é') }\n";
    let graph = graph(&[("hello.js", source)]);
    assert_eq!(graph.entry, 0);
    assert_eq!(graph.named("hello.js").source, source);
    assert_eq!(graph.named("hello.js").map, None);
    assert!(graph.warnings.is_empty());
}

#[test]
fn every_way_to_import_a_literal_is_followed() {
    let graph = graph(&[
        (
            "index.js",
            "import './a.js'; import * as b from './b.js'; export * from './c.js';\n\
             export { d } from './d.js'; const e = () => import('./e.js');\n\
             const f = () => import(`./f.js`);",
        ),
        ("a.js", "1"),
        ("b.js", "export const b = 1"),
        ("c.js", "export const c = 1"),
        ("d.js", "export const d = 1"),
        ("e.js", "export const e = 1"),
        ("f.js", "import './index.js'"),
        ("not-imported.js", "syntax error"),
    ]);
    assert_eq!(graph.modules.len(), 7);
    for name in ["a", "b", "c", "d", "e", "f"] {
        let specifier = format!("./{name}.js");
        assert_eq!(graph.meaning("index.js", &specifier), format!("{name}.js"));
    }
    assert_eq!(graph.meaning("f.js", "./index.js"), "index.js");
}

#[test]
fn a_file_that_two_modules_import_is_one_module() {
    let graph = graph(&[
        ("src/index.js", "import './a.js'; import '../lib/b.js'"),
        ("src/a.js", "import '../lib/b.js'"),
        ("lib/b.js", "import '../src/a.js'"),
    ]);
    assert_eq!(graph.names(), ["src/index.js", "src/a.js", "lib/b.js"]);
}

#[test]
fn extensions_and_directories_are_completed_as_bundlers_do() {
    let graph = graph(&[
        (
            "index.ts",
            "import './a'; import './b'; import './c'; import './d.js'; import './e.mjs'; \
             import './f'; import './g.js';",
        ),
        ("a.ts", "export const a = 1"),
        ("a.js", "export const a = 2"),
        ("b.mjs", "export const b = 1"),
        ("c/index.ts", "export const c = 1"),
        ("d.ts", "export const d = 1"),
        ("e.mts", "export const e = 1"),
        ("f.json", "{}"),
        ("g.js", "export const g = 1"),
        ("g.ts", "export const g = 2"),
    ]);
    assert_eq!(graph.meaning("index.ts", "./a"), "a.ts");
    assert_eq!(graph.meaning("index.ts", "./b"), "b.mjs");
    assert_eq!(graph.meaning("index.ts", "./c"), "c/index.ts");
    assert_eq!(graph.meaning("index.ts", "./d.js"), "d.ts");
    assert_eq!(graph.meaning("index.ts", "./e.mjs"), "e.mts");
    assert_eq!(graph.meaning("index.ts", "./f"), "f.json");
    assert_eq!(graph.meaning("index.ts", "./g.js"), "g.js");
}

#[test]
fn packages_are_found_by_their_exports_with_our_conditions() {
    let package = |name: &str, exports: &str| {
        let package = format!("node_modules/{name}/package.json");
        (package, format!("{{\"name\":\"{name}\",\"type\":\"module\",\"exports\":{exports}}}"))
    };
    let ours = package("ours", r#"{"node":"./node.js","workerd":"./w.js","default":"./d.js"}"#);
    let web = package("web", r#"{"node":"./node.js","browser":"./b.js","default":"./d.js"}"#);
    let sub = package(
        "@s/sub",
        r#"{"./x":{"types":"./x.d.ts","import":"./esm/x.js"},"./f/*":"./f/*.js"}"#,
    );
    let plain = package("plain", r#""./p.js""#);
    let graph = graph(&[
        (
            "src/index.js",
            "import 'ours'; import 'web'; import '@s/sub/x'; import '@s/sub/f/g'; import 'plain'",
        ),
        (&ours.0, &ours.1),
        (&web.0, &web.1),
        (&sub.0, &sub.1),
        (&plain.0, &plain.1),
        ("node_modules/ours/w.js", ""),
        ("node_modules/web/b.js", ""),
        ("node_modules/@s/sub/esm/x.js", ""),
        ("node_modules/@s/sub/f/g.js", ""),
        ("node_modules/plain/p.js", ""),
    ]);
    assert_eq!(graph.meaning("src/index.js", "ours"), "node_modules/ours/w.js");
    assert_eq!(graph.meaning("src/index.js", "web"), "node_modules/web/b.js");
    assert_eq!(graph.meaning("src/index.js", "@s/sub/x"), "node_modules/@s/sub/esm/x.js");
    assert_eq!(graph.meaning("src/index.js", "@s/sub/f/g"), "node_modules/@s/sub/f/g.js");
    assert_eq!(graph.meaning("src/index.js", "plain"), "node_modules/plain/p.js");
}

#[test]
fn packages_without_exports_are_found_by_module_and_main() {
    let graph = graph(&[
        ("index.js", "import 'both'; import 'main'; import 'neither'; import 'both/lib/x'"),
        ("node_modules/both/package.json", r#"{"module":"esm.js","main":"cjs.js"}"#),
        ("node_modules/both/esm.js", "export default 1"),
        ("node_modules/both/lib/x.js", "export default 1"),
        ("node_modules/main/package.json", r#"{"main":"lib","type":"module"}"#),
        ("node_modules/main/lib/index.js", "export default 1"),
        ("node_modules/neither/package.json", "{}"),
        ("node_modules/neither/index.js", "export default 1"),
    ]);
    assert_eq!(graph.meaning("index.js", "both"), "node_modules/both/esm.js");
    assert_eq!(graph.meaning("index.js", "both/lib/x"), "node_modules/both/lib/x.js");
    assert_eq!(graph.meaning("index.js", "main"), "node_modules/main/lib/index.js");
    assert_eq!(graph.meaning("index.js", "neither"), "node_modules/neither/index.js");
}

#[test]
fn a_package_sees_its_own_imports_its_own_name_and_its_own_dependencies() {
    let graph = graph(&[
        ("index.js", "import 'p'; import '#app'; import 'app/x'"),
        (
            "package.json",
            r##"{"name":"app","type":"module","imports":{"#app":"./own.js"},"exports":{"./x":"./x.js"}}"##,
        ),
        ("own.js", ""),
        ("x.js", ""),
        (
            "node_modules/p/package.json",
            r##"{"name":"p","type":"module","exports":{".":"./i.js","./self":"./self.js"},
                "imports":{"#in":{"node":"./node.js","default":"./in.js"}}}"##,
        ),
        ("node_modules/p/i.js", "import '#in'; import 'p/self'; import 'dep'"),
        ("node_modules/p/in.js", ""),
        ("node_modules/p/self.js", ""),
        ("node_modules/p/node_modules/dep/index.mjs", ""),
        ("node_modules/p/node_modules/dep/package.json", r#"{"main":"index.mjs"}"#),
        ("node_modules/dep/index.js", ""),
    ]);
    assert_eq!(graph.meaning("index.js", "#app"), "own.js");
    assert_eq!(graph.meaning("index.js", "app/x"), "x.js");
    let file = "node_modules/p/i.js";
    assert_eq!(graph.meaning(file, "#in"), "node_modules/p/in.js");
    assert_eq!(graph.meaning(file, "p/self"), "node_modules/p/self.js");
    assert_eq!(graph.meaning(file, "dep"), "node_modules/p/node_modules/dep/index.mjs");
}

#[test]
fn what_a_package_leaves_out_of_browsers_is_empty() {
    let graph = graph(&[
        ("index.js", "import { a } from 'p'"),
        (
            "node_modules/p/package.json",
            r#"{"module":"i.js","browser":{"fs":false,"./node.js":"./web.js"}}"#,
        ),
        (
            "node_modules/p/i.js",
            "import fs from 'fs'; import { x } from './node.js'; export const a = 1",
        ),
        ("node_modules/p/node.js", "import 'node:fs'"),
        ("node_modules/p/web.js", "export const x = 1"),
    ]);
    assert_eq!(graph.meaning("node_modules/p/i.js", "./node.js"), "node_modules/p/web.js");
    assert_eq!(graph.meaning("node_modules/p/i.js", "fs"), "(empty)?esm");
}

#[test]
fn an_installed_package_with_the_name_of_a_node_module_is_taken() {
    let graph = graph(&[
        ("index.js", "import { Buffer } from 'buffer'"),
        ("node_modules/buffer/package.json", r#"{"main":"index.js"}"#),
        ("node_modules/buffer/index.js", "exports.Buffer = class {}"),
    ]);
    assert_eq!(graph.meaning("index.js", "buffer"), "node_modules/buffer/index.js?esm");
}

#[test]
fn json_is_a_module_with_a_default_export() {
    let graph = graph(&[
        (
            "index.js",
            "import a from './a.json';\nimport b from './b.json' with { type: 'json' };\n\
             export { default as c } from './c.json' with { type: \"json\" }; // after\n\
             const d = await import('./d.json', { with: { type: 'json' } });\n",
        ),
        ("a.json", "{\"a\": \"line\\n\", \"__proto__\": 1}"),
        ("b.json", "\u{feff}[1,2]"),
        ("c.json", "null"),
        ("d.json", &format!("{}{}", "[".repeat(5_000), "]".repeat(5_000))),
    ]);
    let blank = " ".repeat(" with { type: 'json' }".len());
    let options = " ".repeat(", { with: { type: 'json' } }".len());
    let index = format!(
        "import a from './a.json';\nimport b from './b.json'{blank};\n\
         export {{ default as c }} from './c.json'{blank}; // after\n\
         const d = await import('./d.json'{options});\n"
    );
    assert_eq!(graph.named("index.js").source, index);
    let a =
        "export default JSON.parse(\"{\\\"a\\\": \\\"line\\\\n\\\", \\\"__proto__\\\": 1}\");\n";
    assert_eq!(graph.named("a.json").source, a);
    assert_eq!(graph.named("b.json").source, "export default JSON.parse(\"[1,2]\");\n");
}

#[test]
fn an_import_of_an_expression_is_a_warning() {
    let graph = graph(&[("src/index.js", "export const at = (x) =>\n  import('./' + x)")]);
    assert_eq!(graph.warnings.len(), 1);
    assert!(graph.warnings[0].starts_with("src/index.js:2:3: "), "{}", graph.warnings[0]);
}

#[test]
fn links_inside_the_artifact_are_followed_to_one_module() {
    let tree = Tree::new(&[
        ("index.js", "import 'p'; import './link.js'"),
        ("real.js", ""),
        ("store/p/package.json", r#"{"type":"module","exports":"./i.js"}"#),
        ("store/p/i.js", "import '../../real.js'"),
        ("node_modules/.keep", ""),
    ]);
    let root = tree.directory.path();
    std::os::unix::fs::symlink("real.js", root.join("link.js")).unwrap();
    std::os::unix::fs::symlink("../store/p", root.join("node_modules/p")).unwrap();
    let graph = tree.load().unwrap();
    assert_eq!(graph.meaning("index.js", "p"), "store/p/i.js");
    assert_eq!(graph.meaning("index.js", "./link.js"), "real.js");
    assert_eq!(graph.modules.len(), 3);
}

#[test]
fn links_out_of_the_artifact_are_not_followed() {
    let outside = Tree::new(&[
        ("secret.js", "export default 1"),
        ("p/package.json", r#"{"type":"module","exports":"./i.js"}"#),
        ("p/i.js", ""),
    ]);
    let outside = outside.directory.path();
    for (link, target, specifier) in [
        ("link.js", "secret.js", "./link.js"),
        ("directory", "", "./directory/secret.js"),
        ("node_modules/p", "p", "p"),
    ] {
        let import = format!("import '{specifier}'");
        let tree = Tree::new(&[("index.js", &import), ("node_modules/.keep", "")]);
        let link = tree.directory.path().join(link);
        std::os::unix::fs::symlink(outside.join(target), link).unwrap();
        let faults = tree.load().unwrap_err();
        let message = format!("`{specifier}` is a link that leads out of the artifact");
        assert_eq!(faults[0].message, message);
    }
}

#[test]
fn nothing_above_the_artifact_is_read() {
    let outer = Tree::new(&[
        ("app/index.js", "import 'p'"),
        ("node_modules/p/index.js", "export default 1"),
        ("secret.js", "export default 1"),
        ("app/up.js", "import '../secret.js'"),
        ("app/absolute.js", "import '/etc/hostname'"),
    ]);
    let root = outer.directory.path().join("app");
    for entry in ["index.js", "up.js", "absolute.js", "../secret.js", "/etc/hostname"] {
        let request = super::LoadRequest { root: &root, entry };
        super::load(request).expect_err(entry);
    }
}

#[test]
fn the_entry_has_to_be_there() {
    let tree = Tree { entry: "src/indx.ts".into(), ..Tree::new(&[("src/index.ts", "")]) };
    let found = tree.load().unwrap_err().remove(0);
    assert_eq!(found.message, "src/indx.ts is not in the artifact");
    assert_eq!(found.help.as_deref(), Some("there is src/index.ts"));
    assert_eq!(fault(&[("data.bin", "x")]).message, "`.bin` is not a kind of module");
}
