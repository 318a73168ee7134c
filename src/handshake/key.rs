//! `Sec-WebSocket-Key` and the `Sec-WebSocket-Accept` that answers it (RFC 6455 §4.2.2).

use std::fmt;

use base64::alphabet;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig};
use base64::prelude::{BASE64_STANDARD, Engine};
use sha1::{Digest, Sha1};

/// Bytes of the nonce that a client makes its key of (RFC 6455 §4.1).
pub(super) const NONCE_LEN: usize = 16;

/// Characters of a key: base64 of [`NONCE_LEN`] bytes.
const KEY_LEN: usize = 24;

/// Characters of an accept value: base64 of a SHA-1 digest of 20 bytes.
const ACCEPT_LEN: usize = 28;

/// What is hashed behind the key (RFC 6455 §1.3).
const GUID: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// Some clients draw 24 random characters instead of encoding 16 random bytes, which leaves bits
/// set in the last one that mean nothing. The accept value is made of the text, so no harm is done.
const KEY_BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_allow_trailing_bits(true),
);

/// The value of `Sec-WebSocket-Accept`: proof that the server understood a client's key.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct AcceptKey([u8; ACCEPT_LEN]);

impl AcceptKey {
    /// The answer to `key`, the text of a `Sec-WebSocket-Key` header (RFC 6455 §4.2.2). The key is
    /// hashed as it is.
    pub fn answer(key: &[u8]) -> Self {
        let digest = Sha1::new().chain_update(key).chain_update(GUID).finalize();
        let mut text = [0; ACCEPT_LEN];
        // 20 bytes are always 28 characters.
        let len = BASE64_STANDARD.encode_slice(digest, &mut text).unwrap_or_default();
        debug_assert_eq!(len, ACCEPT_LEN);
        Self(text)
    }

    /// The header's value.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for AcceptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AcceptKey({})", self.0.escape_ascii())
    }
}

/// The text of a client's key.
pub(super) fn encode_key(nonce: [u8; NONCE_LEN]) -> String {
    BASE64_STANDARD.encode(nonce)
}

/// Whether `key` is base64 of 16 bytes (RFC 6455 §4.2.1).
pub(super) fn is_key(key: &[u8]) -> bool {
    let mut nonce = [0; KEY_LEN];
    key.len() == KEY_LEN && KEY_BASE64.decode_slice(key, &mut nonce) == Ok(NONCE_LEN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sample_of_the_rfc() {
        // RFC 6455 §1.3.
        let key = encode_key(*b"the sample nonce");
        assert_eq!(key, "dGhlIHNhbXBsZSBub25jZQ==");
        assert_eq!(AcceptKey::answer(key.as_bytes()).as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[test]
    fn a_key_is_base64_of_16_bytes() {
        for good in
            ["dGhlIHNhbXBsZSBub25jZQ==", "++//AAAAAAAAAAAAAAAAAA==", "AAAAAAAAAAAAAAAAAAAAAB=="]
        {
            assert!(is_key(good.as_bytes()), "{good}");
        }
        for bad in [
            "",
            "dGhlIHNhbXBsZSBub25jZQ",
            "dGhlIHNhbXBsZSBub25jZQ=",
            "dGhlIHNhbXBsZSBub25jZQ===",
            "dGhlIHNhbXBsZSBub25jZQA=",
            "dGhlIHNhbXBsZSBub25jZQAA",
            "dGhlIHNhbXBsZSBub25j",
            "dGhlIHNhbXBsZSBub25jZ-==",
            "dGhl HNhbXBsZSBub25jZQ==",
            "dGhlIHNhbXBsZSBub2=jZQ==",
        ] {
            assert!(!is_key(bad.as_bytes()), "{bad}");
        }
    }
}
