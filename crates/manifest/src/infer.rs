//! From a manifest and the names of its functions' files to a complete app.

use std::collections::BTreeMap;

use mayfly_types::{
    AppName, ByteSize, FunctionConfig, FunctionName, Isolation, Route, RuntimeKind, TimeSpan,
    WrittenLimits,
};

use crate::manifest::{FunctionSection, Manifest};
use crate::problem::{ManifestErrors, Problems};

mod entry;
mod limits;

use entry::is_js;

const MEMORY: ByteSize = ByteSize::mb(128);
const CPU: f64 = 1.0;
const DISK: ByteSize = ByteSize::mb(512);
const TIMEOUT: TimeSpan = TimeSpan::seconds(30);

/// The runtimes that a file's extension tells, the likeliest of a mixed directory first.
const SCRIPTS: [RuntimeKind; 5] = [
    RuntimeKind::Js,
    RuntimeKind::Nodejs,
    RuntimeKind::Python,
    RuntimeKind::Ruby,
    RuntimeKind::Wasm,
];

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
        let installed = |file: &str| {
            file.split('/').any(|part| matches!(part, "node_modules" | "vendor" | "site-packages"))
        };
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
        let entry = self.infer_entry(runtime, files, problems);
        self.check_limits(runtime, problems);
        let memory = self.memory().unwrap_or(MEMORY);
        Some(FunctionConfig {
            runtime,
            entry: entry?,
            handler: self.handler().map(str::to_owned),
            memory,
            cpu: self.cpu().unwrap_or(CPU),
            disk: self.disk().unwrap_or(match runtime {
                RuntimeKind::Js => DISK,
                // It is kept in memory.
                _ => DISK.min(memory),
            }),
            timeout: self.timeout.unwrap_or(TIMEOUT),
            concurrency: self.concurrency,
            concurrency_per_instance: self.concurrency_per_instance(),
            warm: self.warm(),
            isolation: self.isolation().unwrap_or(match runtime {
                RuntimeKind::Js | RuntimeKind::Wasm => Isolation::Invocation,
                _ => Isolation::Instance,
            }),
            env: self.env.clone(),
            secrets: self.secrets.clone(),
            egress: self.egress().map(str::to_owned).collect(),
            written: WrittenLimits {
                memory: self.memory.is_some(),
                cpu: self.cpu.is_some(),
                disk: self.disk.is_some(),
            },
            events: self.events.clone(),
        })
    }

    fn infer_runtime(&self, files: &CodeFiles, problems: &mut Problems) -> Option<RuntimeKind> {
        let span = self.code.span();
        let code = self.code();
        if files.files.is_empty() {
            problems.add(span, format!("`{code}` holds no files"));
            return None;
        }
        let of_scripts = |mut names: Box<dyn Iterator<Item = &str> + '_>| {
            let kinds: Vec<_> = names.by_ref().filter_map(kind_of).collect();
            SCRIPTS.into_iter().find(|kind| kinds.contains(kind))
        };
        let kind = match &files.files[..] {
            [only] => kind_of(only),
            // Whoever names a program so means it to be run.
            _ if files.has("bootstrap") => Some(RuntimeKind::Provided),
            // A directory with a package is Node's, whatever else is in it.
            _ if files.has("package.json") => Some(RuntimeKind::Nodejs),
            _ if files.has("requirements.txt") => Some(RuntimeKind::Python),
            _ if files.has("Gemfile") => Some(RuntimeKind::Ruby),
            // What is at the root tells more than what is below.
            _ => {
                of_scripts(Box::new(files.at_root())).or_else(|| of_scripts(Box::new(files.own())))
            }
        };
        match kind {
            Some(kind) => Some(kind),
            None => {
                problems.add_with_help(
                    span,
                    format!("nothing in `{code}` tells its runtime"),
                    "add an index.js, app.py or app.rb, or write `runtime`",
                );
                None
            }
        }
    }
}

fn kind_of(file: &str) -> Option<RuntimeKind> {
    let name = file.rsplit('/').next().unwrap_or(file);
    if is_js(name) {
        return Some(RuntimeKind::Js);
    }
    match name.rsplit_once('.') {
        Some((_, "cjs")) => Some(RuntimeKind::Nodejs),
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
