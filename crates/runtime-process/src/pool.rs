//! The processes of one revision: those that run calls, those that wait for one, those that start.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, Weak};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use mayfly_runtime_api::{EventRequest, Keep, Payload};
use mayfly_types::Fault;
use tokio::sync::oneshot;

use crate::exchange::Exchange;
use crate::fault;
use crate::frames::Done;
use crate::log::Log;
use crate::pressure::Pressure;
use crate::process::Process;

/// How long a call waits for a process that is busy before another one is started: most calls end
/// sooner than a process starts.
const PATIENCE: Duration = Duration::from_millis(5);
/// The same where processors are scarce.
const CROWDED: Duration = Duration::from_secs(1);
/// Calls that take less are handed to a process before it has done with those before.
const SHORT: Duration = Duration::from_millis(1);
/// One that took so long shows that others may: for a while no call is handed in behind another.
const LONG: Duration = Duration::from_millis(25);
/// For so many calls.
const WARY: u32 = 1000;
/// And for so many at first.
const WARY_AT_FIRST: u32 = 100;
/// So many at most.
const AHEAD: u32 = 4;
/// How much longer than it may run a call waits for a process: a start may take so long.
pub(crate) const WAITING: Duration = Duration::from_secs(10);
/// How long the shortest of some calls tells of those that come.
const LATELY: Duration = Duration::from_millis(200);
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

/// How long a process waits for a call where memory is short.
const SCARCE: Duration = Duration::from_secs(5);
/// How long after a start failed that nobody waited for the next is tried; then twice as long.
const AGAIN: Duration = Duration::from_secs(1);
/// At most.
const AGAIN_LATEST: Duration = Duration::from_secs(300);

/// How a pool uses its processes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Use {
    /// Calls of one process at once.
    pub(crate) at_once: u32,
    /// Whether a process that is busy with a short call may be given the next: it takes them one after
    /// the other by itself.
    pub(crate) ahead: bool,
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

struct State {
    /// The one that was called last at the end.
    members: Vec<Member>,
    waiting: VecDeque<oneshot::Sender<Result<Lease, Fault>>>,
    starting: usize,
    /// How long calls take of late, and starts.
    call: Duration,
    least: Least,
    init: Duration,
    /// Processors of this node.
    cores: usize,
    /// Calls until one may be handed in behind another.
    wary: u32,
    pressure: Pressure,
    /// What waits for calls.
    keep: Keep,
    /// Starts that failed one after the other, and when the last did.
    failed: Option<(Duration, Instant)>,
}

struct Member {
    process: Arc<Process>,
    running: u32,
    /// Since when it waits for a call, or since the last began or ended.
    since: Instant,
    /// Its first call is still to come, and was the reason for its start.
    fresh: bool,
}

/// A call's place in a process. Whoever holds it says at the end what became of the process.
pub(crate) struct Lease {
    pool: Weak<Pool>,
    process: Arc<Process>,
    /// The process was started for this call.
    cold: bool,
    ended: bool,
}

/// A call that has not begun, because its process has ended, with its place there.
pub(crate) type Unbegun = Box<(Payload, Lease)>;

impl Pool {
    /// An empty pool, with a task that ends idle processes and itself with the pool.
    pub(crate) fn new(starts: Box<dyn Starts>, uses: Use) -> Arc<Self> {
        let state = State {
            members: Vec::new(),
            waiting: VecDeque::new(),
            starting: 0,
            call: Duration::ZERO,
            least: Least::default(),
            init: Duration::ZERO,
            cores: std::thread::available_parallelism().map_or(1, usize::from),
            wary: WARY_AT_FIRST,
            pressure: Pressure::default(),
            keep: Keep::default(),
            failed: None,
        };
        let pool = Arc::new(Self { starts, uses, state: Mutex::new(state) });
        tokio::spawn(sweep(Arc::downgrade(&pool), uses.idle));
        pool
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(|poisoned| poisoned.into_inner())
    }

    /// Says what waits for calls, and starts what does not yet.
    pub(crate) fn keep(self: &Arc<Self>, keep: Keep) {
        let mut state = self.lock();
        state.keep = keep;
        self.top_up(&mut state);
    }

    /// Starts what should wait and is not there: as many at once as there are processors, and none where memory is
    /// short, for a manifest may ask for more than the machine has.
    fn top_up(self: &Arc<Self>, state: &mut State) {
        let resting = |(pause, since): (Duration, Instant)| since.elapsed() < pause;
        if state.keep.short || state.failed.is_some_and(resting) {
            return;
        }
        while state.members.len() + state.starting < state.keep.warm as usize
            && state.starting < state.cores
        {
            self.start_for(state, false);
        }
    }

    /// Begins a call in a process.
    ///
    /// # Errors
    /// When no process can be started.
    pub(crate) async fn run(
        self: &Arc<Self>,
        exchange: &Arc<Exchange>,
        mut payload: Payload,
    ) -> Result<(), Fault> {
        loop {
            let lease = self.acquire().await?;
            let process = Arc::clone(&lease.process);
            exchange.placed(lease.cold, process.init);
            match process.begin(exchange, payload, lease) {
                Ok(()) => return Ok(()),
                // It ended while nobody called it.
                Err(unbegun) => {
                    let (unbegun, lease) = *unbegun;
                    lease.lose();
                    payload = unbegun;
                }
            }
        }
    }

    /// A place for a call: in a process that has one, else in one that gets one soon or is started.
    ///
    /// # Errors
    /// When no process can be started.
    async fn acquire(self: &Arc<Self>) -> Result<Lease, Fault> {
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
        let mut patience = PATIENCE;
        loop {
            if let Ok(found) = tokio::time::timeout(patience, &mut place).await {
                return found.unwrap_or_else(|_| Err(lost()));
            }
            // Many who wait long would look often.
            patience = (patience * 2).min(PATIENCE * 16);
            let mut state = self.lock();
            state.waiting.retain(|waiting| !waiting.is_closed());
            state.serve(self);
            if state.wants_more(self.uses.at_once as usize) {
                self.start(&mut state);
            }
        }
    }

    /// Starts one more process, in a task: whoever asked for it may leave meanwhile.
    fn start(self: &Arc<Self>, state: &mut State) {
        self.start_for(state, true);
    }

    /// The same, for a call or to wait for one.
    fn start_for(self: &Arc<Self>, state: &mut State, call: bool) {
        state.starting += 1;
        let pool = Arc::clone(self);
        tokio::spawn(async move {
            let started = pool.starts.start().await;
            let mut state = pool.lock();
            state.starting -= 1;
            match started {
                Ok(process) => {
                    state.init = lately(state.init, process.init);
                    state.failed = None;
                    let fresh = call || !state.waiting.is_empty();
                    let (process, since) = (Arc::new(process), Instant::now());
                    state.members.push(Member { process, running: 0, since, fresh });
                    state.serve(&pool);
                    pool.top_up(&mut state);
                }
                Err(fault) => {
                    let pause =
                        state.failed.map_or(AGAIN, |(pause, _)| (pause * 2).min(AGAIN_LATEST));
                    state.failed = Some((pause, Instant::now()));
                    // While others run, those who wait may still be served.
                    let all = state.members.is_empty() && state.starting == 0;
                    let told = if all { state.waiting.len() } else { 1.min(state.waiting.len()) };
                    for waiting in state.waiting.drain(..told) {
                        // Whoever has left needs no answer.
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
            // Those that are left may take what it could not.
            state.serve(self);
            self.top_up(&mut state);
            drop(state);
            drop(gone);
            return;
        }
        let mut member = state.members.remove(at);
        member.running -= 1;
        let now = Instant::now();
        let took = now - member.since;
        state.call = lately(state.call, took);
        state.least.note(now, took);
        state.wary = if took > LONG { WARY } else { state.wary.saturating_sub(1) };
        member.since = now;
        state.members.push(member);
        state.serve(self);
    }
}

/// The shortest of late: what a call takes where nothing keeps it from a processor.
#[derive(Debug, Default)]
struct Least {
    since: Option<Instant>,
    now: Option<Duration>,
    before: Option<Duration>,
}

impl Least {
    fn note(&mut self, now: Instant, took: Duration) {
        if self.since.is_none_or(|since| now - since > LATELY) {
            (self.since, self.before, self.now) = (Some(now), self.now, None);
        }
        self.now = Some(self.now.map_or(took, |least| least.min(took)));
    }

    fn is_below(&self, bound: Duration) -> bool {
        if self.since.is_none_or(|since| since.elapsed() > LATELY * 2) {
            return false;
        }
        [self.now, self.before].iter().flatten().any(|least| *least < bound)
    }
}

/// A mean that forgets.
fn lately(before: Duration, now: Duration) -> Duration {
    if before.is_zero() { now } else { (before * 7 + now) / 8 }
}

fn lost() -> Fault {
    Fault::new(mayfly_types::FaultCode::Internal, "the call was lost")
}

impl State {
    /// Whether those who wait are served sooner by one more process than by those that are there.
    fn wants_more(&mut self, at_once: usize) -> bool {
        // As many at once as there are: a burst doubles them until it is met, and no faster.
        let coming = self.starting.saturating_mul(at_once);
        if self.starting >= self.members.len().max(1) || coming >= self.waiting.len() {
            return false;
        }
        // Those who wait for processors while processes are idle gain nothing by more.
        if self.members.iter().any(|member| member.running == 0) {
            return false;
        }
        let places = self.members.len().saturating_mul(at_once).max(1) as u32;
        let turns = self.waiting.len().div_ceil(places as usize) as u32;
        // Of a call that runs longer than others did, nothing better is known.
        let oldest = self.members.iter().map(|member| member.since.elapsed()).max();
        let call = self.call.max(oldest.unwrap_or(Duration::MAX));
        let wait = call.saturating_mul(turns);
        // Where the processors are what all wait for, more processes make it worse.
        let enough = if self.pressure.is_high() { CROWDED } else { self.init.max(PATIENCE) };
        wait > enough
    }

    fn free(&mut self, pool: &Arc<Pool>) -> Option<Lease> {
        let most = pool.uses.at_once;
        let ahead = pool.uses.ahead;
        // Where processors are scarce, a process that goes on is worth more than two in turns. Calls that
        // wait for processors tell by their shortest what they would take.
        let crowded = most == 1
            && !pool.uses.once
            && self.wary == 0
            && self.least.is_below(SHORT)
            && self.pressure.is_high();
        let short = ahead && self.wary == 0 && (crowded || self.call < SHORT);
        let at_once = if crowded && ahead { AHEAD } else { most };
        // One whose call takes long waits for something else, and nothing is put behind that.
        let quick = |member: &&Member| member.running > 0 && member.since.elapsed() < LONG;
        let enough = crowded && self.members.iter().filter(quick).count() >= self.cores;
        let fits = |member: &Member| {
            let idle = member.running == 0;
            let room = member.running < at_once && (idle || most > 1 || quick(&member));
            room && (!enough || !idle)
        };
        let mut found = self.members.iter().rposition(fits);
        if found.is_none() && short && !enough {
            let members = self.members.iter().enumerate().filter(|(_, member)| quick(member));
            let least = members.min_by_key(|(_, member)| member.running)?;
            found = (least.1.running < AHEAD).then_some(least.0);
        }
        let member = self.members.get_mut(found?)?;
        member.running += 1;
        // Of several, the next begins when the one before it ends.
        if member.running == 1 || most > 1 {
            member.since = Instant::now();
        }
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
    /// The process can be called again.
    pub(crate) fn give_back(mut self) {
        self.end(true);
    }

    /// The process is of no more use.
    pub(crate) fn lose(mut self) {
        self.end(false);
    }

    /// The process ended before it began this call, which is begun in another.
    pub(crate) fn again(mut self, exchange: Arc<Exchange>, event: EventRequest, log: Log) {
        self.end(false);
        let pool = self.pool.upgrade();
        tokio::spawn(async move {
            let run = async {
                match &pool {
                    Some(pool) => pool.run(&exchange, Payload::Event(event)).await,
                    None => Err(lost()),
                }
            };
            let ran = tokio::time::timeout(exchange.time() + WAITING, run).await;
            if let Err(fault) = ran.unwrap_or_else(|_| Err(fault::not_ready())) {
                exchange.failed(fault, true, Done::default(), &log);
            }
        });
    }

    fn end(&mut self, keep: bool) {
        if std::mem::replace(&mut self.ended, true) {
            return;
        }
        let Some(pool) = self.pool.upgrade() else { return };
        if !self.process.is_zygote() {
            pool.back(&self.process, keep);
            return;
        }
        let process = Arc::clone(&self.process);
        tokio::spawn(async move {
            let clean = process.clear().await;
            pool.back(&process, clean);
        });
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
            let idle = if state.keep.short { SCARCE.min(idle) } else { idle };
            // Those that were called last are kept.
            let mut surplus = state.members.len().saturating_sub(state.keep.warm as usize);
            let over = |m: &Member| {
                let over = surplus > 0 && m.running == 0 && m.since.elapsed() >= idle;
                surplus -= usize::from(over);
                over
            };
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shortest_call_is_forgotten_after_a_while() {
        let ms = Duration::from_millis;
        let (mut least, begin) = (Least::default(), Instant::now());
        assert!(!least.is_below(ms(1000)), "nothing is known");
        least.note(begin, ms(2));
        least.note(begin + ms(10), ms(9));
        assert!(least.is_below(ms(3)) && !least.is_below(ms(2)));
        least.note(begin + LATELY * 2, ms(9));
        assert!(least.is_below(ms(3)), "of the time before");
        least.note(begin + LATELY * 4, ms(9));
        assert!(!least.is_below(ms(3)) && least.is_below(ms(10)));
    }
}
