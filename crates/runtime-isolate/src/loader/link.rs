//! Whether every name that a module imports is there.
//!
//! The engine would say so too, but without the place and one name at a time. CommonJS files have
//! no list of names: what others import from them is what their facades export.

use std::collections::BTreeSet;

use mayfly_runtime_api::Diagnostic;

use super::graph::{Content, Unit};
use super::position;

/// Completes the names of facades.
pub(super) fn link(units: &mut [Unit]) -> Vec<Diagnostic> {
    for index in 0..units.len() {
        if units[index].facade.is_some() {
            let names = names(units, index, &mut BTreeSet::new());
            units[index].facade.get_or_insert_default().extend(names);
        }
    }
    let mut faults = Vec::new();
    let mut through_star = Vec::new();
    for unit in units.iter() {
        let Content::Module(module) = &unit.content else { continue };
        for request in &module.requests {
            let Some(&target) = unit.imports.get(&request.specifier) else { continue };
            for (name, at) in &request.names {
                match find(units, target, name, &mut BTreeSet::new()) {
                    Found::Here => {}
                    Found::Facade(facade) => through_star.push((facade, name.clone())),
                    Found::Nowhere if unit.own => {
                        faults.push(missing(units, unit, &request.specifier, target, name, *at));
                    }
                    Found::Nowhere => {}
                }
            }
        }
    }
    for (facade, name) in through_star {
        units[facade].facade.get_or_insert_default().insert(name);
    }
    faults
}

enum Found {
    /// The module exports it, or it cannot be known that it does not.
    Here,
    /// This CommonJS file, which the module passes on, has to.
    Facade(usize),
    Nowhere,
}

fn find(units: &[Unit], index: usize, name: &str, visited: &mut BTreeSet<usize>) -> Found {
    if !visited.insert(index) {
        return Found::Nowhere;
    }
    let unit = &units[index];
    match &unit.content {
        Content::Broken => Found::Here,
        Content::Json(_) => {
            if name == "default" {
                Found::Here
            } else {
                Found::Nowhere
            }
        }
        Content::CommonJs(_) => {
            let known = unit.facade.as_ref().is_some_and(|names| names.contains(name));
            if known || name == "default" { Found::Here } else { Found::Facade(index) }
        }
        Content::Module(module) => {
            if module.exports.contains(name) {
                return Found::Here;
            }
            if name == "default" {
                return Found::Nowhere;
            }
            let mut found = Found::Nowhere;
            for target in module.stars.iter().filter_map(|star| unit.imports.get(star)) {
                match find(units, *target, name, visited) {
                    Found::Here => return Found::Here,
                    Found::Facade(facade) => found = Found::Facade(facade),
                    Found::Nowhere => {}
                }
            }
            found
        }
    }
}

/// All names that a unit exports, as far as they can be seen.
fn names(units: &[Unit], index: usize, visited: &mut BTreeSet<usize>) -> BTreeSet<String> {
    if !visited.insert(index) {
        return BTreeSet::new();
    }
    let unit = &units[index];
    let (mut names, stars, targets) = match &unit.content {
        Content::CommonJs(module) => (module.exports.clone(), &module.stars, &unit.requires),
        Content::Module(module) => (module.exports.clone(), &module.stars, &unit.imports),
        Content::Json(_) | Content::Broken => return BTreeSet::new(),
    };
    for target in stars.iter().filter_map(|star| targets.get(star)) {
        names.extend(self::names(units, *target, visited));
    }
    names
}

fn missing(
    units: &[Unit],
    unit: &Unit,
    specifier: &str,
    target: usize,
    name: &str,
    at: usize,
) -> Diagnostic {
    let message = match name {
        "default" => format!("`{specifier}` has no default export"),
        name => format!("`{specifier}` does not export `{name}`"),
    };
    let offered = names(units, target, &mut BTreeSet::new());
    let target = &units[target].name;
    let similar = position::nearest(name, offered.iter().map(String::as_str));
    let help = match similar {
        Some(similar) => format!("it exports `{similar}`"),
        None if is_typescript(&unit.name) => {
            format!("if it is a type, mark it: `type {name}`; the values are in {target}")
        }
        None => format!("see {target}"),
    };
    position::at(message, &unit.name, &unit.source, at).help(help)
}

fn is_typescript(name: &str) -> bool {
    [".ts", ".mts", ".tsx"].iter().any(|extension| name.ends_with(extension))
}
