//! The topics, and what has been published to them.

use std::time::Instant;

use tickwire::{Outcome, ServerHandle, Topic};

use super::publications::{Book, KEY_COUNT, Kind, Mark, key, plain, value};
use crate::support::PATIENCE;

pub(crate) struct Publications {
    pub(crate) topics: [Topic; 4],
    /// Publications so far, of each topic.
    pub(crate) count: u64,
    pub(crate) book: Book,
    pub(crate) latest: [u64; KEY_COUNT],
}

impl Publications {
    pub(crate) fn new(server: &ServerHandle) -> Self {
        Self {
            topics: Kind::ALL.map(|kind| server.topic_with(kind.name(), kind.options())),
            count: 0,
            book: Book::empty(),
            latest: [0; KEY_COUNT],
        }
    }

    /// One publication on each topic, each in a different way.
    pub(crate) fn publish(&mut self, mark: Mark) {
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
        std::thread::sleep(std::time::Duration::from_micros(100));
    }
}
