//! What other threads may know of a loop's connections: which live, and how much waits for each.

use std::sync::OnceLock;
#[cfg(not(tickwire_loom))]
use std::sync::atomic::{AtomicU64, Ordering};

#[cfg(tickwire_loom)]
use loom::sync::atomic::{AtomicU64, Ordering};

use super::{ConnectionId, Outcome};

/// Connections a page; pages are made when first used.
const PAGE_COUNT: usize = if cfg!(tickwire_loom) { 1 } else { 1024 };

/// In a connection's word: its socket has refused bytes, and some of them wait.
const BLOCKED: u64 = 1 << 31;

/// One word a connection: generation in the high half; in the low half bytes accepted and not yet
/// written, and [`BLOCKED`]. Together in one word, a late sender can never charge a place's next
/// connection.
#[derive(Debug)]
pub(crate) struct Directory {
    pages: Box<[OnceLock<Box<[AtomicU64]>>]>,
}

impl Directory {
    /// A directory for connections with indices below `max_count`.
    pub(crate) fn new(max_count: usize) -> Self {
        let pages = (0..max_count.div_ceil(PAGE_COUNT)).map(|_| OnceLock::new()).collect();
        Self { pages }
    }

    /// A connection takes the place `index`; returns its generation. The loop's thread only.
    pub(crate) fn enter(&self, index: u32) -> u32 {
        let place = self.make_place(index);
        let generation = generation_of(place.load(Ordering::Relaxed)).wrapping_add(1) | 1;
        place.store(u64::from(generation) << 32, Ordering::Release);
        generation
    }

    /// The connection at `index` is over: its id is stale from here on. Bytes that still wait for its
    /// socket stay charged to the place until they are written or another connection enters. The
    /// loop's thread only.
    pub(crate) fn leave(&self, index: u32) {
        if let Some(place) = self.place(index) {
            if generation_of(place.load(Ordering::Relaxed)) % 2 == 1 {
                place.fetch_add(1 << 32, Ordering::AcqRel);
            }
        }
    }

    /// What sending `len` bytes would come to for a sender that holds back `gathered` bytes.
    pub(crate) fn judge(
        &self,
        id: ConnectionId,
        gathered: usize,
        len: usize,
        max_backpressure: usize,
    ) -> Outcome {
        let Some(place) = self.place(id.index) else { return Outcome::Gone };
        judge(place.load(Ordering::Acquire), id, gathered, len, max_backpressure)
    }

    /// Asks to send `len` bytes: charges them if they are accepted.
    pub(crate) fn admit(&self, id: ConnectionId, len: usize, max_backpressure: usize) -> Outcome {
        let Some(place) = self.place(id.index) else { return Outcome::Gone };
        let mut word = place.load(Ordering::Acquire);
        loop {
            let outcome = judge(word, id, 0, len, max_backpressure);
            if !outcome.is_accepted() {
                return outcome;
            }
            let charged = word + len as u64;
            match place.compare_exchange_weak(word, charged, Ordering::AcqRel, Ordering::Acquire) {
                Ok(_) => return outcome,
                Err(current) => word = current,
            }
        }
    }

    /// Charges bytes that have been accepted, if the connection is still there.
    pub(crate) fn charge_accepted(&self, id: ConnectionId, len: usize) {
        self.update(id, |word| word + len as u64);
    }

    /// Takes back what [`admit`](Self::admit) charged, if the connection is still there.
    pub(crate) fn refund(&self, id: ConnectionId, len: usize) {
        self.update(id, |word| word - len.min(buffered_of(word)) as u64);
    }

    fn update(&self, id: ConnectionId, change: impl Fn(u64) -> u64) {
        if let Some(place) = self.place(id.index) {
            let changed = |word| (generation_of(word) == id.generation).then(|| change(word));
            // Fails only when the connection has gone, and its charges with it.
            let _ = place.fetch_update(Ordering::AcqRel, Ordering::Acquire, changed);
        }
    }

    /// Bytes accepted and not yet written; `None` for a stale id.
    pub(crate) fn buffered(&self, id: ConnectionId) -> Option<usize> {
        let word = self.place(id.index)?.load(Ordering::Acquire);
        (generation_of(word) == id.generation).then(|| buffered_of(word))
    }

    /// Index, generation and waiting bytes of each connection that is there. A look at every place
    /// of the pages in use.
    pub(crate) fn live(&self) -> impl Iterator<Item = (u32, u32, usize)> {
        let pages = self.pages.iter().enumerate();
        let pages = pages.filter_map(|(page, places)| Some((page * PAGE_COUNT, places.get()?)));
        let words = pages.flat_map(|(first, places)| {
            places.iter().enumerate().map(move |(at, place)| (first + at, place))
        });
        words.filter_map(|(index, place)| {
            let word = place.load(Ordering::Acquire);
            let generation = generation_of(word);
            (generation % 2 == 1).then(|| (index as u32, generation, buffered_of(word)))
        })
    }

    /// Charges bytes that the loop itself queued.
    pub(crate) fn charge(&self, index: u32, len: usize) {
        if let Some(place) = self.place(index) {
            place.fetch_add(len as u64, Ordering::AcqRel);
        }
    }

    /// Takes back bytes that have been written or dropped.
    pub(crate) fn discharge(&self, index: u32, len: usize) {
        if let Some(place) = self.place(index) {
            let before = place.fetch_sub(len as u64, Ordering::AcqRel);
            debug_assert!(buffered_of(before) >= len, "discharged more than was charged");
        }
    }

    /// Says whether the socket leaves bytes waiting. The loop's thread only.
    pub(crate) fn set_blocked(&self, index: u32, blocked: bool) {
        if let Some(place) = self.place(index) {
            if blocked {
                place.fetch_or(BLOCKED, Ordering::AcqRel);
            } else {
                place.fetch_and(!BLOCKED, Ordering::AcqRel);
            }
        }
    }

    fn place(&self, index: u32) -> Option<&AtomicU64> {
        let (page, at) = split(index);
        self.pages.get(page)?.get().map(|places| &places[at])
    }

    fn make_place(&self, index: u32) -> &AtomicU64 {
        let (page, at) = split(index);
        let places =
            self.pages[page].get_or_init(|| (0..PAGE_COUNT).map(|_| AtomicU64::new(0)).collect());
        &places[at]
    }
}

/// Whether a message is accepted behind `buffered` bytes: if less than half of the limit is used, or
/// if it fits. The longest queue is thus `max_backpressure` bytes, or half of it and one message. So
/// whoever reads no further while half is used can answer any message by one of the same length.
pub(crate) fn fits(buffered: usize, len: usize, max_backpressure: usize) -> bool {
    len <= MAX_SEND_LEN
        && (buffered <= max_backpressure / 2 || buffered.saturating_add(len) <= max_backpressure)
}

fn judge(
    word: u64,
    id: ConnectionId,
    gathered: usize,
    len: usize,
    max_backpressure: usize,
) -> Outcome {
    if generation_of(word) != id.generation {
        Outcome::Gone
    } else if !fits(buffered_of(word) + gathered, len, max_backpressure) {
        Outcome::Dropped
    } else if word & BLOCKED != 0 {
        Outcome::Queued
    } else {
        Outcome::Sent
    }
}

/// What one send may at most weigh, so that the counted bytes stay within 31 bits.
pub(crate) const MAX_SEND_LEN: usize = 1 << 30;

fn split(index: u32) -> (usize, usize) {
    (index as usize / PAGE_COUNT, index as usize % PAGE_COUNT)
}

fn generation_of(word: u64) -> u32 {
    (word >> 32) as u32
}

fn buffered_of(word: u64) -> usize {
    (word & (BLOCKED - 1)) as usize
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(index: u32, generation: u32) -> ConnectionId {
        ConnectionId { index, generation, loop_index: 0 }
    }

    #[test]
    fn a_stale_id_is_gone_and_charges_nobody() {
        let directory = Directory::new(3000);
        let first = id(2500, directory.enter(2500));
        assert_eq!(directory.admit(first, 10, 100), Outcome::Sent);
        directory.leave(2500);
        assert_eq!(directory.admit(first, 10, 100), Outcome::Gone);
        let second = id(2500, directory.enter(2500));
        assert_ne!(first, second);
        assert_eq!(directory.admit(first, 10, 100), Outcome::Gone);
        assert_eq!(directory.buffered(second), Some(0));
        assert_eq!(directory.buffered(first), None);
        assert_eq!(directory.admit(id(99_999, 1), 1, 100), Outcome::Gone);
        assert_eq!(directory.admit(id(1, 1), 1, 100), Outcome::Gone, "a page that nobody used");
    }

    #[test]
    fn who_is_there_is_listed_with_what_waits() {
        let directory = Directory::new(3000);
        let generations: Vec<_> = [5, 6, 2999].map(|index| directory.enter(index)).to_vec();
        directory.charge(5, 10);
        directory.set_blocked(5, true);
        directory.charge(6, 10);
        directory.leave(6);
        let live: Vec<_> = directory.live().collect();
        assert_eq!(live, [(5, generations[0], 10), (2999, generations[2], 0)]);
    }

    #[test]
    fn what_waits_decides_and_one_message_is_always_accepted() {
        let directory = Directory::new(1);
        let id = id(0, directory.enter(0));
        assert_eq!(directory.admit(id, 500, 100), Outcome::Sent, "nothing waits in front");
        assert_eq!(directory.admit(id, 1, 100), Outcome::Dropped);
        directory.set_blocked(0, true);
        directory.discharge(0, 440);
        assert_eq!(directory.judge(id, 0, 40, 100), Outcome::Queued);
        assert_eq!(directory.judge(id, 1, 40, 100), Outcome::Dropped);
        assert_eq!(directory.admit(id, 41, 100), Outcome::Dropped);
        assert_eq!(directory.admit(id, 40, 100), Outcome::Queued);
        assert_eq!(directory.buffered(id), Some(100));
        directory.set_blocked(0, false);
        directory.discharge(0, 50);
        assert_eq!(directory.admit(id, 99, 100), Outcome::Sent, "half of the limit is free");
        directory.refund(id, 99);
        directory.discharge(0, 50);
        assert_eq!(directory.admit(id, MAX_SEND_LEN + 1, usize::MAX), Outcome::Dropped);
        assert_eq!(directory.buffered(id), Some(0));
    }

    #[test]
    fn what_still_waits_when_an_id_becomes_stale_harms_nobody() {
        let directory = Directory::new(1);
        let first = id(0, directory.enter(0));
        directory.charge(0, 70);
        directory.set_blocked(0, true);
        directory.leave(0);
        directory.charge_accepted(first, 10);
        assert_eq!(directory.admit(first, 1, 100), Outcome::Gone);
        directory.discharge(0, 30);
        directory.leave(0);
        let second = id(0, directory.enter(0));
        assert_eq!(directory.buffered(second), Some(0));
        assert_eq!(directory.admit(second, 1, 100), Outcome::Sent);
        assert_eq!(directory.buffered(first), None);
    }
}
