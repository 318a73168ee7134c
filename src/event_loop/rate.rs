//! How often something may happen.

use std::time::{Duration, Instant};

/// So many a second, and so many at once after a quiet time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rate {
    /// How many a second in the long run.
    pub per_second: u32,
    /// How many at once: the most that is ever saved up.
    pub burst: u32,
}

impl Rate {
    /// `per_second`, and `burst` at once.
    #[must_use]
    pub const fn new(per_second: u32, burst: u32) -> Self {
        Self { per_second, burst }
    }
}

/// A token bucket (what a [`Rate`] saves up) that is asked rarely enough to be told the time.
#[derive(Debug)]
pub(super) struct Bucket {
    rate: Rate,
    /// Billionths of what may happen now.
    saved: u64,
    /// Up to when it has been filled.
    filled_at: Instant,
}

const WHOLE: u64 = 1_000_000_000;

impl Bucket {
    /// A full one.
    pub(super) fn new(rate: Rate, now: Instant) -> Self {
        Self { rate, saved: u64::from(rate.burst) * WHOLE, filled_at: now }
    }

    /// Whether there is one to be taken.
    pub(super) fn has_one(&mut self, now: Instant) -> bool {
        self.fill(now);
        self.saved >= WHOLE
    }

    /// Takes one that is there.
    pub(super) fn take(&mut self) {
        self.saved = self.saved.saturating_sub(WHOLE);
    }

    /// How long until there are `count`, or as many as there can be.
    pub(super) fn time_until(&self, count: u32) -> Duration {
        let wanted = u64::from(count.min(self.rate.burst)) * WHOLE;
        let missing = wanted.saturating_sub(self.saved);
        Duration::from_nanos(missing.div_ceil(u64::from(self.rate.per_second.max(1))))
    }

    fn fill(&mut self, now: Instant) {
        let elapsed = now.saturating_duration_since(self.filled_at).as_nanos();
        let gained = elapsed.saturating_mul(u128::from(self.rate.per_second));
        let full = u64::from(self.rate.burst) * WHOLE;
        let gained = u64::try_from(gained).unwrap_or(full);
        self.saved = self.saved.saturating_add(gained).min(full);
        self.filled_at = self.filled_at.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn taken(bucket: &mut Bucket, now: Instant) -> usize {
        let take = || bucket.has_one(now).then(|| bucket.take());
        std::iter::repeat_with(take).take_while(Option::is_some).count()
    }

    #[test]
    fn a_burst_and_then_the_rate() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate::new(10, 3), start);
        assert_eq!(taken(&mut bucket, start), 3);
        assert_eq!(bucket.time_until(1), Duration::from_millis(100));
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(99)), 0);
        assert_eq!(bucket.time_until(1), Duration::from_millis(1));
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(100)), 1);
        assert_eq!(taken(&mut bucket, start + Duration::from_millis(350)), 2);
        assert_eq!(bucket.time_until(1), Duration::from_millis(50), "a half is saved");
    }

    #[test]
    fn no_more_is_saved_than_a_burst() {
        let start = Instant::now();
        let mut bucket = Bucket::new(Rate::new(u32::MAX, 5), start);
        let later = start + Duration::from_secs(86_400 * 365);
        assert_eq!(taken(&mut bucket, later), 5);
        assert_eq!(taken(&mut bucket, start), 0, "time does not go back");
        assert_eq!(bucket.time_until(u32::MAX), Duration::from_nanos(2));
    }
}
