//! The opening handshake that the command line asks for.

#[cfg(feature = "deflate")]
use tickwire::handshake::offer_deflate;
use tickwire::handshake::{ClientRequest, HandshakeError, ResponseDecoder};

use crate::options::Options;

/// The request's bytes, and the decoder of the answer to it.
pub(crate) fn begin(options: &Options) -> Result<(Vec<u8>, ResponseDecoder), HandshakeError> {
    let address = &options.address;
    let nonce = fastrand::u128(..).to_ne_bytes();
    let mut request = ClientRequest::new(address.host(), &address.target, nonce);
    for name in &options.subprotocol {
        request = request.subprotocol(name);
    }
    for (name, value) in &options.header {
        request = request.header(name.clone(), value.clone());
    }
    #[cfg(feature = "deflate")]
    if options.deflates() {
        request = request.extension(offer_deflate(&crate::connection::OFFER));
    }
    let mut head = Vec::new();
    request.encode(&mut head)?;
    Ok((head, request.decoder()))
}
