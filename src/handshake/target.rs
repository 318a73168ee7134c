//! The request target: what a request is for (RFC 9112 §3.2).

use std::ops::Range;

use http::Method;

use super::error::HandshakeError;
use super::host::is_authority;

/// A request target as it was sent, and where its parts lie in it.
#[derive(Clone, Debug)]
pub(super) struct Target {
    text: String,
    /// The host and port of an absolute-form target.
    authority: Option<Range<usize>>,
    path: Range<usize>,
    query: Option<Range<usize>>,
}

impl Target {
    /// Takes a target in origin-form, in absolute-form, or, for `OPTIONS`, in asterisk-form.
    pub(super) fn parse(text: &str, method: &Method) -> Result<Self, HandshakeError> {
        let bytes = text.as_bytes();
        // A fragment is for the client alone (RFC 9112 §3.2, RFC 6455 §3).
        if !bytes.iter().all(|&byte| byte.is_ascii_graphic() && byte != b'#') {
            return Err(HandshakeError::MalformedTarget);
        }
        let authority = match bytes {
            [b'/', ..] => None,
            b"*" if *method == Method::OPTIONS => None,
            _ => Some(absolute_authority(text)?),
        };
        let path_start = authority.as_ref().map_or(0, |range| range.end);
        let path_end = text[path_start..].find('?').map_or(text.len(), |at| path_start + at);
        let query = (path_end < text.len()).then(|| path_end + 1..text.len());
        Ok(Self { text: text.to_owned(), authority, path: path_start..path_end, query })
    }

    pub(super) fn as_str(&self) -> &str {
        &self.text
    }

    pub(super) fn authority(&self) -> Option<&str> {
        self.authority.clone().map(|range| &self.text[range])
    }

    /// The path; an absolute-form target without one means `/` (RFC 9110 §4.2.3).
    pub(super) fn path(&self) -> &str {
        match &self.text[self.path.clone()] {
            "" => "/",
            path => path,
        }
    }

    pub(super) fn query(&self) -> Option<&str> {
        self.query.clone().map(|range| &self.text[range])
    }
}

/// Where the host and port lie in an absolute-form target. Clients send that form to proxies, but
/// a server must take it too (RFC 9112 §3.2.2).
fn absolute_authority(text: &str) -> Result<Range<usize>, HandshakeError> {
    let (scheme, rest) = text.split_once("://").ok_or(HandshakeError::MalformedTarget)?;
    let known = ["http", "https", "ws", "wss"].iter().any(|name| scheme.eq_ignore_ascii_case(name));
    let start = text.len() - rest.len();
    let end = rest.find(['/', '?']).map_or(text.len(), |at| start + at);
    if known && is_authority(&text.as_bytes()[start..end]) {
        Ok(start..end)
    } else {
        Err(HandshakeError::MalformedTarget)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parts_of_a_target() {
        let cases = [
            ("/", None, "/", None),
            ("/chat", None, "/chat", None),
            ("/chat?", None, "/chat", Some("")),
            ("/chat?a=/b?c", None, "/chat", Some("a=/b?c")),
            ("//chat", None, "//chat", None),
            ("/%7Ea", None, "/%7Ea", None),
            ("http://h:1/p?q", Some("h:1"), "/p", Some("q")),
            ("WSS://h", Some("h"), "/", None),
            ("ws://[::1]?q", Some("[::1]"), "/", Some("q")),
        ];
        for (text, authority, path, query) in cases {
            let target = Target::parse(text, &Method::GET).unwrap();
            assert_eq!(target.as_str(), text);
            assert_eq!(target.authority(), authority, "{text}");
            assert_eq!(target.path(), path, "{text}");
            assert_eq!(target.query(), query, "{text}");
        }
        assert_eq!(Target::parse("*", &Method::OPTIONS).unwrap().path(), "*");
    }

    #[test]
    fn other_targets_are_refused() {
        let cases = [
            "",
            "*",
            "?q",
            "chat",
            "h:80",
            "/a#b",
            "/caf\u{e9}",
            "/a b",
            "/a\t",
            "http:/h",
            "http://",
            "http:///p",
            "http://u@h/",
            "ftp://h/",
            "://h",
            "http://h:x/",
        ];
        for text in cases {
            let result = Target::parse(text, &Method::GET);
            assert_eq!(result.unwrap_err(), HandshakeError::MalformedTarget, "{text:?}");
        }
    }
}
