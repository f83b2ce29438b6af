//! Who goes on next of the guests that compute on the node's own threads.

use std::cell::Cell;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Places for guests that compute, as many as the node has threads to run them.
///
/// A guest begins at once, and when it has [given way](give_way) it waits for a place before it goes on.
/// So a request that needs a moment waits for at most one turn of another's, and not for one of each
/// guest that computes.
#[derive(Debug, Clone)]
pub struct Places(Arc<Semaphore>);

impl Places {
    /// So many.
    pub fn new(places: usize) -> Self {
        Self(Arc::new(Semaphore::new(places)))
    }
}

impl Default for Places {
    /// One for each processor.
    fn default() -> Self {
        Self::new(std::thread::available_parallelism().map_or(1, usize::from))
    }
}

thread_local! {
    /// The guest that has its turn on this thread gives way.
    static GIVES_WAY: Cell<bool> = const { Cell::new(false) };
}

/// What a guest in [`Metered`](crate::Metered) awaits when it has run for a tick: whatever else is ready has its turn.
pub async fn give_way() {
    GIVES_WAY.set(true);
    tokio::task::yield_now().await;
}

/// Runs a guest's turn, and tells whether it gave way.
pub(crate) fn watch<T>(turn: impl FnOnce() -> T) -> (T, bool) {
    GIVES_WAY.set(false);
    let done = turn();
    (done, GIVES_WAY.take())
}

/// Waits for a place.
pub(crate) type Wait = BoxFuture<'static, Option<OwnedSemaphorePermit>>;

impl Places {
    /// Keeps a place until whatever else is ready has had its turn, and the sockets were looked at; then
    /// gives it to whoever waits, and waits for the next.
    pub(crate) fn next(&self, held: Option<OwnedSemaphorePermit>, cx: &mut Context<'_>) -> Wait {
        let places = Arc::clone(&self.0);
        let mut next: Wait = Box::pin(async move {
            // First the sockets are looked at; but whoever waits for that is woken last, and whoever is
            // woken last runs first.
            tokio::task::yield_now().await;
            behind_others().await;
            drop(held);
            places.acquire_owned().await.ok()
        });
        // It is ready no sooner than after its task was left.
        let _ = next.as_mut().poll(cx);
        next
    }
}

/// Lets every task run that is ready now.
async fn behind_others() {
    let mut behind = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut behind, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::sync::Mutex;

    use super::*;
    use crate::{Metered, Spent};

    /// A guest that gives way after each of some turns, and what it does in one.
    fn guest(turns: usize, places: &Places, turn: impl Fn() + Send + 'static) -> Metered<()> {
        let work = async move {
            for _ in 0..turns {
                turn();
                give_way().await;
            }
        };
        Metered::new(Box::pin(work), Spent::default(), places.clone())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn between_two_turns_of_those_that_compute_whoever_is_ready_has_his() {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let (order, places) = (Arc::new(Mutex::new(Vec::new())), Places::new(1));
        let (asks, answers) = std::os::unix::net::UnixStream::pair().unwrap();
        answers.set_nonblocking(true).unwrap();
        let answers = tokio::net::UnixStream::from_std(answers).unwrap();
        // In each turn of one that computes, a request comes for another.
        let asks = Arc::new(asks);
        let compute = NAMES.map(|name| {
            let (order, asks) = (Arc::clone(&order), Arc::clone(&asks));
            guest(8, &places, move || {
                order.lock().unwrap().push(name);
                (&*asks).write_all(b"?").unwrap();
            })
        });
        let short = {
            let order = Arc::clone(&order);
            async move {
                while answers.try_read(&mut [0; 64]).map_or(true, |read| read > 0) {
                    order.lock().unwrap().push("short");
                    answers.readable().await.unwrap();
                }
            }
        };
        let short = Metered::new(Box::pin(short), Spent::default(), places);
        drop(asks);
        // From a task, for this one is on no worker's queue.
        tokio::spawn(async move {
            let tasks = compute.into_iter().chain([short]).map(tokio::spawn);
            for task in tasks.collect::<Vec<_>>() {
                task.await.unwrap();
            }
        })
        .await
        .unwrap();
        let order = order.lock().unwrap();
        // Each begins at once.
        let begun = order.iter().position(|name| *name == "c").unwrap() + 1;
        let late = order[begun..].windows(2).filter(|pair| !pair.contains(&"short"));
        assert_eq!(late.count(), 0, "{order:?}");
        // They take turns among themselves.
        let compute: Vec<_> = order[begun..].iter().filter(|name| **name != "short").collect();
        let all = |turns: &[&&str]| NAMES.iter().all(|name| turns.contains(&name));
        assert!(compute[..18].windows(3).all(all), "{order:?}");
    }

    #[tokio::test]
    async fn one_that_waits_for_something_else_keeps_no_place() {
        let places = Places::new(1);
        let waits = async {
            give_way().await;
            std::future::pending::<()>().await;
        };
        let waits = Metered::new(Box::pin(waits), Spent::default(), places.clone());
        let waits = tokio::spawn(waits);
        guest(5, &places, || ()).await;
        waits.abort();
    }
}
