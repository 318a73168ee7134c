//! Byte streams and where they come from: TCP and Unix-domain sockets, made ready for event loops.
//!
//! The one place that knows kinds of sockets. With the feature `tls`, TLS is a further kind of
//! [`Stream`] on one of the others.

mod fault;
#[cfg(feature = "hand-over")]
mod hand_over;
mod inherited;
mod listener;
mod options;
mod socket_file;
mod stream;
mod target;
#[cfg(feature = "tls")]
mod tls;

pub use fault::StreamFault;
#[cfg(feature = "hand-over")]
pub use hand_over::{
    DONE, GOES_ON, MAX_DESCRIPTOR_COUNT, READY, Relief, receive_listeners, relieve, send_listeners,
};
pub use inherited::Inherited;
pub use listener::{Accepted, Listener, Route};
pub use options::SocketOptions;
pub use socket_file::{SocketFile, SocketFiles};
pub use stream::Stream;
pub use target::{BindTarget, LocalAddr};
#[cfg(feature = "tls")]
pub use tls::{Tls, TlsAcceptor, TlsConnector, TlsError, TlsStream};
