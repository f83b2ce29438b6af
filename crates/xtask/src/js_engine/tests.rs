use super::inputs::{Digests, changed};
use super::invariants;

/// A module of these sections.
fn module(sections: &[(u8, &[u8])]) -> Vec<u8> {
    let mut bytes = b"\0asm\x01\0\0\0".to_vec();
    for (id, content) in sections {
        // The size as LEB128 of two bytes.
        let size = u16::try_from(content.len()).unwrap();
        assert!(size < 1 << 14);
        bytes.extend([*id, (size & 0x7f) as u8 | 0x80, (size >> 7) as u8]);
        bytes.extend_from_slice(content);
    }
    bytes
}

fn section(items: &[&[u8]]) -> Vec<u8> {
    let mut content = vec![u8::try_from(items.len()).unwrap()];
    items.iter().for_each(|item| content.extend_from_slice(item));
    content
}

fn export(name: &str, kind: u8) -> Vec<u8> {
    let mut item = vec![u8::try_from(name.len()).unwrap()];
    item.extend_from_slice(name.as_bytes());
    item.extend([kind, 0]);
    item
}

/// A module that holds every invariant, with this function body and these globals.
fn engine(body: &[u8], globals: &[&[u8]], start: bool) -> Vec<u8> {
    let functions = [
        "mayfly_init",
        "mayfly_compile",
        "mayfly_alloc",
        "mayfly_short",
        "mayfly_boot",
        "mayfly_load",
        "mayfly_begin",
        "mayfly_settle",
    ];
    let mut exports = vec![export("memory", 2), export("__stack_pointer", 3)];
    exports.extend(functions.map(|name| export(name, 0)));
    let exports: Vec<&[u8]> = exports.iter().map(Vec::as_slice).collect();
    let mut code = vec![u8::try_from(body.len() + 1).unwrap(), 0];
    code.extend_from_slice(body);
    let sections: [(u8, Vec<u8>); 8] = [
        (1, section(&[&[0x60, 0, 0]])),
        (3, section(&[&[0]])),
        (4, section(&[&[0x70, 0, 1]])),
        (5, section(&[&[0, 1]])),
        (6, section(globals)),
        (7, section(&exports)),
        (8, vec![0]),
        (10, section(&[&code])),
    ];
    let kept = sections.iter().filter(|(id, _)| start || *id != 8);
    let kept: Vec<(u8, &[u8])> = kept.map(|(id, content)| (*id, content.as_slice())).collect();
    module(&kept)
}

const NOTHING: &[u8] = &[0x0b];
/// `(global (mut i32) (i32.const 0))`
const MUTABLE: &[u8] = &[0x7f, 1, 0x41, 0, 0x0b];
const CONSTANT: &[u8] = &[0x7f, 0, 0x41, 0, 0x0b];
/// `(table.set 0 (i32.const 0) (ref.null func))`
const SETS_THE_TABLE: &[u8] = &[0x41, 0, 0xd0, 0x70, 0x26, 0, 0x0b];

#[test]
fn a_module_whose_only_other_state_is_the_stack_pointer_is_acceptable() {
    assert_eq!(invariants::broken(&engine(NOTHING, &[MUTABLE, CONSTANT], false)).unwrap(), [""; 0]);
}

#[test]
fn state_that_a_reset_would_miss_is_refused() {
    let refused = |module: Vec<u8>| invariants::broken(&module).unwrap().join("; ");
    assert!(refused(engine(NOTHING, &[MUTABLE, MUTABLE], false)).contains("only global"));
    assert!(refused(engine(SETS_THE_TABLE, &[MUTABLE], false)).contains("table.set"));
    assert!(refused(engine(NOTHING, &[MUTABLE], true)).contains("start function"));
    assert!(refused(module(&[])).contains("does not export `memory`"));
}

#[test]
fn paths_of_a_machine_are_found() {
    assert_eq!(invariants::paths(b"/deps/x/src/lib.rs", &["/srv/build".into()]), [""; 0]);
    assert_eq!(invariants::paths(b"..\0/srv/build/x.rs", &["/srv/build".into()]).len(), 1);
}

#[test]
fn a_change_of_the_sources_is_named() {
    let digests = |files: &[(&str, &str)]| -> Digests {
        files.iter().map(|(path, digest)| ((*path).into(), (*digest).into())).collect()
    };
    let before = digests(&[("a", "1"), ("b", "1"), ("c", "1")]);
    let now = digests(&[("a", "1"), ("b", "2"), ("d", "1")]);
    assert_eq!(changed(&before, &now), ["c (deleted)", "b", "d (new)"]);
}
