//! yawc, with the buffers that its own benchmarks have.

use futures_util::StreamExt;
use yawc::{Frame, OpCode, Options, Role, WebSocket, WebSocketError};

use super::handshake::upgrade;
use super::runtime::{Timers, run};
use super::sinks::{self, Kind};
use crate::Result;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

const READ_BUFFER_LEN: usize = 128 << 10;
const WRITE_BOUNDARY: usize = 64 << 10;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    run(options, Timers::Off, |mut stream, room| async move {
        upgrade(&mut stream).await?;
        let options = Options::default()
            .without_compression()
            // Its limit is the length that is too long.
            .with_limits(MAX_MESSAGE_LEN + 1, 2 * MAX_MESSAGE_LEN)
            .with_read_buffer_capacity(READ_BUFFER_LEN)
            .with_backpressure_boundary(WRITE_BOUNDARY);
        let socket = WebSocket::from_stream(stream, Role::Server, options)?;
        let is_data = |frame: &Frame| matches!(frame.opcode(), OpCode::Binary | OpCode::Text);
        let socket = socket.map(Ok::<_, WebSocketError>);
        sinks::serve(socket, room, Kind { is_data, binary: |bytes| Frame::binary(bytes) }).await
    })
}
