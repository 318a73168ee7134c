//! A bounded queue from any thread into an event loop, which is woken only when it sleeps.

mod doorbell;
#[cfg(not(loom))]
mod queue;

pub use doorbell::Doorbell;
#[cfg(not(loom))]
pub use queue::{Full, Inbox, Mailbox, Permit, mailbox};

#[cfg(all(test, loom))]
mod loom_tests;
