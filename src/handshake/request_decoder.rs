//! From received bytes to requests.

use super::error::HandshakeError;
use super::limits::HeadLimits;
use super::request::Request;
use super::scan::{HeadKind, HeadScanner};

/// Decodes the heads of the requests that arrive on one connection, one after the other.
///
/// It holds no bytes, only how far it has looked at those that its caller keeps: a head of n bytes
/// costs n steps even if it arrives a byte at a time. The pieces in which a head arrives never
/// change the answer.
///
/// ```
/// use tickwire::handshake::{HeadLimits, RequestDecoder};
///
/// let limits = HeadLimits::default();
/// let mut decoder = RequestDecoder::new();
/// let mut received = b"GET /chat?room=1 HTTP/1.1\r\nHost: exam".to_vec();
/// assert!(decoder.decode(&received, &limits)?.is_none());
///
/// received.extend_from_slice(b"ple.com\r\n\r\nmore");
/// let (request, head_len) = decoder.decode(&received, &limits)?.expect("a whole head");
/// assert_eq!(request.path(), "/chat");
/// assert_eq!(request.query(), Some("room=1"));
/// assert_eq!(&received[head_len..], b"more");
/// # Ok::<(), tickwire::handshake::HandshakeError>(())
/// ```
#[derive(Clone, Debug)]
pub struct RequestDecoder {
    scanner: HeadScanner,
}

impl RequestDecoder {
    /// A decoder that stands at the beginning of a head.
    pub fn new() -> Self {
        Self { scanner: HeadScanner::new(HeadKind::Request) }
    }

    /// Looks for a whole head in `input`, which is all that was received from the head's first
    /// byte on; it may begin with one empty line (RFC 9112 §2.2).
    ///
    /// Answers the request and its head's length in bytes; what lies behind is the caller's, and
    /// the decoder is ready for the next head. Answers `None` while the head is incomplete: call
    /// again with the same bytes and more.
    ///
    /// # Errors
    /// As soon as the bytes at hand cannot become a request within `limits`, whatever follows.
    /// Nothing more can be decoded on the connection then.
    pub fn decode(
        &mut self,
        input: &[u8],
        limits: &HeadLimits,
    ) -> Result<Option<(Request, usize)>, HandshakeError> {
        let Some(span) = self.scanner.scan(input, limits)? else { return Ok(None) };
        *self = Self::new();
        Ok(Some((Request::parse(input, span)?, span.end)))
    }
}

impl Default for RequestDecoder {
    fn default() -> Self {
        Self::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decode(input: &str) -> Result<Option<(Request, usize)>, HandshakeError> {
        RequestDecoder::new().decode(input.as_bytes(), &HeadLimits::default())
    }

    #[test]
    fn pipelined_requests_come_out_one_by_one() {
        let input = "GET /1 HTTP/1.1\r\nHost: h\r\n\r\n\r\nGET /2 HTTP/1.0\r\n\r\nGET";
        let mut decoder = RequestDecoder::new();
        let limits = HeadLimits::default();
        let (first, first_len) = decoder.decode(input.as_bytes(), &limits).unwrap().unwrap();
        let rest = &input[first_len..];
        let (second, second_len) = decoder.decode(rest.as_bytes(), &limits).unwrap().unwrap();
        assert_eq!((first.path(), second.path()), ("/1", "/2"));
        let rest = &rest[second_len..];
        assert_eq!(rest, "GET");
        assert!(decoder.decode(rest.as_bytes(), &limits).unwrap().is_none());
    }

    #[test]
    fn whole_heads_are_checked() {
        use HandshakeError::*;
        let cases = [
            ("GET / HTTP/1.1\r\n\r\n", MissingHost),
            ("GET / HTTP/1.1\r\nHost:\r\n\r\n", MalformedHost),
            ("GET / HTTP/1.1\r\nHost: a b\r\n\r\n", MalformedHost),
            ("GET / HTTP/1.0\r\nHost: a b\r\n\r\n", MalformedHost),
            ("GET / HTTP/1.1\r\nHost: a\r\nhost: a\r\n\r\n", DuplicateHost),
            ("GET * HTTP/1.1\r\nHost: a\r\n\r\n", MalformedTarget),
            ("GET http://u@h/ HTTP/1.1\r\nHost: h\r\n\r\n", MalformedTarget),
            ("CONNECT h:80 HTTP/1.1\r\nHost: h:80\r\n\r\n", UnsupportedMethod),
            ("GET / HTTP/1.1\r\nHost: h\r\nContent-Length: x\r\n\r\n", MalformedContentLength),
            (
                "POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
                AmbiguousLength,
            ),
        ];
        for (input, expected) in cases {
            assert_eq!(decode(input).unwrap_err(), expected, "{input:?}");
        }
    }

    #[test]
    fn unusual_requests_that_are_in_order() {
        for input in [
            "\r\nGET / HTTP/1.1\r\nHost: h\r\n\r\n",
            "OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n",
            "BREW /pot HTTP/1.1\r\nHost:h\r\n\r\n",
            "get /lower HTTP/1.1\r\nHost: h\r\nX!#$%&'*+-.^_`|~9: \r\n\r\n",
            "GET /?|\\^{}\"<> HTTP/1.1\r\nhOST: [::1]:1\r\n\r\n",
        ] {
            let (_, head_len) = decode(input).unwrap().unwrap();
            assert_eq!(head_len, input.len());
        }
    }
}
