//! The processor time of what runs on the node's own threads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::Duration;

use futures_util::future::BoxFuture;

/// How much processor time a [`Metered`] future has taken.
#[derive(Debug, Clone, Default)]
pub struct Spent(Arc<AtomicU64>);

impl Spent {
    /// In microseconds.
    pub fn micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / 1000
    }
}

/// Measures the processor time of everything that a future does.
pub struct Metered<T> {
    future: BoxFuture<'static, T>,
    spent: Spent,
}

impl<T> Metered<T> {
    /// Measures this future, adding to what was spent before.
    pub fn new(future: BoxFuture<'static, T>, spent: Spent) -> Self {
        Self { future, spent }
    }

    /// What it has taken up to now, also after it is gone.
    pub fn spent(&self) -> &Spent {
        &self.spent
    }
}

impl<T> Future for Metered<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let before = thread_time();
        let polled = self.future.as_mut().poll(cx);
        let spent = thread_time().saturating_sub(before).as_nanos() as u64;
        self.spent.0.fetch_add(spent, Ordering::Relaxed);
        polled
    }
}

fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}
