//! Bytes in both directions: split, large, held back.

use std::sync::mpsc::channel;
use std::time::Duration;

use tickwire::frame::{OpCode, encode_frame};

use super::builder;
use super::support::tls::{authority, server_tls};
use super::support::{
    Client, Mode, Plan, Proxy, Received, Running, Script, eventually, in_each_mode, soon,
};

fn filler(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 % 251) as u8).collect()
}

#[test]
fn a_stream_in_pieces_of_one_byte_is_the_same_stream() {
    let server = Mode::Inline.start(Script::echo());
    for piece_len in [1, 2, 7, 1000] {
        let plan = Plan { piece_len, ..Plan::default() };
        let mut client = Client::connect(Proxy::start(&server.address(), plan).address());
        for len in [0, 1, 125, 126, 3000] {
            client.send_binary(&filler(len));
            client.expect(Received::Binary(filler(len)));
        }
        client.leave();
    }
}

#[test]
fn large_messages_come_back_whole() {
    in_each_mode(|mode| {
        let limits = tickwire::Limits::for_messages_up_to(16 << 20);
        let builder = mode.builder().limits(limits).max_backpressure(64 << 20);
        let server = Running::start(builder, Script::echo());
        let mut client = server.connect();
        for len in [16_384, 16_385, 65_536, 80_000, 100_000, 1 << 20, 10_000_000] {
            let (writer, message) = (client.writer(), filler(len));
            std::thread::scope(|scope| {
                scope.spawn(|| writer.send_binary(&message));
                client.expect(Received::Binary(message.clone()));
            });
        }
        client.leave();
    });
}

#[test]
fn many_messages_in_few_records_and_one_message_in_many() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let mut client = server.connect();
        let texts: Vec<String> = (0..2000).map(|i| format!("message {i}")).collect();
        client.send_texts(texts.iter().map(String::as_str));
        for text in &texts {
            client.expect_text(text);
        }
        let mut frame = Vec::new();
        encode_frame(&mut frame, true, OpCode::Binary, Some([1, 2, 3, 4]), &filler(5000));
        for piece in frame.chunks(11) {
            client.send_raw(piece);
        }
        client.expect(Received::Binary(filler(5000)));
        client.leave();
    });
}

#[test]
fn a_slow_reader_gets_everything_and_the_server_holds_little() {
    in_each_mode(|mode| {
        const LEN: usize = 1000;
        const COUNT: usize = 20_000;
        let server = Running::start(mode.builder().max_backpressure(256 << 10), Script::echo());
        let mut client = server.dial().receive_len(16 << 10).connect();
        let (writer, message) = (client.writer(), filler(LEN));
        std::thread::scope(|scope| {
            scope.spawn(|| (0..COUNT).for_each(|_| writer.send_binary(&message)));
            std::thread::sleep(Duration::from_millis(200));
            for _ in 0..COUNT {
                client.expect(Received::Binary(message.clone()));
            }
        });
        let total = server.handle().stats().total;
        assert_eq!(total.sends_dropped, 0);
        client.leave();
    });
}

#[test]
fn keys_are_updated_by_either_side_in_the_middle_of_traffic() {
    let server = Mode::Inline.start(Script::echo());
    let mut client = server.connect();
    for round in 0..10 {
        client.socket().as_tls().session().refresh_traffic_keys().expect("TLS 1.3");
        let text = format!("round {round}");
        client.send_text(&text);
        client.expect_text(&text);
    }
    client.leave();
}

#[test]
fn publications_reach_subscribers_with_and_without_tls() {
    in_each_mode(|mode| {
        let script = Script::new().on_open(|ctx| {
            let topic = ctx.server().topic("t");
            ctx.subscribe(&topic);
        });
        let server = Running::start(mode.builder(), script);
        let mut clients: Vec<Client> = (0..5).map(|_| server.connect()).collect();
        let topic = server.handle().topic("t");
        eventually("all have subscribed", || topic.subscriber_count() == 5);
        for i in 0..500 {
            topic.publish(format!("{i} {}", "x".repeat(i)));
        }
        for client in &mut clients {
            for i in 0..500 {
                client.expect_text(&format!("{i} {}", "x".repeat(i)));
            }
        }
    });
}

#[test]
fn an_idle_client_is_pinged() {
    let builder = builder(server_tls())
        .ping_interval(Duration::from_millis(50))
        .idle_timeout(Duration::from_secs(20));
    let server = Running::start(builder, Script::echo());
    let mut client = server.dial().tls(std::sync::Arc::new(authority().client())).connect();
    for _ in 0..3 {
        assert!(matches!(client.recv(), Received::Ping(_)));
        client.pong(b"");
    }
    client.leave();
}

/// The socket has taken part of a record, and nothing is queued behind it.
#[test]
fn what_is_encrypted_and_not_taken_waits_too() {
    const LEN: usize = 8 << 10;
    in_each_mode(|mode| {
        let (ids, opened) = channel();
        let script =
            Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let server = mode.start(script);
        let mut client = server.dial().receive_len(16 << 10).connect();
        let id = soon(&opened);
        let total = || server.handle().stats().total;
        let mut count = 0;
        while server.handle().buffered_amount(id) == Some(0) {
            assert!(server.handle().send(id, filler(LEN)).is_accepted());
            count += 1;
            eventually("the loop has got it", || total().messages_sent == count);
        }
        // All of a message, with its header of 4 bytes, would be in the queue behind the stream.
        assert_ne!(server.handle().buffered_amount(id), Some(LEN + 4));
        for _ in 0..count {
            client.expect(Received::Binary(filler(LEN)));
        }
        eventually("nothing waits", || server.handle().buffered_amount(id) == Some(0));
        eventually("it is not counted any more", || total().bytes_queued == 0);
    });
}
