//! What a subscriber can be told of what it did not get.

/// A subscriber did not get everything that was published.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Notice<'a> {
    /// The topic's name.
    pub topic: &'a str,
    /// Why.
    pub missed: Missed,
    /// How many publications it did not get, since the last notice.
    pub count: u64,
    /// The publications up to this sequence number are concerned.
    pub sequence: u64,
}

/// What became of publications that a subscriber did not get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Missed {
    /// Newer values of the same keys have replaced them, or they were merged with those.
    Conflated,
    /// They were dropped, and a snapshot makes up for them.
    Resynced,
}
