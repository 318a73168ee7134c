//! Whole frames into bytes, and their boundaries found again.

use super::close::cut_reason;
use super::{CloseCode, FrameHeader, MAX_HEADER_LEN, OpCode};
use crate::mask::apply_mask;

/// Appends one whole frame to `out`: header, then `payload`, masked when there is a key.
///
/// Clients must mask and servers must not (RFC 6455 §5.1). The caller keeps control payloads to
/// 125 bytes.
#[inline]
pub fn encode_frame(
    out: &mut Vec<u8>,
    fin: bool,
    opcode: OpCode,
    masking_key: Option<[u8; 4]>,
    payload: &[u8],
) {
    if let (true, None, len @ 0..=0xffff) = (fin, masking_key, payload.len()) {
        return encode_message(out, opcode, payload, len as u16);
    }
    let payload_len = payload.len() as u64;
    encode_with(out, &FrameHeader { fin, rsv1: false, opcode, masking_key, payload_len }, payload);
}

/// Appends one frame of a message that permessage-deflate has compressed: its first frame says so by
/// RSV1 (RFC 7692 §6.1).
pub fn encode_compressed_frame(
    out: &mut Vec<u8>,
    fin: bool,
    opcode: OpCode,
    masking_key: Option<[u8; 4]>,
    payload: &[u8],
) {
    let (rsv1, payload_len) = (opcode != OpCode::Continuation, payload.len() as u64);
    encode_with(out, &FrameHeader { fin, rsv1, opcode, masking_key, payload_len }, payload);
}

fn encode_with(out: &mut Vec<u8>, header: &FrameHeader, payload: &[u8]) {
    let (head, head_len) = header.encode();
    out.reserve(head_len + payload.len());
    out.extend_from_slice(&head[..head_len]);
    let start = out.len();
    out.extend_from_slice(payload);
    if let Some(key) = header.masking_key {
        apply_mask(&mut out[start..], key);
    }
}

/// The common case: what a server sends, in one frame of less than 64 KiB.
#[inline]
fn encode_message(out: &mut Vec<u8>, opcode: OpCode, payload: &[u8], payload_len: u16) {
    let first = 0x80 | opcode as u8;
    out.reserve(4 + payload.len());
    if payload_len < 126 {
        out.extend_from_slice(&[first, payload_len as u8]);
    } else {
        let [high, low] = payload_len.to_be_bytes();
        out.extend_from_slice(&[first, 126, high, low]);
    }
    out.extend_from_slice(payload);
}

/// The header of a whole, unmasked message of `payload_len` bytes: what a server sends before a
/// payload that is written from where it lies. Returns the bytes and how many of them count.
#[inline]
#[must_use]
pub fn server_frame_head(opcode: OpCode, payload_len: usize) -> ([u8; MAX_HEADER_LEN], usize) {
    let payload_len = payload_len as u64;
    FrameHeader { fin: true, rsv1: false, opcode, masking_key: None, payload_len }.encode()
}

/// Appends a close frame to `out`. A reason beyond 123 bytes is cut at a character's boundary; a
/// code that must not be on the wire (such as 1005) makes an empty close frame.
pub fn encode_close(
    out: &mut Vec<u8>,
    code: CloseCode,
    reason: &str,
    masking_key: Option<[u8; 4]>,
) {
    let mut payload = Vec::new();
    if code.is_sendable() {
        payload.extend_from_slice(&code.to_u16().to_be_bytes());
        payload.extend_from_slice(cut_reason(reason).as_bytes());
    }
    encode_frame(out, true, OpCode::Close, masking_key, &payload);
}

/// The first boundary between frames at or behind `offset` in `frames`, which are whole frames one
/// behind another, as encoded here. O(frames before the offset).
#[must_use]
pub fn find_frame_boundary(frames: &[u8], offset: usize) -> usize {
    let mut at = 0;
    while at < offset {
        match encoded_frame_len(&frames[at..]) {
            Some(len) => at += len,
            None => return frames.len(),
        }
    }
    at.min(frames.len())
}

fn encoded_frame_len(frame: &[u8]) -> Option<usize> {
    let &[_, second, ref rest @ ..] = frame else { return None };
    let mask_len: usize = if second & 0x80 == 0 { 0 } else { 4 };
    let (len_len, payload_len) = match second & 0x7f {
        126 => (2, usize::from(u16::from_be_bytes(*rest.first_chunk()?))),
        127 => (8, usize::try_from(u64::from_be_bytes(*rest.first_chunk()?)).ok()?),
        short => (0, usize::from(short)),
    };
    (2 + len_len + mask_len).checked_add(payload_len)
}

#[cfg(test)]
mod tests {
    use super::super::CloseFrame;
    use super::*;

    #[test]
    fn frames_of_rfc_6455_section_5_7() {
        let mut out = Vec::new();
        encode_frame(&mut out, true, OpCode::Text, None, b"Hello");
        assert_eq!(out, b"\x81\x05Hello");
        out.clear();
        encode_frame(&mut out, true, OpCode::Text, Some([0x37, 0xfa, 0x21, 0x3d]), b"Hello");
        assert_eq!(out, b"\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58");
        out.clear();
        encode_frame(&mut out, false, OpCode::Text, None, b"Hel");
        encode_frame(&mut out, true, OpCode::Continuation, None, b"lo");
        assert_eq!(out, b"\x01\x03Hel\x80\x02lo");
    }

    #[test]
    fn close_frames_carry_only_what_may_be_sent() {
        let mut out = Vec::new();
        encode_close(&mut out, CloseCode::NORMAL, "done", None);
        assert_eq!(out, b"\x88\x06\x03\xe8done");
        for unsendable in [CloseCode::NO_STATUS, CloseCode::ABNORMAL, CloseCode::TLS_HANDSHAKE] {
            out.clear();
            encode_close(&mut out, unsendable, "x", None);
            assert_eq!(out, b"\x88\x00");
        }
        out.clear();
        encode_close(&mut out, CloseCode::from(4001), &"r".repeat(1000), None);
        assert_eq!(out.len(), 2 + 125);
        assert!(CloseFrame::decode(&out[2..]).is_ok());
    }

    #[test]
    fn boundaries_are_found_in_every_length_class() {
        let mut out = Vec::new();
        let mut boundaries = vec![0];
        for (len, key) in
            [(0, None), (5, None), (125, None), (126, None), (70_000, None), (9, Some([1; 4]))]
        {
            encode_frame(&mut out, true, OpCode::Binary, key, &vec![0xff; len]);
            boundaries.push(out.len());
        }
        let mut expected = boundaries.iter();
        let mut next = *expected.next().unwrap();
        for offset in 0..=out.len() {
            if offset > next {
                next = *expected.next().unwrap();
            }
            assert_eq!(find_frame_boundary(&out, offset), next, "offset {offset}");
        }
    }
}
