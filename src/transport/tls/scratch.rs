//! The buffers that all TLS streams of a thread share.

use std::cell::RefCell;

/// The longest plaintext of a record (RFC 8446 §5.1).
pub(super) const MAX_PLAINTEXT_LEN: usize = 16 * 1024;

/// Received bytes that are looked at together: a whole handshake message of the longest kind that
/// rustls takes (64 KiB), in records.
const INPUT_LEN: usize = 72 * 1024;

/// Plaintext that is encrypted before the socket is asked to take it, in bytes: five records.
pub(super) const MAX_SEALED_LEN: usize = 5 * MAX_PLAINTEXT_LEN;

/// Their ciphertext, with room for an alert or a key update before it.
const OUTPUT_LEN: usize = MAX_SEALED_LEN + 16 * 1024;

/// Only meaningful while one stream works.
#[derive(Debug)]
pub(super) struct Scratch {
    /// Received ciphertext, decrypted where it lies.
    pub(super) input: Box<[u8]>,
    /// Ciphertext to be written.
    pub(super) output: Output,
    /// Slices of plaintext that share a record.
    pub(super) record: Vec<u8>,
}

impl Scratch {
    fn new() -> Self {
        Self {
            input: vec![0; INPUT_LEN].into(),
            output: Output { bytes: vec![0; OUTPUT_LEN], len: 0 },
            record: Vec::with_capacity(MAX_PLAINTEXT_LEN),
        }
    }
}

/// Ciphertext, one record behind another.
#[derive(Debug)]
pub(super) struct Output {
    /// Initialised in its whole length; only `..len` means anything.
    bytes: Vec<u8>,
    len: usize,
}

impl Output {
    pub(super) fn clear(&mut self) {
        self.len = 0;
    }

    pub(super) fn filled(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Lets `write` fill the room behind what is there. When it fails for want of room it says how
    /// much it needs, and is asked again.
    #[inline]
    pub(super) fn append(
        &mut self,
        mut write: impl FnMut(&mut [u8]) -> Result<usize, Option<usize>>,
    ) -> Result<(), ()> {
        loop {
            match write(&mut self.bytes[self.len..]) {
                Ok(len) => {
                    self.len += len;
                    return Ok(());
                }
                Err(Some(required)) if self.bytes.len() < self.len + required => {
                    self.bytes.resize(self.len + required, 0);
                }
                Err(_) => return Err(()),
            }
        }
    }
}

/// Lends the thread's buffers.
pub(super) fn with_scratch<R>(work: impl FnOnce(&mut Scratch) -> R) -> R {
    thread_local! {
        static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch::new());
    }
    SCRATCH.with_borrow_mut(work)
}
