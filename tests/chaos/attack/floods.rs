//! Attackers that send what is in order, but far too much of it.

use std::time::{Duration, Instant};

use tickwire::frame::OpCode;

use super::ground::{Ground, frame};
use super::{Answer, Attack, is_after, rest};
use crate::settings::Reach;
use crate::support::{Client, Received};

/// Who is neither answered nor stopped goes after so long.
const FLOOD_TIME: Duration = Duration::from_millis(1500);
/// Frames that are sent at once, and the wait for the next.
const BURST_COUNT: usize = 200;
const INTERVAL: Duration = Duration::from_millis(20);

const PAUSE: Duration = Duration::from_millis(100);
const COUNT: usize = 6;

/// They close after [`FLOOD_TIME`]: who was let be gets its close frame back.
const SERVED: &str = "close 1000";

pub(super) const ATTACKS: [Attack; 6] = [
    flood("ping flood", &[SERVED], |ground| flood_with(ground, OpCode::Ping, true)),
    flood("ping flood, never reads", &[SERVED, "reset"], |ground| {
        flood_with(ground, OpCode::Ping, false)
    }),
    flood("pong flood", &[SERVED], |ground| flood_with(ground, OpCode::Pong, true)),
    flood("message flood", &[SERVED], |ground| flood_with(ground, OpCode::Text, true)),
    flood("flood of empty fragments", &["close 1008"], |ground| fragments(ground, b"")),
    flood("flood of tiny fragments", &["close 1008"], |ground| fragments(ground, b"x")),
];

const fn flood(
    name: &'static str,
    answers: &'static [&'static str],
    run: fn(&Ground) -> Result<Answer, Answer>,
) -> Attack {
    Attack { name, count: COUNT, reach: Reach::Backlog, run, pause: PAUSE, answers }
}

fn flood_with(ground: &Ground, opcode: OpCode, reads: bool) -> Result<Answer, Answer> {
    let mut client = ground.open()?;
    let payload = [b'x'; 125];
    let burst: Vec<u8> = (0..BURST_COUNT)
        .flat_map(|_| frame(true, opcode, &payload[..fastrand::usize(..payload.len())]))
        .collect();
    let start = Instant::now();
    while !is_after(start, FLOOD_TIME) && !ground.is_over() {
        if client.try_send_raw(&burst).is_err() {
            // Nothing is taken any more, perhaps in the midst of a frame.
            return Ok(ground.answer(&mut client));
        }
        if let Some(answer) = reads.then(|| read_all(&mut client)).flatten() {
            return Ok(answer);
        }
        rest(ground, INTERVAL);
    }
    let _ = client.try_send_raw(&frame(true, OpCode::Close, b"\x03\xe8"));
    Ok(ground.answer(&mut client))
}

/// Reads what has come; the engine may have ended it.
fn read_all(client: &mut Client) -> Option<Answer> {
    loop {
        match client.recv_within(Duration::from_millis(1))? {
            Received::Close(code, _) => return Some(format!("close {code}")),
            Received::End => return Some("end".to_owned()),
            Received::Reset => return Some("reset".to_owned()),
            _ => {}
        }
    }
}

/// A message that does not end, in ever more fragments.
fn fragments(ground: &Ground, payload: &[u8]) -> Result<Answer, Answer> {
    let mut client = ground.open()?;
    let _ = client.try_send_raw(&frame(false, OpCode::Binary, payload));
    let burst = frame(false, OpCode::Continuation, payload).repeat(BURST_COUNT);
    while !ground.is_over() {
        if client.try_send_raw(&burst).is_err() {
            return Ok(ground.answer(&mut client));
        }
        if let Some(answer) = read_all(&mut client) {
            return Ok(answer);
        }
        rest(ground, INTERVAL);
    }
    Ok(super::GONE.to_owned())
}
