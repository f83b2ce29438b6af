//! An app as it lies on disk: its manifest, made up where there is none, and its code.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use mayfly_artifact::{Limits, PackError, Packed, pack_with};
use mayfly_manifest::{CodeFiles, Manifest, ManifestErrors, app_name_from, function_name_from};
use mayfly_types::{AppName, FunctionName};

use super::Failure;
use super::build::{self, BuildError};

/// A manifest with the directory that its paths are relative to.
#[derive(Debug, Clone)]
pub(crate) struct AppSource {
    manifest: Manifest,
    directory: PathBuf,
    builds: bool,
}

/// The code of every function of an app.
pub(crate) type PackedApp = BTreeMap<FunctionName, Packed>;

/// Why an app cannot be read.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SourceError {
    /// The manifest has mistakes.
    #[error(transparent)]
    Manifest(#[from] ManifestErrors),
    /// A file cannot be read.
    #[error("read {}: {source}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The directory is no app.
    #[error("{} has no mayfly.toml", .0.display())]
    NoManifest(PathBuf),
    /// A function's dependencies cannot be installed.
    #[error("function `{function}`: {source}")]
    Build {
        /// The function.
        function: FunctionName,
        /// Why.
        source: BuildError,
    },
    /// A function's code cannot be packed.
    #[error("function `{function}`: {source}")]
    Pack {
        /// The function.
        function: FunctionName,
        /// Why.
        source: PackError,
    },
}

impl AppSource {
    /// Reads the app at `path`: a directory with a manifest, a manifest, or a single file. `name`
    /// takes the place of the app's own name.
    pub(crate) fn open(path: &Path, name: Option<&AppName>) -> Result<Self, SourceError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| SourceError::Read { path, source }
        };
        if fs::metadata(path).map_err(failed(path))?.is_dir() {
            let file = path.join("mayfly.toml");
            if !file.is_file() {
                return Err(SourceError::NoManifest(path.to_owned()));
            }
            return Self::open(&file, name);
        }
        let directory = match path.parent() {
            Some(parent) if parent != Path::new("") => parent.to_owned(),
            _ => PathBuf::from("."),
        };
        if path.extension().is_some_and(|extension| extension == "toml") {
            let text = fs::read_to_string(path).map_err(failed(path))?;
            let shown = shown(path);
            let mut manifest = mayfly_manifest::parse(&text, &shown)?;
            if let Some(name) = name {
                manifest = mayfly_manifest::parse(&renamed(&text, name), &shown)?;
            }
            return Ok(Self { manifest, directory, builds: true });
        }
        let file = path.file_name().unwrap_or_default().to_string_lossy();
        let app = name.cloned().unwrap_or_else(|| app_name_from(&file));
        let manifest = Manifest::single_file(&app, &function_name_from(&file), &file)?;
        Ok(Self { manifest, directory, builds: true })
    }

    /// The same, whose dependencies are taken as they lie there.
    pub(crate) fn without_build(mut self) -> Self {
        self.builds = false;
        self
    }

    /// The manifest.
    pub(crate) fn manifest(&self) -> &Manifest {
        &self.manifest
    }

    /// What its paths are relative to.
    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    /// Where the code of each function is.
    pub(crate) fn code(&self) -> impl Iterator<Item = (&FunctionName, PathBuf)> {
        let functions = self.manifest.functions().iter();
        functions.map(|(name, section)| (name, self.directory.join(section.code())))
    }

    /// Packs every function, and checks that the manifest fits what was packed.
    pub(crate) fn pack(&self) -> Result<PackedApp, SourceError> {
        let limits = Limits::default();
        let packed = self.code().map(|(name, path)| {
            let of = |source| SourceError::Build { function: name.clone(), source };
            let installed = match self.builds {
                true => build::installed(name, &path).map_err(of)?,
                false => None,
            };
            match pack_with(&path, installed.as_deref(), &limits) {
                Ok(packed) => Ok((name.clone(), packed)),
                Err(source) => Err(SourceError::Pack { function: name.clone(), source }),
            }
        });
        let packed: PackedApp = packed.collect::<Result<_, _>>()?;
        let files = packed.iter().map(|(name, packed)| {
            (name.clone(), packed.files().iter().cloned().collect::<CodeFiles>())
        });
        self.manifest.resolve(&files.collect())?;
        Ok(packed)
    }
}

/// The path as messages tell it.
fn shown(path: &Path) -> String {
    path.strip_prefix(".").unwrap_or(path).display().to_string()
}

/// A correct manifest under another app's name.
fn renamed(text: &str, name: &AppName) -> String {
    let mut renamed = text.to_owned();
    if let Ok(document) = toml::de::DeTable::parse(text)
        && let Some(app) = document.get_ref().get("app")
    {
        renamed.replace_range(app.span(), &format!("\"{name}\""));
    }
    renamed
}

impl From<SourceError> for Failure {
    fn from(error: SourceError) -> Self {
        let message = error.to_string();
        match error {
            SourceError::Manifest(errors) => errors.into(),
            SourceError::NoManifest(_) => Self::failed(message).help(
                "`mayfly init` starts an app; a single file needs none: `mayfly deploy hello.js`",
            ),
            SourceError::Build { .. } => Self::failed(message).help(
                "install the dependencies beside the code yourself, and run this with --no-build",
            ),
            SourceError::Pack { source: PackError::Read { source, .. }, .. }
                if source.kind() == io::ErrorKind::NotFound =>
            {
                Self::failed(message).help("`code` is a path relative to the manifest's directory")
            }
            _ => Self::failed(message),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn app(name: &str) -> AppName {
        AppName::new(name).unwrap()
    }

    #[test]
    fn an_app_is_a_directory_a_manifest_or_a_file() {
        let directory = tempfile::tempdir().unwrap();
        let path = |name: &str| directory.path().join(name);
        fs::write(path("My Hello.js"), "export default {}").unwrap();
        let source = AppSource::open(&path("My Hello.js"), None).unwrap();
        assert_eq!(source.manifest().app().as_str(), "my-hello");
        assert_eq!(source.pack().unwrap().len(), 1);

        assert!(matches!(AppSource::open(directory.path(), None), Err(SourceError::NoManifest(_))));
        let text = "# mine\napp = \"photos\" # yes\n[functions.a]\ncode = \"My Hello.js\"\n";
        fs::write(path("mayfly.toml"), text).unwrap();
        for target in [directory.path(), &path("mayfly.toml")] {
            let source = AppSource::open(target, None).unwrap();
            assert_eq!(source.manifest().text(), text);
            assert_eq!(source.directory(), directory.path());
        }
        let source = AppSource::open(directory.path(), Some(&app("staging"))).unwrap();
        assert_eq!(source.manifest().text(), text.replace("photos", "staging"));
    }

    #[test]
    fn code_that_is_not_there_is_named_with_its_function() {
        let directory = tempfile::tempdir().unwrap();
        let text = "app = \"photos\"\n[functions.thumb]\ncode = \"thumb.js\"\n";
        fs::write(directory.path().join("mayfly.toml"), text).unwrap();
        let error = AppSource::open(directory.path(), None).unwrap().pack().unwrap_err();
        assert!(error.to_string().starts_with("function `thumb`: read "), "{error}");
    }
}
