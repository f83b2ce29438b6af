//! Code that is written to exhaust whoever reads it.

use super::super::{MAX_MODULES, MAX_SOURCE, depth};
use super::{Tree, fault, graph, write};

const MILLION: usize = 1_000_000;

#[test]
fn a_million_levels_of_anything_are_a_diagnostic() {
    let nested = [
        ("brackets", "[".repeat(MILLION)),
        ("closed brackets", "[".repeat(MILLION) + &"]".repeat(MILLION)),
        ("parentheses", "(".repeat(MILLION)),
        ("braces", "{".repeat(MILLION)),
        ("not", "!".repeat(MILLION) + "a"),
        ("minus", "- ".repeat(MILLION) + "a"),
        ("decrements", "--".repeat(MILLION) + "a"),
        ("typeof", "typeof ".repeat(MILLION) + "a"),
        ("templates", "`${".repeat(MILLION)),
        ("arrows", "a=>".repeat(MILLION) + "a"),
        ("ternaries", "a?b:".repeat(MILLION) + "c"),
        ("ifs", "if(1)".repeat(MILLION) + ";"),
        ("elses", "if(1){}else ".repeat(MILLION) + ";"),
        ("members", "a".to_owned() + &".a".repeat(MILLION)),
        ("calls", "a".to_owned() + &"()".repeat(MILLION)),
        ("tags", "a".to_owned() + &"``".repeat(MILLION)),
        ("sums", "a".to_owned() + &"+a".repeat(MILLION)),
        ("powers", "a".to_owned() + &"**a".repeat(MILLION)),
        ("assignments", "a=".repeat(MILLION) + "a"),
        ("labels", (0..100_000).map(|n| format!("a{n}:")).collect::<String>() + ";"),
        ("after a string", "['[',".repeat(MILLION)),
        ("functions", "function a(){".repeat(MILLION)),
        ("objects", "{a:".repeat(MILLION)),
        ("news", "new ".repeat(MILLION) + "a"),
    ];
    for (what, source) in nested {
        let found = fault(&[("index.js", &source)]);
        assert_eq!(found.message, "nested deeper than 10000", "{what}");
        assert_eq!((found.line, found.source), (Some(1), None), "{what}");
    }
    for (what, source) in [
        ("tuples", "let a: ".to_owned() + &"[".repeat(MILLION)),
        ("arguments", "let a: ".to_owned() + &"A<".repeat(MILLION)),
        ("keyof", "let a: ".to_owned() + &"keyof ".repeat(MILLION) + "b"),
        ("readonly", "let a: ".to_owned() + &"readonly ".repeat(MILLION) + "b[]"),
        ("casts", "x = a".to_owned() + &" as\nany".repeat(MILLION)),
        ("sure", "x = a".to_owned() + &"!".repeat(MILLION)),
    ] {
        assert_eq!(fault(&[("index.ts", &source)]).message, "nested deeper than 10000", "{what}");
    }
    let source = "x = ".to_owned() + &"<a>".repeat(MILLION);
    assert_eq!(fault(&[("index.jsx", &source)]).message, "nested deeper than 10000");
}

#[test]
fn a_pattern_may_be_as_deep_as_it_likes() {
    let source = format!("export const a = () => /{}{}/", "(".repeat(MILLION), ")".repeat(MILLION));
    graph(&[("index.js", &source)]);
}

#[test]
fn the_deepest_source_that_is_let_through_is_read() {
    let levels = depth::MAX_DEPTH - 10;
    for (open, middle, close) in [
        ("[", "", "]"),
        ("(", "1", ")"),
        ("{", "", "}"),
        ("!", "1", ""),
        ("`${", "1", "}`"),
        ("+1", "+1", ""),
    ] {
        let body = open.repeat(levels) + middle + &close.repeat(levels);
        let start = if open == "{" { "" } else { "x = " };
        let source = format!("var x; {start}{body};");
        graph(&[("index.js", &source)]);
        graph(&[("index.ts", &source)]);
    }
}

#[test]
fn long_code_is_not_deep_code() {
    let line = |text: &str| text.repeat(20_000);
    for source in [
        line("a.b(c).d = `x${y}z` + (1 - 2) / 3\n"),
        line("if (a) { b() } else if (c) { d() }\n"),
        line("if(a){b.c()}"),
        line("function f(a){return a.b}"),
        line("x = /[(\\[/]/.test('((((') // ((((((\n"),
        line("export_.foo = '[[[[' /* {{{{ */;"),
        format!("x = [{}]", line("{a: 1, b: -2, c: [3.5]}, ")),
        format!("class A {{ {} }}", line("a = 1\n m() { return this.a }\n")),
        line("foo()\n  .bar()\n  .baz()\nqux()\n"),
    ] {
        assert_eq!(depth::too_deep(&source), None, "{}", &source[..60]);
    }
}

#[test]
fn a_graph_of_too_many_modules_is_refused() {
    let tree = Tree::new(&[("index.js", "")]);
    let mut index = String::new();
    for number in 0..MAX_MODULES {
        write(tree.directory.path(), &format!("m/{number}.js"), "");
        index += &format!("import './m/{number}.js'\n");
    }
    write(tree.directory.path(), "index.js", &index);
    let faults = tree.load().unwrap_err();
    assert_eq!(faults[0].message, "more than 5000 modules");
}

#[test]
fn too_much_source_is_refused_before_it_is_read() {
    let tree = Tree::new(&[("index.js", "import './big.js'")]);
    let big = std::fs::File::create(tree.directory.path().join("big.js")).unwrap();
    big.set_len(MAX_SOURCE).unwrap();
    let fault = tree.load().unwrap_err().remove(0);
    let message = "big.js: with this file, the function has more than 32 MB of source";
    assert_eq!(fault.to_string(), message);
}
