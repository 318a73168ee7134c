//! What other threads may know of slow readers, beside the [`Directory`](super::directory::Directory):
//! since when the oldest byte waits, and what was kept from them.
//!
//! The loop alone writes. A place's numbers are zeroed before the place gets its next connection, so
//! whoever finds the same generation in the directory before and after [`read`](ReaderStats::read)
//! has the numbers of that connection.

use std::sync::OnceLock;
#[cfg(not(tickwire_loom))]
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

#[cfg(tickwire_loom)]
use loom::sync::atomic::{AtomicU32, AtomicU64, Ordering, fence};

use super::timer_wheel::Tick;

/// Connections a page. A page is made when the first connection of it is slow: readers that keep up
/// cost nothing.
const PAGE_COUNT: usize = if cfg!(tickwire_loom) { 1 } else { 1024 };

#[derive(Debug)]
pub(crate) struct ReaderStats {
    pages: Box<[OnceLock<Box<[Place]>>]>,
}

#[derive(Debug, Default)]
struct Place {
    /// Tick of the oldest byte that waits for its socket; 0: none waits.
    oldest: AtomicU32,
    conflated: AtomicU64,
    dropped: AtomicU64,
    resynced: AtomicU64,
}

/// The numbers of one place.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Reading {
    /// When the oldest of the bytes was queued that its socket has refused.
    pub(crate) oldest: Option<Tick>,
    pub(crate) conflated: u64,
    pub(crate) dropped: u64,
    pub(crate) resynced: u64,
}

impl ReaderStats {
    /// Numbers for connections with indices below `max_count`.
    pub(crate) fn new(max_count: usize) -> Self {
        let pages = (0..max_count.div_ceil(PAGE_COUNT)).map(|_| OnceLock::new()).collect();
        Self { pages }
    }

    /// Forgets what was noted of the connection that had the place. The loop's thread only, after
    /// the directory's `leave` and before its `enter`.
    pub(super) fn reset(&self, index: u32) {
        // Whoever sees a store from here on sees that the last connection has left, too.
        fence(Ordering::Release);
        if let Some(place) = self.place(index) {
            place.oldest.store(0, Ordering::Relaxed);
            for count in [&place.conflated, &place.dropped, &place.resynced] {
                count.store(0, Ordering::Relaxed);
            }
        }
    }

    /// The socket has refused bytes, the oldest of which were queued at `tick`.
    pub(super) fn note_oldest(&self, index: u32, tick: Tick) {
        // Ticks wrap: a stamp that would be 0 is one tick off, after years.
        let stamp = tick.as_u32().max(1);
        self.make_place(index).oldest.store(stamp, Ordering::Relaxed);
    }

    /// The socket has taken everything.
    pub(super) fn note_empty(&self, index: u32) {
        if let Some(place) = self.place(index) {
            place.oldest.store(0, Ordering::Relaxed);
        }
    }

    /// `count` publications were replaced by later ones before the reader could take them.
    pub(super) fn note_conflated(&self, index: u32, count: u64) {
        add(&self.make_place(index).conflated, count);
    }

    /// `count` publications were dropped for the reader.
    pub(super) fn note_dropped(&self, index: u32, count: u64) {
        add(&self.make_place(index).dropped, count);
    }

    /// The reader got a snapshot to make up for what it had missed.
    pub(super) fn note_resynced(&self, index: u32) {
        add(&self.make_place(index).resynced, 1);
    }

    /// The numbers of a place; of which connection, the directory knows before *and* after.
    pub(super) fn read(&self, index: u32) -> Reading {
        let reading = self.place(index).map_or_else(Reading::default, |place| Reading {
            oldest: Some(place.oldest.load(Ordering::Relaxed))
                .filter(|&stamp| stamp != 0)
                .map(Tick::from_u32),
            conflated: place.conflated.load(Ordering::Relaxed),
            dropped: place.dropped.load(Ordering::Relaxed),
            resynced: place.resynced.load(Ordering::Relaxed),
        });
        // Pairs with the fence in `reset`, for the directory's word that is loaded next.
        fence(Ordering::Acquire);
        reading
    }

    fn place(&self, index: u32) -> Option<&Place> {
        let index = index as usize;
        self.pages.get(index / PAGE_COUNT)?.get().map(|places| &places[index % PAGE_COUNT])
    }

    fn make_place(&self, index: u32) -> &Place {
        let index = index as usize;
        let make = || (0..PAGE_COUNT).map(|_| Place::default()).collect();
        &self.pages[index / PAGE_COUNT].get_or_init(make)[index % PAGE_COUNT]
    }
}

/// One thread writes: what it loads is what it stored last.
fn add(number: &AtomicU64, count: u64) {
    number.store(number.load(Ordering::Relaxed) + count, Ordering::Relaxed);
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicBool;

    use super::super::ConnectionId;
    use super::super::directory::Directory;
    use super::*;

    fn page_count(stats: &ReaderStats) -> usize {
        stats.pages.iter().filter(|page| page.get().is_some()).count()
    }

    #[test]
    fn a_page_is_made_for_the_first_slow_reader_of_it() {
        let stats = ReaderStats::new(3000);
        stats.reset(2500);
        stats.note_empty(2500);
        assert_eq!(stats.read(2500), Reading::default());
        assert_eq!(stats.read(99_999), Reading::default(), "beyond every page");
        assert_eq!(page_count(&stats), 0);
        stats.note_oldest(2500, Tick::default().after(std::time::Duration::from_secs(1)));
        stats.note_dropped(2999, 1);
        assert_eq!(page_count(&stats), 1);
        stats.note_conflated(0, 1);
        assert_eq!(page_count(&stats), 2);
    }

    #[test]
    fn numbers_add_up_and_go_with_their_connection() {
        let stats = ReaderStats::new(10);
        let tick = Tick::default().after(std::time::Duration::from_secs(1));
        stats.note_oldest(7, tick);
        stats.note_conflated(7, 3);
        stats.note_conflated(7, 4);
        stats.note_dropped(7, 2);
        stats.note_resynced(7);
        stats.note_resynced(7);
        let noted = Reading { oldest: Some(tick), conflated: 7, dropped: 2, resynced: 2 };
        assert_eq!(stats.read(7), noted);
        assert_eq!(stats.read(6), Reading::default(), "its neighbour's");
        stats.note_empty(7);
        assert_eq!(stats.read(7), Reading { oldest: None, ..noted });
        stats.note_oldest(7, Tick::default());
        assert!(stats.read(7).oldest.is_some(), "the tick 0 is a tick");
        stats.note_oldest(7, tick);
        stats.reset(7);
        assert_eq!(stats.read(7), Reading::default());
    }

    /// The loop puts one connection after another into a place and notes each one's generation;
    /// another thread never reads one connection's numbers as another's.
    #[test]
    fn a_reading_between_two_looks_at_the_directory_is_of_one_connection() {
        const CONNECTION_COUNT: u32 = if cfg!(miri) { 50 } else { 100_000 };
        let (directory, stats) = (Directory::new(1), ReaderStats::new(1));
        let over = AtomicBool::new(false);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    let Some((index, generation, _)) = directory.live().next() else { continue };
                    let id = ConnectionId { index, generation, loop_index: 0 };
                    let reading = stats.read(index);
                    if directory.buffered(id).is_some() {
                        for count in [reading.conflated, reading.dropped] {
                            assert!(count == 0 || count == u64::from(generation), "{reading:?}");
                        }
                    }
                }
            });
            for _ in 0..CONNECTION_COUNT {
                stats.reset(0);
                let generation = directory.enter(0);
                stats.note_conflated(0, generation.into());
                stats.note_dropped(0, generation.into());
                directory.leave(0);
                if reader.is_finished() {
                    break;
                }
            }
            over.store(true, Ordering::Relaxed);
        });
    }
}
