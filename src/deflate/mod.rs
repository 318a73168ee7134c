//! permessage-deflate (RFC 7692): what both sides agree upon, and one message's way through it.
//!
//! [`Params`] are the parameters as they stand in a header; a server answers an offer by its
//! [`Terms`], a client checks the answer with [`Params::agree`], and both hold the same [`Agreement`]
//! then. A [`Compressor`] takes whole messages, and so does a [`Decompressor`], which stops at a
//! limit *while* it inflates.
//!
//! Nothing here knows frames: RSV1 and fragments are [`protocol`](crate::protocol)'s.

mod agreement;
mod compression;
mod compressor;
mod decompressor;
mod params;
mod window_bits;

#[cfg(test)]
mod tests;

pub use agreement::{Agreement, Direction, Terms, UnacceptableResponse};
pub use compression::{Compression, CompressionMode, DedicatedCompression};
pub use compressor::Compressor;
pub use decompressor::{Decompressor, InflateError};
pub use params::{EXTENSION_NAME, InvalidParams, Params};
pub use window_bits::WindowBits;
