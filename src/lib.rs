//! A WebSocket server engine for services that care about latency.
#![deny(missing_docs)]

pub mod buf;
mod event_loop;
pub mod frame;
pub mod handshake;
pub mod mailbox;
pub mod mask;
pub mod protocol;
pub mod pubsub;
pub mod transport;
pub mod utf8;
