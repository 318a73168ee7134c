//! From a scanned head to the header map of the `http` crate.

use http::header::{AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE};
use http::{HeaderMap, HeaderName, HeaderValue};

use super::error::HandshakeError;
use super::token::trim;

/// Collects header lines, in their order within each name.
pub(super) fn header_map(lines: &[httparse::Header<'_>]) -> Result<HeaderMap, HandshakeError> {
    // The `try_` methods: a limit above what a map can hold must refuse the head, not panic.
    let mut headers =
        HeaderMap::try_with_capacity(lines.len()).map_err(|_| HandshakeError::TooManyHeaders)?;
    for line in lines {
        let name = HeaderName::from_bytes(line.name.as_bytes())
            .map_err(|_| HandshakeError::MalformedHeader)?;
        let mut value = HeaderValue::from_bytes(trim(line.value))
            .map_err(|_| HandshakeError::MalformedHeader)?;
        value.set_sensitive(is_secret(&name));
        headers.try_append(name, value).map_err(|_| HandshakeError::TooManyHeaders)?;
    }
    Ok(headers)
}

/// What the parser's verdict means. [`HeadScanner`](super::scan::HeadScanner) has refused all that
/// it would refuse before, so this only matters if the two should ever disagree.
pub(super) fn parse_error(error: httparse::Error, first_line: HandshakeError) -> HandshakeError {
    match error {
        httparse::Error::Token | httparse::Error::Status => first_line,
        httparse::Error::Version => HandshakeError::UnsupportedVersion,
        httparse::Error::TooManyHeaders => HandshakeError::TooManyHeaders,
        httparse::Error::HeaderName | httparse::Error::HeaderValue | httparse::Error::NewLine => {
            HandshakeError::MalformedHeader
        }
    }
}

/// Headers whose values let their holder act for somebody: `Debug` must not print them.
fn is_secret(name: &HeaderName) -> bool {
    [AUTHORIZATION, COOKIE, PROXY_AUTHORIZATION, SET_COOKIE].contains(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_are_not_printed() {
        let line = |name, value: &'static str| httparse::Header { name, value: value.as_bytes() };
        let headers = header_map(&[
            line("Cookie", "a=hidden"),
            line("AUTHORIZATION", "Bearer hidden"),
            line("Proxy-Authorization", "hidden"),
            line("Set-Cookie", "hidden"),
            line("Origin", "shown"),
        ])
        .unwrap();
        let text = format!("{headers:?}");
        assert!(!text.contains("hidden"), "{text}");
        assert!(text.contains("shown"), "{text}");
        assert_eq!(headers["cookie"], "a=hidden");
    }

    #[test]
    fn more_headers_than_a_map_holds_are_refused() {
        let lines = vec![httparse::Header { name: "a", value: b"" }; 70_000];
        assert_eq!(header_map(&lines), Err(HandshakeError::TooManyHeaders));
    }
}
