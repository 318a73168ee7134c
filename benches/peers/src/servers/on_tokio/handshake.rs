//! The opening handshake, for those that bring none, or only one for `hyper`'s connections, which
//! they would then read and write through.

use tickwire::deflate::Terms;
use tickwire::handshake::{
    HeadLimits, RequestDecoder, accept_deflate, encode_switching_protocols, validate_upgrade,
};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::Result;

/// Returns the extensions that are agreed to: compression, if there are terms for it and the client
/// offers it. No client here sends messages before it has the answer: nothing is left over.
pub(super) async fn upgrade(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    terms: Option<Terms>,
) -> Result<Option<String>> {
    let (mut head, mut decoder) = (Vec::with_capacity(1024), RequestDecoder::new());
    let request = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("it hung up".into());
        }
        if let Some((request, _)) = decoder.decode(&head, &HeadLimits::default())? {
            break request;
        }
    };
    let upgrade = validate_upgrade(&request)?;
    let extensions = terms
        .and_then(|terms| accept_deflate(upgrade.extensions(), &terms))
        .map(|(response, _)| response.to_string());
    let (mut answer, headers) = (Vec::with_capacity(256), http::HeaderMap::new());
    let accept = upgrade.accept();
    encode_switching_protocols(&accept, None, extensions.as_deref(), &headers, &mut answer);
    stream.write_all(&answer).await?;
    Ok(extensions)
}
