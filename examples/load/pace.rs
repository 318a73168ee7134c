//! When the messages of an open loop are meant to be sent: at even distances, from the beginning on,
//! whatever becomes of them.
//!
//! Latency counts from these times. A message that goes out late, because the server let others wait
//! or because the tool itself was busy, has waited as a user would have.

use crate::clock::Nanos;

/// A sequence of times.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Pace {
    begin: Nanos,
    /// In nanoseconds.
    interval: f64,
    count: u64,
}

impl Pace {
    /// `rate` times per second. Of several paces that begin together, each one's first time is
    /// `phase`, from 0 to 1, of the way to its second.
    pub(crate) fn new(rate: f64, begin: Nanos, phase: f64) -> Self {
        let interval = 1e9 / rate;
        Self { begin: begin + (phase * interval) as Nanos, interval, count: 0 }
    }

    /// The time that comes next.
    #[inline]
    pub(crate) fn next(&self) -> Nanos {
        // From the beginning each time, so that roundings do not add up.
        self.begin + (self.count as f64 * self.interval) as Nanos
    }

    /// The time that comes next, if it has come.
    #[inline]
    pub(crate) fn take_due(&mut self, now: Nanos) -> Option<Nanos> {
        let next = self.next();
        (next <= now).then(|| {
            self.count += 1;
            next
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_even_and_do_not_drift() {
        let mut pace = Pace::new(3.0, 1_000, 0.5);
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
}
