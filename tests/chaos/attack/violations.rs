//! Attackers that break the protocol, each in one way.

use std::time::Duration;

use tickwire::frame::OpCode;

use super::ground::{Ground, frame};
use super::{Answer, Attack, rest};
use crate::settings::{MAX_MESSAGE_LEN, Reach};
use crate::support::Received;

const PAUSE: Duration = Duration::from_millis(30);
const COUNT: usize = 4;

pub(super) const ATTACKS: [Attack; 9] = [
    violation("bad UTF-8", &["close 1007"], bad_utf8),
    Attack {
        reach: Reach::Message,
        ..violation("bad UTF-8, late", &["close 1007"], late_bad_utf8)
    },
    violation("garbage", &["close 1002", "close 1007", "close 1008", "close 1009"], garbage),
    violation("unmasked", &["close 1002"], |ground| ground.answer_to(b"\x81\x05hello")),
    violation("reserved bits", &["close 1002"], |ground| ground.answer_to(b"\x91\x80\0\0\0\0")),
    violation("huge length", &["close 1009"], |ground| {
        ground.answer_to(b"\x82\xff\x3f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0and nothing more")
    }),
    Attack {
        reach: Reach::Message,
        ..violation("length without end", &["close 1009", "reset"], too_long)
    },
    violation("bad close frame", &["close 1002", "close 1007"], |ground| {
        let payloads: [&[u8]; 3] = [b"\x03", b"\x03\xed", b"\x03\xe8\xff\xff"];
        let payload = payloads[fastrand::usize(..payloads.len())];
        ground.answer_to(&frame(true, OpCode::Close, payload))
    }),
    violation("ignores the close frame", &["end", "reset"], ignores_close),
];

const fn violation(
    name: &'static str,
    answers: &'static [&'static str],
    run: fn(&Ground) -> Result<Answer, Answer>,
) -> Attack {
    Attack { name, count: COUNT, reach: Reach::Short, run, pause: PAUSE, answers }
}

fn bad_utf8(ground: &Ground) -> Result<Answer, Answer> {
    ground.answer_to(&frame(true, OpCode::Text, b"almost \xed\xa0\x80 text"))
}

/// A good fragment first, whose last character the next one does not finish.
fn late_bad_utf8(ground: &Ground) -> Result<Answer, Answer> {
    let mut text = "é".repeat(fastrand::usize(1..20_000)).into_bytes();
    text.push(0xc3);
    let first = frame(false, OpCode::Text, &text);
    ground.answer_to(&[first, frame(true, OpCode::Continuation, b"never")].concat())
}

/// Noise that begins with an opcode that there is not, or with whatever comes.
fn garbage(ground: &Ground) -> Result<Answer, Answer> {
    let mut noise: Vec<u8> = (0..fastrand::usize(200..5000)).map(|_| fastrand::u8(..)).collect();
    // What may be waited for must come: a frame of noise may be longer than the rest of it.
    noise.extend([0xff; 100]);
    noise[0] |= 0x30;
    ground.answer_to(&noise)
}

/// More than a message may have, in fragments that each are in order.
fn too_long(ground: &Ground) -> Result<Answer, Answer> {
    let mut frames = frame(false, OpCode::Binary, b"");
    for _ in 0..=MAX_MESSAGE_LEN / 10_000 {
        frames.extend(frame(false, OpCode::Continuation, &[0; 10_000]));
    }
    ground.answer_to(&frames)
}

/// Has the connection failed, and goes on as if nothing had happened, without a close frame.
fn ignores_close(ground: &Ground) -> Result<Answer, Answer> {
    let mut client = ground.open()?;
    let _ = client.try_send_raw(b"\xff\xff");
    while !ground.is_over() {
        match client.recv_within(Duration::from_millis(20)) {
            Some(Received::End) => return Ok("end".to_owned()),
            Some(Received::Reset) => return Ok("reset".to_owned()),
            _ => {}
        }
        let _ = client.try_send_raw(&frame(true, OpCode::Text, b"still here"));
        rest(ground, Duration::from_millis(20));
    }
    Ok(super::GONE.to_owned())
}
