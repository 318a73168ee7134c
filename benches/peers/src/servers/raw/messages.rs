//! The same system calls by whoever answers no message before it is whole: each is gathered in a
//! buffer as long as it is, and sent from there. The floor for messages that are longer than what is
//! received at once.

use std::net::TcpListener;

use rustix::event::epoll::EventFlags;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};

use super::poller::{Poller, events};
use crate::Result;

pub(super) fn run(listener: TcpListener, message_len: usize) -> Result<()> {
    let mut poller: Poller<Connection> = Poller::new(listener)?;
    let (mut events, mut buffers) = (events(), Buffers { message_len, idle: Vec::new() });
    loop {
        poller.turn(&mut events, |poller, place, is_writable| {
            let Some(connection) = &mut poller.connections[place] else { return Ok(()) };
            let served = match is_writable {
                true => connection.send(&mut buffers),
                false => connection.receive(&mut buffers),
            };
            match served {
                Served::All => {}
                Served::Blocked => poller.await_readiness(place, EventFlags::OUT)?,
                Served::Sent if is_writable => poller.await_readiness(place, EventFlags::IN)?,
                Served::Sent => {}
                Served::Over => poller.close(place),
            }
            Ok(())
        })?;
    }
}

/// Those that no message is in; the last used is the first to be used again.
struct Buffers {
    message_len: usize,
    idle: Vec<Vec<u8>>,
}

struct Connection {
    socket: OwnedFd,
    /// Empty between messages.
    message: Vec<u8>,
    received_len: usize,
    sent_len: usize,
}

enum Served {
    All,
    /// The socket has to take some more first.
    Blocked,
    /// The message has left.
    Sent,
    /// There is no connection any more.
    Over,
}

impl From<OwnedFd> for Connection {
    fn from(socket: OwnedFd) -> Self {
        Self { socket, message: Vec::new(), received_len: 0, sent_len: 0 }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    fn receive(&mut self, buffers: &mut Buffers) -> Served {
        if self.message.is_empty() {
            let new = || vec![0; buffers.message_len];
            self.message = buffers.idle.pop().unwrap_or_else(new);
        }
        match recv(&self.socket, &mut self.message[self.received_len..], RecvFlags::empty()) {
            Ok((1.., len)) => self.received_len += len,
            Err(Errno::AGAIN | Errno::INTR) => return Served::All,
            Ok((0, _)) | Err(_) => return Served::Over,
        }
        if self.received_len < self.message.len() { Served::All } else { self.send(buffers) }
    }

    fn send(&mut self, buffers: &mut Buffers) -> Served {
        match send(&self.socket, &self.message[self.sent_len..], SendFlags::NOSIGNAL) {
            Ok(len) => self.sent_len += len,
            Err(Errno::AGAIN | Errno::INTR) => {}
            Err(_) => return Served::Over,
        }
        if self.sent_len < self.message.len() {
            return Served::Blocked;
        }
        (self.received_len, self.sent_len) = (0, 0);
        buffers.idle.push(std::mem::take(&mut self.message));
        Served::Sent
    }
}
