//! The process that prepares one function: it loads the modules, evaluates them and writes the
//! image of the memory that they leave.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use mayfly_runtime_api::{Bounds, Diagnostic, PrepareError, Prepared};
use mayfly_types::{Fault, FaultCode, HandlerStyle};

use crate::engine::{Engine, write_checked};
use crate::image::Delta;
use crate::loader::{self, LoadRequest, ModuleGraph, SourceMap};
use crate::prepare::Job;
use crate::slot::{Entry, Loaded};
use crate::wire::Writer;

/// How long a top level may run.
const TOP_LEVEL: Duration = Duration::from_secs(5);
/// How long it is asked to stop, which tells where it is, before it is stopped.
const GRACE: Duration = Duration::from_secs(1);
/// Most processor time of the process, in seconds.
const CPU_SECONDS: u64 = 20;

/// Is the process that prepares one function.
pub fn prepare_child() -> ExitCode {
    let bounds = Bounds { cpu: CPU_SECONDS, memory: 6 << 30, file: 2 << 30 };
    mayfly_runtime_api::child_main(bounds, prepare)
}

/// Does a job in this process.
pub(crate) fn prepare(job: &Job) -> Result<Prepared, PrepareError> {
    let request = LoadRequest { root: &job.root, entry: &job.entry };
    let graph = loader::load(request).map_err(PrepareError::Code)?;
    match evaluate(job, &graph) {
        Ok(result) => result,
        Err(error) => Err(platform(format!("{error:#}"))),
    }
}

fn platform(message: impl Into<String>) -> PrepareError {
    PrepareError::Platform(Fault::new(FaultCode::Internal, message))
}

fn evaluate(job: &Job, graph: &ModuleGraph) -> wasmtime::Result<Result<Prepared, PrepareError>> {
    let engine = Engine::open(&job.engine, None)?;
    let mut slot = engine.slot()?;
    slot.show(&engine, engine.base_image())?;
    slot.arm(job.memory.as_bytes(), Some(Instant::now() + TOP_LEVEL), GRACE);
    let sent = {
        let _running = engine.running();
        let runtime = tokio::runtime::Builder::new_current_thread().build()?;
        runtime.block_on(slot.send(Entry::Load, &message(job, graph)?))
    };
    let state = slot.store.data_mut();
    let logs = std::mem::take(&mut state.lines);
    let loaded = state.loaded.take();
    let (refused, late) = (state.memory_refused, state.timed_out || state.interrupted);
    let at_entry = |message: String| Diagnostic {
        file: Some(graph.modules[graph.entry].name.clone()),
        line: Some(1),
        column: Some(1),
        ..Diagnostic::new(message)
    };
    let late_message =
        || format!("the module's top level ran for more than {} seconds", TOP_LEVEL.as_secs());
    let diagnostic = match (loaded, sent) {
        (Some(Loaded::Handler(style)), Ok(_)) => {
            let style = if style == 0 { HandlerStyle::Fetch } else { HandlerStyle::Event };
            let (memory, pointer) = slot.snapshot();
            let delta = Delta::new(engine.base(), &memory, pointer, style);
            if let Some(directory) = job.image.parent() {
                std::fs::create_dir_all(directory)?;
            }
            write_maps(job, graph)?;
            write_checked(&job.image, &delta.encode()?)?;
            let mut notes = graph.warnings.clone();
            notes.extend(logs);
            return Ok(Ok(Prepared { style, logs: notes, notes: Vec::new() }));
        }
        (Some(Loaded::Failed(name, message, stack)), _) => {
            let text = match (refused, late, &name[..]) {
                (_, true, _) => late_message(),
                (true, ..) => format!(
                    "the module's top level reached the memory limit of {}: {message}",
                    job.memory
                ),
                (_, _, "HandlerError" | "") => message,
                _ => format!("{name}: {message}"),
            };
            let diagnostic = locate(at_entry(text), &stack, job, graph);
            match &name[..] {
                "HandlerError" => diagnostic,
                "SyntaxError" => diagnostic.help("QuickJS cannot parse this"),
                _ => diagnostic
                    .help("top-level code runs once, at deploy; what needs a request belongs into the handler"),
            }
        }
        _ if late => at_entry(late_message())
            .help("top-level code runs once, at deploy; move long work into the handler"),
        _ if refused => {
            at_entry(format!("the module's top level reached the memory limit of {}", job.memory))
                .help("raise `memory` in the manifest, or make the data in the handler")
        }
        (_, Err(error)) => {
            let deep = matches!(
                error.downcast_ref::<wasmtime::Trap>(),
                Some(wasmtime::Trap::StackOverflow)
            );
            if deep {
                at_entry("the code nests too deeply to be evaluated".into())
            } else {
                at_entry(format!("evaluating the code broke its environment: {error:#}"))
            }
        }
        (None, Ok(_)) => {
            return Ok(Err(platform("the engine said nothing of the module")));
        }
    };
    Ok(Err(PrepareError::Code(vec![diagnostic])))
}

/// Entry, export, env, and the module graph as the guest reads it.
fn message(job: &Job, graph: &ModuleGraph) -> wasmtime::Result<Vec<u8>> {
    let mut writer = Writer::default();
    writer.str(&graph.modules[graph.entry].name).str(&job.export);
    writer.str(&serde_json::to_string(&job.env).map_err(wasmtime::Error::new)?);
    writer.u32(u32::try_from(graph.modules.len())?);
    for module in &graph.modules {
        writer.str(&module.name).str(&module.source);
        writer.u32(u32::try_from(module.imports.len())?);
        for (specifier, target) in &module.imports {
            writer.str(specifier).str(&graph.modules[*target].name);
        }
    }
    Ok(writer.0)
}

/// Keeps the source maps beside the image, for stack traces.
fn write_maps(job: &Job, graph: &ModuleGraph) -> wasmtime::Result<()> {
    let maps = maps(graph);
    if !maps.is_empty() {
        let json = serde_json::to_vec(&maps).map_err(wasmtime::Error::new)?;
        write_checked(&job.image.with_extension("maps"), &json)?;
    }
    Ok(())
}

fn maps(graph: &ModuleGraph) -> BTreeMap<String, SourceMap> {
    let mapped = graph
        .modules
        .iter()
        .filter_map(|module| module.map.clone().map(|map| (module.name.clone(), map)));
    mapped.collect()
}

/// Places a diagnostic where the stack's innermost frame in the function's own files is.
fn locate(diagnostic: Diagnostic, stack: &str, job: &Job, graph: &ModuleGraph) -> Diagnostic {
    let stack = loader::remap_stack(stack, &maps(graph));
    for line in stack.lines() {
        let place = line.trim().trim_start_matches("at ");
        let place = match (place.rfind('('), place.ends_with(')')) {
            (Some(open), true) => &place[open + 1..place.len() - 1],
            _ => place,
        };
        let mut parts = place.rsplitn(3, ':');
        let (column, row, file) = (parts.next(), parts.next(), parts.next());
        let (Some(column), Some(row), Some(file)) = (column, row, file) else { continue };
        let (Ok(column), Ok(row)) = (column.parse::<u32>(), row.parse::<u32>()) else { continue };
        if !graph.modules.iter().any(|module| module.name == file) {
            continue;
        }
        let text = std::fs::read_to_string(job.root.join(file)).unwrap_or_default();
        let source = text.lines().nth(row.saturating_sub(1) as usize).map(str::to_owned);
        return Diagnostic { source, ..diagnostic.at(file, row, column) };
    }
    diagnostic
}
