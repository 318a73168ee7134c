//! A fuzzer's bytes, read as choices, cuts and a stream.

/// Bytes that choose how a stream is taken.
const CHOICE_COUNT: usize = 4;

/// The most cuts that are listed; they come round again while the stream lasts.
const MAX_CUT_COUNT: usize = 15;

/// What a target makes of arbitrary bytes: the stream behind a few choices, so that a fuzzer that
/// finds a stream can try all that may be done to it.
pub(crate) struct Input<'a> {
    pub(crate) choices: [u8; CHOICE_COUNT],
    cuts: &'a [u8],
    pub(crate) stream: &'a [u8],
}

/// How a piece is brought.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Way {
    /// To `decode`, at once.
    Decoded,
    /// Payloads go straight into the message, so many bytes at a time.
    Direct(usize),
}

impl<'a> Input<'a> {
    /// `None`: the bytes are too few to choose anything.
    pub(crate) fn new(bytes: &'a [u8]) -> Option<Self> {
        let (choices, rest) = bytes.split_first_chunk()?;
        let (&count, rest) = rest.split_first()?;
        let count = usize::from(count).min(MAX_CUT_COUNT).min(rest.len());
        let (cuts, stream) = rest.split_at(count);
        Some(Self { choices: *choices, cuts, stream })
    }

    /// The bytes that are read as this.
    pub(crate) fn encode(choices: [u8; CHOICE_COUNT], cuts: &[u8], stream: &[u8]) -> Vec<u8> {
        assert!(cuts.len() <= MAX_CUT_COUNT);
        [&choices[..], &[cuts.len() as u8], cuts, stream].concat()
    }

    /// The lengths that are cut off in turn, over and over; none: no cuts.
    pub(crate) fn lengths(&self) -> impl Iterator<Item = usize> {
        let whole = self.cuts.is_empty().then_some(usize::MAX);
        whole.into_iter().chain(self.cuts.iter().map(|cut| usize::from(cut >> 2) + 1).cycle())
    }

    /// `stream`, which may be another than the input's own, in its pieces.
    pub(crate) fn cut<'s>(&self, stream: &'s [u8]) -> impl Iterator<Item = (&'s [u8], Way)> {
        let ways = [0].into_iter().filter(|_| self.cuts.is_empty());
        let mut ways = ways.chain(self.cuts.iter().copied().cycle()).map(|cut| match cut & 3 {
            0 | 1 => Way::Decoded,
            2 => Way::Direct(usize::from(cut >> 4) + 1),
            _ => Way::Direct(usize::MAX),
        });
        let mut lengths = self.lengths();
        let mut rest = stream;
        std::iter::from_fn(move || {
            if rest.is_empty() {
                return None;
            }
            let (piece, behind) = rest.split_at(lengths.next()?.min(rest.len()));
            rest = behind;
            Some((piece, ways.next()?))
        })
    }
}
