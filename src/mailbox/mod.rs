//! A bounded queue from any thread into an event loop, which is woken only when it sleeps.

mod backlog;
mod bell;
mod doorbell;
#[cfg(not(loom))]
mod queue;

#[cfg(not(loom))]
pub(crate) use backlog::Backlog;
#[cfg(not(loom))]
pub(crate) use bell::{Bell, RingAtEnd};
pub use doorbell::Doorbell;
#[cfg(not(loom))]
pub use queue::{Full, Inbox, Mailbox, Permit, mailbox};

#[cfg(all(test, loom))]
mod loom_tests;
