//! The messages of a load: the same bytes over and over, but for a stamp that says whose message it
//! is and the how manieth. Only compressed ones vary, or they would compress to nothing.
//!
//! A frame is masked once. The stamp's digits are put into it masked, which takes no look at the
//! rest: an `exclusive or` neither knows nor needs its neighbours. That each frame has the same
//! masking key, which RFC 6455 §5.3 forbids to browsers for their scripts' sake, costs the server
//! nothing and saves the tool a pass over every message.

#[cfg(feature = "deflate")]
use tickwire::buf::ReceiveBuffer;
#[cfg(feature = "deflate")]
use tickwire::deflate::{Compressor, WindowBits};
#[cfg(feature = "deflate")]
use tickwire::frame::encode_compressed_frame;
use tickwire::frame::{OpCode, encode_frame};
use tickwire::protocol::Message;

#[cfg(feature = "deflate")]
use crate::market::Market;

/// Digits of a stamp: six for the connection, ten for the message's number.
const STAMP_LEN: usize = 16;
/// Bits of a stamp that are the number.
const NUMBER_BITS: u32 = 40;
/// Bytes of compressed messages before one has the same body again: more than a window holds.
#[cfg(feature = "deflate")]
const VARIETY_LEN: usize = 64 << 10;
#[cfg(feature = "deflate")]
const MAX_BODY_COUNT: usize = 512;

/// What all messages of a load have in common.
#[derive(Debug)]
pub(crate) struct Template {
    opcode: OpCode,
    masking_key: [u8; 4],
    /// One, or a power of two that messages have in turn.
    bodies: Vec<Body>,
    /// How much of the stamp's end there is room for.
    digit_count: usize,
}

/// A message without its stamp.
#[derive(Debug)]
struct Body {
    /// A whole masked frame.
    frame: Vec<u8>,
    /// Where in the frame the stamp begins, and where in what is masked of it.
    stamp_at: usize,
    masked_at: usize,
    /// The payload as the server will see it and send it back.
    payload: Vec<u8>,
}

/// What a message that came back says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// It is the expected one, to the last bit.
    Expected,
    /// It is another one of the same connection, this much ahead of the expected one or behind it.
    Apart(i64),
    /// It is another connection's.
    Foreign { connection: u32 },
    /// It is nothing that was sent.
    Altered,
}

impl Template {
    /// Messages of `len` bytes of payload.
    pub(crate) fn new(opcode: OpCode, len: usize) -> Self {
        let filler = || match opcode {
            OpCode::Binary => fastrand::u8(..),
            _ => fastrand::alphanumeric() as u8,
        };
        let payload = std::iter::repeat_with(filler).take(len).collect();
        let masking_key = fastrand::u32(..).to_ne_bytes();
        let body = Body::new(opcode, masking_key, payload);
        Self { opcode, masking_key, bodies: vec![body], digit_count: len.min(STAMP_LEN) }
    }

    /// Compressed messages, of `len` bytes of market data when they are inflated. They differ from each
    /// other as such messages do: a server that refers to earlier ones finds their words and not
    /// themselves.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflated(opcode: OpCode, len: usize) -> Self {
        let digit_count = len.min(STAMP_LEN);
        let masking_key = fastrand::u32(..).to_ne_bytes();
        let count = (VARIETY_LEN / len.max(1)).clamp(1, MAX_BODY_COUNT).next_power_of_two();
        let mut market = Market::new();
        let bodies = std::iter::repeat_with(|| {
            let mut payload = vec![b'0'; digit_count];
            market.append(&mut payload, len);
            Body::deflated(opcode, masking_key, payload, digit_count)
        });
        Self { opcode, masking_key, bodies: bodies.take(count).collect(), digit_count }
    }

    /// Messages for a server that speaks no WebSocket, of as many bytes as a masked frame with `len`
    /// bytes of payload: nothing but payload, and not masked.
    pub(crate) fn plain(len: usize) -> Self {
        let len = Self::new(OpCode::Binary, len).bodies[0].frame.len();
        let payload: Vec<u8> = std::iter::repeat_with(|| fastrand::u8(..)).take(len).collect();
        let body = Body { frame: payload.clone(), stamp_at: 0, masked_at: 0, payload };
        Self {
            opcode: OpCode::Binary,
            masking_key: [0; 4],
            bodies: vec![body],
            digit_count: len.min(STAMP_LEN),
        }
    }

    /// Bytes of a message as it comes back, without a frame's header.
    pub(crate) fn payload_len(&self) -> usize {
        self.bodies[0].payload.len()
    }

    /// Appends the frame of a connection's message of this number.
    #[inline]
    pub(crate) fn append(&self, out: &mut Vec<u8>, connection: u32, number: u64) {
        let Body { frame, stamp_at, masked_at, .. } = self.body(number);
        let start = out.len() + stamp_at;
        out.extend_from_slice(frame);
        let digits = &stamp(connection, number)[STAMP_LEN - self.digit_count..];
        let place = &mut out[start..start + self.digit_count];
        for (at, (byte, digit)) in place.iter_mut().zip(digits).enumerate() {
            *byte = digit ^ self.masking_key[(masked_at + at) % 4];
        }
    }

    /// Holds a message against the one that is expected.
    #[inline]
    pub(crate) fn check(&self, message: Message<'_>, connection: u32, expected: u64) -> Content {
        let payload = message.as_bytes();
        if message.opcode() != self.opcode || payload.len() != self.payload_len() {
            return Content::Altered;
        }
        let (digits, filler) = payload.split_at(self.digit_count);
        if digits != &stamp(connection, expected)[STAMP_LEN - self.digit_count..] {
            return self.compare(digits, filler, connection, expected);
        }
        if filler == self.filler(expected) { Content::Expected } else { Content::Altered }
    }

    #[cold]
    fn compare(&self, digits: &[u8], filler: &[u8], connection: u32, expected: u64) -> Content {
        let is_digit = |byte: &u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        let text = std::str::from_utf8(digits).ok().filter(|_| digits.iter().all(is_digit));
        let Some(value) = text.and_then(|text| u64::from_str_radix(text, 16).ok()) else {
            return Content::Altered;
        };
        // A short message has only the number's last digits: the nearest number with them is meant.
        let unknown_bits = 64 - NUMBER_BITS.min(4 * digits.len() as u32);
        let distance = (value.wrapping_sub(expected) << unknown_bits) as i64 >> unknown_bits;
        if filler != self.filler(expected.wrapping_add_signed(distance)) {
            return Content::Altered;
        }
        let owner = (value >> NUMBER_BITS) as u32;
        if digits.len() == STAMP_LEN && owner != connection {
            return Content::Foreign { connection: owner };
        }
        Content::Apart(distance)
    }

    #[inline]
    fn body(&self, number: u64) -> &Body {
        &self.bodies[number as usize & (self.bodies.len() - 1)]
    }

    /// What of the payload is not the stamp.
    #[inline]
    fn filler(&self, number: u64) -> &[u8] {
        &self.body(number).payload[self.digit_count..]
    }
}

impl Body {
    fn new(opcode: OpCode, masking_key: [u8; 4], payload: Vec<u8>) -> Self {
        let mut frame = Vec::new();
        encode_frame(&mut frame, true, opcode, Some(masking_key), &payload);
        Self { stamp_at: frame.len() - payload.len(), masked_at: 0, frame, payload }
    }

    /// The stamp lies in a block that is not compressed, to which nothing refers: it can be changed as
    /// in any other.
    #[cfg(feature = "deflate")]
    fn deflated(
        opcode: OpCode,
        masking_key: [u8; 4],
        payload: Vec<u8>,
        digit_count: usize,
    ) -> Self {
        // RFC 1951 §3.2.4: the length, and its complement.
        let stored_len = digit_count as u16;
        let mut compressed = vec![0];
        compressed.extend_from_slice(&stored_len.to_le_bytes());
        compressed.extend_from_slice(&(!stored_len).to_le_bytes());
        let masked_at = compressed.len();
        let (stamp, rest) = payload.split_at(digit_count);
        compressed.extend_from_slice(stamp);
        let mut out = ReceiveBuffer::default();
        match Compressor::new(6, WindowBits::MAX).compress_alone(rest, &mut out) {
            Some(rest) => compressed.extend_from_slice(rest),
            // It is too short for that, or there is none.
            None if rest.is_empty() => compressed.push(0),
            None => return Self::new(opcode, masking_key, payload),
        }
        let mut frame = Vec::new();
        encode_compressed_frame(&mut frame, true, opcode, Some(masking_key), &compressed);
        Self { stamp_at: frame.len() - compressed.len() + masked_at, masked_at, frame, payload }
    }
}

/// Sixteen hexadecimal digits: text, in a binary message too.
#[inline]
fn stamp(connection: u32, number: u64) -> [u8; STAMP_LEN] {
    let value = u64::from(connection) << NUMBER_BITS | number & ((1 << NUMBER_BITS) - 1);
    std::array::from_fn(|at| {
        let digit = (value >> (4 * (STAMP_LEN - 1 - at))) as u8 & 0xf;
        digit + if digit < 10 { b'0' } else { b'a' - 10 }
    })
}

#[cfg(test)]
mod tests {
    use tickwire::protocol::{Endpoint, Event, Limits, Role, Workspace};

    use super::*;

    /// What a server makes of a frame.
    fn received(template: &Template, connection: u32, number: u64) -> Vec<u8> {
        let mut frames = b"before".to_vec();
        template.append(&mut frames, connection, number);
        let mut workspace = Workspace::new(Role::Server, Limits::default());
        let (len, event) =
            Endpoint::new().decode(&mut workspace, &mut frames[6..]).expect("a sound frame");
        let Some(Event::Message(message)) = event else { panic!("no message: {event:?}") };
        assert_eq!(message.opcode(), template.opcode);
        let payload = message.as_bytes().to_vec();
        assert_eq!(len, frames.len() - 6);
        payload
    }

    fn message<'a>(template: &Template, payload: &'a [u8]) -> Message<'a> {
        match template.opcode {
            OpCode::Text => Message::Text(std::str::from_utf8(payload).unwrap()),
            _ => Message::Binary(payload),
        }
    }

    #[test]
    fn a_message_that_comes_back_is_known_again_at_every_length() {
        for opcode in [OpCode::Text, OpCode::Binary] {
            for len in (0..20).chain([125, 126, 5000, 70_000]) {
                let template = Template::new(opcode, len);
                for (connection, number) in [(0, 0), (1, 1), (0xfe_dcba, 0x12_3456_789a)] {
                    let payload = received(&template, connection, number);
                    let message = message(&template, &payload);
                    assert_eq!(payload.len(), len);
                    assert_eq!(template.check(message, connection, number), Content::Expected);
                    if len > 0 {
                        let ahead = template.check(message, connection, number.wrapping_sub(3));
                        assert_eq!(ahead, Content::Apart(3), "{len}");
                        let behind = template.check(message, connection, number + 2);
                        assert_eq!(behind, Content::Apart(-2), "{len}");
                    }
                }
            }
        }
    }

    #[cfg(feature = "deflate")]
    #[test]
    fn a_compressed_message_is_known_again_at_every_length() {
        use tickwire::deflate::{Agreement, Direction};

        let alone = Direction { takes_over: false, window_bits: WindowBits::MAX };
        for len in (0..60).chain([125, 126, 5000, 70_000]) {
            let template = Template::deflated(OpCode::Text, len);
            assert_eq!(template.payload_len(), len);
            let mut workspace = Workspace::new(Role::Server, Limits::default());
            let agreement = Agreement { server: alone, client: alone };
            let mut endpoint = Endpoint::with_deflate(&workspace, &agreement);
            let mut frames = Vec::new();
            template.append(&mut frames, 0xfe_dcba, 9);
            let event = endpoint.decode(&mut workspace, &mut frames).expect("a sound frame").1;
            let content = match &event {
                Some(Event::Message(message)) => template.check(*message, 0xfe_dcba, 9),
                Some(Event::Assembled(message)) => {
                    template.check(message.as_message(), 0xfe_dcba, 9)
                }
                _ => panic!("no message: {event:?}"),
            };
            assert_eq!(content, Content::Expected, "{len}");
        }
    }

    #[test]
    fn a_plain_message_has_the_bytes_of_a_frame_and_is_known_again() {
        for (len, frame_len) in [(0, 6), (20, 26), (125, 131), (126, 134), (70_000, 70_014)] {
            let template = Template::plain(len);
            let mut bytes = Vec::new();
            template.append(&mut bytes, 0xfe_dcba, 9);
            assert_eq!((bytes.len(), template.payload_len()), (frame_len, frame_len));
            let content = template.check(Message::Binary(&bytes), 0xfe_dcba, 9);
            assert_eq!(content, Content::Expected);
            bytes[frame_len - 1] ^= 1;
            let content = template.check(Message::Binary(&bytes), 0xfe_dcba, 9);
            assert_ne!(content, Content::Expected);
        }
    }

    #[test]
    fn every_altered_byte_is_noticed() {
        let template = Template::new(OpCode::Binary, 100);
        let payload = received(&template, 7, 9);
        for at in 0..payload.len() {
            let mut altered = payload.clone();
            altered[at] ^= 0x80;
            let content = template.check(Message::Binary(&altered), 7, 9);
            assert_eq!(content, Content::Altered, "byte {at}");
        }
        let content = |message| template.check(message, 7, 9);
        assert_eq!(content(Message::Binary(&payload[..99])), Content::Altered);
        assert_eq!(content(Message::Binary(&[&payload[..], b"x"].concat())), Content::Altered);
        let text = Template::new(OpCode::Text, 100);
        let payload = received(&text, 7, 9);
        assert_eq!(text.check(Message::Binary(&payload), 7, 9), Content::Altered);
    }

    #[test]
    fn another_connection_s_message_is_known_as_such() {
        let template = Template::new(OpCode::Binary, 16);
        let payload = received(&template, 7, 9);
        let content = template.check(Message::Binary(&payload), 8, 9);
        assert_eq!(content, Content::Foreign { connection: 7 });
    }
}
