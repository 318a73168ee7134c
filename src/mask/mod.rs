//! Payload masking (RFC 6455 §5.3): XOR with a four-byte key, by SIMD where the CPU has it.
//!
//! [`apply_mask`] picks the widest implementation that the CPU offers with one cached check;
//! [`scalar`] is the safe twin that every other path is tested against.

mod apply;
#[cfg(target_arch = "x86_64")]
mod avx2;
pub mod scalar;

pub use apply::{apply_mask, rotate_key};

#[cfg(test)]
mod tests;
