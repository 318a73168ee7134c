//! The server's acceptance: `101 Switching Protocols` (RFC 6455 §4.2.2).

use http::{HeaderMap, HeaderValue};

use super::key::AcceptKey;
use super::reserved::{encode_header, encode_unreserved};

/// Writes the response that accepts a handshake; frames follow it.
///
/// * `accept`: from [`UpgradeRequest::accept`](super::UpgradeRequest::accept).
/// * `subprotocol`: one that the client offered; [`Upgrade::check`](super::Upgrade::check) says
///   whether it did.
/// * `extensions`: the whole value of `Sec-WebSocket-Extensions`, as negotiated.
/// * `headers`: whatever else the application has to say, such as cookies. `Upgrade`,
///   `Connection`, `Host`, `Content-Length`, `Transfer-Encoding` and all `Sec-WebSocket-*` among
///   them are not written: only the arguments above decide upon the handshake.
///
/// A subprotocol or extensions that cannot stand in a header are left out, so that no string from
/// an application can add a line to the response.
pub fn encode_switching_protocols(
    accept: &AcceptKey,
    subprotocol: Option<&str>,
    extensions: Option<&str>,
    headers: &HeaderMap,
    out: &mut Vec<u8>,
) {
    out.extend_from_slice(
        b"HTTP/1.1 101 Switching Protocols\r\n\
          Upgrade: websocket\r\n\
          Connection: Upgrade\r\n\
          Sec-WebSocket-Accept: ",
    );
    out.extend_from_slice(accept.as_bytes());
    out.extend_from_slice(b"\r\n");
    let negotiated =
        [("Sec-WebSocket-Protocol", subprotocol), ("Sec-WebSocket-Extensions", extensions)];
    for (name, value) in negotiated {
        if let Some(Ok(value)) = value.map(HeaderValue::from_str) {
            encode_header(name, &value, out);
        }
    }
    encode_unreserved(headers, out);
    out.extend_from_slice(b"\r\n");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn encoded(subprotocol: Option<&str>, extensions: Option<&str>, headers: &HeaderMap) -> String {
        let accept = AcceptKey::answer(b"dGhlIHNhbXBsZSBub25jZQ==");
        let mut out = Vec::new();
        encode_switching_protocols(&accept, subprotocol, extensions, headers, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn the_response_of_the_rfc() {
        // RFC 6455 §1.3.
        let expected = "HTTP/1.1 101 Switching Protocols\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            Sec-WebSocket-Protocol: chat\r\n\
            \r\n";
        assert_eq!(encoded(Some("chat"), None, &HeaderMap::new()), expected);
    }

    #[test]
    fn no_application_can_bend_the_handshake() {
        let mut headers = HeaderMap::new();
        headers.append("upgrade", HeaderValue::from_static("h2c"));
        headers.append("sec-websocket-accept", HeaderValue::from_static("other"));
        headers.append("x-a", HeaderValue::from_static("b"));
        let text = encoded(Some("chat\r\nX-Evil: 1"), Some("a; b\n"), &headers);
        let expected = "HTTP/1.1 101 Switching Protocols\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
            x-a: b\r\n\
            \r\n";
        assert_eq!(text, expected);
        let text = encoded(None, Some("permessage-deflate; server_max_window_bits=10"), &headers);
        let line =
            "\r\nSec-WebSocket-Extensions: permessage-deflate; server_max_window_bits=10\r\n";
        assert!(text.contains(line), "{text}");
    }
}
