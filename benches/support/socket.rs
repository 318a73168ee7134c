//! A non-blocking client's end of a connection, for benches that have many of them in one thread.

use std::io::{ErrorKind, Read, Write};
use std::net::SocketAddr;

use mio::net::TcpStream;
use mio::{Interest, Registry, Token};

use super::wire;

#[derive(Debug)]
pub(crate) struct Socket {
    stream: TcpStream,
    /// The beginning of a frame.
    carry: Vec<u8>,
}

impl Socket {
    /// Connects, upgrades and registers for reading.
    pub(crate) fn connect(address: SocketAddr, registry: &Registry, token: Token) -> Self {
        Self::adopt(wire::connect_websocket(address), registry, token)
    }

    /// Takes an upgraded connection.
    pub(crate) fn adopt(stream: std::net::TcpStream, registry: &Registry, token: Token) -> Self {
        stream.set_nonblocking(true).expect("a socket option");
        let mut stream = TcpStream::from_std(stream);
        registry.register(&mut stream, token, Interest::READABLE).expect("room for it");
        Self { stream, carry: Vec::new() }
    }

    /// Calls `on_message` with each payload that has become whole.
    pub(crate) fn read(&mut self, buffer: &mut [u8], mut on_message: impl FnMut(&[u8])) {
        loop {
            let carried = self.carry.len();
            buffer[..carried].copy_from_slice(&self.carry);
            let len = match self.stream.read(&mut buffer[carried..]) {
                Ok(0) => panic!("the server has closed a connection that reads"),
                Ok(len) => carried + len,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("a connection has failed: {error}"),
            };
            let mut rest = &buffer[..len];
            while let Some((payload, frame_len)) = wire::split_frame(rest) {
                on_message(payload);
                rest = &rest[frame_len..];
            }
            self.carry.clear();
            self.carry.extend_from_slice(rest);
            // A short read has emptied the socket: the next bytes are a new event.
            if len < buffer.len() {
                return;
            }
        }
    }

    /// Sends frames that the socket has room for: what is in flight is little.
    pub(crate) fn write(&mut self, frames: &[u8]) {
        let written = self.stream.write(frames).expect("there is room");
        assert_eq!(written, frames.len(), "there is room");
    }
}
