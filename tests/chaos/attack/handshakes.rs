//! Attackers that do not get, or do not want, as far as a WebSocket.

use std::time::Duration;

use super::ground::Ground;
use super::{Answer, Attack, GONE, rest};
use crate::settings::{HANDSHAKE_TIMEOUT, MAX_PER_ADDRESS, Reach};

/// Connections of a storm: many more than may come at once, fewer than an address may have.
pub(super) const STORM_COUNT: usize = 90;

pub(super) const ATTACKS: [Attack; 10] = [
    Attack {
        name: "slow loris",
        count: 12,
        reach: Reach::Request,
        run: slow_loris,
        pause: Duration::from_millis(50),
        answers: &["http 408", "end", "reset"],
    },
    Attack {
        name: "says nothing",
        count: 12,
        reach: Reach::Request,
        run: |ground| Ok(ground.answer_without(&ground.socket()?)),
        pause: Duration::from_millis(50),
        answers: &["end"],
    },
    Attack {
        name: "not HTTP",
        count: 4,
        reach: Reach::Request,
        run: not_http,
        pause: Duration::from_millis(30),
        answers: &["http 400", "http 408", "http 501", "http 505"],
    },
    Attack {
        name: "endless head",
        count: 4,
        reach: Reach::Request,
        run: endless_head,
        pause: Duration::from_millis(30),
        answers: &["http 431", "reset"],
    },
    Attack {
        name: "vanishes by RST",
        count: 8,
        reach: Reach::Short,
        run: |ground| vanish(ground, true),
        pause: Duration::from_millis(10),
        answers: &["gone"],
    },
    Attack {
        name: "vanishes by FIN",
        count: 8,
        reach: Reach::Short,
        run: |ground| vanish(ground, false),
        pause: Duration::from_millis(10),
        answers: &["gone"],
    },
    Attack {
        name: "pages, never reads",
        count: 4,
        reach: Reach::Request,
        run: pages,
        pause: Duration::from_millis(50),
        answers: &["http 200", "reset"],
    },
    Attack {
        name: "flood behind the request",
        count: 4,
        reach: Reach::Backlog,
        run: flood_behind,
        pause: Duration::from_millis(100),
        answers: &["http 101", "reset"],
    },
    Attack {
        name: "all from one address",
        count: 1,
        reach: Reach::Request,
        run: crowd,
        pause: Duration::from_millis(300),
        answers: &["http 429"],
    },
    Attack {
        name: "storm of connections",
        count: 1,
        reach: Reach::Request,
        run: storm,
        pause: Duration::from_millis(300),
        answers: &["gone"],
    },
];

const REQUEST: &[u8] =
    b"GET / HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
    Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";

/// The request, byte by byte, so slowly that it never ends.
fn slow_loris(ground: &Ground) -> Result<Answer, Answer> {
    let socket = ground.socket()?;
    for byte in REQUEST.chunks(1) {
        if socket.write_all(byte).is_err() {
            break;
        }
        rest(ground, Duration::from_millis(40));
        if ground.is_over() {
            return Ok(GONE.to_owned());
        }
    }
    Ok(ground.answer_without(&socket))
}

fn not_http(ground: &Ground) -> Result<Answer, Answer> {
    let socket = ground.socket()?;
    let noise: Vec<u8> = (0..fastrand::usize(20..2000)).map(|_| fastrand::u8(..)).collect();
    let _ = socket.write_all(&noise);
    Ok(ground.answer_without(&socket))
}

fn endless_head(ground: &Ground) -> Result<Answer, Answer> {
    let socket = ground.socket()?;
    let _ = socket.write_all(b"GET / HTTP/1.1\r\n");
    let line = format!("X-Filler: {}\r\n", "x".repeat(500));
    for _ in 0..100 {
        if socket.write_all(line.as_bytes()).is_err() {
            break;
        }
    }
    Ok(ground.answer_without(&socket))
}

/// Asks for a page a thousand times, and reads nothing while that is answered.
fn pages(ground: &Ground) -> Result<Answer, Answer> {
    let socket = ground.socket()?;
    let requests = b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".repeat(1000);
    let _ = socket.write_all(&requests);
    rest(ground, HANDSHAKE_TIMEOUT / 2);
    Ok(ground.answer_without(&socket))
}

/// Does not wait for the upgrade to be accepted, nor for any echo, and then breaks the protocol.
fn flood_behind(ground: &Ground) -> Result<Answer, Answer> {
    let socket = ground.socket()?;
    let frames = [REQUEST, &b"\x81\x84\0\0\0\0echo".repeat(5000), b"\xff\xff"].concat();
    let _ = socket.write_all(&frames);
    rest(ground, Duration::from_millis(500));
    Ok(ground.answer_without(&socket))
}

/// Connects, says nothing, a part of the request or all of it and some frames, and is not there any
/// more.
fn vanish(ground: &Ground, by_reset: bool) -> Result<Answer, Answer> {
    let socket = ground.socket()?;
    let frames = [REQUEST, &b"\x81\x84\0\0\0\0echo".repeat(20)].concat();
    let _ = socket.write_all(&frames[..fastrand::usize(..frames.len())]);
    if fastrand::bool() {
        rest(ground, Duration::from_millis(1));
    }
    if by_reset {
        socket.reset_on_close();
    }
    Ok("gone".to_owned())
}

/// Many at once, half of which reset.
fn storm(ground: &Ground) -> Result<Answer, Answer> {
    let mut sockets = Vec::new();
    for at in 0..STORM_COUNT {
        let socket = ground.socket()?;
        if at % 2 == 0 {
            socket.reset_on_close();
        }
        sockets.push(socket);
    }
    Ok("gone".to_owned())
}

/// More connections than an address may have; how the last one is answered.
fn crowd(ground: &Ground) -> Result<Answer, Answer> {
    let others: Vec<_> = (0..MAX_PER_ADDRESS).map(|_| ground.socket()).collect::<Result<_, _>>()?;
    let last = ground.socket()?;
    let answer = ground.answer_without(&last);
    // They have been there all the while.
    drop(others);
    Ok(answer)
}
