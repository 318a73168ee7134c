//! The rounds of an open loop, and what they came to.

use std::time::Duration;

use hdrhistogram::Histogram;

use super::Pace;
use super::rounds::{histogram, median, sorted};

/// How many rounds, and how long each.
pub(crate) struct Plan {
    pub(crate) rounds: usize,
    pub(crate) time: Duration,
}

impl Plan {
    pub(crate) fn of(pace: Pace) -> Self {
        let (rounds, millis) = match pace {
            Pace::Full => (10, 1000),
            Pace::Quick => (4, 500),
            Pace::Test => (1, 20),
        };
        Self { rounds, time: Duration::from_millis(millis) }
    }
}

/// The heads of [`Figures::cells`].
pub(crate) const HEADS: &str = "p50 | p90 | p99 | p99.9 | p99 of a round";

/// Latencies of all rounds, and each round's own 99th percentile, in nanoseconds.
pub(crate) struct Figures {
    total: Histogram<u64>,
    p99s: Vec<u64>,
}

impl Figures {
    pub(crate) fn new() -> Self {
        Self { total: histogram(), p99s: Vec::new() }
    }

    /// Adds a round's latencies.
    pub(crate) fn add(&mut self, round: &Histogram<u64>) {
        self.p99s.push(round.value_at_quantile(0.99));
        self.total += round;
    }

    pub(crate) fn message_count(&self) -> u64 {
        self.total.len()
    }

    /// In microseconds; of the rounds' own 99th percentiles the median.
    pub(crate) fn cells(&self) -> String {
        let quantiles =
            [0.5, 0.9, 0.99, 0.999].map(|quantile| self.total.value_at_quantile(quantile));
        let of_a_round = median(&sorted(self.p99s.iter().map(|&p99| p99 as f64)));
        let cells = quantiles.map(|nanos| nanos as f64).into_iter().chain([of_a_round]);
        cells.map(|nanos| format!("{:.1}", nanos / 1e3)).collect::<Vec<_>>().join(" | ")
    }
}
