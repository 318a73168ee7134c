//! Servers that run on tokio: each on its current-thread runtime, with a task for each connection.

#[cfg(feature = "fastwebsockets")]
pub(super) mod fastwebsockets;
#[cfg(any(feature = "fastwebsockets", feature = "web-socket", feature = "yawc"))]
mod handshake;
mod runtime;
#[cfg(any(
    feature = "sockudo-ws",
    feature = "tokio-tungstenite",
    feature = "tokio-websockets",
    feature = "yawc"
))]
mod sinks;
#[cfg(feature = "sockudo-ws")]
pub(super) mod sockudo_ws;
#[cfg(feature = "tokio-websockets")]
pub(super) mod tokio_websockets;
#[cfg(feature = "tokio-tungstenite")]
pub(super) mod tungstenite;
#[cfg(feature = "web-socket")]
pub(super) mod web_socket;
#[cfg(feature = "yawc")]
pub(super) mod yawc;
