//! A topic, as all threads share it.

use std::fmt;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError, Weak};

use super::{Delivery, TopicRegistry};

/// Tells topics apart for the life of the process, also ones of the same name one after another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TopicId(u64);

/// A topic's name, policy, order of publications, and which loops have subscribers.
pub struct TopicCore {
    id: TopicId,
    name: String,
    delivery: Delivery,
    /// Subscribers per event loop, those under way included.
    interest: Box<[AtomicUsize]>,
    /// The last publication's sequence number. Held while a publication is put into the loops'
    /// mailboxes, so that every loop sees the same order; no user code runs under it.
    sequence: Mutex<u64>,
    registry: Weak<TopicRegistry>,
}

impl TopicCore {
    pub(super) fn new(
        name: &str,
        delivery: Delivery,
        loop_count: usize,
        registry: Weak<TopicRegistry>,
    ) -> Self {
        static NEXT_ID: AtomicU64 = AtomicU64::new(0);
        Self {
            id: TopicId(NEXT_ID.fetch_add(1, Ordering::Relaxed)),
            name: name.to_owned(),
            delivery,
            interest: (0..loop_count).map(|_| AtomicUsize::new(0)).collect(),
            sequence: Mutex::new(0),
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
        self.delivery
    }

    /// Publications so far.
    #[must_use]
    pub fn sequence(&self) -> u64 {
        *self.lock_order()
    }

    /// Takes the publishers' turn: what is put into mailboxes while the guard lives is in order.
    pub fn lock_order(&self) -> MutexGuard<'_, u64> {
        // The guarded value is a number: a panic elsewhere cannot have left it half changed.
        self.sequence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The loops that have subscribers, or soon will.
    pub fn interested_loops(&self) -> impl Iterator<Item = usize> {
        let has = |count: &AtomicUsize| count.load(Ordering::Acquire) > 0;
        self.interest.iter().enumerate().filter(move |(_, count)| has(count)).map(|(i, _)| i)
    }

    /// Subscribers on all loops, those under way included.
    #[must_use]
    pub fn subscriber_count(&self) -> usize {
        self.interest.iter().map(|count| count.load(Ordering::Relaxed)).sum()
    }

    /// Counts a subscription on a loop. Whoever asks for one counts it first, so that no
    /// publication from then on passes the loop by; the loop takes back what came to nothing.
    pub fn add_interest(&self, loop_index: usize) {
        self.interest[loop_index].fetch_add(1, Ordering::AcqRel);
    }

    /// Takes a subscription on a loop back.
    pub fn remove_interest(&self, loop_index: usize) {
        self.interest[loop_index].fetch_sub(1, Ordering::AcqRel);
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
            .field("delivery", &self.delivery)
            .field("subscribers", &self.subscriber_count())
            .finish_non_exhaustive()
    }
}
