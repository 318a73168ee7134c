//! permessage-deflate: negotiated, sent, published and received.

use std::time::Duration;

use tickwire::deflate::{Params, WindowBits};
use tickwire::frame::{OpCode, encode_compressed_frame};
use tickwire::handshake::ExtensionOffer;
use tickwire::{
    Compression, CompressionMode, Counters, DedicatedCompression, Limits, Outcome, Outgoing,
    TopicOptions,
};

use super::support::{
    Client, Dial, Mode, Plan, Proxy, Received, Running, Script, eventually, in_each_mode,
};

const KEY: Option<[u8; 4]> = Some([9, 8, 7, 6]);

fn dedicated(bits: u8) -> Compression {
    let dedicated = DedicatedCompression {
        server_window_bits: bits,
        client_window_bits: bits,
        ..Default::default()
    };
    Compression { mode: CompressionMode::Dedicated(dedicated), ..Compression::shared() }
}

fn in_all_modes(test: impl Fn(Mode, Compression)) {
    for compression in [Compression::shared(), dedicated(15), dedicated(9)] {
        println!("{compression:?}");
        in_each_mode(|mode| test(mode, compression));
    }
}

/// What browsers offer.
fn offer() -> Params {
    Params { client_max_window_bits: Some(WindowBits::MAX), ..Params::default() }
}

/// About `len` bytes that look like what a feed sends, different for each `seed`.
fn json(seed: usize, len: usize) -> String {
    let mut text = format!("{{\"sequence\":{seed},\"bids\":[");
    let mut price = seed * 7919 % 100_000;
    while text.len() < len {
        price = (price * 31 + 17) % 100_003;
        text.push_str(&format!("[\"{}.{:02}\",\"{}\"],", 60_000 + price % 300, price % 97, price));
    }
    text + "]}"
}

fn counters(server: &Running) -> Counters {
    server.handle().stats().total
}

#[test]
fn messages_come_back_whatever_was_agreed_upon() {
    let bits = |bits| Some(WindowBits::new(bits).unwrap());
    let offers = [
        Params::default(),
        offer(),
        Params { server_no_context_takeover: true, ..offer() },
        Params { client_no_context_takeover: true, ..offer() },
        Params { server_max_window_bits: bits(8), client_max_window_bits: bits(8), ..offer() },
        Params { server_max_window_bits: bits(10), client_max_window_bits: bits(12), ..offer() },
    ];
    in_all_modes(|mode, compression| {
        let builder = mode.builder().compression(compression);
        let server = Running::start(builder, Script::echo());
        for offer in offers {
            let mut client = server.dial().deflate(offer).connect();
            assert!(client.deflates());
            for len in [0, 1, 100, 127, 128, 1000, 5000, 5000, 70_000, 300_000] {
                let text = json(len, len);
                client.send_deflated(&text);
                assert!(client.recv() == Received::Text(text), "a text of {len} bytes");
            }
            client.send_text("plain");
            client.expect_text("plain");
            let noise: Vec<u8> =
                (0..999_u32).flat_map(|i| i.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
            client.send_binary(&noise);
            client.expect(Received::Binary(noise));
            client.send_deflated(&json(7, 1000));
            client.expect_text(&json(7, 1000));
            client.leave();
        }
        let total = || counters(&server);
        eventually("all is counted", || total().messages_deflated >= offers.len() as u64 * 6);
        assert!(total().deflate_ratio().unwrap() > 2.0);
        assert!(total().inflate_ratio().unwrap() > 2.0);
    });
}

#[test]
fn nobody_gets_what_was_not_agreed_upon() {
    let server =
        Running::start(Mode::Inline.builder().compression(Compression::shared()), Script::echo());
    let declined = [
        ExtensionOffer::new("x-other"),
        ExtensionOffer::new("permessage-deflate").param("client_max_window_bits", Some("7".into())),
        ExtensionOffer::new("permessage-deflate").param("mystery", None),
    ];
    for offer in declined {
        let mut client = server.dial().extension(offer).connect();
        assert!(client.response().extensions().is_empty());
        client.send_text(&json(1, 1000));
        client.expect_text(&json(1, 1000));
    }
    assert_eq!(counters(&server).messages_deflated, 0);
    let off = Mode::Inline.start(Script::echo());
    assert!(!off.dial().deflate(offer()).connect().deflates());
    // A connection without it must not use it.
    let mut client = server.connect();
    let mut frame = Vec::new();
    encode_compressed_frame(&mut frame, true, OpCode::Text, KEY, b"\xf2\x48\xcd\xc9\xc9\x07\x00");
    client.send_raw(&frame);
    client.expect_close(1002);
}

#[test]
fn shared_compression_takes_no_context_over() {
    let server =
        Running::start(Mode::Inline.builder().compression(Compression::shared()), Script::echo());
    let client = server.dial().deflate(offer()).connect();
    let response = client.response().extensions()[0].to_string();
    let expected = "permessage-deflate; server_no_context_takeover; client_no_context_takeover";
    assert_eq!(response, expected);
}

#[test]
fn who_comes_when_all_contexts_are_taken_shares_one() {
    let few = DedicatedCompression { max_count: 2, ..DedicatedCompression::default() };
    let compression =
        Compression { mode: CompressionMode::Dedicated(few), ..Compression::shared() };
    let server = Running::start(Mode::Inline.builder().compression(compression), Script::echo());
    let connect = || server.dial().deflate(offer()).connect();
    let params = |client: &Client| client.response().extensions()[0].params.len();
    let (first, second, third) = (connect(), connect(), connect());
    assert_eq!([params(&first), params(&second), params(&third)], [0, 0, 2]);
    second.leave();
    eventually("its place is free", || params(&connect()) == 0);
    drop((first, third));
}

/// Neither a ping nor the client's silence has to do with it: the client goes on sending.
#[test]
fn a_compressor_that_is_not_used_is_freed_and_both_streams_go_on() {
    let brief = DedicatedCompression {
        idle_after: Duration::from_millis(50),
        ..DedicatedCompression::default()
    };
    let compression =
        Compression { mode: CompressionMode::Dedicated(brief), ..Compression::shared() };
    in_each_mode(|mode| {
        let script = Script::new().on_text(|ctx, text| {
            if text.starts_with('{') {
                ctx.send(text);
            }
        });
        let server = Running::start(mode.builder().compression(compression), script);
        let compressors = || counters(&server).dedicated_compressors;
        let mut clients: Vec<_> =
            (0..3).map(|_| server.dial().deflate(offer()).connect()).collect();
        for round in 0..4 {
            // The same again and again: who refers to what is forgotten would be found out.
            for text in [json(1, 1500), json(round, 2500), json(1, 1500)] {
                for client in &mut clients {
                    client.send_deflated(&text);
                    client.expect_text(&text);
                    client.send_deflated(&text.replace('{', "("));
                }
            }
            eventually("all are freed", || compressors() == 0);
        }
        assert_eq!(counters(&server).messages_deflated, 4 * 3 * 3);
        assert_eq!(counters(&server).messages_inflated, 4 * 3 * 3 * 2);
        clients.into_iter().for_each(Client::leave);
    });
}

#[test]
fn a_compressor_goes_with_its_connection() {
    let server = Running::start(Mode::Inline.builder().compression(dedicated(15)), Script::echo());
    let compressors = || counters(&server).dedicated_compressors;
    let mut client = server.dial().deflate(offer()).connect();
    client.send_text("too short to be compressed");
    client.expect_text("too short to be compressed");
    assert_eq!(compressors(), 0, "it is made when it is used");
    client.send_text(&json(1, 1000));
    client.expect_text(&json(1, 1000));
    eventually("it is made", || compressors() == 1);
    client.leave();
    eventually("it is freed", || compressors() == 0);
}

#[test]
fn a_handler_chooses_for_each_message() {
    in_all_modes(|mode, compression| {
        let script = Script::new().on_text(|ctx, text| {
            let (how, text) = text.split_once(' ').expect("how, and what");
            let message = Outgoing::from(text);
            let id = ctx.id();
            match how {
                "never" => ctx.send(message.uncompressed()),
                "always" => ctx.send(message.compressed()),
                "handle" => ctx.server().send(id, message),
                "handle-never" => ctx.server().send(id, message.uncompressed()),
                _ => ctx.send(message),
            };
        });
        let server = Running::start(mode.builder().compression(compression), script);
        let mut client = server.dial().deflate(offer()).connect();
        let mut compressed = 0;
        let (long, short) = (json(1, 2000), "short short short short short");
        for _ in 0..3 {
            for (how, text, counts) in [
                ("by-length", &long[..], true),
                ("by-length", short, false),
                ("never", &long, false),
                ("always", short, true),
                ("handle", &long, true),
                ("handle-never", &long, false),
            ] {
                client.send_text(&format!("{how} {text}"));
                client.expect_text(text);
                compressed += u64::from(counts);
                eventually("it is counted", || counters(&server).messages_deflated == compressed);
            }
        }
        // In one batch, too.
        client.writer().send_texts([
            &*format!("never {long}"),
            &*format!("always {short}"),
            &*format!("by-length {long}"),
        ]);
        [&long[..], short, &long].into_iter().for_each(|text| client.expect_text(text));
    });
}

/// Clients that differ in what they take, on two loops.
fn crowd(server: &Running) -> Vec<Client> {
    let bits = |bits| Some(WindowBits::new(bits).unwrap());
    let offers = [
        Some(offer()),
        None,
        Some(Params::default()),
        Some(Params { server_no_context_takeover: true, ..offer() }),
        Some(Params { server_max_window_bits: bits(9), ..offer() }),
        Some(offer()),
        None,
    ];
    let dial = |offer| {
        let dial = Dial::path(&server.address(), "/");
        match offer {
            Some(offer) => dial.deflate(offer).connect(),
            None => dial.connect(),
        }
    };
    offers.into_iter().map(dial).collect()
}

fn subscriber(name: &'static str, options: TopicOptions) -> Script {
    Script::new().on_text(move |ctx, text| {
        if text == "subscribe" {
            let topic = ctx.server().topic_with(name, options.clone());
            ctx.subscribe(&topic);
            ctx.send("subscribed");
        } else {
            ctx.send(text);
        }
    })
}

fn subscribe(client: &mut Client) {
    client.send_text("subscribe");
    client.expect_text("subscribed");
}

#[test]
fn a_publication_is_compressed_once_for_all_who_take_it() {
    in_all_modes(|mode, compression| {
        let builder = mode.builder().event_loops(2).compression(compression);
        let script = subscriber("ticks", TopicOptions::default());
        let server = Running::start(builder.max_backpressure(64 << 20), script);
        let mut clients = crowd(&server);
        clients.iter_mut().for_each(subscribe);
        let topic = server.handle().topic("ticks");
        // Of 600 bytes not all may refer to each other in a window of 9 bits.
        let texts: Vec<_> = (0..60).map(|i| json(i, [600, 300, 50][i % 3])).collect();
        for text in &texts {
            assert_eq!(topic.publish_wait(text, Duration::from_secs(30)), Outcome::Sent);
        }
        topic.publish_all(texts.iter().take(10));
        topic.publish(Outgoing::from(&texts[0]).uncompressed());
        for client in &mut clients {
            for text in texts.iter().chain(texts.iter().take(10)) {
                client.expect_text(text);
            }
            client.expect_text(&texts[0]);
        }
        // Two of three are long enough, and nobody has compressed one again.
        eventually("it is counted", || counters(&server).messages_deflated == 40 + 7);
        // What passes the connections' own compressors by confuses nobody.
        for i in 0..20 {
            let (sent, published) = (json(i / 3, 700), json(i / 2, 900));
            for client in &mut clients {
                client.send_deflated(&sent);
                client.expect_text(&sent);
            }
            topic.publish(&published);
            clients.iter_mut().for_each(|client| client.expect_text(&published));
        }
    });
}

#[test]
fn what_waits_in_whatever_order_is_understood() {
    in_all_modes(|mode, compression| {
        let builder = mode.builder().compression(compression).max_backpressure(64 << 20);
        let server = Running::start(builder, subscriber("ticks", TopicOptions::default()));
        // What the client does not take piles up, and its echoes go ahead of publications.
        let dial = server.dial().deflate(offer()).receive_len(4096);
        let mut client = dial.connect();
        subscribe(&mut client);
        let topic = server.handle().topic("ticks");
        let (mut sent, mut published) = (Vec::new(), Vec::new());
        for i in 0..1500 {
            published.push(format!("p{}", json(i % 7, 500 + i)));
            topic.publish_wait(&published[i], Duration::from_secs(30));
            if i % 3 == 0 {
                sent.push(json(i % 5, 300 + i));
                client.send_deflated(&sent[i / 3]);
            }
        }
        let (mut sent, mut published) = (sent.into_iter(), published.into_iter());
        for _ in 0..2000 {
            let Received::Text(text) = client.recv() else { panic!("text alone was sent") };
            let expected = if text.starts_with('p') { published.next() } else { sent.next() };
            assert!(expected == Some(text), "each kind in its order");
        }
        assert!(counters(&server).messages_deflated >= 2000);
        client.leave();
    });
}

#[test]
fn snapshots_and_what_a_subscriber_missed_come_compressed_too() {
    in_all_modes(|mode, compression| {
        let options = TopicOptions::resync().replay(100, 1 << 20);
        let builder = mode.builder().event_loops(2).compression(compression);
        let server = Running::start(builder, subscriber("book", options.clone()));
        let topic = server.handle().topic_with("book", options);
        topic.publish(json(1, 1000));
        let snapshot = json(9, 50_000);
        assert!(topic.supply_snapshot(1, &snapshot));
        topic.publish(json(2, 1000));
        let mut clients = crowd(&server);
        for client in &mut clients {
            client.send_text("subscribe");
            let mut received = [client.recv(), client.recv(), client.recv()];
            // The answer may come ahead of what is retained.
            received.sort_by_key(|received| *received != Received::text("subscribed"));
            let expected = ["subscribed", &snapshot, &json(2, 1000)].map(Received::text);
            assert!(received == expected);
        }
        eventually("once for all", || counters(&server).messages_deflated == 2);
    });
}

#[test]
fn inflating_stops_at_the_limit() {
    const LIMIT: usize = 16 << 20;
    // 10 GiB of zeros in 10 MiB.
    let bomb = bomb();
    assert!((9 << 20..LIMIT).contains(&bomb.len()));
    let mut frame = Vec::new();
    encode_compressed_frame(&mut frame, true, OpCode::Binary, KEY, &bomb);
    in_all_modes(|mode, compression| {
        let limits = Limits::trusted().with_messages_up_to(LIMIT);
        let builder = mode.builder().compression(compression).limits(limits);
        let server = Running::start(builder.max_backpressure(LIMIT), Script::echo());
        let mut client = server.dial().deflate(offer()).connect();
        client.send_raw(&frame);
        client.expect_close(1009);
        let mut client = server.dial().deflate(offer()).connect();
        client.send_deflated(&"x".repeat(LIMIT));
        assert!(client.recv() == Received::Text("x".repeat(LIMIT)), "as long as the limit");
        eventually("it is counted", || counters(&server).inflated_to_bytes == LIMIT as u64);
    });
}

/// Behind each last block as much is copied as a message may refer to: what is compressed into two bytes
/// that take so long may not come by the thousand.
#[test]
fn a_message_goes_on_behind_few_last_blocks() {
    blocks_are_limited(b"\x03\x00", 64);
}

/// Each may have tables of its own, which are compressed into a few bytes and take long to make.
#[test]
fn a_message_is_made_of_few_blocks() {
    blocks_are_limited(b"\x00\x00\x00\xff\xff", 1000);
}

fn blocks_are_limited(block: &[u8], few: usize) {
    in_all_modes(|mode, compression| {
        let server = Running::start(mode.builder().compression(compression), Script::echo());
        let mut client = server.dial().deflate(offer()).connect();
        for (count, is_allowed) in [(few, true), (200_000, false)] {
            let mut frame = Vec::new();
            let payload = [&block.repeat(count)[..], b"\x00"].concat();
            encode_compressed_frame(&mut frame, true, OpCode::Binary, KEY, &payload);
            client.send_raw(&frame);
            if is_allowed {
                client.expect(Received::Binary(Vec::new()));
            } else {
                client.expect_close(1008);
            }
        }
        eventually("it is counted", || counters(&server).fragment_floods == 1);
    });
}

/// 64 MiB of zeros, 160 times, of which each is compressed without reference to the others.
fn bomb() -> Vec<u8> {
    let zeros = vec![0; 64 << 20];
    let mut stream = flate2::Compress::new(flate2::Compression::best(), false);
    let mut piece = Vec::with_capacity(zeros.len() / 500);
    stream.compress_vec(&zeros, &mut piece, flate2::FlushCompress::Full).unwrap();
    let mut bomb = piece.repeat(160);
    bomb.truncate(bomb.len() - 4);
    bomb
}

#[test]
fn what_cannot_be_inflated_closes_with_1007() {
    in_all_modes(|mode, compression| {
        let server = Running::start(mode.builder().compression(compression), Script::echo());
        let mut client = server.dial().deflate(offer()).connect();
        let mut frame = Vec::new();
        encode_compressed_frame(&mut frame, true, OpCode::Text, KEY, b"\x06\x07\x08");
        client.send_raw(&frame);
        client.expect_close(1007);
    });
}

#[test]
fn a_compressed_stream_in_small_pieces_means_the_same() {
    in_all_modes(|mode, compression| {
        let server = Running::start(mode.builder().compression(compression), Script::echo());
        let plan = Plan { piece_len: 3, ..Plan::default() };
        let proxy = Proxy::start(&server.address(), plan);
        let mut client = Dial::new(proxy.address()).deflate(offer()).connect();
        for len in [0, 100, 1000, 3000, 3000] {
            let text = json(3, len);
            client.send_deflated(&text);
            client.ping(b"between");
            // The pong may go ahead of what a handler thread answers.
            let mut received = [client.recv(), client.recv()];
            received.sort_by_key(|received| matches!(received, Received::Pong(_)));
            assert!(received == [Received::Text(text), Received::Pong(b"between".to_vec())]);
        }
        client.leave();
    });
}

/// Little that is received becomes much: others get their turn all the same.
#[test]
fn inflating_ends_a_connection_s_turn() {
    const COUNT: usize = 60;
    in_all_modes(|mode, compression| {
        let server = Running::start(mode.builder().compression(compression), Script::new());
        let client = server.dial().deflate(offer()).connect();
        let message = deflated(&vec![0; 1 << 20]);
        let mut frames = Vec::new();
        for _ in 0..COUNT {
            encode_compressed_frame(&mut frames, true, OpCode::Binary, KEY, &message);
        }
        assert!(frames.len() < 1 << 17, "they come in one or two reads");
        let before = counters(&server).turns;
        client.send_raw(&frames);
        let len = (COUNT as u64) << 20;
        eventually("all are inflated", || counters(&server).inflated_to_bytes == len);
        let turns = counters(&server).turns - before;
        assert!(turns >= COUNT as u64 / 2, "{turns} turns");
    });
}

fn deflated(message: &[u8]) -> Vec<u8> {
    let mut stream = flate2::Compress::new(flate2::Compression::best(), false);
    let mut out = Vec::with_capacity(message.len());
    stream.compress_vec(message, &mut out, flate2::FlushCompress::Sync).unwrap();
    out.truncate(out.len() - 4);
    out
}
