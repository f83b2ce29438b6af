//! A manifest as it is written.

use std::collections::BTreeMap;
use std::sync::Arc;

use mayfly_types::{
    AppName, AsyncConfig, ByteSize, FunctionName, Isolation, RuntimeKind, TimeSpan,
};
use toml::Spanned;

use crate::problem::{ManifestErrors, Source};
use crate::read::Span;

/// A manifest without mistakes, as far as these show without the functions' files.
#[derive(Debug, Clone)]
pub struct Manifest {
    pub(crate) source: Arc<Source>,
    pub(crate) app: AppName,
    pub(crate) functions: BTreeMap<FunctionName, FunctionSection>,
    pub(crate) routes: Vec<RouteSection>,
}

impl Manifest {
    /// The manifest of an app that is one function, for code that has none: `mayfly dev hello.js`.
    /// `code` is the path of the file or directory, of which the last part is taken; the manifest
    /// belongs beside it.
    ///
    /// # Errors
    /// The path's last part cannot stand in a manifest.
    pub fn single_file(
        app: &AppName,
        function: &FunctionName,
        code: &str,
    ) -> Result<Self, ManifestErrors> {
        let name = code.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
        let name = if name.is_empty() { "." } else { name };
        let text = format!(
            "app = \"{app}\"\n\n[functions.{function}]\ncode = {}\n",
            toml::Value::String(name.to_owned())
        );
        crate::parse(&text, &format!("mayfly.toml (made for {name})"))
    }

    /// The text it was read from, or made as.
    pub fn text(&self) -> &str {
        &self.source.text
    }

    /// The app.
    pub fn app(&self) -> &AppName {
        &self.app
    }

    /// Its functions; there is one at least.
    pub fn functions(&self) -> &BTreeMap<FunctionName, FunctionSection> {
        &self.functions
    }

    /// Its `[[routes]]`, in the order of the text; none where the default routes apply.
    pub fn routes(&self) -> &[RouteSection] {
        &self.routes
    }
}

/// One `[functions.NAME]`. What is not written is `None` or empty.
#[derive(Debug, Clone)]
pub struct FunctionSection {
    pub(crate) name: Span,
    pub(crate) code: Spanned<String>,
    pub(crate) runtime: Option<Spanned<RuntimeKind>>,
    pub(crate) handler: Option<Spanned<String>>,
    pub(crate) memory: Option<Spanned<ByteSize>>,
    pub(crate) cpu: Option<Spanned<f64>>,
    pub(crate) disk: Option<Spanned<ByteSize>>,
    pub(crate) timeout: Option<TimeSpan>,
    pub(crate) concurrency: Option<u32>,
    pub(crate) concurrency_per_instance: Option<Spanned<u32>>,
    pub(crate) warm: u32,
    pub(crate) isolation: Option<Spanned<Isolation>>,
    pub(crate) env: BTreeMap<String, String>,
    pub(crate) secrets: Vec<String>,
    pub(crate) egress: Vec<Spanned<String>>,
    pub(crate) events: AsyncConfig,
}

impl FunctionSection {
    /// Path of its file or directory, relative to the manifest's directory and inside it, as it is
    /// written.
    pub fn code(&self) -> &str {
        self.code.get_ref()
    }

    /// The runtime.
    pub fn runtime(&self) -> Option<RuntimeKind> {
        self.runtime.as_ref().map(|runtime| *runtime.get_ref())
    }

    /// The handler: `FILE.EXPORT`.
    pub fn handler(&self) -> Option<&str> {
        self.handler.as_ref().map(|handler| handler.get_ref().as_str())
    }

    /// Most memory of one instance.
    pub fn memory(&self) -> Option<ByteSize> {
        self.memory.as_ref().map(|memory| *memory.get_ref())
    }

    /// Cores that one instance may use at once.
    pub fn cpu(&self) -> Option<f64> {
        self.cpu.as_ref().map(|cpu| *cpu.get_ref())
    }

    /// Size of its `/tmp`.
    pub fn disk(&self) -> Option<ByteSize> {
        self.disk.as_ref().map(|disk| *disk.get_ref())
    }

    /// Longest run of one attempt.
    pub fn timeout(&self) -> Option<TimeSpan> {
        self.timeout
    }

    /// Most attempts at once.
    pub fn concurrency(&self) -> Option<u32> {
        self.concurrency
    }

    /// Most attempts at once in one instance.
    pub fn concurrency_per_instance(&self) -> Option<u32> {
        self.concurrency_per_instance.as_ref().map(|most| *most.get_ref())
    }

    /// Environments that wait for calls, at the least.
    pub fn warm(&self) -> u32 {
        self.warm
    }

    /// What one invocation leaves to the next.
    pub fn isolation(&self) -> Option<Isolation> {
        self.isolation.as_ref().map(|isolation| *isolation.get_ref())
    }

    /// Environment variables.
    pub fn env(&self) -> &BTreeMap<String, String> {
        &self.env
    }

    /// Names of the secrets it is given.
    pub fn secrets(&self) -> &[String] {
        &self.secrets
    }

    /// Who it may call.
    pub fn egress(&self) -> impl Iterator<Item = &str> {
        self.egress.iter().map(|entry| entry.get_ref().as_str())
    }

    /// What becomes of events that nobody waits for.
    pub fn events(&self) -> &AsyncConfig {
        &self.events
    }
}

/// One `[[routes]]`.
#[derive(Debug, Clone)]
pub struct RouteSection {
    pub(crate) path: String,
    pub(crate) methods: Vec<String>,
    pub(crate) function: FunctionName,
}

impl RouteSection {
    /// The pattern.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// Its methods; none means all.
    pub fn methods(&self) -> &[String] {
        &self.methods
    }

    /// The function that answers.
    pub fn function(&self) -> &FunctionName {
        &self.function
    }
}

/// A name for the app that `name`, of a file or a directory, stands for: `My App.js` is `my-app`.
pub fn app_name_from(name: &str) -> AppName {
    let name = sanitised(&stem(name).to_lowercase(), 40, |c| c.is_ascii_alphanumeric());
    AppName::new(&name).unwrap_or_else(|error| unreachable!("{error}"))
}

/// A name for the function that `name`, of a file or a directory, stands for: `Make Thumb.ts` is
/// `Make-Thumb`.
pub fn function_name_from(name: &str) -> FunctionName {
    let name = sanitised(stem(name), 64, |c| c.is_ascii_alphanumeric() || c == '_');
    FunctionName::new(&name).unwrap_or_else(|error| unreachable!("{error}"))
}

/// The last part of a path, without its extension.
fn stem(path: &str) -> &str {
    let name = path.trim_end_matches(['/', '\\']).rsplit(['/', '\\']).next().unwrap_or_default();
    match name.rsplit_once('.') {
        Some((stem, extension)) if !stem.is_empty() && !extension.is_empty() => stem,
        _ => name,
    }
}

/// `name` with a single hyphen for every run of characters that do not fit.
fn sanitised(name: &str, longest: usize, fits: impl Fn(char) -> bool) -> String {
    let mut clean = String::new();
    for c in name.chars() {
        if fits(c) {
            clean.push(c);
        } else if !clean.ends_with('-') {
            clean.push('-');
        }
    }
    let clean = clean.trim_start_matches('-');
    let clean = clean[..clean.len().min(longest)].trim_end_matches('-');
    if clean.is_empty() { "app".to_owned() } else { clean.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_file_name_gives_an_app_and_a_function() {
        for (name, app, function) in [
            ("hello.js", "hello", "hello"),
            ("./src/My App.ts", "my-app", "My-App"),
            ("/home/x/image_resizer/", "image-resizer", "image_resizer"),
            ("a -- b", "a-b", "a-b"),
            (".hidden", "hidden", "hidden"),
            ("日本.js", "app", "app"),
            ("", "app", "app"),
            ("..", "app", "app"),
            ("archive.tar.gz", "archive-tar", "archive-tar"),
        ] {
            assert_eq!(app_name_from(name).as_str(), app, "{name}");
            assert_eq!(function_name_from(name).as_str(), function, "{name}");
        }
        assert_eq!(app_name_from(&"x".repeat(100)).as_str().len(), 40);
        assert_eq!(app_name_from(&format!("{}-y", "x".repeat(39))).as_str().len(), 39);
    }

    #[test]
    fn code_without_a_manifest_gets_one() {
        let name = "he said \"hi\".js";
        let manifest =
            Manifest::single_file(&app_name_from(name), &function_name_from(name), name).unwrap();
        assert_eq!(manifest.app().as_str(), "he-said-hi");
        assert_eq!(manifest.functions().values().next().unwrap().code(), name);
        assert!(crate::parse(manifest.text(), "mayfly.toml").is_ok());
        assert!(
            Manifest::single_file(&app_name_from("x"), &function_name_from("x"), "..").is_err()
        );
    }
}
