//! Booting interpreters, a few at a time.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;

/// An interpreter that has not booted by now waits for something else than a processor, and keeps nobody waiting.
pub(crate) const HELD: Duration = Duration::from_secs(1);

/// Lets little more interpreters boot at once than there are processors, for the whole node: each takes tens of
/// milliseconds of one, so that many at once are all late, and those who wait are often served meanwhile by what is there
/// already.
#[derive(Clone)]
pub struct Boots {
    turns: Arc<Semaphore>,
}

impl Boots {
    /// For a node with so many processors.
    pub fn new(processors: usize) -> Self {
        Self { turns: Arc::new(Semaphore::new(processors + 1)) }
    }

    /// Waits for a turn: those who came first are first.
    pub(crate) async fn turn(&self) -> Turn {
        // It is never closed.
        Turn(Arc::clone(&self.turns).acquire_owned().await.ok())
    }
}

/// The right to boot an interpreter.
pub(crate) struct Turn(Option<tokio::sync::OwnedSemaphorePermit>);

impl Turn {
    /// Waits for a boot, which is others' turn as well if it takes long.
    pub(crate) async fn holds<T>(mut self, boot: impl Future<Output = T>) -> T {
        let mut boot = std::pin::pin!(boot);
        match tokio::time::timeout(HELD, &mut boot).await {
            Ok(booted) => booted,
            Err(_) => {
                self.0 = None;
                boot.await
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::future::{pending, ready};

    use futures_util::FutureExt as _;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn so_many_boot_at_once_and_the_next_when_one_has() {
        let boots = Boots::new(1);
        let (first, second) = (boots.turn().await, boots.turn().await);
        assert!(boots.turn().now_or_never().is_none(), "there are two turns with one processor");
        first.holds(ready(())).await;
        let third = boots.turn().now_or_never().expect("the first has booted");
        drop((second, third));
    }

    #[tokio::test(start_paused = true)]
    async fn one_that_hangs_keeps_others_for_a_second_at_most() {
        let boots = Boots::new(0);
        let hanging = tokio::spawn(boots.turn().await.holds(pending::<()>()));
        let began = tokio::time::Instant::now();
        boots.turn().await;
        assert_eq!(began.elapsed().as_secs(), HELD.as_secs());
        assert!(!hanging.is_finished());
        hanging.abort();
    }
}
