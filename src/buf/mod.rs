//! Buffers: where a message's bytes gather, where unsent bytes wait, and the pools that lend both.
//!
//! Nothing here knows frames, sockets or threads.

mod pool;
mod receive_buffer;
mod write_queue;

pub use pool::Pool;
pub use receive_buffer::ReceiveBuffer;
pub use write_queue::{FindBoundary, WriteQueue};
