//! Who is waited for before a commit.

use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::{Duration, Instant};

/// A disk whose commits take less is not worth waiting for others.
const SLOW: Duration = Duration::from_millis(2);
/// Most commits in a row for which nobody is waited for, after it was in vain.
const MOST_SKIPPED: u32 = 64;

/// Decides how long a commit waits for those who come again.
///
/// Many callers who each wait for their commit and then ask again part into two groups on a slow disk: while one is being
/// committed, the other waits for it, so that each commit takes half of them. Those who were answered are back long
/// before the next commit would end. So it begins a little later, with all; unless they do not come, for callers may as
/// well be strangers who ask once.
#[derive(Debug, Default)]
pub(super) struct Gather {
    /// How long the last commit took.
    took: Duration,
    /// How many may be in the next: those whom it answered, and those who waited when it ended.
    next: usize,
    /// How many commits it is still not tried, and how often in a row it was in vain.
    skip: u32,
    vain: u32,
}

impl Gather {
    /// Fills a batch up to `most`, with what is queued, and with who is likely to come.
    pub(super) fn fill<T>(&mut self, queue: &Receiver<T>, batch: &mut Vec<T>, most: usize) {
        batch.extend(queue.try_iter().take(most.saturating_sub(batch.len())));
        let wanted = self.next.min(most);
        // With one other than itself there is little to gain.
        if self.took < SLOW || wanted < 3 || batch.len() >= wanted {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let (began, begun) = (Instant::now(), batch.len());
        let (pause, longest) = (self.took / 4, self.took / 2);
        while batch.len() < wanted {
            let Some(left) = longest.checked_sub(began.elapsed()) else { break };
            match queue.recv_timeout(left.min(pause)) {
                Ok(another) => batch.push(another),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => break,
            }
        }
        // It is worth it when most of them came.
        if (batch.len() - begun) * 2 >= wanted - begun {
            self.vain = 0;
        } else {
            self.vain += 1;
            self.skip = 2_u32.saturating_pow(self.vain).min(MOST_SKIPPED);
        }
    }

    /// Notes a commit of so many, while so many others waited.
    pub(super) fn committed(&mut self, took: Duration, answered: usize, wait: usize) {
        (self.took, self.next) = (took, answered + wait);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::thread;

    use super::*;

    const COMMIT: Duration = Duration::from_secs(2);

    /// A batch after a commit with which so many waited, while `comes` come.
    fn filled(gather: &mut Gather, waited: u32, comes: u32) -> usize {
        let (send, queue) = mpsc::channel();
        let others = thread::spawn(move || {
            for n in 0..comes {
                thread::yield_now();
                send.send(n).unwrap();
            }
            send
        });
        let mut batch: Vec<u32> = (0..waited).collect();
        gather.fill(&queue, &mut batch, 256);
        drop(others.join().unwrap());
        batch.len()
    }

    #[test]
    fn those_who_were_answered_are_waited_for_on_a_slow_disk() {
        let mut gather = Gather::default();
        gather.committed(COMMIT, 20, 12);
        assert_eq!(filled(&mut gather, 12, 20), 12 + 20);
        // All were in it, and the first of them is there again.
        gather.committed(COMMIT, 32, 0);
        assert_eq!(filled(&mut gather, 1, 31), 32);
        // More than fit wait already.
        gather.committed(COMMIT, 20, 256);
        assert_eq!(filled(&mut gather, 256, 20), 256);
        assert_eq!((gather.vain, gather.skip), (0, 0));
    }

    #[test]
    fn on_a_quick_disk_and_for_a_lone_caller_nobody_is_waited_for() {
        let mut gather = Gather::default();
        let began = Instant::now();
        gather.committed(SLOW / 2, 20, 4);
        assert_eq!(filled(&mut gather, 4, 0), 4);
        gather.committed(COMMIT * 30, 1, 0);
        assert_eq!(filled(&mut gather, 1, 0), 1);
        gather.committed(COMMIT * 30, 1, 1);
        assert_eq!(filled(&mut gather, 1, 0), 1);
        assert!(began.elapsed() < COMMIT * 5);
    }

    #[test]
    fn those_who_do_not_come_are_waited_for_ever_more_seldom() {
        let mut gather = Gather::default();
        // So short that each wait ends soon.
        let took = SLOW * 2;
        let mut waited = Vec::new();
        for commit in 0..40 {
            gather.committed(took, 20, 4);
            let before = gather.vain;
            assert_eq!(filled(&mut gather, 4, 0), 4);
            if gather.vain > before {
                waited.push(commit);
            }
        }
        assert_eq!(waited, [0, 3, 8, 17, 34]);
        gather.skip = 0;
        gather.committed(COMMIT, 20, 4);
        assert_eq!(filled(&mut gather, 4, 20), 24);
        assert_eq!(gather.vain, 0, "when they come, it is tried again each time");
    }
}
