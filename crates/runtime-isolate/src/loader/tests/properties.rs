//! Whatever the text, an answer.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::super::{SourceMap, depth, remap_stack};
use super::Tree;

/// Text out of the pieces that code is made of.
fn code() -> impl Strategy<Value = String> {
    let pieces = [
        "import ",
        "export ",
        "default ",
        "from ",
        "'./a.json'",
        "with {",
        "type: 'json'",
        "}",
        "{",
        "(",
        ")",
        "[",
        "]",
        "a",
        "=",
        ";",
        ",",
        "`",
        "${",
        "/",
        "*",
        "\n",
        "'",
        "\"",
        "=>",
        "require(",
        "module.exports",
        "exports.a",
        "import(",
        "class ",
        "enum ",
        "as ",
        "type ",
        "<",
        ">",
        "é",
        "\u{feff}",
        "#!",
        "//",
        "@",
        ".",
        "...",
        "async ",
        "await ",
        "1",
        "\\",
        "interface ",
        "return ",
        "if ",
        "function ",
        ": ",
        "?",
        "!",
        "\0",
        "\u{2028}",
        "\r",
    ];
    prop::collection::vec(prop::sample::select(pieces.to_vec()), 0..40)
        .prop_map(|pieces| pieces.concat())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 500, ..ProptestConfig::default() })]

    #[test]
    fn any_text_loads_or_has_faults(source in code(), extension in 0..6_usize) {
        let extension = ["js", "ts", "tsx", "jsx", "cjs", "json"][extension];
        let entry = format!("index.{extension}");
        let tree = Tree::new(&[(&entry, &source), ("a.json", "1")]);
        match tree.load() {
            Ok(graph) => prop_assert!(graph.entry < graph.modules.len()),
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults {
                    prop_assert_ne!(fault.message, "the loader cannot read this code");
                }
            }
        }
    }

    #[test]
    fn any_text_has_a_depth(source in code(), times in 1..2_000_usize) {
        let offset = depth::too_deep(&source.repeat(times));
        prop_assert!(offset.is_none_or(|offset| offset < source.len() * times));
    }

    #[test]
    fn any_stack_is_rewritten(stack in ".*", name in "[a-z(): ]*", mappings in "[A-Za-z,;+]*") {
        let map: SourceMap = serde_json::from_value(mappings.into()).unwrap();
        let maps = BTreeMap::from([(name.clone(), map)]);
        remap_stack(&stack, &maps);
        remap_stack(&format!("  at f ({name}:1:1)\n{stack}\nat {name}:2:9"), &maps);
    }
}
