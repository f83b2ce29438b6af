//! Who goes on next of the guests that compute on the node's own threads.

use std::cell::Cell;
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use futures_util::future::BoxFuture;
use tokio::sync::oneshot;

/// How much less than others a share that rested may seem to have used, in nanoseconds: for so long its guests compute
/// before the others', and then beside them.
const AHEAD: u64 = 25_000_000;
/// How much more it may seem to have used: what nobody else wanted is not held against it.
const BEHIND: u64 = 100_000_000;

/// Places for guests that compute, as many as the node has threads to run them.
///
/// A guest begins at once, and when it has [given way](give_way) it waits for a place before it goes on.
/// So a request that needs a moment waits for at most one turn of another's, and not for one of each
/// guest that computes. Of those that wait, one of the [`Share`] that used least goes on: however many guests of one
/// revision of a function compute, another function's have as much of the processors as they.
#[derive(Debug, Clone)]
pub struct Places(Arc<Mutex<Line>>);

/// What the guests of one revision of a function take of the processors, all together.
#[derive(Debug, Clone)]
pub struct Share(Arc<Account>);

#[derive(Debug)]
struct Account {
    places: Places,
    number: u64,
    /// In nanoseconds. It changes only while the line is locked, for who waits in it stands there by this.
    used: AtomicU64,
    /// What was used since.
    since: AtomicU64,
}

#[derive(Debug)]
struct Line {
    free: usize,
    /// Those who wait, by what their share has used, and which it is.
    waiting: BTreeMap<(u64, u64), VecDeque<oneshot::Sender<Place>>>,
    /// What the shares that had turns have used: the most of them.
    used: u64,
    shares: u64,
}

/// Held by a guest that computes.
#[derive(Debug)]
pub(crate) struct Place(Option<Places>);

impl Places {
    /// So many.
    pub fn new(places: usize) -> Self {
        let line = Line { free: places, waiting: BTreeMap::new(), used: 0, shares: 0 };
        Self(Arc::new(Mutex::new(line)))
    }

    /// A share of its own, of which nothing was used.
    pub fn share(&self) -> Share {
        let mut line = self.line();
        line.shares += 1;
        Share(Arc::new(Account {
            places: self.clone(),
            number: line.shares,
            used: AtomicU64::new(0),
            since: AtomicU64::new(0),
        }))
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Gives a place to whoever comes next.
    fn hand_on(&self) {
        loop {
            let Some(next) = self.line().next() else { return };
            let Err(mut place) = next.send(Place(Some(self.clone()))) else { return };
            // It is gone meanwhile.
            place.0 = None;
        }
    }
}

impl Line {
    /// Whoever comes next, who has a place then; if nobody does, it is free.
    fn next(&mut self) -> Option<oneshot::Sender<Place>> {
        while let Some(mut first) = self.waiting.first_entry() {
            let used = first.key().0;
            let next = first.get_mut().pop_front();
            if first.get().is_empty() {
                first.remove();
            }
            if let Some(next) = next.filter(|next| !next.is_closed()) {
                self.used = self.used.max(used);
                return Some(next);
            }
        }
        self.free += 1;
        None
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(places) = self.0.take() {
            places.hand_on();
        }
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
pub(crate) type Wait = BoxFuture<'static, Option<Place>>;

impl Share {
    /// Adds to what it used, in nanoseconds.
    pub(crate) fn uses(&self, nanos: u64) {
        self.0.since.fetch_add(nanos, Ordering::Relaxed);
    }

    /// Keeps a place until whatever else is ready has had its turn, and the sockets were looked at; then
    /// gives it to whoever comes next, and waits for another.
    pub(crate) fn next(&self, held: Option<Place>, cx: &mut Context<'_>) -> Wait {
        let share = self.clone();
        let mut next: Wait = Box::pin(async move {
            // First the sockets are looked at; but whoever waits for that is woken last, and whoever is
            // woken last runs first.
            tokio::task::yield_now().await;
            behind_others().await;
            share.line_up(held).await.ok()
        });
        // It is ready no sooner than after its task was left.
        let _ = next.as_mut().poll(cx);
        next
    }

    /// Waits in line, and gives back a place that it holds.
    fn line_up(&self, held: Option<Place>) -> oneshot::Receiver<Place> {
        let Account { places, number, used, since } = &*self.0;
        let (next, waits) = oneshot::channel();
        let mut line = places.line();
        let before = used.load(Ordering::Relaxed);
        // Those of its guests who wait already stand by what it used when the last of them came.
        let mut waiting = line.waiting.remove(&(before, *number)).unwrap_or_default();
        let mut now = before.saturating_add(since.swap(0, Ordering::Relaxed));
        if waiting.is_empty() {
            now = now.clamp(line.used.saturating_sub(AHEAD), line.used.saturating_add(BEHIND));
        }
        used.store(now, Ordering::Relaxed);
        waiting.push_back(next);
        line.waiting.insert((now, *number), waiting);
        let place = held.or_else(|| {
            line.free = line.free.checked_sub(1)?;
            Some(Place(Some(places.clone())))
        });
        drop(line);
        drop(place);
        waits
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

    const MS: u64 = 1_000_000;

    /// A guest that gives way after each of some turns, and what it does in one.
    fn guest(turns: usize, share: &Share, turn: impl Fn() + Send + 'static) -> Metered<()> {
        let work = async move {
            for _ in 0..turns {
                turn();
                give_way().await;
            }
        };
        Metered::new(Box::pin(work), Spent::default(), share.clone())
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 1)]
    async fn between_two_turns_of_those_that_compute_whoever_is_ready_has_his() {
        const NAMES: [&str; 3] = ["a", "b", "c"];
        let (order, share) = (Arc::new(Mutex::new(Vec::new())), Places::new(1).share());
        let (asks, answers) = std::os::unix::net::UnixStream::pair().unwrap();
        answers.set_nonblocking(true).unwrap();
        let answers = tokio::net::UnixStream::from_std(answers).unwrap();
        // In each turn of one that computes, a request comes for another.
        let asks = Arc::new(asks);
        let compute = NAMES.map(|name| {
            let (order, asks) = (Arc::clone(&order), Arc::clone(&asks));
            guest(8, &share, move || {
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
        let short = Metered::new(Box::pin(short), Spent::default(), share);
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
        let share = Places::new(1).share();
        let waits = async {
            give_way().await;
            std::future::pending::<()>().await;
        };
        let waits = Metered::new(Box::pin(waits), Spent::default(), share.clone());
        let waits = tokio::spawn(waits);
        guest(5, &share, || ()).await;
        waits.abort();
    }

    /// Guests that compute all the time, each of a share, on one place.
    struct Guests<'a> {
        guests: Vec<(&'a Share, Option<oneshot::Receiver<Place>>)>,
    }

    impl<'a> Guests<'a> {
        fn new(shares: impl IntoIterator<Item = &'a Share>) -> Self {
            let guests = shares.into_iter().map(|share| (share, Some(share.line_up(None))));
            Self { guests: guests.collect() }
        }

        fn comes(&mut self, share: &'a Share) {
            self.guests.push((share, Some(share.line_up(None))));
        }

        /// Lets whoever holds the place compute so long, and answers whose it was.
        fn turn(&mut self, nanos: u64) -> u64 {
            for (share, waits) in &mut self.guests {
                if let Ok(place) = waits.as_mut().unwrap().try_recv() {
                    share.uses(nanos);
                    *waits = Some(share.line_up(Some(place)));
                    return share.0.number;
                }
            }
            panic!("nobody holds the place");
        }

        fn turns(&mut self, count: usize, nanos: u64) -> Vec<u64> {
            (0..count).map(|_| self.turn(nanos)).collect()
        }
    }

    #[test]
    fn a_function_has_as_much_as_another_however_many_of_its_guests_compute() {
        let places = Places::new(1);
        let (many, one) = (places.share(), places.share());
        let mut guests = Guests::new([&many; 9].into_iter().chain([&one]));
        let turns = guests.turns(100, MS);
        let of_one = turns.iter().filter(|number| **number == one.0.number).count();
        assert!((48..=52).contains(&of_one), "{turns:?}");
    }

    #[test]
    fn one_that_rested_computes_before_others_for_a_while_and_then_beside_them() {
        let places = Places::new(1);
        let (storm, quiet) = (places.share(), places.share());
        let mut guests = Guests::new([&storm; 4]);
        guests.turns(1000, MS);
        guests.comes(&quiet);
        // Whoever holds the place when it comes has his turn to its end.
        assert_eq!(guests.turn(MS), storm.0.number);
        let turns = guests.turns(100, MS);
        let first = turns.iter().position(|number| *number == storm.0.number).unwrap() as u64;
        assert!((AHEAD / MS - 1..=AHEAD / MS + 2).contains(&first), "{turns:?}");
        let after = &turns[first as usize..];
        let of_storm = after.iter().filter(|number| **number == storm.0.number).count();
        assert!(of_storm.abs_diff(after.len() / 2) <= 1, "{turns:?}");
    }

    #[test]
    fn one_that_asks_for_less_than_its_part_computes_before_others_each_time() {
        let places = Places::new(1);
        let (storm, quiet) = (places.share(), places.share());
        let mut guests = Guests::new([&storm; 4]);
        for _ in 0..100 {
            guests.turns(100, MS);
            guests.comes(&quiet);
            guests.turn(MS);
            assert_eq!(guests.turns(10, MS), [quiet.0.number; 10]);
            guests.guests.pop();
        }
    }

    #[test]
    fn what_is_used_without_a_place_counts_as_well() {
        let places = Places::new(1);
        let (short, long) = (places.share(), places.share());
        let mut guests = Guests::new([&short, &long]);
        short.uses(50 * MS);
        let turns = guests.turns(40, MS);
        let of_short = turns.iter().filter(|number| **number == short.0.number).count();
        assert!(of_short <= 2, "{turns:?}");
    }

    #[test]
    fn what_was_used_while_nobody_else_wanted_it_is_soon_made_good() {
        let places = Places::new(1);
        let (busy, other) = (places.share(), places.share());
        let mut guests = Guests::new([&other, &other]);
        guests.turns(10, MS);
        busy.uses(3_600_000 * MS);
        guests.comes(&busy);
        let turns = guests.turns(400, MS);
        let first = turns.iter().position(|number| *number == busy.0.number).unwrap() as u64;
        assert!((BEHIND / MS - 1..=BEHIND / MS + 2).contains(&first), "{first}");
        let after = &turns[first as usize..];
        let of_busy = after.iter().filter(|number| **number == busy.0.number).count();
        assert!(of_busy.abs_diff(after.len() / 2) <= 1, "{turns:?}");
    }

    #[test]
    fn a_place_passes_over_those_who_are_gone() {
        let places = Places::new(2);
        let share = places.share();
        let mut held: Vec<_> = (0..2).map(|_| share.line_up(None).try_recv().unwrap()).collect();
        let waits: Vec<_> = (0..8).map(|_| share.line_up(None)).collect();
        let mut last = share.line_up(None);
        assert!(last.try_recv().is_err());
        drop(waits);
        drop(held.pop());
        let place = last.try_recv().unwrap();
        // One who is gone when the place is theirs gives it on too.
        let (gone, mut after) = (share.line_up(None), share.line_up(None));
        drop(place);
        drop(gone);
        let place = after.try_recv().unwrap();
        drop((place, held));
        let line = places.line();
        assert!(line.free == 2 && line.waiting.is_empty(), "{line:?}");
    }
}
