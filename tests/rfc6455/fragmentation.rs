//! §5.4: messages in fragments.

use std::slice::from_ref;

use tickwire::protocol::ProtocolError;

use super::frames::{BINARY, Frame, ROLES, TEXT};
use super::{Seen, filler, greeting, stream};

fn seen_of(opcode: u8, payload: &[u8]) -> Seen {
    if opcode == TEXT {
        Seen::text(String::from_utf8(payload.to_vec()).expect("the test's own text"))
    } else {
        Seen::binary(payload)
    }
}

/// `payload` in fragments of `len` bytes.
fn fragments(opcode: u8, payload: &[u8], len: usize) -> Vec<Frame> {
    let mut frames: Vec<Frame> =
        payload.chunks(len).map(|piece| Frame::continuation(piece).more()).collect();
    frames[0].opcode = opcode;
    frames.last_mut().expect("the payload is not empty").fin = true;
    frames
}

#[test]
fn s5_4_fragments_are_joined_in_order_and_the_first_says_the_kind() {
    let payload: Vec<u8> = (b'a'..=b'z').collect();
    for role in ROLES {
        for opcode in [TEXT, BINARY] {
            for len in 1..=payload.len() {
                stream(role, &fragments(opcode, &payload, len))
                    .yields(&[seen_of(opcode, &payload)]);
            }
        }
    }
}

#[test]
fn s5_4_fragments_of_every_length_class_are_joined() {
    let lens = [0, 125, 126, 0, 65_535, 1, 65_536];
    for role in ROLES {
        let mut frames: Vec<Frame> =
            lens.iter().map(|&len| Frame::continuation(filler(len)).more()).collect();
        frames[0].opcode = BINARY;
        frames.push(Frame::continuation(""));
        let payload: Vec<u8> = lens.iter().flat_map(|&len| filler(len)).collect();
        stream(role, &frames).yields(&[Seen::binary(payload)]);
    }
}

#[test]
fn s5_4_control_frames_may_come_between_fragments() {
    for role in ROLES {
        let frames = [
            Frame::ping("before"),
            Frame::text("a").more(),
            Frame::ping("one"),
            Frame::ping(""),
            Frame::continuation("b").more(),
            Frame::pong("two"),
            Frame::continuation("").more(),
            Frame::ping(filler(125)),
            Frame::continuation("c"),
            Frame::pong("after"),
        ];
        stream(role, &frames).yields(&[
            Seen::ping("before"),
            Seen::ping("one"),
            Seen::ping(""),
            Seen::pong("two"),
            Seen::ping(filler(125)),
            Seen::text("abc"),
            Seen::pong("after"),
        ]);
    }
}

#[test]
fn s5_4_messages_follow_each_other_fragmented_or_not() {
    for role in ROLES {
        let frames = [
            Frame::text("one"),
            Frame::text("t").more(),
            Frame::continuation("wo"),
            Frame::binary("three"),
            Frame::binary("f").more(),
            Frame::continuation("our"),
            Frame::text("").more(),
            Frame::continuation("five"),
        ];
        stream(role, &frames).yields(&[
            Seen::text("one"),
            Seen::text("two"),
            Seen::binary("three"),
            Seen::binary("four"),
            Seen::text("five"),
        ]);
    }
}

#[test]
fn s5_4_a_continuation_needs_a_message_to_continue() {
    let error = ProtocolError::UnexpectedContinuation;
    for role in ROLES {
        for payload in ["", "x"] {
            for fin in [true, false] {
                let stray = Frame { fin, ..Frame::continuation(payload) };
                let (hello, seen) = greeting();
                stream(role, from_ref(&stray)).fails(&[], error, 1002, 1);
                stream(role, &[hello, stray.clone()]).fails(&[seen], error, 1002, 1);
                stream(role, &[Frame::ping("p"), stray.clone()]).fails(
                    &[Seen::ping("p")],
                    error,
                    1002,
                    1,
                );
                let ended = [Frame::text("a").more(), Frame::continuation("b"), stray];
                stream(role, &ended).fails(&[Seen::text("ab")], error, 1002, 1);
            }
        }
    }
}

#[test]
fn s5_4_a_message_must_end_before_the_next_begins() {
    let error = ProtocolError::ExpectedContinuation;
    for role in ROLES {
        for first in [TEXT, BINARY] {
            for second in [TEXT, BINARY] {
                for fin in [true, false] {
                    let begun = Frame::new(first, "begun").more();
                    let next = Frame { fin, ..Frame::new(second, "next") };
                    stream(role, &[begun.clone(), next.clone()]).fails(&[], error, 1002, 1);
                    let frames = [begun, Frame::ping("p"), Frame::continuation("").more(), next];
                    stream(role, &frames).fails(&[Seen::ping("p")], error, 1002, 1);
                }
            }
        }
    }
}

#[test]
fn s5_4_the_order_of_frames_is_judged_before_their_length() {
    for role in ROLES {
        let stray = Frame::continuation("").announcing(1 << 40);
        stream(role, &[stray]).fails(&[], ProtocolError::UnexpectedContinuation, 1002, 1);
        let frames = [Frame::text("a").more(), Frame::text("").announcing(1 << 40)];
        stream(role, &frames).fails(&[], ProtocolError::ExpectedContinuation, 1002, 1);
    }
}
