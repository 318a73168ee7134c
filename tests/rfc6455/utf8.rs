//! §5.6 and §8.1: text is UTF-8.

use std::slice::from_ref;

use tickwire::protocol::{Endpoint, Limits, ProtocolError, Role};
use tickwire::utf8::InvalidUtf8;

use super::frames::{Frame, ROLES, encode_all};
use super::receiver::Receiver;
use super::{Seen, stream};

const ERROR: ProtocolError = ProtocolError::InvalidUtf8(InvalidUtf8);

/// Bytes that no text has, and which of them shows it (0 is the first), after Unicode's table 3-7.
const WRONG: &[(&[u8], usize)] = &[
    (b"\x80", 0),
    (b"\xbf", 0),
    (b"\xc0\x80", 0),
    (b"\xc1\xbf", 0),
    (b"\xc2\x41", 1),
    (b"\xdf\xc0", 1),
    (b"\xe0\x80\x80", 1),
    (b"\xe0\x9f\xbf", 1),
    (b"\xe1\x80\x41", 2),
    (b"\xed\xa0\x80", 1),
    (b"\xed\xbf\xbf", 1),
    (b"\xef\xbf\xc0", 2),
    (b"\xf0\x80\x80\x80", 1),
    (b"\xf0\x8f\xbf\xbf", 1),
    (b"\xf0\x90\x80\x41", 3),
    (b"\xf4\x90\x80\x80", 1),
    (b"\xf5\x80\x80\x80", 0),
    (b"\xf8\x88\x80\x80\x80", 0),
    (b"\xfe", 0),
    (b"\xff", 0),
];

/// Characters whose last byte is missing.
const CUT_OFF: [&[u8]; 7] =
    [b"\xc2", b"\xdf", b"\xe0\xa0", b"\xed\x9f", b"\xf0", b"\xf0\x90\x80", b"\xf4\x8f\xbf"];

/// One of each length and both ends of each range, and what looks odd but is text.
const RIGHT: &str = "\0\u{7f}\u{80}\u{7ff}\u{800}\u{d7ff}\u{e000}\u{fffd}\u{fffe}\u{ffff}\
                     \u{feff}\u{10000}\u{fffff}\u{10ffff} κόσμε 🦀";

#[test]
fn s8_1_every_kind_of_character_is_text() {
    for role in ROLES {
        stream(role, &[Frame::text(RIGHT)]).yields(&[Seen::text(RIGHT)]);
        let long = RIGHT.repeat(12);
        stream(role, &[Frame::text(&long)]).yields(&[Seen::text(&long)]);
    }
}

#[test]
fn s5_6_a_character_may_be_cut_between_fragments() {
    for role in ROLES {
        for cut in 0..=RIGHT.len() {
            let (left, right) = RIGHT.as_bytes().split_at(cut);
            let frames =
                [Frame::text(left).more(), Frame::ping("between"), Frame::continuation(right)];
            stream(role, &frames).yields(&[Seen::ping("between"), Seen::text(RIGHT)]);
        }
        let mut frames: Vec<Frame> =
            RIGHT.bytes().map(|byte| Frame::continuation([byte]).more()).collect();
        frames[0] = Frame::text(&RIGHT[..1]).more();
        frames.push(Frame::continuation(""));
        stream(role, &frames).yields(&[Seen::text(RIGHT)]);
    }
}

#[test]
fn s8_1_text_that_is_not_utf_8_fails_at_the_byte_that_shows_it() {
    for role in ROLES {
        for &(wrong, shows) in WRONG {
            for before in ["", "x", "κόσμε", &"ascii ".repeat(25)] {
                let payload = [before.as_bytes(), wrong, b"rest"].concat();
                let frame = Frame::text(payload);
                let needed = frame.header_len(role) + before.len() + shows + 1;
                stream(role, from_ref(&frame)).fails(&[], ERROR, 1007, needed);
                stream(role, &[frame.more()]).fails(&[], ERROR, 1007, needed);
            }
        }
    }
}

#[test]
fn s8_1_text_in_fragments_fails_at_the_byte_that_shows_it() {
    for role in ROLES {
        for &(wrong, shows) in WRONG {
            for cut in 0..=shows {
                let (left, right) = wrong.split_at(cut);
                let frames = [
                    Frame::text([b"fine ", left].concat()).more(),
                    Frame::ping("p"),
                    Frame::continuation(right).more(),
                ];
                let needed = frames[2].header_len(role) + shows - cut + 1;
                stream(role, &frames).fails(&[Seen::ping("p")], ERROR, 1007, needed);
            }
        }
    }
}

#[test]
fn s8_1_text_must_not_end_within_a_character() {
    for role in ROLES {
        for cut_off in CUT_OFF {
            for before in ["", "κόσμε", &"ascii ".repeat(25)] {
                let payload = [before.as_bytes(), cut_off].concat();
                let frame = Frame::text(&payload);
                let needed = frame.encode(role).len();
                stream(role, &[frame]).fails(&[], ERROR, 1007, needed);

                let frames = [Frame::text(&payload).more(), Frame::continuation("")];
                let needed = frames[1].encode(role).len();
                stream(role, &frames).fails(&[], ERROR, 1007, needed);
            }
        }
    }
}

#[test]
fn s8_1_wrong_text_fails_long_before_the_rest_of_a_large_frame() {
    for role in ROLES {
        for direct in [false, true] {
            let frame = Frame::text([&[b'a'; 1000][..], b"\xff"].concat()).announcing(1 << 20);
            let bytes = frame.encode(role);
            let (fine, wrong) = bytes.split_at(bytes.len() - 1);
            let mut receiver = Receiver::new(role, Limits::default());
            let feed = |receiver: &mut Receiver, bytes: &[u8]| {
                if direct { receiver.feed_direct(bytes, 300) } else { receiver.feed(bytes) }
            };
            feed(&mut receiver, fine);
            assert_eq!(receiver.failure, None);
            assert_eq!(receiver.endpoint.payload_remaining(), (1 << 20) - 1000);
            feed(&mut receiver, wrong);
            assert_eq!(receiver.failure, Some(ERROR));
        }
    }
}

#[test]
fn s8_1_a_message_starts_afresh() {
    let role = Role::Server;
    for cut_off in CUT_OFF {
        // What completes the character comes with the next message: too late.
        let frame = Frame::text(cut_off);
        let needed = frame.encode(role).len();
        stream(role, &[Frame::text("é"), frame]).fails(&[Seen::text("é")], ERROR, 1007, needed);
    }
    let frames = [Frame::text("é").more(), Frame::continuation("é"), Frame::text(b"\x80")];
    let needed = frames[2].encode(role).len();
    stream(role, &frames).fails(&[Seen::text("éé")], ERROR, 1007, needed);
}

#[test]
fn s8_1_a_text_given_up_halfway_leaves_nothing_to_the_next_connection() {
    for role in ROLES {
        let halfway = [
            vec![Frame::text(b"\xf0\x9f").more(), Frame::close(1001, "")],
            vec![Frame::text(b"\xf0\x9f").more(), Frame::text("within a message")],
            vec![Frame::text(b"\xf0\x9f").more(), Frame::continuation(b"\xff")],
            vec![Frame::text(b"\xf0\x9f").announcing(100)],
        ];
        let next = [Frame::text("né").more(), Frame::continuation("xt")];
        for frames in halfway {
            let mut receiver = Receiver::new(role, Limits::default());
            receiver.feed(&encode_all(role, &frames));
            receiver.endpoint.end_input(&mut receiver.workspace);
            receiver.seen.clear();
            receiver.failure = None;

            // Another connection of the same thread: it uses the first one's buffer.
            receiver.endpoint = Endpoint::new();
            receiver.feed(&encode_all(role, &next));
            assert_eq!((receiver.failure, &receiver.seen[..]), (None, &[Seen::text("néxt")][..]));
        }
    }
}

#[test]
fn s5_6_binary_messages_are_not_judged() {
    for role in ROLES {
        for &(wrong, _) in WRONG {
            let frames = [
                Frame::binary(wrong),
                Frame::binary(wrong).more(),
                Frame::continuation(b"\xff"),
                Frame::text("text"),
            ];
            stream(role, &frames).yields(&[
                Seen::binary(wrong),
                Seen::binary([wrong, b"\xff"].concat()),
                Seen::text("text"),
            ]);
        }
    }
}
