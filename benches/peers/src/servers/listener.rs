//! Where servers listen, for those that do not open a socket themselves.

use std::net::{Ipv4Addr, SocketAddr, TcpListener};

use socket2::{Domain, Socket, Type};

use crate::Result;
use crate::options::Serve;

/// More than any client opens at once.
const BACKLOG: i32 = 4096;

/// Listens on a free port, with the options that connections inherit, and says which port.
pub(super) fn listen(options: &Serve) -> Result<TcpListener> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_tcp_nodelay(true)?;
    if let Some(name) = congestion(options) {
        socket.set_tcp_congestion(name.as_bytes())?;
    }
    socket.bind(&SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    let listener = TcpListener::from(socket);
    println!("listening on {}", listener.local_addr()?);
    Ok(listener)
}

/// The congestion control that connections get, if it is not the system's.
pub(super) fn congestion(options: &Serve) -> Option<&str> {
    Some(&*options.congestion).filter(|&name| name != "system")
}
