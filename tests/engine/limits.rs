//! What a client may not do for too long, too much or too often, while it is not breaking the
//! protocol.

use std::time::Duration;

use tickwire::handshake::HeadLimits;
use tickwire::{CloseCode, Limits, SubscribeOptions};

use super::support::{
    Client, Received, Running, Script, eventually, in_each_mode, in_each_mode_at_once, is_over_tls,
    soon,
};
use super::with_closes;

const SHORT: Duration = Duration::from_millis(100);

#[test]
fn a_slow_handshake_is_answered_with_408() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().handshake_timeout(SHORT), Script::new());
        let http = server.http();
        http.send("GET / HTTP/1.1\r\nHost: h\r\nX-Never-Ends: ");
        let response = http.response();
        assert_eq!((response.status, response.header("connection")), (408, Some("close")));
        http.expect_gone();
        let stats = || server.handle().stats();
        eventually("it is let go", || stats().connections == 0 && stats().total.timeouts == 1);
        assert_eq!(stats().total.handshake_timeouts, 1);
    });
}

#[test]
fn a_handshake_does_not_become_faster_by_trickling() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().handshake_timeout(SHORT), Script::new());
        let http = server.http();
        http.send("GET / HTTP/1.1\r\nHost: h\r\n");
        let socket = http.into_socket();
        eventually("the server gives up", || {
            std::thread::sleep(Duration::from_millis(20));
            let _ = socket.write(b"X: y\r\n");
            server.handle().stats().total.timeouts == 1
        });
    });
}

#[test]
fn a_connection_without_a_request_is_closed_without_a_word() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().handshake_timeout(5 * SHORT), Script::new());
        let silent = server.http();
        let served = server.http();
        served.get("/");
        served.response();
        silent.expect_end();
        served.expect_end();
        let total = || server.handle().stats().total;
        eventually("they are counted", || (total().timeouts, total().handshake_timeouts) == (2, 2));
    });
}

#[test]
fn a_head_that_is_too_large_is_refused_while_it_arrives() {
    in_each_mode(|mode| {
        let limits = HeadLimits { max_head_len: 1024, max_header_count: 10 };
        let server = Running::start(mode.builder().head_limits(limits), Script::new());
        let long_line = format!("GET /{} HTTP/1.1\r\n", "x".repeat(2000));
        let long_header = format!("GET / HTTP/1.1\r\nHost: h\r\nX: {}", "x".repeat(2000));
        let many_headers = format!("GET / HTTP/1.1\r\nHost: h\r\n{}", "X: y\r\n".repeat(20));
        for (head, status) in [(long_line, 414), (long_header, 431), (many_headers, 431)] {
            let http = server.http();
            http.send(head);
            let response = http.response();
            assert_eq!((response.status, response.header("connection")), (status, Some("close")));
            http.expect_end();
        }
        let total = || server.handle().stats().total;
        eventually("all are counted", || {
            (total().protocol_errors, total().heads_too_long) == (3, 3)
        });
    });
}

#[test]
fn a_silent_client_is_pinged_and_one_that_answers_stays() {
    in_each_mode_at_once(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let builder = mode.builder().ping_interval(SHORT).idle_timeout(10 * SHORT);
        let server = Running::start(builder, script);
        let mut client = server.connect();
        let mut silent = server.connect();
        // Twice as long as anybody may be silent.
        for _ in 0..20 {
            client.expect(Received::Ping(Vec::new()));
            client.pong(b"");
        }
        let end = soon(&closes);
        assert_eq!((end.code, end.was_clean), (CloseCode::ABNORMAL, false), "{end:?}");
        assert_eq!(silent.recv_to_end(), [Received::Ping(Vec::new())], "one ping in one silence");
        client.send_text("still here");
        while client.recv() != Received::text("still here") {}
        let total = || server.handle().stats().total;
        eventually("it is counted", || (total().timeouts, total().idle_timeouts) == (1, 1));
    });
}

/// A ping is due in every silence, also where nobody is given up.
#[test]
fn pings_do_not_end_with_the_first_answer() {
    in_each_mode_at_once(|mode| {
        let builder = mode.builder().ping_interval(SHORT / 2).idle_timeout(None);
        let server = Running::start(builder, Script::new());
        let mut client = server.connect();
        for _ in 0..5 {
            client.expect(Received::Ping(Vec::new()));
            client.pong(b"");
        }
        client.leave();
    });
}

/// Whenever a ping is sent, there is time for its answer: the whole idle timeout but for the silence
/// before the ping.
#[test]
fn every_ping_leaves_time_for_an_answer() {
    const IDLE: Duration = Duration::from_secs(2);
    in_each_mode_at_once(|mode| {
        let builder = mode.builder().ping_interval(SHORT).idle_timeout(IDLE);
        let server = Running::start(builder, Script::echo());
        let mut client = server.connect();
        client.expect(Received::Ping(Vec::new()));
        client.pong(b"");
        client.expect(Received::Ping(Vec::new()));
        // Longer than the silence that makes a ping, shorter than the one that ends a connection.
        std::thread::sleep(IDLE / 2);
        client.send_text("late");
        client.expect_text("late");
        client.leave();
    });
}

#[test]
fn without_pings_only_silence_ends_a_connection() {
    in_each_mode_at_once(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let builder = mode.builder().ping_interval(None).idle_timeout(10 * SHORT);
        let server = Running::start(builder, script);
        let mut talker = server.connect();
        let mut silent = server.connect();
        for _ in 0..20 {
            std::thread::sleep(SHORT);
            talker.send_text("word");
            talker.expect_text("word");
        }
        assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
        assert_eq!(silent.recv_to_end(), []);
        talker.leave();
    });
}

#[test]
fn connections_beyond_the_limit_get_503_until_others_leave() {
    if is_over_tls() {
        // They do not even get a handshake.
        return;
    }
    in_each_mode(|mode| {
        let builder = mode.builder().event_loops(2).max_connections(3);
        let server = Running::start(builder, Script::echo());
        let mut clients: Vec<_> = (0..3).map(|_| server.connect()).collect();
        for _ in 0..5 {
            let response = server.dial().refused();
            assert_eq!(response.status, 503);
            assert!(response.header("retry-after").is_some());
        }
        for client in &mut clients {
            client.send_text("not disturbed");
            client.expect_text("not disturbed");
        }
        clients.pop().expect("a client").leave();
        eventually("there is room again", || server.handle().stats().connections == 2);
        server.connect().leave();
        eventually("it is counted", || server.handle().stats().total.over_capacity == 5);
    });
}

/// Prefixes count as topics do, and once more for each topic that begins so; what is subscribed to already
/// does not.
#[test]
fn a_subscription_too_many_is_answered_with_1008() {
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, name| {
            match name.strip_suffix('*') {
                Some(prefix) => {
                    ctx.subscribe_prefix(prefix, SubscribeOptions::default());
                }
                None => {
                    let topic = ctx.server().topic(name);
                    ctx.subscribe(&topic);
                }
            }
            ctx.send("done");
        });
        let limits = Limits { max_subscriptions: Some(3), ..Limits::trusted() };
        let server = Running::start(mode.builder().limits(limits), script);
        let ask = |client: &mut Client, names: &[&str]| {
            for name in names {
                client.send_text(name);
                client.expect_text("done");
            }
        };
        let [mut by_topic, mut by_prefix, mut modest] = [(); 3].map(|()| server.connect());
        ask(&mut by_topic, &["a", "b", "c", "a"]);
        ask(&mut modest, &["a", "b", "c"]);
        ask(&mut by_prefix, &["x/*", "y/*", "x/*", "z"]);
        by_topic.send_text("d");
        by_prefix.send_text("w/*");
        for client in [&mut by_topic, &mut by_prefix] {
            let end = [client.recv(), client.recv()];
            let closed = Received::Close(1008, "too many subscriptions".into());
            assert!(end.contains(&closed), "{end:?}");
        }
        let floods = || server.handle().stats().total.subscription_floods;
        eventually("both are counted", || floods() == 2);
        server.handle().topic("a").publish("still here");
        modest.expect_text("still here");
        eventually("one is left", || server.handle().topic("a").subscriber_count() == 1);
    });
}
