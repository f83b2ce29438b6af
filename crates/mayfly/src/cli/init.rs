//! `mayfly init`.

use std::fs;
use std::io::{self, Write};
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use clap::ValueEnum;
use mayfly_manifest::app_name_from;
use mayfly_types::AppName;

use super::Failure;
use super::context::Context;

/// Starts an app from a template
///
/// Templates: js (default), ts, api (two functions with routes), nodejs, python, ruby, wasm-rust (a
/// WebAssembly component), and provided (any program). Nothing that is there is written over.
#[derive(Debug, clap::Args)]
#[command(after_help = "Examples:\n  \
    mayfly init                       JavaScript, in this directory\n  \
    mayfly init ts hello              TypeScript, in the new directory hello\n  \
    mayfly init api shop\n  \
    mayfly init python tools          a function in Python")]
pub(crate) struct InitArgs {
    /// js, ts, api, nodejs, python, ruby, wasm-rust or provided
    #[arg(value_name = "TEMPLATE", default_value = "js", hide_default_value = true)]
    template: String,
    /// Where to; it is made when it is not there
    #[arg(value_name = "DIR", default_value = ".", hide_default_value = true)]
    directory: PathBuf,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Template {
    Js,
    Ts,
    Api,
    Nodejs,
    Python,
    Ruby,
    WasmRust,
    Provided,
}

/// All of them.
const HERE: &str = "js, ts, api, nodejs, python, ruby, wasm-rust and provided";

/// What stands for the app's name in a template.
const NAME: &str = "APP_NAME";

macro_rules! template {
    ($directory:literal: $($file:literal),*) => {
        &[$(($file, include_str!(concat!("../../templates/", $directory, "/", $file)))),*]
    };
}

impl Template {
    /// Its files, by their paths.
    fn files(self) -> &'static [(&'static str, &'static str)] {
        match self {
            Self::Js => template!("js": "mayfly.toml", "index.js"),
            Self::Ts => template!("ts": "mayfly.toml", "index.ts"),
            Self::Api => template!("api": "mayfly.toml", "functions/hello.js", "functions/echo.js"),
            Self::Nodejs => template!("nodejs": "mayfly.toml", "package.json", "index.js"),
            Self::Python => template!("python": "mayfly.toml", "app.py"),
            Self::Ruby => template!("ruby": "mayfly.toml", "app.rb"),
            Self::WasmRust => template!("wasm-rust": "mayfly.toml", "Cargo.toml", "src/lib.rs"),
            Self::Provided => template!("provided": "mayfly.toml", "bootstrap"),
        }
    }

    /// What has to be done before it runs.
    fn build(self) -> Option<&'static str> {
        (self == Self::WasmRust).then_some("cargo build --release --target wasm32-wasip2")
    }

    /// A request that shows it works.
    fn first_request(self) -> &'static str {
        match self {
            Self::Api => "curl http://127.0.0.1:8080/hello/you",
            Self::Provided => "curl http://127.0.0.1:8080/",
            _ => "curl 'http://127.0.0.1:8080/?name=you'",
        }
    }
}

pub(super) fn run(context: &Context<'_>, args: InitArgs) -> Result<(), Failure> {
    let template = choose(&args.template)?;
    let directory = &args.directory;
    let failed = |verb: &str, path: &Path, error: io::Error| {
        Failure::failed(format!("{verb} {}: {error}", path.display()))
    };
    let files = template.files();
    let there = files.iter().map(|(file, _)| directory.join(file));
    let there: Vec<PathBuf> = there.filter(|path| path.symlink_metadata().is_ok()).collect();
    if !there.is_empty() {
        let names = there.iter().map(|path| path.display().to_string());
        let names = names.collect::<Vec<_>>().join(", ");
        return Err(Failure::failed(format!("{names}: there already, and nothing was written"))
            .help("name another directory: `mayfly init TEMPLATE DIR`"));
    }
    fs::create_dir_all(directory).map_err(|error| failed("create", directory, error))?;
    let app = app_name(directory);
    for (file, text) in files {
        let path = directory.join(file);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(|error| failed("create", parent, error))?;
        }
        write_new(&path, &text.replace(NAME, app.as_str()))
            .map_err(|error| failed("write", &path, error))?;
    }
    Ok(context.terminal.print(next_steps(template, directory, &app))?)
}

fn choose(name: &str) -> Result<Template, Failure> {
    if let Ok(template) = Template::from_str(name, false) {
        return Ok(template);
    }
    Err(Failure::usage(format!("there is no template `{name}`; there are {HERE}"))
        .help(format!("for a directory of that name write `mayfly init js {name}`")))
}

fn app_name(directory: &Path) -> AppName {
    let full = fs::canonicalize(directory).unwrap_or_else(|_| directory.to_owned());
    app_name_from(&full.file_name().unwrap_or_default().to_string_lossy())
}

fn write_new(path: &Path, text: &str) -> io::Result<()> {
    let mut file = fs::File::create_new(path)?;
    file.write_all(text.as_bytes())?;
    if text.starts_with("#!") {
        file.set_permissions(fs::Permissions::from_mode(0o755))?;
    }
    Ok(())
}

fn next_steps(template: Template, directory: &Path, app: &AppName) -> String {
    let files = template.files().iter().map(|(file, _)| format!("  {file}"));
    let files = files.collect::<Vec<_>>().join("\n");
    let mut steps = String::new();
    if directory != Path::new(".") {
        steps = format!("  cd {}\n", directory.display());
    }
    if let Some(build) = template.build() {
        steps += &format!("  {build}\n");
    }
    let first = template.first_request();
    format!(
        "made the app {app}:\n{files}\n\nNext:\n{steps}  mayfly dev\n  {first}\n  mayfly deploy"
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use mayfly_artifact::{Limits, pack};

    use super::*;

    #[test]
    fn every_template_is_an_app_without_mistakes() {
        for template in Template::value_variants() {
            let directory = tempfile::tempdir().unwrap();
            for (file, text) in template.files() {
                let path = directory.path().join(file);
                fs::create_dir_all(path.parent().unwrap()).unwrap();
                write_new(&path, &text.replace(NAME, "shop")).unwrap();
            }
            if *template == Template::WasmRust {
                // What its compiler would make.
                let built = directory.path().join("target/wasm32-wasip2/release/app.wasm");
                fs::create_dir_all(built.parent().unwrap()).unwrap();
                fs::write(built, "").unwrap();
            }
            let text = fs::read_to_string(directory.path().join("mayfly.toml")).unwrap();
            let manifest = mayfly_manifest::parse(&text, "mayfly.toml").unwrap();
            assert_eq!(manifest.app().as_str(), "shop");
            let files = manifest.functions().iter().map(|(name, section)| {
                let packed = pack(&directory.path().join(section.code()), &Limits::default());
                (name.clone(), packed.unwrap().files().iter().cloned().collect())
            });
            manifest.resolve(&files.collect::<BTreeMap<_, _>>()).unwrap();
        }
    }

    #[test]
    fn the_next_steps_begin_where_the_files_are() {
        let app = AppName::new("shop").unwrap();
        insta::assert_snapshot!(next_steps(Template::Api, Path::new("shop"), &app), @r"
        made the app shop:
          mayfly.toml
          functions/hello.js
          functions/echo.js

        Next:
          cd shop
          mayfly dev
          curl http://127.0.0.1:8080/hello/you
          mayfly deploy
        ");
    }

    #[test]
    fn a_template_that_is_none_may_be_a_directory() {
        assert!(format!("{:?}", choose("shop").unwrap_err()).contains("mayfly init js shop"));
    }
}
