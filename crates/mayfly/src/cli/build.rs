//! Installing a function's dependencies, by the ordinary installer of its language.
//!
//! They go into a directory of the user's cache, named by what was asked for, and from there into the
//! artifact: the code's own directory stays as it is, and what was installed once is there at the next
//! deployment.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use mayfly_types::{Digest, FunctionName};

use super::progress::Waiting;
use super::terminal::Terminal;

/// Lines of an installer's output that are shown when it fails.
const LAST_LINES: usize = 30;

/// Why dependencies are not installed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum BuildError {
    /// The installer is not on this machine.
    #[error("its dependencies need `{0}`, which is not in PATH")]
    NoInstaller(String),
    /// It failed.
    #[error("`{command}` failed:\n{output}")]
    Failed {
        /// How it was called.
        command: String,
        /// The last that it said.
        output: String,
    },
    /// A file cannot be read or written.
    #[error("install its dependencies: {0}")]
    Io(#[from] io::Error),
}

/// One way of installing.
struct Plan {
    /// The files that say what is wanted.
    wanted: Vec<&'static str>,
    command: Vec<String>,
    environment: BTreeMap<&'static str, String>,
}

/// The directory with the dependencies of the code at `code`, if it wants any and does not hold them
/// itself.
///
/// # Errors
/// When they cannot be installed.
pub(crate) fn installed(name: &FunctionName, code: &Path) -> Result<Option<PathBuf>, BuildError> {
    let Some(plan) = plan(code)? else { return Ok(None) };
    let key = key(&plan, code)?;
    let cache = cache()?;
    let place = cache.join(key.to_string());
    if place.is_dir() {
        return Ok(Some(place));
    }
    fs::create_dir_all(&cache)?;
    let work = tempfile::Builder::new().prefix(".unfinished-").tempdir_in(&cache)?;
    for file in &plan.wanted {
        fs::copy(code.join(file), work.path().join(file))?;
    }
    run(name, &plan, work.path())?;
    for file in &plan.wanted {
        // The code's own are packed.
        fs::remove_file(work.path().join(file))?;
    }
    match fs::rename(work.path(), &place) {
        Ok(()) => _ = work.keep(),
        // Another one was faster.
        Err(_) if place.is_dir() => {}
        Err(error) => return Err(error.into()),
    }
    Ok(Some(place))
}

fn plan(code: &Path) -> Result<Option<Plan>, BuildError> {
    let has = |name: &str| code.join(name).exists();
    let words = |command: &str| command.split(' ').map(str::to_owned).collect();
    if has("package.json") && !has("node_modules") && wants_packages(code)? {
        let (lock, command) = [
            ("package-lock.json", "npm ci --omit=dev --no-audit --no-fund"),
            ("npm-shrinkwrap.json", "npm ci --omit=dev --no-audit --no-fund"),
            ("pnpm-lock.yaml", "pnpm install --prod --frozen-lockfile"),
            ("yarn.lock", "yarn install --production --frozen-lockfile"),
        ]
        .into_iter()
        .find(|(lock, _)| has(lock))
        .map_or((None, "npm install --omit=dev --no-audit --no-fund --no-package-lock"), |found| {
            (Some(found.0), found.1)
        });
        let wanted =
            ["package.json"].into_iter().chain(lock).chain(has(".npmrc").then_some(".npmrc"));
        let command = words(command);
        return Ok(Some(Plan { wanted: wanted.collect(), command, environment: BTreeMap::new() }));
    }
    if has("requirements.txt") && wants_requirements(code)? && !holds_packages(code)? {
        let command = "python3 -m pip install --disable-pip-version-check --no-compile \
                       --root-user-action=ignore --target . -r requirements.txt";
        // Debian's Python asks for this word, though nothing of it is touched.
        let environment = BTreeMap::from([("PIP_BREAK_SYSTEM_PACKAGES", "1".to_owned())]);
        return Ok(Some(Plan {
            wanted: vec!["requirements.txt"],
            command: words(command),
            environment,
        }));
    }
    if has("Gemfile") && !has("vendor/bundle") {
        let mut environment = BTreeMap::from([
            ("BUNDLE_PATH", "vendor/bundle".to_owned()),
            ("BUNDLE_WITHOUT", "development:test".to_owned()),
        ]);
        let mut wanted = vec!["Gemfile"];
        if has("Gemfile.lock") {
            wanted.push("Gemfile.lock");
            environment.insert("BUNDLE_FROZEN", "true".to_owned());
        }
        return Ok(Some(Plan { wanted, command: words("bundle install"), environment }));
    }
    Ok(None)
}

/// Whether a package.json names packages. One that cannot be read is the installer's to refuse.
fn wants_packages(code: &Path) -> io::Result<bool> {
    let text = fs::read(code.join("package.json"))?;
    let Ok(package) = serde_json::from_slice::<serde_json::Value>(&text) else { return Ok(true) };
    let some = |key: &str| package[key].as_object().is_some_and(|names| !names.is_empty());
    Ok(some("dependencies") || some("optionalDependencies"))
}

fn wants_requirements(code: &Path) -> io::Result<bool> {
    let text = fs::read_to_string(code.join("requirements.txt"))?;
    Ok(text.lines().any(|line| !matches!(line.trim().bytes().next(), None | Some(b'#'))))
}

/// Whether packages of Python were installed beside the code.
fn holds_packages(code: &Path) -> io::Result<bool> {
    for entry in fs::read_dir(code)? {
        if entry?.file_name().as_encoded_bytes().ends_with(b".dist-info") {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Names what is installed: by the wishes, the installer and the interpreter that runs it.
fn key(plan: &Plan, code: &Path) -> io::Result<Digest> {
    let mut text = plan.command.join("\0").into_bytes();
    for name in &plan.wanted {
        text.extend_from_slice(&fs::read(code.join(name))?);
        text.push(0);
    }
    let version = match plan.command[0].as_str() {
        "python3" => "python3",
        "bundle" => "ruby",
        _ => "node",
    };
    let version = Command::new(version).arg("--version").stdin(Stdio::null()).output();
    text.extend(version.map(|output| output.stdout).unwrap_or_default());
    Ok(Digest::of(&text))
}

fn cache() -> Result<PathBuf, BuildError> {
    let variable = |name| std::env::var_os(name).map(PathBuf::from);
    let user =
        variable("XDG_CACHE_HOME").or_else(|| variable("HOME").map(|home| home.join(".cache")));
    let user = user.filter(|path| path.is_absolute()).unwrap_or_else(std::env::temp_dir);
    Ok(user.join("mayfly").join("dependencies"))
}

fn run(name: &FunctionName, plan: &Plan, directory: &Path) -> Result<(), BuildError> {
    let shown = plan.command.join(" ");
    let waiting = Waiting::new(&Terminal::of_process(), format!("{name}: {shown}"));
    let output = Command::new(&plan.command[0])
        .args(&plan.command[1..])
        .envs(&plan.environment)
        .current_dir(directory)
        .stdin(Stdio::null())
        .output();
    drop(waiting);
    let output = output.map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BuildError::NoInstaller(plan.command[0].clone()),
        _ => error.into(),
    })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr].concat();
    let said = String::from_utf8_lossy(&said);
    let lines: Vec<&str> = said.lines().filter(|line| !line.trim().is_empty()).collect();
    let last = lines[lines.len().saturating_sub(LAST_LINES)..].join("\n");
    Err(BuildError::Failed { command: shown, output: last })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(files: &[(&str, &str)]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let file = directory.path().join(name);
            fs::create_dir_all(file.parent().unwrap()).unwrap();
            fs::write(file, text).unwrap();
        }
        plan(directory.path()).unwrap().map(|plan| plan.command.join(" "))
    }

    #[test]
    fn the_usual_installer_runs_where_dependencies_are_wanted_and_not_there() {
        let package = ("package.json", r#"{"dependencies":{"express":"4"}}"#);
        for (files, begins) in [
            (vec![package], "npm install"),
            (vec![package, ("package-lock.json", "{}")], "npm ci"),
            (vec![package, ("pnpm-lock.yaml", "")], "pnpm install"),
            (vec![package, ("yarn.lock", "")], "yarn install"),
            (vec![("requirements.txt", "# tools\nmangum\n")], "python3 -m pip install"),
            (vec![("Gemfile", "")], "bundle install"),
        ] {
            let command = planned(&files).unwrap_or_else(|| panic!("{files:?}"));
            assert!(command.starts_with(begins), "{files:?}: {command}");
        }
        for files in [
            vec![("index.js", "")],
            vec![("package.json", r#"{"type":"module","devDependencies":{"x":"1"}}"#)],
            vec![package, ("node_modules/express/index.js", "")],
            vec![("requirements.txt", "\n# nothing\n")],
            vec![("requirements.txt", "mangum"), ("mangum-1.dist-info/METADATA", "")],
            vec![("Gemfile", ""), ("vendor/bundle/x", "")],
        ] {
            assert_eq!(planned(&files), None, "{files:?}");
        }
    }
}
