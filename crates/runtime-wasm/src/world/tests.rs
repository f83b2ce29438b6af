use super::*;

fn of(component: bool, imports: &[&str], exports: &[&str]) -> Vec<String> {
    let owned = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
    let world =
        World { component, imports: owned(imports), exports: owned(exports), ..World::default() };
    let problems = world.problems().into_iter();
    problems
        .map(|found| format!("{} -- {}", found.message, found.help.unwrap_or_default()))
        .collect()
}

const HANDLER: &str = "wasi:http/incoming-handler@0.2.0";

#[test]
fn a_component_of_the_world_has_no_problems() {
    for handler in [HANDLER, "wasi:http/incoming-handler@0.2", "wasi:http/incoming-handler@0.2.12"]
    {
        let imports = ["wasi:http/types@0.2.3", "wasi:io/streams@0.2.0", "wasi:cli/stdout@0.2.9"];
        assert_eq!(of(true, &imports, &[handler, "more"]), [""; 0], "{handler}");
    }
}

#[test]
fn what_is_missing_is_told_with_what_is_there() {
    let [problem] = &of(true, &[], &["wasi:cli/run@0.2.0"])[..] else { panic!("one problem") };
    assert!(problem.contains("it exports `wasi:cli/run@0.2.0`"), "{problem}");
    assert!(problem.contains("program of the command line"), "{problem}");
    let [problem] = &of(true, &[], &["wasi:http/handler@0.3.0"])[..] else { panic!("one problem") };
    assert!(problem.contains("WASI 0.3 is not in this build yet"), "{problem}");
    let [problem] = &of(true, &[], &[])[..] else { panic!("one problem") };
    assert!(problem.contains("it exports nothing"), "{problem}");
    // Nothing of another version by its beginning alone.
    assert_eq!(of(true, &[], &["wasi:http/incoming-handler@0.20.0"]).len(), 1);
    let many: Vec<String> = (0..20).map(|n| format!("f{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let [problem] = &of(false, &[], &many)[..] else { panic!("one problem") };
    assert!(problem.contains("`f7` and 12 more") && !problem.contains("`f8`"), "{problem}");
}

#[test]
fn an_import_that_nothing_offers_is_named() {
    let problems = of(
        true,
        &["wasi:keyvalue/store@0.2.0-draft", "acme:db/query", "wasi:http/types@0.3.0", "plain"],
        &[HANDLER],
    );
    let [store, query, types] = &problems[..] else { panic!("{problems:#?}") };
    assert!(store.contains("`wasi:keyvalue/store@0.2.0-draft`"), "{store}");
    assert!(store.contains("bindings to stores come with a later one"), "{store}");
    assert!(query.contains("compose the component"), "{query}");
    assert!(types.contains("WASI 0.3 is not in this build yet"), "{types}");
}

#[test]
fn no_file_makes_the_reader_panic() {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../target/wasm/guests/hello.wasm");
    let whole = std::fs::read(root).expect("`cargo xtask wasm` compiles it");
    assert_eq!(World::read(&whole).unwrap().problems().len(), 0);
    let mut read = 0;
    for at in (0..whole.len()).step_by(97) {
        let mut altered = whole.clone();
        altered[at] ^= 0xa5;
        read += usize::from(World::read(&altered).is_ok());
        // What ends between two sections is whole, as far as it goes.
        let _ = World::read(&whole[..at]);
    }
    // Most bytes are code, which is not looked into here.
    assert!(read > 0);
}

#[test]
fn what_is_no_webassembly_is_told_by_its_beginning() {
    let message = |bytes: &[u8]| World::read(bytes).unwrap_err().message;
    assert!(message(b"").contains("empty"));
    assert!(message(b"PK\x03\x04rest").contains("50 4b 03 04"));
    assert!(message(b"\0asm\xff\xff\xff\xff").contains("broken"));
    assert!(World::read(b"\0asm\x01\0\0\0").unwrap().problems()[0].message.contains("core module"));
}

#[test]
fn what_begins_with_much_data_has_its_memory_mapped() {
    let kind = |guest: &str| {
        let bytes = std::fs::read(crate::tests::guest(guest)).unwrap();
        World::read(&bytes).unwrap().kind()
    };
    assert_eq!(kind("hello"), Kind::Kept);
    assert_eq!(kind("python"), Kind::Mapped);
    assert_eq!(Kind::of(0, 1 << 20), Kind::Mapped);
}
