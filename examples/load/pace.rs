//! When the messages of an open loop are meant to be sent, from the beginning on, whatever becomes of
//! them.
//!
//! Latency counts from these times. A message that goes out late, because the server let others wait
//! or because the tool itself was busy, has waited as a user would have.

use clap::ValueEnum;

use crate::clock::Nanos;

/// How the times of a sequence follow each other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Spacing {
    /// At even distances.
    Even,
    /// By chance: however long the last one ago, the next is as likely as ever.
    Poisson,
}

/// A sequence of times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    begin: Nanos,
    /// In nanoseconds.
    interval: f64,
    spacing: Spacing,
    /// From the beginning to the next time, in intervals.
    position: f64,
}

impl Pace {
    /// `rate` times per second. Of several even paces that begin together, each one's first time is
    /// `phase`, from 0 to 1, of the way to its second.
    pub(crate) fn new(rate: f64, spacing: Spacing, begin: Nanos, phase: f64) -> Self {
        let position = match spacing {
            Spacing::Even => phase,
            Spacing::Poisson => by_chance(),
        };
        Self { begin, interval: 1e9 / rate, spacing, position }
    }

    /// The time that comes next.
    #[inline]
    pub(crate) fn next(&self) -> Nanos {
        // From the beginning each time, so that roundings do not add up.
        self.begin + (self.position * self.interval) as Nanos
    }

    /// The time that comes next, if it has come.
    #[inline]
    pub(crate) fn take_due(&mut self, now: Nanos) -> Option<Nanos> {
        let next = self.next();
        (next <= now).then(|| {
            self.position += match self.spacing {
                Spacing::Even => 1.0,
                Spacing::Poisson => by_chance(),
            };
            next
        })
    }
}

/// An exponentially distributed distance, 1 on average.
fn by_chance() -> f64 {
    // Never the logarithm of 0.
    -(1.0 - fastrand::f64()).ln()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_even_and_do_not_drift() {
        let mut pace = Pace::new(3.0, Spacing::Even, 1_000, 0.5);
        let first = 1_000 + 166_666_666;
        assert_eq!(pace.take_due(first - 1), None);
        assert_eq!(pace.take_due(first), Some(first));
        assert_eq!(pace.take_due(first), None);
        // Whoever comes late gets all that was due.
        let mut last = 0;
        let mut count = 1;
        while let Some(time) = pace.take_due(first + 3_600_000_000_000) {
            (last, count) = (time, count + 1);
        }
        assert_eq!((count, last), (3 * 3600 + 1, first + 3_600_000_000_000));
    }

    #[test]
    fn times_by_chance_have_the_rate_and_the_spread_of_independent_users() {
        fastrand::seed(7);
        let mut pace = Pace::new(1_000.0, Spacing::Poisson, 0, 0.5);
        let times: Vec<_> =
            std::iter::from_fn(|| pace.take_due(Nanos::MAX)).take(100_000).collect();
        let distances: Vec<_> = times.windows(2).map(|pair| (pair[1] - pair[0]) as f64).collect();
        let count = distances.len() as f64;
        let mean = distances.iter().sum::<f64>() / count;
        let variance = distances.iter().map(|it| (it - mean).powi(2)).sum::<f64>() / count;
        assert!((mean / 1e6 - 1.0).abs() < 0.02, "a millisecond on average: {mean}");
        assert!((variance.sqrt() / mean - 1.0).abs() < 0.02, "exponential: {}", variance.sqrt());
    }
}
