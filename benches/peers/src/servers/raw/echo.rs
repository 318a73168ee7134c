//! One `epoll_wait` for all that is ready, one `recv` and one `send` for each; nothing is decoded.

use std::net::TcpListener;

use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::poller::{Poller, events};
use crate::Result;

/// Bytes that are received at once.
const BUFFER_LEN: usize = 256 << 10;

pub(super) fn run(listener: TcpListener) -> Result<()> {
    let mut poller: Poller<Connection> = Poller::new(listener)?;
    let (mut events, mut buffer) = (events(), vec![0; BUFFER_LEN]);
    loop {
        poller.turn(&mut events, |poller, place, is_writable| {
            let Some(connection) = &mut poller.connections[place] else { return Ok(()) };
            let served = match is_writable {
                true => connection.flush(),
                false => connection.echo(&mut buffer),
            };
            match served {
                Served::All => {}
                Served::Blocked => poller.await_readiness(place, EventFlags::OUT)?,
                Served::Flushed => poller.await_readiness(place, EventFlags::IN)?,
                Served::Over => poller.close(place),
            }
            Ok(())
        })?;
    }
}

struct Connection {
    socket: OwnedFd,
    /// What the socket has not taken yet. Nothing is received meanwhile.
    unsent: Vec<u8>,
}

enum Served {
    All,
    /// The socket has to take some more first.
    Blocked,
    /// It has.
    Flushed,
    /// There is no connection any more.
    Over,
}

impl From<OwnedFd> for Connection {
    fn from(socket: OwnedFd) -> Self {
        Self { socket, unsent: Vec::new() }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    #[inline]
    fn echo(&mut self, buffer: &mut [u8]) -> Served {
        let len = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((1.., len)) => len,
            Err(Errno::AGAIN | Errno::INTR) => return Served::All,
            Ok((0, _)) | Err(_) => return Served::Over,
        };
        match self.send(&buffer[..len]) {
            Some(sent_len) if sent_len == len => Served::All,
            Some(sent_len) => {
                self.unsent.extend_from_slice(&buffer[sent_len..len]);
                Served::Blocked
            }
            None => Served::Over,
        }
    }

    fn flush(&mut self) -> Served {
        let Some(sent_len) = self.send(&self.unsent) else { return Served::Over };
        self.unsent.drain(..sent_len);
        if self.unsent.is_empty() { Served::Flushed } else { Served::All }
    }

    /// How many bytes the socket has taken; `None` if it takes no more for good.
    #[inline]
    fn send(&self, bytes: &[u8]) -> Option<usize> {
        match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(len) => Some(len),
            Err(Errno::AGAIN | Errno::INTR) => Some(0),
            Err(_) => None,
        }
    }
}
