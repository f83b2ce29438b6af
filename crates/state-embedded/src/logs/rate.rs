//! How fast each function may write lines.

use std::collections::HashMap;
use std::time::Instant;

use super::Owner;

/// How many functions are remembered before those that write slowly are forgotten.
const REMEMBERED: usize = 1_024;
/// How many seconds' worth of lines a function may write at once.
const BURST: f64 = 5.0;

/// What is left to each function.
#[derive(Debug)]
pub(super) struct Rates {
    /// Lines per second of one function.
    rate: f64,
    left: HashMap<Owner, (f64, Instant)>,
}

impl Rates {
    pub(super) fn new(rate: u32) -> Self {
        Self { rate: f64::from(rate), left: HashMap::new() }
    }

    /// Whether a function may write one more line now.
    pub(super) fn admit(&mut self, owner: &Owner, now: Instant) -> bool {
        let (rate, most) = (self.rate, self.rate * BURST);
        let refilled = |(left, at): (f64, Instant)| {
            (left + now.saturating_duration_since(at).as_secs_f64() * rate).min(most)
        };
        if self.left.len() >= REMEMBERED && !self.left.contains_key(owner) {
            // Whoever has all that it may have is as good as new.
            self.left.retain(|_, left| refilled(*left) < most);
        }
        let left = self.left.get(owner).map_or(most, |left| refilled(*left));
        let admitted = left >= 1.0;
        let left = if admitted { left - 1.0 } else { left };
        match self.left.get_mut(owner) {
            Some(known) => *known = (left, now),
            None => {
                self.left.insert(owner.clone(), (left, now));
            }
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use mayfly_state_api::suite;
    use mayfly_types::TenantName;

    use super::*;

    fn owner(name: &str) -> Owner {
        (suite::app(&TenantName::fallback(), "photos"), suite::function(name))
    }

    #[test]
    fn a_flood_is_held_to_its_rate_and_no_other_function_is() {
        let (mut rates, began) = (Rates::new(10), Instant::now());
        let mut written = |name: &str, after_ms: u64| {
            let now = began + Duration::from_millis(after_ms);
            (0..200).filter(|_| rates.admit(&owner(name), now)).count()
        };
        assert_eq!(written("flood", 0), 50);
        assert_eq!(written("flood", 1_000), 10);
        assert_eq!(written("quiet", 1_000), 50);
        assert_eq!(written("flood", 60_000), 50, "no more is saved up than a burst");
    }

    #[test]
    fn those_that_write_slowly_are_forgotten() {
        let (mut rates, began) = (Rates::new(10), Instant::now());
        for i in 0..3 * REMEMBERED {
            let now = began + Duration::from_secs(i as u64);
            assert!(rates.admit(&owner(&format!("f{i}")), now));
        }
        assert!(rates.left.len() <= REMEMBERED + 1, "{}", rates.left.len());
    }
}
