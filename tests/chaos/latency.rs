//! How long echoes took, phase by phase.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use hdrhistogram::Histogram;

/// What the times of a phase are for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// Good clients alone.
    Quiet,
    Chaos,
    /// Before, between and after them.
    Neither,
}

pub(crate) struct Latencies {
    inner: Mutex<Inner>,
}

struct Inner {
    phase: Phase,
    now: Histogram<u64>,
    /// Since it was last asked for, whatever the phase.
    recent: Histogram<u64>,
    quiet: Phases,
    chaos: Phases,
}

/// All phases of one kind.
struct Phases {
    all: Histogram<u64>,
    /// The 99th percentile of each, in nanoseconds.
    p99s: Vec<u64>,
}

/// What came of all phases of one kind.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Summary {
    pub(crate) count: u64,
    pub(crate) p50: Duration,
    /// Of all phases together.
    pub(crate) p99: Duration,
    pub(crate) p999: Duration,
    pub(crate) max: Duration,
    /// The median of the phases' 99th percentiles.
    pub(crate) median_p99: Duration,
}

impl Latencies {
    pub(crate) fn new() -> Self {
        let phases = || Phases { all: histogram(), p99s: Vec::new() };
        let inner = Inner {
            phase: Phase::Neither,
            now: histogram(),
            recent: histogram(),
            quiet: phases(),
            chaos: phases(),
        };
        Self { inner: Mutex::new(inner) }
    }

    pub(crate) fn record(&self, latency: Duration) {
        let nanos = latency.as_nanos() as u64;
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        inner.recent.saturating_record(nanos);
        if inner.phase != Phase::Neither {
            inner.now.saturating_record(nanos);
        }
    }

    /// Ends a phase and begins another; returns the 99th percentile of the one that ends.
    pub(crate) fn enter(&self, phase: Phase) -> Duration {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let Inner { phase: last, now, quiet, chaos, .. } = &mut *inner;
        let p99 = now.value_at_quantile(0.99);
        match last {
            Phase::Quiet => quiet.add(now),
            Phase::Chaos => chaos.add(now),
            Phase::Neither => {}
        }
        now.reset();
        *last = phase;
        Duration::from_nanos(p99)
    }

    /// The 99th percentile since this was last called.
    pub(crate) fn take_recent_p99(&self) -> Option<Duration> {
        let mut inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        let is_known = !inner.recent.is_empty();
        let p99 = is_known.then(|| Duration::from_nanos(inner.recent.value_at_quantile(0.99)));
        inner.recent.reset();
        p99
    }

    /// Of the quiet phases, and of those of chaos.
    pub(crate) fn summaries(&self) -> [Summary; 2] {
        let inner = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        [inner.quiet.summary(), inner.chaos.summary()]
    }
}

impl Phases {
    fn add(&mut self, phase: &Histogram<u64>) {
        self.all.add(phase).expect("histograms of one kind");
        self.p99s.push(phase.value_at_quantile(0.99));
    }

    fn summary(&self) -> Summary {
        let at = |quantile| Duration::from_nanos(self.all.value_at_quantile(quantile));
        let mut p99s = self.p99s.clone();
        p99s.sort_unstable();
        let median_p99 = p99s.get(p99s.len() / 2).copied().unwrap_or(0);
        Summary {
            count: self.all.len(),
            p50: at(0.5),
            p99: at(0.99),
            p999: at(0.999),
            max: at(1.0),
            median_p99: Duration::from_nanos(median_p99),
        }
    }
}

/// From a microsecond to a minute.
fn histogram() -> Histogram<u64> {
    Histogram::new_with_bounds(1000, 60_000_000_000, 3).expect("bounds in order")
}
