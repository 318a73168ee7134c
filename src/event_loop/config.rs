//! What a loop needs to know, checked by whoever starts it.

use std::time::Duration;

use super::limits::Limits;
#[cfg(feature = "deflate")]
use crate::deflate::Compression;
use crate::handshake::{AllowedOrigins, HeadLimits};
use crate::protocol::KeepAlive;

#[derive(Clone, Debug)]
pub(crate) struct LoopConfig {
    pub(crate) head_limits: HeadLimits,
    pub(crate) allowed_origins: Option<AllowedOrigins>,
    pub(crate) limits: Limits,
    #[cfg(feature = "deflate")]
    pub(crate) compression: Compression,
    pub(crate) keep_alive: KeepAlive,
    pub(crate) handshake_timeout: Duration,
    pub(crate) close_timeout: Duration,
    /// Bytes that may wait for one connection.
    pub(crate) max_backpressure: usize,
    /// Connections of the whole server.
    pub(crate) max_connections: usize,
    /// Bytes of the loop's read buffer, and so of one ordinary read.
    pub(crate) read_buffer_len: usize,
    /// Messages of one connection that are handled before others get their turn.
    pub(crate) max_messages_per_turn: u32,
    /// Bytes of one connection that are read before others get their turn.
    pub(crate) max_bytes_per_turn: usize,
}
