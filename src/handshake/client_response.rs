//! The client's checks of a server's answer (RFC 6455 §4.1).

use http::header::{CONNECTION, SEC_WEBSOCKET_ACCEPT, SEC_WEBSOCKET_PROTOCOL, UPGRADE};
use http::{HeaderMap, StatusCode};

use super::error::{HandshakeError, RefusedResponse};
use super::extension::{self, ExtensionOffer};
use super::fields;
use super::key::AcceptKey;
use super::limits::HeadLimits;
use super::scan::{HeadKind, HeadScanner};
use super::token::lists_token;
use super::upgrade_request::only_value;

/// Decodes the response to one [`ClientRequest`](super::ClientRequest), which
/// [made](super::ClientRequest::decoder) it.
///
/// It holds no received bytes; see [`RequestDecoder`](super::RequestDecoder), whose rules of syntax
/// it shares.
#[derive(Clone, Debug)]
pub struct ResponseDecoder {
    scanner: HeadScanner,
    limits: HeadLimits,
    accept: AcceptKey,
    /// What was offered: a server may choose among it, and nothing else.
    subprotocols: Vec<String>,
    extensions: Vec<String>,
}

/// The response by which a server accepted a handshake. Frames follow it.
#[derive(Clone, Debug)]
pub struct ServerResponse {
    headers: HeaderMap,
    subprotocol: Option<String>,
    extensions: Vec<ExtensionOffer>,
}

impl ResponseDecoder {
    pub(super) fn new(
        accept: AcceptKey,
        subprotocols: Vec<String>,
        extensions: Vec<String>,
    ) -> Self {
        let scanner = HeadScanner::new(HeadKind::Response);
        Self { scanner, limits: HeadLimits::default(), accept, subprotocols, extensions }
    }

    /// Replaces the default limits on the response's head.
    #[must_use]
    pub fn limits(mut self, limits: HeadLimits) -> Self {
        self.limits = limits;
        self
    }

    /// Looks for a whole head in `input`, which is all that was received so far.
    ///
    /// Answers the response, which has accepted the handshake in every respect, and its head's
    /// length in bytes; what lies behind are frames. Answers `None` while the head is incomplete:
    /// call again with the same bytes and more.
    ///
    /// # Errors
    /// [`HandshakeError::Refused`] if the server answered with another status than 101, and
    /// otherwise the first rule that the response breaks. The connection must be closed.
    pub fn decode(
        &mut self,
        input: &[u8],
    ) -> Result<Option<(ServerResponse, usize)>, HandshakeError> {
        let Some(span) = self.scanner.scan(input, &self.limits)? else { return Ok(None) };
        self.scanner = HeadScanner::new(HeadKind::Response);
        let response = self.accepted(&input[..span.end], span.header_count)?;
        Ok(Some((response, span.end)))
    }

    fn accepted(&self, head: &[u8], header_count: usize) -> Result<ServerResponse, HandshakeError> {
        let (status, minor, headers) = parse(head, header_count)?;
        if status != StatusCode::SWITCHING_PROTOCOLS {
            return Err(HandshakeError::Refused(Box::new(RefusedResponse { status, headers })));
        }
        if minor != 1 {
            return Err(HandshakeError::UnsupportedVersion);
        }
        let upgrade = only_value(&headers, UPGRADE);
        if !upgrade.is_some_and(|value| value.eq_ignore_ascii_case(b"websocket")) {
            return Err(HandshakeError::WrongUpgrade);
        }
        if !lists_token(&headers, CONNECTION, "upgrade") {
            return Err(HandshakeError::WrongConnection);
        }
        if only_value(&headers, SEC_WEBSOCKET_ACCEPT) != Some(self.accept.as_bytes()) {
            return Err(HandshakeError::WrongAccept);
        }
        let subprotocol = self.subprotocol(&headers)?;
        let extensions = self.extensions(&headers)?;
        Ok(ServerResponse { headers, subprotocol, extensions })
    }

    /// The server chooses one of the subprotocols offered, or none.
    fn subprotocol(&self, headers: &HeaderMap) -> Result<Option<String>, HandshakeError> {
        if !headers.contains_key(SEC_WEBSOCKET_PROTOCOL) {
            return Ok(None);
        }
        let chosen = only_value(headers, SEC_WEBSOCKET_PROTOCOL);
        self.subprotocols
            .iter()
            .find(|offer| chosen == Some(offer.as_bytes()))
            .map(|offer| Some(offer.clone()))
            .ok_or(HandshakeError::UnexpectedSubprotocol)
    }

    fn extensions(&self, headers: &HeaderMap) -> Result<Vec<ExtensionOffer>, HandshakeError> {
        let extensions = extension::decode(headers)?;
        if extensions.iter().all(|extension| self.extensions.contains(&extension.name)) {
            Ok(extensions)
        } else {
            Err(HandshakeError::UnexpectedExtension)
        }
    }
}

impl ServerResponse {
    /// All headers.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The subprotocol that the server chose among those offered.
    pub fn subprotocol(&self) -> Option<&str> {
        self.subprotocol.as_deref()
    }

    /// The extensions in use, in the order in which they apply (RFC 6455 §9.1). Each was offered;
    /// whether its parameters are acceptable is for the extension to say.
    pub fn extensions(&self) -> &[ExtensionOffer] {
        &self.extensions
    }
}

/// Parses a complete head that the scanner has found good.
fn parse(head: &[u8], header_count: usize) -> Result<(StatusCode, u8, HeaderMap), HandshakeError> {
    let mut lines = vec![httparse::EMPTY_HEADER; header_count];
    let mut parsed = httparse::Response::new(&mut lines);
    let status = parsed
        .parse(head)
        .map_err(|error| fields::parse_error(error, HandshakeError::MalformedStatusLine))?;
    if status != httparse::Status::Complete(head.len()) {
        return Err(HandshakeError::MalformedHeader);
    }
    let code = parsed.code.and_then(|code| StatusCode::from_u16(code).ok());
    let (Some(code), Some(minor)) = (code, parsed.version) else {
        return Err(HandshakeError::MalformedStatusLine);
    };
    Ok((code, minor, fields::header_map(parsed.headers)?))
}

#[cfg(test)]
mod tests {
    use super::super::client_request::ClientRequest;
    use super::*;

    const SAMPLE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
        Upgrade: websocket\r\n\
        Connection: Upgrade\r\n\
        Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
        Sec-WebSocket-Protocol: chat\r\n\
        \r\n";
    const UPGRADE: &str = "Upgrade: websocket\r\n";
    const CONNECTION: &str = "Connection: Upgrade\r\n";
    const ACCEPT: &str = "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n";
    const PROTOCOL: &str = "Sec-WebSocket-Protocol: chat\r\n";

    fn decoder() -> ResponseDecoder {
        ClientRequest::new("h", "/", *b"the sample nonce")
            .subprotocol("chat")
            .subprotocol("superchat")
            .extension(ExtensionOffer::new("permessage-deflate"))
            .decoder()
    }

    /// The answer to the RFC's sample with `from` replaced by `to`.
    fn decode_with(from: &str, to: &str) -> Result<ServerResponse, HandshakeError> {
        assert!(SAMPLE.contains(from), "{from}");
        let input = SAMPLE.replacen(from, to, 1);
        let (response, head_len) = decoder().decode(input.as_bytes())?.unwrap();
        assert_eq!(head_len, input.len());
        Ok(response)
    }

    #[test]
    fn an_accepting_response() {
        assert_eq!(decode_with("", "").unwrap().subprotocol(), Some("chat"));
        let cases = [
            (UPGRADE, "UPGRADE: WebSocket\r\n"),
            (CONNECTION, "Connection: keep-alive, upgrade\r\n"),
            (" Switching Protocols", " "),
            (" Switching Protocols", ""),
            (PROTOCOL, "Sec-WebSocket-Protocol: superchat\r\nX-A: caf\u{e9}\r\n"),
        ];
        for (from, to) in cases {
            assert!(decode_with(from, to).is_ok(), "{to:?}");
        }
        let response =
            decode_with(PROTOCOL, "Sec-WebSocket-Extensions: permessage-deflate; x=9\r\n").unwrap();
        assert_eq!(response.subprotocol(), None);
        assert_eq!(extension::encode(response.extensions()), "permessage-deflate; x=9");
        assert!(response.headers().contains_key("upgrade"));
    }

    #[test]
    fn each_rule_has_its_error() {
        use HandshakeError::*;
        let cases = [
            ("HTTP/1.1", "HTTP/1.0", UnsupportedVersion),
            ("HTTP/1.1", "HTTP/1.2", UnsupportedVersion),
            ("HTTP/1.1", "HTTP/2.0", MalformedStatusLine),
            (" 101", " 1o1", MalformedStatusLine),
            (UPGRADE, "", WrongUpgrade),
            (UPGRADE, "Upgrade: h2c\r\n", WrongUpgrade),
            (UPGRADE, "Upgrade: websocket\r\nUpgrade: websocket\r\n", WrongUpgrade),
            (CONNECTION, "", WrongConnection),
            (CONNECTION, "Connection: close\r\n", WrongConnection),
            (ACCEPT, "", WrongAccept),
            (ACCEPT, "Sec-WebSocket-Accept: S3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n", WrongAccept),
            (PROTOCOL, ACCEPT, WrongAccept),
            (PROTOCOL, "Sec-WebSocket-Protocol: other\r\n", UnexpectedSubprotocol),
            (PROTOCOL, "Sec-WebSocket-Protocol: Chat\r\n", UnexpectedSubprotocol),
            (PROTOCOL, "Sec-WebSocket-Protocol:\r\n", UnexpectedSubprotocol),
            (PROTOCOL, "Sec-WebSocket-Protocol: chat, superchat\r\n", UnexpectedSubprotocol),
            (PROTOCOL, &PROTOCOL.repeat(2), UnexpectedSubprotocol),
            (PROTOCOL, "Sec-WebSocket-Extensions: other\r\n", UnexpectedExtension),
            (PROTOCOL, "Sec-WebSocket-Extensions: a;\r\n", MalformedExtensions),
            (PROTOCOL, "Folded: a\r\n b\r\n", LineFolding),
            (PROTOCOL, "X : a\r\n", SpaceInHeaderName),
            (PROTOCOL, "X: a\n", BareLineFeed),
        ];
        for (from, to, expected) in cases {
            assert_eq!(decode_with(from, to).unwrap_err(), expected, "{to:?}");
        }
    }

    #[test]
    fn a_refusal_tells_its_status_and_headers() {
        let error = decode_with("101 Switching Protocols", "429 Slow Down\r\nRetry-After: 3");
        let HandshakeError::Refused(refused) = error.unwrap_err() else { panic!("not refused") };
        assert_eq!(refused.status, StatusCode::TOO_MANY_REQUESTS);
        assert_eq!(refused.headers["retry-after"], "3");
    }

    #[test]
    fn limits_hold_for_responses() {
        let limits = HeadLimits { max_head_len: 100, max_header_count: 4 };
        let decode = |input: &str| decoder().limits(limits).decode(input.as_bytes()).unwrap_err();
        assert_eq!(decode(SAMPLE), HandshakeError::HeadTooLarge);
        let many = "HTTP/1.1 200 OK\r\nA: 1\r\nB: 2\r\nC: 3\r\nD: 4\r\nE: 5\r\n\r\n";
        assert_eq!(decode(many), HandshakeError::TooManyHeaders);
    }
}
