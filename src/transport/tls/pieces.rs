//! Plaintext that lies in several slices, cut into records.

use std::io::IoSlice;

use super::scratch::MAX_PLAINTEXT_LEN;

/// What is left to be encrypted of some slices.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    /// Where the first of the rest begins.
    at: usize,
    rest: &'a [IoSlice<'a>],
}

impl<'a> Pieces<'a> {
    pub(super) fn new(slices: &'a [IoSlice<'a>]) -> Self {
        let mut pieces = Self { at: 0, rest: slices };
        pieces.skip_empty();
        pieces
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rest.is_empty()
    }

    /// Gives `seal` the next bytes, at most `max_len` of them: from where they lie if a piece fills
    /// records alone, else gathered in `record` with what follows. Returns how many bytes it gave.
    pub(super) fn seal<E>(
        &mut self,
        max_len: usize,
        record: &mut Vec<u8>,
        mut seal: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<usize, E> {
        let mut left = max_len;
        while left > 0 && !self.rest.is_empty() {
            let first = &self.rest[0][self.at..];
            let first = &first[..first.len().min(left)];
            let is_last = self.rest.len() == 1 || first.len() == left;
            if is_last || first.len() >= MAX_PLAINTEXT_LEN {
                let whole = first.len() / MAX_PLAINTEXT_LEN * MAX_PLAINTEXT_LEN;
                let len = if is_last { first.len() } else { whole };
                seal(&first[..len])?;
                left -= len;
                self.skip(len);
            } else {
                let len = self.gather(left.min(MAX_PLAINTEXT_LEN), record);
                seal(record)?;
                left -= len;
            }
        }
        Ok(max_len - left)
    }

    /// Fills `record` with the next bytes, up to `max_len`.
    fn gather(&mut self, max_len: usize, record: &mut Vec<u8>) -> usize {
        record.clear();
        while record.len() < max_len && !self.rest.is_empty() {
            let first = &self.rest[0][self.at..];
            let len = first.len().min(max_len - record.len());
            record.extend_from_slice(&first[..len]);
            self.skip(len);
        }
        record.len()
    }

    fn skip(&mut self, len: usize) {
        self.at += len;
        self.skip_empty();
    }

    fn skip_empty(&mut self) {
        while self.rest.first().is_some_and(|first| first.len() == self.at) {
            self.rest = &self.rest[1..];
            self.at = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn records(lens: &[usize], max_len: usize) -> Vec<usize> {
        let bytes: Vec<u8> = (0..lens.iter().sum::<usize>()).map(|i| (i % 251) as u8).collect();
        let mut rest = &bytes[..];
        let slices: Vec<IoSlice<'_>> = lens
            .iter()
            .map(|&len| {
                let (piece, behind) = rest.split_at(len);
                rest = behind;
                IoSlice::new(piece)
            })
            .collect();
        let (mut pieces, mut all, mut sealed) = (Pieces::new(&slices), Vec::new(), Vec::new());
        while !pieces.is_empty() {
            let before = all.len();
            let len = pieces.seal(max_len, &mut Vec::new(), |piece| {
                all.extend_from_slice(piece);
                sealed.push(piece.len());
                Ok::<_, ()>(())
            });
            assert_eq!(len, Ok(all.len() - before));
            assert!(all.len() - before <= max_len);
        }
        assert!(all == bytes, "every byte once and in order");
        sealed
    }

    #[test]
    fn one_slice_is_sealed_where_it_lies() {
        assert_eq!(records(&[125], 80_000), [125]);
        assert_eq!(records(&[70_000], 80_000), [70_000]);
        assert_eq!(records(&[], 80_000), [0; 0]);
    }

    #[test]
    fn small_slices_share_a_record_with_the_beginning_of_a_large_one() {
        assert_eq!(records(&[100, 0, 10, 40_000], 80_000), [16_384, 23_726]);
        assert_eq!(records(&[1; 300], 80_000), [300]);
        assert_eq!(records(&[20_000, 0, 5], 80_000), [16_384, 3_621]);
        assert_eq!(records(&[0, 10, 0], 80_000), [10]);
    }

    #[test]
    fn no_more_than_asked_for_is_sealed_at_once() {
        assert_eq!(records(&[50_000], 20_000), [20_000, 20_000, 10_000]);
        assert_eq!(records(&[10, 30_000, 10], 20_000), [16_384, 3_616, 10_020]);
    }
}
