//! Throughput in messages and in bytes. Criterion states one of them, so a benchmark runs for each.

use criterion::measurement::WallTime;
use criterion::{Bencher, BenchmarkGroup, BenchmarkId, Throughput};

/// What one iteration takes care of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Amount {
    pub(crate) messages: usize,
    /// Of payload.
    pub(crate) bytes: usize,
}

impl Amount {
    pub(crate) fn of_messages(messages: usize, payload_len: usize) -> Self {
        Self { messages, bytes: messages * payload_len }
    }
}

/// Times `routine` twice, under `name/messages` and `name/bytes`.
pub(crate) fn bench_in_both(
    group: &mut BenchmarkGroup<'_, WallTime>,
    name: &str,
    amount: Amount,
    mut routine: impl FnMut(&mut Bencher<'_>),
) {
    let units = [
        ("messages", Throughput::Elements(amount.messages as u64)),
        ("bytes", Throughput::Bytes(amount.bytes as u64)),
    ];
    for (unit, throughput) in units {
        group.throughput(throughput);
        group.bench_function(BenchmarkId::new(name, unit), &mut routine);
    }
}

/// A length as it stands in a benchmark's name.
pub(crate) fn len_name(len: usize) -> String {
    match len {
        mib if mib >= 1 << 20 && mib % (1 << 20) == 0 => format!("{} MiB", mib >> 20),
        kib if kib >= 1 << 10 && kib % (1 << 10) == 0 => format!("{} KiB", kib >> 10),
        bytes => format!("{bytes} B"),
    }
}
