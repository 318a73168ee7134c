//! From messages to their compressed form (RFC 7692 §7.2.1).

use std::fmt;

use zlib_rs::{Deflate, DeflateConfig, DeflateFlush};

use super::WindowBits;
use crate::buf::ReceiveBuffer;

/// What a flush ends with, and a compressed message goes without (RFC 7692 §7.2.1).
pub(super) const TAIL: [u8; 4] = [0, 0, 0xff, 0xff];

/// Compresses messages, each by itself or with references to those before.
pub struct Compressor {
    inner: Deflate,
}

impl Compressor {
    /// A compressor of a `level` from 1 to 9 that refers back no further than the window.
    #[must_use]
    pub fn new(level: u8, window_bits: WindowBits) -> Self {
        // zlib has no raw window of 8 bits. Its matches end 262 bytes before its window does, so of 9
        // bits it uses less than 8 allow.
        let bits = i32::from(window_bits.get()).max(9);
        let config = DeflateConfig {
            level: i32::from(level.clamp(1, 9)),
            // Without a header, says the sign.
            window_bits: -bits,
            // Blocks of 2^(6 + this) symbols. More of them than the window has bytes are of no use, and
            // more than 4,096 make no message shorter by a percent, for 36 KiB.
            mem_level: (bits - 7).clamp(4, 6),
            ..DeflateConfig::default()
        };
        Self { inner: Deflate::new_with_config(config) }
    }

    /// Compresses a message into `out`, which is empty, and forgets it: the next one does not refer
    /// to it. Returns its compressed form; `None` if that is not shorter.
    ///
    /// A compressor is used by this alone or by [`compress_on`](Self::compress_on) alone.
    pub fn compress_alone<'a>(
        &mut self,
        message: &[u8],
        out: &'a mut ReceiveBuffer,
    ) -> Option<&'a [u8]> {
        // The flush clears the hash chains; resetting would clear window and links as well, 128 KiB
        // in all that nobody looks at.
        self.compress(message, DeflateFlush::FullFlush, out)
    }

    /// Compresses a message into `out`, which is empty. It may refer to those before, and the next
    /// one to it. Returns its compressed form; if that is not shorter, `None`, and all is forgotten,
    /// since the peer does not get to see it.
    pub fn compress_on<'a>(
        &mut self,
        message: &[u8],
        out: &'a mut ReceiveBuffer,
    ) -> Option<&'a [u8]> {
        let compressed = self.compress(message, DeflateFlush::SyncFlush, out);
        if compressed.is_none() {
            self.forget();
        }
        compressed
    }

    /// Forgets all messages: the next one is compressed as if it were the first.
    pub fn forget(&mut self) {
        self.inner.reset();
    }

    fn compress<'a>(
        &mut self,
        message: &[u8],
        flush: DeflateFlush,
        out: &'a mut ReceiveBuffer,
    ) -> Option<&'a [u8]> {
        let mut rest = message;
        // An empty message has no shorter form, and nothing to flush.
        while !message.is_empty() {
            let room = out.spare(usize::MAX);
            let room_len = room.len();
            let (in_before, out_before) = (self.inner.total_in(), self.inner.total_out());
            let result = self.inner.compress(rest, room, flush);
            rest = &rest[(self.inner.total_in() - in_before) as usize..];
            let produced = (self.inner.total_out() - out_before) as usize;
            out.advance(produced);
            if result.is_err() {
                // Not with the settings that it was made with; the message goes as it is.
                self.forget();
                return None;
            }
            if produced < room_len {
                break;
            }
        }
        let compressed = out.filled().strip_suffix(&TAIL)?;
        (rest.is_empty() && compressed.len() < message.len()).then_some(compressed)
    }
}

impl fmt::Debug for Compressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Compressor").finish_non_exhaustive()
    }
}
