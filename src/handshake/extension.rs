//! `Sec-WebSocket-Extensions` (RFC 6455 §9.1).

use std::fmt;

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_EXTENSIONS;

use super::error::HandshakeError;
use super::token::{is_token, is_token_byte};

/// Most extensions in one head, and most parameters of one. Clients offer a handful; a head full
/// of one-letter names would cost many times its own length to keep.
const MAX_COUNT: usize = 32;

/// One extension with its parameters: offered by a client, or accepted by a server.
///
/// `Display` writes it as it stands in a header.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExtensionOffer {
    /// The extension's registered name, a token such as `permessage-deflate`.
    pub name: String,
    /// Names and values of the parameters, in order. Names may repeat: whether they may is for the
    /// extension to say. Values, too, are tokens; one that came quoted stands here unquoted.
    pub params: Vec<(String, Option<String>)>,
}

impl ExtensionOffer {
    /// An extension without parameters.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), params: Vec::new() }
    }

    /// Adds a parameter.
    #[must_use]
    pub fn param(mut self, name: impl Into<String>, value: Option<String>) -> Self {
        self.params.push((name.into(), value));
        self
    }

    /// Whether all its parts are tokens, so that writing it and reading it again gives the same.
    pub(super) fn is_valid(&self) -> bool {
        is_token(self.name.as_bytes())
            && self.params.iter().all(|(name, value)| {
                is_token(name.as_bytes())
                    && value.as_ref().is_none_or(|value| is_token(value.as_bytes()))
            })
    }
}

impl fmt::Display for ExtensionOffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)?;
        for (name, value) in &self.params {
            match value {
                Some(value) => write!(f, "; {name}={value}")?,
                None => write!(f, "; {name}")?,
            }
        }
        Ok(())
    }
}

/// Writes extensions as the value of one header.
pub(super) fn encode(extensions: &[ExtensionOffer]) -> String {
    extensions.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

/// Reads the extensions of all headers. What does not match the grammar fails the handshake, as
/// RFC 6455 §9.1 demands.
pub(super) fn decode(headers: &HeaderMap) -> Result<Vec<ExtensionOffer>, HandshakeError> {
    let mut extensions = Vec::new();
    let values = headers.get_all(SEC_WEBSOCKET_EXTENSIONS);
    for value in &values {
        let mut parser = Parser { rest: value.as_bytes() };
        parser.extension_list(&mut extensions).ok_or(HandshakeError::MalformedExtensions)?;
    }
    if extensions.is_empty() && values.iter().next().is_some() {
        return Err(HandshakeError::MalformedExtensions);
    }
    Ok(extensions)
}

/// The grammar of RFC 6455 §9.1, a method a rule; `None` is a violation. It is written in the
/// style of RFC 2616: whitespace may stand around any separator, and a list may have empty
/// elements.
struct Parser<'a> {
    rest: &'a [u8],
}

impl Parser<'_> {
    fn extension_list(&mut self, into: &mut Vec<ExtensionOffer>) -> Option<()> {
        loop {
            while self.eat(b',') {}
            if self.rest.is_empty() {
                return Some(());
            }
            if into.len() == MAX_COUNT {
                return None;
            }
            into.push(self.extension()?);
            if !self.rest.is_empty() && !self.eat(b',') {
                return None;
            }
        }
    }

    fn extension(&mut self) -> Option<ExtensionOffer> {
        let mut extension = ExtensionOffer::new(self.token()?);
        while self.eat(b';') {
            if extension.params.len() == MAX_COUNT {
                return None;
            }
            let name = self.token()?;
            let value = if self.eat(b'=') { Some(self.value()?) } else { None };
            extension.params.push((name, value));
        }
        Some(extension)
    }

    fn value(&mut self) -> Option<String> {
        if self.eat_quote() { self.quoted_string() } else { self.token() }
    }

    fn token(&mut self) -> Option<String> {
        self.skip_space();
        let len = self.rest.iter().take_while(|&&byte| is_token_byte(byte)).count();
        let (token, rest) = self.rest.split_at(len);
        self.rest = rest;
        self.skip_space();
        // A token is ASCII, so this cannot fail but for an empty one.
        std::str::from_utf8(token).ok().filter(|token| !token.is_empty()).map(str::to_owned)
    }

    /// What follows the opening quote: unescaped, it must be a token as well.
    fn quoted_string(&mut self) -> Option<String> {
        let mut text = String::new();
        loop {
            let byte = self.next()?;
            let byte = match byte {
                b'"' => break,
                b'\\' => self.next()?,
                _ => byte,
            };
            if !is_token_byte(byte) {
                return None;
            }
            text.push(char::from(byte));
        }
        self.skip_space();
        Some(text).filter(|text| !text.is_empty())
    }

    fn eat_quote(&mut self) -> bool {
        self.skip_space();
        let quoted = self.rest.first() == Some(&b'"');
        if quoted {
            self.rest = &self.rest[1..];
        }
        quoted
    }

    /// Steps over `separator` and the whitespace around it, if it comes next.
    fn eat(&mut self, separator: u8) -> bool {
        self.skip_space();
        let found = self.rest.first() == Some(&separator);
        if found {
            self.rest = &self.rest[1..];
            self.skip_space();
        }
        found
    }

    fn next(&mut self) -> Option<u8> {
        let (&byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(byte)
    }

    fn skip_space(&mut self) {
        while let [b' ' | b'\t', rest @ ..] = self.rest {
            self.rest = rest;
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;

    use super::*;

    fn decode_values(values: &[&str]) -> Result<Vec<ExtensionOffer>, HandshakeError> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(
                SEC_WEBSOCKET_EXTENSIONS,
                HeaderValue::from_bytes(value.as_bytes()).unwrap(),
            );
        }
        decode(&headers)
    }

    #[test]
    fn offers_are_read() {
        let cases: &[(&[&str], &str)] = &[
            (&[], ""),
            (&["permessage-deflate"], "permessage-deflate"),
            (&["a;b"], "a; b"),
            (&["a ; b = c"], "a; b=c"),
            (&["a;b=\"c\""], "a; b=c"),
            (&["a;b=\"\\c\\d\""], "a; b=cd"),
            (&["a; b=\"c\" ;d , e"], "a; b=c; d, e"),
            (&["a; b=1; b=2"], "a; b=1; b=2"),
            (&[",a, ,b,"], "a, b"),
            (&["a", "b; c=8"], "a, b; c=8"),
            (&["", "a"], "a"),
            (
                &[
                    "permessage-deflate; client_max_window_bits, permessage-deflate; server_max_window_bits=10",
                ],
                "permessage-deflate; client_max_window_bits, permessage-deflate; server_max_window_bits=10",
            ),
        ];
        for (values, expected) in cases {
            assert_eq!(encode(&decode_values(values).unwrap()), *expected, "{values:?}");
        }
        let offers = decode_values(&["a; b; c=\"10\""]).unwrap();
        let expected = ExtensionOffer::new("a").param("b", None).param("c", Some("10".into()));
        assert_eq!(offers, [expected]);
    }

    #[test]
    fn malformed_offers_fail_the_handshake() {
        let cases = [
            "",
            " ",
            ",",
            ";",
            "a;",
            "a;;b",
            "a;b=",
            "a;b=,c",
            "a b",
            "a;b c",
            "a=b",
            "=a",
            "a;b=\"",
            "a;b=\"\"",
            "a;b=\"c",
            "a;b=\"c d\"",
            "a;b=\"c\"d",
            "a;b=\"\\\"",
            "a;b=\"c,d\"",
            "a/b",
            "\"a\"",
            "a;\"b\"",
            "caf\u{e9}",
            "a;b=c=d",
        ];
        for value in cases {
            let result = decode_values(&[value]);
            assert_eq!(result, Err(HandshakeError::MalformedExtensions), "{value:?}");
        }
    }

    #[test]
    fn their_number_is_bounded() {
        let names = vec!["a"; MAX_COUNT];
        assert_eq!(decode_values(&[&names.join(",")]).unwrap().len(), MAX_COUNT);
        assert!(decode_values(&[&names.join(","), "a"]).is_err());
        let params = format!("x;{}", names.join(";"));
        assert_eq!(decode_values(&[&params]).unwrap()[0].params.len(), MAX_COUNT);
        assert!(decode_values(&[&format!("{params};a")]).is_err());
    }

    fn token() -> impl Strategy<Value = String> {
        proptest::string::string_regex("[!#$%&'*+.^_`|~0-9A-Za-z-]{1,8}").unwrap()
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(
            extensions in prop::collection::vec(
                (token(), prop::collection::vec((token(), prop::option::of(token())), 0..5))
                    .prop_map(|(name, params)| ExtensionOffer { name, params }),
                1..5,
            )
        ) {
            prop_assert!(extensions.iter().all(ExtensionOffer::is_valid));
            prop_assert_eq!(decode_values(&[&encode(&extensions)]), Ok(extensions));
        }

        #[test]
        fn what_is_read_is_valid(value in "[ab;,=\"\\\\ ]{0,12}") {
            if let Ok(extensions) = decode_values(&[&value]) {
                prop_assert!(extensions.iter().all(ExtensionOffer::is_valid));
                prop_assert_eq!(decode_values(&[&encode(&extensions)]), Ok(extensions));
            }
        }
    }
}
