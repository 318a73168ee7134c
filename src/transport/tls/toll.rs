//! What records cost beside their plaintext, so that limits of bytes hold for them too.
//!
//! A record of one byte is as much work as one of a hundred, and one without plaintext, such as a key
//! update (RFC 8446 §4.6.3), is more, for a few bytes from the peer.

/// What is about a record's plaintext, or little more: header, padding, tag, explicit nonce.
const FRAMING_LEN: usize = 32;

/// What a record without plaintext counts as, in bytes of plaintext: keys may be derived for it.
const BARE_LEN: usize = 512;

/// Records that are opened in one read: about a millisecond of work. The longest buffer of a read holds
/// as much of records of 128 bytes.
pub(super) const MAX_RECORDS_PER_READ: usize = 512;

/// What a step of the session has come to: `used` bytes of ciphertext with `opened_len` bytes of plaintext.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Toll {
    pub(super) records: usize,
    /// In bytes beside the plaintext.
    pub(super) len: usize,
}

impl Toll {
    #[inline]
    pub(super) fn of(used: usize, opened_len: usize) -> Self {
        if used == 0 {
            return Self { records: 0, len: 0 };
        }
        let besides = used.saturating_sub(opened_len);
        let bare =
            if opened_len > 0 { besides / FRAMING_LEN } else { besides.div_ceil(FRAMING_LEN) };
        let records = bare + usize::from(opened_len > 0);
        Self { records, len: besides.min(FRAMING_LEN) + bare * BARE_LEN }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plaintext_costs_its_framing_and_what_has_none_much_more() {
        let toll = |used, opened_len| {
            let Toll { records, len } = Toll::of(used, opened_len);
            (records, len)
        };
        assert_eq!(toll(0, 0), (0, 0));
        // TLS 1.3: a header of 5 bytes, a type, a tag of 16; TLS 1.2: a nonce of 8 bytes too.
        assert_eq!(toll(16_406, 16_384), (1, 22));
        assert_eq!(toll(30, 1), (1, 29));
        // An empty record, a key update, and 31 of those before a byte.
        assert_eq!(toll(22, 0), (1, 22 + 512));
        assert_eq!(toll(27, 0), (1, 27 + 512));
        assert_eq!(toll(31 * 27 + 23, 1), (27, 32 + 26 * 512));
    }
}
