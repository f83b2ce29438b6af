//! Stack traces in the author's own lines.

use std::collections::BTreeMap;

use super::super::{SourceMap, remap_stack};
use super::graph;

const SOURCE: &str = "interface Event {\n  name: string;\n}\n\nexport default {\n  async \
                      fetch(event: Event): Promise<void> {\n    throw new Error(event.name);\n  \
                      }\n};\n";

fn place(source: &str, what: &str) -> (u32, u32) {
    super::super::position::line_column(source, source.find(what).unwrap())
}

#[test]
fn a_generated_position_leads_to_the_original() {
    let graph = graph(&[("src/index.ts", SOURCE)]);
    let module = graph.named("src/index.ts");
    let map = module.map.as_ref().unwrap();
    for what in ["fetch(", "throw", "new Error", "event.name"] {
        let (line, column) = place(&module.source, what);
        assert_eq!(map.lookup(line, column), Some(place(SOURCE, what)), "{what}");
    }
    assert_eq!(map.lookup(0, 0), None);
    assert_eq!(map.lookup(999, 1), None);
}

#[test]
fn a_map_survives_serialisation() {
    let graph = graph(&[("src/index.ts", SOURCE)]);
    let map = graph.modules[0].map.clone().unwrap();
    let json = serde_json::to_string(&map).unwrap();
    assert_eq!(serde_json::from_str::<SourceMap>(&json).unwrap(), map);
}

#[test]
fn a_stack_is_rewritten_where_a_map_is_known() {
    let graph = graph(&[("src/(a b)/index.ts", SOURCE)]);
    let module = &graph.modules[0];
    let map = module.map.clone().unwrap();
    let maps = BTreeMap::from([(module.name.clone(), map)]);
    let (line, column) = place(&module.source, "new Error");
    let stack = format!(
        "    at fetch (src/(a b)/index.ts:{line}:{column})\n    at src/(a b)/index.ts:{line}:{column}\n\
         \x20   at other (lib.js:3:4)\n    at parse (native)\n    at <anonymous> (src/(a b)/index.ts)\n"
    );
    let (line, column) = place(SOURCE, "new Error");
    assert_eq!(
        remap_stack(&stack, &maps),
        format!(
            "    at fetch (src/(a b)/index.ts:{line}:{column})\n    at src/(a b)/index.ts:{line}:{column}\n\
             \x20   at other (lib.js:3:4)\n    at parse (native)\n    at <anonymous> (src/(a b)/index.ts)\n"
        )
    );
}

#[test]
fn a_broken_map_leads_nowhere() {
    for mappings in ["????", "A", ",,;;", "gggggggggggggggg", "D;D;D", "AADD"] {
        let map: SourceMap = serde_json::from_value(mappings.into()).unwrap();
        let _ = map.lookup(1, 1);
    }
}
