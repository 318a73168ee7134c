//! Which sites' scripts may connect.

use std::fmt;

use http::HeaderMap;
use http::header::ORIGIN;

/// The origins of which a handshake is accepted (RFC 6455 §10.2). Browsers say on behalf of which site
/// they connect, and let every site connect to every server: without this, or a look at
/// [`Request::origin`](super::Request::origin), any page can use a visitor's cookies here. Clients that
/// are no browsers can say what they like: it is no authentication.
///
/// An origin is a scheme, a host and a port, `https://example.com:8443`, and must be the same in all
/// three; the port may be left out where it is the scheme's own. `https://*.example.com` are all hosts
/// below that one, and not the host itself. `null` is the origin of local files and of sandboxed frames.
/// Letters that are not ASCII come in the form that browsers send (`xn--...`).
///
/// ```
/// use tickwire::handshake::{AllowedOrigins, NoOrigin};
///
/// let origins = AllowedOrigins::new(["https://example.com", "https://*.example.com"], NoOrigin::Refused);
/// assert!(origins.allow(Some("https://www.example.com")));
/// assert!(!origins.allow(Some("http://example.com")));
/// assert!(!origins.allow(None));
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AllowedOrigins {
    entries: Vec<Entry>,
    no_origin: NoOrigin,
}

/// What becomes of handshakes that do not say an origin: browsers always do, programs need not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NoOrigin {
    /// They are accepted: programs may connect too.
    Accepted,
    /// They are refused: only pages may connect.
    Refused,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Entry {
    text: String,
    /// `None`: it is no origin.
    pattern: Option<Pattern>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Pattern {
    Null,
    Is(Origin),
    /// The host is what hosts end with, the dot in front included.
    Below(Origin),
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Origin {
    scheme: String,
    host: String,
    port: u16,
}

impl AllowedOrigins {
    /// These origins, and handshakes without one or not.
    pub fn new<S: Into<String>>(origins: impl IntoIterator<Item = S>, no_origin: NoOrigin) -> Self {
        let entry = |text: String| Entry { pattern: Pattern::parse(&text), text };
        Self { entries: origins.into_iter().map(Into::into).map(entry).collect(), no_origin }
    }

    /// The first of those given that can be no browser's origin.
    #[must_use]
    pub fn malformed(&self) -> Option<&str> {
        let wrong = self.entries.iter().find(|entry| entry.pattern.is_none())?;
        Some(&wrong.text)
    }

    /// Whether a handshake with such an `Origin` header is accepted.
    #[must_use]
    pub fn allow(&self, origin: Option<&str>) -> bool {
        let Some(origin) = origin else { return self.no_origin == NoOrigin::Accepted };
        let parsed = Origin::parse(origin);
        let patterns = self.entries.iter().filter_map(|entry| entry.pattern.as_ref());
        patterns.into_iter().any(|pattern| match (pattern, &parsed) {
            (Pattern::Null, _) => origin == "null",
            (Pattern::Is(allowed), Some(origin)) => origin == allowed,
            (Pattern::Below(allowed), Some(origin)) => origin.is_below(allowed),
            (_, None) => false,
        })
    }

    /// Whether a handshake with such headers is accepted: one with several origins is not.
    pub(crate) fn allow_headers(&self, headers: &HeaderMap) -> bool {
        let mut origins = headers.get_all(ORIGIN).iter();
        match (origins.next(), origins.next()) {
            (None, _) => self.allow(None),
            (Some(origin), None) => origin.to_str().is_ok_and(|origin| self.allow(Some(origin))),
            (Some(_), Some(_)) => false,
        }
    }
}

impl fmt::Display for AllowedOrigins {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, entry) in self.entries.iter().enumerate() {
            write!(f, "{}{}", if i == 0 { "" } else { ", " }, entry.text)?;
        }
        Ok(())
    }
}

impl Pattern {
    fn parse(text: &str) -> Option<Self> {
        if text == "null" {
            return Some(Self::Null);
        }
        match text.split_once("://*.") {
            None => Origin::parse(text).map(Self::Is),
            Some((scheme, rest)) => {
                let mut origin = Origin::parse(&format!("{scheme}://{rest}"))?;
                origin.host.insert(0, '.');
                Some(Self::Below(origin))
            }
        }
    }
}

impl Origin {
    /// `None` if `text` is not the serialization of an origin (RFC 6454 §6.2), but for the case of its
    /// letters.
    fn parse(text: &str) -> Option<Self> {
        let (scheme, authority) = text.split_once("://")?;
        let scheme = scheme.to_ascii_lowercase();
        let (host, port) = match authority.rfind([':', ']']).map(|at| authority.split_at(at)) {
            Some((host, port)) if port.starts_with(':') => (host, Some(&port[1..])),
            _ => (authority, None),
        };
        let port = match port {
            Some(port) => parse_port(port)?,
            None => default_port(&scheme)?,
        };
        let is_in_order = is_scheme(&scheme) && is_host(host);
        is_in_order.then(|| Self { scheme, host: host.to_ascii_lowercase(), port })
    }

    fn is_below(&self, parent: &Self) -> bool {
        self.scheme == parent.scheme
            && self.port == parent.port
            && self.host.len() > parent.host.len()
            && self.host.ends_with(&parent.host)
    }
}

fn parse_port(digits: &str) -> Option<u16> {
    // A sign would parse too.
    let are_digits = digits.bytes().all(|byte| byte.is_ascii_digit());
    digits.parse().ok().filter(|&port| are_digits && port > 0)
}

/// Schemes without one are those of browsers' extensions, which have no port at all.
fn default_port(scheme: &str) -> Option<u16> {
    match scheme {
        "http" | "ws" => Some(80),
        "https" | "wss" => Some(443),
        _ if scheme.ends_with("-extension") => Some(0),
        _ => None,
    }
}

fn is_scheme(scheme: &str) -> bool {
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic()) && scheme.bytes().all(allowed)
}

fn is_host(host: &str) -> bool {
    if let Some(address) = host.strip_prefix('[') {
        return address
            .strip_suffix(']')
            .is_some_and(|ip| ip.parse::<std::net::Ipv6Addr>().is_ok());
    }
    let allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
    !host.is_empty() && !host.starts_with('.') && host.bytes().all(allowed)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn allowed(origins: &[&str], origin: &str) -> bool {
        let origins = AllowedOrigins::new(origins.iter().copied(), NoOrigin::Refused);
        assert_eq!(origins.malformed(), None);
        origins.allow(Some(origin))
    }

    #[test]
    fn scheme_host_and_port_are_compared() {
        let cases = [
            ("https://example.com", "https://example.com", true),
            ("https://example.com", "https://example.com:443", true),
            ("https://example.com:443", "https://example.com", true),
            ("https://Example.COM", "HTTPS://example.com", true),
            ("https://example.com", "http://example.com", false),
            ("https://example.com", "https://example.com:8443", false),
            ("https://example.com", "https://www.example.com", false),
            ("https://example.com", "https://example.com.evil.org", false),
            ("https://example.com", "https://example.com/", false),
            ("https://example.com", "https://example.com@evil.org", false),
            ("https://example.com", "https://evil.org/https://example.com", false),
            ("https://example.com", "https://example.com https://example.com", false),
            ("https://example.com", "null", false),
            ("https://example.com", "", false),
            ("https://example.com", "example.com", false),
            ("http://localhost:3000", "http://localhost:3000", true),
            ("http://localhost:3000", "http://localhost:+3000", false),
            ("http://localhost", "http://localhost:3000", false),
            ("http://[::1]:8080", "http://[::1]:8080", true),
            ("http://[::1]", "http://[::1]:80", true),
            ("http://[::1]", "http://[::2]", false),
            ("null", "null", true),
            ("null", "https://example.com", false),
            ("chrome-extension://abcdef", "chrome-extension://abcdef", true),
        ];
        for (allow, origin, expected) in cases {
            assert_eq!(allowed(&[allow], origin), expected, "{allow} and {origin}");
        }
    }

    #[test]
    fn a_wildcard_is_what_is_below_and_nothing_else() {
        let cases = [
            ("https://www.example.com", true),
            ("https://a.b.example.com", true),
            ("https://WWW.example.com:443", true),
            ("https://example.com", false),
            ("https://.example.com", false),
            ("https://evilexample.com", false),
            ("https://www.example.com.evil.org", false),
            ("http://www.example.com", false),
            ("https://www.example.com:8443", false),
        ];
        for (origin, expected) in cases {
            assert_eq!(allowed(&["https://*.example.com"], origin), expected, "{origin}");
        }
        assert!(allowed(&["http://*.localhost:81", "null"], "http://a.localhost:81"));
    }

    #[test]
    fn what_can_be_no_origin_is_found() {
        for text in [
            "example.com",
            "*",
            "https://",
            "https://*",
            "https://*.",
            "https://a.*.example.com",
            "https://example.com/",
            "https://user@example.com",
            "https://example.com:0",
            "https://example.com:65536",
            "https://example.com:",
            "gopher://example.com",
            "1https://example.com",
            "https://b\u{fc}cher.example",
            "http://[::1",
            "http://[nonsense]",
        ] {
            let origins = AllowedOrigins::new(["https://example.com", text], NoOrigin::Accepted);
            assert_eq!(origins.malformed(), Some(text));
            assert!(!origins.allow(Some(text)), "{text}");
            assert!(origins.allow(Some("https://example.com")));
        }
    }

    #[test]
    fn none_and_several() {
        let headers = |values: &[&'static str]| -> HeaderMap {
            let values = values.iter().map(|value| (ORIGIN, HeaderValue::from_static(value)));
            values.collect()
        };
        for (no_origin, expected) in [(NoOrigin::Accepted, true), (NoOrigin::Refused, false)] {
            let origins = AllowedOrigins::new(["http://a", "http://b"], no_origin);
            assert_eq!(origins.allow_headers(&headers(&[])), expected);
            assert!(origins.allow_headers(&headers(&["http://a"])));
            let mut both = headers(&["http://a"]);
            both.append(ORIGIN, HeaderValue::from_static("http://b"));
            assert!(!origins.allow_headers(&both));
            let latin = HeaderValue::from_bytes(b"http://a\xe9").expect("a header's value");
            both.clear();
            both.append(ORIGIN, latin);
            assert!(!origins.allow_headers(&both));
        }
        let nobody = AllowedOrigins::new([""; 0], NoOrigin::Refused);
        assert!(!nobody.allow(Some("http://a")) && !nobody.allow(None));
        let two = AllowedOrigins::new(["http://a", "null"], NoOrigin::Refused);
        assert_eq!(two.to_string(), "http://a, null");
    }
}
