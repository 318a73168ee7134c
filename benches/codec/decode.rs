//! Whole frames from a full read buffer, as an event loop decodes them from a client that pipelines.

use std::hint::black_box;

use criterion::{BatchSize, Criterion};
use tickwire::frame::{OpCode, encode_frame};
use tickwire::protocol::{Endpoint, Event, Limits, Role, Workspace};

use super::units::{Amount, bench_in_both};

const READ_BUFFER_LEN: usize = 64 * 1024;

/// Payload lengths that repeat: orders among their acknowledgements, with a book now and then.
const SIZES: [(&str, &[usize]); 3] = [
    ("20 B", &[20]),
    ("1 KiB", &[1024]),
    ("mixed", &[20, 33, 20, 180, 64, 20, 1024, 125, 20, 4000]),
];

const KINDS: [(&str, OpCode); 2] = [("text", OpCode::Text), ("binary", OpCode::Binary)];

pub(crate) fn read_buffer(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("decode");
    for (sizes, payload_lens) in SIZES {
        for (kind, opcode) in KINDS {
            let stream = Stream::new(opcode, payload_lens);
            let mut receiver = Receiver::new();
            assert_eq!(receiver.receive(&mut stream.reads()), stream.amount.messages);
            bench_in_both(&mut group, &format!("{sizes}, {kind}"), stream.amount, |bencher| {
                // Decoding unmasks in place, so each time takes the bytes as they came. They are
                // copied just before, which leaves them in the cache, as the kernel does.
                bencher.iter_batched_ref(
                    || stream.reads(),
                    |reads| receiver.receive(reads),
                    BatchSize::PerIteration,
                );
            });
        }
    }
    group.finish();
}

/// Frames that fill the read buffer and end a little beyond it.
struct Stream {
    bytes: Vec<u8>,
    amount: Amount,
}

impl Stream {
    fn new(opcode: OpCode, payload_lens: &[usize]) -> Self {
        let mut bytes = Vec::new();
        let mut amount = Amount { messages: 0, bytes: 0 };
        for &payload_len in payload_lens.iter().cycle() {
            if bytes.len() > READ_BUFFER_LEN {
                break;
            }
            let payload: Vec<u8> = (b'a'..=b'z').cycle().take(payload_len).collect();
            let key = (amount.messages as u32).wrapping_mul(0x9e37_79b9).to_be_bytes();
            encode_frame(&mut bytes, true, opcode, Some(key), &payload);
            amount.messages += 1;
            amount.bytes += payload_len;
        }
        Self { bytes, amount }
    }

    /// A full buffer, whose last frame is cut, and a short read with the rest of that frame: the
    /// endpoint is then as it was before.
    fn reads(&self) -> [Vec<u8>; 2] {
        let (full, rest) = self.bytes.split_at(READ_BUFFER_LEN);
        [full.to_vec(), rest.to_vec()]
    }
}

/// One connection's receiving side.
struct Receiver {
    workspace: Workspace,
    endpoint: Endpoint,
}

impl Receiver {
    fn new() -> Self {
        Self {
            workspace: Workspace::new(Role::Server, Limits::default()),
            endpoint: Endpoint::new(),
        }
    }

    /// Decodes all reads; returns how many messages they were.
    fn receive(&mut self, reads: &mut [Vec<u8>; 2]) -> usize {
        reads.iter_mut().map(|read| self.decode_all(read)).sum()
    }

    fn decode_all(&mut self, read: &mut [u8]) -> usize {
        let mut messages = 0;
        let mut at = 0;
        while at < read.len() {
            let decoded = self.endpoint.decode(&mut self.workspace, &mut read[at..]);
            let (consumed, event) = decoded.expect("the frames are valid");
            at += consumed;
            match event {
                Some(Event::Message(message)) => {
                    black_box(message);
                }
                Some(Event::Assembled(message)) => self.workspace.recycle(black_box(message)),
                Some(other) => unreachable!("only messages are sent: {other:?}"),
                None => break,
            }
            messages += 1;
        }
        assert_eq!(at, read.len(), "what is cut is a payload, not a header");
        messages
    }
}
