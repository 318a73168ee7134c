//! sockudo-ws, with its defaults after µWebSockets.

use bytes::{Buf, BytesMut};
use sockudo_ws::deflate::{DeflateConfig, DeflateNegotiation, negotiate_server_deflate};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{CompressedWebSocketStream, Compression, Config, Message, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::runtime::{Timers, run};
use super::sinks::{self, Kind};
use crate::Result;
use crate::entrant::Coding;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    let compression = match options.coding {
        Coding::Plain | Coding::Tls => Compression::Disabled,
        Coding::Shared => Compression::Shared,
        Coding::Dedicated => Compression::Dedicated,
    };
    run(options, Timers::On, move |mut stream, room| async move {
        let deflate = upgrade(&mut stream, compression.to_deflate_config()).await?;
        let mut config = Config::uws_defaults();
        (config.max_message_size, config.max_frame_size) = (MAX_MESSAGE_LEN, MAX_MESSAGE_LEN);
        config.compression = compression;
        let is_data = |message: &Message| matches!(message, Message::Binary(_) | Message::Text(_));
        let kind = Kind { is_data, binary: Message::Binary };
        match deflate {
            None => sinks::serve(WebSocketStream::server(stream, config), room, kind).await,
            Some(deflate) => {
                let socket = CompressedWebSocketStream::server(stream, config, deflate);
                sinks::serve(socket, room, kind).await
            }
        }
    })
}

/// Returns the compression that is agreed to.
async fn upgrade(
    stream: &mut TcpStream,
    policy: Option<DeflateConfig>,
) -> Result<Option<DeflateConfig>> {
    let mut head = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("it hung up".into());
        }
        if let Some((request, len)) = parse_request(&head)? {
            let deflate = policy.zip(request.extensions);
            let deflate = deflate.and_then(|(it, offers)| negotiate_server_deflate(offers, &it));
            let extensions = deflate.as_ref().map(DeflateNegotiation::to_response_header);
            let accept = generate_accept_key(request.key);
            let answer = build_response(&accept, None, extensions.as_deref());
            stream.write_all(&answer).await?;
            head.advance(len);
            return Ok(deflate.map(|it| it.config));
        }
    }
}
