use miette::{GraphicalReportHandler, GraphicalTheme};

use crate::parse;

fn report(text: &str) -> String {
    let errors = parse(text, "mayfly.toml").unwrap_err();
    let mut report = String::new();
    GraphicalReportHandler::new_themed(GraphicalTheme::none())
        .with_width(80)
        .render_report(&mut report, &errors)
        .unwrap();
    report
}

#[test]
fn one_mistake_is_shown_in_its_line_with_a_remedy() {
    let report = report("app = \"a\"\n[functions.f]\ncode = \"f.js\"\nmemroy = \"64MB\"\n");
    for part in [
        "function `f` has no key `memroy`",
        "mayfly.toml:4:1",
        "4 | memroy = \"64MB\"",
        "help: did you mean `memory`?",
    ] {
        assert!(report.contains(part), "{part} in\n{report}");
    }
}

#[test]
fn several_mistakes_are_each_shown_in_their_line() {
    let report = report("app = \"a\"\n[functions.f]\ncode = \"f.js\"\nmemory = 64\ntimeout = 5\n");
    for part in [
        "mayfly.toml has 2 mistakes",
        "mayfly.toml:4:10",
        "mayfly.toml:5:11",
        "help: write \"64MB\"",
        "help: write \"5s\"",
    ] {
        assert!(report.contains(part), "{part} in\n{report}");
    }
}

#[test]
fn a_problem_is_one_line_of_text() {
    let errors = parse("app = 1\nfunctions.f.code = \"f.js\"", "x/mayfly.toml").unwrap_err();
    let problem = errors.clone().into_problems().remove(0);
    assert_eq!(problem.to_string(), "x/mayfly.toml:1:7: `app` must be a string, not an integer");
    assert_eq!(errors.to_string(), "`app` must be a string, not an integer");
    assert_eq!(problem.source, "app = 1");
}
