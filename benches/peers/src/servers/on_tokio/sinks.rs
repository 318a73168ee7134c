//! Connections that are a stream and a sink of messages, as most are.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};

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
    // Answers are not begun before all that has come is read: some flush whenever they read.
    let mut batch = Vec::with_capacity(MAX_BATCH);
    loop {
        // The poll that finds nothing is the one that asks to be woken: there is none besides.
        let polled = poll_fn(|cx| Poll::Ready(socket.poll_next_unpin(cx))).await;
        let awaits_more = polled.is_pending();
        match polled {
            Poll::Ready(None) => return answer(socket, &mut batch).await,
            Poll::Ready(Some(message)) => batch.extend(Some(message?).filter(is_data)),
            Poll::Pending => {}
        }
        if !awaits_more && batch.len() < MAX_BATCH {
            continue;
        }
        let mut answers = pin!(answer(socket, &mut batch));
        match poll_fn(|cx| Poll::Ready(answers.as_mut().poll(cx))).await {
            Poll::Ready(result) if awaits_more => {
                result?;
                futures_util::pending!();
            }
            Poll::Ready(result) => result?,
            // Whoever wakes us from this may have brought messages, too: there is another look.
            Poll::Pending => answers.await?,
        }
    }
}

async fn answer<S, M, E>(socket: &mut S, batch: &mut Vec<M>) -> std::result::Result<(), E>
where
    S: Sink<M, Error = E> + Unpin,
{
    for message in batch.drain(..) {
        socket.feed(message).await?;
    }
    socket.flush().await
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
