//! What may not take for ever: a request on its way, a reader that does not read, a connection's life.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};

use tickwire::{CloseCode, Limits, Outcome, SocketOptions};

use super::support::{
    Mode, Received, Running, Script, eventually, in_each_mode, in_each_mode_at_once, soon,
};
use super::with_closes;

const SHORT: Duration = Duration::from_millis(100);
const LONG: Duration = Duration::from_secs(3600);

#[test]
fn a_request_that_comes_too_slowly_is_answered_with_408() {
    in_each_mode(|mode| {
        let limits = Limits { min_head_rate: Some(1000), head_grace: SHORT, ..Limits::trusted() };
        let builder = mode.builder().limits(limits).handshake_timeout(LONG);
        let server = Running::start(builder, Script::new());
        let http = server.http();
        http.send("GET / HTTP/1.1\r\nHost: h\r\nX-Never-Ends: ");
        assert_eq!(http.response().status, 408);
        http.expect_gone();
        let total = || server.handle().stats().total;
        eventually("it is counted", || (total().slow_heads, total().timeouts) == (1, 0));
    });
}

/// The time before a request begins is not that of the request.
#[test]
fn a_connection_may_rest_between_requests() {
    in_each_mode_at_once(|mode| {
        let limits = Limits { min_head_rate: Some(1000), head_grace: SHORT, ..Limits::trusted() };
        let builder = mode.builder().limits(limits).handshake_timeout(LONG);
        let server = Running::start(builder, Script::new());
        let http = server.http();
        for _ in 0..2 {
            std::thread::sleep(3 * SHORT);
            http.get("/");
            assert_eq!(http.response().status, 404);
        }
        assert_eq!(server.handle().stats().total.slow_heads, 0);
    });
}

/// It goes on talking, so it is not silent.
#[test]
fn who_takes_nothing_is_given_up() {
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let (script, closes) = with_closes(Script::new());
        let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let limits = Limits { write_timeout: Some(3 * SHORT), ..Limits::trusted() };
        let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
        let builder = mode.builder().limits(limits).socket_options(socket_options);
        let server = Running::start(builder.max_backpressure(64 << 20), script);
        let client = server.dial().receive_len(16 << 10).connect();
        let id = soon(&opened);
        let mut sent = Outcome::Sent;
        while sent == Outcome::Sent {
            sent = server.handle().send(id, vec![0; 64 << 10]);
        }
        assert_eq!(sent, Outcome::Queued);
        let total = || server.handle().stats().total;
        eventually("it is given up", || {
            let _ = client.try_send_raw(b"\x82\x80\0\0\0\0");
            std::thread::sleep(SHORT / 10);
            total().write_timeouts == 1
        });
        let closed = soon(&closes);
        assert_eq!((closed.code, closed.was_clean), (CloseCode::ABNORMAL, false));
        assert_eq!(closed.reason, "the peer takes nothing of what is sent");
    });
}

/// As little as its socket does not take, all of it within the stream where that encrypts.
#[test]
fn a_little_that_nobody_takes_is_counted_and_timed() {
    const LEN: usize = 8 << 10;
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let (script, closes) = with_closes(Script::new());
        let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let limits = Limits { write_timeout: Some(3 * SHORT), ..Limits::trusted() };
        let server = Running::start(mode.builder().limits(limits), script);
        let client = server.dial().receive_len(16 << 10).connect();
        let id = soon(&opened);
        let total = || server.handle().stats().total;
        for count in 1.. {
            assert!(server.handle().send(id, vec![0; LEN]).is_accepted());
            eventually("the loop has got it", || total().messages_sent == count);
            if server.handle().buffered_amount(id) > Some(0) {
                break;
            }
        }
        let waits = total().bytes_queued;
        assert!((1..2 * LEN as u64).contains(&waits), "{waits} bytes wait");
        assert_eq!(server.handle().send(id, "behind it"), Outcome::Queued);
        eventually("it is given up", || {
            let _ = client.try_send_raw(b"\x82\x80\0\0\0\0");
            std::thread::sleep(SHORT / 10);
            total().write_timeouts == 1
        });
        assert_eq!(soon(&closes).reason, "the peer takes nothing of what is sent");
        eventually("nothing waits any more", || total().bytes_queued == 0);
    });
}

/// It takes a little at a time, and far longer than the limit for all of it. Over TLS it is for a long time
/// only what has been encrypted already that moves. Once it takes nothing it is given up nevertheless.
#[test]
fn who_reads_slowly_is_let_be_for_as_long_as_it_does() {
    const TIMEOUT: Duration = Duration::from_millis(400);
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let (script, closes) = with_closes(Script::new());
        let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let limits = Limits { write_timeout: Some(TIMEOUT), ..Limits::trusted() };
        let socket_options = SocketOptions { notsent_lowat: Some(4 << 10), ..Default::default() };
        let builder = mode.builder().limits(limits).socket_options(socket_options);
        let server = Running::start(builder.max_backpressure(64 << 20), script);
        let client = server.dial().receive_len(4 << 10).connect();
        let id = soon(&opened);
        assert_eq!(server.handle().send(id, vec![0; 4 << 20]), Outcome::Sent);
        let begin = Instant::now();
        let mut piece = [0; 1024];
        while begin.elapsed() < 3 * TIMEOUT {
            assert!(client.socket().read(&mut piece).expect("more of it") > 0);
            std::thread::sleep(TIMEOUT / 40);
        }
        assert_eq!(server.handle().stats().total.write_timeouts, 0);
        assert!(server.handle().buffered_amount(id) > Some(0), "there is more");
        let closed = soon(&closes);
        assert_eq!(closed.reason, "the peer takes nothing of what is sent");
        eventually("it is counted", || server.handle().stats().total.write_timeouts == 1);
    });
}

#[test]
fn a_connection_that_has_lived_for_long_enough_is_closed_with_1001() {
    in_each_mode_at_once(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let limits =
            Limits { max_lifetime: Some(3 * SHORT), lifetime_jitter: SHORT, ..Limits::trusted() };
        let server = Running::start(mode.builder().limits(limits), script);
        let mut client = server.connect();
        let end = loop {
            client.send_text("alive");
            match client.recv() {
                Received::Text(_) => std::thread::sleep(SHORT / 10),
                end => break end,
            }
        };
        assert_eq!(end, Received::Close(1001, "the connection has lived for long enough".into()));
        client.close(1001, "");
        let closed = soon(&closes);
        assert_eq!((closed.code, closed.was_clean), (CloseCode::GOING_AWAY, true));
        assert_eq!(server.handle().stats().total.lifetimes_ended, 1);
    });
}

#[test]
fn what_callbacks_still_send_goes_before_the_end_of_a_life() {
    in_each_mode_at_once(|mode| {
        let script = Script::new().on_text(|ctx, text| {
            std::thread::sleep(5 * SHORT);
            ctx.send(text);
        });
        let limits = Limits {
            max_lifetime: Some(3 * SHORT),
            lifetime_jitter: Duration::ZERO,
            ..Limits::trusted()
        };
        let server = Running::start(mode.builder().limits(limits), script);
        let mut client = server.connect();
        client.send_text("hello");
        client.expect_text("hello");
        client.expect_close(1001);
    });
}

#[test]
fn a_connection_of_http_requests_ends_behind_a_response_when_it_has_lived_for_long_enough() {
    in_each_mode_at_once(|mode| {
        let limits =
            Limits { max_lifetime: Some(3 * SHORT), lifetime_jitter: SHORT, ..Limits::trusted() };
        let server = Running::start(mode.builder().limits(limits), Script::echo());
        let http = server.http();
        let last = loop {
            http.get("/");
            let response = http.response();
            if response.header("connection") == Some("close") {
                break response;
            }
            std::thread::sleep(SHORT / 10);
        };
        assert_eq!(last.status, 404);
        http.expect_end();
        eventually("it is counted", || server.handle().stats().total.lifetimes_ended == 1);
        // An upgrade is a beginning.
        let http = server.http();
        http.get("/");
        assert_eq!(http.response().status, 404);
        std::thread::sleep(5 * SHORT);
        http.send(UPGRADE);
        assert_eq!(http.head().status, 101);
        std::thread::sleep(SHORT);
        http.send(b"\x81\x82\0\0\0\0hi");
        assert_eq!(http.bytes(4), b"\x81\x02hi");
    });
}

const UPGRADE: &str = "GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// While nothing was read of it for its answers' sake there was no deadline: behind that there is one again.
#[test]
fn who_falls_silent_behind_answers_that_it_did_not_take_is_given_up() {
    let (release, gate) = channel::<()>();
    let gate = Mutex::new(gate);
    let script = Script::new().on_text(move |ctx, text| match text {
        "dump" => drop(ctx.send("x".repeat(400 << 10))),
        "block" => gate.lock().expect("a gate").recv().expect("the test lets go"),
        text => drop(ctx.send(text)),
    });
    let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
    let builder = Mode::Threads.builder().socket_options(socket_options).limits(Limits::trusted());
    let builder = builder.ping_interval(Some(2 * SHORT)).idle_timeout(4 * SHORT);
    let server = Running::start(builder.max_backpressure(512 << 10), script);
    let mut client = server.dial().receive_len(16 << 10).connect();
    let waiting = || server.handle().stats().total.bytes_queued;
    client.send_texts(["dump", "block"]);
    eventually("it does not take its answer", || waiting() > 256 << 10);
    client.send_text("x");
    std::thread::sleep(5 * SHORT);
    client.expect_text(&"x".repeat(400 << 10));
    eventually("it has taken all", || waiting() == 0);
    release.send(()).expect("a callback waits");
    client.expect_text("x");
    eventually("it is given up", || server.handle().stats().connections == 0);
}
