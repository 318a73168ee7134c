//! Bytes to a listener behind proxies: where they are cut does not matter, no header is longer than it
//! may be, and what a header says can be said again.

use tickwire::proxy_protocol::{MAX_PROXY_HEADER_LEN, ProxyHeader};

use crate::input::Input;

/// The longest line of version 1.
const MAX_LINE_LEN: usize = 107;

/// Choices: the longest header of version 2 that is taken.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let max_len = if input.choices[0] & 1 == 0 { usize::MAX } else { input.choices[1].into() };
    let whole = ProxyHeader::decode(input.stream, max_len);
    let mut end = 0;
    for (piece, _) in input.cut(input.stream) {
        end += piece.len();
        let part = ProxyHeader::decode(&input.stream[..end], max_len);
        assert!(part == Ok(None) || part == whole, "{part:?}, then {whole:?}");
    }
    let longest = max_len.clamp(MAX_LINE_LEN, MAX_PROXY_HEADER_LEN);
    match whole {
        Ok(Some((header, len))) => {
            assert!(len <= input.stream.len() && len <= longest);
            assert_eq!(ProxyHeader::decode(&input.stream[..len], max_len), whole, "what it took");
            assert_eq!(ProxyHeader::decode(&input.stream[..len - 1], max_len), Ok(None));
            say_again(&header);
        }
        // Nothing is waited for that will not be taken.
        Ok(None) => assert!(input.stream.len() < longest),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn say_again(header: &ProxyHeader) {
    for bytes in [header.encode_v1(), header.encode_v2()] {
        let decoded = ProxyHeader::decode(&bytes, MAX_PROXY_HEADER_LEN);
        assert_eq!(decoded, Ok(Some((*header, bytes.len()))), "{}", bytes.escape_ascii());
    }
}
