//! The function's modules: the host has resolved every import, so that the guest only looks up.

use std::collections::HashMap;

use rquickjs::loader::{ImportAttributes, Loader, Resolver};
use rquickjs::module::Declared;
use rquickjs::{Ctx, Error, Module, Result};

use crate::wire::Reader;

/// Sources and resolved imports by module name.
#[derive(Default)]
pub struct Graph {
    sources: HashMap<String, String>,
    imports: HashMap<String, HashMap<String, String>>,
}

impl Graph {
    /// Reads: count, then for each module name, source, count of imports, (specifier, name)s.
    pub fn read(message: &mut Reader<'_>) -> Option<Self> {
        let mut graph = Self::default();
        for _ in 0..message.u32()? {
            let name = message.str()?.to_owned();
            let source = message.str()?.to_owned();
            let mut imports = HashMap::new();
            for _ in 0..message.u32()? {
                let specifier = message.str()?.to_owned();
                imports.insert(specifier, message.str()?.to_owned());
            }
            graph.imports.insert(name.clone(), imports);
            graph.sources.insert(name, source);
        }
        Some(graph)
    }
}

thread_local! {
    static GRAPH: std::cell::RefCell<Graph> = std::cell::RefCell::default();
}

pub fn install(graph: Graph) {
    GRAPH.with(|slot| *slot.borrow_mut() = graph);
}


pub struct Lookup;

impl Resolver for Lookup {
    fn resolve<'js>(
        &mut self,
        _ctx: &Ctx<'js>,
        base: &str,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<String> {
        GRAPH.with(|slot| {
            let graph = slot.borrow();
            let resolved = graph.imports.get(base).and_then(|imports| imports.get(name));
            resolved.cloned().ok_or_else(|| {
                Error::new_resolving_message(
                    base,
                    name,
                    "only imports whose specifier is a literal can be resolved",
                )
            })
        })
    }
}

impl Loader for Lookup {
    fn load<'js>(
        &mut self,
        ctx: &Ctx<'js>,
        name: &str,
        _attributes: Option<ImportAttributes<'js>>,
    ) -> Result<Module<'js, Declared>> {
        let source = take_source(name).ok_or_else(|| Error::new_loading(name))?;
        declare(ctx, name, source)
    }
}

/// Declares a module and gives it its `import.meta.url`.
pub fn declare<'js>(ctx: &Ctx<'js>, name: &str, source: String) -> Result<Module<'js, Declared>> {
    let module = Module::declare(ctx.clone(), name, source)?;
    module.meta()?.set("url", format!("file:///{name}"))?;
    Ok(module)
}

/// A module's source, which is needed once: QuickJS keeps what it has loaded. What only an
/// `import()` asks for stays until then.
pub fn take_source(name: &str) -> Option<String> {
    GRAPH.with(|slot| slot.borrow_mut().sources.remove(name))
}
