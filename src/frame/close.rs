//! Close codes and the payload of a close frame (RFC 6455 §5.5.1, §7.4).

use std::fmt;

use super::MAX_CONTROL_PAYLOAD_LEN;

/// The longest reason of a close frame, in bytes of UTF-8.
pub const MAX_CLOSE_REASON_LEN: usize = MAX_CONTROL_PAYLOAD_LEN - 2;

/// Why a connection closes (RFC 6455 §7.4).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CloseCode(u16);

impl CloseCode {
    /// 1000: the purpose is fulfilled.
    pub const NORMAL: Self = Self(1000);
    /// 1001: the endpoint goes away: a server shuts down, a page is left.
    pub const GOING_AWAY: Self = Self(1001);
    /// 1002: the peer broke the protocol.
    pub const PROTOCOL_ERROR: Self = Self(1002);
    /// 1003: a kind of data that the endpoint cannot accept.
    pub const UNSUPPORTED_DATA: Self = Self(1003);
    /// 1005: the peer's close frame had no code. Never on the wire.
    pub const NO_STATUS: Self = Self(1005);
    /// 1006: the connection ended without a close frame. Never on the wire.
    pub const ABNORMAL: Self = Self(1006);
    /// 1007: data that does not match its type, such as text that is not UTF-8.
    pub const INVALID_PAYLOAD: Self = Self(1007);
    /// 1008: a policy was violated.
    pub const POLICY_VIOLATION: Self = Self(1008);
    /// 1009: the message is too big to process.
    pub const MESSAGE_TOO_BIG: Self = Self(1009);
    /// 1010: a client misses an extension that it needs.
    pub const MANDATORY_EXTENSION: Self = Self(1010);
    /// 1011: the server failed unexpectedly.
    pub const INTERNAL_ERROR: Self = Self(1011);
    /// 1012: the server restarts; come back later.
    pub const SERVICE_RESTART: Self = Self(1012);
    /// 1013: the server is overloaded; come back later.
    pub const TRY_AGAIN_LATER: Self = Self(1013);
    /// 1014: a gateway got an invalid response from upstream.
    pub const BAD_GATEWAY: Self = Self(1014);
    /// 1015: the TLS handshake failed. Never on the wire.
    pub const TLS_HANDSHAKE: Self = Self(1015);

    /// The code as a number.
    #[must_use]
    pub const fn to_u16(self) -> u16 {
        self.0
    }

    /// Whether a close frame may carry the code: 1000–1003 and 1007–1014 (RFC 6455 §7.4.1 and the
    /// IANA registry), 3000–3999 for libraries, 4000–4999 for applications (§7.4.2).
    #[must_use]
    pub const fn is_sendable(self) -> bool {
        matches!(self.0, 1000..=1003 | 1007..=1014 | 3000..=4999)
    }
}

impl From<u16> for CloseCode {
    fn from(code: u16) -> Self {
        Self(code)
    }
}

impl From<CloseCode> for u16 {
    fn from(code: CloseCode) -> Self {
        code.0
    }
}

impl fmt::Debug for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Display for CloseCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The payload of a close frame: a code and a reason, or neither.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CloseFrame<'a> {
    /// [`CloseCode::NO_STATUS`] when the frame was empty.
    pub code: CloseCode,
    /// Text for a developer, not for a user; at most 123 bytes.
    pub reason: &'a str,
}

impl<'a> CloseFrame<'a> {
    /// Decodes a close frame's unmasked payload.
    ///
    /// # Errors
    ///
    /// [`InvalidClose`]: one byte alone, a code that must not be on the wire, or a reason that is
    /// not UTF-8.
    pub fn decode(payload: &'a [u8]) -> Result<Self, InvalidClose> {
        match *payload {
            [] => Ok(Self { code: CloseCode::NO_STATUS, reason: "" }),
            [_] => Err(InvalidClose::Truncated),
            [high, low, ref reason @ ..] => {
                let code = CloseCode(u16::from_be_bytes([high, low]));
                if !code.is_sendable() {
                    return Err(InvalidClose::Code(code));
                }
                let reason =
                    simdutf8::basic::from_utf8(reason).map_err(|_| InvalidClose::Reason)?;
                Ok(Self { code, reason })
            }
        }
    }
}

/// What is wrong with a close frame's payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidClose {
    /// One byte, which is no code (RFC 6455 §5.5.1).
    #[error("a close frame's payload must be empty or start with a two-byte code")]
    Truncated,
    /// A code that no endpoint may send (RFC 6455 §7.4).
    #[error("close code {0} must not be sent")]
    Code(CloseCode),
    /// A reason that is not UTF-8 (RFC 6455 §5.5.1).
    #[error("a close frame's reason must be UTF-8")]
    Reason,
}

/// `reason` cut to what a close frame takes, at a character's boundary.
#[must_use]
pub(super) fn cut_reason(reason: &str) -> &str {
    let mut len = reason.len().min(MAX_CLOSE_REASON_LEN);
    while !reason.is_char_boundary(len) {
        len -= 1;
    }
    &reason[..len]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn codes_on_the_wire_are_the_registered_and_the_private_ones() {
        let sendable: Vec<u16> =
            (0..=u16::MAX).filter(|&code| CloseCode::from(code).is_sendable()).collect();
        let mut expected: Vec<u16> = (1000..=1003).chain(1007..=1014).collect();
        expected.extend(3000..=4999);
        assert_eq!(sendable, expected);
    }

    #[test]
    fn payloads_decode_or_say_what_is_wrong() {
        let code = |code: u16| CloseCode::from(code);
        assert_eq!(CloseFrame::decode(b""), Ok(CloseFrame { code: code(1005), reason: "" }));
        assert_eq!(
            CloseFrame::decode(b"\x03\xe8"),
            Ok(CloseFrame { code: code(1000), reason: "" })
        );
        assert_eq!(CloseFrame::decode("\u{3}\u{0}".as_bytes()), Err(InvalidClose::Code(code(768))));
        assert_eq!(
            CloseFrame::decode(b"\x0f\xa0bye \xe2\x9c\x93"),
            Ok(CloseFrame { code: code(4000), reason: "bye ✓" })
        );
        assert_eq!(CloseFrame::decode(b"\x03"), Err(InvalidClose::Truncated));
        assert_eq!(CloseFrame::decode(b"\x03\xed"), Err(InvalidClose::Code(code(1005))));
        assert_eq!(CloseFrame::decode(b"\x03\xe8\xff"), Err(InvalidClose::Reason));
    }

    #[test]
    fn long_reasons_are_cut_between_characters() {
        let reason = "é".repeat(100);
        assert_eq!(cut_reason(&reason).len(), 122);
        assert_eq!(cut_reason("short"), "short");
    }
}
