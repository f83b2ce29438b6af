//! What a component must be: read from its outermost layer, before anything is compiled.

use mayfly_runtime_api::Diagnostic;
use wasmparser::{ComponentExternalKind, Encoding, Parser, Payload};

use crate::engine::Kind;

/// What the runtime calls.
const NEEDED: &str = "wasi:http/incoming-handler@0.2";
/// What it offers, of version 0.2.
const OFFERED: [&str; 7] = [
    "wasi:cli/",
    "wasi:clocks/",
    "wasi:filesystem/",
    "wasi:http/",
    "wasi:io/",
    "wasi:random/",
    "wasi:sockets/",
];
/// Most names in a message.
const MOST_NAMES: usize = 8;

/// What a file of WebAssembly says of itself.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct World {
    component: bool,
    /// Bytes of data of all its modules.
    data: usize,
    /// Functions and globals of all its modules, imported ones included.
    entries: u64,
    /// Core instances that it makes, of all components in it.
    instances: u64,
    imports: Vec<String>,
    exports: Vec<String>,
}

impl World {
    /// Reads the outermost layer.
    ///
    /// # Errors
    /// What is wrong with the file.
    pub(crate) fn read(bytes: &[u8]) -> Result<Self, Diagnostic> {
        if !bytes.starts_with(b"\0asm") {
            let shown = bytes.iter().take(4).map(|byte| format!("{byte:02x}"));
            let shown = shown.collect::<Vec<_>>().join(" ");
            let message = match bytes.is_empty() {
                true => "this is no WebAssembly: the file is empty".to_owned(),
                false => {
                    format!("this is no WebAssembly: its first bytes are {shown}, not 00 61 73 6d")
                }
            };
            return Err(Diagnostic::new(message).help(BUILD));
        }
        let mut world = Self::default();
        let mut depth = 0_usize;
        for payload in Parser::new(0).parse_all(bytes) {
            let payload = payload.map_err(|error| broken(&error))?;
            match payload {
                Payload::Version { encoding, .. } if depth == 0 => {
                    world.component = encoding == Encoding::Component;
                }
                Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
                Payload::End(_) => depth = depth.saturating_sub(1),
                Payload::DataSection(data) => {
                    world.data = world.data.saturating_add(data.range().len());
                }
                Payload::ImportSection(imports) => world.entries += u64::from(imports.count()),
                Payload::FunctionSection(own) => world.entries += u64::from(own.count()),
                Payload::GlobalSection(globals) => world.entries += u64::from(globals.count()),
                Payload::InstanceSection(made) => world.instances += u64::from(made.count()),
                _ if depth > 0 => {}
                Payload::ComponentImportSection(section) => {
                    for import in section {
                        let import = import.map_err(|error| broken(&error))?;
                        world.imports.push(import.name.name.to_owned());
                    }
                }
                Payload::ComponentExportSection(section) => {
                    for export in section {
                        let export = export.map_err(|error| broken(&error))?;
                        if export.kind != ComponentExternalKind::Type {
                            world.exports.push(export.name.name.to_owned());
                        }
                    }
                }
                Payload::ExportSection(section) => {
                    for export in section {
                        let export = export.map_err(|error| broken(&error))?;
                        world.exports.push(export.name.to_owned());
                    }
                }
                _ => {}
            }
        }
        Ok(world)
    }

    /// How its instances' memory is made.
    pub(crate) fn kind(&self) -> Kind {
        Kind::of(self.data, self.entries.saturating_mul(self.instances))
    }

    /// Everything that keeps it from running here.
    pub(crate) fn problems(&self) -> Vec<Diagnostic> {
        let exports = match self.exports.is_empty() {
            true => "it exports nothing".to_owned(),
            false => format!("it exports {}", listed(&self.exports)),
        };
        if !self.component {
            let message = format!("this is a core module, not a component; {exports}");
            return vec![Diagnostic::new(message).help(BUILD)];
        }
        let mut problems = Vec::new();
        if !self.exports.iter().any(|name| is_of(name, NEEDED)) {
            let message = format!(
                "this component does not export `{NEEDED}`, which answers requests; {exports}"
            );
            problems.push(Diagnostic::new(message).help(self.remedy()));
        }
        let unknown = self.imports.iter().filter(|name| !is_offered(name));
        problems.extend(unknown.map(|name| {
            let message = format!("this component imports `{name}`, which is not offered here");
            Diagnostic::new(message).help(of_import(name))
        }));
        problems
    }

    fn remedy(&self) -> &'static str {
        let exports = |start: &str| self.exports.iter().any(|name| name.starts_with(start));
        if exports("wasi:http/handler@0.3") || exports("wasi:http/incoming-handler@0.3") {
            "WASI 0.3 is not in this build yet: build the component for WASI 0.2"
        } else if exports("wasi:cli/run@") {
            "it is a program of the command line, with a `main`: make it a library of the world \
             `wasi:http/proxy`, as `mayfly init wasm-rust` does"
        } else {
            "build it for the world `wasi:http/proxy` of WASI 0.2, as `mayfly init wasm-rust` does"
        }
    }
}

const BUILD: &str = "build a component for WASI 0.2: with Rust, `cargo build --release --target \
                     wasm32-wasip2` of a library of the world `wasi:http/proxy`, as `mayfly init \
                     wasm-rust` does";

/// Whether a name is of an interface, in any version that is compatible.
fn is_of(name: &str, interface: &str) -> bool {
    name.strip_prefix(interface).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
}

fn is_offered(name: &str) -> bool {
    // What is not of a package is of the component's own making: a type, mostly.
    let Some((interface, version)) = name.split_once('@') else { return !name.contains(':') };
    (version == "0.2" || version.starts_with("0.2."))
        && OFFERED.iter().any(|package| interface.starts_with(package))
}

fn of_import(name: &str) -> String {
    let package = name.split('/').next().unwrap_or(name);
    match package {
        "wasi:keyvalue" | "wasi:blobstore" => {
            format!(
                "`{package}` is not in this build yet: bindings to stores come with a later one"
            )
        }
        _ if name.contains("@0.3") => {
            "WASI 0.3 is not in this build yet: build the component for WASI 0.2".to_owned()
        }
        "wasi_snapshot_preview1" => BUILD.to_owned(),
        _ => "offered are wasi:cli, wasi:clocks, wasi:filesystem, wasi:http, wasi:io, wasi:random \
              and wasi:sockets of WASI 0.2; compose the component with one that provides the rest"
            .to_owned(),
    }
}

fn listed(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(MOST_NAMES).map(|name| format!("`{name}`")).collect();
    match names.len().checked_sub(MOST_NAMES) {
        Some(more @ 1..) => format!("{} and {more} more", shown.join(", ")),
        _ => shown.join(", "),
    }
}

fn broken(error: &wasmparser::BinaryReaderError) -> Diagnostic {
    Diagnostic::new(format!("this WebAssembly is broken: {error}")).help("build it anew")
}

#[cfg(test)]
mod tests;
