//! The host and port that a request is for (RFC 9110 §7.2, RFC 3986 §3.2).

use std::net::Ipv6Addr;

use http::header::HOST;
use http::{HeaderMap, Version};

use super::error::HandshakeError;

/// Checks that a request names its host once and well (RFC 9112 §3.2). Two parties that pick
/// different ones of two hosts are how requests reach a site that they were not meant for.
pub(super) fn check_host(headers: &HeaderMap, version: Version) -> Result<(), HandshakeError> {
    let mut values = headers.get_all(HOST).iter();
    match (values.next(), values.next()) {
        (None, _) if version == Version::HTTP_10 => Ok(()),
        (None, _) => Err(HandshakeError::MissingHost),
        (Some(_), Some(_)) => Err(HandshakeError::DuplicateHost),
        (Some(value), None) if is_authority(value.as_bytes()) => Ok(()),
        (Some(_), None) => Err(HandshakeError::MalformedHost),
    }
}

/// Whether `bytes` is `host [":" port]` with a host that is not empty.
pub(super) fn is_authority(bytes: &[u8]) -> bool {
    if let Some(rest) = bytes.strip_prefix(b"[") {
        let Some(end) = rest.iter().position(|&byte| byte == b']') else { return false };
        let address = std::str::from_utf8(&rest[..end]).unwrap_or_default();
        return address.parse::<Ipv6Addr>().is_ok() && is_port_suffix(&rest[end + 1..]);
    }
    let end = bytes.iter().position(|&byte| byte == b':').unwrap_or(bytes.len());
    end > 0 && is_registered_name(&bytes[..end]) && is_port_suffix(&bytes[end..])
}

/// Whether `bytes` is empty or `":" port`; RFC 3986 §3.2.3 allows a port of no digits.
fn is_port_suffix(bytes: &[u8]) -> bool {
    match bytes {
        [] | [b':'] => true,
        [b':', digits @ ..] => {
            digits.iter().all(u8::is_ascii_digit)
                && std::str::from_utf8(digits).is_ok_and(|digits| digits.parse::<u16>().is_ok())
        }
        _ => false,
    }
}

/// `reg-name` of RFC 3986 §3.2.2, which has room for an IPv4 address too.
fn is_registered_name(mut bytes: &[u8]) -> bool {
    loop {
        bytes = match bytes {
            [] => return true,
            [b'%', high, low, rest @ ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                rest
            }
            [byte, rest @ ..] if byte.is_ascii_alphanumeric() => rest,
            [byte, rest @ ..] if b"-._~!$&'()*+,;=".contains(byte) => rest,
            _ => return false,
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports() {
        let good = [
            "example.com",
            "example.com:80",
            "example.com:",
            "127.0.0.1:65535",
            "[::1]",
            "[2001:db8::1]:9001",
            "[::ffff:10.0.0.1]",
            "a_b-c~d",
            "caf%C3%A9.example",
            "localhost:00080",
        ];
        for value in good {
            assert!(is_authority(value.as_bytes()), "{value}");
        }
        let bad = [
            "",
            ":80",
            "a b",
            "a,b c",
            "user@example.com",
            "example.com/",
            "example.com:http",
            "example.com:+80",
            "example.com:65536",
            "example.com:80:80",
            "::1",
            "[::1",
            "[]",
            "[::1]x",
            "[::1%25eth0]",
            "[v1.x]",
            "a%",
            "a%2",
            "a%zz",
            "caf\u{e9}.example",
            "a\"b",
            "<a>",
        ];
        for value in bad {
            assert!(!is_authority(value.as_bytes()), "{value}");
        }
    }
}
