use super::*;

fn help(path: &[&str]) -> String {
    let mut root = command().term_width(100);
    root.build();
    let mut found = &mut root;
    for name in path {
        found = found.find_subcommand_mut(name).unwrap();
    }
    found.render_long_help().to_string()
}

#[test]
fn the_arguments_make_sense() {
    command().debug_assert();
}

#[test]
fn every_command_explains_itself() {
    let command = command();
    let mut paths: Vec<Vec<&str>> = vec![vec![]];
    for sub in command.get_subcommands() {
        paths.push(vec![sub.get_name()]);
        paths.extend(sub.get_subcommands().map(|below| vec![sub.get_name(), below.get_name()]));
    }
    for path in paths {
        let text = help(&path);
        assert!(text.contains("Examples:\n"), "{path:?} has no examples");
        let name = if path.is_empty() { "mayfly".to_owned() } else { path.join("-") };
        insta::assert_snapshot!(format!("help-{name}"), text);
    }
}

#[test]
fn mayfly_alone_shows_the_way_in() {
    insta::assert_snapshot!(overview::render(Palette::Plain));
}
