//! TLS by rustls, without a thread or a runtime of its own.
//!
//! rustls's unbuffered interface is driven in buffers that all streams of a thread share, so a
//! stream that waits holds its keys and nothing else.

mod acceptor;
mod connector;
mod error;
mod files;
mod identity;
mod pieces;
mod read;
mod scratch;
mod session;
mod settings;
mod stream;
mod toll;
mod write;

pub use acceptor::TlsAcceptor;
pub use connector::TlsConnector;
pub use error::TlsError;
pub use settings::Tls;
pub use stream::TlsStream;
