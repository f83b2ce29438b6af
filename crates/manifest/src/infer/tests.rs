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
            concurrency_per_instance: None,
            warm: 0,
            isolation: Isolation::Invocation,
            env: BTreeMap::new(),
            secrets: Vec::new(),
            egress: Vec::new(),
            written: WrittenLimits::default(),
            events: mayfly_types::AsyncConfig::default(),
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
fn the_runtime_and_its_entry_follow_from_the_files() {
    for (code, kind, entry) in [
        (&["app.py"][..], "python", "app.py"),
        (&["index.py", "app.py"], "python", "app.py"),
        (&["requirements.txt", "tool.js", "main.py"], "python", "main.py"),
        (&["src/app.py", "README.md"], "python", "src/app.py"),
        (&["README.md", "node_modules/a/index.js", "src/app.py"], "python", "src/app.py"),
        (&["app.rb"], "ruby", "app.rb"),
        (&["Gemfile", "Gemfile.lock", "thumbs.rb"], "ruby", "thumbs.rb"),
        (&["bootstrap"], "provided", "bootstrap"),
        (&["bootstrap", "index.js", "data.json"], "provided", "bootstrap"),
        (&["package.json", "index.js"], "nodejs", "index.js"),
        (&["package.json", "app.py", "src/index.ts"], "nodejs", "src/index.ts"),
        (&["package.json", "lib/a.js"], "nodejs", "package.json"),
        (&["x.cjs"], "nodejs", "x.cjs"),
        (&["words.wasm"], "wasm", "words.wasm"),
        (&["app.wasm", "lib.wasm", "data.json"], "wasm", "app.wasm"),
        (&["README.md", "words.wasm"], "wasm", "words.wasm"),
        (&["index.js", "codec.wasm"], "js", "index.js"),
        (&["index.js", "tool.py"], "js", "index.js"),
        (&["lib/x.py", "src/index.js"], "js", "src/index.js"),
    ] {
        let config = resolve("", code).unwrap_or_else(|error| panic!("{code:?}: {error}"));
        assert_eq!((config.runtime.as_str(), config.entry.as_str()), (kind, entry), "{code:?}");
    }
    assert!(resolve("", &["README.md"]).unwrap_err().contains("tells its runtime"));
    assert!(resolve("", &[]).unwrap_err().contains("holds no files"));
}

#[test]
fn handlers_are_written_as_with_lambda() {
    for (lines, code, found) in [
        ("handler = \"pkg.app.handler\"", &["pkg/app.py", "x.py"][..], "pkg/app.py"),
        ("handler = \"pkg/app.handler\"", &["pkg/app.py", "x.py"], "pkg/app.py"),
        ("handler = \"app.Photos::Handler.process\"", &["app.rb", "x.rb"], "app.rb"),
        ("handler = \"lib/app.handler\"", &["lib/app.rb", "x.rb"], "lib/app.rb"),
        ("handler = \"dist/a.b\"", &["package.json", "dist/a.cjs"], "dist/a.cjs"),
        ("runtime = \"provided\"\nhandler = \"any thing\"", &["bootstrap", "x"], "bootstrap"),
        ("runtime = \"provided\"", &["serve"], "serve"),
    ] {
        assert_eq!(entry(lines, code), found, "{lines}");
    }
    let error = resolve("runtime = \"provided\"", &["a", "b"]).unwrap_err();
    assert!(error.contains("no file `bootstrap`") && error.contains("chmod +x"), "{error}");
}

#[test]
fn limits_are_those_of_the_runtime() {
    let wasm = &["app.wasm"][..];
    let (js, python, node) = (&["a.js"][..], &["a.py"][..], &["package.json", "index.js"][..]);
    for (lines, code, message) in [
        ("memory = \"8MB\"", js, "`memory` of a `js` function is from 16MB to 4GB, not 8MB"),
        ("memory = \"5GB\"", js, "`memory` of a `js` function is from 16MB to 4GB, not 5GB"),
        (
            "memory = \"16MB\"",
            python,
            "`memory` of a `python` function is from 32MB to 1024GB, not 16MB",
        ),
        (
            "isolation = \"instance\"",
            js,
            "`isolation = \"instance\"` is not in this build yet for `js`",
        ),
        ("memory = \"512KB\"", wasm, "`memory` of a `wasm` function is from 1MB to 4GB, not 512KB"),
        ("disk = \"200MB\"", wasm, "`disk` is from 1MB to `memory`, 128MB, not 200MB"),
        ("concurrency_per_instance = 2", wasm, "`concurrency_per_instance` means nothing"),
        (
            "isolation = \"instance\"",
            wasm,
            "`isolation = \"instance\"` is not in this build yet for `wasm`",
        ),
        ("handler = \"app.handle\"", wasm, "`handler` means nothing to a `wasm` function"),
        ("cpu = 1", js, "`cpu` means nothing to a `js` function"),
        ("disk = \"1MB\"", js, "`disk` means nothing to a `js` function"),
        ("concurrency_per_instance = 2", js, "`concurrency_per_instance` means nothing"),
        (
            "concurrency_per_instance = 2",
            python,
            "an instance of `python` takes one attempt at a time",
        ),
        (
            "disk = \"512MB\"",
            python,
            "`disk` is from 1MB to `memory`, 128MB, not 512MB -- a function's /tmp",
        ),
    ] {
        let error = resolve(lines, code).unwrap_err();
        assert!(error.starts_with(message), "{lines}: {error}");
    }
    for (lines, code) in [
        ("memory = \"16MB\"", js),
        ("memory = \"4GB\"", js),
        ("memory = \"1GB\"\ndisk = \"512MB\"\ncpu = 0.5\nisolation = \"invocation\"", python),
        ("concurrency_per_instance = 10", node),
        ("concurrency_per_instance = 1", python),
    ] {
        assert!(resolve(lines, code).is_ok(), "{lines}");
    }
    let written = resolve("cpu = 2\ndisk = \"64MB\"", python).unwrap().written;
    assert!(written.cpu && written.disk && !written.memory);
}

#[test]
fn a_package_runs_as_js_when_the_manifest_says_so() {
    let code = ["package.json", "index.js", "node_modules/a/package.json"];
    assert_eq!(entry("runtime = \"js\"", &code), "index.js");
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
