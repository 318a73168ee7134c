//! Every interleaving, by loom, of what synchronises threads by hand.

mod backlog;
mod bell;
mod doorbell;
mod queue;
