//! Valid streams, and what they mean.

use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::Index;

use super::frames::{BINARY, Frame, TEXT};
use super::receiver::Seen;

/// Frames without a fault, and the events that they are.
#[derive(Clone, Debug)]
pub(crate) struct Script {
    pub(crate) frames: Vec<Frame>,
    pub(crate) seen: Vec<Seen>,
}

#[derive(Clone, Debug)]
struct Fragmented {
    seen: Seen,
    cuts: Vec<Index>,
    /// Control frames, and before which of the fragments they stand.
    controls: Vec<(Index, Control)>,
}

#[derive(Clone, Debug)]
enum Control {
    Ping(Vec<u8>),
    Pong(Vec<u8>),
}

/// Up to six messages in up to five fragments each, with control frames before and between them,
/// and perhaps a close frame at the end.
pub(crate) fn script() -> impl Strategy<Value = Script> {
    let keys = vec(any::<[u8; 4]>(), 1..8);
    (vec(fragmented(), 0..6), proptest::option::of(close()), keys).prop_map(
        |(messages, close, keys)| {
            let mut script = Script { frames: Vec::new(), seen: Vec::new() };
            for message in messages {
                message.append_to(&mut script);
            }
            if let Some((frame, seen)) = close {
                script.frames.push(frame);
                script.seen.push(seen);
            }
            for (frame, key) in script.frames.iter_mut().zip(keys.iter().cycle()) {
                frame.key = *key;
            }
            script
        },
    )
}

impl Fragmented {
    fn append_to(self, script: &mut Script) {
        let (opcode, payload) = match &self.seen {
            Seen::Text(text) => (TEXT, text.as_bytes()),
            Seen::Binary(bytes) => (BINARY, &bytes[..]),
            other => unreachable!("not a message: {other:?}"),
        };
        let mut ends: Vec<usize> =
            self.cuts.iter().map(|cut| cut.index(payload.len() + 1)).collect();
        ends.sort_unstable();
        ends.push(payload.len());
        let mut start = 0;
        for (i, &end) in ends.iter().enumerate() {
            for (at, control) in &self.controls {
                if at.index(ends.len()) == i {
                    control.append_to(script);
                }
            }
            let mut frame = Frame::continuation(&payload[start..end]);
            frame.fin = i + 1 == ends.len();
            if i == 0 {
                frame.opcode = opcode;
            }
            script.frames.push(frame);
            start = end;
        }
        script.seen.push(self.seen);
    }
}

impl Control {
    fn append_to(&self, script: &mut Script) {
        let (frame, seen) = match self {
            Self::Ping(payload) => (Frame::ping(payload), Seen::ping(payload)),
            Self::Pong(payload) => (Frame::pong(payload), Seen::pong(payload)),
        };
        script.frames.push(frame);
        script.seen.push(seen);
    }
}

fn fragmented() -> impl Strategy<Value = Fragmented> {
    let seen = prop_oneof![text().prop_map(Seen::Text), bytes().prop_map(Seen::Binary)];
    let controls = vec((any::<Index>(), control()), 0..3);
    (seen, vec(any::<Index>(), 0..5), controls).prop_map(|(seen, cuts, controls)| Fragmented {
        seen,
        cuts,
        controls,
    })
}

/// Mostly short; sometimes as long as the extended lengths begin.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        20 => vec(any::<u8>(), 0..40),
        6 => vec(any::<u8>(), 120..135),
        1 => (any::<u8>(), 65_530..65_540_usize).prop_map(|(byte, len)| vec![byte; len]),
    ]
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        20 => any::<String>(),
        6 => vec(any::<char>(), 30..50).prop_map(String::from_iter),
        1 => (any::<char>(), 16_380..16_400_usize)
            .prop_map(|(c, count)| std::iter::repeat_n(c, count).collect()),
    ]
}

fn control() -> impl Strategy<Value = Control> {
    let payload = || prop_oneof![4 => vec(any::<u8>(), 0..10), 1 => vec(any::<u8>(), 120..=125)];
    prop_oneof![payload().prop_map(Control::Ping), payload().prop_map(Control::Pong)]
}

fn close() -> impl Strategy<Value = (Frame, Seen)> {
    let code = prop_oneof![1000..=1003_u16, 1007..=1014_u16, 3000..=4999_u16];
    let reason = vec(any::<char>(), 0..30).prop_map(String::from_iter);
    prop_oneof![
        1 => Just((Frame::raw_close(""), Seen::close(1005, ""))),
        3 => (code, reason).prop_map(|(code, reason): (u16, String)| {
            (Frame::close(code, &reason), Seen::close(code, &reason))
        }),
    ]
}
