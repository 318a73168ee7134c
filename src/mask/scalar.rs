//! Masking without `unsafe`: the oracle byte by byte, and a word loop for short payloads and for
//! CPUs without wide vectors.

/// XORs byte by byte, as RFC 6455 §5.3 writes it. The oracle of every other path.
pub fn apply_mask(payload: &mut [u8], masking_key: [u8; 4]) {
    for (i, byte) in payload.iter_mut().enumerate() {
        *byte ^= masking_key[i % 4];
    }
}

/// XORs eight bytes at a time; compilers turn the loop into the baseline's vectors.
#[inline]
pub fn apply_mask_by_words(payload: &mut [u8], masking_key: [u8; 4]) {
    let key32 = u32::from_ne_bytes(masking_key);
    let key64 = u64::from(key32) << 32 | u64::from(key32);
    let mut words = payload.chunks_exact_mut(8);
    for word in &mut words {
        let masked = u64::from_ne_bytes(word.try_into().expect("chunks of eight bytes")) ^ key64;
        word.copy_from_slice(&masked.to_ne_bytes());
    }
    let mut tail = words.into_remainder();
    if tail.len() >= 4 {
        let (word, rest) = tail.split_at_mut(4);
        for (byte, key) in word.iter_mut().zip(masking_key) {
            *byte ^= key;
        }
        tail = rest;
    }
    for (byte, key) in tail.iter_mut().zip(masking_key) {
        *byte ^= key;
    }
}
