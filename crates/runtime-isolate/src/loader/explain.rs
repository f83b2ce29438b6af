//! Why a specifier means nothing, and what to do about it.

use std::path::Path;

use mayfly_runtime_api::Diagnostic;

use super::graph::Graph;
use super::parse::Request;
use super::position;
use super::resolve::{self, Failure};

impl Graph {
    /// The fault of a request that cannot be met.
    pub(super) fn unresolved(
        &self,
        index: usize,
        request: &Request,
        failure: Failure,
    ) -> Diagnostic {
        let specifier = &request.specifier;
        let unit = &self.units[index];
        let (message, mut help) = match failure {
            Failure::Node => (
                format!("`{specifier}` is a module of Node's, and the js runtime has Web APIs"),
                vec![
                    "use a package that needs Web APIs alone; Node's own modules come with the \
                      runtime `nodejs`"
                        .to_owned(),
                ],
            ),
            Failure::Escapes => (
                format!("`{specifier}` is a link that leads out of the artifact"),
                vec!["deploy the files themselves: what is outside is never read".to_owned()],
            ),
            Failure::Refused(reason) => (format!("cannot import `{specifier}`: {reason}"), vec![]),
            Failure::NotFound if resolve::is_relative(specifier) => {
                let directory = unit.path.parent().unwrap_or(&self.root);
                let similar = self.similar(&directory.join(specifier));
                (format!("`{specifier}` is not in the artifact"), similar_help(similar))
            }
            Failure::NotFound => self.no_package(&unit.path, specifier),
        };
        help.extend(self.reached_by(index));
        let mut fault = position::at(message, &unit.name, &unit.source, request.at);
        fault.help = (!help.is_empty()).then(|| help.join("; "));
        fault
    }

    fn no_package(&self, importer: &Path, specifier: &str) -> (String, Vec<String>) {
        let package = resolve::package_name(specifier);
        let installed = importer
            .ancestors()
            .take_while(|ancestor| ancestor.starts_with(&self.root))
            .any(|ancestor| ancestor.join("node_modules").join(package).exists());
        if installed {
            let message = if package == specifier {
                format!("the package `{package}` has no entry for the js runtime")
            } else {
                format!("the package `{package}` has no `{specifier}` for the js runtime")
            };
            return (message, vec![]);
        }
        let nameable = package.starts_with(|first: char| first.is_alphanumeric() || first == '@');
        if !nameable {
            return (format!("`{specifier}` is not in the artifact"), vec![]);
        }
        let mut help = vec![format!("run `npm install {package}` and deploy the directory again")];
        if specifier.ends_with("/jsx-runtime") {
            let pragma = "/** @jsxImportSource hono/jsx */";
            help.push(format!("another JSX runtime is named by a comment: {pragma}"));
        }
        (format!("the package `{package}` is not in the artifact"), help)
    }

    /// By which way the author's code came to a package's file.
    fn reached_by(&self, mut index: usize) -> Option<String> {
        if self.units[index].own {
            return None;
        }
        loop {
            let (importer, at) = self.units[index].importer?;
            let unit = &self.units[importer];
            if unit.own {
                let (line, column) = position::line_column(&unit.source, at);
                return Some(format!("it comes in by {}:{line}:{column}", unit.name));
            }
            index = importer;
        }
    }

    /// The file beside a path whose name is most like it.
    pub(super) fn similar(&self, path: &Path) -> Option<String> {
        let directory = path.parent()?.canonicalize().ok()?;
        if !directory.starts_with(&self.root) {
            return None;
        }
        let wanted = path.file_name()?.to_str()?;
        let names: Vec<String> = std::fs::read_dir(&directory)
            .ok()?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|name| name != "node_modules")
            .collect();
        let stem = |name: &str| name.rsplit_once('.').map_or(name, |(stem, _)| stem).to_owned();
        let found = match position::nearest(wanted, names.iter().map(String::as_str)) {
            Some(name) => name.to_owned(),
            None => {
                let stems: Vec<String> = names.iter().map(|name| stem(name)).collect();
                let wanted = stem(wanted);
                let nearest = position::nearest(&wanted, stems.iter().map(String::as_str))?;
                let at = stems.iter().position(|stem| stem == nearest)?;
                names.get(at)?.clone()
            }
        };
        Some(self.resolver.relative(&directory.join(found)))
    }
}

fn similar_help(similar: Option<String>) -> Vec<String> {
    similar.into_iter().map(|name| format!("there is {name}")).collect()
}
