//! Tests of both roles together, and what the tests of single files share.

mod pieces;
mod round_trip;

use super::{HeadLimits, Request, RequestDecoder};

/// The opening handshake of RFC 6455 §1.2.
pub(super) const SAMPLE_REQUEST: &str = "GET /chat HTTP/1.1\r\n\
    Host: server.example.com\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Origin: http://example.com\r\n\
    Sec-WebSocket-Protocol: chat, superchat\r\n\
    Sec-WebSocket-Version: 13\r\n\
    \r\n";

/// Decodes a head that is whole and good.
pub(super) fn request(head: &str) -> Request {
    let decoded = RequestDecoder::new().decode(head.as_bytes(), &HeadLimits::default());
    let (request, head_len) = decoded.unwrap().unwrap();
    assert_eq!(head_len, head.len());
    request
}
