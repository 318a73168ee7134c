//! What waits for a worker, by weight, and who has stopped for it.

#[cfg(not(tickwire_loom))]
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

#[cfg(tickwire_loom)]
use loom::sync::atomic::{AtomicBool, AtomicUsize, Ordering, fence};

/// Feeders add to it, and wait when it is full; a worker takes off, and tells those that wait once it
/// has drained to half.
///
/// A feeder first puts its flag up, then looks at the weight; the worker first takes the weight off,
/// then looks at the flags. Between the two steps of each stands a fence, so one of them sees what the
/// other has done: nobody waits for what has drained already.
#[derive(Debug)]
pub(crate) struct Backlog {
    max_weight: usize,
    weight: AtomicUsize,
    waiting: Box<[AtomicBool]>,
}

impl Backlog {
    /// One that is full at `max_weight`, for so many feeders.
    pub(crate) fn new(max_weight: usize, feeder_count: usize) -> Self {
        let waiting = (0..feeder_count).map(|_| AtomicBool::new(false)).collect();
        Self { max_weight, weight: AtomicUsize::new(0), waiting }
    }

    pub(crate) fn max_weight(&self) -> usize {
        self.max_weight
    }

    /// About how much may be added before it is full.
    pub(crate) fn free_weight(&self) -> usize {
        self.max_weight.saturating_sub(self.weight.load(Ordering::Relaxed))
    }

    /// Says whether there is room for more. Call before the worker can see what is added.
    pub(crate) fn add(&self, weight: usize) -> bool {
        self.weight.fetch_add(weight, Ordering::AcqRel) + weight < self.max_weight
    }

    /// Asks to be told when it has drained to half; says that it has already.
    pub(crate) fn wait(&self, feeder: usize) -> bool {
        let waiting = &self.waiting[feeder];
        waiting.store(true, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        self.has_drained() && waiting.swap(false, Ordering::SeqCst)
    }

    /// Takes off what has been worked through: calls `resume` for each feeder that waits, if it is
    /// time.
    pub(crate) fn take_off(&self, weight: usize, mut resume: impl FnMut(usize)) {
        self.weight.fetch_sub(weight, Ordering::SeqCst);
        fence(Ordering::SeqCst);
        if self.has_drained() {
            for (feeder, waiting) in self.waiting.iter().enumerate() {
                if waiting.load(Ordering::SeqCst) && waiting.swap(false, Ordering::SeqCst) {
                    resume(feeder);
                }
            }
        }
    }

    fn has_drained(&self) -> bool {
        self.weight.load(Ordering::SeqCst) <= self.max_weight / 2
    }
}
