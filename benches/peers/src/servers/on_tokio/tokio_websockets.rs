//! tokio-websockets.

use tokio_websockets::{Config, Limits, Message, ServerBuilder};

use super::runtime::{Timers, run};
use super::sinks::{self, Kind};
use crate::Result;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    run(options, Timers::Off, |stream, room| async move {
        let (_, socket) = ServerBuilder::new()
            // Messages are not split, as in its own benchmarks.
            .config(Config::default().frame_size(usize::MAX))
            .limits(Limits::default().max_payload_len(Some(MAX_MESSAGE_LEN)))
            .accept(stream)
            .await?;
        let is_data = |message: &Message| message.is_binary() || message.is_text();
        sinks::serve(socket, room, Kind { is_data, binary: |bytes| Message::binary(bytes) }).await
    })
}
