//! The codec in memory: frame headers, masking, text, whole frames in and out. No socket and no
//! thread; what those cost is in `loopback`.
//!
//! `cargo bench --bench codec` takes some minutes; `-- decode`, or another group's name, looks at one
//! thing alone.

#![allow(missing_docs)] // What criterion's macros make.

#[path = "codec/decode.rs"]
mod decode;
#[path = "codec/encode.rs"]
mod encode;
#[path = "codec/header.rs"]
mod header;
#[path = "codec/mask.rs"]
mod mask;
mod support;
#[path = "codec/utf8.rs"]
mod utf8;

use std::time::Duration;

use criterion::{Criterion, criterion_group, criterion_main};
use support::units;

criterion_group! {
    name = benches;
    config = Criterion::default()
        .warm_up_time(Duration::from_millis(300))
        .measurement_time(Duration::from_secs(1))
        .sample_size(50);
    targets = header::decode, mask::apply, utf8::validate, decode::read_buffer, encode::frames
}
criterion_main!(benches);
