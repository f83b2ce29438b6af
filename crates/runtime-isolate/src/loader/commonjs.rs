//! CommonJS files as modules.
//!
//! A CommonJS file becomes two modules. The *core* holds the file's text in a function and runs
//! it at the first `require`, as CommonJS does: imports would run it at once, and in another
//! order. The *facade*, made only where an `import` asks for it, requires the core and exports
//! what came out. The core exports one function declaration, which modules in a circle can call
//! before any of them has run.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use mayfly_runtime_api::Diagnostic;
use oxc::ast::ast::{
    Argument, ArrowFunctionExpression, AssignmentExpression, AssignmentTarget, CallExpression,
    Expression, Function, IfStatement, ObjectPropertyKind, PropertyKey, TryStatement,
};
use oxc::ast_visit::{Visit, walk};
use oxc::parser::ParserReturn;
use oxc::semantic::SemanticBuilder;
use oxc::syntax::scope::ScopeFlags;

use super::parse::{Input, Request, Urgency, faults};

/// What a core exports.
const RUN: &str = "$mayfly_require";

/// A CommonJS file.
#[derive(Debug, Default)]
pub(super) struct CommonJs {
    /// What it requires, each once.
    pub(super) requires: Vec<Request>,
    /// What it imports by `import()`.
    pub(super) imports: Vec<Request>,
    /// The names that it gives its exports, as far as they can be seen.
    pub(super) exports: BTreeSet<String>,
    /// The specifiers whose exports it passes on.
    pub(super) stars: Vec<String>,
}

/// What a required module is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Required {
    Core,
    Module,
    Json,
}

/// The specifier by which a core imports what the file requires. Not the file's own, because
/// `import` and `require` of one specifier may mean two files.
pub(super) fn require_specifier(specifier: &str) -> String {
    format!("require:{specifier}")
}

/// The specifier by which a facade imports its core.
pub(super) const CORE: &str = "require:.";

/// Finds what a CommonJS file requires and exports.
pub(super) fn analyse(
    input: &Input<'_>,
    parsed: &ParserReturn<'_>,
) -> Result<CommonJs, Vec<Diagnostic>> {
    // As part of a module the text is strict, and the parser took it so; some rules are here.
    let built = SemanticBuilder::new_compiler().build(&parsed.program);
    if built.diagnostics.has_errors() {
        let sloppy = "the js runtime runs CommonJS in strict mode; an ES module build of the \
                      package may work";
        let mut faults = faults(input, &built.diagnostics.into_vec());
        for fault in &mut faults {
            fault.help.get_or_insert_with(|| sloppy.to_owned());
        }
        return Err(faults);
    }
    let mut survey = Survey { found: CommonJs::default(), optional: 0 };
    survey.visit_program(&parsed.program);
    Ok(survey.found)
}

/// The core of a file. `requires` tells what each of its requires turned out to be; those that it
/// leaves out throw when they are reached.
pub(super) fn core(name: &str, source: &str, requires: &[(&str, Required)]) -> String {
    let mut out = String::with_capacity(source.len() + 512);
    let mut cases = String::new();
    for (index, (specifier, required)) in requires.iter().enumerate() {
        let from = quote(&require_specifier(specifier));
        let (clause, value) = match required {
            Required::Core => (format!("{{ {RUN} as $r{index} }}"), format!("$r{index}()")),
            Required::Module => (format!("* as $r{index}"), format!("$r{index}")),
            Required::Json => (format!("$r{index}"), format!("$r{index}")),
        };
        let _ = write!(out, "import {clause} from {from}; ");
        let _ = write!(cases, "case {}: return {value}; ", quote(specifier));
    }
    let directory = name.rsplit_once('/').map_or("", |(directory, _)| directory);
    let (file, directory) = (quote(name), quote(&format!("/{directory}")));
    // All on the first line, so that the file's lines keep their numbers.
    let _ = write!(
        out,
        "var $m; export function {RUN}() {{ if ($m) return $m.exports; \
         $m = {{ exports: {{}}, id: {file}, filename: {file}, loaded: false, children: [], \
         paths: [], require: $require }}; \
         try {{ $file.call($m.exports, $m.exports, $require, $m, {file}, {directory}); }} \
         catch (error) {{ $m = undefined; throw error; }} \
         $m.loaded = true; return $m.exports; }} \
         function $require(specifier) {{ switch (specifier) {{ {cases}}} \
         throw Object.assign(new Error(\"Cannot find module '\" + specifier + \"' required by \" \
         + {file}), {{ code: \"MODULE_NOT_FOUND\" }}); }} \
         $require.resolve = (specifier) => specifier; $require.cache = {{}}; \
         function $file(exports, require, module, __filename, __dirname) {{ "
    );
    let source = source.trim_start_matches('\u{feff}');
    if source.starts_with("#!") {
        out.push_str("//");
    }
    out.push_str(source);
    // On a line of its own, because the file may end in a comment.
    out.push_str("\n}\n");
    out
}

/// The facade of a file, which exports `names`.
pub(super) fn facade<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    let mut out = format!(
        "import {{ {RUN} }} from {};\nconst $e = {RUN}();\n\
         const $o = $e === null || $e === undefined ? {{}} : $e;\n\
         export default $o.__esModule && \"default\" in $o ? $o.default : $e;\n",
        quote(CORE)
    );
    let names = names.into_iter().filter(|name| *name != "default" && is_identifier(name));
    for (index, name) in names.enumerate() {
        // By another name, because this one may be a reserved word.
        let _ = writeln!(out, "const $n{index} = $o.{name}; export {{ $n{index} as {name} }};");
    }
    out
}

fn quote(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

fn is_identifier(name: &str) -> bool {
    let is_part = |one: char| one.is_alphanumeric() || one == '_' || one == '$';
    name.chars().all(is_part)
        && !name.starts_with(|first: char| first.is_numeric())
        && !name.is_empty()
}

struct Survey {
    found: CommonJs,
    /// How many of the statements around may keep a require from being reached.
    optional: u32,
}

impl Survey {
    fn optionally(&mut self, walk: impl FnOnce(&mut Self)) {
        self.optional += 1;
        walk(self);
        self.optional -= 1;
    }

    fn export_object(&mut self, value: &Expression<'_>) {
        match value {
            Expression::ObjectExpression(object) => {
                for property in &object.properties {
                    match property {
                        ObjectPropertyKind::ObjectProperty(property) => {
                            let name = property_name(&property.key);
                            self.found.exports.extend(name);
                        }
                        ObjectPropertyKind::SpreadProperty(spread) => {
                            self.found.stars.extend(required(&spread.argument));
                        }
                    }
                }
            }
            Expression::AssignmentExpression(assignment) => self.export_object(&assignment.right),
            value => self.found.stars.extend(required(value)),
        }
    }
}

impl<'a> Visit<'a> for Survey {
    fn visit_call_expression(&mut self, call: &CallExpression<'a>) {
        if let Some(specifier) = required_by(call)
            && let Some(argument) = call.arguments.first()
        {
            let urgency = if self.optional == 0 { Urgency::Needed } else { Urgency::Later };
            let known = self.found.requires.iter_mut().find(|known| known.specifier == specifier);
            match known {
                Some(known) if urgency == Urgency::Needed => known.urgency = urgency,
                Some(_) => {}
                None => {
                    let at = oxc::span::GetSpan::span(argument).start as usize;
                    let (names, kind) = (Vec::new(), None);
                    self.found.requires.push(Request { specifier, at, urgency, names, kind });
                }
            }
        }
        let callee = match &call.callee {
            Expression::Identifier(callee) => Some(callee.name.as_str()),
            Expression::StaticMemberExpression(callee) => Some(callee.property.name.as_str()),
            _ => None,
        };
        let arguments = &call.arguments;
        match callee {
            // TypeScript's and Babel's `export * from`.
            Some("__exportStar" | "__export" | "__reExport" | "_export_star") => {
                let values = arguments.iter().filter_map(Argument::as_expression);
                self.found.stars.extend(values.filter_map(required));
            }
            Some("defineProperty") => {
                let target = arguments.first().and_then(Argument::as_expression);
                if target.is_some_and(is_exports)
                    && let Some(Argument::StringLiteral(name)) = arguments.get(1)
                {
                    self.found.exports.insert(name.value.to_string());
                }
            }
            _ => {}
        }
        walk::walk_call_expression(self, call);
    }

    fn visit_assignment_expression(&mut self, assignment: &AssignmentExpression<'a>) {
        match &assignment.left {
            AssignmentTarget::StaticMemberExpression(member) => {
                let name = member.property.name.as_str();
                if is_exports(&member.object) {
                    self.found.exports.insert(name.to_owned());
                } else if name == "exports" && is_named(&member.object, "module") {
                    self.export_object(&assignment.right);
                }
            }
            AssignmentTarget::ComputedMemberExpression(member) if is_exports(&member.object) => {
                if let Expression::StringLiteral(name) = &member.expression {
                    self.found.exports.insert(name.value.to_string());
                }
            }
            _ => {}
        }
        walk::walk_assignment_expression(self, assignment);
    }

    fn visit_import_expression(&mut self, import: &oxc::ast::ast::ImportExpression<'a>) {
        if let Expression::StringLiteral(literal) = &import.source {
            self.found.imports.push(Request {
                specifier: literal.value.to_string(),
                at: literal.span.start as usize,
                urgency: Urgency::Later,
                names: Vec::new(),
                kind: None,
            });
        }
        walk::walk_import_expression(self, import);
    }

    fn visit_function(&mut self, function: &Function<'a>, flags: ScopeFlags) {
        self.optionally(|this| walk::walk_function(this, function, flags));
    }

    fn visit_arrow_function_expression(&mut self, function: &ArrowFunctionExpression<'a>) {
        self.optionally(|this| walk::walk_arrow_function_expression(this, function));
    }

    fn visit_try_statement(&mut self, statement: &TryStatement<'a>) {
        self.optionally(|this| walk::walk_try_statement(this, statement));
    }

    fn visit_if_statement(&mut self, statement: &IfStatement<'a>) {
        self.optionally(|this| walk::walk_if_statement(this, statement));
    }
}

/// The specifier, where a value is `require("specifier")`, maybe within an interop helper.
fn required(value: &Expression<'_>) -> Option<String> {
    let Expression::CallExpression(call) = value else { return None };
    required_by(call).or_else(|| required(call.arguments.first()?.as_expression()?))
}

fn required_by(call: &CallExpression<'_>) -> Option<String> {
    if !is_named(&call.callee, "require") {
        return None;
    }
    match call.arguments.first()? {
        Argument::StringLiteral(literal) => Some(literal.value.to_string()),
        _ => None,
    }
}

fn is_named(value: &Expression<'_>, name: &str) -> bool {
    matches!(value, Expression::Identifier(found) if found.name == name)
}

/// `exports` or `module.exports`.
fn is_exports(value: &Expression<'_>) -> bool {
    is_named(value, "exports")
        || matches!(
            value,
            Expression::StaticMemberExpression(member)
                if member.property.name == "exports" && is_named(&member.object, "module")
        )
}

fn property_name(key: &PropertyKey<'_>) -> Option<String> {
    match key {
        PropertyKey::StaticIdentifier(name) => Some(name.name.to_string()),
        PropertyKey::StringLiteral(name) => Some(name.value.to_string()),
        _ => None,
    }
}
