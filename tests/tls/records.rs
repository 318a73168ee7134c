//! Records that bring little or nothing: they are work nevertheless.

use std::io::Write;
use std::time::Duration;

use tickwire::frame::{OpCode, encode_frame};
use tickwire::{Limits, Rate};

use super::support::{Client, Received, Running, Script, eventually, in_each_mode};

/// Bytes of one frame, each in a record of its own.
fn in_records_of_a_byte(client: &Client, frame: &[u8]) -> Vec<u8> {
    let mut sealed = Vec::new();
    let mut session = client.socket().as_tls().session();
    for byte in frame.chunks(1) {
        session.writer().write_all(byte).expect("room");
        session.write_tls(&mut sealed).expect("memory");
    }
    sealed
}

/// More records than are opened in one read, and nothing behind them that would announce the rest.
#[test]
fn a_message_of_which_every_byte_is_a_record_comes_whole() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let mut client = server.connect();
        for len in [511, 512, 5000, 20_000] {
            let message = vec![b'x'; len];
            let mut frame = Vec::new();
            encode_frame(&mut frame, true, OpCode::Binary, Some([1, 2, 3, 4]), &message);
            let sealed = in_records_of_a_byte(&client, &frame);
            (&client.socket().as_tls().tcp).write_all(&sealed).expect("send");
            client.expect(Received::Binary(message));
        }
        client.leave();
    });
}

/// As many updates of keys as a byte excuses, again and again: next to no bytes, and much work.
#[test]
fn who_does_nothing_but_update_keys_is_closed_with_1008() {
    in_each_mode(|mode| {
        let limits = Limits {
            byte_rate: Some(Rate::new(64 << 10, 128 << 10)),
            max_excess_time: Duration::from_millis(100),
            ..Limits::trusted()
        };
        let server = Running::start(mode.builder().limits(limits), Script::echo());
        let mut client = server.connect();
        // A message of which no more than its head comes in time.
        let mut head = Vec::new();
        encode_frame(&mut head, true, OpCode::Binary, Some([0; 4]), &[0; 60_000]);
        let mut bytes = head.chunks(1);
        let received = loop {
            let mut sealed = Vec::new();
            let mut session = client.socket().as_tls().session();
            for _ in 0..20 {
                for _ in 0..31 {
                    session.refresh_traffic_keys().expect("TLS 1.3");
                }
                let byte = bytes.next().expect("it is closed before the message ends");
                session.writer().write_all(byte).expect("room");
                session.write_tls(&mut sealed).expect("memory");
            }
            drop(session);
            // Nothing is taken any more, or not all of it in time.
            let _ = (&client.socket().as_tls().tcp).write_all(&sealed);
            if let Some(received) = client.recv_within(Duration::from_millis(1)) {
                break received;
            }
        };
        assert!(matches!(received, Received::Close(1008, _)), "{received:?}");
        eventually("it is counted", || server.handle().stats().total.byte_floods == 1);
        assert!(server.handle().stats().total.bytes_received < 60_000);
    });
}
