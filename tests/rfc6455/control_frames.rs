//! §5.5: close, ping and pong frames.

use std::slice::from_ref;

use tickwire::frame::{FrameError, InvalidClose, OpCode, encode_frame};
use tickwire::protocol::ProtocolError;

use super::frames::{CLOSE, Frame, LenForm, PING, PONG, ROLES};
use super::{Seen, filler, greeting, peer_of, sending_key, stream};

#[test]
fn s5_5_a_control_frame_must_not_be_fragmented() {
    let error = ProtocolError::Frame(FrameError::FragmentedControl);
    for role in ROLES {
        for opcode in [CLOSE, PING, PONG] {
            let frame = Frame::new(opcode, "").more();
            stream(role, from_ref(&frame)).fails(&[], error, 1002, 1);
            let (hello, seen) = greeting();
            stream(role, &[hello, frame.clone()]).fails(&[seen], error, 1002, 1);
            stream(role, &[Frame::text("a").more(), frame]).fails(&[], error, 1002, 1);
        }
    }
}

#[test]
fn s5_5_a_control_frame_carries_at_most_125_bytes() {
    let error = ProtocolError::Frame(FrameError::ControlTooLong);
    for role in ROLES {
        for opcode in [CLOSE, PING, PONG] {
            for len in [126, 127, 65_535, 65_536, 1 << 62] {
                let frame = Frame::new(opcode, "").announcing(len);
                stream(role, from_ref(&frame)).fails(&[], error, 1002, 2);
                stream(role, &[Frame::text("a").more(), frame]).fails(&[], error, 1002, 2);
            }
            for form in [LenForm::Extended16, LenForm::Extended64] {
                let frame = Frame::new(opcode, "").len_form(form);
                stream(role, &[frame]).fails(&[], error, 1002, 2);
            }
        }
    }
}

#[test]
fn s5_5_2_pings_and_pongs_of_every_length_are_seen_with_their_payload() {
    for role in ROLES {
        let payloads: Vec<Vec<u8>> = (0..=125).map(filler).collect();
        let pings: Vec<Frame> = payloads.iter().map(Frame::ping).collect();
        let pongs: Vec<Frame> = payloads.iter().map(Frame::pong).collect();
        stream(role, &pings[..16])
            .yields(&payloads[..16].iter().map(Seen::ping).collect::<Vec<_>>());
        stream(role, &pongs[..16])
            .yields(&payloads[..16].iter().map(Seen::pong).collect::<Vec<_>>());
        stream(role, &pings[124..])
            .yields(&payloads[124..].iter().map(Seen::ping).collect::<Vec<_>>());
        stream(role, &pongs[124..])
            .yields(&payloads[124..].iter().map(Seen::pong).collect::<Vec<_>>());
    }
}

#[test]
fn s5_5_2_a_ping_s_payload_need_not_be_text() {
    for role in ROLES {
        let payload = b"\xff\x00\x80\xc0";
        stream(role, &[Frame::ping(payload), Frame::pong(payload)])
            .yields(&[Seen::ping(payload), Seen::pong(payload)]);
    }
}

#[test]
fn s5_5_3_a_pong_carries_the_ping_s_payload_back() {
    for role in ROLES {
        for len in [0, 1, 4, 125] {
            let payload = filler(len);
            let mut answer = Vec::new();
            encode_frame(&mut answer, true, OpCode::Pong, sending_key(role), &payload);
            super::Stream::from_wire(peer_of(role), &answer).yields(&[Seen::pong(&payload)]);
        }
    }
}

#[test]
fn s5_5_3_an_unsolicited_pong_is_no_error() {
    for role in ROLES {
        let frames = [Frame::pong("unasked"), Frame::text("a").more(), Frame::pong(""), {
            Frame::continuation("b")
        }];
        stream(role, &frames).yields(&[Seen::pong("unasked"), Seen::pong(""), Seen::text("ab")]);
    }
}

#[test]
fn s5_5_1_a_close_frame_s_payload_is_empty_or_starts_with_a_code() {
    let error = ProtocolError::Close(InvalidClose::Truncated);
    for role in ROLES {
        stream(role, &[Frame::raw_close("")]).yields(&[Seen::close(1005, "")]);
        stream(role, &[Frame::close(1000, "")]).yields(&[Seen::close(1000, "")]);
        for byte in [0x00, 0x03, 0xff] {
            let frame = Frame::raw_close([byte]);
            let needed = frame.encode(role).len();
            stream(role, &[frame]).fails(&[], error, 1002, needed);
        }
    }
}

#[test]
fn s5_5_1_a_close_reason_is_utf_8() {
    let error = ProtocolError::Close(InvalidClose::Reason);
    for role in ROLES {
        for reason in ["bye", "κόσμε", "\u{10ffff}", "\0"] {
            stream(role, &[Frame::close(1001, reason)]).yields(&[Seen::close(1001, reason)]);
        }
        let longest = "é".repeat(61) + "!";
        assert_eq!(longest.len(), 123);
        stream(role, &[Frame::close(4999, &longest)]).yields(&[Seen::close(4999, &longest)]);
        let wrong: [&[u8]; 6] = [
            b"\xff",
            b"\xce",
            b"ok \xed\xa0\x80",
            b"\xc0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf0\x9f\xa6",
        ];
        for reason in wrong {
            let frame = Frame::close(1000, reason);
            let needed = frame.encode(role).len();
            stream(role, &[frame]).fails(&[], error, 1007, needed);
        }
    }
}
