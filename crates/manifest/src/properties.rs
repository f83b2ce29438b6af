//! What holds for every manifest and every path.

use std::collections::{BTreeMap, BTreeSet};

use mayfly_types::{FunctionName, Route};
use proptest::collection::{btree_map, btree_set, vec};
use proptest::option;
use proptest::prelude::*;

use crate::pattern::{self, Segment};
use crate::{CodeFiles, RouteMatch, RouteTable, parse};

/// A manifest to write down and to find again.
#[derive(Debug, Clone)]
struct Written {
    app: String,
    functions: BTreeMap<String, WrittenFunction>,
    routes: Vec<(String, BTreeSet<String>, prop::sample::Index)>,
}

#[derive(Debug, Clone)]
struct WrittenFunction {
    code: String,
    memory: Option<u64>,
    timeout: Option<u64>,
    concurrency: Option<u32>,
    env: BTreeMap<String, String>,
    secrets: BTreeSet<String>,
    egress: Vec<String>,
}

fn function() -> impl Strategy<Value = WrittenFunction> {
    (
        "[a-z]{1,8}(/[a-z]{1,8}){0,2}\\.js",
        option::of(16_u64..=4096),
        option::of(1_u64..1_000_000),
        option::of(1_u32..),
        btree_map("[A-M_][A-Z0-9_]{0,6}", "[^\0]{0,12}", 0..3),
        btree_set("[N-Z][A-Z0-9_]{0,6}", 0..3),
        vec("(\\*|[a-z]{1,6}\\.[a-z]{2,4}(:[1-9][0-9]{0,3})?)", 0..3),
    )
        .prop_map(|(code, memory, timeout, concurrency, env, secrets, egress)| {
            WrittenFunction { code, memory, timeout, concurrency, env, secrets, egress }
        })
}

fn manifest() -> impl Strategy<Value = Written> {
    let functions = btree_map("[a-zA-Z][a-z0-9_]{0,8}", function(), 1..4);
    let methods = btree_set(prop::sample::select(vec!["GET", "PUT", "PURGE"]), 0..3)
        .prop_map(|set| set.into_iter().map(str::to_owned).collect());
    let routes = vec(
        ("(/[a-z]{1,4}|/\\{[a-z]{1,2}0?\\}){1,3}", methods, any::<prop::sample::Index>()),
        0..3,
    );
    ("[a-z][a-z0-9]{0,9}(-[a-z0-9]{1,5})?", functions, routes).prop_map(
        |(app, functions, routes)| {
            // Only routes that can stand beside each other.
            let mut taken = BTreeSet::new();
            let routes = routes
                .into_iter()
                .filter(|(path, ..): &(String, _, _)| pattern::parse(path).is_ok())
                .filter(|(path, ..)| taken.insert(format!("{:?}", shape(path))))
                .collect();
            Written { app, functions, routes }
        },
    )
}

fn shape(path: &str) -> Vec<String> {
    pattern::parse(path).unwrap().iter().map(|segment| format!("{:?}", segment.shape())).collect()
}

fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

fn list<'a>(items: impl IntoIterator<Item = &'a String>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| quoted(item)).collect();
    format!("[{}]", items.join(", "))
}

impl Written {
    fn function_of(&self, index: prop::sample::Index) -> &str {
        self.functions.keys().nth(index.index(self.functions.len())).unwrap()
    }

    fn text(&self) -> String {
        let mut text = format!("schema = 1\napp = {}\n", quoted(&self.app));
        for (name, function) in &self.functions {
            text += &format!("[functions.{name}]\ncode = {}\n", quoted(&function.code));
            if let Some(memory) = function.memory {
                text += &format!("memory = \"{memory}MB\"\n");
            }
            if let Some(timeout) = function.timeout {
                text += &format!("timeout = \"{timeout}ms\"\n");
            }
            if let Some(concurrency) = function.concurrency {
                text += &format!("concurrency = {concurrency}\n");
            }
            text += &format!("secrets = {}\n", list(&function.secrets));
            text += &format!("egress = {}\n", list(&function.egress));
            if !function.env.is_empty() {
                text += &format!("[functions.{name}.env]\n");
                for (key, value) in &function.env {
                    text += &format!("{key} = {}\n", quoted(value));
                }
            }
        }
        for (path, methods, function) in &self.routes {
            text += &format!(
                "[[routes]]\npath = {}\nfunction = {}\n",
                quoted(path),
                quoted(self.function_of(*function))
            );
            if !methods.is_empty() {
                text += &format!("methods = {}\n", list(methods));
            }
        }
        text
    }
}

/// Text that looks a little like a manifest.
fn scraps() -> impl Strategy<Value = String> {
    let scrap = prop_oneof![
        Just("[functions.f]\n".to_owned()),
        Just("[[routes]]\n".to_owned()),
        Just("app = \"a\"\n".to_owned()),
        Just("path = \"/{x\"\n".to_owned()),
        Just("code = \"f.js\"\n".to_owned()),
        Just("env = { A = \"é".to_owned()),
        Just("handler = \"a.b\"\n".to_owned()),
        "[a-z]{1,8} = [\"\\[{}\\]0-9a-zé.,]{0,8}\n",
        "\\PC{0,6}",
    ];
    vec(scrap, 0..10).prop_map(|scraps| scraps.concat())
}

/// A path pattern of few words, so that several meet.
fn pattern_text() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["/a", "/b", "/{x}", "/{y}", "/%61", "/c%2Fd"]);
    let end = prop::sample::select(vec!["", "", "/", "/{*rest}"]);
    (vec(segment, 0..4), end).prop_map(|(segments, end)| match segments.concat() + end {
        empty if empty.is_empty() => "/".to_owned(),
        path => path,
    })
}

fn path_text() -> impl Strategy<Value = String> {
    let segment = prop::sample::select(vec!["/a", "/b", "/", "/z", "/%61", "/c%2fd", "/%", "/é"]);
    vec(segment, 0..5).prop_map(|segments| segments.concat())
}

/// What a pattern takes from a path, found without a table: per segment how weak the match is, and
/// the raw parameters.
fn naive<'p>(pattern: &str, path: &'p str) -> Option<(Vec<u8>, Vec<&'p str>)> {
    let mut rest = Some(path.strip_prefix('/')?);
    let mut ranks = Vec::new();
    let mut params = Vec::new();
    for segment in pattern::parse(pattern).unwrap() {
        let here = rest?;
        let (text, after) = match here.split_once('/') {
            Some((text, after)) => (text, Some(after)),
            None => (here, None),
        };
        rest = after;
        match segment {
            Segment::Static(wanted) => {
                let found: Vec<u8> = percent_encoding::percent_decode_str(text).collect();
                if found != wanted {
                    return None;
                }
                ranks.push(0);
            }
            Segment::Param(_) => {
                if text.is_empty() {
                    return None;
                }
                ranks.push(1);
                params.push(text);
            }
            Segment::Tail(_) => {
                ranks.push(2);
                params.push(here);
                rest = None;
            }
        }
    }
    rest.is_none().then_some((ranks, params))
}

proptest! {
    #[test]
    fn no_text_makes_the_parser_panic(text in prop_oneof!["\\PC{0,80}", scraps()]) {
        if let Err(errors) = parse(&text, "mayfly.toml") {
            prop_assert!(errors.problems().len() > 0);
            for problem in errors.problems() {
                prop_assert!(text.get(problem.span.clone()).is_some());
                prop_assert!(problem.line >= 1 && problem.column >= 1);
            }
        }
    }

    #[test]
    fn a_valid_manifest_is_read_as_it_was_written(written in manifest()) {
        let text = written.text();
        let manifest = parse(&text, "mayfly.toml")
            .map_err(|errors| TestCaseError::fail(format!("{errors:?}\n{text}")))?;
        prop_assert_eq!(manifest.app().as_str(), &written.app);
        prop_assert_eq!(manifest.functions().len(), written.functions.len());
        for (name, wanted) in &written.functions {
            let found = &manifest.functions()[name.as_str()];
            prop_assert_eq!(found.code(), &wanted.code);
            prop_assert_eq!(found.memory().map(|size| size.as_bytes() >> 20), wanted.memory);
            prop_assert_eq!(found.timeout().map(|time| time.as_millis()), wanted.timeout);
            prop_assert_eq!(found.concurrency(), wanted.concurrency);
            prop_assert_eq!(found.env(), &wanted.env);
            prop_assert!(found.secrets().iter().eq(&wanted.secrets));
            prop_assert!(found.egress().eq(wanted.egress.iter().map(String::as_str)));
        }
        prop_assert_eq!(manifest.routes().len(), written.routes.len());
        for (found, (path, methods, function)) in manifest.routes().iter().zip(&written.routes) {
            prop_assert_eq!(found.path(), path);
            prop_assert!(found.methods().iter().eq(methods));
            prop_assert_eq!(found.function().as_str(), written.function_of(*function));
        }

        let code: BTreeMap<FunctionName, CodeFiles> = manifest
            .functions()
            .keys()
            .map(|name| (name.clone(), CodeFiles { files: vec!["index.js".into()] }))
            .collect();
        let app = manifest.resolve(&code).unwrap();
        prop_assert!(RouteTable::new(&app.routes).is_ok());
    }

    #[test]
    fn the_table_agrees_with_a_search_through_all_patterns(
        patterns in vec(pattern_text(), 1..8),
        path in path_text(),
    ) {
        let mut taken = BTreeSet::new();
        let routes: Vec<Route> = patterns
            .iter()
            .filter(|pattern| pattern::parse(pattern).is_ok())
            .filter(|pattern| taken.insert(format!("{:?}", shape(pattern))))
            .enumerate()
            .map(|(i, pattern)| Route {
                path: pattern.clone(),
                methods: Vec::new(),
                function: FunctionName::new(&format!("f{i}")).unwrap(),
            })
            .collect();
        let table = RouteTable::new(&routes).unwrap();
        let best = routes
            .iter()
            .filter_map(|route| naive(&route.path, &path).map(|found| (found, route)))
            .min_by(|((a, _), _), ((b, _), _)| a.cmp(b));
        match (table.find("GET", &path), best) {
            (RouteMatch::NotFound, None) => {}
            (RouteMatch::Found { function, pattern, params }, Some(((_, raw), route))) => {
                prop_assert_eq!(pattern, &route.path);
                prop_assert_eq!(function, &route.function);
                let decode =
                    |raw: &&str| percent_encoding::percent_decode_str(raw).decode_utf8_lossy().into_owned();
                let found: Vec<String> = params.into_iter().map(|(_, value)| value).collect();
                prop_assert_eq!(found, raw.iter().map(decode).collect::<Vec<_>>());
            }
            (found, best) => prop_assert!(false, "{found:?} but {best:?}"),
        }
    }

    #[test]
    fn no_route_and_no_path_make_the_table_panic(
        patterns in vec(prop_oneof!["\\PC{0,20}", "(/|\\{|\\}|\\*|%|[a-z0-9]){0,20}"], 0..6),
        method in "\\PC{0,6}",
        path in prop_oneof!["\\PC{0,30}", "(/|%|[a-z0-9]){0,30}"],
    ) {
        let routes: Vec<Route> = patterns
            .into_iter()
            .map(|path| Route {
                path,
                methods: vec![method.clone()],
                function: FunctionName::new("f").unwrap(),
            })
            .collect();
        for route in &routes {
            if let Ok(table) = RouteTable::new(std::slice::from_ref(route)) {
                let _ = table.find(&method, &path);
                let _ = table.find("GET", &route.path);
            }
        }
        let _ = RouteTable::new(&routes);
    }
}
