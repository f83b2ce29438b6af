//! The clock of guests that run in this process: what makes them yield and stop.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::Thread;
use std::time::Duration;

/// How often a running guest looks whether its time is over and lets others run.
const TICK: Duration = Duration::from_micros(500);
/// Idle ticks before the thread parks: parking at the first would make the next request pay for waking it.
const LINGER: u32 = 100;

/// The thread's "nice" value: it is to run at once when its time has come.
const PRIORITY: i32 = -10;

/// Calls something each tick while guests run. Its thread sleeps while none does, and ends when the
/// value is gone.
pub struct Ticker {
    name: &'static str,
    tick: Box<dyn Fn() + Send + Sync>,
    running: AtomicUsize,
    /// The thread sleeps until it is woken.
    asleep: AtomicBool,
    thread: OnceLock<Thread>,
}

impl Ticker {
    /// A ticker whose thread, of this name, starts with the first guest.
    pub fn new(name: &'static str, tick: impl Fn() + Send + Sync + 'static) -> Arc<Self> {
        Arc::new(Self {
            name,
            tick: Box::new(tick),
            running: AtomicUsize::new(0),
            asleep: AtomicBool::new(false),
            thread: OnceLock::new(),
        })
    }

    /// Marks a guest as running for as long as the value lives.
    pub fn running(self: &Arc<Self>) -> Running {
        let thread = self.thread.get_or_init(|| start(self));
        // Waking costs a system call, and most invocations end before the first tick.
        if self.running.fetch_add(1, Ordering::SeqCst) == 0
            && self.asleep.swap(false, Ordering::SeqCst)
        {
            thread.unpark();
        }
        Running(Arc::clone(self))
    }
}

/// A guest is running.
pub struct Running(Arc<Ticker>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.running.fetch_sub(1, Ordering::SeqCst);
    }
}

fn start(ticker: &Arc<Ticker>) -> Thread {
    let weak = Arc::downgrade(ticker);
    match std::thread::Builder::new().name(ticker.name.into()).spawn(move || run(&weak)) {
        Ok(handle) => handle.thread().clone(),
        Err(error) => {
            tracing::error!(%error, "start the thread that bounds running guests");
            std::process::abort()
        }
    }
}

fn run(ticker: &Weak<Ticker>) {
    // Where the processors are busy with guests it would wait behind one for some milliseconds. It takes
    // next to nothing of them itself. Who may not ask for that goes on as others do.
    let _ = rustix::process::setpriority_process(None, PRIORITY);
    let mut idle = 0;
    loop {
        let Some(ticker) = ticker.upgrade() else { return };
        if ticker.running.load(Ordering::SeqCst) > 0 {
            idle = 0;
        } else {
            idle += 1;
        }
        let mut sleep = idle > LINGER;
        if sleep {
            ticker.asleep.store(true, Ordering::SeqCst);
            // Who began to run before the store above saw nobody asleep.
            sleep = ticker.running.load(Ordering::SeqCst) == 0;
        }
        if !sleep {
            ticker.asleep.store(false, Ordering::SeqCst);
            (ticker.tick)();
        }
        drop(ticker);
        // One that sleeps wakes up now and then to see whether the ticker is gone.
        std::thread::park_timeout(if sleep { Duration::from_secs(1) } else { TICK });
    }
}
