use super::*;
use crate::Problem;

/// Each problem as `LINE:COLUMN message -- help`.
fn problems(text: &str) -> Vec<String> {
    let Err(errors) = parse(text, "mayfly.toml") else { return Vec::new() };
    errors
        .problems()
        .map(|problem| {
            let help = problem.help.as_ref().map(|help| format!(" -- {help}")).unwrap_or_default();
            format!("{}:{} {}{help}", problem.line, problem.column, problem.message)
        })
        .collect()
}

/// The problems of a function with these lines, which begin at line 4.
fn in_function(lines: &str) -> Vec<String> {
    problems(&format!("app = \"a\"\n[functions.f]\ncode = \"f.js\"\n{lines}\n"))
}

/// The problems of a route with these lines, which begin at line 5.
fn in_route(lines: &str) -> Vec<String> {
    problems(&format!("app = \"a\"\n[functions.hello]\ncode = \"f.js\"\n[[routes]]\n{lines}\n"))
}

#[test]
fn a_manifest_of_three_lines_is_enough() {
    let manifest =
        parse("app = \"photos\"\n[functions.thumb]\ncode = \"thumb.js\"\n", "mayfly.toml").unwrap();
    assert_eq!(manifest.app().as_str(), "photos");
    let function = &manifest.functions()["thumb"];
    assert_eq!(function.code(), "thumb.js");
    assert_eq!(function.runtime(), None);
    assert!(manifest.routes().is_empty());
}

#[test]
fn everything_that_is_enforced_can_be_written() {
    let text = r#"
schema = 1
app = "photos"

[functions.thumbnail]
code        = "functions/thumbnail"
runtime     = "js"
handler     = "src/app.handler"
memory      = "256MB"
timeout     = "90s"
concurrency = 50
isolation   = "invocation"
env         = { LEVEL = "info" }
secrets     = ["API_KEY"]
egress      = ["api.example.com:443", "*"]

[[routes]]
path     = "/photos/{id}"
methods  = ["GET", "POST"]
function = "thumbnail"
auth     = "none"
"#;
    let manifest = parse(text, "mayfly.toml").unwrap();
    let function = &manifest.functions()["thumbnail"];
    assert_eq!(function.runtime(), Some(RuntimeKind::Js));
    assert_eq!(function.handler(), Some("src/app.handler"));
    assert_eq!(function.memory(), Some(ByteSize::mb(256)));
    assert_eq!(function.timeout(), Some(TimeSpan::seconds(90)));
    assert_eq!(function.concurrency(), Some(50));
    assert_eq!(function.isolation(), Some(Isolation::Invocation));
    assert_eq!(function.env()["LEVEL"], "info");
    assert_eq!(function.secrets(), ["API_KEY"]);
    assert_eq!(function.egress().collect::<Vec<_>>(), ["api.example.com:443", "*"]);
    let route = &manifest.routes()[0];
    assert_eq!(route.path(), "/photos/{id}");
    assert_eq!(route.methods(), ["GET", "POST"]);
    assert_eq!(route.function().as_str(), "thumbnail");
    assert_eq!(manifest.text(), text);
}

#[test]
fn an_unknown_key_suggests_the_nearest() {
    assert_eq!(
        in_function("memroy = \"1MB\""),
        ["4:1 function `f` has no key `memroy` -- did you mean `memory`?"]
    );
    assert_eq!(
        in_route("path = \"/\"\nfunction = \"hello\"\nmethod = [\"GET\"]"),
        ["7:1 a route has no key `method` -- did you mean `methods`?"]
    );
    assert_eq!(
        problems("app = \"a\"\n[function.f]\ncode = \"f.js\""),
        [
            "1:1 the manifest has no functions -- add one:\n[functions.hello]\ncode = \"hello.js\"",
            "2:2 the manifest has no key `function` -- did you mean `functions`?",
        ]
    );
    let far = in_function("colour = 1");
    assert!(far[0].contains("its keys are code, runtime,"), "{far:?}");
}

#[test]
fn a_key_that_is_not_enforced_yet_is_an_error() {
    let later = " is not in this build yet -- remove it: nothing here would enforce it";
    assert_eq!(in_function("bindings = {}"), [format!("4:1 `bindings`{later}")]);
    for key in ["rate = \"1/s\"", "cors = {}"] {
        let name = key.split(' ').next().unwrap();
        let lines = format!("path = \"/\"\nfunction = \"hello\"\n{key}");
        assert_eq!(in_route(&lines), [format!("7:1 `{name}`{later}")]);
    }
    assert_eq!(in_function("[domains]"), [format!("4:2 `domains`{later}")]);
    assert_eq!(in_function("[[triggers]]"), [format!("4:3 `triggers`{later}")]);
}

#[test]
fn no_more_environments_wait_than_may_run() {
    assert_eq!(in_function("warm = 3\nconcurrency = 3"), [""; 0]);
    assert_eq!(in_function("warm = 0"), [""; 0]);
    let refused = in_function("warm = 4\nconcurrency = 3");
    assert!(
        refused[0].starts_with("4:8 `warm` is from 0 to 3, not 4 -- no more than"),
        "{refused:?}"
    );
    let refused = in_function("warm = -1");
    assert!(refused[0].starts_with("4:8 `warm` is from 0 to 1000, not -1"), "{refused:?}");
}

#[test]
fn authentication_that_would_not_happen_is_an_error() {
    let route =
        |auth: &str| in_route(&format!("path = \"/\"\nfunction = \"hello\"\nauth = \"{auth}\""));
    assert_eq!(route("none"), [""; 0]);
    assert!(route("key")[0].starts_with("7:8 `auth = \"key\"` is not in this build yet"));
}

#[test]
fn a_runtime_that_is_none_is_told_with_those_that_are() {
    assert_eq!(in_function("runtime = \"wasm\""), [""; 0]);
    assert_eq!(
        in_function("runtime = \"cobol\""),
        ["4:11 there is no runtime `cobol` -- this build runs `js`, `nodejs`, `python`, `ruby`, \
          `provided`, `wasm`"]
    );
    assert_eq!(
        in_function("runtime = \"pyhton\""),
        ["4:11 there is no runtime `pyhton` -- did you mean `python`?"]
    );
}

#[test]
fn limits_are_typed_and_bounded() {
    for (line, message) in [
        ("memory = 256", "`memory` needs a unit -- write \"256MB\""),
        ("cpu = \"1\"", "`cpu` must be a number, not a string"),
        ("cpu = 0", "`cpu` is from 0.01 to 256 cores, not 0 -- leave it out for one core"),
        ("cpu = nan", "`cpu` is from 0.01 to 256 cores, not NaN -- leave it out for one core"),
        ("disk = 1", "`disk` needs a unit -- write \"1MB\""),
        ("memory = true", "`memory` must be a string, not a boolean"),
        ("timeout = 30", "`timeout` needs a unit -- write \"30s\""),
        ("timeout = \"0s\"", "`timeout` must be longer than nothing -- leave it out for 30s"),
        ("concurrency = \"5\"", "`concurrency` must be an integer, not a string"),
        (
            "concurrency = 0",
            "`concurrency` is from 1 to 4294967295, not 0 -- leave it out for the default",
        ),
        ("isolation = \"none\"", "`isolation` is \"invocation\" or \"instance\""),
    ] {
        let column = line.find('=').unwrap() + 3;
        assert_eq!(in_function(line), [format!("4:{column} {message}")], "{line}");
    }
    for line in [
        "cpu = 2",
        "cpu = 0.25",
        "memory = \"16MB\"",
        "memory = \"4GB\"",
        "timeout = \"1ms\"",
        "concurrency = 1",
    ] {
        assert_eq!(in_function(line), [""; 0], "{line}");
    }
    assert!(in_function("memory = \"lots\"")[0].contains("as in \"256MB\""));
    assert!(in_function("concurrency = 99999999999999999999")[0].contains("out of range"));
    assert!(in_function("concurrency = -1")[0].contains("not -1"));
}

#[test]
fn variables_are_strings_with_a_name_of_their_own() {
    assert_eq!(
        in_function("env = { N = 1 }"),
        ["4:13 `N` must be a string, not an integer -- write it in quotes: \"1\""]
    );
    assert!(in_function("env = { \"1N\" = \"\" }")[0].starts_with("4:9 `1N` is not the name"));
    assert!(in_function("secrets = [\"A-B\"]")[0].starts_with("4:12 `A-B` is not the name"));
    assert_eq!(
        in_function("env = { KEY = \"x\" }\nsecrets = [\"KEY\"]"),
        ["5:12 `KEY` is in `env` and in `secrets` -- both would be the same variable: remove one"]
    );
    assert_eq!(in_function("secrets = [\"A\", \"A\"]"), ["4:17 secret `A` is named twice"]);
    assert!(in_function("env = { A = \"\\u0000\" }")[0].contains("NUL"));
    assert_eq!(
        in_function("secrets = \"A\""),
        ["4:11 `secrets` must be an array, not a string -- write [\"A\"]"]
    );
    assert_eq!(in_function("egress = [1]"), ["4:11 `egress` must hold strings and nothing else"]);
}

#[test]
fn code_must_be_named_and_beside_the_manifest() {
    assert_eq!(
        problems("app = \"a\"\n[functions.thumb]\n"),
        ["2:12 function `thumb` has no `code` -- name its file or directory: code = \
             \"functions/thumb\""]
    );
    assert_eq!(
        problems("app = \"a\"\n[functions.f]\ncode = \"../f.js\"\n"),
        ["3:8 `../f.js` leaves the manifest's directory -- move the code beside the manifest, \
             or the manifest up"]
    );
}

#[test]
fn names_are_checked_and_a_good_one_is_proposed() {
    let app = problems("app = \"My Photos\"\n[functions.f]\ncode = \"f.js\"\n");
    assert!(app[0].starts_with("1:7 `My Photos` may not contain"), "{app:?}");
    assert!(app[0].ends_with("write \"my-photos\""), "{app:?}");
    let function = problems("app = \"a\"\n[functions.\"a.b c\"]\ncode = \"f.js\"\n");
    assert!(function[0].ends_with("write `[functions.a]`"), "{function:?}");
    assert!(problems("[functions.f]\ncode = \"f.js\"\n")[0].contains("does not name its app"));
}

#[test]
fn another_schema_is_refused() {
    let text =
        |schema: &str| format!("schema = {schema}\napp = \"a\"\nfunctions.f.code = \"f.js\"");
    assert_eq!(problems(&text("1")), [""; 0]);
    assert_eq!(
        problems(&text("2")),
        ["1:10 this build reads schema 1, not 2 -- write `schema = 1`, or run a newer mayfly"]
    );
    assert_eq!(problems(&text("\"1\"")), ["1:10 `schema` must be an integer, not a string"]);
}

#[test]
fn a_route_names_a_path_and_a_function_that_is_there() {
    assert_eq!(in_route(""), ["4:1 a route needs `path`", "4:1 a route needs `function`"]);
    assert_eq!(
        in_route("path = \"/\"\nfunction = \"helo\""),
        ["6:12 there is no function `helo` -- did you mean `hello`?"]
    );
    assert_eq!(in_route("path = \"photos\"\nfunction = \"hello\""), ["5:8 a path begins with `/`"]);
    assert_eq!(
        in_route("path = \"/\"\nfunction = \"hello\"\nmethods = [\"get\", \"PUT\", \"PUT\"]"),
        [
            "7:12 `get` is not an HTTP method: methods are in capitals -- write \"GET\"",
            "7:26 method `PUT` is named twice",
        ]
    );
    assert!(
        in_route("path = \"/\"\nfunction = \"hello\"\nmethods = []")[0]
            .contains("leave `methods` out")
    );
}

#[test]
fn two_routes_that_claim_the_same_are_an_error_that_names_both_lines() {
    let two = |first: &str, second: &str| {
        in_route(&format!(
            "function = \"hello\"\n{first}\n[[routes]]\nfunction = \"hello\"\n{second}"
        ))
    };
    let help = " -- remove one of them, or give them different methods";
    assert_eq!(
        two("path = \"/a/{x}\"", "path = \"/a/{y}\""),
        [format!("9:8 lines 6 and 9 both route every method of `/a/{{y}}`{help}")]
    );
    assert_eq!(
        two(
            "path = \"/caf%C3%A9\"\nmethods=[\"GET\"]",
            "path = \"/café\"\nmethods=[\"PUT\",\"GET\"]"
        ),
        [format!("10:8 lines 6 and 10 both route GET of `/café`{help}")]
    );
    assert_eq!(two("path = \"/a\"", "path = \"/a\"\nmethods = [\"GET\"]"), [""; 0]);
    assert_eq!(two("path = \"/a\"", "path = \"/a/\""), [""; 0]);
    assert_eq!(two("path = \"/{a}\"", "path = \"/{*a}\""), [""; 0]);
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_text() {
    let text = "schema = 3\napp = \"A\"\n\n[[routes]]\npath = \"x\"\nfunction = \"g\"\n\n\
                [functions.f]\ncode = \"/f.js\"\ntimeout = 5\n";
    let lines: Vec<u32> =
        parse(text, "mayfly.toml").unwrap_err().problems().map(|problem| problem.line).collect();
    assert_eq!(lines, [1, 2, 5, 6, 9, 10]);
}

#[test]
fn what_is_not_toml_is_told_by_itself() {
    let found = problems("app = \"a\"\n[functions.f\ncode = 'x'\nwrong = 1\n");
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("2:13 "), "{found:?}");
    let twice = problems("app = \"a\"\napp = \"b\"\n");
    assert!(twice[0].starts_with("2:1 duplicate key"), "{twice:?}");
}

#[test]
fn columns_count_characters_and_lines_may_end_as_in_windows() {
    let text = "app = \"a\"\r\n[functions.f]\r\ncode = \"f.js\"\r\nenv = { Ä = \"é\", B = 1 }\r\n";
    let errors = parse(text, "mayfly.toml").unwrap_err();
    // A bare key is ASCII in this version of TOML.
    assert_eq!(errors.problems().next().unwrap().line, 4);

    let text = text.replace("Ä", "\"Ä\"");
    let errors: Vec<Problem> = parse(&text, "mayfly.toml").unwrap_err().into_problems();
    assert_eq!((errors[1].line, errors[1].column), (4, 24));
    assert_eq!(errors[1].source, "env = { \"Ä\" = \"é\", B = 1 }");
    assert_eq!(&text[errors[1].span.clone()], "1");
}

#[test]
fn a_manifest_that_means_harm_costs_little() {
    let deep = format!("app = {}", "[".repeat(100_000));
    assert!(parse(&deep, "mayfly.toml").is_err());
    let deep = format!("app = {}", "{a=".repeat(60_000));
    assert!(parse(&deep, "mayfly.toml").is_err());
    let dotted = format!("{}a = 1", "a.".repeat(100_000));
    assert!(parse(&dotted, "mayfly.toml").is_err());
    let many: String = (0..20_000).map(|i| format!("k{i} = 1\n")).collect();
    assert_eq!(parse(&many, "mayfly.toml").unwrap_err().problems().len(), 100);
    assert_eq!(
        problems(&"\n".repeat(300_000)),
        ["1:1 a manifest has at most 256 KB -- divide the app into several"]
    );
}

#[test]
fn what_becomes_of_events_is_written_in_a_table_of_its_own() {
    let text = "app = \"a\"\n[functions.f]\ncode = \"f.js\"\n[functions.f.async]\nattempts = 5\n\
        max_age = \"48h\"\nbackoff = \"500ms\"\non_success = \"function:done\"\n\
        on_failure = \"function:ops/alert\"\n";
    let manifest = parse(text, "mayfly.toml").unwrap();
    let events = manifest.functions()["f"].events();
    assert_eq!((events.attempts, events.max_age), (5, TimeSpan::seconds(48 * 3600)));
    assert_eq!(events.backoff, TimeSpan::millis(500));
    let named = |app: &str, function: &str| {
        Some(mayfly_types::Destination {
            app: app.parse().unwrap(),
            function: function.parse().unwrap(),
        })
    };
    assert_eq!(events.on_success, named("a", "done"));
    assert_eq!(events.on_failure, named("ops", "alert"));
    let plain = parse("app = \"a\"\n[functions.f]\ncode = \"f.js\"\n", "mayfly.toml").unwrap();
    assert_eq!(*plain.functions()["f"].events(), mayfly_types::AsyncConfig::default());
}

#[test]
fn what_becomes_of_events_is_bounded_and_comes_to_an_end() {
    let wrong = |line: &str| in_function(&format!("[functions.f.async]\n{line}")).join("\n");
    let cases = [
        ("attempts = 0", "5:12 `attempts` is from 1 to"),
        ("attempts = 101", "5:12 `attempts` is from 1 to 100, not 101 -- leave it out for 3"),
        ("max_age = \"337h\"", "5:11 `max_age` is from 1ms to 336h, not 337h"),
        ("backoff = 3", "5:11 `backoff` needs a unit -- write \"3s\""),
        (
            "on_failure = \"alert\"",
            "5:14 `on_failure` names no function -- write \"function:NAME\"",
        ),
        ("on_failure = \"function:a b\"", "5:14 "),
        ("on_success = \"function:f\"", "5:14 `on_success` of `f` is `f` itself"),
        ("on_success = \"function:a/f\"", "5:14 `on_success` of `f` is `f` itself"),
        ("retries = 3", "5:1 "),
    ];
    for (line, expected) in cases {
        let told = wrong(line);
        assert!(told.starts_with(expected), "{line}: {told}");
    }
}
