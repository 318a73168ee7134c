//! What wakes a thread that works for others and parks when they have nothing for it.

#[cfg(not(tickwire_loom))]
use std::sync::Arc;
use std::sync::OnceLock;
#[cfg(not(tickwire_loom))]
use std::thread::{Thread, current, park};

#[cfg(tickwire_loom)]
use loom::sync::Arc;
#[cfg(tickwire_loom)]
use loom::thread::{Thread, current, park};

use super::Doorbell;

/// A doorbell whose sleeper is a thread.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    doorbell: Doorbell,
    /// Set before the thread sleeps for the first time.
    thread: OnceLock<Thread>,
}

impl Bell {
    /// Call after there is something to be found.
    pub(crate) fn ring(&self) {
        self.doorbell.ring(|| {
            if let Some(thread) = self.thread.get() {
                thread.unpark();
            }
        });
    }

    /// What `look` finds, slept for if need be. Always called by the same thread.
    pub(crate) fn wait_for<T>(&self, mut look: impl FnMut() -> Option<T>) -> T {
        self.thread.get_or_init(current);
        loop {
            // What rings in vain makes the next `park` end at once: one look too many.
            self.doorbell.prepare_to_sleep();
            if let Some(found) = look() {
                self.doorbell.wake_up();
                return found;
            }
            park();
        }
    }
}

/// Rings when it is dropped: what has been dropped before it is gone by then.
#[derive(Debug)]
pub(crate) struct RingAtEnd<T: AsRef<Bell>>(pub(crate) Arc<T>);

impl<T: AsRef<Bell>> Clone for RingAtEnd<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T: AsRef<Bell>> Drop for RingAtEnd<T> {
    fn drop(&mut self) {
        let bell: &Bell = (*self.0).as_ref();
        bell.ring();
    }
}
