//! TypeScript and JSX to JavaScript.

use std::path::Path;

use oxc::allocator::Allocator;
use oxc::ast::ast::{ImportDeclarationSpecifier, ImportOrExportKind, Program, Statement};
use oxc::codegen::{Codegen, CodegenOptions, CommentOptions};
use oxc::diagnostics::OxcDiagnostic;
use oxc::semantic::{Scoping, SemanticBuilder};
use oxc::transformer::{TransformOptions, Transformer, TypeScriptOptions};

use super::SourceMap;

/// Replaces a program by the JavaScript that it means.
///
/// # Errors
/// What the language forbids.
pub(super) fn transform<'a>(
    allocator: &'a Allocator,
    path: &Path,
    program: &mut Program<'a>,
) -> Result<(), Vec<OxcDiagnostic>> {
    // The capacity is for the scopes and symbols that the transformer adds.
    let built = SemanticBuilder::new_compiler()
        .with_excess_capacity(2.0)
        .with_enum_eval(true)
        .build(program);
    if built.diagnostics.has_errors() {
        return Err(built.diagnostics.into_vec());
    }
    let scoping = built.semantic.into_scoping();
    forget_types(program, &scoping);
    let options = TransformOptions {
        typescript: TypeScriptOptions {
            only_remove_type_imports: true,
            ..TypeScriptOptions::default()
        },
        ..TransformOptions::default()
    };
    let done = Transformer::new(allocator, path, &options).build_with_scoping(scoping, program);
    if done.diagnostics.has_errors() { Err(done.diagnostics.into_vec()) } else { Ok(()) }
}

/// Prints a program, with the way back to what was written.
pub(super) fn print(path: &Path, source: &str, program: &Program<'_>) -> (String, SourceMap) {
    let options = CodegenOptions {
        comments: CommentOptions::disabled(),
        source_map_path: Some(path.to_path_buf()),
        ..CodegenOptions::default()
    };
    let printed = Codegen::new().with_options(options).with_source_text(source).build(program);
    let mappings = printed.map.map(|map| map.to_json().mappings).unwrap_or_default();
    (printed.code, SourceMap::new(mappings))
}

/// Drops the imported names that are used as types and never as values, which need no `type` in
/// TypeScript's default mode. The transformer can do that too, but would also drop names that
/// nothing uses, and with them modules that are imported for what they do.
fn forget_types(program: &mut Program<'_>, scoping: &Scoping) {
    for statement in &mut program.body {
        let Statement::ImportDeclaration(import) = statement else { continue };
        let Some(names) = &mut import.specifiers else { continue };
        if names.is_empty() {
            continue;
        }
        names.retain(|name| {
            let marked = matches!(
                name,
                ImportDeclarationSpecifier::ImportSpecifier(name) if name.import_kind.is_type()
            );
            let symbol = name.local().symbol_id();
            let mut uses = scoping.get_resolved_references(symbol).peekable();
            let only_types = uses.peek().is_some() && uses.all(|usage| !usage.is_value());
            !marked && !only_types
        });
        if names.is_empty() {
            import.import_kind = ImportOrExportKind::Type;
        }
    }
}
