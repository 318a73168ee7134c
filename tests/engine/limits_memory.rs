//! What may wait for all connections together, and what may have come of them.

use std::sync::mpsc::channel;
use std::time::Duration;

use http::StatusCode;
use tickwire::frame::{OpCode, encode_frame};
use tickwire::{CloseCode, Limits, Response, SocketOptions};

use super::support::{Mode, Received, Running, Script, eventually, in_each_mode_at_once, soon};
use super::with_closes;

const LEN: usize = 8 << 10;

/// The slowest is told so, and nothing is taken from the others.
#[test]
fn when_too_much_waits_for_all_the_slowest_is_closed_with_1013() {
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let script =
            Script::new().on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let limits = Limits { max_queued_len: Some(512 << 10), ..Limits::trusted() };
        let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
        let builder = mode.builder().event_loops(2).limits(limits).socket_options(socket_options);
        let server = Running::start(builder.max_backpressure(8 << 20), script);
        let mut clients = [0; 3].map(|_| {
            let client = server.dial().receive_len(16 << 10).connect();
            (client, soon(&opened))
        });
        let send = |id, count: usize| {
            for _ in 0..count {
                assert!(server.handle().send(id, vec![b'x'; LEN]).is_accepted());
            }
        };
        let queued = || server.handle().stats().total.bytes_queued;
        let [few, many, some] = [16, 50, 20];
        send(clients[0].1, few);
        send(clients[1].1, many);
        eventually("most of it waits", || queued() > 50 * LEN as u64);
        assert_eq!(server.handle().stats().total.queues_shed, 0);
        send(clients[2].1, some);
        // Nothing happens to the loop that has the most.
        eventually("one is closed", || server.handle().stats().total.queues_shed == 1);
        let mut count = 0;
        let end = loop {
            match clients[1].0.recv() {
                Received::Binary(_) => count += 1,
                end => break end,
            }
        };
        let reason = "too slow while too much waits for all";
        assert_eq!(end, Received::Close(1013, reason.into()));
        assert!(count < many, "what waited for it has been dropped");
        let waiting = clients.each_ref().map(|(_, id)| server.handle().buffered_amount(*id));
        assert!(matches!(waiting, [Some(1..), _, Some(1..)]), "{waiting:?}");
    });
}

/// Messages that do not end are let be while there is room for them all, and then the longest go.
#[test]
fn when_too_much_comes_of_messages_that_do_not_end_the_longest_are_closed_with_1013() {
    in_each_mode_at_once(|mode| {
        let limits = Limits {
            max_unfinished_len: Some(512 << 10),
            max_message_len: 256 << 10,
            max_frame_len: 256 << 10,
            ..Limits::trusted()
        };
        let builder = mode.builder().event_loops(1).limits(limits);
        let server = Running::start(builder, Script::echo());
        let begin = |len: usize| {
            let client = server.connect();
            let mut frame = Vec::new();
            let message = [b'x'; 200 << 10];
            encode_frame(&mut frame, true, OpCode::Text, Some([0; 4]), &message);
            let rest = frame.split_off(frame.len() - message.len() + len);
            client.send_raw(&frame);
            (client, rest)
        };
        let total = || server.handle().stats().total;
        let received = |len: u64| eventually("it has come", || total().bytes_received >= len);
        let mut few: Vec<_> = (0..4).map(|_| begin(40 << 10)).collect();
        let (mut longest, _) = begin(190 << 10);
        received(350 << 10);
        assert_eq!(total().unfinished_shed, 0);
        let more: Vec<_> = (0..3).map(|_| begin(100 << 10)).collect();
        let reason = "too long to come while too much comes for all";
        longest.expect(Received::Close(1013, reason.into()));
        eventually("they are counted", || (1..=3).contains(&total().unfinished_shed));
        assert!(total().bytes_unfinished <= 512 << 10);
        drop((longest, more));
        eventually("those with little are left", || server.handle().stats().connections == 4);
        // Their messages come whole.
        for (client, rest) in &mut few {
            client.send_raw(rest);
            client.expect_text(&"x".repeat(200 << 10));
        }
        // What goes without a word is not reckoned with for longer than it is there.
        let gone = begin(190 << 10);
        eventually("it counts", || total().bytes_unfinished > 64 << 10);
        drop(gone);
        eventually("it counts no more", || total().bytes_unfinished == 0);
    });
}

/// A server of which little may wait, and that has time.
fn patient(mode: Mode, script: Script) -> Running {
    const NEVER: Duration = Duration::from_secs(600);
    let limits = Limits { max_queued_len: Some(512 << 10), ..Limits::trusted() };
    let builder = mode.builder().limits(limits).max_backpressure(64 << 20);
    Running::start(builder.handshake_timeout(NEVER).close_timeout(NEVER), script)
}

/// The one is let go of whom nothing is left.
fn is_shed(server: &Running) {
    eventually("it is let go", || server.handle().stats().connections == 0);
    let total = || server.handle().stats().total;
    eventually("it is counted", || (total().queues_shed, total().bytes_queued) == (1, 0));
}

/// A close frame would have to wait until the message has left that has begun to.
#[test]
fn who_has_begun_with_a_large_message_is_cut_off() {
    in_each_mode_at_once(|mode| {
        let (ids, opened) = channel();
        let (script, closes) = with_closes(Script::new());
        let script = script.on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"));
        let server = patient(mode, script);
        let _client = server.dial().receive_len(16 << 10).connect();
        assert!(server.handle().send(soon(&opened), vec![0; 16 << 20]).is_accepted());
        assert_eq!(soon(&closes).code, CloseCode::ABNORMAL);
        is_shed(&server);
    });
}

/// Nor could a close frame be told to whoever waits for a response.
#[test]
fn who_does_not_take_a_large_response_is_cut_off() {
    in_each_mode_at_once(|mode| {
        let page = |_: &_| Response::new(StatusCode::OK).body("text/plain", vec![b'x'; 16 << 20]);
        let server = patient(mode, Script::new().on_http(page));
        let http = server.http();
        http.get("/");
        is_shed(&server);
    });
}
