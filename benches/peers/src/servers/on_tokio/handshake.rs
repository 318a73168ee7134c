//! The opening handshake, for those that bring none, or only one for `hyper`'s connections, which
//! they would then read and write through.

use tickwire::handshake::{
    HeadLimits, RequestDecoder, encode_switching_protocols, validate_upgrade,
};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::Result;

/// No client here sends messages before it has the answer: nothing is left over.
pub(super) async fn upgrade(stream: &mut TcpStream) -> Result<()> {
    let (mut head, mut decoder) = (Vec::with_capacity(1024), RequestDecoder::new());
    let request = loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("it hung up".into());
        }
        if let Some((request, _)) = decoder.decode(&head, &HeadLimits::default())? {
            break request;
        }
    };
    let accept = validate_upgrade(&request)?.accept();
    let mut answer = Vec::with_capacity(256);
    encode_switching_protocols(&accept, None, None, &http::HeaderMap::new(), &mut answer);
    Ok(stream.write_all(&answer).await?)
}
