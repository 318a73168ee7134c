//! What a peer may make an endpoint hold.

/// Limits on what arrives. Each is checked before memory is spent on what exceeds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes, all fragments together. Beyond: close code 1009.
    /// Default: 1 MiB.
    pub max_message_len: usize,
    /// The longest payload of one frame, in bytes. Beyond: close code 1009. Default: 1 MiB.
    pub max_frame_len: usize,
    /// The most fragments that a message may come in, empty ones included. Beyond: close code 1008.
    /// Default: 65,536.
    pub max_fragment_count: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self { max_message_len: 1 << 20, max_frame_len: 1 << 20, max_fragment_count: 1 << 16 }
    }
}

impl Limits {
    /// Limits for messages of up to `len` bytes, in one frame or in many.
    #[must_use]
    pub fn for_messages_up_to(len: usize) -> Self {
        Self { max_message_len: len, max_frame_len: len, ..Self::default() }
    }
}
