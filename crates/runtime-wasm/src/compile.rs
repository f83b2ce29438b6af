//! The process that compiles one component.

use std::path::PathBuf;
use std::process::ExitCode;

use mayfly_runtime_api::{Bounds, Diagnostic, PrepareError, Prepared, child_main};
use mayfly_types::{ByteSize, Fault, FaultCode, HandlerStyle};
use serde::{Deserialize, Serialize};
use wasmtime::component::{Component, Linker};

use crate::engine::{Kind, config};
use crate::state::add_to_linker;
use crate::world::World;

/// Largest file that is compiled.
const LARGEST: ByteSize = ByteSize::mb(128);
/// What a process may use that compiles: a component of 19 MB, with an interpreter in it, takes some ten
/// seconds of processors.
const BOUNDS: Bounds = Bounds { cpu: 240, memory: 6 << 30, file: 2 << 30 };
/// How much it stands back behind what answers requests (nice(2)).
const NICE: i32 = 10;

/// What is told of code that broke the process.
pub(crate) const BROKE: &str = "its functions are too large or too many to compile: build it with \
                                optimisations, and without what it does not use";

/// What a child is asked to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Job {
    /// The component.
    pub(crate) component: PathBuf,
    /// What messages call it.
    pub(crate) name: String,
    /// Where the compiled one goes, by its kind.
    pub(crate) compiled: [(Kind, PathBuf); 2],
}

/// Is the process that compiles one component.
pub fn prepare_child() -> ExitCode {
    child_main(BOUNDS, |job: &Job| {
        // Requests go first. Where the kernel refuses, compiling is merely as quick as they are.
        let _ = rustix::process::nice(NICE);
        prepare(job)
    })
}

/// Does a job in this process.
pub(crate) fn prepare(job: &Job) -> Result<Prepared, PrepareError> {
    prepare_as(job, World::kind)
}

/// The same, for a kind that is chosen so.
pub(crate) fn prepare_as(
    job: &Job,
    kind: impl Fn(&World) -> Kind,
) -> Result<Prepared, PrepareError> {
    let named = |diagnostic: Diagnostic| Diagnostic { file: Some(job.name.clone()), ..diagnostic };
    let code = |diagnostic| PrepareError::Code(vec![named(diagnostic)]);
    let size = std::fs::metadata(&job.component).map_err(|error| platform(&error))?.len();
    if size > LARGEST.as_bytes() {
        let size = ByteSize::bytes(size);
        let message =
            format!("this file of {size} is larger than {LARGEST}, the most of a component");
        return Err(code(Diagnostic::new(message).help(
            "build it with optimisations and without debug information: `wasm-tools strip` removes that",
        )));
    }
    let bytes = std::fs::read(&job.component).map_err(|error| platform(&error))?;
    let world = World::read(&bytes).map_err(code)?;
    let problems = world.problems();
    if !problems.is_empty() {
        return Err(PrepareError::Code(problems.into_iter().map(named).collect()));
    }
    let invalid = |error: wasmtime::Error| {
        code(
            Diagnostic::new(format!("this component cannot be run here: {error:#}"))
                .help("build it with newer tools for WASI 0.2; `wasm-tools validate` says more"),
        )
    };
    let kind = kind(&world);
    let engine = wasmtime::Engine::new(&config(kind)).map_err(|error| platform(&error))?;
    let component = Component::new(&engine, &bytes).map_err(invalid)?;
    drop(bytes);
    let mut linker = Linker::new(&engine);
    add_to_linker(&mut linker).map_err(|error| platform(&error))?;
    let linked = linker.instantiate_pre(&component).map_err(invalid)?;
    wasmtime_wasi_http::p2::bindings::ProxyPre::new(linked).map_err(invalid)?;
    let compiled = component.serialize().map_err(invalid)?;
    for (_, path) in job.compiled.iter().filter(|(of, _)| *of == kind) {
        mayfly_artifact::write_checked(path, &compiled).map_err(|error| platform(&error))?;
    }
    Ok(Prepared { style: HandlerStyle::Fetch, logs: Vec::new(), notes: Vec::new() })
}

fn platform(error: &dyn std::fmt::Display) -> PrepareError {
    PrepareError::Platform(Fault::new(
        FaultCode::Internal,
        format!("compile a component: {error:#}"),
    ))
}
