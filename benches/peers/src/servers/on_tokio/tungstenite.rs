//! tokio-tungstenite, with a smaller read buffer than its default of 128 KiB: it is filled with zeros
//! before each read.

use tokio_tungstenite::accept_async_with_config;
use tokio_tungstenite::tungstenite::Message;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

use super::runtime::{Timers, run};
use super::sinks::{self, Kind};
use crate::Result;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

/// Room for several small messages, or a large one in few reads.
const READ_BUFFER_LEN: usize = 16 << 10;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    run(options, Timers::Off, |stream, room| async move {
        let config = WebSocketConfig::default()
            .read_buffer_size(READ_BUFFER_LEN)
            .max_message_size(Some(MAX_MESSAGE_LEN))
            .max_frame_size(Some(MAX_MESSAGE_LEN));
        let socket = accept_async_with_config(stream, Some(config)).await?;
        let is_data = |message: &Message| message.is_binary() || message.is_text();
        sinks::serve(socket, room, Kind { is_data, binary: Message::Binary }).await
    })
}
