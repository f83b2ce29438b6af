//! What must hold for a module whose instance is reset by restoring its memory alone.
//!
//! After an invocation the host copies memory and the stack's pointer back and nothing else. That
//! is a full reset as long as nothing else of an instance can change.

use std::collections::BTreeSet;

use anyhow::Context as _;
use wasmparser::{
    DataKind, ElementKind, ExternalKind, Operator, Parser, Payload, TypeRef, Validator,
};

/// The only global that changes.
const STACK_POINTER: &str = "__stack_pointer";

const EXPORTS: [&str; 10] = [
    "memory",
    STACK_POINTER,
    "mayfly_init",
    "mayfly_compile",
    "mayfly_alloc",
    "mayfly_short",
    "mayfly_boot",
    "mayfly_load",
    "mayfly_begin",
    "mayfly_settle",
];

/// Parts of paths that only a machine of somebody's has.
const PRIVATE: [&str; 5] = ["/home/", "/root/", "/tmp/", "/Users/", "registry/src"];

/// What does not hold, each in a sentence.
pub(super) fn broken(module: &[u8]) -> anyhow::Result<Vec<String>> {
    Validator::new().validate_all(module).context("validate the module")?;
    let mut seen = Seen::default();
    for payload in Parser::new(0).parse_all(module) {
        seen.payload(payload?)?;
    }
    seen.finish();
    Ok(seen.broken.into_iter().collect())
}

/// Private paths that the module holds.
pub(super) fn paths(module: &[u8], private: &[String]) -> Vec<String> {
    let needles = PRIVATE.into_iter().chain(private.iter().map(String::as_str));
    let held = needles.filter(|needle| {
        !needle.is_empty() && module.windows(needle.len()).any(|part| part == needle.as_bytes())
    });
    held.map(|needle| format!("it holds a path of the machine that built it ({needle})")).collect()
}

#[derive(Default)]
struct Seen {
    broken: BTreeSet<String>,
    exports: BTreeSet<String>,
    globals: u32,
    mutable: Vec<u32>,
    stack_pointer: Option<u32>,
    memories: u32,
}

impl Seen {
    fn payload(&mut self, payload: Payload<'_>) -> anyhow::Result<()> {
        match payload {
            Payload::ImportSection(imports) => {
                for import in imports.into_imports() {
                    let import = import?;
                    self.import(import.module, import.name, import.ty);
                }
            }
            Payload::MemorySection(memories) => {
                for memory in memories {
                    self.memories += 1;
                    if memory?.shared {
                        self.refuse("its memory is shared");
                    }
                }
            }
            Payload::GlobalSection(globals) => {
                for global in globals {
                    if global?.ty.mutable {
                        self.mutable.push(self.globals);
                    }
                    self.globals += 1;
                }
            }
            Payload::ExportSection(exports) => {
                for export in exports {
                    let export = export?;
                    if export.kind == ExternalKind::Global && export.name == STACK_POINTER {
                        self.stack_pointer = Some(export.index);
                    }
                    if export.kind == ExternalKind::Table {
                        self.refuse(format!("its table is exported as `{}`", export.name));
                    }
                    self.exports.insert(export.name.to_owned());
                }
            }
            Payload::ElementSection(elements) => {
                for element in elements {
                    if !matches!(element?.kind, ElementKind::Active { .. }) {
                        self.refuse("an element segment is not active");
                    }
                }
            }
            Payload::DataSection(segments) => {
                for segment in segments {
                    if !matches!(segment?.kind, DataKind::Active { .. }) {
                        self.refuse("a data segment is not active");
                    }
                }
            }
            Payload::StartSection { .. } => self.refuse("it has a start function"),
            Payload::CodeSectionEntry(body) => {
                for operator in body.get_operators_reader()? {
                    self.operator(&operator?);
                }
            }
            _ => {}
        }
        Ok(())
    }

    fn import(&mut self, module: &str, name: &str, ty: TypeRef) {
        if !matches!(ty, TypeRef::Func(_)) {
            self.refuse(format!("it imports `{module}` `{name}`, which is no function"));
        }
        if module != "mayfly" && (module, name) != ("env", "__rquickjs_host_now_us") {
            self.refuse(format!("it imports `{module}` `{name}`, which the host does not offer"));
        }
    }

    fn operator(&mut self, operator: &Operator<'_>) {
        let what = match operator {
            Operator::TableSet { .. } => "table.set",
            Operator::TableGrow { .. } => "table.grow",
            Operator::TableCopy { .. } => "table.copy",
            Operator::TableInit { .. } => "table.init",
            Operator::TableFill { .. } => "table.fill",
            Operator::ElemDrop { .. } => "elem.drop",
            Operator::DataDrop { .. } => "data.drop",
            Operator::MemoryInit { .. } => "memory.init",
            _ => return,
        };
        self.refuse(format!("its code has `{what}`"));
    }

    fn finish(&mut self) {
        for name in EXPORTS {
            if !self.exports.contains(name) {
                self.refuse(format!("it does not export `{name}`"));
            }
        }
        if self.memories != 1 {
            self.refuse(format!("it has {} memories instead of one", self.memories));
        }
        let only = self.stack_pointer.map(|index| vec![index]);
        if only.as_ref() != Some(&self.mutable) {
            self.refuse(format!(
                "the exported `{STACK_POINTER}` is not its only global that changes ({} do)",
                self.mutable.len()
            ));
        }
    }

    fn refuse(&mut self, what: impl Into<String>) {
        self.broken.insert(what.into());
    }
}
