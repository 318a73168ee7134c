//! Why a stream is over, beyond what a socket says.

use thiserror::Error;

/// What was wrong with a TLS stream.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum StreamFault {
    /// The handshake came to nothing; the peer has got an alert that says why, or has sent one.
    #[error("the TLS handshake failed: {0}")]
    Handshake(String),
    /// The stream ended during the handshake.
    #[error("the peer hung up during the TLS handshake")]
    HungUp,
    /// The stream ended without the peer's word (`close_notify`) that nothing follows: what it sent
    /// last may have been cut off by somebody else.
    #[error("the TLS stream was cut off: it ended without a close_notify")]
    Truncated,
    /// A record that is not in order, or a fatal alert.
    #[error("the TLS stream is broken: {0}")]
    Broken(String),
}
