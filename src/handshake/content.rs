//! Whether content follows a request's head, and how much (RFC 9112 §6).

use http::header::{CONTENT_LENGTH, TRANSFER_ENCODING};
use http::{HeaderMap, Version};

use super::error::HandshakeError;
use super::token::elements;

/// The content behind a request's head.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Neither header was sent.
    None,
    /// As many bytes as `Content-Length` says; perhaps none.
    Length(u64),
    /// As `Transfer-Encoding: chunked` delimits it.
    Chunked,
}

impl Content {
    /// Reads the headers more strictly than RFC 9112 §6.3 asks: a second `Content-Length` is
    /// refused even where it repeats the first, for no honest client sends one.
    pub(super) fn of(headers: &HeaderMap, version: Version) -> Result<Self, HandshakeError> {
        let mut lengths = headers.get_all(CONTENT_LENGTH).iter();
        let length = lengths.next();
        let chunked = is_chunked(headers, version)?;
        match (length, lengths.next(), chunked) {
            (None, _, false) => Ok(Self::None),
            (None, _, true) => Ok(Self::Chunked),
            (Some(length), None, false) => parse_length(length.as_bytes()).map(Self::Length),
            _ => Err(HandshakeError::AmbiguousLength),
        }
    }
}

/// `Content-Length` is digits only: no sign, no list, nothing that overflows (RFC 9110 §8.6).
fn parse_length(value: &[u8]) -> Result<u64, HandshakeError> {
    if value.is_empty() || !value.iter().all(u8::is_ascii_digit) {
        return Err(HandshakeError::MalformedContentLength);
    }
    std::str::from_utf8(value)
        .ok()
        .and_then(|digits| digits.parse().ok())
        .ok_or(HandshakeError::MalformedContentLength)
}

fn is_chunked(headers: &HeaderMap, version: Version) -> Result<bool, HandshakeError> {
    if !headers.contains_key(TRANSFER_ENCODING) {
        return Ok(false);
    }
    let codings = headers.get_all(TRANSFER_ENCODING);
    let mut codings = codings.iter().flat_map(|value| elements(value.as_bytes()));
    let is_chunked = |coding: &[u8]| coding.eq_ignore_ascii_case(b"chunked");
    // RFC 9112 §6.1: HTTP/1.0 has no transfer codings. §6.3: a request's last one is `chunked`,
    // or nobody can say where the request ends.
    let (first, last) = (codings.next(), codings.last());
    let (Some(first), Version::HTTP_11) = (first, version) else {
        return Err(HandshakeError::MalformedTransferEncoding);
    };
    match last {
        None if is_chunked(first) => Ok(true),
        // `chunked` twice is an error too, and any other coding is one that nobody uses.
        Some(last) if is_chunked(last) && !is_chunked(first) => {
            Err(HandshakeError::UnsupportedTransferEncoding)
        }
        _ => Err(HandshakeError::MalformedTransferEncoding),
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn content(lines: &[(&str, &str)], version: Version) -> Result<Content, HandshakeError> {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(
                HeaderName::from_bytes(name.as_bytes()).unwrap(),
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        Content::of(&headers, version)
    }

    #[test]
    fn content_is_framed_unambiguously_or_refused() {
        use HandshakeError::*;
        const L: &str = "content-length";
        const T: &str = "transfer-encoding";
        type Lines<'a> = &'a [(&'a str, &'a str)];
        let cases: &[(Lines<'_>, Result<Content, HandshakeError>)] = &[
            (&[], Ok(Content::None)),
            (&[(L, "0")], Ok(Content::Length(0))),
            (&[(L, "0018")], Ok(Content::Length(18))),
            (&[(L, "18446744073709551615")], Ok(Content::Length(u64::MAX))),
            (&[(L, "18446744073709551616")], Err(MalformedContentLength)),
            (&[(L, "")], Err(MalformedContentLength)),
            (&[(L, "+1")], Err(MalformedContentLength)),
            (&[(L, "-1")], Err(MalformedContentLength)),
            (&[(L, "0x1")], Err(MalformedContentLength)),
            (&[(L, "1 ")], Err(MalformedContentLength)),
            (&[(L, "1, 1")], Err(MalformedContentLength)),
            (&[(L, "1"), (L, "2")], Err(AmbiguousLength)),
            (&[(L, "1"), (L, "1")], Err(AmbiguousLength)),
            (&[(L, "1"), (T, "chunked")], Err(AmbiguousLength)),
            (&[(T, "Chunked")], Ok(Content::Chunked)),
            (&[(T, "")], Err(MalformedTransferEncoding)),
            (&[(T, "gzip")], Err(MalformedTransferEncoding)),
            (&[(T, "chunked, gzip")], Err(MalformedTransferEncoding)),
            (&[(T, "chunked"), (T, "chunked")], Err(MalformedTransferEncoding)),
            (&[(T, "xchunked")], Err(MalformedTransferEncoding)),
            (&[(T, "gzip, chunked")], Err(UnsupportedTransferEncoding)),
            (&[(T, "gzip"), (T, "chunked")], Err(UnsupportedTransferEncoding)),
        ];
        for (lines, expected) in cases {
            assert_eq!(&content(lines, Version::HTTP_11), expected, "{lines:?}");
        }
        let chunked = [(T, "chunked")];
        assert_eq!(content(&chunked, Version::HTTP_10), Err(MalformedTransferEncoding));
    }
}
