//! A WebSocket server engine for services that care about latency.
#![deny(missing_docs)]

pub mod buf;
pub mod frame;
pub mod mask;
pub mod protocol;
pub mod utf8;
