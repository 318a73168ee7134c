//! Text: the validator that takes it in pieces, beside `simdutf8` and `std` on the whole of it.

use std::hint::black_box;

use criterion::measurement::WallTime;
use criterion::{BenchmarkGroup, BenchmarkId, Criterion, Throughput};
use tickwire::utf8::Utf8Validator;

use super::units::len_name;

const LENGTHS: [usize; 3] = [128, 1 << 10, 64 << 10];

/// What a TCP segment carries over Ethernet. Odd characters are cut by it now and then.
const PIECE_LEN: usize = 1448;

/// What the texts repeat. The mixed one has characters of one to four bytes.
const PATTERNS: [(&str, &str); 2] = [
    ("ASCII", r#"{"symbol":"BTC-USD","bid":"61250.5","ask":"61251.0","sequence":184467}"#),
    ("mixed", "price: 61 250,5 € — Kurs ✓ цена κόσμε 価格は上がる 🦀 "),
];

pub(crate) fn validate(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("utf8");
    for (kind, pattern) in PATTERNS {
        for len in LENGTHS {
            validate_text(&mut group, kind, text(pattern, len).as_bytes());
        }
    }
    group.finish();
}

fn validate_text(group: &mut BenchmarkGroup<'_, WallTime>, kind: &str, text: &[u8]) {
    let parameter = format!("{kind}, {}", len_name(text.len()));
    let id = |name: &str| BenchmarkId::new(name, &parameter);
    group.throughput(Throughput::Bytes(text.len() as u64));
    group.bench_function(id("streaming, whole"), |bencher| {
        bencher.iter(|| stream([black_box(text)]));
    });
    if text.len() > PIECE_LEN {
        group.bench_function(id("streaming, pieces"), |bencher| {
            bencher.iter(|| stream(black_box(text).chunks(PIECE_LEN)));
        });
    }
    group.bench_function(id("simdutf8"), |bencher| {
        bencher.iter(|| simdutf8::basic::from_utf8(black_box(text)).is_ok());
    });
    group.bench_function(id("std"), |bencher| {
        bencher.iter(|| std::str::from_utf8(black_box(text)).is_ok());
    });
}

fn stream<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) {
    let mut validator = Utf8Validator::default();
    for piece in pieces {
        validator.push(piece).expect("the text is valid so far");
    }
    validator.finish().expect("the text is whole");
}

/// `len` bytes of the pattern over and over; what is left where a character does not fit is blank.
fn text(pattern: &str, len: usize) -> String {
    let mut text = String::with_capacity(len);
    for character in pattern.chars().cycle() {
        if text.len() + character.len_utf8() > len {
            break;
        }
        text.push(character);
    }
    text.extend(std::iter::repeat_n(' ', len - text.len()));
    text
}
