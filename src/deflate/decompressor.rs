//! From compressed messages to what they were (RFC 7692 §7.2.2).

use std::fmt;

use zlib_rs::{Inflate, InflateFlush, Status};

use super::WindowBits;
use super::compressor::TAIL;
use crate::buf::ReceiveBuffer;

/// Decompresses whole messages, of any number of connections in turn: what one message leaves to the
/// next is no more than its bytes, and whoever needs them keeps them.
pub struct Decompressor {
    inner: Inflate,
    /// What stands behind a message that ends where it should: the tail that the sender took off, and
    /// an empty last block. Whatever is missing before it makes it no end.
    end: [u8; 6],
    /// What it inflates comes from strangers.
    of_strangers: bool,
}

/// Why a message cannot be inflated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InflateError {
    /// It is no DEFLATE data (RFC 1951), is cut off, or refers to what was before the window.
    #[error("a compressed message cannot be inflated")]
    Corrupt,
    /// It would be longer than the limit, in bytes. Nothing beyond that was inflated.
    #[error("a compressed message inflates to more than {limit} bytes")]
    TooBig {
        /// The limit that it exceeds, in bytes.
        limit: usize,
    },
    /// It is made of more blocks than the limit.
    #[error("a compressed message is made of more than {limit} blocks")]
    TooManyBlocks {
        /// The limit that it exceeds, in blocks.
        limit: usize,
    },
    /// More of its blocks than the limit say that they are the last one.
    #[error("a compressed message goes on behind more than {limit} last blocks")]
    TooManyEnds {
        /// The limit that it exceeds, in blocks.
        limit: usize,
    },
}

/// So many last blocks any message may go on behind (RFC 7692 §7.2.3.4): a sender has no reason for more
/// than one.
const FREE_ENDS: usize = 64;

/// One more for so many bytes that a message may be long: behind each of them as much must be copied as it
/// may refer to, and two bytes are enough for such a block.
const LEN_PER_END: usize = 8 * 1024;

/// Going on behind a last block takes as much time as it does to inflate so many bytes (0.8 to 1.8 µs).
const END_WEIGHT: u64 = 2 * 1024;

/// So many blocks any message may be made of: a sender ends one with each flush.
const FREE_BLOCKS: usize = 1024;

/// One more for so many bytes that a message may be long: zlib puts no fewer symbols into a block, with
/// whatever settings.
const LEN_PER_BLOCK: usize = 127;

/// So many of them may be long enough for tables of their own in what strangers send, ...
const FREE_TABLES: usize = 64;

/// ... and one more for so many bytes that a message may be long: what takes as much time as tables do. With
/// little memory (`memLevel` 1 of zlib) a sender may make more.
const LEN_PER_TABLES: usize = 4 * 1024;

/// The tables of a block take no fewer bytes than this.
const MIN_TABLES_LEN: usize = 11;

/// What blocks cost is counted from here on: most messages are one block, with an empty one behind it.
const UNCOUNTED_BLOCKS: usize = 2;

/// To make the tables of a block (RFC 1951 §3.2.7) takes as much time as it does to inflate so many bytes
/// (up to 7 µs), ...
const BLOCK_WEIGHT: u64 = 4 * 1024;

/// ... and no more than so many for each byte of what describes them (up to 0.2 µs).
const TABLE_BYTE_WEIGHT: u64 = 128;

/// How far a call has come.
enum Step {
    /// The input is used up, and there is room for more output.
    NeedsInput,
    /// A block has ended, if that was asked for.
    BlockEnded,
    /// There may be more output.
    NeedsRoom,
    /// A block says that it is the last one.
    Ended,
}

impl Decompressor {
    /// A decompressor for windows of any length, of what strangers send: a message of theirs does not take much
    /// more time than the longest ordinary one.
    #[must_use]
    pub fn for_strangers() -> Self {
        Self { of_strangers: true, ..Self::new() }
    }

    /// A decompressor for windows of any length.
    #[must_use]
    pub fn new() -> Self {
        let mut end = [0; 6];
        end[..4].copy_from_slice(&TAIL);
        // A last block of fixed codes that has none but its end.
        end[4] = 0b011;
        Self { inner: Inflate::new(false, WindowBits::MAX.get()), end, of_strangers: false }
    }

    /// Inflates a message into `out`, which is empty: at most `limit` bytes of it. `window` is what it
    /// may refer to: the end of the messages before it.
    ///
    /// Returns the effort that it has taken: how many bytes of an ordinary message are inflated in that
    /// time. That is the length of the message, or more if it is made of many blocks with little in them, and
    /// 2 KiB for each block that says that it is the last one, and is not. There may be 64 of those and one more
    /// for each 8 KiB of the limit, and 1,024 blocks in all and one more for each 127 bytes of it. Of strangers
    /// there may be 64 blocks that are long enough for tables, and one more for each 4 KiB of it.
    ///
    /// # Errors
    /// [`InflateError`]; `out` holds what came before the error.
    pub fn decompress(
        &mut self,
        compressed: &[u8],
        window: &[u8],
        limit: usize,
        out: &mut ReceiveBuffer,
    ) -> Result<u64, InflateError> {
        self.restart(window, &[])?;
        let mut rest = compressed;
        let (mut blocks, max_blocks) = (0, FREE_BLOCKS + limit / LEN_PER_BLOCK);
        let of_strangers = FREE_TABLES + limit / LEN_PER_TABLES;
        let (mut tables, max_tables) =
            (0, if self.of_strangers { of_strangers } else { usize::MAX });
        let mut block_at = rest.len();
        let (mut ends, max_ends) = (0, FREE_ENDS + limit / LEN_PER_END);
        loop {
            // When all is used up a last block that has ended has not been told of yet.
            let flush = if rest.is_empty() { InflateFlush::SyncFlush } else { InflateFlush::Block };
            let step = self.step(&mut rest, flush, limit, out)?;
            if matches!(step, Step::BlockEnded | Step::Ended) {
                blocks += usize::from(matches!(step, Step::BlockEnded));
                tables += usize::from(block_at - rest.len() >= MIN_TABLES_LEN);
                block_at = rest.len();
                for (count, limit) in [(blocks, max_blocks), (tables, max_tables)] {
                    if count > limit {
                        return Err(InflateError::TooManyBlocks { limit });
                    }
                }
            }
            match step {
                Step::NeedsRoom | Step::BlockEnded => {}
                Step::NeedsInput => {
                    self.finish(limit, out)?;
                    break;
                }
                // The sender flushes by last blocks (§7.2.3.4); without the padding there is no more.
                Step::Ended if rest.is_empty() => break,
                Step::Ended if ends == max_ends => {
                    return Err(InflateError::TooManyEnds { limit: max_ends });
                }
                Step::Ended => {
                    ends += 1;
                    self.restart(window, out.filled())?;
                }
            }
        }
        let counted = blocks.saturating_sub(UNCOUNTED_BLOCKS) as u64;
        let weight = (counted * BLOCK_WEIGHT).min(compressed.len() as u64 * TABLE_BYTE_WEIGHT);
        Ok(weight.max(out.len() as u64) + ends as u64 * END_WEIGHT)
    }

    /// Puts behind a message what was taken off, and sees whether it is at its end there.
    fn finish(&mut self, limit: usize, out: &mut ReceiveBuffer) -> Result<(), InflateError> {
        let (end, message_len) = (self.end, out.len());
        let mut rest = &end[..];
        loop {
            let step = self.step(&mut rest, InflateFlush::SyncFlush, limit, out)?;
            // What was taken off holds no symbols: any that are found are made up, for a block that was
            // cut off.
            if out.len() > message_len {
                return Err(InflateError::Corrupt);
            }
            match step {
                Step::NeedsRoom => {}
                // The tail's block may itself say that it is the last one (§7.2.1).
                Step::Ended if rest.is_empty() || rest.len() == end.len() - TAIL.len() => {
                    return Ok(());
                }
                Step::NeedsInput | Step::BlockEnded | Step::Ended => {
                    return Err(InflateError::Corrupt);
                }
            }
        }
    }

    /// Begins a new stream behind `window` and `then`.
    fn restart(&mut self, window: &[u8], then: &[u8]) -> Result<(), InflateError> {
        self.inner.reset(false);
        for dictionary in [window, then] {
            if !dictionary.is_empty() {
                self.inner.set_dictionary(dictionary).map_err(|_| InflateError::Corrupt)?;
            }
        }
        Ok(())
    }

    fn step(
        &mut self,
        rest: &mut &[u8],
        flush: InflateFlush,
        limit: usize,
        out: &mut ReceiveBuffer,
    ) -> Result<Step, InflateError> {
        // At the limit one byte more would be too much: there is room for it here, to see it come.
        let mut beyond = [0];
        let at_limit = out.len() == limit;
        let room = if at_limit { &mut beyond } else { out.spare(limit - out.len()) };
        let room_len = room.len();
        let (in_before, out_before) = (self.inner.total_in(), self.inner.total_out());
        let status = self.inner.decompress(rest, room, flush);
        let used = (self.inner.total_in() - in_before) as usize;
        let produced = (self.inner.total_out() - out_before) as usize;
        *rest = &rest[used..];
        if at_limit && produced > 0 {
            return Err(InflateError::TooBig { limit });
        }
        out.advance(produced);
        match status {
            Err(_) => Err(InflateError::Corrupt),
            Ok(Status::StreamEnd) => Ok(Step::Ended),
            Ok(_) if produced == room_len => Ok(Step::NeedsRoom),
            // It goes on while there are both, unless it is to stop behind blocks. Also if it has stopped for
            // want of input: whatever there is of a block counts as one.
            Ok(_) if used + produced > 0 && matches!(flush, InflateFlush::Block) => {
                Ok(Step::BlockEnded)
            }
            Ok(_) if rest.is_empty() => Ok(Step::NeedsInput),
            // That it did not go on is no end either.
            Ok(_) => Err(InflateError::Corrupt),
        }
    }
}

impl Default for Decompressor {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Decompressor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Decompressor").finish_non_exhaustive()
    }
}
