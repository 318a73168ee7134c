//! The time of the market.

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Unix time that never jumps: the system's time at the start, and what has passed since. A market
/// must not stand still for an hour because somebody set the system's clock back.
#[derive(Debug)]
pub(crate) struct Clock {
    /// Nanoseconds since the Unix epoch.
    begun_at: u64,
    begun: Instant,
}

impl Clock {
    /// A clock that shows the system's time now.
    pub(crate) fn new() -> Self {
        Self { begun_at: since_epoch().as_nanos() as u64, begun: Instant::now() }
    }

    /// Nanoseconds since the Unix epoch.
    pub(crate) fn now(&self) -> u64 {
        self.begun_at + self.begun.elapsed().as_nanos() as u64
    }
}

/// The system's time, in microseconds since the Unix epoch.
pub(crate) fn unix_micros() -> u64 {
    since_epoch().as_micros() as u64
}

/// Zero if the system believes that it is earlier.
fn since_epoch() -> std::time::Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}
