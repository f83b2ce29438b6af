//! From text to [`Manifest`].

mod events;

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use mayfly_types::{AppName, ByteSize, FunctionName, Isolation, RuntimeKind, TimeSpan};
use toml::Spanned;
use toml::de::DeTable;

use crate::check::{self, Wrong};
use crate::keys::{self, nearest};
use crate::manifest::{FunctionSection, Manifest, RouteSection};
use crate::pattern::{self, Segment, Shape};
use crate::problem::{ManifestErrors, Problems, Source};
use crate::read::{Span, Table, Value};

/// Longest manifest, in bytes. Hundreds of functions fit.
const LONGEST: usize = 256 << 10;

/// Cores that an instance may be given. Less would not finish to start.
const CPU: [f64; 2] = [0.01, 256.0];

/// A parser that recovers from one mistake may see others that are none; few are worth telling.
const MOST_SYNTAX_ERRORS: usize = 5;

/// Reads a manifest. `file_name` is what messages call it.
///
/// # Errors
/// Every mistake that shows without the functions' files. While the text is not TOML, only that is
/// told.
pub fn parse(text: &str, file_name: &str) -> Result<Manifest, ManifestErrors> {
    let source = Arc::new(Source { name: file_name.to_owned(), text: text.to_owned() });
    let mut problems = Problems::new(Arc::clone(&source));

    if text.len() > LONGEST {
        let message = format!("a manifest has at most {} KB", LONGEST >> 10);
        problems.add_with_help(0..0, message, "divide the app into several");
        return Err(problems.into_errors());
    }

    let (document, errors) = DeTable::parse_recoverable(text);
    let mut lines = Vec::new();
    for error in &errors {
        let span = error.span().unwrap_or(0..0);
        let line = problems.line_of(span.start);
        if lines.len() < MOST_SYNTAX_ERRORS && !lines.contains(&line) {
            lines.push(line);
            problems.add(span, error.message().lines().collect::<Vec<_>>().join(", "));
        }
    }
    if !problems.is_empty() {
        return Err(problems.into_errors());
    }

    let top = Table::new(document.get_ref(), 0..0);
    top.check_keys(keys::TOP, "the manifest", &mut problems);
    schema(&top, &mut problems);
    let app = app(&top, &mut problems);
    let (functions, named) = functions(&top, app.as_ref(), &mut problems);
    let routes = routes(&top, &named, &mut problems);
    match app {
        Some(app) => problems.finish(Manifest { source, app, functions, routes }),
        None => Err(problems.into_errors()),
    }
}

fn report(span: Span, wrong: Wrong, problems: &mut Problems) {
    match wrong.help {
        Some(help) => problems.add_with_help(span, wrong.message, help),
        None => problems.add(span, wrong.message),
    }
}

fn schema(top: &Table<'_>, problems: &mut Problems) {
    if let Some(value) = top.get("schema")
        && let Some(schema) = value.integer(problems)
        && *schema.get_ref() != 1
    {
        problems.add_with_help(
            schema.span(),
            format!("this build reads schema 1, not {}", schema.get_ref()),
            "write `schema = 1`, or run a newer mayfly",
        );
    }
}

fn app(top: &Table<'_>, problems: &mut Problems) -> Option<AppName> {
    let Some(value) = top.get("app") else {
        problems.add_with_help(
            0..0,
            "the manifest does not name its app",
            "begin with `app = \"NAME\"`",
        );
        return None;
    };
    let text = value.string(problems)?;
    match AppName::new(text.get_ref()) {
        Ok(name) => Some(name),
        Err(error) => {
            let near = crate::app_name_from(text.get_ref());
            problems.add_with_help(text.span(), error.to_string(), format!("write \"{near}\""));
            None
        }
    }
}

/// The functions, and the names of all that are there, with mistakes or without.
fn functions(
    top: &Table<'_>,
    app: Option<&AppName>,
    problems: &mut Problems,
) -> (BTreeMap<FunctionName, FunctionSection>, Vec<FunctionName>) {
    let mut functions = BTreeMap::new();
    let mut named = Vec::new();
    let sections = match top.get("functions").map(|value| value.table(problems)) {
        Some(Some(sections)) if sections.entries().next().is_some() => sections,
        Some(None) => return (functions, named),
        none => {
            problems.add_with_help(
                none.flatten().map_or(0..0, |empty| empty.span()),
                "the manifest has no functions",
                "add one:\n[functions.hello]\ncode = \"hello.js\"",
            );
            return (functions, named);
        }
    };
    for (key, value) in sections.entries() {
        let name = match FunctionName::new(key.get_ref()) {
            Ok(name) => Some(name),
            Err(error) => {
                let near = crate::function_name_from(key.get_ref());
                problems.add_with_help(
                    key.span(),
                    error.to_string(),
                    format!("write `[functions.{near}]`"),
                );
                None
            }
        };
        named.extend(name.clone());
        let section = function(key, value, app, problems);
        if let (Some(name), Some(section)) = (name, section) {
            functions.insert(name, section);
        }
    }
    (functions, named)
}

fn function(
    key: Spanned<&str>,
    value: Value<'_>,
    app: Option<&AppName>,
    problems: &mut Problems,
) -> Option<FunctionSection> {
    let name = key.get_ref();
    let table = value.table(problems)?;
    table.check_keys(keys::FUNCTION, &format!("function `{name}`"), problems);
    let code = match table.get("code") {
        Some(code) => checked(code.string(problems), check::code_path, problems),
        None => {
            problems.add_with_help(
                key.span(),
                format!("function `{name}` has no `code`"),
                format!("name its file or directory: code = \"functions/{name}\""),
            );
            None
        }
    };
    let runtime = table.get("runtime").map(|value| runtime(value, problems));
    let handler = table.get("handler").and_then(|value| value.string(problems));
    // A program that runs by itself reads the word as it likes.
    let own = matches!(&runtime, Some(Some(kind)) if *kind.get_ref() == RuntimeKind::Provided);
    let form = |text: &str| if own { Ok(()) } else { check::handler(text).map(|_| ()) };
    let handler = checked(handler, form, problems);
    let memory = table.get("memory").and_then(|value| value.quantity::<ByteSize>("MB", problems));
    let cpu = table.get("cpu").and_then(|value| cpu(value, problems));
    let disk = table.get("disk").and_then(|value| value.quantity::<ByteSize>("MB", problems));
    let timeout = table.get("timeout").and_then(|value| timeout(value, problems));
    let at_once = |key, problems: &mut Problems| {
        table.get(key).and_then(|value| concurrency(key, value, problems))
    };
    let concurrency = at_once("concurrency", problems).map(Spanned::into_inner);
    let concurrency_per_instance = at_once("concurrency_per_instance", problems);
    let warm = table.get("warm").and_then(|value| warm(value, concurrency, problems));
    let isolation = table.get("isolation").and_then(|value| isolation(value, problems));
    let env = table.get("env").map(|value| env(value, problems)).unwrap_or_default();
    let secrets = match table.get("secrets").and_then(|value| value.strings(problems)) {
        Some(names) => secrets(names, &env, problems),
        None => Vec::new(),
    };
    let egress = match table.get("egress").and_then(|value| value.strings(problems)) {
        Some(entries) => entries
            .into_iter()
            .filter_map(|entry| checked(Some(entry), check::egress, problems))
            .collect(),
        None => Vec::new(),
    };
    let events = table.get("async").and_then(|value| events::read(value, name, app, problems));
    Some(FunctionSection {
        name: key.span(),
        code: code?,
        runtime: runtime.flatten(),
        handler,
        memory,
        cpu,
        disk,
        timeout,
        concurrency,
        concurrency_per_instance,
        warm: warm.unwrap_or(0),
        isolation,
        env,
        secrets,
        egress,
        events: events.unwrap_or_default(),
    })
}

fn checked(
    text: Option<Spanned<&str>>,
    check: impl FnOnce(&str) -> Result<(), Wrong>,
    problems: &mut Problems,
) -> Option<Spanned<String>> {
    let text = text?;
    match check(text.get_ref()) {
        Ok(()) => Some(Spanned::new(text.span(), (*text.get_ref()).to_owned())),
        Err(wrong) => {
            report(text.span(), wrong, problems);
            None
        }
    }
}

fn runtime(value: Value<'_>, problems: &mut Problems) -> Option<Spanned<RuntimeKind>> {
    let text = value.string(problems)?;
    let word = *text.get_ref();
    match RuntimeKind::ALL.into_iter().find(|kind| kind.as_str() == word) {
        Some(kind) => Some(Spanned::new(text.span(), kind)),
        None => {
            let help = match nearest(word, RuntimeKind::ALL.map(RuntimeKind::as_str)) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("this build runs {}", this_build()),
            };
            let message = format!("there is no runtime `{}`", word.escape_debug());
            problems.add_with_help(text.span(), message, help);
            None
        }
    }
}

/// The runtimes of this build.
fn this_build() -> String {
    RuntimeKind::ALL.map(|kind| format!("`{kind}`")).join(", ")
}

fn cpu(value: Value<'_>, problems: &mut Problems) -> Option<Spanned<f64>> {
    let number = value.number(problems)?;
    let [least, most] = CPU;
    if (least..=most).contains(number.get_ref()) {
        return Some(number);
    }
    let message = format!("`cpu` is from {least} to {most} cores, not {}", number.get_ref());
    problems.add_with_help(number.span(), message, "leave it out for one core");
    None
}

fn timeout(value: Value<'_>, problems: &mut Problems) -> Option<TimeSpan> {
    let span = value.quantity::<TimeSpan>("s", problems)?;
    if span.get_ref().as_millis() == 0 {
        problems.add_with_help(
            span.span(),
            "`timeout` must be longer than nothing",
            "leave it out for 30s",
        );
        return None;
    }
    Some(span.into_inner())
}

fn concurrency(
    key: &'static str,
    value: Value<'_>,
    problems: &mut Problems,
) -> Option<Spanned<u32>> {
    let number = value.integer(problems)?;
    match u32::try_from(*number.get_ref()) {
        Ok(most @ 1..) => Some(Spanned::new(number.span(), most)),
        _ => {
            problems.add_with_help(
                number.span(),
                format!("`{key}` is from 1 to {}, not {}", u32::MAX, number.get_ref()),
                "leave it out for the default",
            );
            None
        }
    }
}

/// Most environments of one function that wait.
const MOST_WARM: u32 = 1000;

fn warm(value: Value<'_>, concurrency: Option<u32>, problems: &mut Problems) -> Option<u32> {
    let number = value.integer(problems)?;
    let most = concurrency.unwrap_or(MOST_WARM).min(MOST_WARM);
    match u32::try_from(*number.get_ref()) {
        Ok(warm) if warm <= most => Some(warm),
        _ => {
            let message = format!("`warm` is from 0 to {most}, not {}", number.get_ref());
            let help = match concurrency {
                Some(most) if most < MOST_WARM => {
                    "no more than `concurrency` run at once, so none beyond it would be called"
                }
                _ => "leave it out to have none that waits",
            };
            problems.add_with_help(number.span(), message, help);
            None
        }
    }
}

fn isolation(value: Value<'_>, problems: &mut Problems) -> Option<Spanned<Isolation>> {
    let text = value.string(problems)?;
    let isolation = match *text.get_ref() {
        "invocation" => Isolation::Invocation,
        "instance" => Isolation::Instance,
        _ => {
            problems.add(text.span(), "`isolation` is \"invocation\" or \"instance\"");
            return None;
        }
    };
    Some(Spanned::new(text.span(), isolation))
}

fn env(value: Value<'_>, problems: &mut Problems) -> BTreeMap<String, String> {
    let mut env = BTreeMap::new();
    let Some(table) = value.table(problems) else {
        return env;
    };
    for (key, value) in table.entries() {
        if let Err(wrong) = check::variable_name(key.get_ref()) {
            report(key.span(), wrong, problems);
        }
        let Some(text) = value.string(problems) else { continue };
        if text.get_ref().contains('\0') {
            problems.add(text.span(), format!("the value of `{}` holds a NUL", key.get_ref()));
        }
        env.insert((*key.get_ref()).to_owned(), (*text.get_ref()).to_owned());
    }
    env
}

fn secrets(
    names: Vec<Spanned<&str>>,
    env: &BTreeMap<String, String>,
    problems: &mut Problems,
) -> Vec<String> {
    let mut secrets: Vec<String> = Vec::new();
    let mut seen = HashSet::new();
    for name in names {
        let Some(name) = checked(Some(name), check::variable_name, problems) else { continue };
        let (span, name) = (name.span(), name.into_inner());
        if env.contains_key(&name) {
            problems.add_with_help(
                span,
                format!("`{name}` is in `env` and in `secrets`"),
                "both would be the same variable: remove one",
            );
        } else if !seen.insert(name.clone()) {
            problems.add(span, format!("secret `{name}` is named twice"));
        } else {
            secrets.push(name);
        }
    }
    secrets
}

/// A route's claim: its path, as far as it decides what matches, and a method.
type Claim = (Vec<OwnedShape>, Option<String>);

#[derive(PartialEq, Eq, Hash)]
enum OwnedShape {
    Static(Vec<u8>),
    Param,
    Tail,
}

impl From<&Segment> for OwnedShape {
    fn from(segment: &Segment) -> Self {
        match segment.shape() {
            Shape::Static(bytes) => Self::Static(bytes.to_vec()),
            Shape::Param => Self::Param,
            Shape::Tail => Self::Tail,
        }
    }
}

fn routes(top: &Table<'_>, named: &[FunctionName], problems: &mut Problems) -> Vec<RouteSection> {
    let mut routes = Vec::new();
    let mut claims: HashMap<Claim, usize> = HashMap::new();
    let Some(items) = top.get("routes").and_then(|value| value.array(problems)) else {
        return routes;
    };
    for item in items {
        let Some(table) = item.table(problems) else { continue };
        table.check_keys(keys::ROUTE, "a route", problems);
        let path = required(&table, "path", problems);
        let methods = match table.get("methods") {
            Some(value) => methods(value, problems),
            None => Some(Vec::new()),
        };
        let function = required(&table, "function", problems);
        let function = function.and_then(|text| known_function(text, named, problems));
        if let Some(auth) = table.get("auth").and_then(|value| value.string(problems))
            && *auth.get_ref() != "none"
        {
            problems.add_with_help(
                auth.span(),
                format!("`auth = \"{}\"` is not in this build yet", auth.get_ref().escape_debug()),
                "remove it, or write \"none\": this build lets every caller in",
            );
        }
        let Some(path) = path else { continue };
        let segments = match pattern::parse(path.get_ref()) {
            Ok(segments) => segments,
            Err(error) => {
                problems.add(path.span(), error.to_string());
                continue;
            }
        };
        let Some(methods) = methods else { continue };
        claim(&path, &segments, &methods, &mut claims, problems);
        if let Some(function) = function {
            routes.push(RouteSection { path: (*path.get_ref()).to_owned(), methods, function });
        }
    }
    routes
}

fn required<'a>(
    table: &Table<'a>,
    key: &'static str,
    problems: &mut Problems,
) -> Option<Spanned<&'a str>> {
    match table.get(key) {
        Some(value) => value.string(problems),
        None => {
            problems.add(table.span(), format!("a route needs `{key}`"));
            None
        }
    }
}

fn methods(value: Value<'_>, problems: &mut Problems) -> Option<Vec<String>> {
    let items = value.strings(problems)?;
    if items.is_empty() {
        problems.add_with_help(
            value.span(),
            "a route without methods answers nothing",
            "leave `methods` out for all of them",
        );
        return None;
    }
    let mut methods: Vec<String> = Vec::with_capacity(items.len());
    let mut seen = HashSet::new();
    for item in items {
        let Some(method) = checked(Some(item), check::method, problems) else { continue };
        if seen.insert(method.get_ref().clone()) {
            methods.push(method.into_inner());
        } else {
            problems.add(method.span(), format!("method `{}` is named twice", method.get_ref()));
        }
    }
    Some(methods)
}

fn known_function(
    text: Spanned<&str>,
    named: &[FunctionName],
    problems: &mut Problems,
) -> Option<FunctionName> {
    if let Some(name) = named.iter().find(|name| name.as_str() == *text.get_ref()) {
        return Some(name.clone());
    }
    let message = format!("there is no function `{}`", text.get_ref().escape_debug());
    match nearest(text.get_ref(), named.iter().map(FunctionName::as_str)) {
        Some(near) => {
            problems.add_with_help(text.span(), message, format!("did you mean `{near}`?"));
        }
        None => problems.add(text.span(), message),
    }
    None
}

/// Notes what a route claims, and reports what another has claimed before.
fn claim(
    path: &Spanned<&str>,
    segments: &[Segment],
    methods: &[String],
    claims: &mut HashMap<Claim, usize>,
    problems: &mut Problems,
) {
    let words: Vec<Option<&String>> =
        if methods.is_empty() { vec![None] } else { methods.iter().map(Some).collect() };
    let here = problems.line_of(path.span().start);
    for method in words {
        let shape = segments.iter().map(OwnedShape::from).collect();
        if let Some(there) = claims.insert((shape, method.cloned()), here) {
            let what = method.map_or("every method", String::as_str);
            problems.add_with_help(
                path.span(),
                format!("lines {there} and {here} both route {what} of `{}`", path.get_ref()),
                "remove one of them, or give them different methods",
            );
        }
    }
}

#[cfg(test)]
mod tests;
