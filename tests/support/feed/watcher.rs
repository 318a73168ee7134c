//! What one connection gets, checked as it comes.

use super::publications::{Book, KEY_COUNT, Kind, Mark, Parts, check_filler, key};

/// A connection's subscriptions.
#[derive(Debug)]
pub(crate) struct Watcher {
    pub(crate) feeds: Vec<Feed>,
    /// It may miss nothing.
    keeps_up: bool,
    /// The code of the server's close frame.
    pub(crate) closed: Option<u16>,
    /// The stream has ended.
    pub(crate) ended: bool,
}

/// One subscription.
#[derive(Debug)]
pub(crate) struct Feed {
    pub(crate) kind: Kind,
    /// The last publication's sequence number.
    pub(crate) last: u64,
    pub(crate) received: u64,
    /// Publications that never came.
    pub(crate) skipped: u64,
    pub(crate) snapshots: u64,
    pub(crate) finished: bool,
    pub(crate) book: Book,
    /// The sequence number of each key's value; 0: none.
    pub(crate) latest: [u64; KEY_COUNT],
}

impl Watcher {
    /// Of one that must get every publication of all topics.
    pub(crate) fn of_all() -> Self {
        Self { keeps_up: true, ..Self::of(&Kind::ALL) }
    }

    /// Of one that will be slow.
    pub(crate) fn of_one(kind: Kind) -> Self {
        Self::of(&[kind])
    }

    fn of(kinds: &[Kind]) -> Self {
        let feeds = kinds.iter().copied().map(Feed::new).collect();
        Self { feeds, keeps_up: false, closed: None, ended: false }
    }

    /// A data frame has come.
    pub(crate) fn take(&mut self, payload: &[u8]) {
        let parts = Parts::of(payload);
        let feed = self.feeds.iter_mut().find(|feed| feed.kind == parts.kind);
        let feed = feed.expect("a publication of a subscribed topic");
        feed.take(&parts);
        assert!(!self.keeps_up || feed.skipped + feed.snapshots == 0, "a gap: {feed:?}");
    }

    /// It has all that it will get.
    pub(crate) fn is_done(&self) -> bool {
        self.ended || self.feeds.iter().all(|feed| feed.finished)
    }

    /// The publication up to which it has everything that it gets.
    pub(crate) fn progress(&self) -> u64 {
        self.feeds.iter().map(|feed| feed.last).min().unwrap_or(0)
    }
}

impl Feed {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            last: 0,
            received: 0,
            skipped: 0,
            snapshots: 0,
            finished: false,
            book: Book::empty(),
            latest: [0; KEY_COUNT],
        }
    }

    fn take(&mut self, parts: &Parts<'_>) {
        let sequence = parts.sequence;
        assert!(!self.finished, "{:?}: {sequence} behind the last", self.kind);
        if parts.mark == Mark::Snapshot {
            assert!(sequence >= self.last, "a snapshot of {sequence} behind {}", self.last);
            self.skipped += sequence - self.last;
            self.last = sequence;
            self.snapshots += 1;
            return self.book.replace(parts);
        }
        assert!(sequence > self.last, "{:?}: {sequence} behind {}", self.kind, self.last);
        self.skipped += sequence - self.last - 1;
        self.received += 1;
        match self.kind {
            Kind::Latest => {
                assert_eq!(parts.body[0], key(sequence));
                check_filler(&parts.body[1..], sequence);
                self.latest[usize::from(key(sequence))] = sequence;
            }
            Kind::Resync => {
                assert_eq!(sequence, self.last + 1, "deltas must follow one another");
                self.book.apply(parts);
            }
            Kind::Closing => {
                assert_eq!(sequence, self.last + 1, "no gap before the end");
                check_filler(parts.body, sequence);
            }
            Kind::Dropping => check_filler(parts.body, sequence),
        }
        self.last = sequence;
        self.finished = parts.mark == Mark::Final;
    }
}
