//! Settings at the edge of what is allowed.

use std::time::Duration;

use tickwire::handshake::HeadLimits;
use tickwire::{AllowedOrigins, Config, Limits, NoOrigin, Rate, SlowConsumer};

use super::support::{Mode, Received, Running, Script, eventually, in_each_mode};

const LONGEST: Duration = Duration::from_secs(86_400 * 90);

/// Everything is as large as it may be but for the number of threads.
fn largest(mode: Mode) -> Config {
    let mut config = Config::default();
    config.event_loops = 2;
    config.handler_threads = if mode == Mode::Inline { 0 } else { 2 };
    config.max_connections = 1 << 24;
    config.head_limits = HeadLimits { max_head_len: 1 << 20, max_header_count: 4096 };
    config.allowed_origins = Some(AllowedOrigins::new(["https://example.com"], NoOrigin::Accepted));
    config.limits = Limits {
        max_message_len: 1 << 40,
        max_frame_len: 1 << 40,
        max_fragment_count: u32::MAX,
        max_connections_per_address: Some(u32::MAX),
        counts_loopback: true,
        accept_rate: Some(Rate::new(u32::MAX, u32::MAX)),
        message_rate: Some(Rate::new(u32::MAX, i32::MAX as u32 / 64)),
        byte_rate: Some(Rate::new(u32::MAX, i32::MAX as u32)),
        control_frame_rate: Some(Rate::new(u32::MAX, 2046)),
        max_subscriptions: Some(u32::MAX),
        max_excess_time: LONGEST,
        min_head_rate: Some(1),
        head_grace: LONGEST,
        max_queued_len: Some(1 << 50),
        max_unfinished_len: Some(1 << 50),
        write_timeout: Some(LONGEST),
        max_lifetime: Some(LONGEST),
        lifetime_jitter: LONGEST,
    };
    config.keep_alive.ping_interval = Some(LONGEST - Duration::from_nanos(1));
    config.keep_alive.idle_timeout = Some(LONGEST);
    config.handshake_timeout = LONGEST;
    config.close_timeout = LONGEST;
    config.max_backpressure = 1 << 30;
    config.slow_consumer = SlowConsumer {
        warn_len: 1 << 30,
        lag_len: 1 << 30,
        max_age: Some(LONGEST),
        max_lag: Some(LONGEST),
    };
    config.max_lane_len = 1 << 40;
    config.read_buffer_len = 1 << 30;
    config.max_bytes_per_turn = 1 << 30;
    config.max_messages_per_turn = 1 << 30;
    config.socket_options.backlog = i32::MAX as u32;
    config.socket_options.notsent_lowat = Some(u32::MAX);
    #[cfg(feature = "deflate")]
    {
        use tickwire::{Compression, CompressionMode, DedicatedCompression};
        let dedicated = DedicatedCompression {
            max_count: 1 << 24,
            idle_after: LONGEST,
            ..DedicatedCompression::default()
        };
        config.compression = Compression {
            mode: CompressionMode::Dedicated(dedicated),
            level: 9,
            min_len: usize::MAX,
        };
    }
    config
}

/// What is allowed at the start must not be too much for a loop later.
#[test]
fn a_server_with_the_largest_of_everything_serves_and_ends() {
    in_each_mode(|mode| {
        let builder = mode.builder().config(largest(mode));
        let server = Running::start(builder, Script::echo());
        let http = server.http();
        http.send("GET / HTTP/1.1\r\n");
        let mut client = server.connect();
        client.send_text("hello");
        client.expect_text("hello");
        client.ping(b"there?");
        client.expect(Received::Pong(b"there?".to_vec()));
        http.send("Host: h\r\n\r\n");
        assert_eq!(http.response().status, 404);
        drop(http);
        eventually("it is gone", || server.handle().stats().connections == 1);

        server.handle().shutdown_over(Duration::MAX, Duration::MAX);
        client.expect_close(1001);
        client.close(1001, "");
        client.expect_end();
        drop(client);
        server.join();
    });
}
