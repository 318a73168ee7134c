//! Bytes to a server that expects a request: where they are cut does not matter, what is refused is
//! explained, and what is accepted a client of the engine takes for an answer.

use http::{HeaderMap, Version};
use tickwire::handshake::{
    AcceptKey, HandshakeError, HeadLimits, Request, RequestDecoder, encode_switching_protocols,
    validate_upgrade,
};

use crate::input::Input;

/// Choices: the limits.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let limits = match input.choices[0] & 1 {
        0 => HeadLimits::default(),
        _ => HeadLimits { max_head_len: 300, max_header_count: 8 },
    };
    let whole = RequestDecoder::new().decode(input.stream, &limits);
    let pieces = decode_pieces(&input, &limits);
    assert_eq!(verdict(&pieces), verdict(&whole));
    match whole {
        Ok(Some((request, head_len))) => {
            assert!(head_len <= input.stream.len() && head_len <= limits.max_head_len + 2);
            assert!(request.headers().len() <= limits.max_header_count);
            interrogate(&request);
        }
        // Nothing within the limits is waited for in vain.
        Ok(None) => assert!(input.stream.len() <= limits.max_head_len + 2),
        Err(error) => explain(&error),
    }
}

type Decoded = Result<Option<(Request, usize)>, HandshakeError>;

fn decode_pieces(input: &Input<'_>, limits: &HeadLimits) -> Decoded {
    let mut decoder = RequestDecoder::new();
    let mut end = 0;
    for (piece, _) in input.cut(input.stream) {
        end += piece.len();
        if let Some(decoded) = decoder.decode(&input.stream[..end], limits)? {
            return Ok(Some(decoded));
        }
    }
    Ok(None)
}

/// All there is to tell of it.
fn verdict(decoded: &Decoded) -> String {
    match decoded {
        Ok(Some((request, head_len))) => {
            let (query, headers) = (request.query(), request.headers());
            format!("{request:?} {query:?} {headers:?} {} {head_len}", request.has_body())
        }
        other => format!("{other:?}"),
    }
}

fn interrogate(request: &Request) {
    assert!(request.path().starts_with('/') || request.path() == "*");
    assert!(request.host().is_some() || request.version() == Version::HTTP_10);
    let _ = (request.cookies().count(), request.subprotocols().count(), request.keep_alive());
    let _ = (request.origin(), request.extensions().is_ok());
    match validate_upgrade(request) {
        Ok(upgrade) => {
            assert!(request.is_upgrade() && !request.has_body());
            assert_eq!(Ok(upgrade.extensions().to_vec()), request.extensions());
            accept(request, &upgrade.accept());
        }
        Err(error) => explain(&error),
    }
}

/// The answer is one response of HTTP with nothing behind it, whatever was offered.
fn accept(request: &Request, accept: &AcceptKey) {
    let chosen = request.subprotocols().next();
    let mut answer = Vec::new();
    encode_switching_protocols(accept, chosen, None, &HeaderMap::new(), &mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 101 ") && answer.ends_with(b"\r\n\r\n"));
    let lines = answer[..answer.len() - 4].split(|&byte| byte == b'\n').count();
    assert_eq!(lines, 4 + usize::from(chosen.is_some()), "{}", answer.escape_ascii());
}

fn explain(error: &HandshakeError) {
    let mut answer = Vec::new();
    error.to_response().encode(false, Version::HTTP_11, false, &mut answer);
    assert!(answer.starts_with(b"HTTP/1.1 "));
    assert!(error.status().is_client_error() || error.status().is_server_error());
}
