//! What can be configured, with defaults that suit a service on a network it half trusts.

use std::time::Duration;

use super::{Error, Result};
#[cfg(feature = "deflate")]
use crate::deflate::{Compression, CompressionMode, DedicatedCompression};
use crate::event_loop::{LoopConfig, MAX_SEND_LEN};
use crate::handshake::HeadLimits;
use crate::protocol::{KeepAlive, Limits};
use crate::pubsub::SlowConsumer;
use crate::transport::SocketOptions;

/// All settings of a server. Checked as a whole when it starts.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Config {
    /// Event-loop threads. Default: half the CPU's threads, at least 1. At most 1,024.
    pub event_loops: usize,
    /// Handler threads; 0 is inline mode. Default: half the CPU's threads, at least 1. At most
    /// 1,024.
    pub handler_threads: usize,
    /// Connections of the whole server. Beyond: HTTP status 503. Default: 100,000. At most 2^24.
    pub max_connections: usize,
    /// Limits of request heads. Beyond: HTTP status 414 or 431. Defaults: 16 KiB, 100 headers.
    pub head_limits: HeadLimits,
    /// Limits of messages. Beyond: close code 1009 or 1008. Defaults: 1 MiB, 65,536 fragments.
    pub limits: Limits,
    /// Whether and how messages are compressed, with clients that offer it (permessage-deflate, RFC
    /// 7692). Default: not. [`limits`](Self::limits) are those of messages as they are when inflated;
    /// inflating stops there.
    #[cfg(feature = "deflate")]
    pub compression: Compression,
    /// How long a connection may be silent. Defaults: a ping after 30 s, the end after 60 s.
    pub keep_alive: KeepAlive,
    /// How long a client may take for its request, from the connection or the last response on.
    /// Beyond: HTTP status 408. Default: 10 s.
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
    /// Bytes that may wait for one handler thread, shared by all loops. Beyond: the connections
    /// that feed it are not read until it has drained to half. Default: 4 MiB.
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
    /// Refuses what cannot work.
    ///
    /// # Errors
    ///
    /// [`Error::is_config`], with the name of the first wrong field and what to do about it.
    pub fn check(&self) -> Result<()> {
        in_range("event_loops", self.event_loops, 1, 1024)?;
        in_range("handler_threads", self.handler_threads, 0, 1024)?;
        in_range("max_connections", self.max_connections, 1, 1 << 24)?;
        in_range("head_limits.max_head_len", self.head_limits.max_head_len, 256, 1 << 20)?;
        in_range("head_limits.max_header_count", self.head_limits.max_header_count, 8, 4096)?;
        in_range("limits.max_message_len", self.limits.max_message_len, 1, 1 << 40)?;
        in_range("limits.max_frame_len", self.limits.max_frame_len, 1, 1 << 40)?;
        in_range("limits.max_fragment_count", self.limits.max_fragment_count as usize, 1, 1 << 32)?;
        #[cfg(feature = "deflate")]
        check_compression(&self.compression)?;
        in_range("max_backpressure", self.max_backpressure, 1, MAX_SEND_LEN)?;
        in_range("max_lane_len", self.max_lane_len, 4096, 1 << 40)?;
        in_range("read_buffer_len", self.read_buffer_len, self.head_limits.max_head_len, 1 << 30)?;
        in_range("max_bytes_per_turn", self.max_bytes_per_turn, 4096, 1 << 30)?;
        in_range("max_messages_per_turn", self.max_messages_per_turn as usize, 1, 1 << 30)?;
        let SlowConsumer { warn_len, lag_len, max_age, max_lag } = self.slow_consumer;
        in_range("slow_consumer.warn_len", warn_len, 0, MAX_SEND_LEN)?;
        in_range("slow_consumer.lag_len", lag_len, 0, MAX_SEND_LEN)?;
        lasting("slow_consumer.max_age", max_age)?;
        lasting("slow_consumer.max_lag", max_lag)?;
        lasting("handshake_timeout", Some(self.handshake_timeout))?;
        lasting("close_timeout", Some(self.close_timeout))?;
        lasting("keep_alive.ping_interval", self.keep_alive.ping_interval)?;
        lasting("keep_alive.idle_timeout", self.keep_alive.idle_timeout)?;
        match (self.keep_alive.ping_interval, self.keep_alive.idle_timeout) {
            (Some(ping), Some(idle)) if ping >= idle => Err(Error::config(
                "keep_alive.ping_interval",
                format!(
                    "{ping:?} is not shorter than `keep_alive.idle_timeout` ({idle:?}): every idle \
                     connection would be given up before its ping"
                ),
            )),
            _ => Ok(()),
        }
    }

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

#[cfg(feature = "deflate")]
fn check_compression(compression: &Compression) -> Result<()> {
    in_range("compression.level", usize::from(compression.level), 1, 9)?;
    let CompressionMode::Dedicated(dedicated) = compression.mode else { return Ok(()) };
    let DedicatedCompression { server_window_bits, client_window_bits, max_count } = dedicated;
    in_range("compression.mode.server_window_bits", usize::from(server_window_bits), 8, 15)?;
    in_range("compression.mode.client_window_bits", usize::from(client_window_bits), 8, 15)?;
    in_range("compression.mode.max_count", max_count, 1, 1 << 24)
}

fn in_range(field: &'static str, value: usize, min: usize, max: usize) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::config(field, format!("{value} is not within {min} to {max}")))
}

fn lasting(field: &'static str, duration: Option<Duration>) -> Result<()> {
    match duration {
        Some(duration) if duration.is_zero() => {
            Err(Error::config(field, "must be longer than zero"))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_in_order() {
        assert!(Config::default().check().is_ok());
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn what_is_wrong_with_compression_is_named() {
        let dedicated = |server_window_bits, client_window_bits, max_count| Compression {
            mode: CompressionMode::Dedicated(DedicatedCompression {
                server_window_bits,
                client_window_bits,
                max_count,
            }),
            ..Compression::shared()
        };
        let cases = [
            ("compression.level", Compression { level: 0, ..Compression::shared() }),
            ("compression.level", Compression { level: 10, ..Compression::off() }),
            ("compression.mode.server_window_bits", dedicated(7, 15, 1)),
            ("compression.mode.client_window_bits", dedicated(15, 16, 1)),
            ("compression.mode.max_count", dedicated(8, 8, 0)),
        ];
        for (field, compression) in cases {
            let error = Config { compression, ..Config::default() }.check().expect_err(field);
            assert_eq!(error.config_field(), Some(field));
        }
        for compression in [Compression::shared(), dedicated(8, 15, 1)] {
            assert!(Config { compression, ..Config::default() }.check().is_ok());
        }
    }

    #[test]
    fn what_is_wrong_is_named() {
        type Change = fn(&mut Config);
        let cases: [(&str, Change); 10] = [
            ("event_loops", |c| c.event_loops = 0),
            ("handler_threads", |c| c.handler_threads = 5000),
            ("max_connections", |c| c.max_connections = 0),
            ("limits.max_message_len", |c| c.limits.max_message_len = 0),
            ("max_backpressure", |c| c.max_backpressure = usize::MAX),
            ("read_buffer_len", |c| c.read_buffer_len = 1000),
            ("handshake_timeout", |c| c.handshake_timeout = Duration::ZERO),
            ("close_timeout", |c| c.close_timeout = Duration::ZERO),
            ("keep_alive.idle_timeout", |c| c.keep_alive.idle_timeout = Some(Duration::ZERO)),
            ("keep_alive.ping_interval", |c| {
                c.keep_alive.idle_timeout = Some(Duration::from_secs(30));
            }),
        ];
        for (field, change) in cases {
            let mut config = Config::default();
            change(&mut config);
            let error = config.check().expect_err(field);
            assert_eq!(error.config_field(), Some(field));
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}
