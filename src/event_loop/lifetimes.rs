//! When connections have lived for long enough.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use super::limits::Limits;
use super::timer_wheel::{Planned, Tick};

/// Spreads the ends of lifetimes by chance.
#[derive(Debug)]
pub(super) struct Lifetimes {
    seed: u64,
}

impl Lifetimes {
    /// The standard library's keys of hashing are by chance.
    pub(super) fn new() -> Self {
        Self { seed: RandomState::new().hash_one(0) }
    }

    /// The end of a connection that is opened now.
    pub(super) fn end(&mut self, limits: &Limits, now: Tick) -> Planned {
        let Some(lifetime) = limits.max_lifetime else { return Planned::default() };
        let jitter = limits.lifetime_jitter.min(lifetime);
        let spread = u64::try_from(2 * jitter.as_millis()).unwrap_or(u64::MAX).saturating_add(1);
        let by_chance = Duration::from_millis(self.next() % spread);
        Planned::at(now.after(lifetime - jitter + by_chance))
    }

    /// SplitMix64.
    fn next(&mut self) -> u64 {
        self.seed = self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.seed ^ (self.seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(lifetime: u64, jitter: u64) -> Vec<u64> {
        let limits = Limits {
            max_lifetime: Some(Duration::from_secs(lifetime)),
            lifetime_jitter: Duration::from_secs(jitter),
            ..Limits::trusted()
        };
        let (mut lifetimes, now) = (Lifetimes::new(), Tick::from_u32(7));
        let end =
            |_| lifetimes.end(&limits, now).tick().expect("there is one").since(now).as_secs();
        (0..1000).map(end).collect()
    }

    #[test]
    fn lifetimes_are_spread_around_their_mean() {
        let ends = ends(1000, 100);
        assert!(ends.iter().all(|end| (900..=1100).contains(end)));
        assert!(ends.iter().any(|end| *end < 930) && ends.iter().any(|end| *end > 1070));
    }

    #[test]
    fn without_jitter_all_are_the_same_and_without_a_limit_there_is_none() {
        assert!(ends(1000, 0).iter().all(|end| *end == 1000));
        let end = Lifetimes::new().end(&Limits::trusted(), Tick::from_u32(7));
        assert_eq!(end, Planned::default());
    }
}
