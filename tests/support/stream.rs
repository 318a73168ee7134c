//! A stream that must mean the same however it is cut.
#![allow(dead_code, reason = "each test binary asserts what it needs")]

use std::ops::Range;

use tickwire::protocol::{Limits, ProtocolError, Role};

use super::frames::{Frame, encode_all};
use super::receiver::{Receiver, Seen};

/// Streams up to this long are cut in two at every byte; longer ones near both ends, and here and
/// there between.
const EVERY_CUT_LEN: usize = 2048;

/// The bytes of some frames, and the endpoint that they are for.
pub(crate) struct Stream {
    role: Role,
    limits: Limits,
    bytes: Vec<u8>,
    /// Where the last of the frames lies.
    last: Range<usize>,
}

impl Stream {
    pub(crate) fn new(role: Role, frames: &[Frame]) -> Self {
        let bytes = encode_all(role, frames);
        let last_len = frames.last().map_or(0, |frame| frame.encode(role).len());
        let last = bytes.len() - last_len..bytes.len();
        Self { role, limits: Limits::default(), bytes, last }
    }

    pub(crate) fn from_wire(role: Role, bytes: &[u8]) -> Self {
        let last = 0..bytes.len();
        Self { role, limits: Limits::default(), bytes: bytes.to_vec(), last }
    }

    pub(crate) fn under(self, limits: Limits) -> Self {
        Self { limits, ..self }
    }

    /// Holds that the stream gives exactly `expected`, without an error, however it is cut.
    pub(crate) fn yields(&self, expected: &[Seen]) {
        for (way, receiver) in self.feed_every_way() {
            assert_eq!(receiver.failure, None, "{}, {way}", self.describe());
            assert_eq!(receiver.seen, expected, "{}, {way}", self.describe());
        }
    }

    /// Holds that the stream gives `before` and then fails with `error` and its close `code`
    /// when byte `needed` (1 is the first) of the last frame has come: not before it, not later,
    /// however it is cut, and whatever follows.
    pub(crate) fn fails(&self, before: &[Seen], error: ProtocolError, code: u16, needed: usize) {
        assert_eq!(error.close_code().to_u16(), code, "{error}");
        let needed = self.last.start + needed;
        assert!(needed <= self.bytes.len(), "the test's own stream is too short");
        self.fails_at(needed, before, error);
        let followed = Self {
            bytes: [&self.bytes[..], &Frame::text("behind").encode(self.role)].concat(),
            limits: self.limits,
            role: self.role,
            last: self.last.clone(),
        };
        followed.fails_at(needed, before, error);
    }

    fn fails_at(&self, needed: usize, before: &[Seen], error: ProtocolError) {
        let mut receiver = Receiver::new(self.role, self.limits);
        for (i, byte) in self.bytes.iter().enumerate() {
            receiver.feed(&[*byte]);
            let failed = receiver.failure.is_some();
            assert_eq!(failed, i + 1 >= needed, "{} after {} bytes", self.describe(), i + 1);
        }
        for cut in cuts(self.bytes.len()) {
            let mut receiver = Receiver::new(self.role, self.limits);
            receiver.feed(&self.bytes[..cut]);
            let failed = receiver.failure.is_some();
            assert_eq!(failed, cut >= needed, "{} cut at {cut}", self.describe());
        }
        for (way, receiver) in self.feed_every_way() {
            assert_eq!(receiver.failure, Some(error), "{}, {way}", self.describe());
            assert_eq!(receiver.seen, before, "{}, {way}", self.describe());
            assert!(receiver.endpoint.is_input_ended());
        }
    }

    /// Whole, byte by byte, in two pieces at each byte, and received directly.
    fn feed_every_way(&self) -> impl Iterator<Item = (String, Receiver)> + '_ {
        let fed = |way: String, feed: &dyn Fn(&mut Receiver)| {
            let mut receiver = Receiver::new(self.role, self.limits);
            feed(&mut receiver);
            (way, receiver)
        };
        let whole = fed("whole".into(), &|receiver| receiver.feed(&self.bytes));
        let bytewise = fed("byte by byte".into(), &|receiver| {
            self.bytes.chunks(1).for_each(|byte| receiver.feed(byte));
        });
        let cut_once = cuts(self.bytes.len()).map(move |cut| {
            fed(format!("cut at {cut}"), &|receiver| {
                receiver.feed(&self.bytes[..cut]);
                receiver.feed(&self.bytes[cut..]);
            })
        });
        let direct = [1, 3, usize::MAX].into_iter().map(move |step| {
            fed(format!("direct by {step}"), &|receiver| receiver.feed_direct(&self.bytes, step))
        });
        [whole, bytewise].into_iter().chain(cut_once).chain(direct)
    }

    fn describe(&self) -> String {
        let start = &self.bytes[..self.bytes.len().min(40)];
        format!("{:?} receiving {} bytes {start:02x?}", self.role, self.bytes.len())
    }
}

fn cuts(len: usize) -> impl Iterator<Item = usize> {
    let near_end = move |cut: &usize| *cut < 32 || len - *cut < 32 || cut % 9973 == 0;
    (0..=len).filter(move |cut| len <= EVERY_CUT_LEN || near_end(cut))
}
