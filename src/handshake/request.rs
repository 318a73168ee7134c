//! A request's head, as handlers see it.

use std::fmt;
use std::net::SocketAddr;

use http::header::{AsHeaderName, CONNECTION, COOKIE, HOST, ORIGIN, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Version};

use super::content::Content;
use super::error::HandshakeError;
use super::extension::{self, ExtensionOffer};
use super::fields;
use super::host::check_host;
use super::scan::HeadSpan;
use super::subprotocol;
use super::target::Target;
#[cfg(feature = "tls")]
use super::tls_info::TlsInfo;
use super::token::{lists_token, trim};

/// A request's head: a WebSocket upgrade, or a plain HTTP request on the same port.
///
/// It comes out of a [`RequestDecoder`](super::RequestDecoder), so its syntax, its `Host` and the
/// framing of its content have been checked. It owns its bytes and may be kept and sent between
/// threads. `Debug` prints neither credentials nor the query: browsers cannot set headers on a
/// WebSocket, so services put tokens there.
#[derive(Clone)]
pub struct Request {
    method: Method,
    target: Target,
    version: Version,
    headers: HeaderMap,
    content: Content,
    peer_addr: Option<SocketAddr>,
    #[cfg(feature = "tls")]
    tls: Option<Box<TlsInfo>>,
}

impl Request {
    /// Parses a complete head that the scanner has found good.
    pub(super) fn parse(input: &[u8], span: HeadSpan) -> Result<Self, HandshakeError> {
        let head = &input[span.start..span.end];
        let mut lines = vec![httparse::EMPTY_HEADER; span.header_count];
        let mut parsed = httparse::Request::new(&mut lines);
        let status = parsed
            .parse(head)
            .map_err(|error| fields::parse_error(error, HandshakeError::MalformedRequestLine))?;
        // Both parsers must see the same end, or the bytes behind it are not what they seem.
        if status != httparse::Status::Complete(head.len()) {
            return Err(HandshakeError::MalformedHeader);
        }
        let (Some(method), Some(target), Some(minor)) =
            (parsed.method, parsed.path, parsed.version)
        else {
            return Err(HandshakeError::MalformedRequestLine);
        };
        let method = Method::from_bytes(method.as_bytes())
            .map_err(|_| HandshakeError::MalformedRequestLine)?;
        if method == Method::CONNECT {
            return Err(HandshakeError::UnsupportedMethod);
        }
        let version = if minor == 0 { Version::HTTP_10 } else { Version::HTTP_11 };
        let target = Target::parse(target, &method)?;
        let headers = fields::header_map(parsed.headers)?;
        check_host(&headers, version)?;
        let content = Content::of(&headers, version)?;
        Ok(Self {
            method,
            target,
            version,
            headers,
            content,
            peer_addr: None,
            #[cfg(feature = "tls")]
            tls: None,
        })
    }

    /// What it takes in memory, about.
    pub(crate) fn held_len(&self) -> usize {
        let header = |(name, value): (&HeaderName, &HeaderValue)| {
            2 * size_of::<HeaderValue>() + name.as_str().len() + value.len()
        };
        size_of::<Self>() + self.target().len() + self.headers.iter().map(header).sum::<usize>()
    }

    /// The method; never `CONNECT`.
    pub fn method(&self) -> &Method {
        &self.method
    }

    /// The request target as it was sent: `/path?query`, or a whole `http://host/path?query`.
    pub fn target(&self) -> &str {
        self.target.as_str()
    }

    /// The target's path, beginning with `/`, as it was sent: percent-encoding is left alone. It
    /// is `*` for a request `OPTIONS *`.
    pub fn path(&self) -> &str {
        self.target.path()
    }

    /// What follows the first `?` of the target, as it was sent.
    pub fn query(&self) -> Option<&str> {
        self.target.query()
    }

    /// HTTP/1.1 or HTTP/1.0.
    pub fn version(&self) -> Version {
        self.version
    }

    /// All headers. Values are without the whitespace around them.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The first header called `name`, in any case of letters, if it is UTF-8.
    pub fn header(&self, name: impl AsHeaderName) -> Option<&str> {
        self.headers.get(name).and_then(|value| std::str::from_utf8(value.as_bytes()).ok())
    }

    /// The host, and port if there is one, that the request is for. A target in absolute-form
    /// overrules the `Host` header (RFC 9112 §3.2.2). `None` only in HTTP/1.0.
    pub fn host(&self) -> Option<&str> {
        self.target.authority().or_else(|| self.header(HOST))
    }

    /// The `Origin` header: the site whose script opened the connection (RFC 6455 §10.2). Browsers
    /// always send it, and other clients can send what they like.
    pub fn origin(&self) -> Option<&str> {
        self.header(ORIGIN)
    }

    /// Names and values of all cookies, in the order sent (RFC 6265 §4.2.1). Values keep the
    /// quotes that they may be in. What is not `name=value` in UTF-8 is passed over.
    pub fn cookies(&self) -> impl Iterator<Item = (&str, &str)> {
        self.headers
            .get_all(COOKIE)
            .iter()
            .flat_map(|value| value.as_bytes().split(|&byte| byte == b';'))
            .filter_map(|pair| std::str::from_utf8(trim(pair)).ok())
            .filter_map(|pair| pair.split_once('='))
    }

    /// The subprotocols that the client offers, in its order of preference (RFC 6455 §4.1): the
    /// elements of all `Sec-WebSocket-Protocol` headers.
    pub fn subprotocols(&self) -> impl Iterator<Item = &str> {
        subprotocol::offered(&self.headers)
    }

    /// The first of `supported` that the client offers: **the server's order of preference wins**
    /// over the client's. `None` if they have none in common; the handshake may then be accepted
    /// without a subprotocol, or refused.
    pub fn choose_subprotocol<'a>(&self, supported: &[&'a str]) -> Option<&'a str> {
        supported.iter().copied().find(|name| self.subprotocols().any(|offer| offer == *name))
    }

    /// The extensions that the client offers, in its order of preference (RFC 6455 §9.1).
    ///
    /// # Errors
    /// [`HandshakeError::MalformedExtensions`] if a `Sec-WebSocket-Extensions` header is malformed.
    pub fn extensions(&self) -> Result<Vec<ExtensionOffer>, HandshakeError> {
        extension::decode(&self.headers)
    }

    /// Whether this asks for a WebSocket: an `Upgrade` header lists `websocket`. Whether it asks
    /// well is for [`validate_upgrade`](super::validate_upgrade) to say.
    pub fn is_upgrade(&self) -> bool {
        lists_token(&self.headers, UPGRADE, "websocket")
    }

    /// Whether the connection may serve another request behind this one (RFC 9112 §9.3):
    /// HTTP/1.1 unless it says `Connection: close`, HTTP/1.0 only if it says `keep-alive`.
    pub fn keep_alive(&self) -> bool {
        let lists = |token| lists_token(&self.headers, CONNECTION, token);
        !lists("close") && (self.version == Version::HTTP_11 || lists("keep-alive"))
    }

    /// Whether content follows the head: those bytes are no part of the next request.
    pub fn has_body(&self) -> bool {
        !matches!(self.content, Content::None | Content::Length(0))
    }

    /// Bytes of content that follow the head, if a `Content-Length` header says so.
    pub fn content_length(&self) -> Option<u64> {
        match self.content {
            Content::Length(length) => Some(length),
            Content::None | Content::Chunked => None,
        }
    }

    /// The address that the connection came from. `None` on a Unix socket, or if nobody set it.
    pub fn peer_addr(&self) -> Option<SocketAddr> {
        self.peer_addr
    }

    /// Says where the connection came from, which the bytes of a head do not tell.
    pub fn set_peer_addr(&mut self, peer_addr: Option<SocketAddr>) {
        self.peer_addr = peer_addr;
    }

    /// What TLS says of the connection, the client's certificate among it. `None` without TLS.
    #[cfg(feature = "tls")]
    pub fn tls(&self) -> Option<&TlsInfo> {
        self.tls.as_deref()
    }

    /// Says what TLS says of the connection, which the bytes of a head do not tell.
    #[cfg(feature = "tls")]
    pub fn set_tls(&mut self, info: Option<TlsInfo>) {
        self.tls = info.map(Box::new);
    }
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Request")
            .field("method", &self.method)
            .field("path", &self.path())
            .field("has_query", &self.query().is_some())
            .field("version", &self.version)
            .field("headers", &self.headers)
            .field("peer_addr", &self.peer_addr)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::request;
    use super::*;

    fn with(lines: &str) -> Request {
        request(&format!("GET /p?token=hidden HTTP/1.1\r\nHost: h:1\r\n{lines}\r\n"))
    }

    #[test]
    fn the_first_line_and_headers_are_kept_as_sent() {
        let request = with("X-A:  one \t\r\nx-a: two\r\nX-B: caf\u{e9}\r\nX-C:\r\n");
        assert_eq!(request.method(), Method::GET);
        assert_eq!(request.target(), "/p?token=hidden");
        assert_eq!((request.path(), request.query()), ("/p", Some("token=hidden")));
        assert_eq!(request.version(), Version::HTTP_11);
        assert_eq!(request.header("x-A"), Some("one"));
        let all: Vec<_> = request.headers().get_all("X-A").iter().collect();
        assert_eq!(all, ["one", "two"]);
        assert_eq!(request.header("x-b"), Some("caf\u{e9}"));
        assert_eq!(request.header("x-c"), Some(""));
        assert_eq!(request.header("no such name"), None);
        assert_eq!(request.origin(), None);
    }

    #[test]
    fn the_target_overrules_the_host_header() {
        assert_eq!(with("").host(), Some("h:1"));
        let absolute = request("GET ws://real:2/p HTTP/1.1\r\nHost: other\r\n\r\n");
        assert_eq!((absolute.host(), absolute.path()), (Some("real:2"), "/p"));
        assert_eq!(request("GET / HTTP/1.0\r\n\r\n").host(), None);
    }

    #[test]
    fn cookies_of_all_headers() {
        let request = with("Cookie: a=1; b=\"x=y\" ;c\r\nCookie: ;d=;=e\r\n");
        let cookies: Vec<_> = request.cookies().collect();
        assert_eq!(cookies, [("a", "1"), ("b", "\"x=y\""), ("d", ""), ("", "e")]);
    }

    #[test]
    fn the_servers_preference_chooses_the_subprotocol() {
        let request = with("Sec-WebSocket-Protocol: a, b\r\nSec-WebSocket-Protocol: c\r\n");
        assert_eq!(request.subprotocols().collect::<Vec<_>>(), ["a", "b", "c"]);
        assert_eq!(request.choose_subprotocol(&["x", "c", "a"]), Some("c"));
        assert_eq!(request.choose_subprotocol(&["A"]), None);
        assert_eq!(request.choose_subprotocol(&[]), None);
    }

    #[test]
    fn who_asks_for_a_websocket() {
        assert!(with("Upgrade: WebSocket\r\n").is_upgrade());
        assert!(with("Upgrade: h2c\r\nUpgrade: x, websocket\r\n").is_upgrade());
        assert!(!with("Upgrade: h2c\r\n").is_upgrade());
        assert!(!with("").is_upgrade());
    }

    #[test]
    fn keep_alive_depends_on_version_and_connection() {
        let cases = [
            ("1.1", "", true),
            ("1.1", "Connection: close\r\n", false),
            ("1.1", "Connection: keep-alive, Close\r\n", false),
            ("1.0", "", false),
            ("1.0", "Connection: Keep-Alive\r\n", true),
            ("1.0", "Connection: keep-alive\r\nConnection: close\r\n", false),
        ];
        for (version, lines, expected) in cases {
            let request = request(&format!("GET / HTTP/{version}\r\nHost: h\r\n{lines}\r\n"));
            assert_eq!(request.keep_alive(), expected, "{version} {lines:?}");
        }
    }

    #[test]
    fn content_is_announced_by_its_headers() {
        assert!(!with("").has_body());
        assert!(!with("Content-Length: 0\r\n").has_body());
        assert!(with("Content-Length: 7\r\n").has_body());
        assert_eq!(with("Content-Length: 7\r\n").content_length(), Some(7));
        assert!(with("Transfer-Encoding: chunked\r\n").has_body());
    }

    #[test]
    fn debug_prints_no_secret() {
        let text = format!("{:?}", with("Cookie: a=hidden\r\nAuthorization: hidden\r\n"));
        assert!(!text.contains("hidden"), "{text}");
        assert!(text.contains("/p"), "{text}");
    }

    #[test]
    fn a_request_can_be_kept_and_sent() {
        fn assert_owned<T: Send + Sync + Clone + 'static>() {}
        assert_owned::<Request>();
        let mut request = with("");
        let peer_addr = "127.0.0.1:5".parse().ok();
        request.set_peer_addr(peer_addr);
        assert_eq!(request.clone().peer_addr(), peer_addr);
    }
}
