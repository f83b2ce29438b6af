//! Chance that can be repeated.

/// A sequence of numbers that a seed decides (splitmix64).
#[derive(Debug, Clone)]
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    pub(crate) fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below `bound`.
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }

    /// True that often.
    pub(crate) fn chance(&mut self, often: f64) -> bool {
        ((self.next() >> 11) as f64) < often * (1_u64 << 53) as f64
    }

    pub(crate) fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len() as u64) as usize]
    }
}

/// The seed of a test: `MAYFLY_TEST_SEED`, or the time. It is told, so that a failure can be looked for again.
pub(crate) fn seed() -> u64 {
    let given = std::env::var("MAYFLY_TEST_SEED").ok();
    let given = given.map(|seed| seed.parse().expect("MAYFLY_TEST_SEED is a number"));
    let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let seed = given.unwrap_or(since.as_nanos() as u64);
    eprintln!("MAYFLY_TEST_SEED={seed}");
    seed
}

/// How many times something is done: the environment variable `name`, or `usually`.
pub(crate) fn times(name: &str, usually: usize) -> usize {
    let times = std::env::var(name).ok();
    times.map_or(usually, |times| times.parse().unwrap_or_else(|_| panic!("{name} is a number")))
}
