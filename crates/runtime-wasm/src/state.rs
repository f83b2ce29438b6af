//! What an instance finds around itself.

use std::sync::Arc;
use std::time::{Duration, Instant};

use mayfly_runtime_api::{LogLevel, Spent};
use wasmtime::component::{HasData, HasSelf, Linker, Resource, ResourceTable};
use wasmtime_wasi::clocks::{WasiClocks, WasiClocksView as _};
use wasmtime_wasi::p2::bindings::{cli, clocks, filesystem, random, sockets};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, pipe};
use wasmtime_wasi::random::WasiRandom;
use wasmtime_wasi::sockets::{WasiSockets, WasiSocketsView as _};
use wasmtime_wasi::{I32Exit, WasiCtx, WasiCtxView, WasiView};
use wasmtime_wasi_http::{WasiHttpCtx, WasiHttpCtxView, WasiHttpView};
use wasmtime_wasi_io::bindings::wasi::io;

use crate::files::Node;
use crate::outgoing::Outgoing;
use crate::quota::Limiter;
use crate::stdio::{Lines, Output};

/// Most handles of one instance: requests, bodies, streams, files. Each may hold memory of the node's.
const MOST_HANDLES: usize = 1024;
/// Most bytes of one set of headers.
const HEADERS: usize = 128 << 10;
/// Most random bytes of one call.
const RANDOM: u64 = 1 << 20;

/// Everything that one instance can reach.
pub(crate) struct State {
    pub(crate) table: ResourceTable,
    pub(crate) limiter: Limiter,
    /// When it must have ended.
    pub(crate) deadline: Instant,
    /// What it may use of a processor, where that is less than one.
    pub(crate) throttle: Option<Throttle>,
    pub(crate) files: Option<Arc<Node>>,
    pub(crate) lines: Lines,
    pub(crate) outgoing: Outgoing,
    environment: Arc<[(String, String)]>,
    http: WasiHttpCtx,
    /// Clocks, generators of random numbers and refused sockets, once it asks for any.
    wasi: Option<Box<WasiCtx>>,
}

/// Holds a guest to a part of a processor.
#[derive(Debug, Clone)]
pub(crate) struct Throttle {
    /// What it may use, as a fraction of a processor.
    pub(crate) cpu: f64,
    /// Since when it is counted; later than its start where it left time unused.
    pub(crate) began: Instant,
    /// What it has used up to its last turn.
    pub(crate) spent: Spent,
}

/// How much of the time in which it waits a guest may make up for afterwards.
const CREDIT: Duration = Duration::from_millis(100);

impl Throttle {
    /// How long it must pause, if it has used more than its part.
    pub(crate) fn pause(&mut self, now: Instant) -> Option<Duration> {
        let due = Duration::from_micros((self.spent.micros() as f64 / self.cpu) as u64);
        let passed = now.duration_since(self.began);
        self.began += passed.saturating_sub(due + CREDIT);
        let pause = due.checked_sub(passed)?;
        // Shorter ones would cost more than they hold back.
        (pause >= Duration::from_millis(2)).then_some(pause)
    }
}

impl State {
    pub(crate) fn new(
        limiter: Limiter,
        deadline: Instant,
        environment: Arc<[(String, String)]>,
        lines: Lines,
        outgoing: Outgoing,
    ) -> Self {
        let mut table = ResourceTable::new();
        table.set_max_capacity(MOST_HANDLES);
        let mut http = WasiHttpCtx::new();
        http.set_field_size_limit(HEADERS);
        Self {
            table,
            limiter,
            deadline,
            throttle: None,
            files: None,
            lines,
            outgoing,
            environment,
            http,
            wasi: None,
        }
    }
}

impl Drop for State {
    /// However it ended, what it wrote last is told.
    fn drop(&mut self) {
        self.lines.finish();
    }
}

/// Everything that a component may import.
pub(crate) fn add_to_linker(linker: &mut Linker<State>) -> wasmtime::Result<()> {
    let l = linker;
    io::error::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    io::poll::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    io::streams::add_to_linker::<State, Table>(l, |state| &mut state.table)?;
    clocks::wall_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    clocks::monotonic_clock::add_to_linker::<State, WasiClocks>(l, State::clocks)?;
    random::random::add_to_linker::<State, WasiRandom>(l, |state| state.wasi().random())?;
    random::insecure::add_to_linker::<State, WasiRandom>(l, |state| state.wasi().random())?;
    random::insecure_seed::add_to_linker::<State, WasiRandom>(l, |state| state.wasi().random())?;

    cli::environment::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::exit::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::stdin::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::stdout::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::stderr::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::terminal_input::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::terminal_output::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::terminal_stdin::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::terminal_stdout::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    cli::terminal_stderr::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    filesystem::types::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;
    filesystem::preopens::add_to_linker::<State, HasSelf<State>>(l, |state| state)?;

    // They are there, for programs that link them, and each refuses.
    let options = sockets::network::LinkOptions::default();
    sockets::network::add_to_linker::<State, WasiSockets>(l, &options, State::sockets)?;
    sockets::instance_network::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::ip_name_lookup::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::tcp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::udp::add_to_linker::<State, WasiSockets>(l, State::sockets)?;
    sockets::udp_create_socket::add_to_linker::<State, WasiSockets>(l, State::sockets)?;

    // `wasi:keyvalue` and `wasi:blobstore` belong here once there are stores to bind them to.
    wasmtime_wasi_http::p2::add_only_http_to_linker_async(l)
}

struct Table;

impl HasData for Table {
    type Data<'a> = &'a mut ResourceTable;
}

impl State {
    fn wasi(&mut self) -> &mut WasiCtx {
        self.wasi.get_or_insert_with(wasi)
    }
}

fn wasi() -> Box<WasiCtx> {
    Box::new(
        WasiCtx::builder()
            .max_random_size(RANDOM)
            .allow_tcp(false)
            .allow_udp(false)
            .allow_ip_name_lookup(false)
            .build(),
    )
}

impl WasiView for State {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        WasiCtxView { ctx: self.wasi.get_or_insert_with(wasi), table: &mut self.table }
    }
}

impl WasiHttpView for State {
    fn http(&mut self) -> WasiHttpCtxView<'_> {
        WasiHttpCtxView { hooks: &mut self.outgoing, table: &mut self.table, ctx: &mut self.http }
    }
}

impl cli::environment::Host for State {
    fn get_environment(&mut self) -> wasmtime::Result<Vec<(String, String)>> {
        Ok(self.environment.to_vec())
    }

    fn get_arguments(&mut self) -> wasmtime::Result<Vec<String>> {
        Ok(Vec::new())
    }

    fn initial_cwd(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(None)
    }
}

impl cli::exit::Host for State {
    fn exit(&mut self, status: Result<(), ()>) -> wasmtime::Result<()> {
        Err(I32Exit(i32::from(status.is_err())).into())
    }

    fn exit_with_code(&mut self, code: u8) -> wasmtime::Result<()> {
        Err(I32Exit(code.into()).into())
    }
}

impl cli::stdin::Host for State {
    fn get_stdin(&mut self) -> wasmtime::Result<Resource<DynInputStream>> {
        let stream: DynInputStream = Box::new(pipe::ClosedInputStream);
        Ok(self.table.push(stream)?)
    }
}

impl cli::stdout::Host for State {
    fn get_stdout(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Output::new(&mut self.lines, LogLevel::Info));
        Ok(self.table.push(stream)?)
    }
}

impl cli::stderr::Host for State {
    fn get_stderr(&mut self) -> wasmtime::Result<Resource<DynOutputStream>> {
        let stream: DynOutputStream = Box::new(Output::new(&mut self.lines, LogLevel::Error));
        Ok(self.table.push(stream)?)
    }
}

type Input = cli::terminal_input::TerminalInput;
type Terminal = cli::terminal_output::TerminalOutput;

impl cli::terminal_input::Host for State {}

impl cli::terminal_input::HostTerminalInput for State {
    fn drop(&mut self, terminal: Resource<Input>) -> wasmtime::Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}

impl cli::terminal_output::Host for State {}

impl cli::terminal_output::HostTerminalOutput for State {
    fn drop(&mut self, terminal: Resource<Terminal>) -> wasmtime::Result<()> {
        self.table.delete(terminal)?;
        Ok(())
    }
}

impl cli::terminal_stdin::Host for State {
    fn get_terminal_stdin(&mut self) -> wasmtime::Result<Option<Resource<Input>>> {
        Ok(None)
    }
}

impl cli::terminal_stdout::Host for State {
    fn get_terminal_stdout(&mut self) -> wasmtime::Result<Option<Resource<Terminal>>> {
        Ok(None)
    }
}

impl cli::terminal_stderr::Host for State {
    fn get_terminal_stderr(&mut self) -> wasmtime::Result<Option<Resource<Terminal>>> {
        Ok(None)
    }
}
