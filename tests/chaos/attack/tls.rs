//! Attackers at the port where TLS is spoken.

use std::time::Duration;

use tickwire::frame::OpCode;

use super::ground::{Ground, frame};
use super::{Answer, Attack, GONE, rest};
use crate::settings::Reach;

const PAUSE: Duration = Duration::from_millis(50);
const COUNT: usize = 4;

pub(super) const ATTACKS: [Attack; 6] = [
    // Who begins with plain text is answered in plain text.
    attack("garbage to TLS", &["alert", "http 400"], |ground| {
        let mut noise: Vec<u8> = (0..fastrand::usize(10..5000)).map(|_| fastrand::u8(..)).collect();
        // By chance it might begin as a record does, of which the rest never comes.
        noise[1] |= 0x80;
        send(ground, &noise)
    }),
    attack("HTTP to TLS", &["http 400"], |ground| {
        send(ground, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n")
    }),
    attack("endless TLS handshake", &["alert", "end", "reset"], slow_handshake),
    attack("TLS cut off", &["gone"], |ground| {
        let client = ground.open_tls()?;
        let _ = client.try_send_raw(&frame(true, OpCode::Text, b"echo"));
        client.reset();
        Ok("gone".to_owned())
    }),
    // By resets, for there are not that many ports.
    Attack {
        pause: Duration::from_millis(20),
        ..attack("TLS handshakes for nothing", &["gone"], |ground| {
            ground.greet_tls()?.reset_on_close();
            Ok("gone".to_owned())
        })
    },
    attack("garbage within TLS", &["close 1002"], |ground| {
        let mut client = ground.open_tls()?;
        let _ = client.try_send_raw(b"\xff\xff\xff\xff");
        Ok(ground.answer(&mut client))
    }),
];

const fn attack(
    name: &'static str,
    answers: &'static [&'static str],
    run: fn(&Ground) -> Result<Answer, Answer>,
) -> Attack {
    Attack { name, count: COUNT, reach: Reach::Tls, run, pause: PAUSE, answers }
}

fn send(ground: &Ground, bytes: &[u8]) -> Result<Answer, Answer> {
    let socket = ground.tls_socket()?;
    let _ = socket.write_all(bytes);
    Ok(ground.answer_without(&socket))
}

/// The head of a long record, and then its bytes as slowly as can be.
fn slow_handshake(ground: &Ground) -> Result<Answer, Answer> {
    let socket = ground.tls_socket()?;
    let _ = socket.write_all(b"\x16\x03\x01\x20\x00\x01\x00\x1f\xfc\x03\x03");
    for _ in 0..200 {
        if ground.is_over() {
            return Ok(GONE.to_owned());
        }
        if socket.write_all(&[0]).is_err() {
            break;
        }
        rest(ground, Duration::from_millis(40));
    }
    Ok(ground.answer_without(&socket))
}
