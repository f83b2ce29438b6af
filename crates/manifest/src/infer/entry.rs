//! Which file a function starts from.

use mayfly_types::RuntimeKind;

use super::CodeFiles;
use crate::check;
use crate::manifest::FunctionSection;
use crate::problem::Problems;
use crate::read::Span;

/// How a runtime's entry is looked for.
struct Entries {
    /// Names without extensions, the best first.
    stems: &'static [&'static str],
    extensions: &'static [&'static str],
    /// A handler that a person can copy.
    example: &'static str,
}

const JS: Entries = Entries {
    stems: &["index", "main", "src/index", "src/main", "worker", "server", "app"],
    extensions: &["js", "mjs", "ts", "mts", "tsx", "jsx"],
    example: "lib/api.fetch",
};
const NODEJS: Entries = Entries {
    stems: &["index", "main", "app", "handler", "server", "src/index", "src/main", "dist/index"],
    extensions: &["js", "mjs", "cjs", "ts", "mts", "cts"],
    example: "src/api.handler",
};
const PYTHON: Entries = Entries {
    stems: &["lambda_function", "app", "main", "handler", "index", "src/app", "src/main"],
    extensions: &["py"],
    example: "app.handler",
};
const RUBY: Entries = Entries {
    stems: &["lambda_function", "app", "main", "handler", "index", "function"],
    extensions: &["rb"],
    example: "app.handler",
};
const WASM: Entries = Entries {
    stems: &["app", "main", "index", "component", "function"],
    extensions: &["wasm"],
    example: "",
};
const NONE: Entries = Entries { stems: &["bootstrap"], extensions: &[], example: "bootstrap" };

fn entries(runtime: RuntimeKind) -> Entries {
    match runtime {
        RuntimeKind::Js => JS,
        RuntimeKind::Nodejs => NODEJS,
        RuntimeKind::Python => PYTHON,
        RuntimeKind::Ruby => RUBY,
        RuntimeKind::Wasm => WASM,
        RuntimeKind::Provided => NONE,
    }
}

impl Entries {
    fn files(&self, stem: &str) -> Vec<String> {
        self.extensions.iter().map(|extension| format!("{stem}.{extension}")).collect()
    }

    /// Declarations of TypeScript have its extension, but nothing that runs.
    fn fits(&self, file: &str) -> bool {
        let name = file.rsplit('/').next().unwrap_or(file);
        match name.rsplit_once('.') {
            Some((stem, extension)) => {
                self.extensions.contains(&extension) && !stem.ends_with(".d")
            }
            None => false,
        }
    }
}

/// Whether a file is one that `js` runs.
pub(super) fn is_js(file: &str) -> bool {
    JS.fits(file)
}

impl FunctionSection {
    pub(super) fn infer_entry(
        &self,
        runtime: RuntimeKind,
        files: &CodeFiles,
        problems: &mut Problems,
    ) -> Option<String> {
        if runtime == RuntimeKind::Provided {
            return self.program(files, problems);
        }
        let known = entries(runtime);
        if let Some(handler) = &self.handler
            && runtime == RuntimeKind::Wasm
        {
            problems.add_with_help(
                handler.span(),
                "`handler` means nothing to a `wasm` function",
                "remove it: a component's exports say what handles; `code` may name its file",
            );
            return None;
        }
        if let Some(handler) = &self.handler {
            let file = check::file_of_handler(runtime, handler.get_ref())?;
            let mut candidates = known.files(&file);
            if known.fits(&file) {
                candidates.insert(0, file);
            } else if runtime == RuntimeKind::Python {
                // A module by its dotted name.
                candidates.extend(known.files(&file.replace('.', "/")));
            }
            return self.first_of(&known, candidates, handler.span(), files, problems);
        }
        if let [only] = &files.files[..]
            && known.fits(only)
        {
            return Some(only.clone());
        }
        let candidates: Vec<String> = known.stems.iter().flat_map(|s| known.files(s)).collect();
        if let Some(entry) = candidates.iter().find(|path| files.has(path)) {
            return Some(entry.clone());
        }
        let mut scripts = files.at_root().filter(|file| known.fits(file));
        if let (Some(only), None) = (scripts.next(), scripts.next()) {
            return Some(only.to_owned());
        }
        if runtime == RuntimeKind::Nodejs && files.has("package.json") {
            // Node finds what its `main` names.
            return Some("package.json".into());
        }
        problems.add_with_help(
            self.code.span(),
            format!(
                "`{}` has no entry: looked for {} (.{})",
                self.code(),
                known.stems.join(", "),
                known.extensions.join(", .")
            ),
            match runtime {
                RuntimeKind::Wasm => "name its file, as in code = \"build/app.wasm\"".to_owned(),
                _ => format!(
                    "name its file with handler = \"FILE.EXPORT\", as in \"{}\"",
                    known.example
                ),
            },
        );
        None
    }

    /// The program of a `provided` function: `bootstrap`, or the only file there is.
    fn program(&self, files: &CodeFiles, problems: &mut Problems) -> Option<String> {
        match &files.files[..] {
            _ if files.has("bootstrap") => Some("bootstrap".into()),
            [only] => Some(only.clone()),
            _ => {
                problems.add_with_help(
                    self.code.span(),
                    format!("`{}` has no file `bootstrap`, which `provided` runs", self.code()),
                    "name the program so, and make it executable: chmod +x bootstrap",
                );
                None
            }
        }
    }

    fn first_of(
        &self,
        known: &Entries,
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
        let scripts: Vec<&str> = files.own().filter(|file| known.fits(file)).collect();
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
