//! One file: what it asks for, what it offers, and what the engine gets.

use std::collections::BTreeSet;
use std::path::Path;

use mayfly_runtime_api::Diagnostic;
use oxc::allocator::Allocator;
use oxc::ast::ast::{
    Declaration, Decorator, ExportAllDeclaration, ExportDefaultDeclarationKind,
    ExportFromDeclaration, ImportAttributeKey, ImportDeclaration, ImportDeclarationSpecifier,
    ImportExpression, Program, Statement, StringLiteral, WithClause,
};
use oxc::ast_visit::{Visit, VisitMut};
use oxc::diagnostics::OxcDiagnostic;
use oxc::parser::{ParseOptions, Parser};
use oxc::semantic::SemanticBuilder;
use oxc::span::{SourceType, Span};

use super::commonjs::{self, CommonJs};
use super::resolve::Format;
use super::{SourceMap, depth, position, typescript};

/// More faults of one file than this teach nothing.
const MAX_FAULTS: usize = 20;

/// A file to parse.
pub(super) struct Input<'a> {
    /// Its name in diagnostics and stack traces.
    pub(super) name: &'a str,
    pub(super) source: &'a str,
    /// What its package says that it holds.
    pub(super) format: Option<Format>,
    /// Whether it is the author's own, and so worth closer looks.
    pub(super) own: bool,
}

/// What a file holds.
#[derive(Debug)]
pub(super) enum Parsed {
    Module(Esm),
    CommonJs(CommonJs),
    /// A value, as the source of a module whose default export it is.
    Json(String),
}

/// An ECMAScript module.
#[derive(Debug, Default)]
pub(super) struct Esm {
    /// What the engine gets, where that is not the file as it is.
    pub(super) rewritten: Option<String>,
    pub(super) map: Option<SourceMap>,
    pub(super) requests: Vec<Request>,
    pub(super) exports: BTreeSet<String>,
    /// The specifiers of `export * from`.
    pub(super) stars: Vec<String>,
    /// Where an `import()` is of something else than a literal.
    pub(super) computed: Vec<usize>,
}

/// A specifier and how a file asks for it.
#[derive(Debug)]
pub(super) struct Request {
    pub(super) specifier: String,
    /// The specifier's offset in the file.
    pub(super) at: usize,
    pub(super) urgency: Urgency,
    /// The names that the file takes, with their offsets.
    pub(super) names: Vec<(String, usize)>,
    /// The import attribute `type`.
    pub(super) kind: Option<String>,
}

/// When a request has to be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Urgency {
    /// Before the file runs.
    Needed,
    /// When the file gets there, if it does.
    Later,
}

/// Parses a file by its extension.
pub(super) fn parse(input: &Input<'_>) -> Result<Parsed, Vec<Diagnostic>> {
    let extension = Path::new(input.name).extension().and_then(|extension| extension.to_str());
    match extension.map(str::to_ascii_lowercase).as_deref() {
        Some("json") => json(input).map_err(|fault| vec![fault]),
        Some("ts" | "mts") => script(input, SourceType::ts()),
        Some("tsx") => script(input, SourceType::tsx()),
        Some("jsx") => script(input, SourceType::jsx()),
        None | Some("js" | "mjs" | "cjs") => script(input, SourceType::mjs()),
        Some(other) => Err(vec![unsupported(input.name, other)]),
    }
}

fn unsupported(name: &str, extension: &str) -> Diagnostic {
    let mut fault = Diagnostic::new(format!("`.{extension}` is not a kind of module"))
        .help("the js runtime takes .js, .mjs, .cjs, .jsx, .ts, .mts, .tsx and .json");
    fault.file = Some(name.to_owned());
    fault
}

fn json(input: &Input<'_>) -> Result<Parsed, Diagnostic> {
    let text = input.source.trim_start_matches('\u{feff}');
    serde_json::from_str::<serde::de::IgnoredAny>(text).map_err(|error| {
        let mut fault = Diagnostic::new(format!("not JSON: {error}"));
        fault.file = Some(input.name.to_owned());
        fault.line = u32::try_from(error.line()).ok();
        fault.column = u32::try_from(error.column().max(1)).ok();
        fault.source = text.lines().nth(error.line().saturating_sub(1)).map(str::to_owned);
        fault
    })?;
    // Not an object literal, in which the key `__proto__` would mean something else.
    let text = serde_json::Value::from(text);
    Ok(Parsed::Json(format!("export default JSON.parse({text});\n")))
}

fn script(input: &Input<'_>, source_type: SourceType) -> Result<Parsed, Vec<Diagnostic>> {
    if let Some(offset) = depth::too_deep(input.source) {
        let message = format!("nested deeper than {}", depth::MAX_DEPTH);
        return Err(vec![position::at(message, input.name, input.source, offset)]);
    }
    let allocator = Allocator::default();
    let plain = source_type.is_javascript() && !source_type.is_jsx();
    let commonjs = plain && may_be_commonjs(input);
    let options = ParseOptions {
        // The text of a CommonJS file is the body of a function.
        allow_return_outside_function: commonjs,
        ..ParseOptions::default()
    };
    let mut parsed =
        Parser::new(&allocator, input.source, source_type).with_options(options).parse();
    if parsed.diagnostics.has_errors() {
        return Err(faults(input, &parsed.diagnostics.into_vec()));
    }
    if commonjs && !parsed.module_record.has_module_syntax {
        return commonjs::analyse(input, &parsed).map(Parsed::CommonJs);
    }
    if input.source.contains('@') {
        let mut decorators = Decorators(None);
        decorators.visit_program(&parsed.program);
        if let Some(at) = decorators.0 {
            let message = "the js runtime has no decorators";
            let fault = position::at(message, input.name, input.source, at.start as usize);
            return Err(vec![fault.help("call the function that the decorator names yourself")]);
        }
    }
    let imports: Vec<_> = parsed.module_record.dynamic_imports.iter().copied().collect();
    let mut module = Esm::default();
    for import in &imports {
        let options = Span::new(import.module_request.end, import.span.end - 1);
        match literal(import.module_request.source_text(input.source)) {
            Some(specifier) => module.requests.push(Request {
                specifier: specifier.to_owned(),
                at: import.module_request.start as usize,
                urgency: Urgency::Later,
                names: Vec::new(),
                kind: kind_in(options.source_text(input.source)),
            }),
            None => module.computed.push(import.span.start as usize),
        }
    }
    let mut blanks = Vec::new();
    if plain {
        if input.own {
            let built = SemanticBuilder::new_compiler().build(&parsed.program);
            if built.diagnostics.has_errors() {
                return Err(faults(input, &built.diagnostics.into_vec()));
            }
        }
        blanks.extend(
            imports.iter().map(|import| Span::new(import.module_request.end, import.span.end - 1)),
        );
        survey(&parsed.program, &mut module, &mut blanks);
        module.rewritten = blank(input.source, blanks);
    } else {
        let path = Path::new(input.name);
        typescript::transform(&allocator, path, &mut parsed.program)
            .map_err(|errors| faults(input, &errors))?;
        survey(&parsed.program, &mut module, &mut blanks);
        WithoutAttributes.visit_program(&mut parsed.program);
        let (code, map) = typescript::print(path, input.source, &parsed.program);
        module.rewritten = Some(code);
        module.map = Some(map);
    }
    Ok(Parsed::Module(module))
}

/// Whether a file that has no word of ES modules is CommonJS.
fn may_be_commonjs(input: &Input<'_>) -> bool {
    const SIGNS: [&str; 7] = [
        "module.exports",
        "exports.",
        "exports[",
        "exports,",
        "exports)",
        "typeof exports",
        "require(",
    ];
    let extension = |extension| input.name.ends_with(extension);
    extension(".cjs")
        || !extension(".mjs")
            && input.format != Some(Format::Module)
            && SIGNS.iter().any(|sign| input.source.contains(sign))
}

/// What oxc found, as the project says it.
pub(super) fn faults(input: &Input<'_>, found: &[OxcDiagnostic]) -> Vec<Diagnostic> {
    found
        .iter()
        .take(MAX_FAULTS)
        .map(|fault| {
            let label = fault.labels.iter().find(|label| label.primary());
            let message = fault.message.to_string();
            let mut diagnostic = match label.or(fault.labels.first()) {
                Some(label) => {
                    position::at(message, input.name, input.source, label.offset() as usize)
                }
                None => {
                    let mut diagnostic = Diagnostic::new(message);
                    diagnostic.file = Some(input.name.to_owned());
                    diagnostic
                }
            };
            diagnostic.help = fault.help.as_ref().map(ToString::to_string);
            diagnostic
        })
        .collect()
}

/// Reads the imports and exports of a program off its top level.
fn survey(program: &Program<'_>, module: &mut Esm, blanks: &mut Vec<Span>) {
    for statement in &program.body {
        match statement {
            Statement::ImportDeclaration(import) => {
                let names = import.specifiers.iter().flatten().filter_map(|name| match name {
                    ImportDeclarationSpecifier::ImportSpecifier(name) => {
                        Some((name.imported.name().to_string(), name.span.start as usize))
                    }
                    ImportDeclarationSpecifier::ImportDefaultSpecifier(name) => {
                        Some(("default".to_owned(), name.span.start as usize))
                    }
                    ImportDeclarationSpecifier::ImportNamespaceSpecifier(_) => None,
                });
                let names = names.collect();
                let attributes = import.with_clause.as_deref();
                module.requests.push(request(&import.source, attributes, names, blanks));
            }
            Statement::ExportFromDeclaration(export) => {
                let names = export.specifiers.iter();
                let names = names
                    .map(|name| (name.local.name().to_string(), name.span.start as usize))
                    .collect();
                let attributes = export.with_clause.as_deref();
                module.requests.push(request(&export.source, attributes, names, blanks));
                let names = export.specifiers.iter().map(|name| name.exported.name().to_string());
                module.exports.extend(names);
            }
            Statement::ExportAllDeclaration(export) => {
                let attributes = export.with_clause.as_deref();
                module.requests.push(request(&export.source, attributes, Vec::new(), blanks));
                match &export.exported {
                    Some(name) => {
                        module.exports.insert(name.name().to_string());
                    }
                    None => module.stars.push(export.source.value.to_string()),
                }
            }
            Statement::ExportNamedDeclaration(export) => {
                let names = export.specifiers.iter().map(|name| name.exported.name().to_string());
                module.exports.extend(names);
            }
            Statement::ExportDefaultDeclaration(export) => {
                let interface = matches!(
                    export.declaration,
                    ExportDefaultDeclarationKind::TSInterfaceDeclaration(_)
                );
                if !interface {
                    module.exports.insert("default".to_owned());
                }
            }
            Statement::ExportDeclaration(export) => match &export.declaration {
                Declaration::VariableDeclaration(variables) => {
                    let bound = variables.declarations.iter();
                    let bound = bound.flat_map(|variable| variable.id.get_binding_identifiers());
                    module.exports.extend(bound.map(|name| name.name.to_string()));
                }
                other => module.exports.extend(other.id().map(|name| name.name.to_string())),
            },
            _ => {}
        }
    }
}

fn request(
    source: &StringLiteral<'_>,
    attributes: Option<&WithClause<'_>>,
    names: Vec<(String, usize)>,
    blanks: &mut Vec<Span>,
) -> Request {
    // The span of the attributes begins after `with`.
    blanks.extend(attributes.map(|with| Span::new(source.span.end, with.span.end)));
    let kind = attributes.and_then(|attributes| {
        let entry =
            attributes.with_entries.iter().find(|entry| attribute_name(&entry.key) == "type");
        entry.map(|entry| entry.value.value.to_string())
    });
    Request {
        specifier: source.value.to_string(),
        at: source.span.start as usize,
        urgency: Urgency::Needed,
        names,
        kind,
    }
}

fn attribute_name<'a>(key: &ImportAttributeKey<'a>) -> &'a str {
    match key {
        ImportAttributeKey::Identifier(name) => name.name.as_str(),
        ImportAttributeKey::StringLiteral(name) => name.value.as_str(),
    }
}

/// The value of a string literal, or of a template without substitutions, as it is written.
fn literal(text: &str) -> Option<&str> {
    let text = text.trim();
    let quote = text.chars().next().filter(|quote| "\"'`".contains(*quote))?;
    let value = text.strip_prefix(quote)?.strip_suffix(quote)?;
    (!value.contains(['\\', '$', quote])).then_some(value)
}

/// The attribute `type` among the options of an `import()`.
fn kind_in(options: &str) -> Option<String> {
    let (_, rest) = options.split_once("type")?;
    let value = rest.trim_start_matches(['"', '\'', ' ']).strip_prefix(':')?.trim_start();
    let quote = value.chars().next().filter(|quote| "\"'".contains(*quote))?;
    value[1..].split(quote).next().map(str::to_owned)
}

/// Blanks stretches of a source, so that everything else keeps its place.
fn blank(source: &str, mut spans: Vec<Span>) -> Option<String> {
    spans.retain(|span| !span.source_text(source).trim().is_empty());
    if spans.is_empty() {
        return None;
    }
    spans.sort_by_key(|span| span.start);
    let mut out = String::with_capacity(source.len());
    let mut from = 0;
    for span in spans {
        // An `import()` in the options of another was blanked with them.
        let start = (span.start as usize).max(from);
        let end = (span.end as usize).max(start);
        out.push_str(&source[from..start]);
        let blanks = source[start..end].chars();
        out.extend(blanks.map(|one| if one == '\n' { '\n' } else { ' ' }));
        from = end;
    }
    out.push_str(&source[from..]);
    Some(out)
}

/// Finds the first decorator.
struct Decorators(Option<Span>);

impl<'a> Visit<'a> for Decorators {
    fn visit_decorator(&mut self, decorator: &Decorator<'a>) {
        self.0.get_or_insert(decorator.span);
    }
}

/// Removes import attributes, which the graph has already honoured.
struct WithoutAttributes;

impl<'a> VisitMut<'a> for WithoutAttributes {
    fn visit_import_declaration(&mut self, import: &mut ImportDeclaration<'a>) {
        import.with_clause = None;
    }

    fn visit_export_from_declaration(&mut self, export: &mut ExportFromDeclaration<'a>) {
        export.with_clause = None;
    }

    fn visit_export_all_declaration(&mut self, export: &mut ExportAllDeclaration<'a>) {
        export.with_clause = None;
    }

    fn visit_import_expression(&mut self, import: &mut ImportExpression<'a>) {
        import.options = None;
        self.visit_expression(&mut import.source);
    }
}
