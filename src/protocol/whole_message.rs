//! The common case: a message of one frame that lies whole in the input.

use std::ops::Range;

/// A masked message of one frame of less than 64 KiB, without extension bits (RFC 6455 §5.2).
pub(super) struct WholeMessage {
    pub(super) is_text: bool,
    pub(super) masking_key: [u8; 4],
    /// Where its payload lies in the input; the next frame begins behind it.
    pub(super) payload: Range<usize>,
}

const FIN_TEXT: u8 = 0x81;
const FIN_BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
const MASKED_MAX_SHORT: u8 = MASKED | 125;
/// The length follows in 16 bits.
const MASKED_MEDIUM: u8 = MASKED | 126;

impl WholeMessage {
    /// Finds one at the start of `input` with few branches. Whatever is not exactly that, incomplete
    /// or not right is `None`, for the general decoder to judge.
    #[inline(always)]
    pub(super) fn find(input: &[u8], max_payload_len: usize) -> Option<Self> {
        let &[first, second, ref rest @ ..] = input else { return None };
        let is_text = first == FIN_TEXT;
        if !is_text && first != FIN_BINARY {
            return None;
        }
        let (payload_len, rest, head_len) = match second {
            MASKED..=MASKED_MAX_SHORT => (usize::from(second & !MASKED), rest, 6),
            MASKED_MEDIUM => {
                let (len, rest) = rest.split_first_chunk()?;
                let len = usize::from(u16::from_be_bytes(*len));
                // The shorter form would have done, and had to be used.
                if len < 126 {
                    return None;
                }
                (len, rest, 8)
            }
            _ => return None,
        };
        let masking_key = *rest.first_chunk()?;
        let payload = head_len..head_len + payload_len;
        let fits = payload.end <= input.len() && payload_len <= max_payload_len;
        fits.then_some(Self { is_text, masking_key, payload })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::frame::{FrameHeader, HeaderRules, OpCode, encode_frame};

    const KEY: [u8; 4] = [1, 2, 3, 4];

    fn message(opcode: OpCode, payload_len: usize) -> Vec<u8> {
        let mut frame = Vec::new();
        encode_frame(&mut frame, true, opcode, Some(KEY), &vec![0; payload_len]);
        frame
    }

    #[test]
    fn whole_messages_are_found_at_every_length_and_none_when_cut() {
        for payload_len in [0, 1, 125, 126, 127, 65_535] {
            for (opcode, is_text) in [(OpCode::Text, true), (OpCode::Binary, false)] {
                let mut frame = message(opcode, payload_len);
                let len = frame.len();
                frame.extend_from_slice(b"next");
                let whole = WholeMessage::find(&frame, payload_len).expect("a whole message");
                assert_eq!((whole.is_text, whole.masking_key), (is_text, KEY));
                assert_eq!(whole.payload, len - payload_len..len);
                for cut in (0..len.min(200)).chain([len - 1]) {
                    assert!(WholeMessage::find(&frame[..cut], payload_len).is_none(), "{cut}");
                }
                assert!(payload_len == 0 || WholeMessage::find(&frame, payload_len - 1).is_none());
            }
        }
        assert!(WholeMessage::find(&message(OpCode::Text, 65_536), usize::MAX).is_none());
    }

    /// Every first and second byte: what is found here the general decoder finds too.
    #[test]
    fn nothing_is_found_that_the_general_decoder_would_not_take() {
        let rules = HeaderRules { masked: true, rsv1_allowed: false };
        for first in 0..=255 {
            for second in 0..=255 {
                for len in [0_u16, 125, 126, 300] {
                    let mut input = vec![first, second];
                    input.extend_from_slice(&len.to_be_bytes());
                    input.resize(1000, 7);
                    let Some(whole) = WholeMessage::find(&input, 1000) else { continue };
                    let (header, head_len) = FrameHeader::decode(&input, rules)
                        .expect("a right header")
                        .expect("a whole header");
                    assert!(header.fin && !header.rsv1);
                    let opcode = if whole.is_text { OpCode::Text } else { OpCode::Binary };
                    assert_eq!(header.opcode, opcode);
                    assert_eq!(header.masking_key, Some(whole.masking_key));
                    let payload_len = header.payload_len as usize;
                    assert_eq!(whole.payload, head_len..head_len + payload_len);
                }
            }
        }
    }
}
