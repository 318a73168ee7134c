//! Clients that do not read what is sent to them alone.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::channel;

use tickwire::frame::{OpCode, encode_frame};
use tickwire::{Limits, Outcome};

use super::filler;
use super::support::{Mode, Received, Running, Script, eventually, in_each_mode, soon};

/// Far more than every buffer between a client and its server takes.
const FLOOD_LEN: usize = 96 << 20;
const MAX_BACKPRESSURE: usize = 1 << 20;

/// The client's own flood fills its queue: the server stops reading, TCP pushes back, and no reply
/// is dropped. Whatever the messages' length: one may be longer than half of the queue's limit.
#[test]
fn a_client_that_does_not_read_its_echo_is_pushed_back_and_gets_every_reply_later() {
    for len in [2_000, 700_000, 3_000_000] {
        in_each_mode(|mode| {
            let builder = mode
                .builder()
                .max_backpressure(MAX_BACKPRESSURE)
                .limits(Limits::trusted().with_messages_up_to(len));
            let server = Running::start(builder, Script::echo());
            let mut client = server.dial().receive_len(64 << 10).connect();
            let payload = filler(len);
            let mut frame = Vec::new();
            encode_frame(&mut frame, true, OpCode::Binary, Some([0; 4]), &payload);

            let filled = client.fill(&frame, FLOOD_LEN / len);
            assert!(filled.pushed_back, "{len}: the server took everything");
            let stats = server.handle().stats().total;
            let bound = MAX_BACKPRESSURE + 2 * len + (64 << 10);
            assert!(stats.bytes_queued <= bound as u64, "{len}: {} queued", stats.bytes_queued);

            let writer = client.writer();
            let rest = std::thread::spawn(move || writer.send_raw(&filled.rest));
            for i in 0..filled.count {
                assert!(client.recv() == Received::Binary(payload.clone()), "{len}: reply {i}");
            }
            rest.join().expect("the rest is sent");
            client.leave();
            let stats = || server.handle().stats().total;
            let count = filled.count as u64;
            let counted = || (stats().messages_received, stats().messages_sent) == (count, count);
            eventually("all is counted", counted);
            assert_eq!(stats().sends_dropped, 0);
        });
    }
}

/// A callback that sends more than fits sees it, and hears when it may go on.
#[test]
fn outcomes_tell_of_backpressure_and_drain_tells_of_its_end() {
    in_each_mode(|mode| {
        let (outcomes, seen) = channel();
        let drains = Arc::new(AtomicU64::new(0));
        let script = Script::new()
            .on_text(move |ctx, _| {
                let payload = vec![7_u8; 10_000];
                let outcomes_now: Vec<_> = (0..2_000).map(|_| ctx.send(&payload)).collect();
                outcomes.send((outcomes_now, ctx.buffered_amount())).expect("the test listens");
            })
            .on_drain({
                let drains = drains.clone();
                move |ctx| {
                    drains.fetch_add(1, Ordering::Relaxed);
                    ctx.send(format!("drained: {}", ctx.buffered_amount()));
                }
            });
        let builder = mode.builder().max_backpressure(MAX_BACKPRESSURE);
        let server = Running::start(builder, script);
        let mut client = server.dial().receive_len(64 << 10).connect();
        client.send_text("go");
        let (outcomes, buffered) = soon(&seen);
        assert_eq!(outcomes[0], Outcome::Sent);
        assert!(outcomes.contains(&Outcome::Dropped));
        // A handler thread may be so far ahead of the loop that nobody has tried the socket yet.
        assert!(outcomes.contains(&Outcome::Queued) || mode == Mode::Threads);
        assert!(!outcomes.contains(&Outcome::Gone));
        assert!((1..=MAX_BACKPRESSURE).contains(&buffered), "{buffered} bytes");
        let accepted = outcomes.iter().filter(|outcome| outcome.is_accepted()).count();
        for _ in 0..accepted {
            assert!(matches!(client.recv(), Received::Binary(_)));
        }
        let Received::Text(drained) = client.recv() else {
            panic!("what is sent at the end of it")
        };
        let left: usize = drained.trim_start_matches("drained: ").parse().expect("a number");
        // A loop may have sent all there was before the callback had its last message sent.
        assert!(left == 0 || mode == Mode::Threads && left < MAX_BACKPRESSURE, "{drained}");
        let stats = || server.handle().stats().total;
        eventually("all is counted", || {
            stats().messages_sent == accepted as u64 + drains.load(Ordering::Relaxed)
                && stats().sends_dropped == (outcomes.len() - accepted) as u64
        });
    });
}

/// Replies that the socket takes after all are backpressure all the same: the handler was told so,
/// and would wait for the drain for ever.
#[test]
fn whoever_was_told_of_backpressure_hears_of_its_end() {
    in_each_mode(|mode| {
        let (drains, drained) = channel();
        let (outcomes, seen) = channel();
        let script = Script::new()
            .on_text(move |ctx, _| {
                let payload = vec![7_u8; 50_000];
                let told = (0..6).map(|_| ctx.send(&payload)).any(|it| it != Outcome::Sent);
                outcomes.send(told).expect("the test listens");
            })
            .on_drain(move |_| drains.send(()).expect("the test listens"));
        let server = Running::start(mode.builder().max_backpressure(200_000), script);
        let client = server.connect();
        let reader = {
            let writer = client.writer();
            let mut client = client;
            let reader = std::thread::spawn(move || client.recv_to_end().len());
            (writer, reader)
        };
        for _ in 0..50 {
            reader.0.send_text("go");
            if soon(&seen) {
                soon(&drained);
            }
        }
        reader.0.close(1000, "");
        assert!(reader.1.join().expect("the reader") > 1);
    });
}

#[test]
fn other_threads_see_backpressure_too() {
    in_each_mode(|mode| {
        let (ids, opened) = channel();
        let script =
            Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let builder = mode.builder().max_backpressure(MAX_BACKPRESSURE);
        let server = Running::start(builder, script);
        let handle = server.handle();
        let mut client = server.dial().receive_len(64 << 10).connect();
        let id = soon(&opened);
        assert_eq!(handle.buffered_amount(id), Some(0));
        assert_eq!(handle.send(id, vec![1; 3 * MAX_BACKPRESSURE]), Outcome::Sent, "alone it may");
        eventually("what the socket did not take is left", || {
            handle.stats().total.bytes_queued > MAX_BACKPRESSURE as u64
        });
        assert_eq!(handle.send(id, "x"), Outcome::Dropped);
        assert!(matches!(client.recv(), Received::Binary(_)));
        eventually("all is taken", || handle.buffered_amount(id) == Some(0));
        assert_eq!(handle.send(id, "x"), Outcome::Sent);
        client.expect_text("x");
        assert_eq!(handle.stats().total.sends_dropped, 1);
    });
}

#[test]
fn control_frames_go_ahead_of_what_waits() {
    const COUNT: usize = 800;
    in_each_mode(|mode| {
        let script = Script::new().on_message(|ctx, _| {
            for _ in 0..COUNT {
                ctx.send(&[7_u8; 10_000]);
            }
        });
        let server = Running::start(mode.builder().max_backpressure(16 << 20), script);
        let mut client = server.dial().receive_len(16 << 10).connect();
        client.send_text("go");
        let stats = || server.handle().stats().total;
        eventually("all is sent", || stats().messages_sent == COUNT as u64);
        assert!(stats().bytes_queued > 2 << 20, "the kernel took it all");
        let before = stats().bytes_received;
        client.ping(b"now");
        eventually("the ping has come", || stats().bytes_received > before);
        let is_pong: Vec<bool> =
            (0..=COUNT).map(|_| client.recv() == Received::Pong(b"now".to_vec())).collect();
        let at = is_pong.iter().position(|&pong| pong).expect("a pong");
        assert!(COUNT - at > 100, "the pong came behind {at} messages of {COUNT}");
    });
}
