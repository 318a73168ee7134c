//! Which settings cannot work.

use std::time::Duration;

use super::{Config, Error, Result};
#[cfg(feature = "deflate")]
use crate::deflate::{Compression, CompressionMode, DedicatedCompression};
use crate::event_loop::{Limits, MAX_BURST, MAX_CONTROL_BURST, MAX_SEND_LEN, Rate};
use crate::handshake::AllowedOrigins;
use crate::pubsub::SlowConsumer;

/// What the loops' clocks can tell from a time that has passed.
const MAX_LIFETIME: Duration = Duration::from_secs(86_400 * 90);

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
        check_limits(&self.limits)?;
        if let Some(text) = self.allowed_origins.as_ref().and_then(AllowedOrigins::malformed) {
            return Err(Error::config("allowed_origins", format!("`{text}` is no origin")));
        }
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
}

fn check_limits(limits: &Limits) -> Result<()> {
    in_range("limits.max_message_len", limits.max_message_len, 1, 1 << 40)?;
    in_range("limits.max_frame_len", limits.max_frame_len, 1, 1 << 40)?;
    in_range("limits.max_fragment_count", limits.max_fragment_count as usize, 1, 1 << 32)?;
    at_least_one("limits.max_connections_per_address", limits.max_connections_per_address)?;
    check_rate("limits.accept_rate", limits.accept_rate, 1, u32::MAX)?;
    check_rate("limits.message_rate", limits.message_rate, 2, MAX_BURST)?;
    check_rate("limits.byte_rate", limits.byte_rate, 2048, i32::MAX as u32)?;
    check_rate("limits.control_frame_rate", limits.control_frame_rate, 2, MAX_CONTROL_BURST)?;
    at_least_one("limits.max_subscriptions", limits.max_subscriptions)?;
    lasting("limits.max_excess_time", Some(limits.max_excess_time))?;
    at_least_one("limits.min_head_rate", limits.min_head_rate)?;
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
    check_lifetime(limits)
}

fn check_lifetime(limits: &Limits) -> Result<()> {
    let Some(lifetime) = limits.max_lifetime else { return Ok(()) };
    if lifetime.is_zero() || lifetime > MAX_LIFETIME {
        let message = format!("{lifetime:?} is not within 1 ns to {MAX_LIFETIME:?}");
        return Err(Error::config("limits.max_lifetime", message));
    }
    if limits.lifetime_jitter > lifetime {
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
    use crate::handshake::NoOrigin;

    #[test]
    fn the_defaults_are_in_order() {
        assert!(Config::default().check().is_ok());
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
        let cases = [
            ("compression.level", Compression { level: 0, ..Compression::shared() }),
            ("compression.level", Compression { level: 10, ..Compression::off() }),
            ("compression.mode.server_window_bits", dedicated(7, 15, 1)),
            ("compression.mode.client_window_bits", dedicated(15, 16, 1)),
            ("compression.mode.max_count", dedicated(8, 8, 0)),
            (
                "compression.mode.idle_after",
                Compression { mode: restless, ..Compression::shared() },
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

    #[test]
    fn what_is_wrong_is_named() {
        type Change = fn(&mut Config);
        let cases: &[(&str, Change)] = &[
            ("event_loops", |c| c.event_loops = 0),
            ("handler_threads", |c| c.handler_threads = 5000),
            ("max_connections", |c| c.max_connections = 0),
            ("limits.max_message_len", |c| c.limits.max_message_len = 0),
            ("limits.max_connections_per_address", |c| {
                c.limits.max_connections_per_address = Some(0);
            }),
            ("limits.accept_rate", |c| c.limits.accept_rate = Some(Rate::new(0, 1))),
            ("limits.accept_rate", |c| c.limits.accept_rate = Some(Rate::new(1, 0))),
            ("limits.message_rate", |c| c.limits.message_rate = Some(Rate::new(1, 1))),
            ("limits.byte_rate", |c| c.limits.byte_rate = Some(Rate::new(1, 1 << 20))),
            ("limits.control_frame_rate", |c| {
                c.limits.control_frame_rate = Some(Rate::new(10, 5000));
            }),
            ("limits.max_excess_time", |c| c.limits.max_excess_time = Duration::ZERO),
            ("allowed_origins", |c| {
                let origins = AllowedOrigins::new(["example.com"], NoOrigin::Accepted);
                c.allowed_origins = Some(origins);
            }),
            ("limits.max_subscriptions", |c| c.limits.max_subscriptions = Some(0)),
            ("limits.max_queued_len", |c| c.limits.max_queued_len = Some(1)),
            ("limits.max_unfinished_len", |c| c.limits.max_unfinished_len = Some(1)),
            ("limits.max_unfinished_len", |c| c.limits.max_unfinished_len = Some(1 << 19)),
            ("limits.write_timeout", |c| c.limits.write_timeout = Some(Duration::ZERO)),
            ("limits.max_lifetime", |c| c.limits.max_lifetime = Some(Duration::MAX)),
            ("limits.lifetime_jitter", |c| {
                c.limits.max_lifetime = Some(Duration::from_secs(60));
                c.limits.lifetime_jitter = Duration::from_secs(61);
            }),
            ("limits.min_head_rate", |c| c.limits.min_head_rate = Some(0)),
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
            assert_eq!(error.config_field(), Some(*field));
            assert!(error.to_string().contains(field), "{error}");
        }
    }
}
