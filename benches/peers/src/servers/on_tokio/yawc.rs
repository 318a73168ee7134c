//! yawc, with the buffers that its own benchmarks have, and the pool for compressors that its
//! documentation recommends for many connections.

use futures_util::StreamExt;
use tickwire::Compression;
use tokio::net::TcpStream;
use yawc::{DeflatePool, Frame, OpCode, Options, Role, WebSocket, WebSocketError};

use super::handshake::upgrade;
use super::runtime::{Room, Timers, run};
use super::sinks::{self, Kind};
use crate::Result;
use crate::entrant::Coding;
use crate::options::Serve;
use crate::servers::MAX_MESSAGE_LEN;

const READ_BUFFER_LEN: usize = 128 << 10;
const WRITE_BOUNDARY: usize = 64 << 10;
/// Compressors for all connections: one is used at a time.
const POOLED: usize = 2;

pub(in crate::servers) fn serve(options: &Serve) -> Result<()> {
    let coding = options.coding;
    let pool = DeflatePool::new(POOLED);
    run(options, Timers::Off, move |stream, room| serve_one(stream, coding, pool.clone(), room))
}

async fn serve_one(
    mut stream: TcpStream,
    coding: Coding,
    pool: DeflatePool,
    room: Option<Room>,
) -> Result<()> {
    let terms = match coding {
        Coding::Plain | Coding::Tls => None,
        Coding::Shared => Compression::shared().terms(0),
        Coding::Dedicated => Compression::dedicated().terms(0),
    };
    let extensions = upgrade(&mut stream, terms).await?;
    let options = match coding {
        Coding::Plain | Coding::Tls => Options::default().without_compression(),
        Coding::Shared => Options::default()
            .with_balanced_compression()
            .server_no_context_takeover()
            .client_no_context_takeover()
            .with_deflate_pool(pool),
        Coding::Dedicated => Options::default().with_balanced_compression(),
    };
    let options = options
        // Its limit is the length that is too long.
        .with_limits(MAX_MESSAGE_LEN + 1, 2 * MAX_MESSAGE_LEN)
        .with_read_buffer_capacity(READ_BUFFER_LEN)
        .with_backpressure_boundary(WRITE_BOUNDARY);
    let extensions = extensions.as_deref();
    let socket = WebSocket::from_stream_with_extensions(stream, Role::Server, extensions, options)?;
    let is_data = |frame: &Frame| matches!(frame.opcode(), OpCode::Binary | OpCode::Text);
    let socket = socket.map(Ok::<_, WebSocketError>);
    sinks::serve(socket, room, Kind { is_data, binary: |bytes| Frame::binary(bytes) }).await
}
