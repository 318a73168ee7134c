//! Bytes to a client that awaits the answer to its handshake: where they are cut does not matter,
//! and nothing is accepted that was not offered.

use tickwire::handshake::{
    ClientRequest, ExtensionOffer, HandshakeError, HeadLimits, ResponseDecoder, ServerResponse,
};

use crate::input::Input;

/// The nonce of RFC 6455's sample: streams can have the right accept value.
pub(crate) const NONCE: [u8; 16] = *b"the sample nonce";

const SUBPROTOCOLS: [&str; 2] = ["chat", "superchat"];

/// Choices: the limits.
pub(crate) fn run(bytes: &[u8]) {
    let Some(input) = Input::new(bytes) else { return };
    let limits = match input.choices[0] & 1 {
        0 => HeadLimits::default(),
        _ => HeadLimits { max_head_len: 300, max_header_count: 8 },
    };
    let mut request = ClientRequest::new("h", "/", NONCE);
    for subprotocol in SUBPROTOCOLS {
        request = request.subprotocol(subprotocol);
    }
    let request = request.extension(ExtensionOffer::new("permessage-deflate"));
    let whole = request.decoder().limits(limits).decode(input.stream);
    let pieces = decode_pieces(request.decoder().limits(limits), &input);
    assert_eq!(format!("{pieces:?}"), format!("{whole:?}"));
    match whole {
        Ok(Some((response, head_len))) => {
            assert!(head_len <= input.stream.len() && head_len <= limits.max_head_len + 2);
            assert!(response.headers().len() <= limits.max_header_count);
            assert!(response.subprotocol().is_none_or(|it| SUBPROTOCOLS.contains(&it)));
            assert!(response.extensions().iter().all(|it| it.name == "permessage-deflate"));
        }
        Ok(None) => assert!(input.stream.len() <= limits.max_head_len + 2),
        Err(HandshakeError::Refused(refused)) => assert_ne!(refused.status.as_u16(), 101),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}

fn decode_pieces(
    mut decoder: ResponseDecoder,
    input: &Input<'_>,
) -> Result<Option<(ServerResponse, usize)>, HandshakeError> {
    let mut end = 0;
    for (piece, _) in input.cut(input.stream) {
        end += piece.len();
        if let Some(decoded) = decoder.decode(&input.stream[..end])? {
            return Ok(Some(decoded));
        }
    }
    Ok(None)
}
