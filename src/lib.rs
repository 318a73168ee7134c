//! A WebSocket server engine for services that care about latency.
#![deny(missing_docs)]

pub mod handshake;
