//! Turns the files of an artifact into the modules that the engine evaluates.
//!
//! [`load`] starts at the entry file and follows every static import, `export … from`,
//! `import("literal")` and `require("literal")` until it has the whole graph. TypeScript and JSX
//! become JavaScript, CommonJS files become modules, everything else stays as it was written.
//! Specifiers stay as they were written too: each [`Module`] says which module each of them means.
//!
//! Whatever is read here was written by a stranger. So `load` belongs in a bounded child process,
//! reads nothing outside the artifact's directory, counts modules and bytes, and refuses source
//! that is nested deeply enough to exhaust a parser's stack.

mod commonjs;
mod depth;
mod explain;
mod graph;
mod link;
mod parse;
mod position;
mod resolve;
mod source_map;
mod typescript;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use mayfly_runtime_api::Diagnostic;
use serde::{Deserialize, Serialize};

pub(crate) use source_map::{SourceMap, remap_stack};

/// The most modules that one function may have.
pub(crate) const MAX_MODULES: usize = 5_000;

/// The most source, in bytes as the files are stored, that one function may have.
pub(crate) const MAX_SOURCE: u64 = 32 << 20;

/// The parser descends once per level of nesting, so it gets a stack for the deepest source that
/// [`depth`] lets through, in an unoptimised build too.
const STACK: usize = 256 << 20;

/// What to load.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LoadRequest<'a> {
    /// The directory of the unpacked artifact.
    pub(crate) root: &'a Path,
    /// The file to start from, relative to `root`, with `/`.
    pub(crate) entry: &'a str,
}

/// A function's modules.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ModuleGraph {
    /// The index in `modules` of the one to evaluate.
    pub(crate) entry: usize,
    /// All of them, in the order in which they were found.
    pub(crate) modules: Vec<Module>,
    /// What the author should know and that does not stop the deployment.
    pub(crate) warnings: Vec<String>,
}

/// One module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Module {
    /// The path relative to the artifact's root, with `/`: what stack traces show. The module
    /// that gives a CommonJS file its ES exports is named after the file, with `?esm`.
    pub(crate) name: String,
    /// ECMAScript module source.
    pub(crate) source: String,
    /// Where `source` came from, when it is not what the file holds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) map: Option<SourceMap>,
    /// Each specifier in `source` and the index of the module that it means.
    pub(crate) imports: BTreeMap<String, usize>,
}

/// Loads a function's modules.
///
/// # Errors
/// What is wrong with the code, at most a screenful of it, in the order in which it was found.
pub(crate) fn load(request: LoadRequest<'_>) -> Result<ModuleGraph, Vec<Diagnostic>> {
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new()
            .name("js-loader".into())
            .stack_size(STACK)
            .spawn_scoped(scope, || graph::load(request))
            .map_err(|error| {
                vec![Diagnostic::new(format!("start the loader's thread: {error}"))]
            })?;
        thread.join().unwrap_or_else(|_| {
            let fault = Diagnostic::new("the loader cannot read this code")
                .help("this is a fault in mayfly: report it with the file that causes it");
            Err(vec![fault])
        })
    })
}
