//! Connections that come by proxies: their headers, before anything else.

use std::net::{IpAddr, SocketAddr};
use std::ops::Range;

use super::EventLoop;
use super::accept::TOO_MANY_CONNECTIONS;
use super::addresses::TooMany;
use super::connection::{Connection, Phase};
use super::flags::Flags;
use super::read::Progress;
use super::service::Service;
use crate::proxy_protocol::{MAX_PROXY_HEADER_LEN, ProxyHeader};
use crate::transport::Accepted;

impl<S: Service> EventLoop<S> {
    /// Somebody who is no proxy has come to a listener behind proxies. There is nothing to say: a
    /// client of another protocol than expected would not understand it.
    pub(super) fn turn_away(&mut self, accepted: &Accepted) {
        self.core.counters.proxies_refused += 1;
        log::debug!("a connection is refused: {:?} is no proxy that is trusted", accepted.peer);
    }

    /// One read of the socket itself, and once the header is whole what lies behind it.
    pub(super) fn read_proxy_header(&mut self, key: u32) -> Progress {
        let Some(Connection { io, phase: Phase::Proxied(arriving) }) =
            self.connections.get_mut(key as usize)
        else {
            return Progress::Drained;
        };
        let max_len = self.core.config.head_limits.max_head_len.min(MAX_PROXY_HEADER_LEN);
        let carried = io.carried().len();
        self.read_buffer[..carried].copy_from_slice(io.carried());
        // What lies behind the header may be TLS, which takes in no more than that.
        let room = &mut self.read_buffer[carried..max_len];
        let wanted = room.len();
        let result = io.stream.socket_mut().read(room);
        let Some(len) = io.note_read(&mut self.core, result) else { return self.nothing_read(key) };
        let progress = if len < wanted { Progress::Drained } else { Progress::More };
        let received = carried + len;
        match ProxyHeader::decode(&self.read_buffer[..received], max_len) {
            Ok(None) => io.carry_over(&mut self.core, &self.read_buffer[..received]),
            Ok(Some((header, used))) => {
                io.drop_carry(&mut self.core);
                if let ProxyHeader::Relayed { source, .. } = header {
                    arriving.peer = Some(canonical(source)).into();
                    if !self.count_client(key, source.ip()) {
                        return progress;
                    }
                }
                return self.meet_client(key, used..received, progress);
            }
            Err(error) => {
                log::debug!("a connection is refused: {error}");
                self.core.counters.proxies_refused += 1;
                io.flags.insert(Flags::BROKEN);
            }
        }
        progress
    }

    /// Counts a connection of its client's address; says whether there may be that many.
    fn count_client(&mut self, key: u32, ip: IpAddr) -> bool {
        let Some(connection) = self.connections.get_mut(key as usize) else { return false };
        let io = &mut connection.io;
        match self.core.link.addresses.enter(Some(ip)) {
            Ok(visit) => {
                io.place = visit.stay();
                true
            }
            Err(TooMany) => {
                self.core.counters.over_address_limit += 1;
                if io.stream.is_tls() {
                    io.flags.insert(Flags::BROKEN);
                } else {
                    connection.phase = Phase::Lingering;
                    io.since = self.core.now;
                    io.send_opaque(&mut self.core, TOO_MANY_CONNECTIONS.to_vec());
                    self.schedule(key);
                }
                false
            }
        }
    }

    /// It is known who the client is: what is at `rest` in the read buffer is its own.
    fn meet_client(&mut self, key: u32, rest: Range<usize>, progress: Progress) -> Progress {
        let Some(connection) = self.connections.get_mut(key as usize) else {
            return Progress::Drained;
        };
        let phase = std::mem::replace(&mut connection.phase, Phase::Lingering);
        if let Phase::Proxied(arriving) = phase {
            connection.phase = Phase::Request(arriving);
        }
        let stream = &mut connection.io.stream;
        if stream.is_tls() {
            // The next read decrypts it.
            stream.begin_with(&self.read_buffer[rest]);
            return Progress::More;
        }
        let len = rest.len();
        self.read_buffer.copy_within(rest, 0);
        self.use_up(key, len);
        self.progress_behind(key, progress)
    }
}

/// The same client has the same address, whether its proxy listens to IPv4 or to both.
fn canonical(source: SocketAddr) -> SocketAddr {
    SocketAddr::new(source.ip().to_canonical(), source.port())
}
