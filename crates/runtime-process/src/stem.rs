//! Stems: interpreters that have booted before they are needed. Nothing of any function is in them, and
//! one that was given to a function never serves another.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use mayfly_sandbox::{Limits, Listen, Network, SpawnError, Spawner};
use mayfly_types::{ByteSize, FunctionConfig};

use crate::boots::{Boots, HELD};
use crate::door::{Way, usual_sockets};
use crate::language::Language;
use crate::link::Unloaded;
use crate::sandboxed::{Bare, Program, StartError, base_environment, ended_early, limits, task};

/// What a stem may have until it is a function's.
const MEMORY: ByteSize = ByteSize::mb(128);
/// How long what was asked for of late says what will be.
const LATELY: Duration = Duration::from_secs(10);
/// How long the spawner may take for what it is asked, and an interpreter to boot that nobody waits for.
const LONGEST: Duration = Duration::from_secs(10);
/// How long after a stem was taken the next is made.
const AFTER: Duration = Duration::from_millis(50);
/// Names of variables that interpreters and libraries read when they start.
const EARLY: [&str; 12] = [
    "NODE_", "UV_", "PYTHON", "RUBY", "GEM_", "BUNDLE_", "LD_", "MALLOC_", "GLIBC_", "SSL_", "TZ",
    "LC_",
];

/// The stems of one language.
pub(crate) struct Stems {
    pub(crate) spawner: Spawner,
    pub(crate) language: Language,
    /// Where bootstraps lie.
    pub(crate) bootstraps: PathBuf,
    boots: Boots,
    /// So many at most; none with zero.
    most: usize,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    ready: VecDeque<Stem>,
    making: usize,
    /// When stems were taken.
    taken: VecDeque<Instant>,
}

/// An interpreter that waits for a function.
pub(crate) struct Stem {
    pub(crate) bare: Bare,
    pub(crate) unloaded: Unloaded,
}

impl Stems {
    pub(crate) fn new(
        spawner: Spawner,
        language: Language,
        bootstraps: PathBuf,
        boots: Boots,
        most: usize,
    ) -> Arc<Self> {
        Arc::new(Self { spawner, language, bootstraps, boots, most, state: Mutex::default() })
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Sees to it that there are as many as will be needed.
    pub(crate) fn grow(self: &Arc<Self>) {
        let mut state = self.lock();
        while state.taken.front().is_some_and(|taken| taken.elapsed() > LATELY) {
            state.taken.pop_front();
        }
        // One at a time: those who wait for them need the processors too.
        let wanted = state.taken.len().clamp(1, 8).min(self.most);
        if state.making > 0 || state.ready.len() >= wanted {
            return;
        }
        state.making += 1;
        drop(state);
        let stems = Arc::clone(self);
        tokio::spawn(async move {
            let made = stems.make().await;
            let mut state = stems.lock();
            state.making -= 1;
            match made {
                Ok(stem) => state.ready.push_back(stem),
                Err(error) => {
                    tracing::warn!(%error, "boot an interpreter ahead of time");
                    return;
                }
            }
            drop(state);
            stems.grow();
        });
    }

    /// The same in a moment: whoever has just taken one needs the processors and the spawner first.
    fn grow_later(self: &Arc<Self>) {
        let stems = Arc::clone(self);
        tokio::spawn(async move {
            tokio::time::sleep(AFTER).await;
            stems.grow();
        });
    }

    async fn make(&self) -> Result<Stem, StartError> {
        let memory = MEMORY.as_bytes();
        let limits = Limits { memory, cpu: 1.0, pids: 256, files: 1024, tmp: memory };
        let sockets = (usual_sockets(), Network::Caught);
        self.boots.turn().await.holds(self.booted(sockets, limits)).await
    }

    async fn booted(
        &self,
        sockets: (Vec<Listen>, Network),
        limits: Limits,
    ) -> Result<Stem, StartError> {
        let mut stem = self.begin(Vec::new(), sockets, limits, None).await?;
        let booted = tokio::time::timeout(LONGEST, stem.unloaded.booted()).await;
        match booted.map_err(|_| StartError::Late)?? {
            true => Ok(stem),
            false => Err(ended_early(&stem.bare.sandbox).await),
        }
    }

    /// Makes a sandbox, in which the interpreter begins to boot.
    async fn begin(
        &self,
        early: Vec<(String, String)>,
        (listen, network): (Vec<Listen>, Network),
        limits: Limits,
        code: Option<&std::path::Path>,
    ) -> Result<Stem, StartError> {
        let (ours, theirs) = std::os::unix::net::UnixStream::pair()?;
        let mut environment = base_environment(self.language.environment());
        environment.retain(|(name, _)| !early.iter().any(|(own, _)| own == name));
        environment.extend(early);
        let mut binds = self.language.binds(&self.bootstraps);
        binds.extend(code.map(task));
        let program = Program {
            path: self.language.program().into(),
            arguments: self.language.arguments(),
            environment,
            binds,
            socket: Some(OwnedFd::from(theirs)),
            listen,
            network,
        };
        let bare = Bare::start(&self.spawner, program, limits);
        let bare = tokio::time::timeout(LONGEST, bare)
            .await
            .map_err(|_| SpawnError::from(no_answer()))??;
        Ok(Stem { bare, unloaded: Unloaded::new(ours)? })
    }

    /// An interpreter in a sandbox for a function, with the function's code: a stem, where one is there
    /// and fits.
    pub(crate) async fn take(
        self: &Arc<Self>,
        code: &std::path::Path,
        config: &FunctionConfig,
        way: &Way,
    ) -> Result<Stem, StartError> {
        let early =
            config.env.iter().filter(|(name, _)| EARLY.iter().any(|begin| name.starts_with(begin)));
        let early: Vec<_> = early.map(|(name, value)| (name.clone(), value.clone())).collect();
        let listen = way.listen();
        let usual =
            early.is_empty() && listen == usual_sockets() && way.network() == Network::Caught;
        if usual {
            self.lock().taken.push_back(Instant::now());
            self.grow_later();
            if let Some(stem) = self.ready(code, config).await {
                return Ok(stem);
            }
        }
        let turn = self.boots.turn().await;
        // One may have booted meanwhile.
        if usual && let Some(stem) = self.ready(code, config).await {
            return Ok(stem);
        }
        let boot = async {
            let mut stem =
                self.begin(early, (listen, way.network()), limits(config), Some(code)).await?;
            // One that ends or hangs is found out when it is to load: then its output is taken, which it may wait for.
            let _ = tokio::time::timeout(HELD, stem.unloaded.booted()).await;
            Ok(stem)
        };
        turn.holds(boot).await
    }

    /// One that has booted, with a function's code in it.
    async fn ready(&self, code: &std::path::Path, config: &FunctionConfig) -> Option<Stem> {
        loop {
            let stem = self.lock().ready.pop_front()?;
            let extended = stem.bare.sandbox.extend(limits(config), vec![task(code)]);
            let extended = tokio::time::timeout(LONGEST, extended).await;
            match extended.unwrap_or_else(|_| Err(no_answer())) {
                Ok(()) => return Some(stem),
                // It has ended meanwhile, or the limits are too narrow for what it has already.
                Err(error) => tracing::debug!(%error, "give a stem to a function"),
            }
        }
    }
}

fn no_answer() -> std::io::Error {
    let text = format!("the spawner did not answer in {} seconds", LONGEST.as_secs());
    std::io::Error::new(std::io::ErrorKind::TimedOut, text)
}
