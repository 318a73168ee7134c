//! The runtime, and the room in which everybody hears everything.

use std::sync::Arc;

use bytes::Bytes;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::broadcast::{Receiver, Sender, channel};
use tokio::task::{spawn, unconstrained};

use crate::Result;
use crate::options::{Role, Serve};
use crate::servers::listener::listen;
use crate::servers::publications::Publications;

/// Publications that may wait for a connection's task.
const ROOM_LEN: usize = 4096;

/// Of a broadcasting server.
#[derive(Clone, Debug)]
pub(super) struct Room {
    sender: Sender<Bytes>,
    publications: Arc<Publications>,
    burst: usize,
}

impl Room {
    pub(super) fn enter(&self) -> Receiver<Bytes> {
        self.sender.subscribe()
    }

    /// Publishes as often as is asked for.
    pub(super) fn publish(&self) {
        for _ in 0..self.burst {
            // Somebody is there: who has asked for it.
            let _ = self.sender.send(self.publications.next().clone());
        }
    }
}

/// Whether a library wants tokio's clock, which costs a little whenever the server goes to sleep.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Timers {
    On,
    Off,
}

/// Has `handle` serve each connection, on a task of its own, which echoes if there is no room. The
/// peers' own examples take their tasks off tokio's budget, too.
pub(super) fn run<F>(
    options: &Serve,
    timers: Timers,
    handle: impl Fn(TcpStream, Option<Room>) -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>> + Send + 'static,
{
    let publications = Arc::new(Publications::of(options)?);
    let room = (options.role == Role::Broadcast).then(|| Room {
        sender: channel(ROOM_LEN).0,
        publications,
        burst: options.burst,
    });
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_io();
    if timers == Timers::On {
        builder.enable_time();
    }
    builder.build()?.block_on(async {
        let listener = TcpListener::from_std(listen(options)?)?;
        loop {
            let (stream, _) = listener.accept().await?;
            // How a connection ends is the client's concern.
            spawn(unconstrained(handle(stream, room.clone())));
        }
    })
}
