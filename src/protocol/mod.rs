//! The protocol of one side of a connection, without I/O (RFC 6455 §5 to §8).
//!
//! Bytes go into [`Endpoint::decode`], [`Event`]s come out; what is to be sent is encoded by
//! [`crate::frame`]. No socket, thread or clock: who calls brings the bytes and the time.

mod assembly;
mod closing;
#[cfg(feature = "deflate")]
mod deflation;
#[cfg(not(feature = "deflate"))]
#[path = "no_deflation.rs"]
mod deflation;
mod endpoint;
mod error;
mod event;
mod keep_alive;
mod limits;
mod outgoing;
mod whole_message;
mod workspace;

pub use assembly::AssembledMessage;
#[cfg(feature = "deflate")]
pub use deflation::DeflateTotals;
pub use endpoint::{Endpoint, Role};
pub use error::ProtocolError;
pub use event::{Event, Message};
pub use keep_alive::{KeepAlive, KeepAliveAction};
pub use limits::Limits;
pub use outgoing::Outgoing;
pub use workspace::Workspace;

pub(crate) use outgoing::{Compress, Payload};
