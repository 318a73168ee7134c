//! Whether a thread sleeps, so that it is woken when it must be and only then.
//!
//! The waking thread first puts its message, then looks whether the other sleeps; the sleeping
//! thread first says that it will sleep, then looks for messages. With a sequentially consistent
//! fence between the two steps on each side, at least one of them sees the other: no wakeup is lost.

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, Ordering, fence};
#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, Ordering, fence};

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
    /// Of several wakers only one calls: the rest cost a fence and a load.
    #[inline]
    pub fn ring(&self, wake: impl FnOnce()) {
        fence(Ordering::SeqCst);
        if self.sleeping.load(Ordering::Relaxed) && self.sleeping.swap(false, Ordering::Relaxed) {
            wake();
        }
    }

    /// The sleeper is about to sleep: from here on it is woken. Look for messages *after* this; if
    /// there are any, do not sleep.
    #[inline]
    pub fn prepare_to_sleep(&self) {
        self.sleeping.store(true, Ordering::Relaxed);
        fence(Ordering::SeqCst);
    }

    /// The sleeper is awake and will look for messages before it sleeps again.
    #[inline]
    pub fn wake_up(&self) {
        self.sleeping.store(false, Ordering::Relaxed);
    }
}
