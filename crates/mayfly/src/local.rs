//! An app on this machine's disk: its manifest, or one made up for a single file, and its code.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use anyhow::Context as _;
use mayfly_artifact::Packed;
use mayfly_manifest::{Manifest, app_name_from, function_name_from};
use mayfly_types::{AppName, FunctionName};

/// The name of an app's manifest.
pub(crate) const MANIFEST: &str = "mayfly.toml";

/// An app on disk.
#[derive(Debug)]
pub(crate) struct LocalApp {
    /// What paths in the manifest are relative to.
    pub(crate) base: PathBuf,
    /// The manifest.
    pub(crate) manifest: Manifest,
    /// The manifest's file; absent where it was made up.
    pub(crate) manifest_file: Option<PathBuf>,
}

impl LocalApp {
    /// Opens an app directory, a manifest, or a single file of code. `name` replaces the name that
    /// a made-up manifest takes from the file.
    pub(crate) fn open(path: &Path, name: Option<&AppName>) -> anyhow::Result<Self> {
        let path = std::path::absolute(path)?;
        let meta = std::fs::metadata(&path)
            .with_context(|| format!("{} cannot be opened", crate::node::shown(&path)))?;
        let manifest_file = match meta.is_dir() {
            true => path.join(MANIFEST),
            false if path.file_name().is_some_and(|name| name == MANIFEST) => path.clone(),
            false => return Self::single(&path, name),
        };
        if !manifest_file.exists() {
            return Self::single(&path, name);
        }
        let text = std::fs::read_to_string(&manifest_file)
            .with_context(|| format!("read {}", crate::node::shown(&manifest_file)))?;
        let manifest = mayfly_manifest::parse(&text, &crate::node::shown(&manifest_file))?;
        let base = manifest_file.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { base, manifest, manifest_file: Some(manifest_file) })
    }

    fn single(code: &Path, name: Option<&AppName>) -> anyhow::Result<Self> {
        let stem = code.file_stem().map(|stem| stem.to_string_lossy()).unwrap_or_default();
        let app = name.cloned().unwrap_or_else(|| app_name_from(&stem));
        let (function, shown) = (function_name_from(&stem), code.to_string_lossy());
        let manifest = Manifest::single_file(&app, &function, &shown)?;
        let base = code.parent().unwrap_or(Path::new("/")).to_owned();
        Ok(Self { base, manifest, manifest_file: None })
    }

    /// Packs the code of every function. Functions with the same code share an artifact.
    pub(crate) fn pack(&self) -> anyhow::Result<BTreeMap<FunctionName, Packed>> {
        let limits = mayfly_artifact::Limits::default();
        let mut packed = BTreeMap::new();
        for (name, section) in self.manifest.functions() {
            let root = self.base.join(section.code());
            let code = mayfly_artifact::pack(&root, &limits).with_context(|| {
                format!("pack function `{name}` from {}", crate::node::shown(&root))
            })?;
            packed.insert(name.clone(), code);
        }
        Ok(packed)
    }
}
