//! Any text is a manifest or has mistakes that are in it.
#![no_main]

use std::collections::BTreeMap;

use libfuzzer_sys::fuzz_target;
use mayfly_manifest::{CodeFiles, RouteTable, parse};

fuzz_target!(|text: &str| {
    match parse(text, "mayfly.toml") {
        Ok(manifest) => {
            let names = manifest.functions().keys().cloned();
            let files = CodeFiles { files: vec!["index.js".into(), "src/app.ts".into()] };
            let code: BTreeMap<_, _> = names.map(|name| (name, files.clone())).collect();
            if let Ok(app) = manifest.resolve(&code) {
                RouteTable::new(&app.routes).expect("a manifest's routes fit together");
            }
        }
        Err(errors) => {
            for problem in errors.problems() {
                assert!(text.get(problem.span.clone()).is_some());
            }
        }
    }
});
