//! §5.1 and §5.3: who masks, and how.

use std::slice::from_ref;

use tickwire::frame::{CloseCode, FrameError, OpCode, encode_close, encode_frame};
use tickwire::protocol::{ProtocolError, Role};

use super::frames::{BINARY, CLOSE, Frame, KEY, PING, PONG, ROLES, TEXT};
use super::{Seen, filler, greeting, sending_key, stream};

#[test]
fn s5_1_an_unmasked_client_frame_is_refused_at_the_mask_bit() {
    let error = ProtocolError::Frame(FrameError::Unmasked);
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for payload in [&b""[..], b"\x03\xe8"] {
            let frame = Frame::new(opcode, payload).masked(false);
            stream(Role::Server, from_ref(&frame)).fails(&[], error, 1002, 2);
            let (hello, seen) = greeting();
            stream(Role::Server, &[hello, frame]).fails(&[seen], error, 1002, 2);
        }
    }
    let frames = [Frame::text("a").more(), Frame::continuation("b").masked(false)];
    stream(Role::Server, &frames).fails(&[], error, 1002, 2);
}

#[test]
fn s5_1_a_masked_server_frame_is_refused_at_the_mask_bit() {
    let error = ProtocolError::Frame(FrameError::Masked);
    for opcode in [TEXT, BINARY, CLOSE, PING, PONG] {
        for key in [KEY, [0; 4]] {
            let frame = Frame::new(opcode, "").masked(true).key(key);
            stream(Role::Client, from_ref(&frame)).fails(&[], error, 1002, 2);
            let (hello, seen) = greeting();
            stream(Role::Client, &[hello, frame]).fails(&[seen], error, 1002, 2);
        }
    }
    let frames = [Frame::text("a").more(), Frame::continuation("b").masked(true)];
    stream(Role::Client, &frames).fails(&[], error, 1002, 2);
}

#[test]
fn s5_1_clients_mask_what_they_send_and_servers_do_not() {
    for role in ROLES {
        let key = sending_key(role);
        let mask_bit = if role == Role::Client { 0x80 } else { 0 };
        for len in [0, 5, 125, 126, 65_535, 65_536] {
            let mut out = Vec::new();
            encode_frame(&mut out, true, OpCode::Binary, key, &filler(len));
            assert_eq!(out[1] & 0x80, mask_bit, "{role:?} sending {len} bytes");
        }
        let mut out = Vec::new();
        encode_close(&mut out, CloseCode::NORMAL, "bye", key);
        assert_eq!(out[1] & 0x80, mask_bit, "{role:?} closing");
    }
}

#[test]
fn s5_3_byte_i_is_masked_with_key_byte_i_modulo_4() {
    for key in [KEY, [0; 4], [0xff; 4], [1, 2, 4, 8]] {
        for len in 0..=40 {
            let payload = filler(len);
            stream(Role::Server, &[Frame::binary(&payload).key(key)])
                .yields(&[Seen::binary(&payload)]);
            let mut sent = Vec::new();
            encode_frame(&mut sent, true, OpCode::Binary, Some(key), &payload);
            assert_eq!(sent, Frame::binary(&payload).key(key).encode(Role::Server));
        }
    }
}

#[test]
fn s5_3_long_payloads_are_unmasked_whatever_their_length() {
    for len in [127, 128, 129, 131, 159, 160, 255, 256, 257, 511, 700] {
        let payload = filler(len);
        stream(Role::Server, &[Frame::binary(&payload)]).yields(&[Seen::binary(&payload)]);
    }
}

#[test]
fn s5_3_each_frame_has_a_key_of_its_own_and_starts_at_its_first_byte() {
    for first_len in 0..9 {
        let frames = [
            Frame::text(&"abcdefgh"[..first_len]).more().key([1, 2, 3, 4]),
            Frame::ping("ping").key([9, 8, 7, 6]),
            Frame::continuation("middle").more().key([0xff, 0, 0xff, 0]),
            Frame::continuation("end").key([0xa0, 0xb0, 0xc0, 0xd0]),
            Frame::binary("next").key([5, 5, 5, 6]),
        ];
        let text = format!("{}middleend", &"abcdefgh"[..first_len]);
        stream(Role::Server, &frames).yields(&[
            Seen::ping("ping"),
            Seen::text(text),
            Seen::binary("next"),
        ]);
    }
}
