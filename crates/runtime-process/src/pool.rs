//! The processes of one revision: those that run calls, those that wait for one, those that start.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mayfly_types::Fault;
use tokio::sync::oneshot;

use crate::process::Process;

/// How long a call waits for a process that is busy before another one is started: most calls end
/// sooner than a process starts.
const PATIENCE: Duration = Duration::from_millis(5);
/// How often processes that wait are looked through.
const SWEEP: Duration = Duration::from_millis(500);
/// How long a process waits for a call before it is made to stand still.
const FREEZE_AFTER: Duration = Duration::from_secs(1);

/// Starts processes for a pool.
#[async_trait]
pub(crate) trait Starts: Send + Sync {
    /// One more.
    async fn start(&self) -> Result<Process, Fault>;
}

/// How a pool uses its processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// Calls of one process at once.
    pub(crate) at_once: u32,
    /// A process takes one call in its life.
    pub(crate) once: bool,
    /// How long a process waits for a call before it is ended.
    pub(crate) idle: Duration,
    /// Whether the host can make processes stand still.
    pub(crate) freezes: bool,
}

/// The processes of one revision.
pub(crate) struct Pool {
    starts: Box<dyn Starts>,
    uses: Use,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    /// The one that was called last at the end.
    members: Vec<Member>,
    waiting: VecDeque<oneshot::Sender<Result<Lease, Fault>>>,
    starting: usize,
}

struct Member {
    process: Arc<Process>,
    running: u32,
    since: Instant,
    /// Its first call is still to come.
    fresh: bool,
}

/// A call's place in a process. Whoever holds it says at the end what became of the process.
pub(crate) struct Lease {
    pool: Weak<Pool>,
    process: Arc<Process>,
    /// The process was started for this call.
    pub(crate) cold: bool,
    ended: bool,
}

impl Pool {
    /// An empty pool, with a task that ends idle processes and itself with the pool.
    pub(crate) fn new(starts: Box<dyn Starts>, uses: Use) -> Arc<Self> {
        let pool = Arc::new(Self { starts, uses, state: Mutex::default() });
        tokio::spawn(sweep(Arc::downgrade(&pool), uses.idle));
        pool
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// A place for a call: in a process that has one, else in one that gets one soon or is started.
    ///
    /// # Errors
    /// When no process can be started.
    pub(crate) async fn acquire(self: &Arc<Self>) -> Result<Lease, Fault> {
        loop {
            let lease = self.place().await?;
            if !lease.process.rests() {
                return Ok(lease);
            }
            match lease.process.settle().await {
                Ok(()) => return Ok(lease),
                // It ended while it stood still.
                Err(_) => lease.lose(),
            }
        }
    }

    async fn place(self: &Arc<Self>) -> Result<Lease, Fault> {
        let mut place = {
            let mut state = self.lock();
            if let Some(lease) = state.free(self) {
                return Ok(lease);
            }
            let (sender, receiver) = oneshot::channel();
            state.waiting.push_back(sender);
            // The first start is shared by all who wait for it.
            let now = match self.uses.once {
                true => state.starting < state.waiting.len(),
                false => state.members.is_empty() && state.starting == 0,
            };
            if now {
                self.start(&mut state);
            }
            receiver
        };
        loop {
            if let Ok(found) = tokio::time::timeout(PATIENCE, &mut place).await {
                return found.unwrap_or_else(|_| Err(lost()));
            }
            let mut state = self.lock();
            state.waiting.retain(|waiting| !waiting.is_closed());
            // As many at once as there are: a burst doubles them until it is met, and no faster.
            let coming = state.starting.saturating_mul(self.uses.at_once as usize);
            if state.starting < state.members.len().max(1) && coming < state.waiting.len() {
                self.start(&mut state);
            }
        }
    }

    /// Starts one more process, in a task: whoever asked for it may leave meanwhile.
    fn start(self: &Arc<Self>, state: &mut State) {
        state.starting += 1;
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let started = pool.starts.start().await;
            let mut state = pool.lock();
            state.starting -= 1;
            match started {
                Ok(process) => {
                    state.members.push(Member {
                        process: Arc::new(process),
                        running: 0,
                        since: Instant::now(),
                        fresh: true,
                    });
                    state.serve(&pool);
                }
                Err(fault) => {
                    // While others run, those who wait may still be served.
                    let all = state.members.is_empty() && state.starting == 0;
                    let told = if all { state.waiting.len() } else { 1 };
                    for waiting in state.waiting.drain(..).take(told).collect::<Vec<_>>() {
                        let _ = waiting.send(Err(fault.clone()));
                    }
                }
            }
        });
    }

    fn back(self: &Arc<Self>, process: &Arc<Process>, keep: bool) {
        let mut state = self.lock();
        let Some(at) = state.members.iter().position(|m| Arc::ptr_eq(&m.process, process)) else {
            return;
        };
        if !keep || self.uses.once {
            let gone = state.members.swap_remove(at);
            // Whoever waits for it needs another.
            if !state.waiting.is_empty() && state.starting == 0 && state.members.is_empty() {
                self.start(&mut state);
            }
            drop(state);
            drop(gone);
            return;
        }
        let mut member = state.members.remove(at);
        member.running -= 1;
        member.since = Instant::now();
        state.members.push(member);
        state.serve(self);
    }
}

fn lost() -> Fault {
    Fault::new(mayfly_types::FaultCode::Internal, "the call was lost")
}

impl State {
    fn free(&mut self, pool: &Arc<Pool>) -> Option<Lease> {
        let most = pool.uses.at_once;
        let member = self.members.iter_mut().rev().find(|member| member.running < most)?;
        member.running += 1;
        let cold = std::mem::replace(&mut member.fresh, false);
        member.process.rest(false);
        let process = Arc::clone(&member.process);
        Some(Lease { pool: Arc::downgrade(pool), process, cold, ended: false })
    }

    /// Gives places to those who wait.
    fn serve(&mut self, pool: &Arc<Pool>) {
        while let Some(waiting) = self.waiting.pop_front() {
            if waiting.is_closed() {
                continue;
            }
            let Some(lease) = self.free(pool) else {
                self.waiting.push_front(waiting);
                return;
            };
            if let Err(Ok(mut unwanted)) = waiting.send(Ok(lease)) {
                // Its caller left this moment. The lock is held, so it is not given back as others are.
                unwanted.ended = true;
                let of = |member: &&mut Member| Arc::ptr_eq(&member.process, &unwanted.process);
                if let Some(member) = self.members.iter_mut().find(of) {
                    member.running -= 1;
                    member.fresh = unwanted.cold;
                }
            }
        }
    }
}

impl Lease {
    pub(crate) fn process(&self) -> &Arc<Process> {
        &self.process
    }

    /// The process can be called again.
    pub(crate) fn give_back(mut self) {
        self.end(true);
    }

    /// The process is of no more use.
    pub(crate) fn lose(mut self) {
        self.end(false);
    }

    fn end(&mut self, keep: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        if let Some(pool) = self.pool.upgrade() {
            pool.back(&self.process, keep);
        }
    }
}

impl Drop for Lease {
    /// A call that never began leaves the process as it was.
    fn drop(&mut self) {
        self.end(true);
    }
}

/// Makes processes that nobody calls stand still, and ends them after a while, until the pool is
/// dropped.
async fn sweep(pool: Weak<Pool>, idle: Duration) {
    let mut interval = tokio::time::interval(SWEEP.min(idle));
    loop {
        interval.tick().await;
        let Some(pool) = pool.upgrade() else { return };
        let mut still = Vec::new();
        {
            let mut state = pool.lock();
            let over = |m: &Member| m.running == 0 && m.since.elapsed() >= idle;
            let (gone, members) = state.members.drain(..).partition(over);
            state.members = members;
            let freezes = pool.uses.freezes;
            for member in state.members.iter().filter(|_| freezes) {
                let idle = member.running == 0 && member.since.elapsed() >= FREEZE_AFTER;
                if idle && member.process.rest(true) {
                    still.push(Arc::clone(&member.process));
                }
            }
            drop::<Vec<Member>>(gone);
        }
        for process in still {
            if let Err(error) = process.settle().await {
                tracing::debug!(%error, "make a process stand still");
            }
        }
    }
}
