//! What can be configured, with defaults that suit a service whose clients are strangers.

use std::time::Duration;

#[cfg(feature = "deflate")]
use crate::deflate::{Compression, CompressionMode};
use crate::event_loop::{Limits, LoopConfig};
use crate::handshake::{AllowedOrigins, HeadLimits};
use crate::protocol::KeepAlive;
use crate::pubsub::SlowConsumer;
use crate::transport::SocketOptions;

/// All settings of a server. Checked as a whole when it starts. No time but a jitter may be zero, and
/// none may be longer than 90 days, which is what the loops' clocks can tell.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Event-loop threads. Default: half the CPU's threads, at least 1. At most 1,024.
    pub event_loops: usize,
    /// Handler threads; 0 is inline mode. Default: half the CPU's threads, at least 1. At most
    /// 1,024.
    pub handler_threads: usize,
    /// Connections of the whole server. Beyond: HTTP status 503. Default: 100,000. At most 2^24. Each takes
    /// a descriptor: if the process may not have so many, that is logged at the start.
    pub max_connections: usize,
    /// Limits of request heads. Beyond: HTTP status 414 or 431. Defaults: 16 KiB, 100 headers.
    pub head_limits: HeadLimits,
    /// Of which sites' scripts a handshake is accepted. Beyond: HTTP status 403. `None`: of all, which is
    /// for [`Handler::upgrade`](super::Handler::upgrade) to judge then. Default: `None`.
    pub allowed_origins: Option<AllowedOrigins>,
    /// What clients may do, and how much of it. Default: [`Limits::internet`].
    pub limits: Limits,
    /// Whether and how messages are compressed, with clients that offer it (permessage-deflate, RFC
    /// 7692). Default: not. [`limits`](Self::limits) are those of messages as they are when inflated;
    /// inflating stops there.
    #[cfg(feature = "deflate")]
    pub compression: Compression,
    /// How long a connection may be silent. Defaults: a ping after 30 s, the end after 60 s.
    pub keep_alive: KeepAlive,
    /// How long a client may take for its request, from the connection or the last response on.
    /// Beyond: HTTP status 408. A handler thread has as long to decide upon it. Beyond: 503. Default: 10 s.
    pub handshake_timeout: Duration,
    /// How long the peer may take to answer a close frame, and to end the connection after it.
    /// Default: 5 s.
    pub close_timeout: Duration,
    /// Bytes that may wait for one connection. Beyond: a send answers `Dropped`, and a lagging
    /// subscriber meets its topic's policy. While less than half of it waits, a message of any length
    /// is accepted. From half of it on, a connection whose own messages caused it, or will once they
    /// are answered, is not read until what waits has drained to a quarter: an echo drops nothing.
    /// Default: 1 MiB. At most 1 GiB.
    pub max_backpressure: usize,
    /// What happens to subscribers that do not take their publications, step by step, on topics that
    /// do not say otherwise.
    pub slow_consumer: SlowConsumer,
    /// Bytes that may wait for one handler thread, shared by all loops. A connection of which an eighth of
    /// what is free waits, and more than 16 KiB, is not read until it has half of that. Beyond the limit the
    /// connections that feed the thread are not read until it has drained to half. Default: 4 MiB.
    pub max_lane_len: usize,
    /// Bytes of each loop's read buffer. Default: 64 KiB. At least `head_limits.max_head_len`.
    pub read_buffer_len: usize,
    /// Bytes of one connection that are read before others get their turn, and at most four times its
    /// read buffer: only a large message, which has a buffer of its own, is read faster. Default: 1 MiB.
    pub max_bytes_per_turn: usize,
    /// Messages of one connection that are handled before others get their turn. Default: 1,024.
    pub max_messages_per_turn: u32,
    /// Options of the sockets.
    pub socket_options: SocketOptions,
}

impl Default for Config {
    fn default() -> Self {
        let half = std::thread::available_parallelism().map_or(1, |count| count.get().div_ceil(2));
        Self {
            event_loops: half,
            handler_threads: half,
            max_connections: 100_000,
            head_limits: HeadLimits::default(),
            allowed_origins: None,
            limits: Limits::default(),
            #[cfg(feature = "deflate")]
            compression: Compression::off(),
            keep_alive: KeepAlive {
                ping_interval: Some(Duration::from_secs(30)),
                idle_timeout: Some(Duration::from_secs(60)),
            },
            handshake_timeout: Duration::from_secs(10),
            close_timeout: Duration::from_secs(5),
            max_backpressure: 1 << 20,
            slow_consumer: SlowConsumer::default(),
            max_lane_len: 4 << 20,
            read_buffer_len: 64 << 10,
            max_bytes_per_turn: 1 << 20,
            max_messages_per_turn: 1024,
            socket_options: SocketOptions::default(),
        }
    }
}

impl Config {
    /// Whether messages may be sent compressed.
    pub(super) fn deflates(&self) -> bool {
        #[cfg(feature = "deflate")]
        return self.compression.mode != CompressionMode::Off;
        #[cfg(not(feature = "deflate"))]
        false
    }

    pub(super) fn for_loop(&self) -> LoopConfig {
        LoopConfig {
            head_limits: self.head_limits,
            allowed_origins: self.allowed_origins.clone(),
            limits: self.limits,
            #[cfg(feature = "deflate")]
            compression: self.compression,
            keep_alive: self.keep_alive,
            handshake_timeout: self.handshake_timeout,
            close_timeout: self.close_timeout,
            max_backpressure: self.max_backpressure,
            max_connections: self.max_connections,
            read_buffer_len: self.read_buffer_len,
            max_messages_per_turn: self.max_messages_per_turn,
            max_bytes_per_turn: self.max_bytes_per_turn,
        }
    }
}
