//! The frame header (RFC 6455 §5.2).

use super::{FrameError, OpCode};

/// The longest header: two bytes, eight of extended length, four of masking key.
pub const MAX_HEADER_LEN: usize = 14;

/// The longest payload of a control frame, in bytes (RFC 6455 §5.5).
pub const MAX_CONTROL_PAYLOAD_LEN: usize = 125;

const FIN: u8 = 0x80;
const RSV1: u8 = 0x40;
const RSV_BITS: u8 = 0x70;
const MASK: u8 = 0x80;

/// A frame's header, checked by itself: lengths are minimal, control frames short and whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameHeader {
    /// The last (or only) fragment of a message.
    pub fin: bool,
    /// The bit that permessage-deflate uses (RFC 7692 §6).
    pub rsv1: bool,
    /// What the payload is.
    pub opcode: OpCode,
    /// Set on every frame from a client, on none from a server.
    pub masking_key: Option<[u8; 4]>,
    /// Bytes of payload behind the header; at most 63 bits.
    pub payload_len: u64,
}

/// What a receiver demands of every header beyond the wire format.
#[derive(Clone, Copy, Debug)]
pub struct HeaderRules {
    /// Whether frames must be masked (a server's rule) or must not be (a client's).
    pub masked: bool,
    /// Whether an extension gives RSV1 a meaning.
    pub rsv1_allowed: bool,
}

impl FrameHeader {
    /// Decodes the header at the start of `input` and returns it with its length in bytes, or
    /// `None` when it is incomplete.
    ///
    /// # Errors
    ///
    /// A [`FrameError`] as soon as the bytes at hand show it: what the first two bytes can tell
    /// does not wait for the rest.
    #[inline]
    pub fn decode(input: &[u8], rules: HeaderRules) -> Result<Option<(Self, usize)>, FrameError> {
        let &[first, second, ref rest @ ..] = input else {
            return match input.first() {
                Some(&first) => Self::check_first(first, rules).map(|_| None),
                None => Ok(None),
            };
        };
        let opcode = Self::check_first(first, rules)?;
        let masked = second & MASK != 0;
        if masked != rules.masked {
            return Err(if masked { FrameError::Masked } else { FrameError::Unmasked });
        }
        let short_len = second & !MASK;
        if opcode.is_control() && usize::from(short_len) > MAX_CONTROL_PAYLOAD_LEN {
            return Err(FrameError::ControlTooLong);
        }
        let Some((payload_len, len_len)) = decode_len(short_len, rest)? else { return Ok(None) };
        let (masking_key, header_len) = if masked {
            let Some(&key) = rest[len_len..].first_chunk::<4>() else { return Ok(None) };
            (Some(key), 2 + len_len + 4)
        } else {
            (None, 2 + len_len)
        };
        let (fin, rsv1) = (first & FIN != 0, first & RSV1 != 0);
        Ok(Some((Self { fin, rsv1, opcode, masking_key, payload_len }, header_len)))
    }

    #[inline]
    fn check_first(first: u8, rules: HeaderRules) -> Result<OpCode, FrameError> {
        let forbidden = if rules.rsv1_allowed { RSV_BITS & !RSV1 } else { RSV_BITS };
        if first & forbidden != 0 {
            return Err(FrameError::ReservedBits);
        }
        let opcode =
            OpCode::from_bits(first & 0x0f).ok_or(FrameError::ReservedOpCode(first & 0x0f))?;
        if opcode.is_control() && first & FIN == 0 {
            return Err(FrameError::FragmentedControl);
        }
        // RFC 7692 §6.1: only a message's first frame says that it is compressed.
        if first & RSV1 != 0 && !matches!(opcode, OpCode::Text | OpCode::Binary) {
            return Err(FrameError::ReservedBits);
        }
        Ok(opcode)
    }

    /// Encodes the header; returns the bytes and how many of them count.
    #[inline]
    #[must_use]
    pub fn encode(&self) -> ([u8; MAX_HEADER_LEN], usize) {
        let mut out = [0; MAX_HEADER_LEN];
        out[0] =
            self.opcode as u8 | if self.fin { FIN } else { 0 } | if self.rsv1 { RSV1 } else { 0 };
        let mut len = match self.payload_len {
            short @ 0..=125 => {
                out[1] = short as u8;
                2
            }
            medium @ 126..=0xffff => {
                out[1] = 126;
                out[2..4].copy_from_slice(&(medium as u16).to_be_bytes());
                4
            }
            long => {
                out[1] = 127;
                out[2..10].copy_from_slice(&long.to_be_bytes());
                10
            }
        };
        if let Some(key) = self.masking_key {
            out[1] |= MASK;
            out[len..len + 4].copy_from_slice(&key);
            len += 4;
        }
        (out, len)
    }
}

/// The payload length, and how many bytes behind the first two it took.
#[inline]
fn decode_len(short_len: u8, rest: &[u8]) -> Result<Option<(u64, usize)>, FrameError> {
    match short_len {
        126 => {
            let Some(&bytes) = rest.first_chunk::<2>() else { return Ok(None) };
            let len = u16::from_be_bytes(bytes);
            if len < 126 { Err(FrameError::NotMinimal) } else { Ok(Some((u64::from(len), 2))) }
        }
        127 => {
            let Some(&bytes) = rest.first_chunk::<8>() else { return Ok(None) };
            let len = u64::from_be_bytes(bytes);
            if len >> 63 != 0 {
                Err(FrameError::LengthOverflow)
            } else if len <= 0xffff {
                Err(FrameError::NotMinimal)
            } else {
                Ok(Some((len, 8)))
            }
        }
        short => Ok(Some((u64::from(short), 0))),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const SERVER: HeaderRules = HeaderRules { masked: true, rsv1_allowed: false };
    const CLIENT: HeaderRules = HeaderRules { masked: false, rsv1_allowed: false };

    fn decode(
        input: &[u8],
        rules: HeaderRules,
    ) -> Result<Option<(FrameHeader, usize)>, FrameError> {
        FrameHeader::decode(input, rules)
    }

    #[test]
    fn the_samples_of_rfc_6455_section_5_7() {
        let text = |fin, opcode, masking_key, payload_len| FrameHeader {
            fin,
            rsv1: false,
            opcode,
            masking_key,
            payload_len,
        };
        let key = Some([0x37, 0xfa, 0x21, 0x3d]);
        assert_eq!(
            decode(b"\x81\x05Hello", CLIENT),
            Ok(Some((text(true, OpCode::Text, None, 5), 2)))
        );
        assert_eq!(
            decode(b"\x81\x85\x37\xfa\x21\x3d\x7f", SERVER),
            Ok(Some((text(true, OpCode::Text, key, 5), 6)))
        );
        assert_eq!(
            decode(b"\x01\x03Hel", CLIENT),
            Ok(Some((text(false, OpCode::Text, None, 3), 2)))
        );
        assert_eq!(
            decode(b"\x82\x7e\x01\x00", CLIENT),
            Ok(Some((text(true, OpCode::Binary, None, 256), 4)))
        );
        assert_eq!(
            decode(b"\x82\x7f\0\0\0\0\0\x01\0\0", CLIENT),
            Ok(Some((text(true, OpCode::Binary, None, 65536), 10)))
        );
    }

    #[test]
    fn every_rule_of_the_header_fails_as_early_as_it_shows() {
        let cases: &[(&[u8], HeaderRules, FrameError)] = &[
            (b"\xc1", SERVER, FrameError::ReservedBits),
            (b"\xa1", SERVER, FrameError::ReservedBits),
            (b"\x91", SERVER, FrameError::ReservedBits),
            (b"\x83", SERVER, FrameError::ReservedOpCode(3)),
            (b"\x8b", SERVER, FrameError::ReservedOpCode(0xb)),
            (b"\x09", SERVER, FrameError::FragmentedControl),
            (b"\x08", SERVER, FrameError::FragmentedControl),
            (b"\x0a", SERVER, FrameError::FragmentedControl),
            (b"\x89\xfe", SERVER, FrameError::ControlTooLong),
            (b"\x88\xff", SERVER, FrameError::ControlTooLong),
            (b"\x81\x01", SERVER, FrameError::Unmasked),
            (b"\x81\x81", CLIENT, FrameError::Masked),
            (b"\x82\xfe\x00\x7d", SERVER, FrameError::NotMinimal),
            (b"\x82\x7e\x00\x00", CLIENT, FrameError::NotMinimal),
            (b"\x82\x7f\0\0\0\0\0\0\xff\xff", CLIENT, FrameError::NotMinimal),
            (b"\x82\x7f\x80\0\0\0\0\0\0\0", CLIENT, FrameError::LengthOverflow),
        ];
        for &(input, rules, error) in cases {
            assert_eq!(decode(input, rules), Err(error), "{input:x?}");
            for cut in 0..input.len() - 1 {
                // One byte fewer may be undecided, never accepted.
                assert!(matches!(decode(&input[..cut], rules), Ok(None) | Err(_)));
            }
        }
    }

    #[test]
    fn rsv1_is_an_extension_s_to_use_on_data_frames_only() {
        let deflate = HeaderRules { masked: false, rsv1_allowed: true };
        assert!(
            decode(b"\xc1\x00", deflate).is_ok_and(|header| header.is_some_and(|(h, _)| h.rsv1))
        );
        assert_eq!(decode(b"\xc9\x00", deflate), Err(FrameError::ReservedBits));
        assert_eq!(decode(b"\xe1\x00", deflate), Err(FrameError::ReservedBits));
    }

    #[test]
    fn all_opcodes_round_trip_and_the_rest_are_reserved() {
        for bits in 0..=0xf {
            match OpCode::from_bits(bits) {
                Some(opcode) => assert_eq!(opcode as u8, bits),
                None => assert!(matches!(bits, 3..=7 | 0xb..=0xf)),
            }
        }
    }

    proptest! {
        #[test]
        fn what_is_encoded_decodes_to_itself_at_no_shorter_length(
            fin: bool, opcode in prop_oneof![Just(OpCode::Text), Just(OpCode::Binary), Just(OpCode::Continuation)],
            masking_key: Option<[u8; 4]>,
            payload_len in prop_oneof![0..130_u64, 65_530..65_540_u64, 0..1_u64 << 63],
        ) {
            let header = FrameHeader { fin, rsv1: false, opcode, masking_key, payload_len };
            let rules = HeaderRules { masked: masking_key.is_some(), rsv1_allowed: false };
            let (bytes, len) = header.encode();
            prop_assert_eq!(decode(&bytes[..len], rules), Ok(Some((header, len))));
            for cut in 0..len {
                prop_assert_eq!(decode(&bytes[..cut], rules), Ok(None));
            }
        }

        #[test]
        fn no_input_panics(input in proptest::collection::vec(any::<u8>(), 0..20), masked: bool, rsv1_allowed: bool) {
            let _ = decode(&input, HeaderRules { masked, rsv1_allowed });
        }
    }
}
