//! `Sec-WebSocket-Protocol` (RFC 6455 §11.3.4).

use http::HeaderMap;
use http::header::SEC_WEBSOCKET_PROTOCOL;

use super::error::HandshakeError;
use super::token::{elements, is_token};

/// The subprotocols of all headers, in order. What is not UTF-8 is passed over; it is no token
/// either, so [`check_offers`] refuses it.
pub(super) fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    headers
        .get_all(SEC_WEBSOCKET_PROTOCOL)
        .iter()
        .flat_map(|value| elements(value.as_bytes()))
        .filter_map(|element| std::str::from_utf8(element).ok())
}

/// Checks that a client that offers subprotocols offers at least one, in distinct tokens
/// (RFC 6455 §4.1).
pub(super) fn check_offers(headers: &HeaderMap) -> Result<(), HandshakeError> {
    let values = headers.get_all(SEC_WEBSOCKET_PROTOCOL);
    if values.iter().next().is_none() {
        return Ok(());
    }
    let offers: Vec<&[u8]> = values.iter().flat_map(|value| elements(value.as_bytes())).collect();
    if offers.is_empty() || !are_distinct_tokens(offers) {
        return Err(HandshakeError::MalformedSubprotocols);
    }
    Ok(())
}

/// Sorts rather than compares each pair: a head has room for thousands of names.
pub(super) fn are_distinct_tokens(mut names: Vec<&[u8]>) -> bool {
    names.sort_unstable();
    names.iter().all(|name| is_token(name)) && names.windows(2).all(|pair| pair[0] != pair[1])
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn headers(values: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for value in values {
            headers
                .append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_bytes(value.as_bytes()).unwrap());
        }
        headers
    }

    #[test]
    fn offers_are_distinct_tokens() {
        let good: &[&[&str]] =
            &[&[], &["a"], &["a, A"], &["chat.v1,chat.v2"], &["a", "b"], &[" , a,,"], &["", "a"]];
        for values in good {
            assert_eq!(check_offers(&headers(values)), Ok(()), "{values:?}");
        }
        let bad: &[&[&str]] = &[
            &[""],
            &[","],
            &["a, a"],
            &["a, b", "c, a"],
            &["a b"],
            &["a/b"],
            &["\"a\""],
            &["a;q=1"],
            &["caf\u{e9}"],
        ];
        for values in bad {
            let result = check_offers(&headers(values));
            assert_eq!(result, Err(HandshakeError::MalformedSubprotocols), "{values:?}");
        }
    }
}
