//! The pieces in which bytes arrive never change the answer, and no bytes panic.

use proptest::prelude::*;

use super::super::*;
use super::SAMPLE_REQUEST;

const LIMITS: HeadLimits = HeadLimits { max_head_len: 512, max_header_count: 12 };

const SAMPLE_RESPONSE: &str = "HTTP/1.1 101 Switching Protocols\r\n\
    Upgrade: websocket\r\n\
    Connection: Upgrade\r\n\
    Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\
    \r\n";

/// All there is to tell of a decoded head, or why it is none.
type Verdict = Result<Option<(String, usize)>, HandshakeError>;

fn summary(request: &Request) -> String {
    format!("{request:?} {} {}", request.target(), request.has_body())
}

/// Decodes what has arrived after each piece, until there is an answer. `ends` are where pieces
/// end.
fn decode_request(input: &[u8], ends: &[usize]) -> Verdict {
    let mut decoder = RequestDecoder::new();
    for &end in ends.iter().chain([&input.len()]) {
        if let Some((request, head_len)) = decoder.decode(&input[..end], &LIMITS)? {
            return Ok(Some((summary(&request), head_len)));
        }
    }
    Ok(None)
}

fn decode_response(input: &[u8], ends: &[usize]) -> Verdict {
    let client = ClientRequest::new("h", "/", *b"the sample nonce");
    let mut decoder = client.decoder().limits(LIMITS);
    for &end in ends.iter().chain([&input.len()]) {
        if let Some((response, head_len)) = decoder.decode(&input[..end])? {
            return Ok(Some((format!("{response:?}"), head_len)));
        }
    }
    Ok(None)
}

fn assert_pieces_do_not_matter(input: &[u8], decode: fn(&[u8], &[usize]) -> Verdict) -> Verdict {
    let whole = decode(input, &[]);
    let every_byte: Vec<usize> = (0..input.len()).collect();
    assert_eq!(decode(input, &every_byte), whole, "{}", input.escape_ascii());
    for end in 0..input.len() {
        assert_eq!(decode(input, &[end]), whole, "{} cut at {end}", input.escape_ascii());
    }
    whole
}

#[test]
fn a_request_may_be_cut_anywhere() {
    let whole = assert_pieces_do_not_matter(SAMPLE_REQUEST.as_bytes(), decode_request);
    assert_eq!(whole.unwrap().unwrap().1, SAMPLE_REQUEST.len());
    let pipelined = format!("\r\n{SAMPLE_REQUEST}GET");
    let whole = assert_pieces_do_not_matter(pipelined.as_bytes(), decode_request);
    assert_eq!(whole.unwrap().unwrap().1, SAMPLE_REQUEST.len() + 2);
}

#[test]
fn a_response_may_be_cut_anywhere() {
    let whole = assert_pieces_do_not_matter(SAMPLE_RESPONSE.as_bytes(), decode_response);
    assert_eq!(whole.unwrap().unwrap().1, SAMPLE_RESPONSE.len());
}

#[test]
fn a_bad_request_is_bad_however_it_is_cut() {
    let long_target = format!("GET /{} HTTP/1.1\r\n", "a".repeat(600));
    let long_value = format!("GET / HTTP/1.1\r\nA: {}\r\n\r\n", "a".repeat(600));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(13));
    let cases = [
        (long_target.as_str(), 414),
        (&long_value, 431),
        (&many, 431),
        ("GET / HTTP/1.1\r\nA: b\r\n c\r\n\r\n", 400),
        ("GET / HTTP/1.1\r\nHost: a\nX: b\r\n\r\n", 400),
        ("GET / HTTP/3.0\r\nHost: a\nX: b\r\n\r\n", 505),
        ("GET / HTTP/1.1\r\n\r\n", 400),
        ("\x16\x03\x01\x02", 400),
    ];
    for (input, status) in cases {
        let whole = assert_pieces_do_not_matter(input.as_bytes(), decode_request);
        assert_eq!(whole.unwrap_err().status().as_u16(), status, "{input:?}");
    }
}

#[test]
fn a_head_of_exactly_the_limit_is_taken() {
    let frame = "GET / HTTP/1.1\r\nHost: a\r\nA: \r\n\r\n".len();
    for (filler, accepted) in [(512 - frame, true), (513 - frame, false)] {
        let input = format!("GET / HTTP/1.1\r\nHost: a\r\nA: {}\r\n\r\n", "a".repeat(filler));
        let whole = assert_pieces_do_not_matter(input.as_bytes(), decode_request);
        assert_eq!(whole.is_ok(), accepted, "{whole:?}");
    }
}

/// A head that is good but for a few bytes that were replaced, removed or put in: most of its
/// rules are passed before one is broken, which arbitrary bytes hardly ever do.
fn damaged(sample: &'static str) -> impl Strategy<Value = Vec<u8>> {
    let byte = prop_oneof![
        prop::sample::select(b"\r\n\0\t :,;=\"/?#*ab1\x7f\x80\xff".to_vec()),
        any::<u8>(),
    ];
    let damage = (any::<prop::sample::Index>(), 0..3u8, byte);
    prop::collection::vec(damage, 0..4).prop_map(move |damages| {
        let mut bytes = sample.as_bytes().to_vec();
        for (index, kind, byte) in damages {
            let at = index.index(bytes.len());
            match kind {
                0 => bytes[at] = byte,
                1 => bytes.insert(at, byte),
                _ => {
                    bytes.remove(at);
                }
            }
        }
        bytes
    })
}

fn pieces() -> impl Strategy<Value = Vec<prop::sample::Index>> {
    prop::collection::vec(any::<prop::sample::Index>(), 0..8)
}

fn ends(pieces: &[prop::sample::Index], len: usize) -> Vec<usize> {
    let mut ends: Vec<usize> = pieces.iter().map(|index| index.index(len + 1)).collect();
    ends.sort_unstable();
    ends
}

/// Asks everything that can be asked of a request that was decoded.
fn interrogate(input: &[u8]) {
    if let Ok(Some((request, head_len))) = RequestDecoder::new().decode(input, &LIMITS) {
        assert!(head_len <= input.len());
        assert!(request.path().starts_with('/') || request.path() == "*");
        assert!(request.host().is_some() || request.version() == http::Version::HTTP_10);
        let _ = (request.cookies().count(), request.subprotocols().count(), request.keep_alive());
        if let Ok(upgrade) = validate_upgrade(&request) {
            assert!(request.is_upgrade() && !request.has_body());
            assert_eq!(Ok(upgrade.extensions().to_vec()), request.extensions());
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn arbitrary_bytes_do_not_panic(
        input in prop::collection::vec(any::<u8>(), 0..700),
        pieces in pieces(),
    ) {
        let ends = ends(&pieces, input.len());
        prop_assert_eq!(decode_request(&input, &ends), decode_request(&input, &[]));
        prop_assert_eq!(decode_response(&input, &ends), decode_response(&input, &[]));
        interrogate(&input);
    }

    #[test]
    fn damaged_requests_do_not_panic(input in damaged(SAMPLE_REQUEST), pieces in pieces()) {
        let ends = ends(&pieces, input.len());
        prop_assert_eq!(decode_request(&input, &ends), decode_request(&input, &[]));
        interrogate(&input);
    }

    #[test]
    fn damaged_responses_do_not_panic(input in damaged(SAMPLE_RESPONSE), pieces in pieces()) {
        let ends = ends(&pieces, input.len());
        prop_assert_eq!(decode_response(&input, &ends), decode_response(&input, &[]));
    }

    /// The strict scan against its slow, obvious twin: a head that was taken, split at CRLF, has
    /// no other CR or LF, no control character, no fold and no space before a colon.
    #[test]
    fn a_head_that_is_taken_is_plain(input in damaged(SAMPLE_REQUEST)) {
        if let Ok(Some((request, head_len))) = RequestDecoder::new().decode(&input, &LIMITS) {
            let head = String::from_utf8_lossy(&input[..head_len]);
            let head = head.strip_prefix("\r\n").unwrap_or(&head).strip_suffix("\r\n\r\n").unwrap();
            let mut lines = head.split("\r\n");
            prop_assert!(!head.contains(|c: char| c.is_ascii_control() && !"\r\n\t".contains(c)));
            prop_assert!(!head.replace("\r\n", "").contains(['\r', '\n']));
            prop_assert_eq!(lines.next().unwrap().split(' ').count(), 3);
            prop_assert_eq!(lines.clone().count(), request.headers().len());
            for line in lines {
                let name = line.split_once(':').unwrap().0;
                prop_assert!(!name.is_empty() && !name.contains([' ', '\t']));
            }
        }
    }
}
