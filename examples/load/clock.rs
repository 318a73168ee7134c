//! Time as all threads count it.

use std::time::{Duration, Instant};

/// Nanoseconds since the program began.
pub(crate) type Nanos = u64;

/// For what never comes.
pub(crate) const NEVER: Nanos = Nanos::MAX;

/// Copies of a clock show the same time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clock {
    origin: Instant,
}

impl Clock {
    pub(crate) fn new() -> Self {
        Self { origin: Instant::now() }
    }

    #[inline]
    pub(crate) fn now(&self) -> Nanos {
        self.origin.elapsed().as_nanos() as Nanos
    }
}

/// A time's length in nanoseconds.
pub(crate) fn nanos(time: Duration) -> Nanos {
    time.as_nanos() as Nanos
}
