//! The server's checks of an opening handshake (RFC 6455 §4.2.1).

use http::header::{
    CONNECTION, CONTENT_LENGTH, SEC_WEBSOCKET_KEY, SEC_WEBSOCKET_VERSION, TRANSFER_ENCODING,
};
use http::{HeaderMap, HeaderName, Method, Version};

use super::error::HandshakeError;
use super::extension::ExtensionOffer;
use super::key::{AcceptKey, is_key};
use super::request::Request;
use super::subprotocol;
use super::token::lists_token;

/// What a valid opening handshake asks for, beside what its [`Request`] says.
#[derive(Clone, Debug)]
pub struct UpgradeRequest {
    accept: AcceptKey,
    extensions: Vec<ExtensionOffer>,
}

impl UpgradeRequest {
    /// The answer to the client's key.
    pub fn accept(&self) -> AcceptKey {
        self.accept
    }

    /// The extensions that the client offers, in its order of preference.
    pub fn extensions(&self) -> &[ExtensionOffer] {
        &self.extensions
    }
}

/// Checks that `request` is a WebSocket opening handshake that can be accepted.
///
/// Whether its origin, path, credentials and subprotocols please is for the application to say.
///
/// # Errors
/// The first rule of RFC 6455 §4.2.1 that it breaks.
pub fn validate_upgrade(request: &Request) -> Result<UpgradeRequest, HandshakeError> {
    let headers = request.headers();
    if request.method() != Method::GET {
        return Err(HandshakeError::MethodNotAllowed);
    }
    if !request.is_upgrade() {
        return Err(HandshakeError::MissingUpgrade);
    }
    if request.version() < Version::HTTP_11 {
        return Err(HandshakeError::UpgradeFromHttp10);
    }
    if headers.contains_key(CONTENT_LENGTH) || headers.contains_key(TRANSFER_ENCODING) {
        return Err(HandshakeError::UpgradeWithContent);
    }
    if !lists_token(headers, CONNECTION, "upgrade") {
        return Err(HandshakeError::MissingConnectionUpgrade);
    }
    // Before the key, whose form another version may define otherwise.
    if only_value(headers, SEC_WEBSOCKET_VERSION) != Some(b"13") {
        return Err(HandshakeError::UnsupportedWebSocketVersion);
    }
    let key = only_value(headers, SEC_WEBSOCKET_KEY)
        .filter(|key| is_key(key))
        .ok_or(HandshakeError::MalformedKey)?;
    subprotocol::check_offers(headers)?;
    Ok(UpgradeRequest { accept: AcceptKey::answer(key), extensions: request.extensions()? })
}

/// The value of the header called `name`, unless there are several.
pub(super) fn only_value(headers: &HeaderMap, name: HeaderName) -> Option<&[u8]> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (Some(value), None) => Some(value.as_bytes()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{SAMPLE_REQUEST, request};
    use super::*;

    /// The RFC's sample with `from` replaced by `to`.
    fn validate_with(from: &str, to: &str) -> Result<UpgradeRequest, HandshakeError> {
        assert!(SAMPLE_REQUEST.contains(from), "{from}");
        validate_upgrade(&request(&SAMPLE_REQUEST.replacen(from, to, 1)))
    }

    const KEY: &str = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";
    const VERSION: &str = "Sec-WebSocket-Version: 13\r\n";
    const PROTOCOL: &str = "Sec-WebSocket-Protocol: chat, superchat\r\n";
    const UPGRADE: &str = "Upgrade: websocket\r\n";
    const CONNECTION: &str = "Connection: Upgrade\r\n";

    #[test]
    fn the_sample_of_the_rfc_is_valid() {
        let upgrade = validate_with("", "").unwrap();
        assert_eq!(upgrade.accept().as_bytes(), b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
        assert_eq!(upgrade.extensions(), []);
    }

    #[test]
    fn what_clients_really_send_is_valid() {
        let cases = [
            (UPGRADE, "upgrade: h2c, WebSocket\r\n"),
            (CONNECTION, "Connection: keep-alive, Upgrade\r\n"),
            (CONNECTION, "Connection: keep-alive\r\nConnection: upgrade\r\n"),
            (PROTOCOL, ""),
            (PROTOCOL, "Sec-WebSocket-Protocol: a\r\nSec-WebSocket-Protocol: b\r\n"),
            (KEY, "sec-websocket-key:dGhlIHNhbXBsZSBub25jZQ==  \r\n"),
            ("Origin: http://example.com\r\n", ""),
        ];
        for (from, to) in cases {
            assert!(validate_with(from, to).is_ok(), "{to:?}");
        }
    }

    #[test]
    fn extensions_are_parsed() {
        let upgrade =
            validate_with(PROTOCOL, "Sec-WebSocket-Extensions: permessage-deflate; x=\"1\"\r\n");
        let expected = ExtensionOffer::new("permessage-deflate").param("x", Some("1".into()));
        assert_eq!(upgrade.unwrap().extensions(), [expected]);
    }

    #[test]
    fn each_rule_has_its_error() {
        use HandshakeError::*;
        let cases = [
            ("GET", "POST", MethodNotAllowed),
            ("GET", "HEAD", MethodNotAllowed),
            ("HTTP/1.1", "HTTP/1.0", UpgradeFromHttp10),
            (UPGRADE, "", MissingUpgrade),
            (UPGRADE, "Upgrade: websockets\r\n", MissingUpgrade),
            (CONNECTION, "", MissingConnectionUpgrade),
            (CONNECTION, "Connection: keep-alive\r\n", MissingConnectionUpgrade),
            (PROTOCOL, "Content-Length: 0\r\n", UpgradeWithContent),
            (PROTOCOL, "Content-Length: 5\r\n", UpgradeWithContent),
            (PROTOCOL, "Transfer-Encoding: chunked\r\n", UpgradeWithContent),
            (VERSION, "", UnsupportedWebSocketVersion),
            (VERSION, "Sec-WebSocket-Version: 8\r\n", UnsupportedWebSocketVersion),
            (VERSION, "Sec-WebSocket-Version: 13, 8\r\n", UnsupportedWebSocketVersion),
            (
                VERSION,
                "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Version: 13\r\n",
                UnsupportedWebSocketVersion,
            ),
            (KEY, "", MalformedKey),
            (KEY, "Sec-WebSocket-Key:\r\n", MalformedKey),
            (KEY, "Sec-WebSocket-Key: c2hvcnQ=\r\n", MalformedKey),
            (VERSION, &format!("{VERSION}{KEY}"), MalformedKey),
            (PROTOCOL, "Sec-WebSocket-Protocol: a, a\r\n", MalformedSubprotocols),
            (PROTOCOL, "Sec-WebSocket-Protocol: a b\r\n", MalformedSubprotocols),
            (PROTOCOL, "Sec-WebSocket-Extensions: a;\r\n", MalformedExtensions),
        ];
        for (from, to, expected) in cases {
            assert_eq!(validate_with(from, to).unwrap_err(), expected, "{to:?}");
        }
    }
}
