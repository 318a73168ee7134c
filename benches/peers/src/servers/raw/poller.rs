//! The listener and its connections, and the epoll instance that tells of them.

use std::net::TcpListener;

use rustix::buffer::spare_capacity;
use rustix::event::epoll::{self, CreateFlags, Event, EventData, EventFlags};
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with};

use crate::Result;

/// Events that are taken at once.
const MAX_EVENTS: usize = 1024;
/// What the listener's events are known by; a connection's by its place in a list.
const LISTENER: u64 = u64::MAX;

pub(super) struct Poller<C> {
    epoll: OwnedFd,
    listener: TcpListener,
    pub(super) connections: Vec<Option<C>>,
    /// Places in the list without a connection.
    free: Vec<usize>,
}

impl<C: From<OwnedFd> + AsFd> Poller<C> {
    pub(super) fn new(listener: TcpListener) -> Result<Self> {
        let epoll = epoll::create(CreateFlags::CLOEXEC)?;
        epoll::add(&epoll, &listener, EventData::new_u64(LISTENER), EventFlags::IN)?;
        Ok(Self { epoll, listener, connections: Vec::new(), free: Vec::new() })
    }

    /// Waits once and gives `serve` the place of each connection that is ready and whether it is so
    /// for writing.
    #[inline]
    pub(super) fn turn(
        &mut self,
        events: &mut Vec<Event>,
        mut serve: impl FnMut(&mut Self, usize, bool) -> Result<()>,
    ) -> Result<()> {
        events.clear();
        match epoll::wait(&self.epoll, spare_capacity(events), None) {
            Ok(_) | Err(Errno::INTR) => {}
            Err(error) => return Err(error.into()),
        }
        for event in events {
            let (data, flags) = (event.data, event.flags);
            match data.u64() {
                LISTENER => self.accept_all()?,
                place => serve(self, place as usize, flags.contains(EventFlags::OUT))?,
            }
        }
        Ok(())
    }

    fn accept_all(&mut self) -> Result<()> {
        loop {
            let socket = match accept_with(&self.listener, SocketFlags::NONBLOCK) {
                Ok(socket) => socket,
                Err(Errno::AGAIN) => return Ok(()),
                Err(Errno::INTR | Errno::CONNABORTED) => continue,
                Err(error) => return Err(error.into()),
            };
            let place = self.free.pop().unwrap_or(self.connections.len());
            epoll::add(&self.epoll, &socket, EventData::new_u64(place as u64), EventFlags::IN)?;
            let connection = Some(C::from(socket));
            match self.connections.get_mut(place) {
                Some(free) => *free = connection,
                None => self.connections.push(connection),
            }
        }
    }

    /// From now on a connection's events are these.
    pub(super) fn await_readiness(&self, place: usize, flags: EventFlags) -> Result<()> {
        let Some(connection) = &self.connections[place] else { return Ok(()) };
        Ok(epoll::modify(&self.epoll, connection, EventData::new_u64(place as u64), flags)?)
    }

    pub(super) fn close(&mut self, place: usize) {
        if self.connections[place].take().is_some() {
            self.free.push(place);
        }
    }
}

pub(super) fn events() -> Vec<Event> {
    Vec::with_capacity(MAX_EVENTS)
}
