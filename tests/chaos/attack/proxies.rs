//! Attackers at the port where proxies say who comes: proxies that lie, dawdle or come for a whole network.

use std::net::{IpAddr, Ipv6Addr};
use std::time::Duration;

use tickwire::proxy_protocol::ProxyHeader;

use super::ground::Ground;
use super::{Answer, Attack, GONE, rest};
use crate::settings::Reach;

const PAUSE: Duration = Duration::from_millis(50);
const COUNT: usize = 4;

/// Who is no good proxy is not answered.
const NO_ANSWER: &[&str] = &["end", "reset"];

pub(super) const ATTACKS: [Attack; 5] = [
    attack("no PROXY header", NO_ANSWER, |ground| {
        send(ground, b"GET / HTTP/1.1\r\nHost: h\r\n\r\n".to_vec())
    }),
    attack("endless PROXY header", NO_ANSWER, |ground| {
        // Version 2, TCP over IPv4, and the most that a length can say.
        let head = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\xff\xff";
        send(ground, [&head[..], &[0; 40_000]].concat())
    }),
    attack("slow PROXY header", NO_ANSWER, slow_header),
    attack("garbage from all over a network", &["close 1002"], |ground| {
        let dial = ground.dial_proxied(&header());
        let mut client = ground.open_by(&dial)?;
        let _ = client.try_send_raw(b"\xff\xff\xff\xff");
        Ok(ground.answer(&mut client))
    }),
    attack("vanishes behind its PROXY header", &["gone"], |ground| {
        let socket = ground.proxied_socket()?;
        let header = header();
        let _ = socket.write_all(&header[..fastrand::usize(..=header.len())]);
        if fastrand::bool() {
            socket.reset_on_close();
        }
        Ok("gone".to_owned())
    }),
];

const fn attack(
    name: &'static str,
    answers: &'static [&'static str],
    run: fn(&Ground) -> Result<Answer, Answer>,
) -> Attack {
    Attack { name, count: COUNT, reach: Reach::Short, run, pause: PAUSE, answers }
}

/// For a client that nobody has seen before.
fn header() -> Vec<u8> {
    let network = u128::from(Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0));
    let source = IpAddr::from(Ipv6Addr::from(network | fastrand::u128(..) >> 32));
    let destination = IpAddr::from(Ipv6Addr::LOCALHOST);
    let header = ProxyHeader::Relayed {
        source: (source, fastrand::u16(1..)).into(),
        destination: (destination, 443).into(),
    };
    header.encode_v2()
}

fn send(ground: &Ground, bytes: Vec<u8>) -> Result<Answer, Answer> {
    let socket = ground.proxied_socket()?;
    // It may have been cut off in the midst of it.
    let _ = socket.write_all(&bytes);
    Ok(ground.answer_without(&socket))
}

/// Byte by byte, so slowly that it never ends.
fn slow_header(ground: &Ground) -> Result<Answer, Answer> {
    let socket = ground.proxied_socket()?;
    for byte in header().chunks(1) {
        if ground.is_over() {
            return Ok(GONE.to_owned());
        }
        if socket.write_all(byte).is_err() {
            break;
        }
        rest(ground, Duration::from_millis(40));
    }
    Ok(ground.answer_without(&socket))
}
