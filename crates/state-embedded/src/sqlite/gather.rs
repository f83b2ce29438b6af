//! Who is waited for before a commit.

use std::time::{Duration, Instant};

/// A disk whose commits take less is not worth waiting for others.
const SLOW: Duration = Duration::from_millis(2);
/// Longest time that a commit waits, and without anybody who comes.
const LONGEST: Duration = Duration::from_millis(10);
const PAUSE: Duration = Duration::from_millis(4);
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
    /// How long the last commit took, and when it ended.
    took: Duration,
    ended: Option<Instant>,
    /// How many may be in the next: those whom it answered, and those who waited when it ended.
    next: usize,
    /// How many commits it is still not tried, and how often in a row it was in vain.
    skip: u32,
    vain: u32,
}

impl Gather {
    /// Fills a batch up to `most` with who is likely to come. `next` waits so long for one more.
    pub(super) fn fill<T>(
        &mut self,
        batch: &mut Vec<T>,
        most: usize,
        mut next: impl FnMut(Duration) -> Option<T>,
    ) {
        let wanted = self.next.min(most);
        // With one other than itself there is little to gain, and who comes again comes at once.
        let at_once = self.ended.is_some_and(|ended| ended.elapsed() < self.took);
        if self.took < SLOW || wanted < 3 || batch.len() >= wanted || !at_once {
            return;
        }
        if self.skip > 0 {
            self.skip -= 1;
            return;
        }
        let (began, begun) = (Instant::now(), batch.len());
        let (pause, longest) = ((self.took / 4).min(PAUSE), (self.took / 2).min(LONGEST));
        while batch.len() < wanted {
            let Some(left) = longest.checked_sub(began.elapsed()) else { break };
            let Some(another) = next(left.min(pause)) else { break };
            batch.push(another);
        }
        // It is worth it when most of them came: of strangers, some come as well.
        if (batch.len() - begun) * 4 >= (wanted - begun) * 3 {
            self.vain = 0;
        } else {
            self.vain += 1;
            self.skip = 2_u32.saturating_pow(self.vain).min(MOST_SKIPPED);
        }
    }

    /// Notes a commit of so many, while so many others waited.
    pub(super) fn committed(&mut self, took: Duration, answered: usize, wait: usize) {
        (self.took, self.next, self.ended) = (took, answered + wait, Some(Instant::now()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const COMMIT: Duration = Duration::from_secs(2);

    /// A batch of so many, while `come` come; and how often, and how long at most, one more was waited for.
    fn filled(gather: &mut Gather, begun: usize, come: usize) -> (usize, Vec<Duration>) {
        let (mut batch, mut waits) = (vec![(); begun], Vec::new());
        gather.fill(&mut batch, 256, |longest| {
            waits.push(longest);
            (waits.len() <= come).then_some(())
        });
        (batch.len(), waits)
    }

    #[test]
    fn those_who_were_answered_are_waited_for_on_a_slow_disk() {
        let mut gather = Gather::default();
        gather.committed(COMMIT, 20, 12);
        let (count, waits) = filled(&mut gather, 12, 30);
        assert_eq!((count, waits.len()), (12 + 20, 20), "all of them, and nobody else");
        // All were in it, and the first of them is there again.
        gather.committed(COMMIT, 32, 0);
        assert_eq!(filled(&mut gather, 1, 31).0, 32);
        // More than fit wait already.
        gather.committed(COMMIT, 20, 256);
        assert_eq!(filled(&mut gather, 256, 20).0, 256);
        assert_eq!((gather.vain, gather.skip), (0, 0));
    }

    #[test]
    fn the_wait_for_those_who_do_not_come_is_short_however_slow_the_disk() {
        let mut gather = Gather::default();
        gather.committed(COMMIT * 1000, 20, 4);
        let (count, waits) = filled(&mut gather, 4, 3);
        assert_eq!((count, waits.len()), (7, 4), "one who does not come ends it");
        assert!(waits.iter().all(|wait| *wait <= PAUSE), "{waits:?}");
        // Those who trickle in do not hold it up either.
        gather = Gather::default();
        gather.committed(COMMIT, 200, 0);
        let (mut batch, mut came) = (vec![()], 0);
        gather.fill(&mut batch, 256, |longest| {
            came += 1;
            std::thread::sleep(longest);
            Some(())
        });
        assert!((1..=5).contains(&came), "{came} within {LONGEST:?}");
    }

    #[test]
    fn on_a_quick_disk_for_a_lone_caller_and_after_a_pause_nobody_is_waited_for() {
        for (took, answered, wait, ago) in [
            (SLOW / 2, 20, 4, Duration::ZERO),
            (COMMIT, 1, 0, Duration::ZERO),
            (COMMIT, 1, 1, Duration::ZERO),
            (COMMIT, 20, 4, COMMIT * 2),
        ] {
            let mut gather = Gather::default();
            gather.committed(took, answered, wait);
            gather.ended = gather.ended.and_then(|ended| ended.checked_sub(ago));
            assert_eq!(filled(&mut gather, 1, 20), (1, vec![]));
        }
    }

    #[test]
    fn those_who_do_not_come_are_waited_for_ever_more_seldom() {
        let mut gather = Gather::default();
        let mut waited = Vec::new();
        for commit in 0..40 {
            gather.committed(COMMIT, 20, 4);
            let (count, waits) = filled(&mut gather, 4, 0);
            assert_eq!(count, 4);
            waited.extend((!waits.is_empty()).then_some(commit));
        }
        assert_eq!(waited, [0, 3, 8, 17, 34]);
        gather.skip = 0;
        gather.committed(COMMIT, 40, 4);
        assert_eq!(filled(&mut gather, 4, 20).0, 24);
        assert_eq!(gather.vain, 6, "half of them are too few");
        gather.skip = 0;
        gather.committed(COMMIT, 40, 4);
        assert_eq!(filled(&mut gather, 4, 40).0, 44);
        assert_eq!(gather.vain, 0, "when they come, it is tried again each time");
    }
}
