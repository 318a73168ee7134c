//! How fast one client may send: it is held back, and loses nothing, until it has gone on for too long.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::time::Duration;

use tickwire::frame::{OpCode, encode_frame};
use tickwire::{CloseCode, Counters, Limits, Rate};

use super::support::{
    Client, Mode, Received, Running, Script, eventually, in_each_mode, in_each_mode_at_once, soon,
};
use super::{filler, with_closes};

/// Nothing is limited, and nobody's patience ends before the test.
const PATIENT: Limits = Limits { max_excess_time: Duration::from_secs(3600), ..Limits::trusted() };

const IMPATIENT: Duration = Duration::from_millis(200);

fn frames(opcode: OpCode, payload: &[u8], count: usize) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_frame(&mut frame, true, opcode, Some([1, 2, 3, 4]), payload);
    frame.repeat(count)
}

/// A server of such limits, and a client of it.
fn echo(mode: Mode, limits: Limits) -> (Running, Client) {
    let server = Running::start(mode.builder().limits(limits), Script::echo());
    let client = server.connect();
    (server, client)
}

/// All comes in the end, and in order, though the client was held back; nobody has lost patience.
#[track_caller]
fn comes_later(server: &Running, mut client: Client, expected: impl IntoIterator<Item = Received>) {
    expected.into_iter().for_each(|received| client.expect(received));
    let total = server.handle().stats().total;
    assert!(total.throttled >= 1, "nobody was held back");
    let Counters { message_floods, byte_floods, control_frame_floods, timeouts, .. } = total;
    assert_eq!((message_floods, byte_floods, control_frame_floods, timeouts), (0, 0, 0, 0));
    client.leave();
}

#[test]
fn messages_that_come_too_fast_wait_and_none_is_lost() {
    in_each_mode_at_once(|mode| {
        let limits = Limits { message_rate: Some(Rate::new(60, 20)), ..PATIENT };
        let (server, client) = echo(mode, limits);
        let texts: Vec<String> = (0..50).map(|i| i.to_string()).collect();
        client.send_texts(texts.iter().map(String::as_str));
        comes_later(&server, client, texts.into_iter().map(Received::Text));
    });
}

#[test]
fn bytes_that_come_too_fast_wait_and_none_is_lost() {
    in_each_mode_at_once(|mode| {
        let limits = Limits { byte_rate: Some(Rate::new(200_000, 100_000)), ..PATIENT };
        let (server, client) = echo(mode, limits);
        // Some that are received straight into their message, some in the read buffer.
        let lens = [40_000, 40_000, 100, 70_000, 7_000, 7_000, 7_000];
        let bytes = lens.map(|len| frames(OpCode::Binary, &filler(len), 1)).concat();
        client.send_raw(&bytes);
        comes_later(&server, client, lens.map(|len| Received::Binary(filler(len))));
    });
}

#[test]
fn pings_that_come_too_fast_are_answered_later() {
    in_each_mode(|mode| {
        let limits = Limits { control_frame_rate: Some(Rate::new(40, 10)), ..PATIENT };
        let (server, client) = echo(mode, limits);
        let mut bytes = frames(OpCode::Ping, b"p", 25);
        bytes.extend(frames(OpCode::Text, b"behind", 1));
        client.send_raw(&bytes);
        let pongs = std::iter::repeat_n(Received::Pong(b"p".to_vec()), 25);
        comes_later(&server, client, pongs.chain([Received::text("behind")]));
    });
}

/// Little that comes is much once it is inflated: that is what counts, and what it costs.
#[cfg(feature = "deflate")]
mod inflated {
    use std::io::Write;

    use flate2::write::DeflateEncoder;
    use tickwire::Compression;
    use tickwire::deflate::Params;
    use tickwire::frame::encode_compressed_frame;

    use super::*;

    const COUNT: usize = 8;

    const HASTY: Limits = Limits { max_excess_time: IMPATIENT, ..Limits::trusted() };

    fn text() -> String {
        "x".repeat(100_000)
    }

    fn start(mode: Mode, limits: Limits, script: Script) -> Running {
        let builder = mode.builder().compression(Compression::shared());
        Running::start(builder.limits(limits), script)
    }

    /// As it comes it is less than any limit of these tests.
    fn send_little(server: &Running) -> Client {
        let mut client = server.dial().deflate(Params::default()).connect();
        (0..COUNT).for_each(|_| client.send_deflated(&text()));
        assert!(server.handle().stats().total.bytes_received < 5_000);
        client
    }

    #[test]
    fn who_sends_little_that_is_much_is_held_back() {
        in_each_mode(|mode| {
            let limits = Limits { byte_rate: Some(Rate::new(2_000_000, 400_000)), ..PATIENT };
            let server = start(mode, limits, Script::echo());
            let client = send_little(&server);
            comes_later(&server, client, std::iter::repeat_n(Received::Text(text()), COUNT));
        });
    }

    /// The first message is more than may come at once: those behind it, which have been read with it, are
    /// not even inflated.
    #[test]
    fn who_goes_on_is_closed_with_1008() {
        in_each_mode(|mode| {
            let limits = Limits { byte_rate: Some(Rate::new(20_000, 10_000)), ..HASTY };
            let server = start(mode, limits, Script::new());
            is_closed(&server, send_little(&server));
            assert_eq!(server.handle().stats().total.messages_received, 1);
        });
    }

    /// One whose last part, too, is received straight into its message, for it is long.
    #[test]
    fn a_large_message_counts_too() {
        let noise: Vec<u8> = (0..60_000).map(|_| fastrand::u8(..)).collect();
        let mut encoder = DeflateEncoder::new(Vec::new(), flate2::Compression::fast());
        encoder.write_all(&noise).and_then(|()| encoder.write_all(&[0; 800_000])).expect("memory");
        let (mut frame, payload) = (Vec::new(), encoder.finish().expect("memory"));
        encode_compressed_frame(&mut frame, true, OpCode::Binary, Some([5; 4]), &payload);
        assert!(frame.len() < 80_000);
        in_each_mode(|mode| {
            let limits = Limits { byte_rate: Some(Rate::new(20_000, 200_000)), ..HASTY };
            let server = start(mode, limits, Script::new());
            let client = server.dial().deflate(Params::default()).connect();
            let received = || server.handle().stats().total.bytes_received;
            let before = received();
            client.send_raw(&frame[..1000]);
            eventually("it begins", || received() > before);
            client.send_raw(&frame[1000..]);
            is_closed(&server, client);
        });
    }

    #[track_caller]
    fn is_closed(server: &Running, mut client: Client) {
        let received = client.recv_to_end();
        assert_eq!(received, [Received::Close(1008, "too many bytes".to_owned())]);
        eventually("it is counted", || server.handle().stats().total.byte_floods == 1);
    }
}

/// What each kind of flood comes to.
#[test]
fn who_goes_on_for_too_long_is_closed_with_1008() {
    let fragments = {
        let mut bytes = Vec::new();
        encode_frame(&mut bytes, false, OpCode::Text, Some([0; 4]), b"");
        let mut empty = Vec::new();
        encode_frame(&mut empty, false, OpCode::Continuation, Some([0; 4]), b"");
        bytes.extend(empty.repeat(500));
        bytes
    };
    let (rate, bytes_rate) = (Some(Rate::new(20, 10)), Some(Rate::new(20_000, 10_000)));
    let impatient = Limits { max_excess_time: IMPATIENT, ..Limits::trusted() };
    let of_messages = Limits { message_rate: rate, ..impatient };
    let of_bytes = Limits { byte_rate: bytes_rate, ..impatient };
    let of_control_frames = Limits { control_frame_rate: rate, ..impatient };
    let cases = [
        (of_messages, frames(OpCode::Text, b"m", 500), "too many messages", [1, 0, 0]),
        (of_messages, fragments, "too many messages", [1, 0, 0]),
        (of_bytes, frames(OpCode::Binary, &filler(40_000), 10), "too many bytes", [0, 1, 0]),
        (of_control_frames, frames(OpCode::Ping, b"", 500), "too many control frames", [0, 0, 1]),
        (of_control_frames, frames(OpCode::Pong, b"", 500), "too many control frames", [0, 0, 1]),
    ];
    in_each_mode(|mode| {
        for (limits, flood, reason, expected) in &cases {
            let (script, closes) = with_closes(Script::new());
            let server = Running::start(mode.builder().limits(*limits), script);
            let mut client = server.connect();
            // The server may close before it has taken all of it.
            let _ = client.try_send_raw(flood);
            let received = client.recv_to_end();
            let last =
                received.iter().rev().find(|received| !matches!(received, Received::Pong(_)));
            assert_eq!(last, Some(&Received::Close(1008, (*reason).to_owned())));
            let closed = soon(&closes);
            assert_eq!((closed.code, closed.was_clean), (CloseCode::POLICY_VIOLATION, false));
            assert_eq!(closed.reason, *reason);
            let floods = |total: Counters| {
                [total.message_floods, total.byte_floods, total.control_frame_floods]
            };
            eventually("it is counted", || floods(server.handle().stats().total) == *expected);
        }
    });
}

#[test]
fn requests_count_as_messages() {
    in_each_mode(|mode| {
        let rate = Some(Rate::new(20, 10));
        let limits = Limits { message_rate: rate, max_excess_time: IMPATIENT, ..Limits::trusted() };
        let server = Running::start(mode.builder().limits(limits), Script::new());
        let http = server.http();
        http.send("GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(100));
        let served = std::iter::repeat_with(|| http.response().status).take_while(|&it| it == 404);
        assert!((1..100).contains(&served.count()), "what ends it is a 429");
        http.expect_end();
        eventually("it is counted", || server.handle().stats().total.message_floods == 1);
    });
}

/// A client that is held back is heard when there is nothing to wait for but the end.
#[test]
fn who_is_held_back_can_be_closed_at_once() {
    in_each_mode(|mode| {
        let limits = Limits { message_rate: Some(Rate::new(1, 2)), ..PATIENT };
        let (server, mut client) = echo(mode, limits);
        client.send_raw(&frames(OpCode::Text, b"m", 1000));
        client.expect_text("m");
        eventually("it is held back", || server.handle().stats().total.throttled >= 1);
        server.handle().shutdown(Duration::from_secs(600));
        client.close(1001, "");
        while client.recv() != Received::Close(1001, "the server is shutting down".into()) {}
        client.expect_end();
        drop(client);
        server.join();
    });
}

/// How long one has gone on is not held against the next one at its place.
#[test]
fn who_comes_after_somebody_who_was_held_back_begins_anew() {
    const PATIENCE: Duration = Duration::from_millis(600);
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let script = Script::echo().on_open(move |ctx| {
            ids.send(ctx.id()).expect("the test listens");
        });
        let rate = Some(Rate::new(100, 20));
        let limits = Limits { message_rate: rate, max_excess_time: PATIENCE, ..Limits::trusted() };
        let server = Running::start(mode.builder().limits(limits), script);
        let total = || server.handle().stats().total;
        let flooding = server.connect();
        flooding.send_raw(&frames(OpCode::Text, b"m", 100));
        eventually("it is held back", || total().throttled >= 1);
        server.handle().terminate(soon(&opened));
        eventually("it is gone", || server.handle().stats().connections == 0);
        let before = total();
        std::thread::sleep(PATIENCE);
        let mut client = server.connect();
        client.send_texts(["m"; 15]);
        (0..15).for_each(|_| client.expect_text("m"));
        assert!(total().throttled > before.throttled, "this one is held back too");
        assert_eq!(total().message_floods, before.message_floods);
        client.leave();
    });
}

#[test]
fn who_was_held_back_and_falls_silent_is_given_up() {
    in_each_mode_at_once(|mode| {
        let (script, closes) = with_closes(Script::echo());
        let limits = Limits { message_rate: Some(Rate::new(60, 20)), ..PATIENT };
        let builder = mode.builder().limits(limits).ping_interval(None).idle_timeout(IMPATIENT);
        let server = Running::start(builder, script);
        let mut client = server.connect();
        client.send_texts(["m"; 15]);
        (0..15).for_each(|_| client.expect_text("m"));
        assert_eq!(soon(&closes).reason, "the peer has been silent for too long");
        assert!(server.handle().stats().total.throttled >= 1, "nobody was held back");
    });
}

/// What strangers may do is much more than what people do.
#[test]
fn the_default_disturbs_nobody() {
    in_each_mode(|mode| {
        let (server, mut client) = echo(mode, Limits::default());
        for _ in 0..20 {
            client.send_texts(["word"; 50]);
            client.ping(b"");
            client.send_binary(&filler(100_000));
            // Pongs go ahead.
            let mut received: Vec<_> = (0..52).map(|_| client.recv()).collect();
            received.retain(|received| *received != Received::text("word"));
            received.sort_by_key(|received| matches!(received, Received::Binary(_)));
            let expected = [Received::Pong(Vec::new()), Received::Binary(filler(100_000))];
            assert_eq!(received, expected);
        }
        assert_eq!(server.handle().stats().total.throttled, 0);
        client.leave();
    });
}

/// The time for which the server does not look is not held against those who were held back just then.
#[test]
fn who_was_held_back_is_not_closed_for_what_callbacks_take_their_time_for() {
    in_each_mode_at_once(|mode| {
        let is_first = AtomicBool::new(true);
        let script = Script::new().on_text(move |ctx, text| {
            if is_first.swap(false, Ordering::Relaxed) {
                std::thread::sleep(5 * IMPATIENT);
            }
            ctx.send(text);
        });
        let limits = Limits {
            byte_rate: Some(Rate::new(100_000, 60_000)),
            max_excess_time: 3 * IMPATIENT,
            ..Limits::trusted()
        };
        let builder = mode.builder().limits(limits).max_lane_len(64 << 10);
        let server = Running::start(builder, script);
        let mut client = server.connect();
        let text = "x".repeat(1024);
        client.send_texts([&*text; 40]);
        (0..40).for_each(|_| client.expect_text(&text));
        let total = server.handle().stats().total;
        assert_eq!(total.byte_floods, 0);
    });
}
