//! A stream in pieces, each of which comes in a way of its own.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::receiver::Receiver;

/// How a piece is fed.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Piece {
    /// To `decode`, at once.
    Decoded,
    /// To `decode`, byte by byte.
    Bytewise,
    /// Payloads go straight into the message, so many bytes at a time.
    Direct(usize),
}

/// Where a stream is cut, and how the piece that ends there is fed.
pub(crate) fn split() -> impl Strategy<Value = Vec<(Index, Piece)>> {
    let piece = prop_oneof![
        3 => Just(Piece::Decoded),
        1 => Just(Piece::Bytewise),
        3 => prop_oneof![1..10_usize, Just(usize::MAX)].prop_map(Piece::Direct),
    ];
    vec((any::<Index>(), piece), 0..12)
}

/// The pieces of `bytes`, in order; the rest behind the last cut is decoded at once.
pub(crate) fn cut<'a>(
    bytes: &'a [u8],
    split: &[(Index, Piece)],
) -> impl Iterator<Item = (&'a [u8], Piece)> {
    let mut ends: Vec<(usize, Piece)> =
        split.iter().map(|(at, piece)| (at.index(bytes.len() + 1), *piece)).collect();
    ends.sort_by_key(|(end, _)| *end);
    ends.push((bytes.len(), Piece::Decoded));
    let mut start = 0;
    ends.into_iter().map(move |(end, piece)| {
        let bytes = &bytes[start..end];
        start = end;
        (bytes, piece)
    })
}

pub(crate) fn feed(receiver: &mut Receiver, (bytes, piece): (&[u8], Piece)) {
    match piece {
        Piece::Decoded => receiver.feed(bytes),
        Piece::Bytewise => bytes.chunks(1).for_each(|byte| receiver.feed(byte)),
        Piece::Direct(step) => receiver.feed_direct(bytes, step),
    }
}
