//! Ends of streams: announced by `close_notify`, or cut off.

use std::net::Shutdown;

use tickwire::{CloseCode, Closed};

use super::support::tls::{client_config, server_tls};
use super::support::{
    Client, Mode, Plan, Proxy, Received, Running, Script, Socket, eventually, in_each_mode, soon,
};
use super::{builder, with_closes};

/// The socket below TLS ends; TLS does not.
fn hang_up(client: &Client) {
    client.socket().as_tls().tcp.shutdown(Shutdown::Write).expect("shut the write side down");
}

#[test]
fn the_server_says_goodbye_behind_its_last_byte() {
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, _| {
            ctx.send("x".repeat(200_000));
            ctx.close(CloseCode::NORMAL, "");
        });
        let server = mode.start(script);
        let mut client = server.connect();
        client.send_text("go on");
        client.expect_text(&"x".repeat(200_000));
        client.expect_close(1000);
        client.close(1000, "");
        // Not a reset, and not an end that somebody else may have made.
        client.expect_end();
    });
}

#[test]
fn a_response_that_is_the_last_ends_with_a_goodbye() {
    let server = Mode::Inline.start(Script::echo());
    let http = server.http();
    http.send("GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n");
    assert_eq!(http.response().status, 404);
    http.expect_end();
}

#[test]
fn the_client_s_goodbye_alone_ends_the_stream() {
    let (script, closes) = with_closes(Script::echo());
    let server = Mode::Inline.start(script);
    let mut client = server.connect();
    // In one segment or not: what comes before it is handled, and answered, first.
    client.send_text("last words");
    client.socket().as_tls().say_goodbye().expect("close_notify");
    client.expect_text("last words");
    client.expect_end();
    assert_eq!(soon(&closes), lost("the connection was lost"));
    assert_eq!(server.handle().stats().total.tls_truncated, 0);
}

#[test]
fn a_goodbye_in_the_same_segment_as_the_last_messages_is_met() {
    let (script, closes) = with_closes(Script::echo());
    let server = Mode::Inline.start(script);
    // All that is sent within the delay goes on as one piece.
    let plan = Plan { delay: std::time::Duration::from_millis(50), ..Plan::default() };
    let mut client = Client::connect(Proxy::start(&server.address(), plan).address());
    for i in 0..10 {
        client.send_text(&format!("{i}"));
    }
    client.socket().as_tls().say_goodbye().expect("close_notify");
    for i in 0..10 {
        client.expect_text(&format!("{i}"));
    }
    assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
}

#[test]
fn a_stream_that_is_cut_off_is_told_from_one_that_ends() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let server = mode.start(script);
        let mut client = server.connect();
        client.send_text("hello");
        client.expect_text("hello");
        hang_up(&client);
        assert_eq!(
            soon(&closes),
            lost("the TLS stream was cut off: it ended without a close_notify")
        );
        eventually("it is counted", || server.handle().stats().total.tls_truncated == 1);
    });
}

#[test]
fn whoever_has_closed_by_a_close_frame_may_omit_the_goodbye() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let server = mode.start(script);
        let mut client = server.connect();
        client.close(1000, "done");
        hang_up(&client);
        assert_eq!(client.expect_close(1000), "");
        client.expect_end();
        assert!(soon(&closes).was_clean);
        eventually("it is let go", || server.handle().stats().connections == 0);
        assert_eq!(server.handle().stats().total.tls_truncated, 0);
    });
}

#[test]
fn a_shutdown_closes_and_says_goodbye() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let mut client = server.connect();
        let idle = server.http();
        server.handle().shutdown(std::time::Duration::from_secs(10));
        client.expect_close(1001);
        client.close(1001, "");
        client.expect_end();
        idle.expect_end();
        // For their own goodbye they would have time.
        drop((client, idle));
        server.join();
    });
}

#[test]
fn who_is_turned_away_is_told_by_an_alert() {
    let server = Running::start(builder(server_tls()).max_connections(1), Script::echo());
    let _one = server.connect();
    let socket = Socket::connect_plain(&server.address(), None).expect("connect");
    let error = socket.with_tls(client_config(), "test.example").expect_err("no room");
    // The alert, or the reset behind it.
    assert!(error.to_string().contains("InternalError") || error.raw_os_error().is_some());
    eventually("it is counted", || server.handle().stats().total.over_capacity == 1);
}

#[test]
fn half_a_record_and_then_nothing_is_cut_off() {
    let (script, closes) = with_closes(Script::echo());
    let server = Mode::Inline.start(script);
    let mut client = server.connect();
    client.send_text("whole");
    client.expect_text("whole");
    let tls = client.socket().as_tls();
    std::io::Write::write_all(&mut &tls.tcp, &[23, 3, 3, 0, 100, 1, 2, 3]).expect("send");
    hang_up(&client);
    assert!(soon(&closes).reason.contains("cut off"));
    assert_eq!(client.recv_to_end(), [] as [Received; 0]);
}

fn lost(reason: &str) -> Closed {
    Closed { code: CloseCode::ABNORMAL, reason: reason.to_owned(), was_clean: false }
}
