//! Byte streams and where they come from: TCP and Unix-domain sockets, made ready for event loops.
//!
//! The one place that knows kinds of sockets. With the feature `tls`, TLS is a further kind of
//! [`Stream`] on one of the others.

mod fault;
mod listener;
mod options;
mod stream;
mod target;
#[cfg(feature = "tls")]
mod tls;

pub use fault::StreamFault;
pub use listener::{Accepted, Listener, Route};
pub use options::SocketOptions;
pub use stream::Stream;
pub use target::{BindTarget, LocalAddr};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsAcceptor, TlsConnector, TlsError, TlsStream};
