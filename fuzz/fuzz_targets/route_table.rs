//! Lines of patterns and paths: no table panics, and a pattern without parameters finds itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mayfly_manifest::{RouteMatch, RouteTable};
use mayfly_types::{FunctionName, Route};

fuzz_target!(|text: &str| {
    let function = FunctionName::new("f").expect("a good name");
    let (patterns, paths) = text.split_once("\n\n").unwrap_or((text, ""));
    let mut routes: Vec<Route> = Vec::new();
    for line in patterns.lines() {
        let (method, path) = line.split_once(' ').unwrap_or(("", line));
        let methods = if method.is_empty() { Vec::new() } else { vec![method.to_owned()] };
        routes.push(Route { path: path.to_owned(), methods, function: function.clone() });
        if RouteTable::new(&routes).is_err() {
            routes.pop();
        }
    }
    let table = RouteTable::new(&routes).expect("each route was tried");
    for path in paths.lines() {
        let _ = table.find("GET", path);
    }
    for route in &routes {
        let found = table.find(route.methods.first().map_or("GET", String::as_str), &route.path);
        if !route.path.contains('{') {
            let RouteMatch::Found { params, .. } = found else { panic!("{route:?}: {found:?}") };
            assert!(params.is_empty());
        }
    }
});
