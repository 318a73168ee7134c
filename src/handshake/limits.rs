//! How large a head may become before its sender is refused.

/// Limits on an HTTP head: the first line, the header lines and the empty line that ends them.
///
/// Both are enforced while the head is still arriving, so a peer that never finishes its head
/// cannot make anybody store more than `max_head_len` bytes of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeadLimits {
    /// Most bytes that a head may have, from its first byte to the end of its empty line.
    pub max_head_len: usize,
    /// Most header lines that a head may have.
    pub max_header_count: usize,
}

impl Default for HeadLimits {
    /// 16 KiB and 100 header lines: room for large cookies, as common HTTP servers allow.
    fn default() -> Self {
        Self { max_head_len: 16 * 1024, max_header_count: 100 }
    }
}
