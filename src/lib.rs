//! A WebSocket server engine for services that care about latency.
#![deny(missing_docs)]

pub mod buf;
pub mod frame;
pub mod handshake;
pub mod mailbox;
pub mod mask;
pub mod protocol;
pub mod pubsub;
pub mod transport;
pub mod utf8;

#[cfg(not(loom))]
mod event_loop;
#[cfg(not(loom))]
mod server;

#[cfg(not(loom))]
pub use event_loop::{Closed, ConnectionId, Counters, Outcome, Outgoing};
pub use frame::CloseCode;
pub use handshake::{Refusal, Request, Response, Upgrade};
pub use protocol::{KeepAlive, Limits, Message};
pub use pubsub::{Delivery, Overflow};
#[cfg(not(loom))]
pub use server::{
    Builder, Config, Context, Error, Handler, Result, Server, ServerHandle, Stats, Topic,
};
