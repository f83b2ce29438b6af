use super::*;
use crate::parse;

fn name(name: &str) -> FunctionName {
    FunctionName::new(name).unwrap()
}

fn files(files: &[&str]) -> CodeFiles {
    files.iter().map(|file| (*file).to_owned()).collect()
}

/// Resolves a function with these lines and files.
fn resolve(lines: &str, code: &[&str]) -> Result<FunctionConfig, String> {
    let text = format!("app = \"a\"\n[functions.f]\ncode = \"f\"\n{lines}\n");
    let manifest = parse(&text, "mayfly.toml").unwrap();
    manifest
        .resolve(&BTreeMap::from([(name("f"), files(code))]))
        .map(|app| app.functions[&name("f")].clone())
        .map_err(|errors| {
            let problem = errors.into_problems().remove(0);
            format!("{} -- {}", problem.message, problem.help.unwrap_or_default())
        })
}

fn entry(lines: &str, code: &[&str]) -> String {
    resolve(lines, code).unwrap().entry
}

#[test]
fn what_is_not_written_has_the_contracts_defaults() {
    let config = resolve("", &["index.js"]).unwrap();
    assert_eq!(
        config,
        FunctionConfig {
            runtime: RuntimeKind::Js,
            entry: "index.js".into(),
            handler: None,
            memory: ByteSize::mb(128),
            cpu: 1.0,
            disk: ByteSize::mb(512),
            timeout: TimeSpan::seconds(30),
            concurrency: None,
            isolation: Isolation::Invocation,
            env: BTreeMap::new(),
            secrets: Vec::new(),
            egress: Vec::new(),
            written: WrittenLimits::default(),
        }
    );
    let config = resolve("memory = \"128MB\"", &["index.js"]).unwrap();
    assert!(config.written.memory && !config.written.cpu && !config.written.disk);
}

#[test]
fn a_single_file_is_its_own_entry() {
    for file in ["hello.js", "a b.mjs", "x.ts", "x.mts"] {
        assert_eq!(entry("", &[file]), file);
    }
}

#[test]
fn the_entry_of_a_directory_is_the_best_known_name() {
    assert_eq!(entry("", &["main.js", "index.ts", "index.mjs", "lib.js"]), "index.mjs");
    assert_eq!(entry("", &["src/index.ts", "main.ts", "x.js"]), "main.ts");
    assert_eq!(entry("", &["src/index.ts", "worker.js", "x.js"]), "src/index.ts");
    assert_eq!(entry("", &["api.ts", "lib/util.ts", "types.d.ts", "data.json"]), "api.ts");
    let error = resolve("", &["a.js", "b.js"]).unwrap_err();
    assert!(error.contains("looked for index, main, src/index, src/main, worker"), "{error}");
    assert!(error.contains("(.js, .mjs, .ts, .mts, .tsx, .jsx)"), "{error}");
    assert!(resolve("", &["types.d.ts", "x.json"]).is_err());
}

#[test]
fn a_handler_names_the_entry() {
    let code = ["index.js", "src/api.ts", "src/api.v2.mjs"];
    let config = resolve("handler = \"src/api.fetch\"", &code).unwrap();
    assert_eq!(config.entry, "src/api.ts");
    assert_eq!(config.handler.as_deref(), Some("src/api.fetch"));
    assert_eq!(entry("handler = \"src/api.v2.handler\"", &code), "src/api.v2.mjs");
    assert_eq!(entry("handler = \"./index.js.handler\"", &code), "index.js");
    assert_eq!(
        resolve("handler = \"src/apu.fetch\"", &code).unwrap_err(),
        "`f` has no file for this handler: looked for src/apu.js, src/apu.mjs, src/apu.ts, \
         src/apu.mts, src/apu.tsx, src/apu.jsx -- there is `src/api.ts`: write \"src/api.EXPORT\""
    );
    assert!(resolve("handler = \"zzzzzzzz.fetch\"", &["hello.js"]).is_err());
}

#[test]
fn the_runtime_follows_from_the_files() {
    for (code, kind) in [
        (&["app.py"][..], "python"),
        (&["app.py", "lib/x.js"], "python"),
        (&["app.rb"], "ruby"),
        (&["app.wasm"], "wasm"),
        (&["bootstrap"], "provided"),
        (&["bootstrap", "data.json"], "provided"),
        (&["package.json", "index.js"], "nodejs"),
        (&["package.json"], "nodejs"),
        (&["src/app.py"], "python"),
        (&["README.md", "node_modules/a/index.js", "src/app.py"], "python"),
    ] {
        let error = resolve("", code).unwrap_err();
        assert!(error.contains(&format!("`{kind}`, which is not in this build yet")), "{error}");
    }
    assert_eq!(resolve("", &["index.js", "tool.py"]).unwrap().runtime, RuntimeKind::Js);
    assert_eq!(entry("", &["lib/x.py", "src/index.js"]), "src/index.js");
    assert!(resolve("", &["README.md"]).unwrap_err().contains("tells its runtime"));
    assert!(resolve("", &[]).unwrap_err().contains("holds no files"));
}

#[test]
fn a_package_runs_as_js_when_the_manifest_says_so() {
    let code = ["package.json", "index.js", "node_modules/a/package.json"];
    assert_eq!(entry("runtime = \"js\"", &code), "index.js");
    let error = resolve("", &code).unwrap_err();
    assert!(
        error.ends_with("write runtime = \"js\" to run it as a fresh JavaScript VM"),
        "{error}"
    );
    assert!(resolve("runtime = \"js\"", &["app.py"]).unwrap_err().contains("has no entry"));
}

#[test]
fn code_that_was_not_sent_is_told_for_each_function() {
    let manifest =
        parse("app = \"a\"\n[functions]\nf.code = \"f\"\ng.code = \"g\"", "mayfly.toml").unwrap();
    let errors = manifest.resolve(&BTreeMap::new()).unwrap_err();
    let lines: Vec<u32> = errors.problems().map(|problem| problem.line).collect();
    assert_eq!(lines, [3, 4]);
}

#[test]
fn a_lone_function_answers_everywhere_and_several_below_their_names() {
    let routes = |text: &str, functions: &[&str]| -> Vec<String> {
        let code = functions.iter().map(|f| (name(f), files(&["x.js"]))).collect();
        let app = parse(text, "mayfly.toml").unwrap().resolve(&code).unwrap();
        assert!(crate::RouteTable::new(&app.routes).is_ok());
        app.routes.into_iter().map(|route| format!("{} {}", route.path, route.function)).collect()
    };
    assert_eq!(routes("app = \"a\"\n[functions]\nf.code = \"f\"", &["f"]), ["/ f", "/{*rest} f"]);
    assert_eq!(
        routes("app = \"a\"\n[functions]\ng.code = \"g\"\nf.code = \"f\"", &["f", "g"]),
        ["/f f", "/f/{*rest} f", "/g g", "/g/{*rest} g"]
    );
    let written = "app = \"a\"\nfunctions.f.code = \"f\"\n\
                   routes = [{ path = \"/x\", function = \"f\", methods = [\"GET\"] }]";
    assert_eq!(routes(written, &["f"]), ["/x f"]);
}
