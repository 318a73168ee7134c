//! Connections that are a stream and a sink of messages, as most are.

use bytes::Bytes;
use futures_util::{FutureExt, Sink, SinkExt, Stream, StreamExt};

use super::runtime::Room;
use crate::{Error, Result};

/// Messages that are answered before the answers are flushed, if so many have come.
const MAX_BATCH: usize = 32;

/// What is to be known of a library's messages.
#[derive(Debug)]
pub(super) struct Kind<M> {
    /// Neither a control frame nor a notice of one.
    pub(super) is_data: fn(&M) -> bool,
    pub(super) binary: fn(Bytes) -> M,
}

pub(super) async fn serve<S, M, E>(mut socket: S, room: Option<Room>, kind: Kind<M>) -> Result<()>
where
    S: Stream<Item = std::result::Result<M, E>> + Sink<M, Error = E> + Unpin,
    E: Into<Error>,
{
    let result = match room {
        None => echo(&mut socket, kind.is_data).await,
        Some(room) => broadcast(&mut socket, &room, &kind).await,
    };
    result.map_err(Into::into)
}

async fn echo<S, M, E>(socket: &mut S, is_data: fn(&M) -> bool) -> std::result::Result<(), E>
where
    S: Stream<Item = std::result::Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    while let Some(message) = socket.next().await {
        let mut next = Some(message?);
        for left in (0..MAX_BATCH).rev() {
            let Some(message) = next.take().filter(is_data) else { break };
            socket.feed(message).await?;
            if left > 0 {
                // Whoever has nothing more to give will be asked again, properly.
                next = socket.next().now_or_never().flatten().transpose()?;
            }
        }
        socket.flush().await?;
    }
    Ok(())
}

async fn broadcast<S, M, E>(
    socket: &mut S,
    room: &Room,
    kind: &Kind<M>,
) -> std::result::Result<(), E>
where
    S: Stream<Item = std::result::Result<M, E>> + Sink<M, Error = E> + Unpin,
{
    let mut publications = room.enter();
    loop {
        tokio::select! {
            message = socket.next() => {
                let Some(message) = message.transpose()? else { return Ok(()) };
                if (kind.is_data)(&message) {
                    room.publish();
                }
            }
            publication = publications.recv() => {
                let mut next = publication.ok();
                while let Some(publication) = next {
                    socket.feed((kind.binary)(publication)).await?;
                    next = publications.try_recv().ok();
                }
                socket.flush().await?;
            }
        }
    }
}
