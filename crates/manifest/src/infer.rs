//! From a manifest and the names of its functions' files to a complete app.

use std::collections::BTreeMap;

use mayfly_types::{
    AppName, ByteSize, FunctionConfig, FunctionName, Isolation, Route, RuntimeKind, TimeSpan,
    WrittenLimits,
};

use crate::check;
use crate::manifest::{FunctionSection, Manifest};
use crate::problem::{ManifestErrors, Problems};
use crate::read::Span;

const MEMORY: ByteSize = ByteSize::mb(128);
const CPU: f64 = 1.0;
const DISK: ByteSize = ByteSize::mb(512);
const TIMEOUT: TimeSpan = TimeSpan::seconds(30);

/// What a directory's entry is looked for as, the best first.
const ENTRY_STEMS: [&str; 7] =
    ["index", "main", "src/index", "src/main", "worker", "server", "app"];
const JS_EXTENSIONS: [&str; 6] = ["js", "mjs", "ts", "mts", "tsx", "jsx"];

/// The runtimes that a file's extension tells, the likeliest of a mixed directory first.
const SCRIPTS: [RuntimeKind; 4] =
    [RuntimeKind::Js, RuntimeKind::Python, RuntimeKind::Ruby, RuntimeKind::Wasm];

/// The names of the files in a function's artifact.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CodeFiles {
    /// Relative to the artifact's root, divided by `/`.
    pub files: Vec<String>,
}

impl CodeFiles {
    fn has(&self, path: &str) -> bool {
        self.files.iter().any(|file| file == path)
    }

    fn at_root(&self) -> impl Iterator<Item = &str> {
        self.files.iter().map(String::as_str).filter(|file| !file.contains('/'))
    }

    /// All but what was installed.
    fn own(&self) -> impl Iterator<Item = &str> {
        let installed = |file: &str| file.split('/').any(|part| part == "node_modules");
        self.files.iter().map(String::as_str).filter(move |file| !installed(file))
    }
}

impl FromIterator<String> for CodeFiles {
    fn from_iter<I: IntoIterator<Item = String>>(files: I) -> Self {
        Self { files: files.into_iter().collect() }
    }
}

/// An app with nothing left to infer.
#[derive(Debug, Clone, PartialEq)]
pub struct ResolvedApp {
    /// Its name.
    pub app: AppName,
    /// Its functions.
    pub functions: BTreeMap<FunctionName, FunctionConfig>,
    /// Its routes, the default ones where none are written; the best of a function first.
    pub routes: Vec<Route>,
}

impl Manifest {
    /// Fills in what is not written: runtime and entry from the names of the files, limits and
    /// routes from the defaults.
    ///
    /// # Errors
    /// Every function whose files are missing, or do not tell what runs them.
    pub fn resolve(
        &self,
        code: &BTreeMap<FunctionName, CodeFiles>,
    ) -> Result<ResolvedApp, ManifestErrors> {
        let mut problems = Problems::new(self.source.clone());
        let mut functions = BTreeMap::new();
        for (name, section) in &self.functions {
            match code.get(name) {
                Some(files) => {
                    if let Some(config) = section.resolve(files, &mut problems) {
                        functions.insert(name.clone(), config);
                    }
                }
                None => problems.add(
                    section.name.clone(),
                    format!("the code of function `{name}` was not sent along"),
                ),
            }
        }
        let routes = if self.routes.is_empty() { self.default_routes() } else { self.all_routes() };
        problems.finish(ResolvedApp { app: self.app.clone(), functions, routes })
    }

    fn all_routes(&self) -> Vec<Route> {
        let route = |section: &crate::RouteSection| Route {
            path: section.path.clone(),
            methods: section.methods.clone(),
            function: section.function.clone(),
        };
        self.routes.iter().map(route).collect()
    }

    fn default_routes(&self) -> Vec<Route> {
        let lone = self.functions.len() == 1;
        let routes = |function: &FunctionName| {
            let base = if lone { String::new() } else { format!("/{function}") };
            let exact = if lone { "/".to_owned() } else { base.clone() };
            [exact, format!("{base}/{{*rest}}")].map(|path| Route {
                path,
                methods: Vec::new(),
                function: function.clone(),
            })
        };
        self.functions.keys().flat_map(routes).collect()
    }
}

impl FunctionSection {
    fn resolve(&self, files: &CodeFiles, problems: &mut Problems) -> Option<FunctionConfig> {
        let runtime = match self.runtime() {
            Some(runtime) => runtime,
            None => self.infer_runtime(files, problems)?,
        };
        Some(FunctionConfig {
            runtime,
            entry: self.infer_entry(files, problems)?,
            handler: self.handler().map(str::to_owned),
            memory: self.memory.unwrap_or(MEMORY),
            cpu: CPU,
            disk: DISK,
            timeout: self.timeout.unwrap_or(TIMEOUT),
            concurrency: self.concurrency,
            isolation: self.isolation.unwrap_or(match runtime {
                RuntimeKind::Js | RuntimeKind::Wasm => Isolation::Invocation,
                _ => Isolation::Instance,
            }),
            env: self.env.clone(),
            secrets: self.secrets.clone(),
            egress: self.egress.clone(),
            written: WrittenLimits { memory: self.memory.is_some(), cpu: false, disk: false },
        })
    }

    fn infer_runtime(&self, files: &CodeFiles, problems: &mut Problems) -> Option<RuntimeKind> {
        let span = self.code.span();
        let code = self.code();
        if files.files.is_empty() {
            problems.add(span, format!("`{code}` holds no files"));
            return None;
        }
        let kind = match &files.files[..] {
            [only] => kind_of(only),
            // A directory with a package is Node's, whatever else is in it.
            _ if files.has("package.json") => Some(RuntimeKind::Nodejs),
            // What is at the root tells more than what is below.
            _ => SCRIPTS
                .into_iter()
                .find(|kind| files.at_root().any(|file| kind_of(file) == Some(*kind)))
                .or_else(|| files.has("bootstrap").then_some(RuntimeKind::Provided))
                .or_else(|| {
                    SCRIPTS
                        .into_iter()
                        .find(|kind| files.own().any(|file| kind_of(file) == Some(*kind)))
                }),
        };
        match kind {
            Some(RuntimeKind::Js) => Some(RuntimeKind::Js),
            Some(kind) => {
                let help = match kind {
                    RuntimeKind::Nodejs => {
                        "write runtime = \"js\" to run it as a fresh JavaScript VM"
                    }
                    _ => "this build runs `js`",
                };
                problems.add_with_help(
                    span,
                    format!("`{code}` is for the runtime `{kind}`, which is not in this build yet"),
                    help,
                );
                None
            }
            None => {
                problems.add_with_help(
                    span,
                    format!("nothing in `{code}` tells its runtime"),
                    "add an index.js, or write `runtime`",
                );
                None
            }
        }
    }

    fn infer_entry(&self, files: &CodeFiles, problems: &mut Problems) -> Option<String> {
        if let Some(handler) = &self.handler {
            let (file, _) = check::handler(handler.get_ref()).ok()?;
            let mut candidates = with_extensions(file);
            if is_js(file) {
                candidates.insert(0, file.to_owned());
            }
            return self.first_of(candidates, handler.span(), files, problems);
        }
        if let [only] = &files.files[..]
            && is_js(only)
        {
            return Some(only.clone());
        }
        let candidates: Vec<String> = ENTRY_STEMS.into_iter().flat_map(with_extensions).collect();
        if let Some(entry) = candidates.iter().find(|path| files.has(path)) {
            return Some(entry.clone());
        }
        let mut scripts = files.at_root().filter(|file| is_js(file));
        if let (Some(only), None) = (scripts.next(), scripts.next()) {
            return Some(only.to_owned());
        }
        problems.add_with_help(
            self.code.span(),
            format!(
                "`{}` has no entry: looked for {} (.{})",
                self.code(),
                ENTRY_STEMS.join(", "),
                JS_EXTENSIONS.join(", .")
            ),
            "name its file with handler = \"FILE.EXPORT\", as in \"lib/api.fetch\"",
        );
        None
    }

    fn first_of(
        &self,
        candidates: Vec<String>,
        span: Span,
        files: &CodeFiles,
        problems: &mut Problems,
    ) -> Option<String> {
        if let Some(entry) = candidates.iter().find(|path| files.has(path)) {
            return Some(entry.clone());
        }
        let wanted = candidates.join(", ");
        let message =
            format!("`{}` has no file for this handler: looked for {wanted}", self.code());
        let scripts: Vec<&str> = files.own().filter(|file| is_js(file)).collect();
        match crate::keys::nearest(&candidates[0], scripts) {
            Some(near) => {
                let stem = near.rsplit_once('.').map_or(near, |(stem, _)| stem);
                problems.add_with_help(
                    span,
                    message,
                    format!("there is `{near}`: write \"{stem}.EXPORT\""),
                );
            }
            None => problems.add(span, message),
        }
        None
    }
}

fn with_extensions(stem: &str) -> Vec<String> {
    JS_EXTENSIONS.iter().map(|extension| format!("{stem}.{extension}")).collect()
}

/// Declarations are TypeScript, but nothing that runs.
fn is_js(file: &str) -> bool {
    let name = file.rsplit('/').next().unwrap_or(file);
    match name.rsplit_once('.') {
        Some((stem, extension)) => JS_EXTENSIONS.contains(&extension) && !stem.ends_with(".d"),
        None => false,
    }
}

fn kind_of(file: &str) -> Option<RuntimeKind> {
    let name = file.rsplit('/').next().unwrap_or(file);
    if is_js(name) {
        return Some(RuntimeKind::Js);
    }
    match name.rsplit_once('.') {
        Some((_, "py")) => Some(RuntimeKind::Python),
        Some((_, "rb")) => Some(RuntimeKind::Ruby),
        Some((_, "wasm")) => Some(RuntimeKind::Wasm),
        None if name == "bootstrap" => Some(RuntimeKind::Provided),
        _ if name == "package.json" => Some(RuntimeKind::Nodejs),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
