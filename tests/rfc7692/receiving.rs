//! What is received (§6.2, §7.2.2).

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;
use tickwire::frame::{CloseCode, FrameError};
use tickwire::protocol::{Limits, ProtocolError, Role};

use super::frames::{Frame, ROLES, encode_all};
use super::peer::Deflater;
use super::receiver::{Receiver, Seen};
use super::split::{cut, feed, split};
use super::{agreement, receiver};

fn receive(role: Role, frames: &[Frame]) -> Receiver {
    let mut receiver = receiver(role, &agreement(true, 15), Limits::default());
    receiver.feed(&encode_all(role, frames));
    receiver
}

#[track_caller]
fn assert_fails(frames: &[Frame], code: CloseCode) {
    for role in ROLES {
        let receiver = receive(role, frames);
        let failure = receiver.failure.expect("it breaks a rule");
        assert_eq!(failure.close_code(), code, "{failure}");
        assert!(receiver.endpoint.is_input_ended());
    }
}

#[test]
fn section_7_2_3_examples() {
    let hello = b"\xf2\x48\xcd\xc9\xc9\x07\x00";
    let frames = [
        Frame::text(hello).rsv(0x40),
        // In two fragments: RSV1 is set on the first alone.
        Frame::text(&hello[..3]).rsv(0x40).more(),
        Frame::continuation(&hello[3..]),
        // The window is taken over.
        Frame::text(b"\xf2\x00\x11\x00\x00").rsv(0x40),
        Frame::text(b"\x00\x05\x00\xfa\xffHello\x00").rsv(0x40),
        Frame::text(b"\xf3\x48\xcd\xc9\xc9\x07\x00\x00").rsv(0x40),
        Frame::text(b"\xf2\x48\x05\x00\x00\x00\xff\xff\xca\xc9\xc9\x07\x00").rsv(0x40),
        Frame::text(b"\x00").rsv(0x40),
        Frame::text(b"Hello"),
    ];
    for role in ROLES {
        let receiver = receive(role, &frames);
        assert_eq!(receiver.failure, None);
        let mut expected = vec![Seen::text("Hello"); 8];
        expected[6] = Seen::text("");
        assert_eq!(receiver.seen, expected);
    }
}

#[test]
fn section_6_1_rsv1_is_on_the_first_frame_of_a_message_alone() {
    let first = Frame::text(b"\xf2\x48\xcd").rsv(0x40).more();
    let protocol_error = CloseCode::PROTOCOL_ERROR;
    assert_fails(&[first.clone(), Frame::continuation(b"\xc9").rsv(0x40)], protocol_error);
    assert_fails(&[Frame::text("a").more(), Frame::continuation("b").rsv(0x40)], protocol_error);
    assert_fails(&[Frame::ping("x").rsv(0x40)], protocol_error);
    assert_fails(&[Frame::pong("x").rsv(0x40)], protocol_error);
    assert_fails(&[Frame::close(1000, "").rsv(0x40)], protocol_error);
    assert_fails(&[Frame::text("a").rsv(0x20)], protocol_error);
    assert_fails(&[Frame::text("a").rsv(0x50)], protocol_error);
    assert_fails(&[first.clone(), first], protocol_error);
}

#[test]
fn section_6_rsv1_means_nothing_unless_it_was_agreed_upon() {
    for role in ROLES {
        let mut receiver = Receiver::new(role, Limits::default());
        receiver.feed(&Frame::text(b"\x00").rsv(0x40).encode(role)[..1]);
        assert_eq!(receiver.failure, Some(ProtocolError::Frame(FrameError::ReservedBits)));
    }
}

#[test]
fn control_frames_and_plain_messages_come_between() {
    let mut peer = Deflater::new(true, 15);
    let text = "again and again and again";
    let compressed = peer.deflate(text.as_bytes());
    let frames = [
        Frame::text(&compressed[..4]).rsv(0x40).more(),
        Frame::ping("one"),
        Frame::continuation(&compressed[4..5]).more(),
        Frame::pong("two"),
        Frame::continuation(&compressed[5..]),
        Frame::text("plain"),
        Frame::binary("pla").more(),
        Frame::continuation("in"),
        peer.frame(Frame::text(text)),
    ];
    for role in ROLES {
        let receiver = receive(role, &frames);
        assert_eq!(receiver.failure, None);
        let expected = [
            Seen::ping("one"),
            Seen::pong("two"),
            Seen::text(text),
            Seen::text("plain"),
            Seen::binary("plain"),
            Seen::text(text),
        ];
        assert_eq!(receiver.seen, expected);
    }
}

#[test]
fn what_cannot_be_inflated_closes_with_1007() {
    let invalid = CloseCode::INVALID_PAYLOAD;
    assert_fails(&[Frame::text(b"\x06").rsv(0x40)], invalid);
    assert_fails(&[Frame::binary("not compressed").rsv(0x40)], invalid);
    assert_fails(&[Frame::binary("").rsv(0x40)], invalid);
    // Cut off, in one frame and in two.
    assert_fails(&[Frame::text(b"\xf2\x48\xcd\xc9").rsv(0x40)], invalid);
    let cut = [Frame::text(b"\xf2\x48").rsv(0x40).more(), Frame::continuation(b"\xcd\xc9")];
    assert_fails(&cut, invalid);
    // What it refers to never was.
    assert_fails(&[Frame::text(b"\xf2\x00\x11\x00\x00").rsv(0x40)], invalid);
}

#[test]
fn text_is_judged_once_it_is_inflated() {
    let mut peer = Deflater::new(false, 15);
    let wrong = peer.deflate(b"caf\xc3, caf\xc3, caf\xc3, caf\xc3");
    assert_fails(&[Frame::text(&wrong).rsv(0x40)], CloseCode::INVALID_PAYLOAD);
    let halves = [Frame::text(&wrong[..3]).rsv(0x40).more(), Frame::continuation(&wrong[3..])];
    assert_fails(&halves, CloseCode::INVALID_PAYLOAD);
    for role in ROLES {
        assert_eq!(receive(role, &[Frame::binary(&wrong).rsv(0x40)]).failure, None);
    }
}

#[test]
fn a_message_is_as_long_as_it_is_when_inflated() {
    let limits = Limits::for_messages_up_to(10_000);
    let noise: Vec<u8> =
        (0..2500_u32).flat_map(|i| i.wrapping_mul(0x9e37_79b9).to_be_bytes()).collect();
    for role in ROLES {
        for (message, fits) in
            [(vec![7; 10_000], true), (vec![7; 10_001], false), (noise.clone(), true)]
        {
            let mut receiver = receiver(role, &agreement(false, 15), limits);
            let compressed = Deflater::new(false, 15).deflate(&message);
            receiver.feed(&Frame::binary(&compressed).rsv(0x40).encode(role));
            if fits {
                assert_eq!(receiver.seen, [Seen::binary(&message)]);
            } else {
                assert_eq!(receiver.failure, Some(ProtocolError::MessageTooBig { limit: 10_000 }));
            }
        }
        // Not even in small fragments may the compressed form be as long as it likes.
        let mut receiver = receiver(role, &agreement(false, 15), limits);
        receiver.feed(&Frame::binary([0; 6000]).rsv(0x40).more().encode(role));
        assert_eq!(receiver.failure, None);
        receiver.feed(&Frame::continuation([0; 6000]).more().encode(role)[..10]);
        assert_eq!(receiver.failure, Some(ProtocolError::MessageTooBig { limit: 10_000 }));
    }
}

/// A server takes so many blocks of strangers; a client all that a peer with little memory makes.
#[test]
fn blocks_are_as_many_as_the_role_allows() {
    let blocks = |count: usize| b"\x00\x0a\x00\xf5\xff0123456789".repeat(count);
    let last = b"\x01\x0a\x00\xf5\xff0123456789";
    let most = 64 + (1 << 20) / 4096;
    let too_many = Some(ProtocolError::TooManyBlocks { limit: most });
    for (role, blocks, failure) in [
        (Role::Server, blocks(most), None),
        (Role::Server, blocks(most + 1), too_many),
        (Role::Server, [&blocks(most)[..], last].concat(), too_many),
        (Role::Client, blocks(5000), None),
    ] {
        let frame = Frame::binary([&blocks[..], b"\x00"].concat()).rsv(0x40);
        let receiver = receive(role, &[frame]);
        assert_eq!(receiver.failure, failure, "{role:?}");
        assert_eq!(receiver.seen.len(), usize::from(failure.is_none()));
    }
}

#[test]
fn what_comes_behind_our_close_frame_is_not_inflated() {
    for role in ROLES {
        let mut receiver = receiver(role, &agreement(true, 15), Limits::default());
        receiver.close(1000, "", None);
        let frames = [
            Frame::text(b"\x06").rsv(0x40),
            Frame::text(b"\x06").rsv(0x40).more(),
            Frame::continuation(b"\x06"),
            Frame::close(1000, ""),
        ];
        receiver.feed(&encode_all(role, &frames));
        assert_eq!(receiver.failure, None);
        assert_eq!(receiver.seen, [Seen::close(1000, "")]);
    }
}

/// Messages as a peer sends them: compressed or not, in any fragments.
fn messages() -> impl Strategy<Value = Vec<(bool, bool, Vec<u8>, Vec<Index>)>> {
    let bytes = prop_oneof![
        vec(any::<u8>(), 0..400),
        (1_usize..60, "[ab]{1,30}").prop_map(|(n, word)| word.repeat(n).into_bytes()),
    ];
    vec((any::<bool>(), any::<bool>(), bytes, vec(any::<Index>(), 0..4)), 1..8)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// Whatever was agreed upon, and however the stream is cut.
    #[test]
    fn a_compressed_stream_means_the_same_under_any_split(
        messages in messages(), split in split(), takes_over: bool, bits in 8_u8..=15,
    ) {
        let mut peer = Deflater::new(takes_over, bits);
        let (mut frames, mut expected) = (Vec::new(), Vec::new());
        for (compressed, is_text, message, cuts) in messages {
            let is_text = is_text && std::str::from_utf8(&message).is_ok();
            expected.push(match std::str::from_utf8(&message) {
                Ok(text) if is_text => Seen::text(text),
                _ => Seen::binary(&message),
            });
            let payload = if compressed { peer.deflate(&message) } else { message };
            let mut ends: Vec<_> = cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
            ends.sort_unstable();
            ends.push(payload.len());
            let mut start = 0;
            for (i, &end) in ends.iter().enumerate() {
                let piece = &payload[start..end];
                start = end;
                let mut frame = match i {
                    0 if is_text => Frame::text(piece),
                    0 => Frame::binary(piece),
                    _ => Frame::continuation(piece),
                };
                frame.fin = i + 1 == ends.len();
                frames.push(frame.rsv(if compressed && i == 0 { 0x40 } else { 0 }));
            }
        }
        for role in ROLES {
            let bytes = encode_all(role, &frames);
            let mut receiver = receiver(role, &agreement(takes_over, bits), Limits::default());
            for piece in cut(&bytes, &split) {
                feed(&mut receiver, piece);
            }
            prop_assert_eq!(receiver.failure, None);
            prop_assert_eq!(&receiver.seen, &expected);
        }
    }

    /// Also one that is wrong somewhere fails alike, and never panics.
    #[test]
    fn a_broken_stream_fails_alike_under_any_split(
        payload in vec(any::<u8>(), 0..60), split in split(), at: Index, flip: u8,
    ) {
        let mut peer = Deflater::new(true, 15);
        let frames = [peer.frame(Frame::text("so far all is well")), peer.frame(Frame::binary(&payload))];
        for role in ROLES {
            let mut bytes = encode_all(role, &frames);
            let at = at.index(bytes.len());
            bytes[at] ^= flip;
            let mut whole = receiver(role, &agreement(true, 15), Limits::default());
            whole.feed(&bytes);
            let mut pieces = receiver(role, &agreement(true, 15), Limits::default());
            for piece in cut(&bytes, &split) {
                feed(&mut pieces, piece);
            }
            prop_assert_eq!(whole.failure, pieces.failure);
            prop_assert_eq!(&whole.seen, &pieces.seen);
        }
    }
}
