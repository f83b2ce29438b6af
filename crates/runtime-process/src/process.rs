//! A process that has loaded its function.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Weak};
use std::time::{Duration, Instant};

use mayfly_runtime_api::{LogLevel, Payload};
use mayfly_sandbox::{Listen, Sandbox, SpawnError, Spawner};
use mayfly_types::{FunctionConfig, HandlerStyle, Isolation};

use crate::api::Api;
use crate::door::{Door, Way};
use crate::exchange::Exchange;
use crate::frames::{Load, WINDOW};
use crate::link::{Ender, Limits, Link};
use crate::log::Log;
use crate::pool::{Lease, Unbegun};
use crate::sandboxed::{
    self, Bare, Hears, Program, StartError, TASK, base_environment, ended_early, task,
};
use crate::stem::{Stem, Stems};
use crate::zygote::Zygote;

/// What a process starts from.
pub(crate) struct Start<'a> {
    pub(crate) spawner: &'a Spawner,
    pub(crate) kind: &'a Kind,
    /// The function's code.
    pub(crate) code: &'a Path,
    pub(crate) config: &'a FunctionConfig,
    /// Its whole environment, secrets included.
    pub(crate) environment: &'a BTreeMap<String, String>,
    /// What Lambda's context says of every call.
    pub(crate) context: &'a serde_json::Value,
    pub(crate) log: Log,
    /// What it may call.
    pub(crate) way: Way,
}

/// What runs in a process.
pub(crate) enum Kind {
    /// A bootstrap of ours.
    Language(Arc<Stems>),
    /// A program that speaks Lambda's Runtime API.
    Provided,
}

/// A process that takes calls. Dropping it ends it.
pub(crate) struct Process {
    sandbox: Arc<Sandbox>,
    channel: Channel,
    pub(crate) style: HandlerStyle,
    pub(crate) init: Duration,
    _door: Door,
    /// Whether it shall stand still, and whether it may do so already.
    rests: AtomicBool,
    resting: AtomicBool,
    /// Whether it stands still; held while that changes.
    frozen: tokio::sync::Mutex<bool>,
}

struct Loaded {
    sandbox: Arc<Sandbox>,
    channel: Channel,
    style: HandlerStyle,
    door: Door,
}

enum Channel {
    Frames(Arc<Link>),
    Zygote(Arc<Zygote>),
    Api(Arc<Api>),
}

impl Process {
    /// Makes a sandbox, and has the program in it load the function, which may take so long.
    pub(crate) async fn start(start: Start<'_>, loading: Duration) -> Result<Self, StartError> {
        let began = Instant::now();
        let process = match start.kind {
            Kind::Language(stems) => {
                // It may have to wait for its turn.
                let stem = stems.take(start.code, start.config, &start.way).await?;
                tokio::time::timeout(loading, Self::of_language(&start, stems, stem)).await
            }
            Kind::Provided => tokio::time::timeout(loading, Self::provided(&start)).await,
        };
        let process = process.map_err(|_| StartError::Late)??;
        Ok(Self {
            sandbox: process.sandbox,
            channel: process.channel,
            style: process.style,
            _door: process.door,
            init: began.elapsed(),
            rests: AtomicBool::new(false),
            resting: AtomicBool::new(false),
            frozen: tokio::sync::Mutex::default(),
        })
    }

    async fn of_language(
        start: &Start<'_>,
        stems: &Stems,
        stem: Stem,
    ) -> Result<Loaded, StartError> {
        let config = start.config;
        let Stem { bare, mut unloaded } = stem;
        let mut made = bare.of(start.way.clone(), &start.log)?;
        let handler = config.handler.as_deref().unwrap_or_default();
        let zygote = config.isolation == Isolation::Invocation && stems.language.forks();
        let named = |inside: &String| made.sandbox.named(inside);
        let environment = start.environment.iter();
        let environment = environment.map(|(name, value)| (name.clone(), named(value))).collect();
        let load = Load {
            directory: &made.sandbox.named(TASK),
            entry: &config.entry,
            handler,
            environment: &environment,
            context: start.context,
            window: WINDOW,
            zygote,
        };
        let Some(style) = unloaded.load(&load, &start.log).await? else {
            let error = ended_early(&made.sandbox).await;
            made.said_all().await;
            return Err(error);
        };
        let (sandbox, log, limits) = (Arc::clone(&made.sandbox), start.log.clone(), limits(config));
        let channel = if zygote {
            let zygote = Zygote::serve(unloaded, sandbox, log, limits)?;
            let hears: Weak<Zygote> = Arc::downgrade(&zygote);
            let _ = made.output.set(hears);
            Channel::Zygote(zygote)
        } else {
            let link = unloaded.serve(Ender::Sandbox(sandbox), log, limits, style);
            let hears: Weak<Link> = Arc::downgrade(&link);
            let _ = made.output.set(hears);
            Channel::Frames(link)
        };
        Ok(Loaded { sandbox: made.sandbox, channel, style, door: made.door })
    }

    async fn provided(start: &Start<'_>) -> Result<Loaded, StartError> {
        let mut environment = base_environment(&[]);
        environment.extend(start.environment.iter().map(|(n, v)| (n.clone(), v.clone())));
        let address = format!("127.0.0.1:{}", crate::api::PORT);
        environment.push(("AWS_LAMBDA_RUNTIME_API".into(), address));
        let own = [Listen::Loopback(crate::api::PORT)].into_iter();
        let program = Program {
            path: Path::new(TASK).join(&start.config.entry),
            arguments: Vec::new(),
            environment,
            binds: vec![task(start.code)],
            socket: None,
            listen: own.chain(start.way.listen()).collect(),
            network: start.way.network(),
        };
        let bare = Bare::start(start.spawner, program, sandboxed::limits(start.config));
        let mut bare = bare.await.map_err(of_program)?;
        let listener = bare
            .take_socket()
            .ok_or_else(|| StartError::Broken("the sandbox handed out no listener".into()))?;
        let listener = std::net::TcpListener::from(listener);
        let mut made = bare.of(start.way.clone(), &start.log)?;
        let sandbox = Arc::clone(&made.sandbox);
        let (log, limits) = (start.log.clone(), limits(start.config));
        let api = Api::serve(listener, sandbox, log, limits, start.context.clone())?;
        let hears: Weak<Api> = Arc::downgrade(&api);
        let _ = made.output.set(hears);
        // From here on it is closed if the function is not ready in time.
        let channel = Channel::Api(Arc::clone(&api));
        if let Err(error) = api.ready(&made.sandbox).await {
            if let StartError::Broken(_) = error {
                made.said_all().await;
            }
            return Err(error);
        }
        let style = HandlerStyle::Event;
        Ok(Loaded { sandbox: made.sandbox, channel, style, door: made.door })
    }

    /// Begins a call.
    ///
    /// # Errors
    /// When the process has ended: then nothing has begun.
    pub(crate) fn begin(
        &self,
        exchange: &Arc<Exchange>,
        payload: Payload,
        lease: Lease,
    ) -> Result<(), Unbegun> {
        match &self.channel {
            Channel::Frames(link) => link.begin(exchange, payload, lease),
            Channel::Zygote(zygote) => zygote.begin(exchange, payload, lease),
            Channel::Api(api) => api.begin(exchange, payload, lease),
        }
    }

    /// Whether something is to be cleared up after each call.
    pub(crate) fn is_zygote(&self) -> bool {
        matches!(self.channel, Channel::Zygote(_))
    }

    /// Clears up after a call; tells whether it can be called again.
    pub(crate) async fn clear(&self) -> bool {
        match &self.channel {
            Channel::Zygote(zygote) => zygote.clear().await,
            _ => true,
        }
    }

    /// Says whether it shall stand still; tells whether that is new. [`Process::settle`] does it.
    pub(crate) fn rest(&self, rests: bool) -> bool {
        self.rests.swap(rests, Ordering::SeqCst) != rests
    }

    /// Whether it may stand still, or be on its way to that.
    pub(crate) fn rests(&self) -> bool {
        self.resting.load(Ordering::SeqCst)
    }

    /// Makes it stand still or go on, as was said last.
    ///
    /// # Errors
    /// When it has ended, or the host cannot do that.
    pub(crate) async fn settle(&self) -> std::io::Result<()> {
        let mut frozen = self.frozen.lock().await;
        // Told before it is looked what is wanted, as whoever takes the process says what is wanted before
        // it looks whether it rests: so one of the two sees the other.
        self.resting.store(true, Ordering::SeqCst);
        let rests = self.rests.load(Ordering::SeqCst);
        if *frozen != rests {
            self.sandbox.freeze(rests).await?;
            *frozen = rests;
        }
        self.resting.store(*frozen, Ordering::SeqCst);
        Ok(())
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        match self {
            Self::Frames(link) => link.close(),
            // It ends with its sandbox.
            Self::Zygote(_) => {}
            Self::Api(api) => api.close(),
        }
    }
}

impl Hears for Link {
    fn output(&self, level: LogLevel, text: &str) {
        Self::output(self, level, text);
    }
}

fn limits(config: &FunctionConfig) -> Limits {
    Limits { timeout: config.timeout, memory: config.memory }
}

/// A program that cannot be executed is its owner's to mend.
fn of_program(error: StartError) -> StartError {
    let StartError::Host(SpawnError::Program { step, error }) = error else { return error };
    let mut why = format!("{step}: {error}");
    for (sign, remedy) in [
        ("os error 13", "make it executable: chmod +x bootstrap"),
        (
            "os error 8",
            "it is no program of this machine: begin a script with `#!`, and build programs for Linux",
        ),
        (
            "os error 2",
            "the interpreter that its first line names is not there, or libraries are missing",
        ),
    ] {
        if error.contains(sign) {
            why.push_str("; ");
            why.push_str(remedy);
        }
    }
    StartError::Broken(why)
}
