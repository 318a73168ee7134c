//! HTTP/1.1 heads and the WebSocket opening handshake (RFC 6455 §4, RFC 9112), both roles.
//!
//! Nothing here knows a socket, a thread or a clock: bytes go in and come out. A server decodes
//! [`Request`]s with a [`RequestDecoder`]. For one that [is an upgrade](Request::is_upgrade),
//! [`validate_upgrade`] says whether the handshake is in order; the application then answers with
//! an [`Upgrade`], which [`encode_switching_protocols`] writes, or with a [`Refusal`]. Other
//! requests get a [`Response`]. A [`HandshakeError`] knows the response that explains it.
//!
//! A client sends a [`ClientRequest`] and reads the answer with the [`ResponseDecoder`] that
//! belongs to it.
//!
//! The syntax is checked strictly: what one parser tolerates and another reads differently lets
//! requests be smuggled past a proxy.

mod client_request;
mod client_response;
mod content;
#[cfg(feature = "deflate")]
mod deflate;
mod error;
mod extension;
mod fields;
mod host;
mod key;
mod limits;
mod origins;
mod refusal;
mod request;
mod request_decoder;
mod reserved;
mod response;
mod scan;
mod subprotocol;
mod switching_protocols;
mod target;
#[cfg(feature = "tls")]
mod tls_info;
mod token;
mod upgrade;
mod upgrade_request;

#[cfg(test)]
mod tests;

pub use client_request::ClientRequest;
pub use client_response::{ResponseDecoder, ServerResponse};
#[cfg(feature = "deflate")]
pub use deflate::{accept_deflate, check_deflate, offer_deflate};
pub use error::{HandshakeError, RefusedResponse};
pub use extension::ExtensionOffer;
pub use key::AcceptKey;
pub use limits::HeadLimits;
pub use origins::{AllowedOrigins, NoOrigin};
pub use refusal::Refusal;
pub use request::Request;
pub use request_decoder::RequestDecoder;
pub use response::Response;
pub use switching_protocols::encode_switching_protocols;
#[cfg(feature = "tls")]
pub use tls_info::TlsInfo;
pub use upgrade::Upgrade;
pub use upgrade_request::{UpgradeRequest, validate_upgrade};
