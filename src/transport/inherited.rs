//! Listening sockets that come from outside: from a predecessor, or from who has started the process.

use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::Path;

use socket2::{Socket, Type};

use super::LocalAddr;
use super::socket_file::{SocketFile, SocketFiles};

/// Listening sockets that are there already. Whoever wants to listen at the address of one takes it
/// instead of a new one: its clients wait in it, and none of them notices.
#[derive(Debug, Default)]
pub struct Inherited {
    sockets: Vec<Found>,
    files: SocketFiles,
}

#[derive(Debug)]
struct Found {
    address: LocalAddr,
    socket: Socket,
    /// Its file goes with the server that has it.
    is_with_file: bool,
}

impl Inherited {
    /// Adds a socket of who has started the process. It made the socket's file, if there is one, and keeps
    /// it for the next process.
    ///
    /// # Errors
    ///
    /// It is none, or none that listens for streams.
    pub fn add(&mut self, descriptor: OwnedFd) -> io::Result<()> {
        self.add_socket(descriptor, false)
    }

    /// Adds a socket of a predecessor, and its file with it.
    ///
    /// # Errors
    ///
    /// As [`add`](Self::add).
    pub fn add_with_file(&mut self, descriptor: OwnedFd) -> io::Result<()> {
        self.add_socket(descriptor, true)
    }

    /// The files of all sockets that are taken from here or made beside them.
    #[must_use]
    pub fn files(&self) -> &SocketFiles {
        &self.files
    }

    fn add_socket(&mut self, descriptor: OwnedFd, is_with_file: bool) -> io::Result<()> {
        let wrong = |message: &str| io::Error::new(io::ErrorKind::InvalidInput, message);
        let socket = Socket::from(descriptor);
        if socket.r#type()? != Type::STREAM || !is_listening(&socket)? {
            return Err(wrong("a socket that does not listen for streams"));
        }
        let address = socket.local_addr()?;
        let address = match (address.as_socket(), address.as_pathname()) {
            (Some(address), _) => LocalAddr::Tcp(address),
            (None, Some(path)) => LocalAddr::Unix(path.to_owned()),
            (None, None) => return Err(wrong("a socket without a path")),
        };
        self.sockets.push(Found { address, socket, is_with_file });
        Ok(())
    }

    /// The socket at this address. Port 0 is any port: the first socket's that is left with this IP
    /// address.
    pub(super) fn take_tcp(&mut self, wanted: SocketAddr) -> Option<TcpListener> {
        let is_wanted = |address: &LocalAddr| match address {
            LocalAddr::Tcp(address) if wanted.port() == 0 => address.ip() == wanted.ip(),
            LocalAddr::Tcp(address) => *address == wanted,
            LocalAddr::Unix(_) => false,
        };
        self.take(is_wanted).map(|found| found.socket.into())
    }

    /// The socket with this path, and its file if that comes with it.
    pub(super) fn take_unix(
        &mut self,
        wanted: &Path,
    ) -> Option<(UnixListener, Option<SocketFile>)> {
        let found = self.take(|address| matches!(address, LocalAddr::Unix(path) if path == wanted));
        let Found { socket, is_with_file, .. } = found?;
        Some((socket.into(), is_with_file.then(|| self.files.file(wanted.to_owned()))))
    }

    fn take(&mut self, is_wanted: impl Fn(&LocalAddr) -> bool) -> Option<Found> {
        let at = self.sockets.iter().position(|found| is_wanted(&found.address))?;
        Some(self.sockets.remove(at))
    }
}

/// Where the system does not say, the first `accept` will.
fn is_listening(socket: &Socket) -> io::Result<bool> {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    return socket.is_listener();
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    socket.local_addr().map(|_| true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sockets_are_found_by_their_addresses_and_once() {
        let mut inherited = Inherited::default();
        let tcp: Vec<TcpListener> =
            (0..2).map(|_| TcpListener::bind("127.0.0.1:0").expect("bind")).collect();
        let addresses: Vec<SocketAddr> =
            tcp.iter().map(|listener| listener.local_addr().expect("an address")).collect();
        for listener in tcp {
            inherited.add(listener.into()).expect("it listens");
        }
        let mut take = |address: SocketAddr| {
            inherited.take_tcp(address).map(|it| it.local_addr().expect("an address"))
        };
        assert_eq!(take(([127, 0, 0, 2], 0).into()), None);
        assert_eq!(take(([127, 0, 0, 2], addresses[1].port()).into()), None);
        assert_eq!(take(addresses[1]), Some(addresses[1]));
        assert_eq!(take(addresses[1]), None);
        assert_eq!(take(([127, 0, 0, 1], 0).into()), Some(addresses[0]));
        assert_eq!(take(([127, 0, 0, 1], 0).into()), None);
    }

    #[test]
    fn what_does_not_listen_is_refused() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = listener.local_addr().expect("an address");
        let stream = std::net::TcpStream::connect(address).expect("connect");
        let datagrams = std::net::UdpSocket::bind("127.0.0.1:0").expect("bind");
        let file = std::fs::File::open("/dev/null").expect("a file");
        for wrong in [OwnedFd::from(stream), datagrams.into(), file.into()] {
            assert!(Inherited::default().add(wrong).is_err());
        }
    }
}
