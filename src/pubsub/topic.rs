//! A topic, as all threads share it.

use std::fmt;
use std::hash::Hasher;
use std::sync::atomic::AtomicU64;
#[cfg(not(tickwire_loom))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(not(tickwire_loom))]
use std::sync::{Mutex, MutexGuard};
use std::sync::{PoisonError, Weak};

#[cfg(tickwire_loom)]
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
#[cfg(tickwire_loom)]
use loom::sync::{Mutex, MutexGuard};

use super::history::{Begin, History, Lacking, Piece, Position};
use super::lag::Merged;
use super::log::Snapshot;
use super::stats::{LoopStats, TopicStats};
use super::{
    Delivery, Publication, SharedFrame, SlowConsumer, Start, Subscribed, TopicOptions,
    TopicRegistry,
};
use crate::protocol::Outgoing;

/// Tells topics apart for the life of the process, also ones of the same name one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(pub(crate) u64);

/// Hashes topics' ids, which nobody chooses: spreading them is all it takes.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct TopicIdHasher(u64);

impl Hasher for TopicIdHasher {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|&byte| self.write_u64(u64::from(byte)));
    }

    fn write_u64(&mut self, id: u64) {
        // By the golden ratio: ids one after another fall far apart.
        self.0 = (self.0 ^ id).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    }
}

/// A topic's name, policy, order of publications, what it retains, and which loops have subscribers.
pub struct TopicCore {
    id: TopicId,
    name: String,
    options: TopicOptions,
    slow_consumer: SlowConsumer,
    /// Subscribers may take their frames compressed.
    deflates: bool,
    per_loop: Box<[PerLoop]>,
    /// Held while publications are put into the loops' mailboxes, so that every loop sees the same
    /// order; no user code runs under it.
    history: Mutex<History>,
    /// Somebody waits for a snapshot.
    snapshot_awaited: AtomicBool,
    registry: Weak<TopicRegistry>,
}

#[derive(Debug, Default)]
struct PerLoop {
    /// Subscribers, those under way included.
    interest: AtomicUsize,
    /// The loop has subscribers that wait for a snapshot.
    awaits_snapshot: AtomicBool,
    stats: LoopStats,
}

impl TopicCore {
    pub(super) fn new(
        name: &str,
        options: TopicOptions,
        slow_consumer: SlowConsumer,
        deflates: bool,
        loop_count: usize,
        registry: Weak<TopicRegistry>,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self {
            id: TopicId(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
            name: name.to_owned(),
            slow_consumer: options.slow_consumer.unwrap_or(slow_consumer),
            deflates,
            per_loop: (0..loop_count).map(|_| PerLoop::default()).collect(),
            history: Mutex::new(History::new(&options)),
            snapshot_awaited: AtomicBool::new(false),
            options,
            registry,
        }
    }

    /// The id, never used again.
    #[must_use]
    pub fn id(&self) -> TopicId {
        self.id
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The policy.
    #[must_use]
    pub fn delivery(&self) -> Delivery {
        self.options.delivery
    }

    /// How it was set up.
    #[must_use]
    pub fn options(&self) -> &TopicOptions {
        &self.options
    }

    /// The steps for its slow consumers.
    #[must_use]
    pub fn slow_consumer(&self) -> &SlowConsumer {
        &self.slow_consumer
    }

    /// A message as its subscribers get it.
    pub(crate) fn encode(&self, message: &Outgoing<'_>) -> SharedFrame {
        SharedFrame::new(message, self.deflates)
    }

    /// Publications so far.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.lock().sequence()
    }

    /// Takes the publishers' turn: what is put into mailboxes while it lasts is in order.
    pub fn take_turn(&self) -> Turn<'_> {
        Turn { topic: self, history: self.lock() }
    }

    /// The loops that have subscribers, or soon will.
    pub fn interested_loops(&self) -> impl Iterator<Item = usize> {
        let has = |per_loop: &PerLoop| per_loop.interest.load(Ordering::Acquire) > 0;
        self.per_loop.iter().enumerate().filter(move |(_, it)| has(it)).map(|(i, _)| i)
    }

    /// Subscribers on all loops, those under way included.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.per_loop.iter().map(|it| it.interest.load(Ordering::Relaxed)).sum()
    }

    /// Counts a subscription on a loop. Whoever asks for one counts it first, so that no
    /// publication from then on passes the loop by; the loop takes back what came to nothing.
    pub fn add_interest(&self, loop_index: usize) {
        self.per_loop[loop_index].interest.fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a subscription on a loop back.
    pub fn remove_interest(&self, loop_index: usize) {
        self.per_loop[loop_index].interest.fetch_sub(1, Ordering::AcqRel);
    }

    /// Replaces the snapshot, unless it is newer, there never was such a publication, or those after
    /// it are at hand no more; says whether it did. The loops to be told are named by [`take_waiting_loops`](Self::take_waiting_loops).
    pub fn supply_snapshot(&self, sequence: u64, frame: SharedFrame) -> bool {
        let mut history = self.lock();
        let supplied = history.supply(Snapshot { sequence, frame });
        if supplied {
            self.snapshot_awaited.store(false, Ordering::Release);
        }
        supplied
    }

    /// The loops that wait for a snapshot; they are named once.
    pub fn take_waiting_loops(&self) -> impl Iterator<Item = usize> {
        let waits = |it: &PerLoop| it.awaits_snapshot.swap(false, Ordering::AcqRel);
        self.per_loop.iter().enumerate().filter(move |(_, it)| waits(it)).map(|(i, _)| i)
    }

    /// Whether somebody waits for a snapshot, or a new one would be shorter than the one at hand with
    /// the publications since.
    #[must_use]
    pub fn wants_snapshot(&self) -> bool {
        self.snapshot_awaited.load(Ordering::Acquire) || self.lock().is_snapshot_stale()
    }

    /// Takes the values out whose keys have none any more, if there are more than `max_count` in all.
    pub(super) fn thin_out(&self, merged: &mut Merged, max_count: usize) {
        if merged.len() > max_count {
            let history = self.lock();
            merged.retain(|key| history.has_key(key));
        }
    }

    /// Forgets the latest value of a key.
    pub fn remove_key(&self, key: &[u8]) -> bool {
        self.lock().remove_key(key)
    }

    /// What has become of its publications.
    #[must_use]
    pub fn stats(&self) -> TopicStats {
        let (publications, keys) = {
            let history = self.lock();
            (history.sequence(), history.key_count())
        };
        let subscribers = self.subscriber_count();
        let mut stats = TopicStats { publications, keys, subscribers, ..TopicStats::default() };
        self.per_loop.iter().for_each(|it| it.stats.add_to(&mut stats));
        stats
    }

    pub(super) fn loop_stats(&self, loop_index: usize) -> &LoopStats {
        &self.per_loop[loop_index].stats
    }

    /// Looks for a subscriber's next piece, and if there is none, its loop is to be told of the next
    /// snapshot: whether nobody was waiting before.
    ///
    /// Both under the lock that snapshots are supplied under: one that comes in between would leave
    /// behind a wait that nobody ends.
    pub(super) fn next_piece_or_await(
        &self,
        loop_index: usize,
        position: Position,
        max_len: usize,
    ) -> Result<Piece, bool> {
        let history = self.lock();
        history.next_piece(self.options.delivery, position, max_len).map_err(|_| {
            self.watch_for_snapshot(loop_index);
            !self.snapshot_awaited.swap(true, Ordering::AcqRel)
        })
    }

    /// A loop is to be told of the next snapshot.
    pub(super) fn watch_for_snapshot(&self, loop_index: usize) {
        self.per_loop[loop_index].awaits_snapshot.store(true, Ordering::Release);
    }

    /// Whether there is a source that nobody waits for.
    pub(super) fn may_ask_source(&self) -> bool {
        let has_source = self.options.snapshot_source.is_some();
        has_source && !self.snapshot_awaited.load(Ordering::Acquire)
    }

    /// A snapshot source had nothing to give: after the next publication it is asked again.
    pub fn give_up_awaiting(&self) {
        self.snapshot_awaited.store(false, Ordering::Release);
    }

    pub(super) fn has_snapshot(&self, upto: u64) -> bool {
        self.lock().has_snapshot(upto)
    }

    pub(super) fn next_piece(&self, position: Position, max_len: usize) -> Result<Piece, Lacking> {
        self.lock().next_piece(self.options.delivery, position, max_len)
    }

    fn lock(&self) -> MutexGuard<'_, History> {
        // Nothing under the lock panics, and no user code runs there.
        self.history.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A publisher's or subscriber's turn with a topic.
#[derive(Debug)]
pub struct Turn<'a> {
    topic: &'a TopicCore,
    history: MutexGuard<'a, History>,
}

impl Turn<'_> {
    /// The last publication's sequence number.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        self.history.sequence()
    }

    /// Whether the publications can be retained: no, if they bring too many keys.
    #[must_use]
    pub fn has_room(&self, publications: &[Publication]) -> bool {
        self.history.has_room(publications)
    }

    /// Gives the publications the next sequence numbers and retains what the topic retains.
    pub fn record(&mut self, publications: &[Publication]) {
        self.history.record(publications);
    }

    /// Where a subscriber begins, and what it is told.
    #[must_use]
    pub fn begin(&self, start: Start) -> (Begin, Subscribed) {
        self.history.begin(self.topic.options.delivery, start)
    }
}

impl Drop for TopicCore {
    fn drop(&mut self) {
        if let Some(registry) = self.registry.upgrade() {
            registry.forget(&self.name);
        }
    }
}

impl fmt::Debug for TopicCore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TopicCore")
            .field("name", &self.name)
            .field("delivery", &self.options.delivery)
            .field("subscribers", &self.subscriber_count())
            .finish_non_exhaustive()
    }
}
