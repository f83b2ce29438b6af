//! From a specifier to a file of the artifact.

use std::io;
use std::path::{Path, PathBuf};

use oxc_resolver::{
    FileMetadata, FileSystem, FileSystemOs, ModuleType, ResolveError, ResolveOptions,
    ResolverGeneric,
};

/// The conditions of `exports` and `imports` that hold here, besides `import` or `require` and
/// `default`. Not `node`: its builds need Node's modules.
const CONDITIONS: [&str; 5] = ["mayfly", "workerd", "worker", "module", "browser"];

/// A package's files are JavaScript first: some ship their TypeScript beside it.
const IN_PACKAGE: [&str; 8] = [".js", ".mjs", ".cjs", ".json", ".ts", ".mts", ".tsx", ".jsx"];

/// The author's own are TypeScript first: what lies beside it was built from it.
const IN_APP: [&str; 8] = [".ts", ".mts", ".tsx", ".js", ".mjs", ".jsx", ".cjs", ".json"];

/// Node's modules. Packages with the names of some exist, and are taken where installed.
const NODE: &str = "assert async_hooks buffer child_process cluster console constants crypto \
    dgram diagnostics_channel dns domain events fs http http2 https inspector module net os path \
    perf_hooks process punycode querystring readline repl stream string_decoder sys timers tls \
    trace_events tty url util v8 vm wasi worker_threads zlib";

/// How a specifier is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    Import,
    Require,
}

/// What a specifier means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Target {
    /// A file.
    File(File),
    /// Nothing: the package says so (`"browser": {"fs": false}`).
    Empty,
}

/// A file of the artifact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct File {
    /// Its canonical path.
    pub(super) path: PathBuf,
    /// What its package says that it holds.
    pub(super) format: Option<Format>,
}

/// What a package says that a file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Module,
    CommonJs,
}

/// Why a specifier means nothing.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Failure {
    /// No such file or package.
    NotFound,
    /// One of Node's own modules.
    Node,
    /// A symbolic link that leads out of the artifact.
    Escapes,
    /// What forbids it, in a sentence.
    Refused(String),
}

/// Resolves specifiers inside one directory.
pub(super) struct Resolver {
    root: PathBuf,
    app: ResolverGeneric<Fenced>,
    package: ResolverGeneric<Fenced>,
    require: ResolverGeneric<Fenced>,
}

impl Resolver {
    /// `root` must be canonical.
    pub(super) fn new(root: &Path) -> Self {
        let root = root.to_path_buf();
        let fenced = Fenced { root: root.clone() };
        let app = ResolverGeneric::new_with_file_system(fenced, options(&IN_APP, Manner::Import));
        let package = app.clone_with_options(options(&IN_PACKAGE, Manner::Import));
        let require = app.clone_with_options(options(&IN_PACKAGE, Manner::Require));
        Self { root, app, package, require }
    }

    /// What `specifier` means in a file of `directory`, which is canonical.
    pub(super) fn resolve(
        &self,
        directory: &Path,
        specifier: &str,
        manner: Manner,
    ) -> Result<Target, Failure> {
        if specifier.starts_with("node:") {
            return Err(Failure::Node);
        }
        if let Some(scheme) = scheme(specifier) {
            let refusal = format!("`{scheme}:` names nothing in the artifact");
            return Err(Failure::Refused(refusal));
        }
        if specifier.starts_with('/') {
            let refusal = "an absolute path names nothing in the artifact".to_owned();
            return Err(Failure::Refused(refusal));
        }
        let resolver = match manner {
            Manner::Require => &self.require,
            Manner::Import if is_relative(specifier) && !self.in_package(directory) => &self.app,
            Manner::Import => &self.package,
        };
        match resolver.resolve(directory, specifier) {
            Ok(found) => {
                let path = found.path().canonicalize().map_err(|_| Failure::NotFound)?;
                if !path.starts_with(&self.root) {
                    return Err(Failure::Escapes);
                }
                let format = match found.module_type() {
                    Some(ModuleType::Module) => Some(Format::Module),
                    Some(ModuleType::CommonJs) => Some(Format::CommonJs),
                    _ => None,
                };
                Ok(Target::File(File { path, format }))
            }
            Err(ResolveError::Ignored(_)) => Ok(Target::Empty),
            Err(_) if self.package_escapes(directory, specifier) => Err(Failure::Escapes),
            Err(error) => Err(self.failure(specifier, &error)),
        }
    }

    fn failure(&self, specifier: &str, error: &ResolveError) -> Failure {
        match error {
            ResolveError::NotFound(_)
            | ResolveError::MatchedAliasNotFound(..)
            | ResolveError::ExtensionAlias(..)
            | ResolveError::IOError(_) => {
                let name = specifier.split('/').next().unwrap_or(specifier);
                if NODE.split_ascii_whitespace().any(|module| module == name) {
                    Failure::Node
                } else {
                    Failure::NotFound
                }
            }
            ResolveError::PackagePathNotExported { subpath, package_json_path, .. } => {
                let file = self.relative(package_json_path);
                let what = if subpath == "." { "its entry" } else { subpath };
                Failure::Refused(format!("the `exports` of {file} do not offer {what} here"))
            }
            ResolveError::PackageImportNotDefined(name, _) => {
                Failure::Refused(format!("the package's `imports` do not define `{name}`"))
            }
            ResolveError::Json(error) => {
                let file = self.relative(&error.path);
                Failure::Refused(format!("{file} cannot be read: {}", error.message))
            }
            error => {
                let root = format!("{}/", self.root.display());
                Failure::Refused(error.to_string().replace(&root, ""))
            }
        }
    }

    /// Whether a link to a package leads out of the artifact, so that nothing of it was read.
    fn package_escapes(&self, directory: &Path, specifier: &str) -> bool {
        let name = package_name(specifier);
        directory
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(&self.root))
            .filter_map(|ancestor| ancestor.join("node_modules").join(name).canonicalize().ok())
            .any(|package| !package.starts_with(&self.root))
    }

    /// Whether a path of the artifact belongs to an installed package.
    pub(super) fn in_package(&self, path: &Path) -> bool {
        let inside = path.strip_prefix(&self.root).unwrap_or(path);
        inside.components().any(|component| component.as_os_str() == "node_modules")
    }

    /// A path of the artifact as a person sees it.
    pub(super) fn relative(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).to_string_lossy().into_owned()
    }
}

/// Whether a specifier names a file by its path.
pub(super) fn is_relative(specifier: &str) -> bool {
    specifier == "."
        || specifier == ".."
        || specifier.starts_with("./")
        || specifier.starts_with("../")
}

/// The package of a specifier that names one: `@scope/name` of `@scope/name/file`.
pub(super) fn package_name(specifier: &str) -> &str {
    let slashes = if specifier.starts_with('@') { 2 } else { 1 };
    specifier.match_indices('/').nth(slashes - 1).map_or(specifier, |(end, _)| &specifier[..end])
}

fn scheme(specifier: &str) -> Option<&str> {
    let (scheme, _) = specifier.split_once(':')?;
    let is_scheme = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    let named = scheme.starts_with(|first: char| first.is_ascii_alphabetic());
    (named && scheme.bytes().all(is_scheme)).then_some(scheme)
}

fn options(extensions: &[&str], manner: Manner) -> ResolveOptions {
    let strings = |list: &[&str]| list.iter().map(|&item| item.to_owned()).collect::<Vec<_>>();
    let (condition, main_fields) = match manner {
        Manner::Import => ("import", ["module", "browser", "main"].as_slice()),
        Manner::Require => ("require", ["browser", "main", "module"].as_slice()),
    };
    let mut condition_names = strings(&CONDITIONS);
    condition_names.extend([condition.to_owned(), "default".to_owned()]);
    let alias = |written: &str, instead: &[&str]| (written.to_owned(), strings(instead));
    ResolveOptions {
        condition_names,
        main_fields: strings(main_fields),
        alias_fields: vec![vec!["browser".to_owned()]],
        extensions: strings(extensions),
        // TypeScript's own way to write an import: by the name that the compiled file would have.
        extension_alias: vec![
            alias(".js", &[".js", ".ts", ".tsx", ".jsx"]),
            alias(".mjs", &[".mjs", ".mts"]),
            alias(".jsx", &[".jsx", ".tsx"]),
        ],
        module_type: true,
        node_path: false,
        // Links are followed where the file is opened, and checked there.
        symlinks: false,
        ..ResolveOptions::default()
    }
}

/// The file system as far as the artifact goes.
struct Fenced {
    root: PathBuf,
}

impl Fenced {
    /// Whether a path is in the artifact as it is written; links are checked where it is read.
    fn admits(&self, path: &Path) -> io::Result<()> {
        if path.starts_with(&self.root) { Ok(()) } else { Err(io::ErrorKind::NotFound.into()) }
    }

    fn inside(&self, path: &Path) -> io::Result<PathBuf> {
        self.admits(path)?;
        let path = path.canonicalize()?;
        self.admits(&path)?;
        Ok(path)
    }
}

impl FileSystem for Fenced {
    /// Admits nothing.
    fn new() -> Self {
        Self { root: PathBuf::from("\0") }
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        std::fs::read(self.inside(path)?)
    }

    fn read_to_string(&self, path: &Path) -> io::Result<String> {
        std::fs::read_to_string(self.inside(path)?)
    }

    fn metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.admits(path)?;
        FileSystemOs::metadata(path)
    }

    fn symlink_metadata(&self, path: &Path) -> io::Result<FileMetadata> {
        self.admits(path)?;
        FileSystemOs::symlink_metadata(path)
    }

    fn read_link(&self, path: &Path) -> Result<PathBuf, ResolveError> {
        self.admits(path)?;
        FileSystemOs::read_link(path)
    }

    fn canonicalize(&self, path: &Path) -> io::Result<PathBuf> {
        self.inside(path)
    }
}
