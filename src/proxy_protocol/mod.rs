//! The PROXY protocol, versions 1 and 2: the header by which a proxy says whom it relays.
//!
//! It stands before everything else on a connection, before TLS too. Nothing here knows a socket, a
//! thread or a clock. [`ProxyHeader::decode`] reads either version, as HAProxy's specification
//! (`proxy-protocol.txt`) has them, and [`TrustedProxies`] says whose headers are believed: one that
//! comes from anybody else could claim any address.

mod crc32c;
mod error;
mod header;
mod prefix;
mod trusted;
mod v1;
mod v2;

pub use error::ProxyHeaderError;
pub use header::{MAX_PROXY_HEADER_LEN, ProxyHeader};
pub use prefix::{IpPrefix, IpPrefixError};
pub use trusted::TrustedProxies;
