//! What became of a send.

/// The answer of every send and publication.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// On its way; nothing waits in front of it.
    Sent,
    /// Accepted, behind bytes that the peer has not taken yet: backpressure.
    Queued,
    /// Refused: the queue's limit is reached. Nothing was sent.
    Dropped,
    /// Refused: the connection is closing or gone, or the server has ended.
    Gone,
}

impl Outcome {
    /// `Sent` or `Queued`: it will be delivered if the connection lives.
    #[must_use]
    pub const fn is_accepted(self) -> bool {
        matches!(self, Self::Sent | Self::Queued)
    }
}
