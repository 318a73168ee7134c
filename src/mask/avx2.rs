//! Masking with 256-bit vectors.
#![allow(unsafe_code)]

use core::arch::x86_64::{
    __m256i, _mm256_loadu_si256, _mm256_set1_epi32, _mm256_storeu_si256, _mm256_xor_si256,
};

use super::scalar;

/// Proof that the CPU has AVX2: only [`Avx2::detect`] makes one.
#[derive(Clone, Copy)]
pub(super) struct Avx2(());

impl Avx2 {
    /// The check is cached by the standard library: one load and one branch.
    #[inline]
    pub(super) fn detect() -> Option<Self> {
        std::is_x86_feature_detected!("avx2").then_some(Self(()))
    }

    #[inline]
    pub(super) fn apply_mask(self, payload: &mut [u8], masking_key: [u8; 4]) {
        // SAFETY: `self` exists, so `detect` has seen that the CPU has AVX2.
        unsafe { apply_mask(payload, masking_key) }
    }
}

/// XORs 128 bytes a round, then 32, then leaves the rest to the word loop. Both strides are
/// multiples of four, so the key's phase is the same at each step.
#[target_feature(enable = "avx2")]
unsafe fn apply_mask(payload: &mut [u8], masking_key: [u8; 4]) {
    #[allow(unused_unsafe, reason = "safe in a function with the feature since Rust 1.87 only")]
    // SAFETY: the caller vouches for AVX2, which is all that the intrinsic asks for.
    let key = unsafe { _mm256_set1_epi32(i32::from_ne_bytes(masking_key)) };
    let mut rounds = payload.chunks_exact_mut(128);
    for round in &mut rounds {
        let vectors = round.as_mut_ptr().cast::<__m256i>();
        for i in 0..4 {
            // SAFETY: `round` is 128 bytes, four vectors of 32; loads and stores are unaligned ones.
            unsafe { xor(vectors.add(i), key) };
        }
    }
    let mut vectors = rounds.into_remainder().chunks_exact_mut(32);
    for vector in &mut vectors {
        // SAFETY: `vector` is exactly the 32 bytes that `xor` touches.
        unsafe { xor(vector.as_mut_ptr().cast(), key) };
    }
    scalar::apply_mask_by_words(vectors.into_remainder(), masking_key);
}

/// # Safety
///
/// `at` must be valid for reading and writing 32 bytes, at any alignment.
#[target_feature(enable = "avx2")]
unsafe fn xor(at: *mut __m256i, key: __m256i) {
    // SAFETY: the caller vouches for the 32 bytes at `at`.
    unsafe { _mm256_storeu_si256(at, _mm256_xor_si256(_mm256_loadu_si256(at), key)) }
}
