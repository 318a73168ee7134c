//! Which settings cannot work.

use std::time::Duration;

use super::{Config, Error, Result};
#[cfg(feature = "deflate")]
use crate::deflate::{Compression, CompressionMode, DedicatedCompression};
use crate::event_loop::{Limits, MAX_BURST, MAX_CONTROL_BURST, MAX_SEND_LEN, Rate};
use crate::handshake::{AllowedOrigins, HeadLimits};
use crate::protocol::KeepAlive;
use crate::pubsub::SlowConsumer;
use crate::transport::SocketOptions;

/// What the loops' clocks can tell from a time that has passed, and may be added to any.
const MAX_TIME: Duration = Duration::from_secs(86_400 * 90);

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
        let HeadLimits { max_head_len, max_header_count } = self.head_limits;
        in_range("head_limits.max_head_len", max_head_len, 256, 1 << 20)?;
        in_range("head_limits.max_header_count", max_header_count, 8, 4096)?;
        check_limits(&self.limits)?;
        if let Some(text) = self.allowed_origins.as_ref().and_then(AllowedOrigins::malformed) {
            return Err(Error::config("allowed_origins", format!("`{text}` is no origin")));
        }
        #[cfg(feature = "deflate")]
        check_compression(&self.compression)?;
        in_range("max_backpressure", self.max_backpressure, 1, MAX_SEND_LEN)?;
        in_range("max_lane_len", self.max_lane_len, 4096, 1 << 40)?;
        in_range("read_buffer_len", self.read_buffer_len, max_head_len, 1 << 30)?;
        in_range("max_bytes_per_turn", self.max_bytes_per_turn, 4096, 1 << 30)?;
        in_range("max_messages_per_turn", self.max_messages_per_turn as usize, 1, 1 << 30)?;
        check_slow_consumer(&self.slow_consumer)?;
        check_socket_options(&self.socket_options)?;
        lasting("handshake_timeout", Some(self.handshake_timeout))?;
        lasting("close_timeout", Some(self.close_timeout))?;
        check_keep_alive(&self.keep_alive)
    }
}

fn check_limits(limits: &Limits) -> Result<()> {
    in_range("limits.max_message_len", limits.max_message_len, 1, 1 << 40)?;
    in_range("limits.max_frame_len", limits.max_frame_len, 1, 1 << 40)?;
    in_range(
        "limits.max_fragment_count",
        limits.max_fragment_count as usize,
        1,
        u32::MAX as usize,
    )?;
    at_least_one("limits.max_connections_per_address", limits.max_connections_per_address)?;
    check_rate("limits.accept_rate", limits.accept_rate, 1, u32::MAX)?;
    check_rate("limits.message_rate", limits.message_rate, 2, MAX_BURST)?;
    check_rate("limits.byte_rate", limits.byte_rate, 2048, i32::MAX as u32)?;
    check_rate("limits.control_frame_rate", limits.control_frame_rate, 2, MAX_CONTROL_BURST)?;
    at_least_one("limits.max_subscriptions", limits.max_subscriptions)?;
    lasting("limits.max_excess_time", Some(limits.max_excess_time))?;
    at_least_one("limits.min_head_rate", limits.min_head_rate)?;
    lasting("limits.head_grace", Some(limits.head_grace))?;
    if let Some(len) = limits.max_queued_len {
        in_range("limits.max_queued_len", len, 64 << 10, 1 << 50)?;
    }
    if let Some(len) = limits.max_unfinished_len {
        let field = "limits.max_unfinished_len";
        in_range(field, len, 64 << 10, 1 << 50)?;
        if len < limits.max_message_len {
            return Err(Error::config(field, "is less than limits.max_message_len"));
        }
    }
    lasting("limits.write_timeout", limits.write_timeout)?;
    lasting("limits.max_lifetime", limits.max_lifetime)?;
    if limits.max_lifetime.is_some_and(|lifetime| limits.lifetime_jitter > lifetime) {
        return Err(Error::config("limits.lifetime_jitter", "is longer than the lifetime itself"));
    }
    Ok(())
}

/// Half of the least burst is the least rate.
fn check_rate(
    field: &'static str,
    rate: Option<Rate>,
    min_burst: u32,
    max_burst: u32,
) -> Result<()> {
    let Some(Rate { per_second, burst }) = rate else { return Ok(()) };
    let min_rate = min_burst.div_ceil(2);
    if per_second < min_rate {
        let message = format!("{per_second} a second are less than {min_rate}; `None` is no limit");
        return Err(Error::config(field, message));
    }
    if !(min_burst..=max_burst).contains(&burst) {
        let message = format!("a burst of {burst} is not within {min_burst} to {max_burst}");
        return Err(Error::config(field, message));
    }
    Ok(())
}

fn at_least_one(field: &'static str, count: Option<u32>) -> Result<()> {
    match count {
        Some(0) => Err(Error::config(field, "must be at least 1; `None` is no limit")),
        _ => Ok(()),
    }
}

fn check_slow_consumer(steps: &SlowConsumer) -> Result<()> {
    let SlowConsumer { warn_len, lag_len, max_age, max_lag } = *steps;
    in_range("slow_consumer.warn_len", warn_len, 0, MAX_SEND_LEN)?;
    in_range("slow_consumer.lag_len", lag_len, 0, MAX_SEND_LEN)?;
    lasting("slow_consumer.max_age", max_age)?;
    lasting("slow_consumer.max_lag", max_lag)
}

/// What the kernel would take for something else. Names of congestion control are its own to know.
fn check_socket_options(options: &SocketOptions) -> Result<()> {
    let SocketOptions { backlog, notsent_lowat, congestion: _ } = options;
    in_range("socket_options.backlog", *backlog as usize, 1, i32::MAX as usize)?;
    match notsent_lowat {
        Some(0) => {
            let message = "must be at least 1; `None` is the system's default";
            Err(Error::config("socket_options.notsent_lowat", message))
        }
        _ => Ok(()),
    }
}

fn check_keep_alive(keep_alive: &KeepAlive) -> Result<()> {
    let KeepAlive { ping_interval, idle_timeout } = *keep_alive;
    lasting("keep_alive.ping_interval", ping_interval)?;
    lasting("keep_alive.idle_timeout", idle_timeout)?;
    match (ping_interval, idle_timeout) {
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

#[cfg(feature = "deflate")]
fn check_compression(compression: &Compression) -> Result<()> {
    in_range("compression.level", usize::from(compression.level), 1, 9)?;
    let CompressionMode::Dedicated(dedicated) = compression.mode else { return Ok(()) };
    let DedicatedCompression { server_window_bits, client_window_bits, .. } = dedicated;
    in_range("compression.mode.server_window_bits", usize::from(server_window_bits), 8, 15)?;
    in_range("compression.mode.client_window_bits", usize::from(client_window_bits), 8, 15)?;
    in_range("compression.mode.max_count", dedicated.max_count, 1, 1 << 24)?;
    lasting("compression.mode.idle_after", Some(dedicated.idle_after))
}

fn in_range(field: &'static str, value: usize, min: usize, max: usize) -> Result<()> {
    if (min..=max).contains(&value) {
        return Ok(());
    }
    Err(Error::config(field, format!("{value} is not within {min} to {max}")))
}

/// `None` is no limit.
fn lasting(field: &'static str, time: Option<Duration>) -> Result<()> {
    match time {
        Some(time) if time.is_zero() || time > MAX_TIME => {
            let message = format!("{time:?} is not within 1 ns to {MAX_TIME:?}, which are 90 days");
            Err(Error::config(field, message))
        }
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::handshake::NoOrigin;

    #[test]
    fn the_defaults_are_in_order() {
        assert!(Config::default().check().is_ok());
        assert_eq!(Config::default().limits, Limits::internet());
        let trusted = Config { limits: Limits::trusted(), ..Config::default() };
        assert!(trusted.check().is_ok());
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn what_is_wrong_with_compression_is_named() {
        let dedicated = |server_window_bits, client_window_bits, max_count| Compression {
            mode: CompressionMode::Dedicated(DedicatedCompression {
                server_window_bits,
                client_window_bits,
                max_count,
                ..DedicatedCompression::default()
            }),
            ..Compression::shared()
        };
        let restless = DedicatedCompression { idle_after: Duration::ZERO, ..Default::default() };
        let restless = CompressionMode::Dedicated(restless);
        let tireless = DedicatedCompression { idle_after: TOO_LONG, ..Default::default() };
        let tireless = CompressionMode::Dedicated(tireless);
        let cases = [
            ("compression.level", Compression { level: 0, ..Compression::shared() }),
            ("compression.level", Compression { level: 10, ..Compression::off() }),
            ("compression.mode.server_window_bits", dedicated(7, 15, 1)),
            ("compression.mode.client_window_bits", dedicated(15, 16, 1)),
            ("compression.mode.max_count", dedicated(8, 8, 0)),
            ("compression.mode.max_count", dedicated(8, 8, (1 << 24) + 1)),
            ("compression.mode.server_window_bits", dedicated(16, 15, 1)),
            ("compression.mode.client_window_bits", dedicated(15, 7, 1)),
            (
                "compression.mode.idle_after",
                Compression { mode: restless, ..Compression::shared() },
            ),
            (
                "compression.mode.idle_after",
                Compression { mode: tireless, ..Compression::shared() },
            ),
        ];
        for (field, compression) in cases {
            let error = Config { compression, ..Config::default() }.check().expect_err(field);
            assert_eq!(error.config_field(), Some(field));
        }
        for compression in [Compression::shared(), dedicated(8, 15, 1)] {
            assert!(Config { compression, ..Config::default() }.check().is_ok());
        }
    }

    type Change = fn(&mut Config);

    const TOO_LONG: Duration = MAX_TIME.saturating_add(Duration::from_nanos(1));

    fn assert_wrong(field: &str, config: &Config) {
        let error = config.check().expect_err(field);
        assert_eq!(error.config_field(), Some(field));
        assert!(error.to_string().contains(field), "{error}");
    }

    /// Fields, something too small and something too large for each.
    #[test]
    fn what_is_too_small_or_too_large_is_named() {
        let cases: &[(&str, Change, Change)] = &[
            ("event_loops", |c| c.event_loops = 0, |c| c.event_loops = 1025),
            ("max_connections", |c| c.max_connections = 0, |c| c.max_connections = (1 << 24) + 1),
            (
                "head_limits.max_head_len",
                |c| c.head_limits.max_head_len = 255,
                |c| c.head_limits.max_head_len = (1 << 20) + 1,
            ),
            (
                "head_limits.max_header_count",
                |c| c.head_limits.max_header_count = 7,
                |c| c.head_limits.max_header_count = 4097,
            ),
            (
                "limits.max_message_len",
                |c| c.limits.max_message_len = 0,
                |c| c.limits.max_message_len = (1 << 40) + 1,
            ),
            (
                "limits.max_frame_len",
                |c| c.limits.max_frame_len = 0,
                |c| c.limits.max_frame_len = (1 << 40) + 1,
            ),
            (
                "limits.message_rate",
                |c| c.limits.message_rate = Some(Rate::new(1, 1)),
                |c| c.limits.message_rate = Some(Rate::new(1, MAX_BURST + 1)),
            ),
            (
                "limits.byte_rate",
                |c| c.limits.byte_rate = Some(Rate::new(1, 1 << 20)),
                |c| c.limits.byte_rate = Some(Rate::new(1 << 20, 1 << 31)),
            ),
            (
                "limits.control_frame_rate",
                |c| c.limits.control_frame_rate = Some(Rate::new(0, 2)),
                |c| c.limits.control_frame_rate = Some(Rate::new(1, MAX_CONTROL_BURST + 1)),
            ),
            (
                "limits.max_excess_time",
                |c| c.limits.max_excess_time = Duration::ZERO,
                |c| c.limits.max_excess_time = TOO_LONG,
            ),
            (
                "limits.head_grace",
                |c| c.limits.head_grace = Duration::ZERO,
                |c| c.limits.head_grace = Duration::MAX,
            ),
            (
                "limits.max_queued_len",
                |c| c.limits.max_queued_len = Some(1),
                |c| c.limits.max_queued_len = Some((1 << 50) + 1),
            ),
            (
                "limits.max_unfinished_len",
                |c| c.limits.max_unfinished_len = Some(1),
                |c| c.limits.max_unfinished_len = Some((1 << 50) + 1),
            ),
            (
                "limits.write_timeout",
                |c| c.limits.write_timeout = Some(Duration::ZERO),
                |c| c.limits.write_timeout = Some(TOO_LONG),
            ),
            (
                "limits.max_lifetime",
                |c| c.limits.max_lifetime = Some(Duration::ZERO),
                |c| c.limits.max_lifetime = Some(TOO_LONG),
            ),
            (
                "keep_alive.ping_interval",
                |c| c.keep_alive.ping_interval = Some(Duration::ZERO),
                |c| c.keep_alive.ping_interval = Some(TOO_LONG),
            ),
            (
                "keep_alive.idle_timeout",
                |c| c.keep_alive.idle_timeout = Some(Duration::ZERO),
                |c| c.keep_alive.idle_timeout = Some(TOO_LONG),
            ),
            (
                "handshake_timeout",
                |c| c.handshake_timeout = Duration::ZERO,
                |c| c.handshake_timeout = Duration::MAX,
            ),
            ("close_timeout", |c| c.close_timeout = Duration::ZERO, |c| c.close_timeout = TOO_LONG),
            (
                "max_backpressure",
                |c| c.max_backpressure = 0,
                |c| c.max_backpressure = MAX_SEND_LEN + 1,
            ),
            (
                "slow_consumer.max_age",
                |c| c.slow_consumer.max_age = Some(Duration::ZERO),
                |c| c.slow_consumer.max_age = Some(TOO_LONG),
            ),
            (
                "slow_consumer.max_lag",
                |c| c.slow_consumer.max_lag = Some(Duration::ZERO),
                |c| c.slow_consumer.max_lag = Some(TOO_LONG),
            ),
            ("max_lane_len", |c| c.max_lane_len = 4095, |c| c.max_lane_len = (1 << 40) + 1),
            (
                "read_buffer_len",
                |c| c.read_buffer_len = c.head_limits.max_head_len - 1,
                |c| c.read_buffer_len = (1 << 30) + 1,
            ),
            (
                "max_bytes_per_turn",
                |c| c.max_bytes_per_turn = 4095,
                |c| c.max_bytes_per_turn = (1 << 30) + 1,
            ),
            (
                "max_messages_per_turn",
                |c| c.max_messages_per_turn = 0,
                |c| c.max_messages_per_turn = (1 << 30) + 1,
            ),
            (
                "socket_options.backlog",
                |c| c.socket_options.backlog = 0,
                |c| c.socket_options.backlog = 1 << 31,
            ),
        ];
        for (field, too_small, too_large) in cases {
            for change in [too_small, too_large] {
                let mut config = Config::default();
                change(&mut config);
                assert_wrong(field, &config);
            }
        }
    }

    /// What cannot be too small, or not too large, and what does not go with something else.
    #[test]
    fn what_else_is_wrong_is_named() {
        let cases: &[(&str, Change)] = &[
            ("handler_threads", |c| c.handler_threads = 1025),
            ("limits.max_fragment_count", |c| c.limits.max_fragment_count = 0),
            ("limits.max_connections_per_address", |c| {
                c.limits.max_connections_per_address = Some(0);
            }),
            ("limits.accept_rate", |c| c.limits.accept_rate = Some(Rate::new(0, 1))),
            ("limits.accept_rate", |c| c.limits.accept_rate = Some(Rate::new(1, 0))),
            ("limits.max_subscriptions", |c| c.limits.max_subscriptions = Some(0)),
            ("limits.max_unfinished_len", |c| c.limits.max_unfinished_len = Some(1 << 19)),
            ("limits.min_head_rate", |c| c.limits.min_head_rate = Some(0)),
            ("limits.lifetime_jitter", |c| {
                c.limits.max_lifetime = Some(Duration::from_secs(60));
                c.limits.lifetime_jitter = Duration::from_secs(61);
            }),
            ("allowed_origins", |c| {
                let origins = AllowedOrigins::new(["example.com"], NoOrigin::Accepted);
                c.allowed_origins = Some(origins);
            }),
            ("slow_consumer.warn_len", |c| c.slow_consumer.warn_len = MAX_SEND_LEN + 1),
            ("slow_consumer.lag_len", |c| c.slow_consumer.lag_len = MAX_SEND_LEN + 1),
            ("keep_alive.ping_interval", |c| {
                c.keep_alive.idle_timeout = Some(Duration::from_secs(30));
            }),
            ("socket_options.notsent_lowat", |c| c.socket_options.notsent_lowat = Some(0)),
        ];
        for (field, change) in cases {
            let mut config = Config::default();
            change(&mut config);
            assert_wrong(field, &config);
        }
    }

    #[test]
    fn of_a_wrong_time_it_is_said_what_is_allowed() {
        let config = Config { handshake_timeout: TOO_LONG, ..Config::default() };
        let text = config.check().expect_err("too long").to_string();
        let allowed = "7776000.000000001s is not within 1 ns to 7776000s, which are 90 days";
        assert!(text.ends_with(allowed), "{text}");
    }
}
