//! What all threads look at.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use crate::address::Target;
use crate::clock::{Clock, Nanos, nanos};
use crate::options::Options;
use crate::secure::Security;

/// From the moment the last connection is open until the load begins: enough for every thread to
/// notice.
const HEAD_START: Duration = Duration::from_millis(20);

#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) options: Options,
    pub(crate) target: Target,
    pub(crate) security: Security,
    pub(crate) clock: Clock,
    opened: AtomicUsize,
    begin: OnceLock<Nanos>,
    messages: AtomicU64,
    is_stopped: AtomicBool,
    is_interrupted: AtomicBool,
}

impl Shared {
    pub(crate) fn new(options: Options, target: Target, security: Security) -> Self {
        Self {
            options,
            target,
            security,
            clock: Clock::new(),
            opened: AtomicUsize::new(0),
            begin: OnceLock::new(),
            messages: AtomicU64::new(0),
            is_stopped: AtomicBool::new(false),
            is_interrupted: AtomicBool::new(false),
        }
    }

    /// One more connection is open. With the last one it is known when the load begins.
    pub(crate) fn add_opened(&self) {
        let opened = self.opened.fetch_add(1, Ordering::Relaxed) + 1;
        if opened == self.options.connections as usize {
            self.begin.get_or_init(|| self.clock.now() + nanos(HEAD_START));
        }
    }

    /// Connections that were opened.
    pub(crate) fn opened(&self) -> usize {
        self.opened.load(Ordering::Relaxed)
    }

    /// When the load begins, for all threads at once; `None` before all connections are open.
    pub(crate) fn begin(&self) -> Option<Nanos> {
        self.begin.get().copied()
    }

    /// So many more messages have come, for those who watch.
    pub(crate) fn add_messages(&self, count: u64) {
        self.messages.fetch_add(count, Ordering::Relaxed);
    }

    pub(crate) fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Ends the load on all threads.
    pub(crate) fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.is_stopped.load(Ordering::Relaxed)
    }

    /// The user ends the load. Says whether he did so before.
    pub(crate) fn interrupt(&self) -> bool {
        self.stop();
        self.is_interrupted.swap(true, Ordering::Relaxed)
    }

    pub(crate) fn is_interrupted(&self) -> bool {
        self.is_interrupted.load(Ordering::Relaxed)
    }
}
