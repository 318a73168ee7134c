//! Peers that break the protocol or a limit (RFC 6455 §7.1.7): the close frame says why, and comes
//! before the end of the stream.

use tickwire::{CloseCode, Counters, Limits};

use super::support::{Running, Script, eventually, in_each_mode, soon};
use super::with_closes;

const LIMITS: Limits =
    Limits { max_fragment_count: 3, ..Limits::trusted().with_messages_up_to(1000) };

/// Frames masked with zeros, so that payloads can be read.
const CASES: [(&str, u16, &[u8]); 10] = [
    ("an unmasked frame", 1002, b"\x81\x01x"),
    ("a reserved bit", 1002, b"\xc1\x81\0\0\0\0x"),
    ("a reserved opcode", 1002, b"\x83\x81\0\0\0\0x"),
    ("a fragmented ping", 1002, b"\x09\x80\0\0\0\0"),
    ("a continuation of nothing", 1002, b"\x80\x81\0\0\0\0x"),
    ("a close frame of one byte", 1002, b"\x88\x81\0\0\0\0x"),
    ("a close code that must not be sent", 1002, b"\x88\x82\0\0\0\0\x03\xee"),
    ("text that is not UTF-8", 1007, b"\x81\x82\0\0\0\0\xc0\xaf"),
    ("a frame that is too big", 1009, b"\x82\xfe\x03\xe9\0\0\0\0"),
    (
        "too many fragments",
        1008,
        b"\x01\x80\0\0\0\0\x00\x80\0\0\0\0\x00\x80\0\0\0\0\x00\x80\0\0\0\0",
    ),
];

#[test]
fn each_is_told_why_and_loses_its_connection_alone() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let server = Running::start(mode.builder().limits(LIMITS), script);
        let mut bystander = server.connect();
        for (what, code, bytes) in CASES {
            let mut client = server.connect();
            client.send_text("in order");
            client.expect_text("in order");
            client.send_raw(bytes);
            let reason = client.expect_close(code);
            assert!(!reason.is_empty(), "{what} is not explained");
            client.expect_end();
            let closed = soon(&closes);
            assert_eq!((closed.code, closed.was_clean), (code.into(), false), "{what}");
            assert_eq!(closed.reason, reason);
        }
        bystander.send_text("still here");
        bystander.expect_text("still here");
        let total = || server.handle().stats().total;
        eventually("all is counted", || total().protocol_errors == CASES.len() as u64);
        let Counters { messages_too_long, fragment_floods, heads_too_long, .. } = total();
        assert_eq!((messages_too_long, fragment_floods, heads_too_long), (1, 1, 0));
        bystander.leave();
        soon(&closes);
        drop(server);
        assert_eq!(closes.iter().count(), 0);
    });
}

/// What a client still sends must not reset the connection under the close frame.
#[test]
fn the_close_frame_arrives_though_the_client_goes_on_sending() {
    in_each_mode(|mode| {
        let (script, closes) = with_closes(Script::new());
        let server = Running::start(mode.builder().limits(LIMITS), script);
        let mut client = server.connect();
        let mut flood = b"\x82\xfe\xff\xff\0\0\0\0".to_vec();
        flood.resize(300_000, 0);
        client.send_raw(&flood);
        client.expect_close(1009);
        client.expect_end();
        assert_eq!(soon(&closes).code, CloseCode::MESSAGE_TOO_BIG);
    });
}

#[test]
fn a_message_before_the_error_is_still_handled() {
    in_each_mode(|mode| {
        let server = Running::start(mode.builder().limits(LIMITS), Script::echo());
        let mut client = server.connect();
        client.send_raw(b"\x81\x81\0\0\0\0a\x81\x81\0\0\0\0b\xff\xff");
        client.expect_text("a");
        client.expect_text("b");
        client.expect_close(1002);
        client.expect_end();
        drop(client);
        eventually("the connection is let go", || server.handle().stats().connections == 0);
    });
}
