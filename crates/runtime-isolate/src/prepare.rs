//! What the child that prepares a function is asked to do.

use std::collections::BTreeMap;
use std::path::PathBuf;

use mayfly_types::ByteSize;
use serde::{Deserialize, Serialize};

/// What is told of code that broke the child.
pub(crate) const BROKE: &str =
    "the code nests too deeply, or needs too much memory or time to parse";

/// What a child is asked to do.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Job {
    /// Where the compiled engine is kept.
    pub(crate) engine: PathBuf,
    /// The unpacked artifact.
    pub(crate) root: PathBuf,
    /// The file to start from.
    pub(crate) entry: String,
    /// The export that handles; empty for the runtime's default.
    pub(crate) export: String,
    /// What the top level sees as `env`.
    pub(crate) env: BTreeMap<String, String>,
    /// The function's memory limit.
    pub(crate) memory: ByteSize,
    /// Where the image goes.
    pub(crate) image: PathBuf,
}
