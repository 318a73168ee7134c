//! A test for each bug that was found, named after it.

mod support;

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use support::{Mode, Received, Running, Script, in_each_mode};

/// Frames masked with zeros: a text, then a close frame with 1000.
const TEXT_AND_CLOSE: &[u8] = b"\x81\x84\0\0\0\0last\x88\x82\0\0\0\0\x03\xe8";

fn last_words() -> [Received; 2] {
    [Received::text("last"), Received::Close(1000, String::new())]
}

/// With handler threads the answer to a close frame overtook the replies to the messages before
/// it, which were dropped then.
#[test]
fn the_answer_to_a_close_frame_overtook_replies() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let mut client = server.connect();
        client.send_raw(TEXT_AND_CLOSE);
        assert_eq!(client.recv_to_end(), last_words());
    });
}

/// The end of the stream, met in the turn of the last messages, overtook what answers them.
#[test]
fn the_end_of_the_stream_overtook_replies() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        for _ in 0..20 {
            let mut client = server.connect();
            client.send_raw(TEXT_AND_CLOSE);
            client.shutdown_write();
            assert_eq!(client.recv_to_end(), last_words());
        }
    });
    // Without a close frame handler threads are not waited for.
    let server = Mode::Inline.start(Script::echo());
    for _ in 0..20 {
        let mut client = server.connect();
        client.send_text("last");
        client.shutdown_write();
        assert_eq!(client.recv_to_end(), [Received::text("last")]);
    }
}

/// With handler threads the close frame of a failed connection overtook replies.
#[test]
fn the_close_frame_of_a_failure_overtook_replies() {
    in_each_mode(|mode| {
        let server = mode.start(Script::echo());
        let mut client = server.connect();
        client.send_raw(b"\x81\x84\0\0\0\0last\xff\xff");
        client.expect_text("last");
        client.expect_close(1002);
        client.expect_end();
    });
}

/// What replies are waited for has an end: a callback that blocks does not keep the peer.
#[test]
fn a_callback_that_blocks_does_not_hold_the_close_frame_for_ever() {
    let (release, released) = channel::<()>();
    let released = Mutex::new(released);
    let script = Script::new().on_text(move |ctx, text| {
        let _ = released.lock().expect("no panic").recv();
        ctx.send(text);
    });
    let builder = Mode::Threads.builder().close_timeout(Duration::from_millis(100));
    let server = Running::start(builder, script);
    let mut client = server.connect();
    client.send_raw(TEXT_AND_CLOSE);
    client.expect_close(1000);
    client.expect_end();
    drop(release);
}

/// Replies of a turn that had not been queued yet did not count where it was decided whether to read
/// on, and then stood in the way of the next one, which was dropped: where less than two corks may
/// wait.
#[test]
fn an_echo_behind_a_full_cork_was_dropped() {
    const MAX_LEN: usize = 64 << 10;
    in_each_mode(|mode| {
        let builder = mode.builder().max_backpressure(MAX_LEN);
        let server = Running::start(builder, Script::echo());
        let message = [&b"\x82\xfe\x03\xe8\0\0\0\0"[..], &[b'x'; 1000]].concat();
        for _ in 0..5 {
            let client = server.dial().receive_len(8 << 10).connect();
            let filled = client.fill(&message, 100_000);
            assert!(filled.pushed_back, "{filled:?}");
        }
        assert_eq!(server.handle().stats().total.sends_dropped, 0);
    });
}
