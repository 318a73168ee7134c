//! Options of a listener's sockets.

use std::io;

use socket2::Socket;

/// Options that every accepted TCP connection of a server gets. `TCP_NODELAY` is always on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SocketOptions {
    /// Connections that the kernel completes ahead of `accept`. Default: 4,096; the system's own
    /// limit (`somaxconn`) may be lower.
    pub backlog: u32,
    /// `TCP_NOTSENT_LOWAT` in bytes: how much unsent data the kernel takes before it makes the
    /// sender wait, so that the rest stays where policies can act on it. `None`: the system's
    /// default. Default: 128 KiB. Linux and Android; elsewhere the
    /// system's default stays.
    pub notsent_lowat: Option<u32>,
    /// Congestion control by the system's name, such as `cubic` or `bbr`. `None`: the system's
    /// default. Linux and FreeBSD.
    pub congestion: Option<String>,
}

impl Default for SocketOptions {
    fn default() -> Self {
        Self { backlog: 4096, notsent_lowat: Some(128 * 1024), congestion: None }
    }
}

impl SocketOptions {
    /// Sets the options on a listening socket. Accepted sockets inherit them on Linux; elsewhere
    /// `TCP_NODELAY` is set again on each.
    pub(super) fn apply(&self, socket: &Socket) -> io::Result<()> {
        socket.set_tcp_nodelay(true)?;
        #[cfg(any(target_os = "linux", target_os = "android"))]
        if let Some(lowat) = self.notsent_lowat {
            socket.set_tcp_notsent_lowat(lowat)?;
        }
        #[cfg(any(target_os = "linux", target_os = "freebsd"))]
        if let Some(name) = &self.congestion {
            socket.set_tcp_congestion(name.as_bytes()).map_err(|error| {
                io::Error::new(error.kind(), format!("congestion control `{name}`: {error}"))
            })?;
        }
        Ok(())
    }
}
