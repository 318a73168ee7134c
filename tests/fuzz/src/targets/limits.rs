//! Limits small enough to be run into, and what an endpoint may allocate under them.

use tickwire::protocol::Limits;

/// What an endpoint and its workspace may have beside messages.
const FIXED_LEN: usize = 16 * 1024;

/// By the low bits of a choice.
pub(crate) fn limits(choice: u8) -> Limits {
    let (max_frame_len, max_message_len, max_fragment_count) = match choice & 3 {
        0 => (1 << 20, 1 << 20, 1 << 16),
        1 => (200, 300, 4),
        2 => (5000, 3000, 100),
        _ => (20, 1000, 1000),
    };
    Limits { max_message_len, max_frame_len, max_fragment_count }
}

/// What may be allocated at once for a message of which `arrived` bytes have come: a buffer that
/// doubles, and while it does so, its predecessor.
pub(crate) fn max_allocated_len(limits: &Limits, arrived: usize) -> usize {
    3 * arrived.min(limits.max_message_len) + FIXED_LEN
}
