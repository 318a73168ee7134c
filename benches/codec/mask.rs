//! Masking (RFC 6455 §5.3): the entry, which picks SIMD, beside both of its safe twins.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use tickwire::frame::MAX_HEADER_LEN;
use tickwire::mask::{apply_mask, scalar};

use super::units::len_name;

const KEY: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// From a ping's payload to the longest message that is taken by default.
const LENGTHS: [usize; 8] = [8, 20, 125, 256, 1 << 10, 16 << 10, 64 << 10, 1 << 20];

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
        let mut buffer = vec![0x5a; MAX_HEADER_LEN + len];
        let payload = &mut buffer[MAX_HEADER_LEN..];
        group.throughput(Throughput::Bytes(len as u64));
        for (name, mask) in CONTESTANTS {
            group.bench_function(BenchmarkId::new(name, len_name(len)), |bencher| {
                bencher.iter(|| mask(black_box(payload), black_box(KEY)));
            });
        }
    }
    group.finish();
}
