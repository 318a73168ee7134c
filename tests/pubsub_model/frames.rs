//! What the model's messages say: enough of where they come from for a receiver to check them.

use bytes::Bytes;
use tickwire::frame::{FrameHeader, HeaderRules, OpCode, encode_frame};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A publication, or several that were merged.
    Publication,
    /// A topic's state.
    Snapshot,
    /// A subscriber did not get everything.
    Notice,
    /// Sent by the harness, not by the engine: what follows belongs to another subscription.
    Begin,
}

/// A message's payload. What the numbers mean depends on the kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) kind: Kind,
    /// The topic's place in the list of topics.
    pub(crate) topic: u8,
    pub(crate) key: u8,
    pub(crate) sequence: u64,
    /// A publication's value, a snapshot's state, the number of a subscription that begins.
    pub(crate) value: u64,
    /// Out of how many publications it was merged, or how many were missed.
    pub(crate) count: u64,
}

/// What a client gets.
#[derive(Debug)]
pub(crate) enum Received {
    Message(Content),
    Close,
}

impl Content {
    /// Without padding.
    pub(crate) const LEN: usize = 27;

    /// The payload with `pad` bytes behind it that show a mix-up of messages.
    pub(crate) fn encode(&self, pad: usize) -> Vec<u8> {
        let mut payload = vec![self.kind as u8, self.topic, self.key];
        for number in [self.sequence, self.value, self.count] {
            payload.extend_from_slice(&number.to_be_bytes());
        }
        payload.resize(Self::LEN + pad, self.filler());
        payload
    }

    pub(crate) fn frame(&self, pad: usize) -> Bytes {
        let mut frame = Vec::new();
        encode_frame(&mut frame, true, OpCode::Binary, None, &self.encode(pad));
        frame.into()
    }

    pub(crate) fn decode(payload: &[u8]) -> Self {
        let (fields, pad) = payload.split_at(Self::LEN);
        let number = |at: usize| u64::from_be_bytes(fields[at..at + 8].try_into().unwrap());
        let kind = match fields[0] {
            0 => Kind::Publication,
            1 => Kind::Snapshot,
            2 => Kind::Notice,
            3 => Kind::Begin,
            other => panic!("no such kind of message: {other}"),
        };
        let content = Self {
            kind,
            topic: fields[1],
            key: fields[2],
            sequence: number(3),
            value: number(11),
            count: number(19),
        };
        assert!(pad.iter().all(|&byte| byte == content.filler()), "torn: {content:?}");
        content
    }

    fn filler(&self) -> u8 {
        self.sequence as u8 ^ self.topic
    }
}

/// Takes the whole frames from the front of `bytes`.
pub(crate) fn take_frames(bytes: &mut Vec<u8>) -> Vec<Received> {
    let (received, len) = decode_frames(bytes);
    bytes.drain(..len);
    received
}

/// The messages in `frames`, which are whole.
pub(crate) fn messages(frames: &[u8]) -> impl Iterator<Item = Content> {
    let (received, len) = decode_frames(frames);
    assert_eq!(len, frames.len(), "half a frame");
    received.into_iter().filter_map(|received| match received {
        Received::Message(content) => Some(content),
        Received::Close => None,
    })
}

fn decode_frames(bytes: &[u8]) -> (Vec<Received>, usize) {
    let rules = HeaderRules { masked: false, rsv1_allowed: false };
    let (mut received, mut at) = (Vec::new(), 0);
    while let Some((header, len)) = FrameHeader::decode(&bytes[at..], rules).expect("a frame") {
        let start = at + len;
        let end = start + header.payload_len as usize;
        let Some(payload) = bytes.get(start..end) else { break };
        assert!(header.fin);
        received.push(match header.opcode {
            OpCode::Binary => Received::Message(Content::decode(payload)),
            OpCode::Close => Received::Close,
            other => panic!("nobody sends {other:?}"),
        });
        at = end;
    }
    (received, at)
}
