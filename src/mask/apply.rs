//! The one entry: picks the widest implementation that the CPU offers.

use super::scalar;

/// Payloads shorter than this many bytes are masked word by word: looking for a wider
/// implementation costs more than it saves.
const WIDE_FROM_LEN: usize = 128;

/// XORs `payload` with `masking_key`, whose first byte falls on the payload's first byte.
///
/// Masking and unmasking are the same operation (RFC 6455 §5.3). For a payload that arrives in
/// pieces, turn the key with [`rotate_key`] between them. O(n), no allocation.
#[inline]
pub fn apply_mask(payload: &mut [u8], masking_key: [u8; 4]) {
    if payload.len() < WIDE_FROM_LEN {
        return scalar::apply_mask_by_words(payload, masking_key);
    }
    apply_mask_wide(payload, masking_key);
}

#[cfg(target_arch = "x86_64")]
fn apply_mask_wide(payload: &mut [u8], masking_key: [u8; 4]) {
    match super::avx2::Avx2::detect() {
        Some(avx2) => avx2.apply_mask(payload, masking_key),
        None => scalar::apply_mask_by_words(payload, masking_key),
    }
}

/// Elsewhere the word loop compiles to the architecture's baseline vectors (NEON on aarch64).
#[cfg(not(target_arch = "x86_64"))]
fn apply_mask_wide(payload: &mut [u8], masking_key: [u8; 4]) {
    scalar::apply_mask_by_words(payload, masking_key);
}

/// The key as it falls on the byte `consumed` bytes further into the payload.
#[inline]
#[must_use]
pub fn rotate_key(mut masking_key: [u8; 4], consumed: usize) -> [u8; 4] {
    masking_key.rotate_left(consumed % 4);
    masking_key
}
