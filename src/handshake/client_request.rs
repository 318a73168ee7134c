//! The client's opening handshake (RFC 6455 §4.1).

use http::header::ORIGIN;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::client_response::ResponseDecoder;
use super::error::HandshakeError;
use super::extension::{self, ExtensionOffer};
use super::host::is_authority;
use super::key::{AcceptKey, NONCE_LEN, encode_key};
use super::reserved::{encode_header, encode_unreserved};
use super::subprotocol::are_distinct_tokens;

/// The opening handshake that a client sends, and the key to its answer.
///
/// ```
/// use tickwire::handshake::ClientRequest;
///
/// // Random bytes, new ones for each connection.
/// let nonce = *b"the sample nonce";
/// let request = ClientRequest::new("server.example.com", "/chat", nonce).subprotocol("chat");
/// let mut out = Vec::new();
/// request.encode(&mut out)?;
///
/// let mut decoder = request.decoder();
/// let received = b"HTTP/1.1 101 Switching Protocols\r\n\
///     Upgrade: websocket\r\n\
///     Connection: Upgrade\r\n\
///     Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
///     Sec-WebSocket-Protocol: chat\r\n\r\n";
/// let (response, head_len) = decoder.decode(received)?.expect("a whole head");
/// assert_eq!(response.subprotocol(), Some("chat"));
/// assert_eq!(head_len, received.len());
/// # Ok::<(), tickwire::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct ClientRequest {
    host: String,
    target: String,
    key: String,
    origin: Option<String>,
    subprotocols: Vec<String>,
    extensions: Vec<ExtensionOffer>,
    headers: HeaderMap,
}

impl ClientRequest {
    /// A handshake for `target`, a path that begins with `/` and may have a query, on `host`, with
    /// its port if that is not the scheme's default. `nonce` must be random and new for each
    /// connection (RFC 6455 §10.3): this module has no source of randomness.
    pub fn new(host: impl Into<String>, target: impl Into<String>, nonce: [u8; NONCE_LEN]) -> Self {
        Self {
            host: host.into(),
            target: target.into(),
            key: encode_key(nonce),
            origin: None,
            subprotocols: Vec::new(),
            extensions: Vec::new(),
            headers: HeaderMap::new(),
        }
    }

    /// Offers a subprotocol, less preferred than those before.
    #[must_use]
    pub fn subprotocol(mut self, subprotocol: impl Into<String>) -> Self {
        self.subprotocols.push(subprotocol.into());
        self
    }

    /// Offers an extension, less preferred than those before.
    #[must_use]
    pub fn extension(mut self, extension: ExtensionOffer) -> Self {
        self.extensions.push(extension);
        self
    }

    /// Says from which site the script comes that wants the connection.
    #[must_use]
    pub fn origin(mut self, origin: impl Into<String>) -> Self {
        self.origin = Some(origin.into());
        self
    }

    /// Adds a header. Those that the handshake itself is made of are not sent: `Host`, `Upgrade`,
    /// `Connection`, `Content-Length`, `Transfer-Encoding` and all `Sec-WebSocket-*`.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        self.headers.append(name, value);
        self
    }

    /// Writes the request.
    ///
    /// # Errors
    /// [`HandshakeError::InvalidRequest`] if a part of it cannot stand where it belongs; nothing is
    /// written then.
    pub fn encode(&self, out: &mut Vec<u8>) -> Result<(), HandshakeError> {
        self.check().map_err(HandshakeError::InvalidRequest)?;
        let origin = self.origin.as_deref().map(HeaderValue::from_str).transpose();
        let origin = origin.map_err(|_| HandshakeError::InvalidRequest("malformed origin"))?;
        let lines = [
            &["GET ", &self.target, " HTTP/1.1\r\nHost: ", &self.host][..],
            &["\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: ", &self.key],
            &["\r\nSec-WebSocket-Version: 13\r\n"],
        ];
        for part in lines.concat() {
            out.extend_from_slice(part.as_bytes());
        }
        if let Some(origin) = origin {
            encode_header("Origin", &origin, out);
        }
        let lists = [
            ("Sec-WebSocket-Protocol: ", self.subprotocols.join(", ")),
            ("Sec-WebSocket-Extensions: ", extension::encode(&self.extensions)),
        ];
        for (name, value) in lists {
            if !value.is_empty() {
                for part in [name, &value, "\r\n"] {
                    out.extend_from_slice(part.as_bytes());
                }
            }
        }
        encode_unreserved(&self.headers, out);
        out.extend_from_slice(b"\r\n");
        Ok(())
    }

    /// A decoder for the response to this request.
    pub fn decoder(&self) -> ResponseDecoder {
        ResponseDecoder::new(
            AcceptKey::answer(self.key.as_bytes()),
            self.subprotocols.clone(),
            self.extensions.iter().map(|extension| extension.name.clone()).collect(),
        )
    }

    fn check(&self) -> Result<(), &'static str> {
        if !is_authority(self.host.as_bytes()) {
            return Err("malformed host");
        }
        let is_target_byte = |byte: u8| byte.is_ascii_graphic() && byte != b'#';
        if !self.target.starts_with('/') || !self.target.bytes().all(is_target_byte) {
            return Err("malformed target");
        }
        if !are_distinct_tokens(self.subprotocols.iter().map(String::as_bytes).collect()) {
            return Err("malformed or repeated subprotocol");
        }
        if !self.extensions.iter().all(ExtensionOffer::is_valid) {
            return Err("malformed extension");
        }
        if self.origin.is_some() && self.headers.contains_key(ORIGIN) {
            return Err("more than one origin");
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NONCE: [u8; NONCE_LEN] = *b"the sample nonce";

    fn encoded(request: &ClientRequest) -> Result<String, HandshakeError> {
        let mut out = Vec::new();
        let result = request.encode(&mut out);
        assert!(result.is_ok() || out.is_empty(), "nothing is written upon an error");
        result.map(|()| String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_shortest_request() {
        let expected = "GET / HTTP/1.1\r\n\
            Host: h:1\r\n\
            Upgrade: websocket\r\n\
            Connection: Upgrade\r\n\
            Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
            Sec-WebSocket-Version: 13\r\n\
            \r\n";
        assert_eq!(encoded(&ClientRequest::new("h:1", "/", NONCE)).unwrap(), expected);
    }

    #[test]
    fn all_that_can_be_asked_for() {
        let request = ClientRequest::new("h", "/p?q", NONCE)
            .origin("http://example.com")
            .subprotocol("chat")
            .subprotocol("superchat")
            .extension(ExtensionOffer::new("a").param("b", Some("1".into())).param("c", None))
            .extension(ExtensionOffer::new("d"))
            .header(HeaderName::from_static("x-a"), HeaderValue::from_static("1"))
            .header(HeaderName::from_static("connection"), HeaderValue::from_static("close"));
        let text = encoded(&request).unwrap();
        let expected = "Sec-WebSocket-Version: 13\r\n\
            Origin: http://example.com\r\n\
            Sec-WebSocket-Protocol: chat, superchat\r\n\
            Sec-WebSocket-Extensions: a; b=1; c, d\r\n\
            x-a: 1\r\n\
            \r\n";
        assert!(text.starts_with("GET /p?q HTTP/1.1\r\nHost: h\r\n"), "{text}");
        assert!(text.ends_with(expected), "{text}");
    }

    #[test]
    fn what_would_break_the_request_is_not_sent() {
        let new = |host, target| ClientRequest::new(host, target, NONCE);
        let origin = HeaderValue::from_static("http://a");
        let cases = [
            new("", "/"),
            new("h\r\nX: 1", "/"),
            new("h/p", "/"),
            new("h", ""),
            new("h", "p"),
            new("h", "/a b"),
            new("h", "/\r\n"),
            new("h", "/#f"),
            new("h", "/caf\u{e9}"),
            new("h", "/").origin("a\r\nb"),
            new("h", "/").origin("http://a").header(ORIGIN, origin),
            new("h", "/").subprotocol(""),
            new("h", "/").subprotocol("a b"),
            new("h", "/").subprotocol("a").subprotocol("a"),
            new("h", "/").extension(ExtensionOffer::new("a b")),
            new("h", "/").extension(ExtensionOffer::new("a").param("b", Some("\"".into()))),
        ];
        for request in cases {
            let result = encoded(&request);
            assert!(matches!(result, Err(HandshakeError::InvalidRequest(_))), "{request:?}");
        }
    }
}
