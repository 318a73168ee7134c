//! §5.5.1, §7.1 and §7.4: the closing handshake, in every order, and the codes.

use tickwire::frame::{CloseCode, FrameError, InvalidClose, encode_close};
use tickwire::protocol::{Limits, ProtocolError, Role};
use tickwire::utf8::InvalidUtf8;

use super::frames::{Frame, ROLES, encode_all};
use super::receiver::Receiver;
use super::{Seen, peer_of, sending_key, stream};

/// One side of a connection: it answers a close frame as RFC 6455 §5.5.1 demands.
struct Side {
    role: Role,
    receiver: Receiver,
    /// What it has sent and the other side has not received.
    sent: Vec<u8>,
    close_frames_sent: usize,
}

impl Side {
    fn new(role: Role) -> Self {
        let receiver = Receiver::new(role, Limits::default());
        Self { role, receiver, sent: Vec::new(), close_frames_sent: 0 }
    }

    fn close(&mut self, code: u16, reason: &str) {
        let frame = self.receiver.close(code, reason, sending_key(self.role));
        self.close_frames_sent += usize::from(!frame.is_empty());
        self.sent.extend(frame);
    }

    fn send(&mut self, frames: &[Frame]) {
        self.sent.extend(encode_all(peer_of(self.role), frames));
    }

    /// Receives all that `other` has sent, `piece_len` bytes at a time, and answers a close frame.
    fn receive_from(&mut self, other: &mut Self, piece_len: usize) {
        for piece in std::mem::take(&mut other.sent).chunks(piece_len) {
            self.receiver.feed(piece);
        }
        let close = self.receiver.seen.iter().find_map(|seen| match seen {
            Seen::Close(code, _) => Some(*code),
            _ => None,
        });
        if let Some(code) = close {
            self.close(code, "");
        }
    }

    fn assert_closed(&self, seen: &[Seen]) {
        assert_eq!(self.receiver.failure, None, "{:?}", self.role);
        assert_eq!(self.receiver.seen, seen, "{:?}", self.role);
        assert!(self.receiver.endpoint.is_closed(), "{:?}", self.role);
        assert_eq!(self.close_frames_sent, 1, "{:?}", self.role);
        assert!(self.sent.is_empty(), "{:?}", self.role);
    }
}

/// Both sides of a connection, and in which pieces the bytes between them come.
fn connections() -> impl Iterator<Item = (Side, Side, usize)> {
    ROLES.into_iter().flat_map(|role| {
        [1, 2, 7, 10_000].map(|piece_len| (Side::new(role), Side::new(peer_of(role)), piece_len))
    })
}

#[test]
fn s7_1_2_one_side_closes_and_the_other_answers() {
    for (mut first, mut second, piece_len) in connections() {
        first.close(1000, "done");
        assert!(!first.receiver.endpoint.is_closed(), "the answer is missing");
        second.receive_from(&mut first, piece_len);
        assert!(second.receiver.endpoint.is_closed());
        first.receive_from(&mut second, piece_len);
        second.assert_closed(&[Seen::close(1000, "done")]);
        first.assert_closed(&[Seen::close(1000, "")]);
    }
}

#[test]
fn s7_1_2_an_empty_close_is_answered_with_an_empty_close() {
    for (mut first, mut second, piece_len) in connections() {
        first.close(1005, "no code may stand for it on the wire");
        second.receive_from(&mut first, piece_len);
        first.receive_from(&mut second, piece_len);
        second.assert_closed(&[Seen::close(1005, "")]);
        first.assert_closed(&[Seen::close(1005, "")]);
    }
}

#[test]
fn s7_1_2_both_sides_close_at_once() {
    for (mut first, mut second, piece_len) in connections() {
        first.close(1000, "first");
        second.close(1001, "second");
        second.receive_from(&mut first, piece_len);
        first.receive_from(&mut second, piece_len);
        first.assert_closed(&[Seen::close(1001, "second")]);
        second.assert_closed(&[Seen::close(1000, "first")]);
    }
}

#[test]
fn s7_1_2_messages_that_cross_our_close_are_dropped_and_those_before_it_are_not() {
    for (mut first, mut second, piece_len) in connections() {
        first.send(&[Frame::text("last words").more(), Frame::continuation("!")]);
        first.close(1000, "done");
        second.send(&[Frame::text("crossing"), Frame::binary("be").more()]);
        second.send(&[Frame::continuation("gun")]);
        second.receive_from(&mut first, piece_len);
        first.receive_from(&mut second, piece_len);
        second.assert_closed(&[Seen::text("last words!"), Seen::close(1000, "done")]);
        first.assert_closed(&[Seen::close(1000, "")]);
    }
}

#[test]
fn s5_5_1_nothing_is_sent_behind_a_close_frame() {
    for role in ROLES {
        let mut receiver = Receiver::new(role, Limits::default());
        assert!(!receiver.endpoint.is_close_sent());
        assert!(!receiver.close(1000, "", sending_key(role)).is_empty());
        assert!(receiver.close(1000, "", sending_key(role)).is_empty());
        assert!(receiver.close(1011, "another", sending_key(role)).is_empty());
        receiver.feed(&Frame::close(1000, "").encode(role));
        assert!(receiver.close(1000, "", sending_key(role)).is_empty());
    }
}

#[test]
fn s5_5_1_whatever_follows_a_close_frame_is_ignored() {
    for role in ROLES {
        let close = Frame::close(1000, "bye");
        let behind: [&[Frame]; 7] = [
            &[Frame::text("late")],
            &[Frame::ping("late"), Frame::pong("late")],
            &[Frame::close(1001, "again")],
            &[Frame::close(1001, "again"), Frame::close(1002, "and again")],
            &[Frame::new(0xf, "garbage").rsv(0x70)],
            &[Frame::text(b"\xff"), Frame::continuation("stray")],
            &[Frame::binary("").announcing(1 << 62)],
        ];
        for frames in behind {
            let frames = [&[Frame::text("before"), close.clone()], frames].concat();
            stream(role, &frames).yields(&[Seen::text("before"), Seen::close(1000, "bye")]);
        }
    }
}

#[test]
fn s5_5_1_a_close_frame_ends_a_message_under_way() {
    for role in ROLES {
        let close = Frame::close(1001, "");
        let frames =
            [Frame::text("Hel").more(), Frame::ping("p"), close.clone(), Frame::continuation("lo")];
        stream(role, &frames).yields(&[Seen::ping("p"), Seen::close(1001, "")]);
        // The text would have been wrong, had it ended here.
        stream(role, &[Frame::text(b"\xc3").more(), close]).yields(&[Seen::close(1001, "")]);

        let mut receiver = Receiver::new(role, Limits::default());
        receiver.feed(&encode_all(role, &frames));
        assert_eq!(receiver.endpoint.payload_remaining(), 0);
        assert!(receiver.endpoint.payload_spare(100).is_none(), "nothing more is received into it");
    }
}

#[test]
fn s5_5_1_messages_behind_our_close_are_dropped_until_the_peer_closes() {
    for role in ROLES {
        let begun = Frame::text("be").more().encode(role);
        let rest = [
            Frame::continuation("gun"),
            Frame::text("whole"),
            Frame::ping("ping"),
            Frame::binary("fragm").more(),
            Frame::pong("pong"),
            Frame::continuation("ented"),
            Frame::close(1000, ""),
            Frame::text("ignored"),
        ];
        let rest = encode_all(role, &rest);
        let seen = [Seen::ping("ping"), Seen::pong("pong"), Seen::close(1000, "")];
        for piece_len in [1, 2, 3, 5, 1000] {
            for direct in [false, true] {
                let mut receiver = Receiver::new(role, Limits::default());
                receiver.feed(&begun);
                receiver.close(1000, "", sending_key(role));
                for piece in rest.chunks(piece_len) {
                    if direct {
                        receiver.feed_direct(piece, piece_len);
                    } else {
                        receiver.feed(piece);
                    }
                }
                assert_eq!(receiver.failure, None);
                assert_eq!(receiver.seen, seen, "pieces of {piece_len}, direct: {direct}");
                assert!(receiver.endpoint.is_closed());
            }
        }
    }
}

#[test]
fn s5_5_1_wrong_bytes_behind_our_close_fail_however_they_are_cut() {
    let wrong = [
        (Frame::text(b"fine \xff"), ProtocolError::InvalidUtf8(InvalidUtf8)),
        (Frame::text(b"cut off \xc3"), ProtocolError::InvalidUtf8(InvalidUtf8)),
        (Frame::continuation("stray"), ProtocolError::UnexpectedContinuation),
        (Frame::ping("").more(), ProtocolError::Frame(FrameError::FragmentedControl)),
        (Frame::close(1005, ""), ProtocolError::Close(InvalidClose::Code(CloseCode::NO_STATUS))),
    ];
    for role in ROLES {
        for (frame, error) in &wrong {
            let bytes = encode_all(role, &[Frame::text("dropped"), frame.clone()]);
            for cut in 0..=bytes.len() {
                let mut receiver = Receiver::new(role, Limits::default());
                receiver.close(1000, "", sending_key(role));
                receiver.feed(&bytes[..cut]);
                receiver.feed(&bytes[cut..]);
                assert_eq!(receiver.failure, Some(*error), "cut at {cut}");
                assert_eq!(receiver.seen, []);
                assert!(receiver.endpoint.is_closed(), "no answer to wait for");
            }
        }
    }
}

#[test]
fn s7_1_7_a_failed_endpoint_ignores_the_rest_and_closes_with_the_error_s_code() {
    for role in ROLES {
        let mut receiver = Receiver::new(role, Limits::default());
        receiver.feed(&encode_all(role, &[Frame::text("begun").more(), Frame::text("wrong")]));
        let error = receiver.failure.take().expect("a message within a message");
        let endpoint = &receiver.endpoint;
        assert!(endpoint.is_input_ended() && !endpoint.is_close_sent() && !endpoint.is_closed());
        assert_eq!(endpoint.payload_remaining(), 0);

        let code = error.close_code().to_u16();
        let sent = receiver.close(code, "failed", sending_key(role));
        assert_eq!(sent[0], 0x88);
        assert!(receiver.endpoint.is_closed());

        receiver.feed(&encode_all(role, &[Frame::text("late"), Frame::close(1000, "")]));
        receiver.feed(b"\xff\xff\xff");
        assert_eq!((receiver.failure, receiver.seen), (None, vec![]));
    }
}

#[test]
fn s7_4_of_all_codes_only_those_that_may_be_sent_are_received() {
    // §7.4.1, the IANA registry (1012 to 1014), and §7.4.2.
    let valid = |code: u16| match code {
        1000 | 1001 | 1002 | 1003 | 1007 | 1008 | 1009 | 1010 | 1011 => true,
        1012..=1014 => true,
        _ => (3000..5000).contains(&code),
    };
    for role in ROLES {
        for code in 0..=u16::MAX {
            let mut receiver = Receiver::new(role, Limits::default());
            receiver.feed(&Frame::close(code, "why").encode(role));
            if valid(code) {
                assert_eq!(receiver.failure, None, "{code}");
                assert_eq!(receiver.seen, [Seen::close(code, "why")]);
            } else {
                let error = ProtocolError::Close(InvalidClose::Code(CloseCode::from(code)));
                assert_eq!(receiver.failure, Some(error), "{code}");
                assert_eq!(error.close_code(), CloseCode::PROTOCOL_ERROR);
                assert_eq!(receiver.seen, []);
            }
        }
    }
}

#[test]
fn s7_4_codes_at_the_edges_are_judged_when_the_frame_is_whole() {
    for role in ROLES {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 1100, 2000, 2999, 5000, 65_535] {
            let error = ProtocolError::Close(InvalidClose::Code(CloseCode::from(code)));
            let frame = Frame::close(code, "");
            let needed = frame.encode(role).len();
            stream(role, &[frame]).fails(&[], error, 1002, needed);
        }
        for code in [1000, 1003, 1007, 1014, 3000, 3999, 4000, 4999] {
            stream(role, &[Frame::close(code, "")]).yields(&[Seen::close(code, "")]);
        }
    }
}

#[test]
fn s7_4_1_reserved_codes_are_never_put_on_the_wire() {
    for role in ROLES {
        for code in [0, 999, 1004, 1005, 1006, 1015, 1016, 2999, 5000] {
            let mut sent = Vec::new();
            encode_close(&mut sent, CloseCode::from(code), "why", sending_key(role));
            super::Stream::from_wire(peer_of(role), &sent).yields(&[Seen::close(1005, "")]);
        }
    }
}

#[test]
fn s5_5_a_long_reason_is_sent_cut_between_characters() {
    for role in ROLES {
        for (reason, cut_len) in
            [("r".repeat(123), 123), ("r".repeat(124), 123), ("🦀".repeat(50), 120)]
        {
            let mut sent = Vec::new();
            encode_close(&mut sent, CloseCode::NORMAL, &reason, sending_key(role));
            super::Stream::from_wire(peer_of(role), &sent)
                .yields(&[Seen::close(1000, &reason[..cut_len])]);
        }
    }
}
