//! One thread that publishes to all topics as fast as those who keep up can read.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use tickwire::{Outcome, ServerHandle, Topic};

use crate::publications::{Book, KEY_COUNT, Kind, Mark, key, plain, value};
use crate::support::{PATIENCE, eventually};

/// Publications of each topic that a reader may be behind the publisher: more never wait for one
/// that reads.
pub(crate) const WINDOW: u64 = 16;

/// How far readers are, by thread; `u64::MAX`: it does not matter.
pub(crate) type Progress = [AtomicU64; 3];

pub(crate) struct Publisher {
    server: ServerHandle,
    pub(crate) topics: [Topic; 4],
    /// Publications so far, of each topic.
    pub(crate) count: u64,
    pub(crate) book: Book,
    pub(crate) latest: [u64; KEY_COUNT],
}

impl Publisher {
    pub(crate) fn new(server: &ServerHandle) -> Self {
        Self {
            server: server.clone(),
            topics: Kind::ALL.map(|kind| server.topic_with(kind.name(), kind.options())),
            count: 0,
            book: Book::empty(),
            latest: [0; KEY_COUNT],
        }
    }

    /// Publishes until told to stop; then, when everybody has what was published, once more.
    pub(crate) fn run(&mut self, progress: &Progress, count: &AtomicU64, stop: &AtomicBool) {
        while !stop.load(Ordering::Relaxed) {
            self.wait_for_readers(progress);
            self.publish(Mark::Publication);
            count.store(self.count, Ordering::Relaxed);
        }
        let pending = |topic: &Topic| topic.stats().pending > 0;
        eventually("all that waits is gone", || {
            let queued = self.server.stats().total.bytes_queued;
            queued == 0 && !self.topics.iter().any(pending)
        });
        self.publish(Mark::Final);
    }

    fn wait_for_readers(&self, progress: &Progress) {
        let start = Instant::now();
        let slowest = || progress.iter().map(|it| it.load(Ordering::Relaxed)).min();
        while slowest().is_some_and(|slowest| self.count.saturating_sub(slowest) >= WINDOW) {
            assert!(start.elapsed() < PATIENCE, "readers stopped at {progress:?}");
            std::thread::sleep(Duration::from_micros(100));
        }
    }

    /// One publication on each topic, each in a different way.
    fn publish(&mut self, mark: Mark) {
        self.count += 1;
        let sequence = self.count;
        let [latest, resync, closing, dropping] = &self.topics;
        insist(|| latest.publish_keyed_with([key(sequence)], |sequence| value(mark, sequence)));
        self.latest[usize::from(key(sequence))] = sequence;
        let delta = self.book.delta(mark, sequence);
        insist(|| resync.publish(&delta));
        if resync.wants_snapshot() {
            assert!(resync.supply_snapshot(sequence, self.book.snapshot(sequence)));
        }
        let publication = plain(Kind::Closing, mark, sequence);
        assert_eq!(closing.publish_wait(publication, PATIENCE), Outcome::Sent);
        insist(|| dropping.publish_with(|sequence| plain(Kind::Dropping, mark, sequence)));
    }
}

/// Tries again while a loop has no room.
fn insist(mut publish: impl FnMut() -> Outcome) {
    let start = Instant::now();
    while publish() != Outcome::Sent {
        assert!(start.elapsed() < PATIENCE, "a loop has had no room for {PATIENCE:?}");
        std::thread::sleep(Duration::from_micros(100));
    }
}
