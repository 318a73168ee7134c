//! Byte streams and where they come from: TCP and Unix-domain sockets, made ready for event loops.
//!
//! The one place that knows kinds of sockets. TLS will be a further kind of [`Stream`].

mod listener;
mod options;
mod stream;
mod target;

pub use listener::Listener;
pub use options::SocketOptions;
pub use stream::Stream;
pub use target::{BindTarget, LocalAddr};
