//! The servers, one a file. Each echoes or broadcasts on one thread, takes messages of up to 1 MiB,
//! compresses and encrypts only if it is told to, and is set up as its documentation recommends for
//! speed.

mod listener;
#[cfg(feature = "tokio")]
mod on_tokio;
mod publications;
mod raw;
mod tickwire;
mod tls;

use rustix::process::{Signal, set_parent_process_death_signal};

use crate::Result;
use crate::options::Serve;
use crate::peer::Peer;

/// The longest message, in bytes.
const MAX_MESSAGE_LEN: usize = 1 << 20;
/// What may wait for a client that does not read, in bytes: nobody is cut off here.
const MAX_BACKPRESSURE: usize = 64 * MAX_MESSAGE_LEN;

/// Serves until it is killed, or the program that has started it ends.
pub(crate) fn serve(options: &Serve) -> Result<()> {
    set_parent_process_death_signal(Some(Signal::KILL))?;
    if !options.peer.has(options.coding) {
        return Err(format!("{} takes no part in {}", options.peer, options.coding.name()).into());
    }
    match options.peer {
        Peer::Raw | Peer::RawMessages => raw::serve(options),
        Peer::Tickwire => tickwire::serve(options, 0),
        Peer::TickwireThreads => tickwire::serve(options, 1),
        #[cfg(feature = "fastwebsockets")]
        Peer::Fastwebsockets => on_tokio::fastwebsockets::serve(options),
        #[cfg(feature = "sockudo-ws")]
        Peer::SockudoWs => on_tokio::sockudo_ws::serve(options),
        #[cfg(feature = "tokio-tungstenite")]
        Peer::TokioTungstenite => on_tokio::tungstenite::serve(options),
        #[cfg(feature = "tokio-websockets")]
        Peer::TokioWebsockets => on_tokio::tokio_websockets::serve(options),
        #[cfg(feature = "web-socket")]
        Peer::WebSocket => on_tokio::web_socket::serve(options),
        #[cfg(feature = "yawc")]
        Peer::Yawc => on_tokio::yawc::serve(options),
        // What was not built, and what is a program of its own.
        peer => Err(format!("{peer} is not in this program").into()),
    }
}
