//! web-socket, on a buffered reader, as in its own benchmarks.

use std::io;

use tokio::io::{BufReader, BufWriter};
use tokio::net::TcpStream;
use web_socket::{DataType, Event, Frame, MessageType, WebSocket};

use super::handshake::upgrade;
use super::runtime::{Room, Timers, run};
use crate::Result;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    run(options, Timers::Off, |mut stream, room| async move {
        upgrade(&mut stream, None).await?;
        match room {
            None => Ok(echo(stream).await?),
            Some(room) => Ok(broadcast(stream, room).await?),
        }
    })
}

async fn echo(stream: TcpStream) -> io::Result<()> {
    let mut socket = WebSocket::server(BufReader::new(stream));
    socket.max_payload_len = MAX_MESSAGE_LEN;
    loop {
        match socket.recv().await? {
            // No client here fragments.
            Event::Data { ty: DataType::Complete(MessageType::Text), data } => {
                let text = std::str::from_utf8(&data).map_err(io::Error::other)?;
                socket.send(text).await?;
            }
            Event::Data { data, .. } => socket.send(&*data).await?,
            Event::Ping(data) => socket.send_pong(data).await?,
            Event::Pong(_) => {}
            Event::Close { .. } | Event::Error(_) => return socket.close(()).await,
        }
    }
}

async fn broadcast(stream: TcpStream, room: Room) -> io::Result<()> {
    let (reader, writer) = stream.into_split();
    let mut reader = WebSocket::server(BufReader::new(reader));
    let mut writer = WebSocket::server(BufWriter::new(writer));
    let mut publications = room.enter();
    let deliver = tokio::spawn(async move {
        while let Ok(publication) = publications.recv().await {
            let mut next = Some(publication);
            while let Some(publication) = next {
                writer.send(Frame::from(&*publication)).await?;
                next = publications.try_recv().ok();
            }
            writer.flash().await?;
        }
        Ok::<(), io::Error>(())
    });
    while let Ok(Event::Data { .. } | Event::Ping(_) | Event::Pong(_)) = reader.recv().await {
        room.publish();
    }
    deliver.abort();
    Ok(())
}
