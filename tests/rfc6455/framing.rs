//! §5.2: the frame header.

use tickwire::frame::FrameError;
use tickwire::protocol::{Limits, ProtocolError, Role};

use super::frames::{
    BINARY, CLOSE, CONTINUATION, Frame, LenForm, PING, PONG, ROLES, TEXT, encode_all,
};
use super::{Seen, Stream, filler, greeting, stream};

const RESERVED: [u8; 10] = [0x3, 0x4, 0x5, 0x6, 0x7, 0xb, 0xc, 0xd, 0xe, 0xf];
const DEFINED: [u8; 6] = [CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG];

#[test]
fn s5_2_a_reserved_bit_fails_at_the_first_byte() {
    let error = ProtocolError::Frame(FrameError::ReservedBits);
    for role in ROLES {
        for rsv_bits in (0x10..=0x70).step_by(0x10) {
            for opcode in DEFINED.into_iter().chain(RESERVED) {
                for fin in [true, false] {
                    let frame = Frame { fin, ..Frame::new(opcode, "payload").rsv(rsv_bits) };
                    stream(role, &[frame]).fails(&[], error, 1002, 1);
                }
            }
        }
    }
}

#[test]
fn s5_2_a_reserved_bit_fails_within_a_fragmented_message_too() {
    let error = ProtocolError::Frame(FrameError::ReservedBits);
    for role in ROLES {
        for opcode in [CONTINUATION, PING] {
            let frames = [Frame::text("Hel").more(), Frame::new(opcode, "lo").rsv(0x40)];
            stream(role, &frames).fails(&[], error, 1002, 1);
        }
    }
}

#[test]
fn s5_2_a_reserved_opcode_fails_at_the_first_byte() {
    for role in ROLES {
        for opcode in RESERVED {
            let error = ProtocolError::Frame(FrameError::ReservedOpCode(opcode));
            let (hello, seen) = greeting();
            stream(role, &[Frame::new(opcode, "")]).fails(&[], error, 1002, 1);
            stream(role, &[hello, Frame::new(opcode, "x").more()]).fails(&[seen], error, 1002, 1);
        }
    }
}

#[test]
fn s5_2_every_length_class_is_received() {
    for role in ROLES {
        for len in [0, 1, 2, 124, 125, 126, 127, 128, 255, 256, 65_534, 65_535, 65_536, 65_537] {
            let payload = filler(len);
            stream(role, &[Frame::binary(&payload)]).yields(&[Seen::binary(&payload)]);
        }
    }
}

#[test]
fn s5_2_lengths_are_in_network_byte_order() {
    let payload = filler(0x0102);
    let wire = [b"\x82\x7e\x01\x02", &payload[..]].concat();
    Stream::from_wire(Role::Client, &wire).yields(&[Seen::binary(&payload)]);
    let payload = filler(0x01_02_03);
    let wire = [b"\x82\x7f\0\0\0\0\0\x01\x02\x03", &payload[..]].concat();
    Stream::from_wire(Role::Client, &wire).yields(&[Seen::binary(&payload)]);
}

#[test]
fn s5_2_a_length_must_take_the_fewest_bytes() {
    let error = ProtocolError::Frame(FrameError::NotMinimal);
    let cases: [(LenForm, &[usize], usize); 2] = [
        (LenForm::Extended16, &[0, 1, 124, 125], 2 + 2),
        (LenForm::Extended64, &[0, 1, 125, 126, 127, 65_534, 65_535], 2 + 8),
    ];
    for role in ROLES {
        for (form, lens, needed) in cases {
            for &len in lens {
                for opcode in [TEXT, BINARY] {
                    let frame = Frame::new(opcode, "").announcing(len as u64).len_form(form);
                    stream(role, &[frame]).fails(&[], error, 1002, needed);
                }
                let frames = [
                    Frame::binary("a").more(),
                    Frame::continuation("").announcing(len as u64).len_form(form),
                ];
                stream(role, &frames).fails(&[], error, 1002, needed);
            }
        }
    }
}

#[test]
fn s5_2_the_top_bit_of_a_64_bit_length_must_be_0() {
    let error = ProtocolError::Frame(FrameError::LengthOverflow);
    for role in ROLES {
        for len in [1 << 63, 1 << 63 | 5, u64::MAX] {
            let frame = Frame::binary("").announcing(len).len_form(LenForm::Extended64);
            stream(role, &[frame]).fails(&[], error, 1002, 2 + 8);
        }
    }
}

#[test]
fn s5_2_the_longest_63_bit_length_is_a_matter_of_limits() {
    for role in ROLES {
        let frame = Frame::binary("").announcing((1 << 63) - 1);
        let limit = Limits::default().max_frame_len;
        let error = ProtocolError::FrameTooBig { limit };
        let needed = frame.header_len(role);
        stream(role, &[frame]).fails(&[], error, 1009, needed);
    }
}

#[test]
fn s5_2_a_payload_may_be_empty() {
    for role in ROLES {
        let frames = [
            Frame::text(""),
            Frame::binary(""),
            Frame::ping(""),
            Frame::pong(""),
            Frame::text("").more(),
            Frame::ping(""),
            Frame::continuation("").more(),
            Frame::continuation(""),
            Frame::binary("").more(),
            Frame::continuation(""),
            Frame::raw_close(""),
        ];
        stream(role, &frames).yields(&[
            Seen::text(""),
            Seen::binary(""),
            Seen::ping(""),
            Seen::pong(""),
            Seen::ping(""),
            Seen::text(""),
            Seen::binary(""),
            Seen::close(1005, ""),
        ]);
    }
}

#[test]
fn s5_2_frames_follow_each_other_without_a_gap() {
    for role in ROLES {
        let payloads: Vec<Vec<u8>> = [0, 1, 126, 3, 0, 300, 125].map(filler).to_vec();
        let frames: Vec<Frame> = payloads.iter().map(Frame::binary).collect();
        let seen: Vec<Seen> = payloads.iter().map(Seen::binary).collect();
        stream(role, &frames).yields(&seen);
    }
}

#[test]
fn s5_7_the_examples_of_the_rfc() {
    let hello = [Seen::text("Hello")];
    Stream::from_wire(Role::Client, b"\x81\x05Hello").yields(&hello);
    Stream::from_wire(Role::Server, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58").yields(&hello);
    Stream::from_wire(Role::Client, b"\x01\x03Hel\x80\x02lo").yields(&hello);
    Stream::from_wire(Role::Client, b"\x89\x05Hello").yields(&[Seen::ping("Hello")]);
    Stream::from_wire(Role::Server, b"\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58")
        .yields(&[Seen::pong("Hello")]);
    let bytes = filler(256);
    Stream::from_wire(Role::Client, &[b"\x82\x7e\x01\x00", &bytes[..]].concat())
        .yields(&[Seen::binary(&bytes)]);
    let bytes = filler(65_536);
    Stream::from_wire(Role::Client, &[b"\x82\x7f\0\0\0\0\0\x01\0\0", &bytes[..]].concat())
        .yields(&[Seen::binary(&bytes)]);
}

#[test]
fn s5_2_the_builders_of_these_tests_agree_with_the_examples() {
    let hello = |role, frame: Frame| encode_all(role, &[frame]);
    assert_eq!(hello(Role::Client, Frame::text("Hello")), b"\x81\x05Hello");
    assert_eq!(
        hello(Role::Server, Frame::text("Hello")),
        b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"
    );
    assert_eq!(hello(Role::Client, Frame::binary("").announcing(256)), b"\x82\x7e\x01\x00");
    assert_eq!(
        hello(Role::Client, Frame::binary("").announcing(65_536)),
        b"\x82\x7f\0\0\0\0\0\x01\0\0"
    );
}
