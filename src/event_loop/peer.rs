//! A peer's address in 24 bytes, kept until the connection is open.

use std::net::{Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

/// Where a connection comes from.
#[derive(Clone, Copy, Debug)]
pub(super) enum Peer {
    /// A Unix-domain socket's peer has no address.
    Unnamed,
    V4(SocketAddrV4),
    /// Without the flow label, which accepted connections do not have.
    V6 {
        ip: Ipv6Addr,
        port: u16,
        scope_id: u32,
    },
}

const _: () = assert!(size_of::<Peer>() <= 24);

impl From<Option<SocketAddr>> for Peer {
    fn from(address: Option<SocketAddr>) -> Self {
        match address {
            None => Self::Unnamed,
            Some(SocketAddr::V4(address)) => Self::V4(address),
            Some(SocketAddr::V6(address)) => {
                Self::V6 { ip: *address.ip(), port: address.port(), scope_id: address.scope_id() }
            }
        }
    }
}

impl From<Peer> for Option<SocketAddr> {
    fn from(peer: Peer) -> Self {
        match peer {
            Peer::Unnamed => None,
            Peer::V4(address) => Some(address.into()),
            Peer::V6 { ip, port, scope_id } => {
                Some(SocketAddrV6::new(ip, port, 0, scope_id).into())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_come_out_as_they_went_in() {
        for address in ["127.0.0.1:80", "[::1]:65535", "[fe80::1%3]:9001"] {
            let address: Option<SocketAddr> = Some(address.parse().expect("an address"));
            assert_eq!(Option::<SocketAddr>::from(Peer::from(address)), address);
        }
        assert_eq!(Option::<SocketAddr>::from(Peer::from(None)), None);
    }
}
