//! Masking (RFC 6455 §5.3): the entry, which picks SIMD, beside both of its safe twins.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use tickwire::frame::MAX_HEADER_LEN;
use tickwire::mask::{apply_mask, scalar};

use super::units::len_name;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// From a ping's payload to the longest message that is taken by default.
const LENGTHS: [usize; 8] = [8, 20, 125, 256, 1 << 10, 16 << 10, 64 << 10, 1 << 20];

/// Short payloads are many, one behind another: whoever masks the same one over and over waits for
/// its own stores. Together they stay in the first cache.
const RUN_LEN: usize = 16 << 10;

type Mask = fn(&mut [u8], [u8; 4]);

/// By name; the last is the oracle, byte by byte.
const CONTESTANTS: [(&str, Mask); 3] = [
    ("widest", apply_mask),
    ("by words", scalar::apply_mask_by_words),
    ("by bytes", scalar::apply_mask),
];

pub(crate) fn apply(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mask");
    for len in LENGTHS {
        // A payload lies behind a header, wherever that puts it.
        let frame_len = MAX_HEADER_LEN + len;
        let count = (RUN_LEN / frame_len).max(1);
        let mut frames = vec![0x5a; count * frame_len];
        group.throughput(Throughput::Bytes((count * len) as u64));
        for (name, mask) in CONTESTANTS {
            group.bench_function(BenchmarkId::new(name, len_name(len)), |bencher| {
                bencher.iter(|| {
                    for frame in frames.chunks_exact_mut(frame_len) {
                        mask(black_box(&mut frame[MAX_HEADER_LEN..]), KEY);
                    }
                });
            });
        }
    }
    group.finish();
}
