//! Tokens and comma-separated lists of them (RFC 9110 §5.6).

use http::HeaderMap;
use http::header::AsHeaderName;

/// Whether `bytes` is a token: one or more `tchar` (RFC 9110 §5.6.2).
///
/// RFC 6455 defines its tokens by RFC 2616, which names the same set of bytes.
pub(super) fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|&byte| is_token_byte(byte))
}

/// Whether `byte` is a `tchar`.
pub(super) fn is_token_byte(byte: u8) -> bool {
    TOKEN_BYTES[usize::from(byte)]
}

/// The elements of a list value, without the whitespace around them.
///
/// Empty elements are skipped: RFC 9110 §5.6.1.2 asks a recipient to tolerate them. Only for lists
/// whose elements hold no quoted string.
pub(super) fn elements(value: &[u8]) -> impl Iterator<Item = &[u8]> {
    value.split(|&byte| byte == b',').map(trim).filter(|element| !element.is_empty())
}

/// Whether one of the headers called `name` lists `token`, whatever the case of its letters.
pub(super) fn lists_token(headers: &HeaderMap, name: impl AsHeaderName, token: &str) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| elements(value.as_bytes()))
        .any(|element| element.eq_ignore_ascii_case(token.as_bytes()))
}

/// `bytes` without the spaces and tabs at either end (`OWS`, RFC 9110 §5.6.3).
pub(super) fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = bytes {
        bytes = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

const TOKEN_BYTES: [bool; 256] = {
    let mut table = [false; 256];
    let mut byte = 0;
    while byte < 128 {
        table[byte] = (byte as u8).is_ascii_alphanumeric();
        byte += 1;
    }
    let marks = b"!#$%&'*+-.^_`|~";
    let mut index = 0;
    while index < marks.len() {
        table[marks[index] as usize] = true;
        index += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::CONNECTION;

    use super::*;

    #[test]
    fn token_bytes_are_the_visible_ones_that_separate_nothing() {
        let separators = b"()<>@,;:\\\"/[]?={}";
        for byte in 0..=255u8 {
            let visible = (0x21..0x7f).contains(&byte);
            assert_eq!(is_token_byte(byte), visible && !separators.contains(&byte), "{byte:#x}");
        }
        assert!(!is_token(b""));
        assert!(!is_token(b"a b"));
        assert!(is_token(b"v12.stomp"));
    }

    #[test]
    fn a_list_is_split_and_trimmed() {
        let cases: &[(&str, &[&str])] = &[
            ("", &[]),
            (" , ,\t", &[]),
            ("a", &["a"]),
            ("a,b", &["a", "b"]),
            (" a\t,, b c ,", &["a", "b c"]),
        ];
        for (value, expected) in cases {
            let found: Vec<_> = elements(value.as_bytes()).collect();
            let expected: Vec<_> = expected.iter().map(|element| element.as_bytes()).collect();
            assert_eq!(found, expected, "{value:?}");
        }
    }

    #[test]
    fn a_token_is_found_in_any_header_of_the_name() {
        let mut headers = HeaderMap::new();
        headers.append(CONNECTION, HeaderValue::from_static("keep-alive"));
        headers.append(CONNECTION, HeaderValue::from_static("x, UpGrade"));
        assert!(lists_token(&headers, CONNECTION, "upgrade"));
        assert!(lists_token(&headers, "Connection", "Keep-Alive"));
        assert!(!lists_token(&headers, CONNECTION, "up"));
        assert!(!lists_token(&headers, "upgrade", "upgrade"));
    }
}
