//! sockudo-ws, with its defaults after µWebSockets.

use bytes::{Buf, BytesMut};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::{Config, Message, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::runtime::{Timers, run};
use super::sinks::{self, Kind};
use crate::Result;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    run(options, Timers::On, |mut stream, room| async move {
        upgrade(&mut stream).await?;
        let mut config = Config::uws_defaults();
        (config.max_message_size, config.max_frame_size) = (MAX_MESSAGE_LEN, MAX_MESSAGE_LEN);
        let socket = WebSocketStream::server(stream, config);
        let is_data = |message: &Message| matches!(message, Message::Binary(_) | Message::Text(_));
        sinks::serve(socket, room, Kind { is_data, binary: Message::Binary }).await
    })
}

async fn upgrade(stream: &mut TcpStream) -> Result<()> {
    let mut head = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err("it hung up".into());
        }
        if let Some((request, len)) = parse_request(&head)? {
            let answer = build_response(&generate_accept_key(request.key), None, None);
            stream.write_all(&answer).await?;
            head.advance(len);
            return Ok(());
        }
    }
}
