//! Whole frames into a buffer that is used again, as an event loop gathers what it sends in a turn.

use std::hint::black_box;

use criterion::Criterion;
use tickwire::frame::{MAX_HEADER_LEN, OpCode, encode_frame};

use super::units::{Amount, bench_in_both, len_name};

/// Bytes of payload that are gathered.
const TURN_LEN: usize = 64 << 10;

const LENGTHS: [usize; 3] = [20, 1 << 10, 16 << 10];

/// Who sends, and with which key (RFC 6455 §5.1).
const ROLES: [(&str, Option<[u8; 4]>); 2] =
    [("server", None), ("client", Some([0x37, 0xfa, 0x21, 0x3d]))];

pub(crate) fn frames(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("encode");
    for len in LENGTHS {
        let payload = vec![b'x'; len];
        let count = TURN_LEN / len;
        let mut out = Vec::with_capacity(count * (MAX_HEADER_LEN + len));
        for (role, masking_key) in ROLES {
            let name = format!("{}, {role}", len_name(len));
            bench_in_both(&mut group, &name, Amount::of_messages(count, len), |bencher| {
                bencher.iter(|| {
                    out.clear();
                    for _ in 0..count {
                        let (key, payload) = (black_box(masking_key), black_box(&*payload));
                        encode_frame(&mut out, true, OpCode::Text, key, payload);
                    }
                    black_box(out.as_slice()).len()
                });
            });
        }
    }
    group.finish();
}
