//! One thread that publishes to all topics as fast as those who keep up can read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tickwire::{ServerHandle, Topic};

use crate::support::feed::{Mark, Publications};
use crate::support::{PATIENCE, eventually};

/// Publications of each topic that a reader may be behind the publisher: more never wait for one
/// that reads.
pub(crate) const WINDOW: u64 = 16;

/// How far readers are, by thread; `u64::MAX`: it does not matter.
pub(crate) type Progress = [AtomicU64; 3];

pub(crate) struct Publisher {
    server: ServerHandle,
    pub(crate) done: Publications,
}

impl Publisher {
    pub(crate) fn new(server: &ServerHandle) -> Self {
        Self { server: server.clone(), done: Publications::new(server) }
    }

    /// Publishes until told to stop; then, when everybody has what was published, once more.
    pub(crate) fn run(&mut self, progress: &Progress, count: &AtomicU64, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.wait_for_readers(progress);
            self.done.publish(Mark::Publication);
            count.store(self.done.count, Ordering::Relaxed);
        }
        let pending = |topic: &Topic| topic.stats().pending > 0;
        eventually("all that waits is gone", || {
            let queued = self.server.stats().total.bytes_queued;
            queued == 0 && !self.done.topics.iter().any(pending)
        });
        self.done.publish(Mark::Final);
    }

    fn wait_for_readers(&self, progress: &Progress) {
        let start = Instant::now();
        let slowest = || progress.iter().map(|it| it.load(Ordering::Relaxed)).min();
        while slowest().is_some_and(|slowest| self.done.count.saturating_sub(slowest) >= WINDOW) {
            assert!(start.elapsed() < PATIENCE, "readers stopped at {progress:?}");
            std::thread::sleep(Duration::from_micros(100));
        }
    }
}
