//! How much this host waits for its processors.

use std::time::{Duration, Instant};

/// Of how many parts of the time one is much waiting, and little.
const MOSTLY: u32 = 2;
const SELDOM: u32 = 8;
/// How long a measurement holds.
const HOLDS: Duration = Duration::from_millis(20);

/// The share of time in which somebody waits for a processor, by the kernel's own account (PSI, in
/// `/proc/pressure/cpu`). A kernel without it never tells of any.
#[derive(Debug, Default)]
pub(crate) struct Pressure {
    last: Option<(Instant, u64)>,
    high: bool,
}

impl Pressure {
    /// Whether somebody waited for most of the time of late. Once so, it is until that is seldom: what is
    /// done about it makes it less.
    pub(crate) fn is_high(&mut self) -> bool {
        let now = Instant::now();
        match self.last {
            Some((then, _)) if now - then < HOLDS => {}
            Some((then, before)) => {
                if let Some(total) = total() {
                    let waited = Duration::from_micros(total.saturating_sub(before));
                    // After a pause the share is of long ago.
                    let share = if self.high { SELDOM } else { MOSTLY };
                    self.high = now - then < HOLDS * 50 && waited * share > now - then;
                    self.last = Some((now, total));
                }
            }
            None => self.last = total().map(|total| (now, total)),
        }
        self.high
    }
}

/// Microseconds in which somebody waited, since the host's start.
fn total() -> Option<u64> {
    of_text(&std::fs::read_to_string("/proc/pressure/cpu").ok()?)
}

fn of_text(text: &str) -> Option<u64> {
    let some = text.lines().find(|line| line.starts_with("some "))?;
    some.rsplit_once("total=")?.1.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_account_is_read() {
        let text = "some avg10=1.50 avg60=0.10 avg300=0.00 total=123456\nfull avg10=0 total=9\n";
        assert_eq!(of_text(text), Some(123_456));
        assert_eq!(of_text("full total=9"), None);
    }
}
