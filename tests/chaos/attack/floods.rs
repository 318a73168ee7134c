//! Attackers that send what is in order, but far too much of it.

use std::io::ErrorKind;
use std::net::Shutdown;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tickwire::frame::OpCode;

use super::ground::{Ground, frame};
use super::{Answer, Attack, is_after, rest};
use crate::settings::{MAX_MESSAGE_LEN, Reach};
use crate::support::{Client, Received};

/// Who is neither answered nor stopped goes after so long.
const FLOOD_TIME: Duration = Duration::from_secs(4);
/// Frames that are sent at once, and the wait for the next.
const BURST_COUNT: usize = 200;
const INTERVAL: Duration = Duration::from_millis(20);

const PAUSE: Duration = Duration::from_millis(100);
const COUNT: usize = 6;

/// They are stopped before they close themselves.
const STOPPED: &[&str] = &["close 1008"];

pub(super) const ATTACKS: [Attack; 8] = [
    flood("ping flood", STOPPED, |ground| flood_with(ground, OpCode::Ping, true)),
    flood("ping flood, never reads", &["close 1008", "end", "reset"], |ground| {
        flood_with(ground, OpCode::Ping, false)
    }),
    flood("pong flood", STOPPED, |ground| flood_with(ground, OpCode::Pong, true)),
    flood("message flood", STOPPED, |ground| flood_with(ground, OpCode::Text, true)),
    // Its echoes may be what is given up when too much waits for all together.
    poured("flood of large messages", &["close 1008", "reset", "end"], |ground| {
        let client = ground.open()?;
        let message = frame(true, OpCode::Binary, &[0; MAX_MESSAGE_LEN]);
        Ok(flood_and_read(ground, client, &message))
    }),
    poured("flood of requests", &["http 429", "reset"], requests),
    flood("flood of empty fragments", STOPPED, |ground| fragments(ground, b"")),
    flood("flood of tiny fragments", STOPPED, |ground| fragments(ground, b"x")),
];

const fn flood(
    name: &'static str,
    answers: &'static [&'static str],
    run: fn(&Ground) -> Result<Answer, Answer>,
) -> Attack {
    Attack { name, count: COUNT, reach: Reach::Backlog, run, pause: PAUSE, answers }
}

/// As much at once as is taken. What the limits let pass must be less than all that a core can do.
const fn poured(
    name: &'static str,
    answers: &'static [&'static str],
    run: fn(&Ground) -> Result<Answer, Answer>,
) -> Attack {
    let pause = Duration::from_secs(1);
    Attack { count: 2, pause, ..flood(name, answers, run) }
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

/// Sends the same frames again and again, as fast as they are taken, and reads meanwhile.
pub(super) fn flood_and_read(ground: &Ground, mut client: Client, frames: &[u8]) -> Answer {
    let (writer, is_over) = (client.writer(), AtomicBool::new(false));
    std::thread::scope(|scope| {
        scope.spawn(|| pour(frames, &is_over, |bytes| writer.try_send_some(bytes)));
        let answer = ground.answer(&mut client);
        is_over.store(true, Ordering::Relaxed);
        // The other may be waiting; the server may have ended it already.
        let _ = client.socket().shutdown(Shutdown::Both);
        answer
    })
}

/// Asks for a page, again and again.
fn requests(ground: &Ground) -> Result<Answer, Answer> {
    let (socket, is_over) = (ground.socket()?, AtomicBool::new(false));
    let requests = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(BURST_COUNT);
    Ok(std::thread::scope(|scope| {
        scope.spawn(|| pour(&requests, &is_over, |bytes| socket.write(bytes)));
        let answer = ground.answer_without(&socket);
        is_over.store(true, Ordering::Relaxed);
        let _ = socket.shutdown(Shutdown::Both);
        answer
    }))
}

/// Sends the same bytes again and again until it is over or nobody takes them any more.
fn pour(bytes: &[u8], is_over: &AtomicBool, send: impl Fn(&[u8]) -> std::io::Result<usize>) {
    let mut at = 0;
    while !is_over.load(Ordering::Relaxed) {
        match send(&bytes[at..]) {
            Ok(len) => at = (at + len) % bytes.len(),
            Err(error) if error.kind() == ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
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
