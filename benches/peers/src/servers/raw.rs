//! The floor: what the system calls cost that no server can do without. One `epoll_wait` for all that
//! is ready, one `recv` and one `send` for each; nothing is decoded.

use std::net::TcpListener;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::OwnedFd;
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, SocketFlags, accept_with, recv, send};

use super::listener::listen;
use crate::Result;
use crate::options::{Role, Serve};

/// Bytes that are received at once.
const BUFFER_LEN: usize = 256 << 10;
/// Events that are taken at once.
const MAX_EVENTS: usize = 1024;
/// What the listener's events are known by; a connection's by its descriptor's place in a list.
const LISTENER: u64 = u64::MAX;

pub(super) fn serve(options: &Serve) -> Result<()> {
    let listener = listen(options)?;
    match options.role {
        Role::Echo => Echo::new(listener)?.run(),
        Role::Broadcast => Err("does not broadcast yet".into()),
    }
}

struct Echo {
    epoll: OwnedFd,
    listener: TcpListener,
    connections: Vec<Option<Connection>>,
    /// Places in the list without a connection.
    free: Vec<usize>,
}

struct Connection {
    socket: OwnedFd,
    /// What the socket has not taken yet. Nothing is received meanwhile.
    unsent: Vec<u8>,
}

impl Echo {
    fn new(listener: TcpListener) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Self { epoll, listener, connections: Vec::new(), free: Vec::new() })
    }

    fn run(mut self) -> Result<()> {
        let mut buffer = vec![0; BUFFER_LEN];
        let mut events: Vec<Event> = Vec::with_capacity(MAX_EVENTS);
        loop {
            events.clear();
            match epoll::wait(&self.epoll, spare_capacity(&mut events), None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            for event in &events {
                let (data, flags) = (event.data.u64(), event.flags);
                if data == LISTENER {
                    self.accept_all()?;
                    continue;
                }
                let index = data as usize;
                let Some(connection) = &mut self.connections[index] else { continue };
                let ready = flags.contains(EventFlags::OUT);
                if connection.serve(&mut buffer, &self.epoll, data, ready).is_err() {
                    self.connections[index] = None;
                    self.free.push(index);
                }
            }
        }
    }

    fn accept_all(&mut self) -> Result<()> {
        loop {
            let socket = match accept_with(&self.listener, SocketFlags::NONBLOCK) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(error.into()),
            };
            let index = self.free.pop().unwrap_or(self.connections.len());
            epoll::add(&self.epoll, &socket, EventData::new_u64(index as u64), EventFlags::IN)?;
            let connection = Some(Connection { socket, unsent: Vec::new() });
            match self.connections.get_mut(index) {
                Some(place) => *place = connection,
                None => self.connections.push(connection),
            }
        }
    }
}

/// The connection is over.
struct Over;

impl Connection {
    fn serve(
        &mut self,
        buffer: &mut [u8],
        epoll: &OwnedFd,
        data: u64,
        is_writable: bool,
    ) -> std::result::Result<(), Over> {
        if is_writable {
            return self.flush(epoll, data);
        }
        let len = match recv(&self.socket, &mut *buffer, RecvFlags::empty()) {
            Ok((0, _)) => return Err(Over),
            Ok((len, _)) => len,
            Err(Errno::AGAIN | Errno::INTR) => return Ok(()),
            Err(_) => return Err(Over),
        };
        let sent_len = self.send(&buffer[..len])?;
        if sent_len < len {
            self.unsent.extend_from_slice(&buffer[sent_len..len]);
            return self.await_readiness(epoll, data, EventFlags::OUT);
        }
        Ok(())
    }

    fn flush(&mut self, epoll: &OwnedFd, data: u64) -> std::result::Result<(), Over> {
        let sent_len = self.send(&self.unsent)?;
        self.unsent.drain(..sent_len);
        match self.unsent.is_empty() {
            true => self.await_readiness(epoll, data, EventFlags::IN),
            false => Ok(()),
        }
    }

    fn send(&self, bytes: &[u8]) -> std::result::Result<usize, Over> {
        match send(&self.socket, bytes, SendFlags::NOSIGNAL) {
            Ok(len) => Ok(len),
            Err(Errno::AGAIN | Errno::INTR) => Ok(0),
            Err(_) => Err(Over),
        }
    }

    fn await_readiness(
        &self,
        epoll: &OwnedFd,
        data: u64,
        flags: EventFlags,
    ) -> std::result::Result<(), Over> {
        epoll::modify(epoll, &self.socket, EventData::new_u64(data), flags).map_err(|_| Over)
    }
}
