//! Names for connections that other threads can hold.

use std::fmt;

/// A connection's name. Any thread may keep it; once the connection is gone it is stale for good,
/// and whatever is asked of it answers [`Gone`](super::Outcome::Gone).
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ConnectionId {
    pub(crate) index: u32,
    /// Odd while the connection lives; a place's next connection has another.
    pub(crate) generation: u32,
    pub(crate) loop_index: u16,
}

/// `loop.index.generation`, for logs.
impl fmt::Display for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.loop_index, self.index, self.generation)
    }
}

impl fmt::Debug for ConnectionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ConnectionId({self})")
    }
}
