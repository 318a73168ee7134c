//! The server's limits, those of a server on the internet with sizes and times narrow enough to be met,
//! and what it may hold by them.

use std::time::Duration;

use tickwire::{Config, Limits, Rate, SocketOptions};

pub(crate) const MAX_MESSAGE_LEN: usize = 128 << 10;
pub(crate) const MAX_FRAGMENT_COUNT: u32 = 1000;
pub(crate) const MAX_PER_ADDRESS: u32 = 100;
const MAX_BACKPRESSURE: usize = 256 << 10;
const MAX_HEAD_LEN: usize = 8 << 10;
const MAX_LANE_LEN: usize = 1 << 20;
/// Less than those who never read could have, together.
const MAX_QUEUED_LEN: usize = 6 << 20;
const MAX_BYTES_PER_TURN: usize = 64 << 10;
const EVENT_LOOP_COUNT: usize = 2;

pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_millis(2500);
const HEAD_GRACE: Duration = Duration::from_millis(1500);
const WRITE_TIMEOUT: Duration = Duration::from_secs(3);
const PING_INTERVAL: Duration = Duration::from_millis(1500);
const IDLE_TIMEOUT: Duration = Duration::from_secs(6);
const CLOSE_TIMEOUT: Duration = Duration::from_millis(1500);

/// Who does nothing at all is given up after this much at the latest.
pub(crate) const PATIENCE: Duration = Duration::from_millis(8500);
/// And who takes nothing of what it is sent after this much.
pub(crate) const DEAF_PATIENCE: Duration = Duration::from_secs(6);

pub(crate) fn limits() -> Limits {
    Limits {
        max_message_len: MAX_MESSAGE_LEN,
        max_frame_len: MAX_MESSAGE_LEN,
        max_fragment_count: MAX_FRAGMENT_COUNT,
        max_connections_per_address: Some(MAX_PER_ADDRESS),
        // Each kind of attackers has an address of its own.
        counts_loopback: true,
        // A storm has to wait, on a machine that opens connections slowly too, but not for long: whoever
        // comes in its midst is let in within its time.
        accept_rate: Some(Rate::new(5000, 32)),
        // Floods come again and again, each with a burst of its own: with the usual ones they would be all
        // that a single core can do.
        byte_rate: Some(Rate::new(2 << 20, 2 << 20)),
        message_rate: Some(Rate::new(1000, 1000)),
        max_excess_time: Duration::from_secs(1),
        head_grace: HEAD_GRACE,
        max_queued_len: Some(MAX_QUEUED_LEN),
        write_timeout: Some(WRITE_TIMEOUT),
        ..Limits::internet()
    }
}

pub(crate) fn config(handler_thread_count: usize) -> Config {
    let mut config = Config::default();
    config.event_loops = EVENT_LOOP_COUNT;
    config.handler_threads = handler_thread_count;
    config.max_connections = 4096;
    config.head_limits.max_head_len = MAX_HEAD_LEN;
    config.limits = limits();
    config.max_bytes_per_turn = MAX_BYTES_PER_TURN;
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
    /// It sends what is short, and takes all that it gets.
    Short,
    /// The same with TLS.
    #[cfg(feature = "tls")]
    Tls,
    /// It sends messages as long as can be.
    Message,
    /// The same with compression.
    #[cfg(feature = "deflate")]
    Deflated,
    /// It does not take what it gets either.
    Backlog,
}

impl Reach {
    /// The most bytes that the server may hold for the connection.
    fn len(self) -> usize {
        // A message that is not whole lies in a buffer that doubles as it grows.
        let message = 2 * MAX_MESSAGE_LEN;
        1024 + match self {
            Self::Request => MAX_HEAD_LEN,
            Self::Short => SHORT_LEN,
            #[cfg(feature = "tls")]
            Self::Tls => SHORT_LEN + TLS_LEN,
            Self::Message | Self::Backlog => message,
            #[cfg(feature = "deflate")]
            Self::Deflated => message + WINDOW_LEN,
        }
    }

    fn may_wait(self) -> bool {
        match self {
            Self::Backlog => true,
            #[cfg(feature = "deflate")]
            Self::Deflated => true,
            _ => false,
        }
    }
}

/// A buffer for frames that are short.
const SHORT_LEN: usize = 16 << 10;
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
    let connections: Vec<_> = connections.collect();
    let own: usize = connections.iter().map(|reach| reach.len()).sum();
    let waiting = waiting(connections.into_iter().filter(|reach| reach.may_wait()).count());
    #[cfg(feature = "deflate")]
    let compressors = EVENT_LOOP_COUNT * DEDICATED_COUNT * (350 << 10);
    #[cfg(not(feature = "deflate"))]
    let compressors = 0;
    // A lane takes what a turn brings before it looks whether it is full.
    let lanes = handler_thread_count * (MAX_LANE_LEN + EVENT_LOOP_COUNT * (256 << 10));
    // A loop inflates, joins publications and keeps buffers for the next message.
    let buffers = EVENT_LOOP_COUNT * 8 * MAX_MESSAGE_LEN;
    let held = own + waiting + compressors + lanes + buffers;
    // What the allocator keeps of what it once gave out, at most a quarter.
    held + held / 4
}

/// What may wait for so many that take nothing: each has its limit, and all together have theirs, which is
/// looked at after a turn that may have brought each of them its share of echoes.
fn waiting(count: usize) -> usize {
    // While less than half of the limit waits, a message of any length is taken.
    let each = MAX_BACKPRESSURE.max(MAX_BACKPRESSURE / 2 + MAX_MESSAGE_LEN);
    let of_a_turn = MAX_BYTES_PER_TURN + MAX_MESSAGE_LEN;
    let waiting = (count * each).min(MAX_QUEUED_LEN + count * of_a_turn);
    // Each publication of 300 bytes that waits takes a place of 160.
    waiting + waiting / 2
}
