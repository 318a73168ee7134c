//! The handshake, so that the same clients may come; then, for each message that somebody sends, one
//! `send` to each connection of the same bytes, all frames of the turn at once. What is received is
//! not decoded.

use std::net::TcpListener;

use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::SockRef;
use tickwire::SocketOptions;
use tickwire::frame::{OpCode, encode_frame};
use tickwire::handshake::{
    HeadLimits, RequestDecoder, encode_switching_protocols, validate_upgrade,
};

use super::poller::{Poller, events};
use crate::Result;
use crate::servers::publications::BLANK_LEN;

/// The first byte of a close frame.
const CLOSE: u8 = 0x88;

pub(super) fn run(listener: TcpListener, burst: usize) -> Result<()> {
    // What the contestant's sockets have, and connections inherit.
    if let Some(lowat) = SocketOptions::default().notsent_lowat {
        SockRef::from(&listener).set_tcp_notsent_lowat(lowat)?;
    }
    let mut turn = Vec::new();
    for _ in 0..burst {
        encode_frame(&mut turn, true, OpCode::Binary, None, &[b'x'; BLANK_LEN]);
    }
    let mut poller: Poller<Connection> = Poller::new(listener)?;
    let (mut events, mut buffer) = (events(), vec![0; 4096]);
    loop {
        poller.turn(&mut events, |poller, place, _| {
            let Some(connection) = &mut poller.connections[place] else { return Ok(()) };
            match connection.receive(&mut buffer)? {
                Received::Nothing => {}
                Received::Message => send_to_all(&poller.connections, &turn)?,
                Received::End => poller.close(place),
            }
            Ok(())
        })?;
    }
}

fn send_to_all(connections: &[Option<Connection>], bytes: &[u8]) -> Result<()> {
    for connection in connections.iter().flatten().filter(|it| it.handshake.is_none()) {
        match send(&connection.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(len) if len == bytes.len() => {}
            Ok(_) | Err(Errno::AGAIN) => return Err("a subscriber does not keep up".into()),
            // It will be found to have ended.
            Err(_) => {}
        }
    }
    Ok(())
}

struct Connection {
    socket: OwnedFd,
    /// While it has not shaken hands: what has come of its request.
    handshake: Option<Vec<u8>>,
}

enum Received {
    Nothing,
    Message,
    End,
}

impl From<OwnedFd> for Connection {
    fn from(socket: OwnedFd) -> Self {
        Self { socket, handshake: Some(Vec::new()) }
    }
}

impl AsFd for Connection {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

impl Connection {
    fn receive(&mut self, buffer: &mut [u8]) -> Result<Received> {
        let len = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((1.., len)) => len,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(Received::Nothing),
            Ok((0, _)) | Err(_) => return Ok(Received::End),
        };
        let Some(head) = &mut self.handshake else {
            return Ok(if buffer[0] == CLOSE { Received::End } else { Received::Message });
        };
        head.extend_from_slice(&buffer[..len]);
        if let Some((request, _)) = RequestDecoder::new().decode(head, &HeadLimits::default())? {
            let mut answer = Vec::new();
            let accept = validate_upgrade(&request)?.accept();
            encode_switching_protocols(&accept, None, None, &Default::default(), &mut answer);
            send(&self.socket, &answer, SendFlags::NOSIGNAL)?;
            self.handshake = None;
        }
        Ok(Received::Nothing)
    }
}
