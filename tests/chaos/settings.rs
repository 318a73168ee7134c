//! The server's limits, narrow enough to be met, and what it may hold by them.

use std::time::Duration;

use tickwire::{Config, Limits, Rate, SocketOptions};

pub(crate) const MAX_MESSAGE_LEN: usize = 128 << 10;
pub(crate) const MAX_FRAGMENT_COUNT: u32 = 1000;
pub(crate) const MAX_PER_ADDRESS: u32 = 100;
const MAX_BACKPRESSURE: usize = 256 << 10;
const MAX_HEAD_LEN: usize = 8 << 10;
const MAX_LANE_LEN: usize = 1 << 20;
const EVENT_LOOP_COUNT: usize = 2;

pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(1500);
const PING_INTERVAL: Duration = Duration::from_millis(1500);
const IDLE_TIMEOUT: Duration = Duration::from_secs(6);
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

/// Who does nothing at all is given up after this much at the latest.
pub(crate) const PATIENCE: Duration = Duration::from_millis(8500);

pub(crate) fn config(handler_thread_count: usize) -> Config {
    let mut config = Config::default();
    config.event_loops = EVENT_LOOP_COUNT;
    config.handler_threads = handler_thread_count;
    config.max_connections = 4096;
    config.head_limits.max_head_len = MAX_HEAD_LEN;
    config.limits = Limits {
        max_message_len: MAX_MESSAGE_LEN,
        max_frame_len: MAX_MESSAGE_LEN,
        max_fragment_count: MAX_FRAGMENT_COUNT,
        max_connections_per_address: Some(MAX_PER_ADDRESS),
        // Each kind of attackers has an address of its own.
        counts_loopback: true,
        accept_rate: Some(Rate::new(5000, 4096)),
        ..Limits::trusted()
    };
    config.max_backpressure = MAX_BACKPRESSURE;
    config.max_lane_len = MAX_LANE_LEN;
    config.handshake_timeout = HANDSHAKE_TIMEOUT;
    config.keep_alive.ping_interval = Some(PING_INTERVAL);
    config.keep_alive.idle_timeout = Some(IDLE_TIMEOUT);
    config.close_timeout = CLOSE_TIMEOUT;
    // What a client does not read waits where the limits count it.
    config.socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
    #[cfg(feature = "deflate")]
    {
        config.compression = compression();
    }
    config
}

/// Connections of a loop that may have a compressor of their own.
#[cfg(feature = "deflate")]
const DEDICATED_COUNT: usize = 8;

#[cfg(feature = "deflate")]
fn compression() -> tickwire::Compression {
    use tickwire::{Compression, CompressionMode};

    let mut compression = Compression::dedicated();
    if let CompressionMode::Dedicated(dedicated) = &mut compression.mode {
        dedicated.max_count = DEDICATED_COUNT;
    }
    compression
}

/// How far a connection gets, and so what it can make the server hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Reach {
    /// It has asked for nothing, or only for a page.
    Request,
    /// It sends, and takes all that it gets.
    Message,
    /// The same with TLS.
    #[cfg(feature = "tls")]
    TlsMessage,
    /// It does not take what it gets either.
    Backlog,
}

impl Reach {
    /// The most bytes that the server may hold for the connection.
    fn len(self) -> usize {
        // A message that is not whole lies in a buffer that doubles as it grows.
        let message = 2 * MAX_MESSAGE_LEN;
        #[cfg(feature = "deflate")]
        let message = message + WINDOW_LEN;
        // While less than half of the limit waits, a message of any length is taken.
        let waiting = MAX_BACKPRESSURE.max(MAX_BACKPRESSURE / 2 + MAX_MESSAGE_LEN);
        1024 + match self {
            Self::Request => MAX_HEAD_LEN,
            Self::Message => message,
            #[cfg(feature = "tls")]
            Self::TlsMessage => message + TLS_LEN,
            // Each publication of 300 bytes that waits takes a place of 160.
            Self::Backlog => message + waiting + waiting / 2,
        }
    }
}

/// What the next compressed message may refer to.
#[cfg(feature = "deflate")]
const WINDOW_LEN: usize = 32 << 10;
/// The keys of a session, part of a record that arrives, and records that wait to be sent.
#[cfg(feature = "tls")]
const TLS_LEN: usize = (4 + 16 + 80) << 10;

/// The most bytes that such connections can make a server of these settings hold, beyond what it
/// holds without them.
pub(crate) fn bound(
    connections: impl Iterator<Item = Reach>,
    handler_thread_count: usize,
) -> usize {
    #[cfg(feature = "deflate")]
    let compressors = EVENT_LOOP_COUNT * DEDICATED_COUNT * (350 << 10);
    #[cfg(not(feature = "deflate"))]
    let compressors = 0;
    // A lane takes what a turn brings before it looks whether it is full.
    let lanes = handler_thread_count * (MAX_LANE_LEN + EVENT_LOOP_COUNT * (256 << 10));
    // A loop inflates, joins publications and keeps buffers for the next message.
    let buffers = EVENT_LOOP_COUNT * 8 * MAX_MESSAGE_LEN;
    let held = connections.map(Reach::len).sum::<usize>() + compressors + lanes + buffers;
    // What the allocator keeps of what it once gave out, at most a quarter.
    held + held / 4
}
