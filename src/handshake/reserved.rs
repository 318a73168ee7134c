//! The headers that make a handshake what it is, and that applications cannot write.

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderName, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderValue};

/// Whether the handshake alone decides upon this header: a second one beside its own would
/// contradict it, or make the peer take frames for content.
pub(super) fn is_reserved(name: &HeaderName) -> bool {
    [CONNECTION, CONTENT_LENGTH, HOST, TRANSFER_ENCODING, UPGRADE].contains(name)
        || name.as_str().starts_with("sec-websocket-")
}

/// Writes `headers` but those that are reserved.
pub(super) fn encode_unreserved(headers: &HeaderMap, out: &mut Vec<u8>) {
    for (name, value) in headers {
        if !is_reserved(name) {
            encode_header(name.as_str(), value, out);
        }
    }
}

/// Writes one header line. Neither part can hold a line's end: their types see to it.
pub(super) fn encode_header(name: &str, value: &HeaderValue, out: &mut Vec<u8>) {
    for part in [name.as_bytes(), b": ", value.as_bytes(), b"\r\n"] {
        out.extend_from_slice(part);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_leaves_the_handshake_alone_is_written() {
        let mut headers = HeaderMap::new();
        for name in [
            "upgrade",
            "connection",
            "content-length",
            "transfer-encoding",
            "host",
            "sec-websocket-accept",
            "sec-websocket-extensions",
            "sec-websocket-key",
            "sec-websocket-protocol",
            "sec-websocket-version",
            "sec-websocket-anything",
        ] {
            headers.append(HeaderName::from_static(name), HeaderValue::from_static("x"));
        }
        headers.append("set-cookie", HeaderValue::from_static("a=1"));
        headers.append("set-cookie", HeaderValue::from_static("b=2"));
        headers.append("server", HeaderValue::from_static("s"));
        let mut out = Vec::new();
        encode_unreserved(&headers, &mut out);
        assert_eq!(out, b"set-cookie: a=1\r\nset-cookie: b=2\r\nserver: s\r\n");
    }
}
