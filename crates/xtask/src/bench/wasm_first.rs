//! `wasm-first`: the first answer of a component that has never run.

use std::fs;

use anyhow::{Context as _, ensure};

use super::first::{Uncalled, app};
use super::node::Node;
use super::report::Report;
use super::{Bench, Settings};
use crate::wasm;

pub(super) const BENCH: Bench = Bench {
    name: "wasm-first",
    title: "First answer of a `wasm` function that has never run",
    run,
};

/// Each is compiled when it is deployed, which takes a while.
const FUNCTIONS: usize = 40;

fn run(settings: &Settings) -> anyhow::Result<Report> {
    let mut report = Report::new(settings);
    wasm::run()?;
    let component = fs::read(wasm::guests().join("hello.wasm")).context("read the component")?;
    let count = settings.amount(FUNCTIONS, 3);
    let mut node = Node::start(settings, &[])?;
    let scratch = node.scratch()?;
    let file = scratch.path().join("hello.wasm");
    for index in 0..count {
        fs::write(&file, distinct(&component, index)?)?;
        node.deploy_path(&app(index), &file, "")?;
    }
    let answer = |_| "hello x 1\n".to_owned();
    Uncalled { node, count, restarts: settings.rounds, answer }.measure(settings, &mut report)?;
    report.note(
        "All are the same program with another number in a section that nobody reads, so that each is \
         compiled, kept and loaded by itself. A first answer loads compiled code from the node's cache, \
         whose files the kernel has in memory.",
    );
    Ok(report)
}

/// The same component with a section of its own, so that its digest is another.
fn distinct(component: &[u8], index: usize) -> anyhow::Result<Vec<u8>> {
    const NAME: &[u8] = b"number";
    let number = (index as u64).to_le_bytes();
    let length = 1 + NAME.len() + number.len();
    // Below that, a length of LEB128 is one byte and the same as the number itself.
    ensure!(length < 0x80, "the section is too long");
    let mut distinct = component.to_vec();
    distinct.extend([0, length as u8, NAME.len() as u8]);
    distinct.extend_from_slice(NAME);
    distinct.extend(number);
    Ok(distinct)
}

#[cfg(test)]
mod tests {
    use wasmparser::{Parser, Payload};

    use super::*;

    #[test]
    fn components_differ_in_a_section_that_nobody_reads() {
        let empty = [b"\0asm".as_slice(), &[0x0d, 0, 1, 0]].concat();
        let (one, two) = (distinct(&empty, 1).unwrap(), distinct(&empty, 2).unwrap());
        assert_ne!(one, two);
        let sections: Vec<_> = Parser::new(0)
            .parse_all(&one)
            .filter_map(|payload| match payload.unwrap() {
                Payload::CustomSection(section) => Some(section.name().to_owned()),
                _ => None,
            })
            .collect();
        assert_eq!(sections, ["number"]);
    }
}
