//! What can go wrong with a valid stream: in a frame, in the order of frames, in the bytes.

use proptest::prelude::*;
use proptest::sample::{Index, select};

use super::frames::{CLOSE, Frame, LenForm};

/// One fault. Some change nothing, or nothing that matters: those streams stay valid.
#[derive(Clone, Debug)]
pub(crate) enum Mutation {
    FlipFin(Index),
    OpCode(Index, u8),
    ReservedBits(Index, u8),
    Masked(Index, bool),
    LenForm(Index, LenForm),
    Announce(Index, u64),
    PayloadByte(Index, Index, u8),
    Swap(Index, Index),
    Repeat(Index),
    Remove(Index),
    InsertClose(Index, Vec<u8>),
    SetByte(Index, u8),
    InsertByte(Index, u8),
    RemoveByte(Index),
    Truncate(Index),
}

pub(crate) fn mutation() -> impl Strategy<Value = Mutation> {
    let at = any::<Index>;
    let form = select(vec![LenForm::Extended16, LenForm::Extended64]);
    let len = prop_oneof![0..300_u64, select(vec![1 << 16, 1 << 20, (1 << 20) + 1, 1 << 63])];
    let close = prop_oneof![
        proptest::collection::vec(any::<u8>(), 0..6),
        (990..1020_u16).prop_map(|code| code.to_be_bytes().to_vec()),
        (any::<u16>(), any::<u8>())
            .prop_map(|(code, byte)| [&code.to_be_bytes()[..], &[byte]].concat()),
    ];
    // Bytes that UTF-8 cares about, among all others.
    let byte = || {
        let odd = vec![0x00, 0x7f, 0x80, 0xbf, 0xc0, 0xc3, 0xe0, 0xed, 0xef, 0xf0, 0xf4, 0xff];
        prop_oneof![any::<u8>(), select(odd)]
    };
    prop_oneof![
        1 => at().prop_map(Mutation::FlipFin),
        1 => (at(), 0..16_u8).prop_map(|(at, opcode)| Mutation::OpCode(at, opcode)),
        1 => (at(), 1..8_u8).prop_map(|(at, bits)| Mutation::ReservedBits(at, bits << 4)),
        1 => (at(), any::<bool>()).prop_map(|(at, masked)| Mutation::Masked(at, masked)),
        1 => (at(), form).prop_map(|(at, form)| Mutation::LenForm(at, form)),
        1 => (at(), len).prop_map(|(at, len)| Mutation::Announce(at, len)),
        3 => (at(), at(), byte()).prop_map(|(at, i, byte)| Mutation::PayloadByte(at, i, byte)),
        1 => (at(), at()).prop_map(|(a, b)| Mutation::Swap(a, b)),
        1 => at().prop_map(Mutation::Repeat),
        1 => at().prop_map(Mutation::Remove),
        2 => (at(), close).prop_map(|(at, payload)| Mutation::InsertClose(at, payload)),
        2 => (at(), byte()).prop_map(|(at, byte)| Mutation::SetByte(at, byte)),
        1 => (at(), byte()).prop_map(|(at, byte)| Mutation::InsertByte(at, byte)),
        1 => at().prop_map(Mutation::RemoveByte),
        1 => at().prop_map(Mutation::Truncate),
    ]
}

impl Mutation {
    pub(crate) fn apply_to_frames(&self, frames: &mut Vec<Frame>) {
        if let Self::InsertClose(at, payload) = self {
            return frames.insert(at.index(frames.len() + 1), Frame::new(CLOSE, payload));
        }
        if frames.is_empty() {
            return;
        }
        let count = frames.len();
        match self {
            Self::FlipFin(at) => at.get_mut(frames).fin ^= true,
            Self::OpCode(at, opcode) => at.get_mut(frames).opcode = *opcode,
            Self::ReservedBits(at, bits) => at.get_mut(frames).rsv_bits = *bits,
            Self::Masked(at, masked) => at.get_mut(frames).masked = Some(*masked),
            Self::LenForm(at, form) => at.get_mut(frames).len_form = *form,
            Self::Announce(at, len) => at.get_mut(frames).announced_len = Some(*len),
            Self::PayloadByte(at, i, byte) => {
                let payload = &mut at.get_mut(frames).payload;
                if !payload.is_empty() {
                    *i.get_mut(payload) = *byte;
                }
            }
            Self::Swap(a, b) => frames.swap(a.index(count), b.index(count)),
            Self::Repeat(at) => frames.insert(at.index(count), at.get(frames).clone()),
            Self::Remove(at) => drop(frames.remove(at.index(count))),
            _ => {}
        }
    }

    pub(crate) fn apply_to_bytes(&self, bytes: &mut Vec<u8>) {
        if bytes.is_empty() {
            return;
        }
        let len = bytes.len();
        match self {
            Self::SetByte(at, byte) => *at.get_mut(bytes) = *byte,
            Self::InsertByte(at, byte) => bytes.insert(at.index(len), *byte),
            Self::RemoveByte(at) => drop(bytes.remove(at.index(len))),
            Self::Truncate(at) => bytes.truncate(at.index(len)),
            _ => {}
        }
    }
}
