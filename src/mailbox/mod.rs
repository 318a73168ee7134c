//! A bounded queue from any thread into an event loop, which is woken only when it sleeps.

mod backlog;
mod bell;
mod doorbell;
mod queue;
#[cfg(tickwire_loom)]
mod under_loom;

#[cfg(not(tickwire_loom))]
pub(crate) use backlog::Backlog;
#[cfg(not(tickwire_loom))]
pub(crate) use bell::{Bell, RingAtEnd};
pub use doorbell::Doorbell;
pub use queue::{Full, Inbox, Mailbox, Permit, mailbox};

#[cfg(all(test, tickwire_loom))]
mod loom_tests;
