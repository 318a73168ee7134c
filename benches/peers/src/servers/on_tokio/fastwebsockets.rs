//! fastwebsockets, as its README has it: after a handshake of one's own.

use std::convert::Infallible;

use fastwebsockets::{
    FragmentCollector, Frame, OpCode, Payload, Role, WebSocket, WebSocketError,
    after_handshake_split,
};
use tokio::io::BufWriter;
use tokio::net::TcpStream;

use super::handshake::upgrade;
use super::runtime::{Room, Timers, run};
use crate::Result;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    run(options, Timers::Off, |mut stream, room| async move {
        upgrade(&mut stream).await?;
        match room {
            None => Ok(echo(stream).await?),
            Some(room) => Ok(broadcast(stream, room).await?),
        }
    })
}

async fn echo(stream: TcpStream) -> std::result::Result<(), WebSocketError> {
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
