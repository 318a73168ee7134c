//! fastwebsockets, as its README has it: after a handshake of one's own.

use std::convert::Infallible;

use fastwebsockets::{
    FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, WebSocketError,
    after_handshake_split,
};
use tokio::io::{AsyncRead, AsyncWrite, BufWriter};
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;

use super::handshake::upgrade;
use super::runtime::{Room, Timers, run};
use crate::Result;
use crate::options::Serve;
use crate::servers::{MAX_MESSAGE_LEN, tls};

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    let acceptor = tls::config(options)?.map(TlsAcceptor::from);
    run(options, Timers::Off, move |stream, room| serve_one(stream, acceptor.clone(), room))
}

async fn serve_one(
    mut stream: TcpStream,
    acceptor: Option<TlsAcceptor>,
    room: Option<Room>,
) -> Result<()> {
    if let Some(acceptor) = acceptor {
        let mut stream = acceptor.accept(stream).await?;
        upgrade(&mut stream, None).await?;
        return Ok(echo(stream).await?);
    }
    upgrade(&mut stream, None).await?;
    match room {
        None => Ok(echo(stream).await?),
        Some(room) => Ok(broadcast(stream, room).await?),
    }
}

async fn echo<S>(stream: S) -> std::result::Result<(), WebSocketError>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut socket = WebSocket::after_handshake(stream, Role::Server);
    // Its limit is the length that is too long.
    socket.set_max_message_size(MAX_MESSAGE_LEN + 1);
    let mut socket = FragmentCollector::new(socket);
    loop {
        let frame = socket.read_frame().await?;
        match frame.opcode {
            OpCode::Text | OpCode::Binary => socket.write_frame(frame).await?,
            OpCode::Close => return Ok(()),
            _ => {}
        }
    }
}

async fn broadcast(stream: TcpStream, room: Room) -> std::result::Result<(), WebSocketError> {
    let (reader, writer) = stream.into_split();
    let (mut reader, mut writer) =
        after_handshake_split(reader, BufWriter::new(writer), Role::Server);
    let mut publications = room.enter();
    let deliver = tokio::spawn(async move {
        while let Ok(publication) = publications.recv().await {
            let mut next = Some(publication);
            while let Some(publication) = next {
                writer.write_frame(Frame::binary(Payload::Borrowed(&publication))).await?;
                next = publications.try_recv().ok();
            }
            writer.flush().await?;
        }
        Ok::<(), WebSocketError>(())
    });
    // Nobody here sends pings, and who closes is let go.
    let mut answer = |_: Frame<'_>| async { Ok::<(), Infallible>(()) };
    while let Ok(frame) = reader.read_frame(&mut answer).await {
        match frame.opcode {
            OpCode::Text | OpCode::Binary => room.publish(),
            OpCode::Close => break,
            _ => {}
        }
    }
    deliver.abort();
    Ok(())
}
