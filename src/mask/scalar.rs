//! Masking without `unsafe`: the oracle byte by byte, and a word loop for short payloads and for
//! CPUs without wide vectors.

/// XORs byte by byte, as RFC 6455 §5.3 writes it. The oracle of every other path.
pub fn apply_mask(payload: &mut [u8], masking_key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= masking_key[i % 4];
    }
}

/// XORs sixteen bytes at a time; compilers turn the loop into the baseline's vectors.
///
/// What is left over at the end is done as the last sixteen bytes, taken before the loop has changed
/// any of them: where the two overlap they write the same, and no loop over single bytes is needed.
#[inline]
pub fn apply_mask_by_words(payload: &mut [u8], masking_key: [u8; 4]) {
    let Some(&tail) = payload.last_chunk::<16>() else {
        return apply_mask_short(payload, masking_key);
    };
    let (key, tail_key) = keys(masking_key, payload.len());
    for block in payload.chunks_exact_mut(16) {
        let masked = u128::from_le_bytes(block.try_into().expect("chunks of 16 bytes")) ^ key;
        block.copy_from_slice(&masked.to_le_bytes());
    }
    if let Some(place) = payload.last_chunk_mut::<16>() {
        *place = (u128::from_le_bytes(tail) ^ tail_key).to_le_bytes();
    }
}

/// Fewer than sixteen bytes: their first and last eight, or four, which may overlap.
#[inline]
fn apply_mask_short(payload: &mut [u8], masking_key: [u8; 4]) {
    let (key, tail_key) = keys(masking_key, payload.len());
    if let (Some(&head), Some(&tail)) = (payload.first_chunk::<8>(), payload.last_chunk::<8>()) {
        if let Some(place) = payload.first_chunk_mut() {
            *place = (u64::from_le_bytes(head) ^ key as u64).to_le_bytes();
        }
        if let Some(place) = payload.last_chunk_mut() {
            *place = (u64::from_le_bytes(tail) ^ tail_key as u64).to_le_bytes();
        }
        return;
    }
    if let (Some(&head), Some(&tail)) = (payload.first_chunk::<4>(), payload.last_chunk::<4>()) {
        if let Some(place) = payload.first_chunk_mut() {
            *place = (u32::from_le_bytes(head) ^ key as u32).to_le_bytes();
        }
        if let Some(place) = payload.last_chunk_mut() {
            *place = (u32::from_le_bytes(tail) ^ tail_key as u32).to_le_bytes();
        }
        return;
    }
    for (byte, key) in payload.iter_mut().zip(masking_key) {
        *byte ^= key;
    }
}

/// The key over and over, as it falls on the first byte, and as it falls on any byte whose distance
/// from the end of `len` bytes is a multiple of four.
#[inline]
fn keys(masking_key: [u8; 4], len: usize) -> (u128, u128) {
    let key = u32::from_le_bytes(masking_key);
    let tail_key = key.rotate_right(8 * (len % 4) as u32);
    (repeated(key), repeated(tail_key))
}

#[inline]
fn repeated(key: u32) -> u128 {
    let twice = u64::from(key) << 32 | u64::from(key);
    u128::from(twice) << 64 | u128::from(twice)
}
