//! The processor time of guests on the node's own threads.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use futures_util::future::BoxFuture;
use rustix::time::ClockId;

use crate::places::{self, Share, Wait};

/// How much processor time a [`Metered`] future has taken.
#[derive(Debug, Clone, Default)]
pub struct Spent(Arc<AtomicU64>);

impl Spent {
    /// In microseconds.
    pub fn micros(&self) -> u64 {
        self.0.load(Ordering::Relaxed) / 1000
    }
}

/// Runs a guest by turns, in a [place](crate::Places) of its function's share, and measures the processor time of
/// everything that it does.
///
/// Its first turn is measured by the clock on the wall, for to read a thread's own clock is a system call,
/// ten times as dear, and most invocations end in one turn. A guest yields after two ticks, so all
/// that can be wrong is what others took of the processor within one turn.
pub struct Metered<T> {
    future: BoxFuture<'static, T>,
    spent: Spent,
    share: Share,
    turn: Turn,
}

/// What comes next for a guest.
enum Turn {
    Begin,
    /// It waited for something else than the processor.
    Resume,
    /// It gave way.
    Compute(Wait),
}

impl<T> Metered<T> {
    /// Runs this future, adding to what was spent before.
    pub fn new(future: BoxFuture<'static, T>, spent: Spent, share: Share) -> Self {
        Self { future, spent, share, turn: Turn::Begin }
    }

    /// What it has taken up to now, also after it is gone.
    pub fn spent(&self) -> &Spent {
        &self.spent
    }
}

impl<T> Future for Metered<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<T> {
        let (clock, place) = match &mut self.turn {
            Turn::Begin => (ClockId::Monotonic, None),
            Turn::Resume => (ClockId::ThreadCPUTime, None),
            Turn::Compute(place) => (ClockId::ThreadCPUTime, ready!(place.as_mut().poll(cx))),
        };
        let before = read(clock);
        let (polled, gave_way) = places::watch(|| self.future.as_mut().poll(cx));
        let spent = read(clock).saturating_sub(before).as_nanos() as u64;
        self.spent.0.fetch_add(spent, Ordering::Relaxed);
        self.share.uses(spent);
        if polled.is_pending() {
            self.turn = match gave_way {
                true => Turn::Compute(self.share.next(place, cx)),
                false => Turn::Resume,
            };
        }
        polled
    }
}

fn read(clock: ClockId) -> Duration {
    let time = rustix::time::clock_gettime(clock);
    Duration::new(time.tv_sec.unsigned_abs(), time.tv_nsec.unsigned_abs() as u32)
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Instant;

    use super::*;
    use crate::{Places, give_way};

    #[tokio::test]
    async fn each_turn_adds_to_what_a_guest_took() {
        let (spent, told) = (Spent::default(), Arc::new(Mutex::new(Vec::new())));
        let work = {
            let (spent, told) = (spent.clone(), Arc::clone(&told));
            async move {
                for _ in 0..4 {
                    told.lock().unwrap().push(spent.micros());
                    let until = Instant::now() + Duration::from_millis(5);
                    while Instant::now() < until {
                        std::hint::spin_loop();
                    }
                    give_way().await;
                }
            }
        };
        Metered::new(Box::pin(work), spent, Places::new(1).share()).await;
        let told = told.lock().unwrap();
        assert!(told[0] == 0 && told.is_sorted_by(|before, after| before < after), "{told:?}");
    }
}
