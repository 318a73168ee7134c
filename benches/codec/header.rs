//! Frame headers (RFC 6455 §5.2) in each of their lengths, from a client and from a server.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput};
use tickwire::frame::{FrameHeader, HeaderRules, OpCode};

/// Headers in a row: where one ends is known only when it has been decoded, as on the wire.
const COUNT: usize = 256;

/// A payload length of each encoding.
const LENGTHS: [(&str, u64); 3] = [("7-bit", 20), ("16-bit", 1024), ("64-bit", 1 << 17)];

pub(crate) fn decode(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("header");
    group.throughput(Throughput::Elements(COUNT as u64));
    for (sender, masked) in [("client", true), ("server", false)] {
        for (name, payload_len) in LENGTHS {
            let headers = headers(masked, payload_len);
            let rules = HeaderRules { masked, rsv1_allowed: false };
            group.bench_function(BenchmarkId::new(name, sender), |bencher| {
                bencher.iter(|| decode_all(black_box(&headers), rules));
            });
        }
    }
    group.finish();
}

/// Without the payloads, which would only take up cache.
fn headers(masked: bool, payload_len: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    for i in 0..COUNT {
        let header = FrameHeader {
            fin: true,
            rsv1: false,
            opcode: if i % 2 == 0 { OpCode::Text } else { OpCode::Binary },
            masking_key: masked.then_some([i as u8, 0x5a, 0xc3, 0x0f]),
            payload_len,
        };
        let (head, head_len) = header.encode();
        bytes.extend_from_slice(&head[..head_len]);
    }
    bytes
}

fn decode_all(mut input: &[u8], rules: HeaderRules) {
    while let Some((header, head_len)) =
        FrameHeader::decode(input, rules).expect("the headers are valid")
    {
        black_box(header);
        input = &input[head_len..];
    }
    assert!(input.is_empty(), "the headers are whole");
}
