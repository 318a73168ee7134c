//! UTF-8 that arrives in pieces, judged as it arrives.
//!
//! RFC 6455 §8.1 lets an endpoint wait for the whole message before it checks the text; this one
//! fails at the first byte that no valid text could have there, so that a hostile sender is cut off
//! early. The bulk is checked by `simdutf8`; only what is cut at a boundary is looked at by itself.

/// The text is not UTF-8. In a WebSocket message it fails the connection with 1007.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid UTF-8 in a text")]
pub struct InvalidUtf8;

/// Validates one text that is handed over in pieces of any size.
///
/// Call [`push`](Self::push) for each piece, then [`finish`](Self::finish); the validator is then
/// ready for the next text.
#[derive(Clone, Copy, Debug, Default)]
pub struct Utf8Validator {
    /// The bytes of a character whose end has not arrived yet: a valid prefix of one.
    tail: [u8; 3],
    tail_len: u8,
}

impl Utf8Validator {
    /// Judges the next `piece` of the text.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] as soon as a byte is seen that cannot follow the ones before it.
    #[inline]
    pub fn push(&mut self, piece: &[u8]) -> Result<(), InvalidUtf8> {
        let rest = if self.tail_len == 0 { piece } else { self.complete_tail(piece)? };
        if simdutf8::basic::from_utf8(rest).is_ok() {
            return Ok(());
        }
        self.keep_tail(rest)
    }

    /// The text has ended.
    ///
    /// # Errors
    ///
    /// [`InvalidUtf8`] when its last character is incomplete.
    #[inline]
    pub fn finish(&mut self) -> Result<(), InvalidUtf8> {
        let complete = self.tail_len == 0;
        self.tail_len = 0;
        if complete { Ok(()) } else { Err(InvalidUtf8) }
    }

    /// Adds bytes to the cut character until it is complete; returns what follows it.
    fn complete_tail<'a>(&mut self, piece: &'a [u8]) -> Result<&'a [u8], InvalidUtf8> {
        let mut character = [0; 4];
        let mut len = usize::from(self.tail_len);
        character[..len].copy_from_slice(&self.tail[..len]);
        for (i, &byte) in piece.iter().enumerate() {
            character[len] = byte;
            len += 1;
            match std::str::from_utf8(&character[..len]) {
                Ok(_) => {
                    self.tail_len = 0;
                    return Ok(&piece[i + 1..]);
                }
                // A fourth byte always completes or fails, so `len` stays below 4 here.
                Err(error) if error.error_len().is_none() => {}
                Err(_) => return Err(InvalidUtf8),
            }
        }
        self.tail[..len].copy_from_slice(&character[..len]);
        self.tail_len = len as u8;
        Ok(&[])
    }

    /// `rest` is not valid by itself: either it ends within a character, or it is wrong.
    #[cold]
    fn keep_tail(&mut self, rest: &[u8]) -> Result<(), InvalidUtf8> {
        match simdutf8::compat::from_utf8(rest) {
            Ok(_) => Ok(()),
            Err(error) if error.error_len().is_none() => {
                let tail = &rest[error.valid_up_to()..];
                self.tail[..tail.len()].copy_from_slice(tail);
                self.tail_len = tail.len() as u8;
                Ok(())
            }
            Err(_) => Err(InvalidUtf8),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Where a byte-by-byte reading of the whole prefix first fails: the obvious twin.
    fn first_bad_byte(bytes: &[u8]) -> Option<usize> {
        (0..bytes.len()).find(|&i| {
            std::str::from_utf8(&bytes[..=i]).is_err_and(|error| error.error_len().is_some())
        })
    }

    fn feed(pieces: &[&[u8]]) -> Result<(), InvalidUtf8> {
        let mut validator = Utf8Validator::default();
        for piece in pieces {
            validator.push(piece)?;
        }
        validator.finish()
    }

    #[test]
    fn every_cut_of_a_mixed_text_is_valid() {
        let text = "κόσμε — tick ✓ 🦀\u{10FFFF}\u{7FF}\u{800}\u{FFFF}\u{10000} end";
        let bytes = text.as_bytes();
        for a in 0..=bytes.len() {
            for b in a..=bytes.len() {
                assert_eq!(feed(&[&bytes[..a], &bytes[a..b], &bytes[b..]]), Ok(()));
            }
        }
    }

    #[test]
    fn fails_at_the_first_bad_byte_and_not_before() {
        let cases: [&[u8]; 9] = [
            b"\x80",
            b"\xc0\x80",
            b"\xe0\x80\x80",
            b"\xed\xa0\x80",
            b"\xf4\x90\x80\x80",
            b"\xf5",
            b"\xff",
            b"\xce\xba\xe1\xbd\xb9\xcf\x83\xce\xbc\xce\xb5\xed\xa0\x80\x65",
            b"ok\xf0\x9f\x28",
        ];
        for case in cases {
            let expected = first_bad_byte(case).expect("each case is bad");
            let mut validator = Utf8Validator::default();
            for (i, byte) in case.iter().enumerate() {
                let verdict = validator.push(&[*byte]);
                assert_eq!(verdict.is_err(), i == expected, "{case:x?} at {i}");
                if verdict.is_err() {
                    break;
                }
            }
        }
    }

    #[test]
    fn a_text_that_ends_within_a_character_fails_at_the_end_only() {
        assert_eq!(feed(&[b"\xf0\x9f\xa6"]), Err(InvalidUtf8));
        assert_eq!(feed(&[b"\xf0", b"\x9f", b"\xa6"]), Err(InvalidUtf8));
        let mut validator = Utf8Validator::default();
        assert_eq!(validator.push(b"\xc3"), Ok(()));
        assert_eq!(validator.finish(), Err(InvalidUtf8));
        assert_eq!(validator.push(b"again"), Ok(()), "ready for the next text");
        assert_eq!(validator.finish(), Ok(()));
    }

    fn almost_text() -> impl Strategy<Value = Vec<u8>> {
        (any::<String>(), proptest::collection::vec(any::<(prop::sample::Index, u8)>(), 0..2))
            .prop_map(|(text, edits)| {
                let mut bytes = text.into_bytes();
                for (at, byte) in edits {
                    if !bytes.is_empty() {
                        let at = at.index(bytes.len());
                        bytes[at] = byte;
                    }
                }
                bytes
            })
    }

    proptest! {
        #[test]
        fn any_split_gives_the_verdict_of_the_whole(
            bytes in almost_text(),
            cuts in proptest::collection::vec(any::<prop::sample::Index>(), 0..6),
        ) {
            let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
            cuts.sort_unstable();
            let mut validator = Utf8Validator::default();
            let mut at = 0;
            let mut failed_in = None;
            for cut in cuts.into_iter().chain([bytes.len()]) {
                if validator.push(&bytes[at..cut]).is_err() {
                    failed_in = Some(at..cut);
                    break;
                }
                at = cut;
            }
            match (failed_in, first_bad_byte(&bytes)) {
                (Some(piece), Some(bad)) => prop_assert!(piece.contains(&bad)),
                (None, None) => prop_assert_eq!(validator.finish().is_ok(), std::str::from_utf8(&bytes).is_ok()),
                (failed_in, bad) => prop_assert!(false, "failed in {:?}, first bad byte {:?}", failed_in, bad),
            }
        }
    }
}
