//! Bytes that are no TLS, or no longer.

use std::io::Write;

use tickwire::rustls::{AlertDescription, Error};

use super::support::{Client, Mode, Plan, Proxy, Script, Socket, eventually, soon};
use super::with_closes;

/// What the server answers to these bytes, up to its end.
fn answer(server: &super::support::Running, bytes: &[u8]) -> Vec<u8> {
    let socket = Socket::connect_plain(&server.address(), None).expect("connect");
    socket.write_all(bytes).expect("send");
    let (mut answer, mut piece) = (Vec::new(), [0; 1024]);
    while let Ok(len @ 1..) = socket.read(&mut piece) {
        answer.extend_from_slice(&piece[..len]);
    }
    answer
}

#[test]
fn plain_http_gets_an_answer_that_says_what_is_wrong() {
    let server = Mode::Inline.start(Script::echo());
    let answer = answer(&server, b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n");
    let answer = String::from_utf8(answer).expect("text");
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("wss://"), "{answer}");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a body");
    assert!(head.contains(&format!("Content-Length: {}", body.len())), "{head}");
    eventually("it is counted", || server.handle().stats().total.tls_handshakes_failed == 1);
}

#[test]
fn garbage_gets_an_alert() {
    let server = Mode::Inline.start(Script::echo());
    let garbage: [&[u8]; 4] = [
        b"\x00\x01\x02\x03\x04\x05\x06\x07",
        // A handshake record without a ClientHello in it.
        &[22, 3, 1, 0, 4, 9, 0, 0, 0],
        // Application data before any handshake.
        &[23, 3, 3, 0, 3, 1, 2, 3],
        // A record that is longer than any.
        &[22, 3, 1, 0xff, 0xff, 1, 0, 0, 0],
    ];
    for (i, bytes) in garbage.into_iter().enumerate() {
        let answer = answer(&server, bytes);
        assert_eq!(answer.len(), 7, "an alert for {bytes:?}: {answer:?}");
        assert_eq!((answer[0], answer[5]), (21, 2), "a fatal one");
        eventually("it is counted", || {
            server.handle().stats().total.tls_handshakes_failed == i as u64 + 1
        });
    }
}

#[test]
fn a_damaged_record_ends_the_connection_by_an_alert() {
    let (script, closes) = with_closes(Script::echo());
    let server = Mode::Inline.start(script);
    let mut client = server.connect();
    client.send_text("good");
    client.expect_text("good");
    let mut damaged = vec![23, 3, 3, 0, 40];
    damaged.resize(5 + 40, 7);
    (&client.socket().as_tls().tcp).write_all(&damaged).expect("send");
    let closed = soon(&closes);
    assert!(closed.reason.contains("the TLS stream is broken"), "{closed:?}");
    let mut piece = [0; 16];
    let error = client.socket().read(&mut piece).expect_err("an alert");
    assert_eq!(super::error_of(&error), Error::AlertReceived(AlertDescription::BadRecordMac));
    eventually("it is counted", || server.handle().stats().total.tls_broken == 1);
}

#[test]
fn messages_before_a_damaged_record_are_handled() {
    let (texts, heard) = std::sync::mpsc::channel();
    let (script, closes) = with_closes(Script::new().on_text(move |_, text| {
        texts.send(text.to_owned()).expect("the test listens");
    }));
    let server = Mode::Inline.start(script);
    // Good records and a damaged one reach the server in one piece.
    let plan = Plan { delay: std::time::Duration::from_millis(50), ..Plan::default() };
    let client = Client::connect(Proxy::start(&server.address(), plan).address());
    client.send_text("a");
    client.send_text("b");
    let mut damaged = vec![23, 3, 3, 0, 17];
    damaged.resize(5 + 17, 9);
    (&client.socket().as_tls().tcp).write_all(&damaged).expect("send");
    assert!(soon(&closes).reason.contains("broken"));
    assert_eq!([soon(&heard), soon(&heard)], ["a", "b"]);
}
