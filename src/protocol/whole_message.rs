//! The common case: a message of one frame that lies whole in the input.

/// A masked message of one frame of less than 64 KiB, without extension bits (RFC 6455 §5.2): where
/// it lies in the input. What else there is to know is read from there when it is wanted.
pub(super) struct WholeMessage {
    payload_start: usize,
    /// The next frame begins here.
    pub(super) end: usize,
}

/// Its parts, in place.
pub(super) struct Parts<'a> {
    pub(super) is_text: bool,
    pub(super) masking_key: [u8; 4],
    pub(super) payload: &'a mut [u8],
}

const FIN_TEXT: u8 = 0x81;
const FIN_BINARY: u8 = 0x82;
const MASKED: u8 = 0x80;
const MASKED_MAX_SHORT: u8 = MASKED | 125;
/// The length follows in 16 bits.
const MASKED_MEDIUM: u8 = MASKED | 126;

impl WholeMessage {
    /// Finds one of fewer than `limit` bytes at the start of `input` with few branches. Whatever is not exactly that, incomplete
    /// or not right is `None`, for the general decoder to judge.
    #[inline(always)]
    pub(super) fn find(input: &[u8], limit: usize) -> Option<Self> {
        let &[first, second, ..] = input.first_chunk::<6>()?;
        if first != FIN_TEXT && first != FIN_BINARY {
            return None;
        }
        let (payload_start, payload_len) = match second {
            MASKED..=MASKED_MAX_SHORT => (6, usize::from(second & !MASKED)),
            MASKED_MEDIUM => {
                let &[_, _, high, low, ..] = input.first_chunk::<8>()?;
                let len = usize::from(u16::from_be_bytes([high, low]));
                // The shorter form would have done, and had to be used.
                if len < 126 {
                    return None;
                }
                (8, len)
            }
            _ => return None,
        };
        let end = payload_start + payload_len;
        if end > input.len() || payload_len >= limit {
            return None;
        }
        Some(Self { payload_start, end })
    }

    /// Takes the message apart, in the input that it was found in; `None` in any shorter one.
    #[inline(always)]
    pub(super) fn parts<'a>(&self, input: &'a mut [u8]) -> Option<Parts<'a>> {
        let is_text = *input.first()? == FIN_TEXT;
        let (head, payload) =
            input.get_mut(..self.end)?.split_at_mut_checked(self.payload_start)?;
        Some(Parts { is_text, masking_key: *head.last_chunk()?, payload })
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
                let whole = WholeMessage::find(&frame, payload_len + 1).expect("a whole message");
                assert_eq!(whole.end, len);
                let parts = whole.parts(&mut frame).expect("the input that it was found in");
                assert_eq!((parts.is_text, parts.masking_key), (is_text, KEY));
                assert_eq!(parts.payload.len(), payload_len);
                for cut in (0..len.min(200)).chain([len - 1]) {
                    assert!(WholeMessage::find(&frame[..cut], payload_len + 1).is_none(), "{cut}");
                }
                assert!(WholeMessage::find(&frame, payload_len).is_none());
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
                    assert_eq!(whole.end, head_len + header.payload_len as usize);
                    let parts = whole.parts(&mut input).expect("the input that it was found in");
                    let opcode = if parts.is_text { OpCode::Text } else { OpCode::Binary };
                    assert_eq!(header.opcode, opcode);
                    assert_eq!(header.masking_key, Some(parts.masking_key));
                    assert_eq!(parts.payload.len(), header.payload_len as usize);
                }
            }
        }
    }
}
