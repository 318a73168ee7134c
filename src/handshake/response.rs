//! Responses to plain HTTP requests and to handshakes that are refused (RFC 9110 §15).

use bytes::Bytes;
use http::header::{CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, TRANSFER_ENCODING, UPGRADE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, Version};

use super::reserved::encode_header;

/// A whole HTTP response: status, headers and content.
///
/// ```
/// use http::{StatusCode, Version};
/// use tickwire::handshake::Response;
///
/// let mut out = Vec::new();
/// Response::text("ready\n").encode(false, Version::HTTP_11, true, &mut out);
/// assert!(out.starts_with(b"HTTP/1.1 200 OK\r\n"));
/// assert!(out.ends_with(b"Content-Length: 6\r\n\r\nready\n"));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Response {
    status: StatusCode,
    headers: HeaderMap,
    body: Bytes,
}

impl Response {
    /// A response without content.
    ///
    /// An interim status (1xx) cannot end a request, and 101 would promise a protocol that nobody
    /// speaks: such a status becomes `500 Internal Server Error`.
    pub fn new(status: StatusCode) -> Self {
        let status =
            if status.is_informational() { StatusCode::INTERNAL_SERVER_ERROR } else { status };
        Self { status, headers: HeaderMap::new(), body: Bytes::new() }
    }

    /// `200 OK` with an HTML page in UTF-8.
    pub fn html(page: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK).body("text/html; charset=utf-8", page)
    }

    /// `200 OK` with plain text in UTF-8.
    pub fn text(text: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK).body("text/plain; charset=utf-8", text)
    }

    /// `200 OK` with a JSON document, already serialized.
    pub fn json(document: impl Into<Bytes>) -> Self {
        Self::new(StatusCode::OK).body("application/json", document)
    }

    /// Adds a header; `Content-Type` replaces the one before. `Content-Length`,
    /// `Transfer-Encoding` and `Connection` are ignored: [`encode`](Self::encode) writes what is
    /// true of them.
    #[must_use]
    pub fn header(mut self, name: HeaderName, value: HeaderValue) -> Self {
        if name == CONTENT_TYPE {
            self.headers.insert(name, value);
        } else if ![CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION].contains(&name) {
            self.headers.append(name, value);
        }
        self
    }

    /// Sets the content and says of what type it is. A `content_type` that cannot stand in a
    /// header becomes `application/octet-stream`.
    #[must_use]
    pub fn body(mut self, content_type: &str, body: impl Into<Bytes>) -> Self {
        let content_type = HeaderValue::from_str(content_type)
            .unwrap_or(HeaderValue::from_static("application/octet-stream"));
        self.headers.insert(CONTENT_TYPE, content_type);
        self.body = body.into();
        self
    }

    /// The same response with another status; an interim one becomes 500, as in
    /// [`new`](Self::new).
    #[must_use]
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { headers: self.headers, body: self.body, ..Self::new(status) }
    }

    /// The status; never 1xx.
    pub fn status(&self) -> StatusCode {
        self.status
    }

    /// The headers but those that [`encode`](Self::encode) adds.
    pub fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    /// The content that was set, whether or not it will be sent.
    pub fn content(&self) -> &Bytes {
        &self.body
    }

    /// Writes the response to a request of HTTP `version`; `head_request` says that its method is
    /// `HEAD`, and `keep_alive` that the connection will serve another request.
    ///
    /// It is written so that the client knows where it ends, whatever the application asked for:
    /// `Content-Length` is always there, but for 204 and 304, which have no content (RFC 9110
    /// §8.6). They, 205 and the answer to `HEAD` are sent without content. `Connection` tells what
    /// becomes of the connection where that is not the version's default (RFC 9112 §9.3).
    pub fn encode(
        &self,
        head_request: bool,
        version: Version,
        keep_alive: bool,
        out: &mut Vec<u8>,
    ) {
        self.encode_head(version, keep_alive, out);
        if !head_request && self.sends_content() {
            out.extend_from_slice(&self.body);
        }
    }

    /// Whether a response of this status has content (RFC 9110 §15.3.5, §15.3.6, §15.4.5).
    fn sends_content(&self) -> bool {
        ![StatusCode::NO_CONTENT, StatusCode::RESET_CONTENT, StatusCode::NOT_MODIFIED]
            .contains(&self.status)
    }

    fn encode_head(&self, version: Version, keep_alive: bool, out: &mut Vec<u8>) {
        // The version is ours, not the request's (RFC 9110 §6.2).
        out.extend_from_slice(b"HTTP/1.1 ");
        out.extend_from_slice(self.status.as_str().as_bytes());
        out.push(b' ');
        out.extend_from_slice(self.status.canonical_reason().unwrap_or_default().as_bytes());
        out.extend_from_slice(b"\r\n");
        for (name, value) in &self.headers {
            encode_header(name.as_str(), value, out);
        }
        self.encode_connection(version, keep_alive, out);
        match self.status {
            StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED => {}
            _ => {
                let len = if self.sends_content() { self.body.len() } else { 0 };
                encode_header("Content-Length", &HeaderValue::from(len), out);
            }
        }
        out.extend_from_slice(b"\r\n");
    }

    fn encode_connection(&self, version: Version, keep_alive: bool, out: &mut Vec<u8>) {
        let persistence = match (keep_alive, version) {
            (true, Version::HTTP_10) => Some("keep-alive"),
            (true, _) => None,
            (false, _) => Some("close"),
        };
        // RFC 9110 §7.8: a sender of `Upgrade` lists it here.
        let upgrade = self.headers.contains_key(UPGRADE).then_some("upgrade");
        let value = match (upgrade, persistence) {
            (None, None) => return,
            (Some(one), None) | (None, Some(one)) => HeaderValue::from_static(one),
            (Some(_), Some("close")) => HeaderValue::from_static("upgrade, close"),
            (Some(_), Some(_)) => HeaderValue::from_static("upgrade, keep-alive"),
        };
        encode_header("Connection", &value, out);
    }
}

impl From<StatusCode> for Response {
    fn from(status: StatusCode) -> Self {
        Self::new(status)
    }
}

#[cfg(test)]
mod tests {
    use http::header::{RETRY_AFTER, SET_COOKIE};

    use super::*;

    fn encoded(response: &Response, head_request: bool, version: Version, alive: bool) -> String {
        let mut out = b"before".to_vec();
        response.encode(head_request, version, alive, &mut out);
        String::from_utf8(out).unwrap().strip_prefix("before").unwrap().to_owned()
    }

    #[test]
    fn a_response_on_the_wire() {
        let response = Response::html("<p>hi").header(SET_COOKIE, HeaderValue::from_static("a=1"));
        let response = response.header(SET_COOKIE, HeaderValue::from_static("b=2"));
        let expected = "HTTP/1.1 200 OK\r\n\
            content-type: text/html; charset=utf-8\r\n\
            set-cookie: a=1\r\n\
            set-cookie: b=2\r\n\
            Content-Length: 5\r\n\
            \r\n\
            <p>hi";
        assert_eq!(encoded(&response, false, Version::HTTP_11, true), expected);
        let expected = expected.strip_suffix("<p>hi").unwrap();
        assert_eq!(encoded(&response, true, Version::HTTP_11, true), expected);
    }

    #[test]
    fn the_connection_header_tells_what_the_version_does_not() {
        let cases = [
            (Version::HTTP_11, true, false, ""),
            (Version::HTTP_11, false, false, "Connection: close\r\n"),
            (Version::HTTP_10, true, false, "Connection: keep-alive\r\n"),
            (Version::HTTP_10, false, false, "Connection: close\r\n"),
            (Version::HTTP_11, true, true, "Connection: upgrade\r\n"),
            (Version::HTTP_11, false, true, "Connection: upgrade, close\r\n"),
            (Version::HTTP_10, true, true, "Connection: upgrade, keep-alive\r\n"),
        ];
        for (version, keep_alive, upgrade, line) in cases {
            let mut response = Response::new(StatusCode::NOT_FOUND);
            let mut expected = "HTTP/1.1 404 Not Found\r\n".to_owned();
            if upgrade {
                response = response.header(UPGRADE, HeaderValue::from_static("websocket"));
                expected += "upgrade: websocket\r\n";
            }
            expected = expected + line + "Content-Length: 0\r\n\r\n";
            assert_eq!(encoded(&response, false, version, keep_alive), expected);
        }
    }

    #[test]
    fn some_statuses_have_no_content() {
        let cases = [
            (204, "No Content", ""),
            (304, "Not Modified", ""),
            (205, "Reset Content", "Content-Length: 0\r\n"),
        ];
        for (status, reason, line) in cases {
            let response =
                Response::text("ignored").with_status(StatusCode::from_u16(status).unwrap());
            let expected = format!(
                "HTTP/1.1 {status} {reason}\r\ncontent-type: text/plain; charset=utf-8\r\n{line}\r\n"
            );
            assert_eq!(encoded(&response, false, Version::HTTP_11, true), expected);
        }
    }

    #[test]
    fn an_interim_status_is_not_a_response() {
        for status in [StatusCode::CONTINUE, StatusCode::SWITCHING_PROTOCOLS] {
            assert_eq!(Response::new(status).status(), StatusCode::INTERNAL_SERVER_ERROR);
            let response = Response::text("x").with_status(status);
            assert_eq!(response.status(), StatusCode::INTERNAL_SERVER_ERROR);
            assert_eq!(response.content(), "x");
        }
    }

    #[test]
    fn headers_that_frame_the_response_are_ignored() {
        let mut response = Response::text("four");
        for name in [CONTENT_LENGTH, TRANSFER_ENCODING, CONNECTION] {
            response = response.header(name, HeaderValue::from_static("99"));
        }
        let text = encoded(&response, false, Version::HTTP_11, true);
        assert!(!text.contains("99"), "{text}");
        assert!(text.contains("\r\nContent-Length: 4\r\n"), "{text}");
    }

    #[test]
    fn the_content_type_is_one_and_well_formed() {
        let response = Response::json("{}").header(CONTENT_TYPE, HeaderValue::from_static("a/b"));
        assert_eq!(response.headers().get_all(CONTENT_TYPE).iter().count(), 1);
        let response = response.body("text/plain\r\nX-Evil: 1", "x");
        assert_eq!(response.headers()[CONTENT_TYPE], "application/octet-stream");
    }

    #[test]
    fn an_unnamed_status_keeps_its_space() {
        let response = Response::new(StatusCode::from_u16(599).unwrap())
            .header(RETRY_AFTER, HeaderValue::from_static("1"));
        let text = encoded(&response, false, Version::HTTP_11, true);
        assert!(text.starts_with("HTTP/1.1 599 \r\nretry-after: 1\r\n"), "{text}");
    }
}
