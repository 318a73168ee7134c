//! Why a head or an opening handshake was not accepted, and what to answer.

use http::header::{ALLOW, HeaderName, HeaderValue, SEC_WEBSOCKET_VERSION, UPGRADE};
use http::{HeaderMap, StatusCode};

use super::response::Response;

/// Why a head or an opening handshake was not accepted.
///
/// In the server's role, [`to_response`](Self::to_response) is what to answer. The connection must
/// be closed behind that answer: after a malformed head nobody can say where the next one begins.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum HandshakeError {
    /// The first bytes cannot begin an HTTP request; often TLS spoken to a plain port.
    #[error("these bytes do not begin an HTTP request")]
    NotHttp,
    /// The request line is not `method SP target SP version` (RFC 9112 §3).
    #[error("malformed request line")]
    MalformedRequestLine,
    /// `CONNECT`, or a method that is longer than any in use (RFC 9112 §3).
    #[error("unsupported method")]
    UnsupportedMethod,
    /// The request target has none of the forms of RFC 9112 §3.2, or a fragment.
    #[error("malformed request target")]
    MalformedTarget,
    /// The request line alone reaches the limit on the head (RFC 9112 §3).
    #[error("the request target is too long")]
    TargetTooLong,
    /// The HTTP version is neither 1.0 nor 1.1 (RFC 9110 §15.6.6).
    #[error("unsupported HTTP version: use HTTP/1.1")]
    UnsupportedVersion,
    /// The head reaches [`HeadLimits::max_head_len`](super::HeadLimits) (RFC 6585 §5).
    #[error("the header fields are too large")]
    HeadTooLarge,
    /// The head has more than [`HeadLimits::max_header_count`](super::HeadLimits) header lines
    /// (RFC 6585 §5).
    #[error("too many header fields")]
    TooManyHeaders,
    /// A line feed without its carriage return (RFC 9112 §2.2).
    #[error("a line ends with a bare LF")]
    BareLineFeed,
    /// A carriage return without its line feed (RFC 9112 §2.2).
    #[error("bare CR in the head")]
    BareCarriageReturn,
    /// NUL or another control character (RFC 9110 §5.5).
    #[error("control character in the head")]
    ControlCharacter,
    /// A header line that is continued on the next one (`obs-fold`, RFC 9112 §5.2).
    #[error("folded header line")]
    LineFolding,
    /// Whitespace in a header's name or before its colon (RFC 9112 §5.1).
    #[error("whitespace in a header name or before its colon")]
    SpaceInHeaderName,
    /// A header line that is not `name: value` (RFC 9112 §5).
    #[error("malformed header line")]
    MalformedHeader,
    /// An HTTP/1.1 request without a `Host` header (RFC 9112 §3.2).
    #[error("missing Host header")]
    MissingHost,
    /// More than one `Host` header (RFC 9112 §3.2).
    #[error("more than one Host header")]
    DuplicateHost,
    /// A `Host` header that is not `host [":" port]` (RFC 9112 §3.2).
    #[error("malformed Host header")]
    MalformedHost,
    /// A `Content-Length` that is not one decimal number of bytes (RFC 9112 §6.3).
    #[error("malformed Content-Length header")]
    MalformedContentLength,
    /// More than one `Content-Length`, or one beside a `Transfer-Encoding` (RFC 9112 §6.3).
    #[error("ambiguous length of the request's content")]
    AmbiguousLength,
    /// A `Transfer-Encoding` whose last coding is not `chunked`, or one in HTTP/1.0
    /// (RFC 9112 §6.1, §6.3).
    #[error("malformed Transfer-Encoding header")]
    MalformedTransferEncoding,
    /// A transfer coding other than `chunked` (RFC 9112 §6.1).
    #[error("unsupported transfer coding")]
    UnsupportedTransferEncoding,

    /// A WebSocket handshake whose method is not `GET` (RFC 6455 §4.2.1).
    #[error("a WebSocket handshake needs the method GET")]
    MethodNotAllowed,
    /// A WebSocket handshake in HTTP/1.0 (RFC 6455 §4.2.1); often a proxy that was not told to
    /// speak HTTP/1.1.
    #[error("a WebSocket handshake needs HTTP/1.1")]
    UpgradeFromHttp10,
    /// A WebSocket handshake with `Content-Length` or `Transfer-Encoding`: bytes of content could
    /// be taken for frames.
    #[error("a WebSocket handshake must not have content")]
    UpgradeWithContent,
    /// No `Upgrade` header lists `websocket` (RFC 6455 §4.2.1).
    #[error("this resource speaks WebSocket: the Upgrade header must list websocket")]
    MissingUpgrade,
    /// No `Connection` header lists `upgrade` (RFC 6455 §4.2.1).
    #[error("the Connection header must list upgrade")]
    MissingConnectionUpgrade,
    /// Not exactly one `Sec-WebSocket-Version: 13` (RFC 6455 §4.2.2, §4.4).
    #[error("unsupported WebSocket version: use 13")]
    UnsupportedWebSocketVersion,
    /// Not exactly one `Sec-WebSocket-Key` that decodes to 16 bytes (RFC 6455 §4.2.1).
    #[error("missing or malformed Sec-WebSocket-Key header")]
    MalformedKey,
    /// A `Sec-WebSocket-Protocol` that is not a list of distinct tokens (RFC 6455 §4.1).
    #[error("malformed Sec-WebSocket-Protocol header")]
    MalformedSubprotocols,
    /// A `Sec-WebSocket-Extensions` outside the grammar of RFC 6455 §9.1, or with more than a
    /// client has reason to offer.
    #[error("malformed Sec-WebSocket-Extensions header")]
    MalformedExtensions,

    /// The application chose a subprotocol that the client did not offer (RFC 6455 §4.2.2).
    #[error("the application chose a subprotocol that the client did not offer")]
    SubprotocolNotOffered,

    /// Client role: the request cannot be sent as it was put together; the text says why.
    #[error("cannot send this handshake: {0}")]
    InvalidRequest(&'static str),
    /// Client role: the first bytes are not an HTTP/1.x status line (RFC 9112 §4).
    #[error("malformed status line")]
    MalformedStatusLine,
    /// Client role: the server answered with another status than 101 (RFC 6455 §4.1).
    #[error("the server refused the handshake: {}", .0.status)]
    Refused(Box<RefusedResponse>),
    /// Client role: the `Upgrade` header of the response is not `websocket` (RFC 6455 §4.1).
    #[error("the response's Upgrade header is not websocket")]
    WrongUpgrade,
    /// Client role: the `Connection` header of the response lacks `upgrade` (RFC 6455 §4.1).
    #[error("the response's Connection header does not list upgrade")]
    WrongConnection,
    /// Client role: `Sec-WebSocket-Accept` does not answer the key that was sent (RFC 6455 §4.1).
    #[error("the response's Sec-WebSocket-Accept does not match the key")]
    WrongAccept,
    /// Client role: the server chose a subprotocol that was not offered (RFC 6455 §4.1).
    #[error("the server chose a subprotocol that was not offered")]
    UnexpectedSubprotocol,
    /// Client role: the server uses an extension that was not offered (RFC 6455 §4.1).
    #[error("the server uses an extension that was not offered")]
    UnexpectedExtension,
    /// Client role: the server uses an extension in a way that was not offered (RFC 7692 §7.1).
    #[error("the server uses an extension in a way that was not offered")]
    UnacceptableExtension,
}

/// The head of a response by which a server refused a handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct RefusedResponse {
    /// The response's status; anything but 101.
    pub status: StatusCode,
    /// The response's headers.
    pub headers: HeaderMap,
}

impl HandshakeError {
    /// The status that tells a client of this error.
    ///
    /// For an error of the client role it is `502 Bad Gateway`, which is what an intermediary says
    /// of a server that it could not talk to.
    pub fn status(&self) -> StatusCode {
        match self {
            Self::TargetTooLong => StatusCode::URI_TOO_LONG,
            Self::HeadTooLarge | Self::TooManyHeaders => {
                StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE
            }
            Self::UnsupportedMethod | Self::UnsupportedTransferEncoding => {
                StatusCode::NOT_IMPLEMENTED
            }
            Self::UnsupportedVersion => StatusCode::HTTP_VERSION_NOT_SUPPORTED,
            Self::MethodNotAllowed => StatusCode::METHOD_NOT_ALLOWED,
            Self::MissingUpgrade | Self::UnsupportedWebSocketVersion => {
                StatusCode::UPGRADE_REQUIRED
            }
            Self::SubprotocolNotOffered => StatusCode::INTERNAL_SERVER_ERROR,
            Self::InvalidRequest(_)
            | Self::MalformedStatusLine
            | Self::Refused(_)
            | Self::WrongUpgrade
            | Self::WrongConnection
            | Self::WrongAccept
            | Self::UnexpectedSubprotocol
            | Self::UnexpectedExtension
            | Self::UnacceptableExtension => StatusCode::BAD_GATEWAY,
            _ => StatusCode::BAD_REQUEST,
        }
    }

    /// The response that tells a client of this error, with a line of plain text that says what
    /// was wrong. It repeats nothing that the client sent.
    pub fn to_response(&self) -> Response {
        let status = self.status();
        let response = Response::new(status);
        match self {
            Self::MethodNotAllowed => response.header(ALLOW, HeaderValue::from_static("GET")),
            // RFC 9110 §15.5.22: a 426 names the protocol that is asked for. RFC 6455 §4.4: and
            // the versions of it.
            Self::MissingUpgrade | Self::UnsupportedWebSocketVersion => response
                .header(UPGRADE, HeaderValue::from_static("websocket"))
                .header(SEC_WEBSOCKET_VERSION, HeaderValue::from_static("13")),
            _ => response,
        }
        // No browser may guess that the text is something to run.
        .header(
            HeaderName::from_static("x-content-type-options"),
            HeaderValue::from_static("nosniff"),
        )
        .body("text/plain; charset=utf-8", self.explanation(status))
    }

    fn explanation(&self, status: StatusCode) -> String {
        if status == StatusCode::INTERNAL_SERVER_ERROR {
            // The application's mistake is for its log, not for the client.
            return "internal server error\n".to_owned();
        }
        format!("{self}\n")
    }
}

#[cfg(test)]
mod tests {
    use http::Version;

    use super::*;

    fn encoded(error: &HandshakeError) -> String {
        let mut out = Vec::new();
        error.to_response().encode(false, Version::HTTP_11, false, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn each_kind_of_error_has_its_status() {
        use HandshakeError::*;
        let cases = [
            (NotHttp, 400),
            (BareLineFeed, 400),
            (MalformedKey, 400),
            (UpgradeFromHttp10, 400),
            (MethodNotAllowed, 405),
            (TargetTooLong, 414),
            (MissingUpgrade, 426),
            (UnsupportedWebSocketVersion, 426),
            (HeadTooLarge, 431),
            (TooManyHeaders, 431),
            (SubprotocolNotOffered, 500),
            (UnsupportedMethod, 501),
            (UnsupportedTransferEncoding, 501),
            (WrongAccept, 502),
            (UnsupportedVersion, 505),
        ];
        for (error, status) in cases {
            assert_eq!(error.status().as_u16(), status, "{error:?}");
            assert_eq!(error.to_response().status(), error.status());
        }
    }

    #[test]
    fn the_response_says_what_was_wrong_and_closes() {
        let text = encoded(&HandshakeError::MissingHost);
        assert!(text.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: close\r\n"), "{text}");
        assert!(text.contains("\r\nContent-Length: 20\r\n"), "{text}");
        assert!(text.ends_with("\r\n\r\nmissing Host header\n"), "{text}");
    }

    #[test]
    fn a_client_learns_what_to_ask_for_instead() {
        let text = encoded(&HandshakeError::MethodNotAllowed);
        assert!(text.contains("\r\nallow: GET\r\n"), "{text}");
        let text = encoded(&HandshakeError::UnsupportedWebSocketVersion);
        assert!(text.contains("\r\nsec-websocket-version: 13\r\n"), "{text}");
        assert!(text.contains("\r\nupgrade: websocket\r\n"), "{text}");
        assert!(text.contains("\r\nConnection: upgrade, close\r\n"), "{text}");
    }

    #[test]
    fn an_application_error_is_not_explained_to_the_client() {
        let text = encoded(&HandshakeError::SubprotocolNotOffered);
        assert!(!text.contains("subprotocol"), "{text}");
    }
}
