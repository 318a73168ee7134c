//! Whether a thread sleeps, so that it is woken when it must be and only then.
//!
//! A waker first puts its message into the queue, then takes the flag down; the sleeper first puts
//! the flag up, then looks into the queue. All are read-modify-writes of one word, so one comes
//! first: either the waker finds the flag up and wakes, or the sleeper's own write follows the
//! waker's and it sees the message. No wakeup is lost.

#[cfg(tickwire_loom)]
use loom::sync::atomic::{AtomicBool, Ordering};
#[cfg(not(tickwire_loom))]
use std::sync::atomic::{AtomicBool, Ordering};

/// The flag that one sleeper and many wakers share.
#[derive(Debug)]
pub struct Doorbell {
    sleeping: AtomicBool,
}

impl Default for Doorbell {
    fn default() -> Self {
        Self { sleeping: AtomicBool::new(false) }
    }
}

impl Doorbell {
    /// Calls `wake` if the sleeper sleeps or is about to. Call *after* the message is in the queue.
    ///
    /// Of several wakers only one calls.
    #[inline]
    pub fn ring(&self, wake: impl FnOnce()) {
        if self.sleeping.swap(false, Ordering::AcqRel) {
            wake();
        }
    }

    /// The sleeper is about to sleep: from here on it is woken. Look for messages *after* this; if
    /// there are any, do not sleep.
    #[inline]
    pub fn prepare_to_sleep(&self) {
        self.sleeping.swap(true, Ordering::AcqRel);
    }

    /// The sleeper is awake and will look for messages before it sleeps again.
    ///
    /// This, too, is a read-modify-write. Of several wakers all but the first find the flag down and
    /// rely on what the sleeper does next: a plain store would overwrite what they have written to it,
    /// and what stands in the queue need not be seen then, says the memory model.
    #[inline]
    pub fn wake_up(&self) {
        self.sleeping.swap(false, Ordering::AcqRel);
    }
}
