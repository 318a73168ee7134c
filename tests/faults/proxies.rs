//! Whoever comes to a listener behind proxies and does not do as proxies do.

use std::time::Duration;

use tickwire::Counters;
use tickwire::proxy_protocol::ProxyHeader;

#[cfg(feature = "tls")]
use super::ledger::TLS_BEHIND_PROXIES;
use super::ledger::{BEHIND_OTHERS, BEHIND_PROXIES, Ledger};
use super::support::{Client, Dial, Socket, eventually, in_each_mode};

const SHORT: Duration = Duration::from_millis(150);

/// The first bytes of version 2, its version and its command.
const PROXY_V2: &[u8] = b"\r\n\r\n\0\r\nQUIT\n\x21";
/// TCP over IPv4, from 192.0.2.7 to 198.51.100.1: twelve bytes of addresses, and two of a length before them.
const ADDRESSES: &[u8] = b"\xc0\0\x02\x07\xc6\x33\x64\x01\0\x01\x01\xbb";

/// A header of version 2 that says how long it is, and what it says.
fn v2(len: u16, block: &[u8]) -> Vec<u8> {
    [PROXY_V2, b"\x11", &len.to_be_bytes(), block].concat()
}

/// The addresses and what lies behind them.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    v2((ADDRESSES.len() + fields.len()) as u16, &[ADDRESSES, fields].concat())
}

fn relayed() -> ProxyHeader {
    ProxyHeader::Relayed {
        source: ([192, 0, 2, 7], 1).into(),
        destination: ([198, 51, 100, 1], 443).into(),
    }
}

fn connect(ledger: &Ledger, place: usize) -> Socket {
    Socket::connect_plain(&ledger.address(place), None).expect("connect")
}

/// Says this, and then nothing.
fn say(ledger: &Ledger, place: usize, bytes: &[u8]) -> Socket {
    let socket = connect(ledger, place);
    // It may have been cut off already.
    let _ = socket.write_all(bytes);
    socket
}

/// A client that comes by the same proxy.
fn good(ledger: &Ledger) -> Client {
    let address = ledger.address(BEHIND_PROXIES);
    let mut client = Dial::new(&address).through_proxy(&relayed().encode_v2(), 9).connect();
    client.send_text("hello");
    client.expect_text("hello");
    client
}

/// How many were refused, timed out, answered as what they are not, and failed in TLS.
fn numbers(ledger: &Ledger) -> [u64; 4] {
    let Counters { proxies_refused, timeouts, http_responses, tls_handshakes_failed, .. } =
        ledger.server().handle().stats().total;
    [proxies_refused, timeouts, http_responses, tls_handshakes_failed]
}

fn since(before: [u64; 4], after: [u64; 4]) -> [u64; 4] {
    std::array::from_fn(|i| after[i] - before[i])
}

/// Refused as soon as what they say cannot become a header any more.
fn liars(ledger: &Ledger) -> Vec<Socket> {
    let mut wrong_checksum = relayed().encode_v2();
    *wrong_checksum.last_mut().expect("a checksum") ^= 1;
    let lies = [
        // A line that does not end.
        [&b"PROXY TCP4 "[..], &[b'1'; 4000]].concat(),
        // The longest header that there can be, and as much of it as is taken from nobody.
        v2(u16::MAX, &[]),
        v2(u16::MAX, &[0; 40_000]),
        // Shorter than its addresses, and fields that reach beyond the header, or have half a head.
        v2(11, &ADDRESSES[..11]),
        with_fields(b"\x04\xff\xff"),
        with_fields(b"\x04\0\x02x"),
        with_fields(b"\x04\0"),
        wrong_checksum,
        with_fields(b"\x03\0\x01\0"),
    ];
    let mut sockets: Vec<_> = lies.iter().map(|lie| say(ledger, BEHIND_PROXIES, lie)).collect();
    // One that would be right, from somebody who is no proxy.
    sockets.push(say(ledger, BEHIND_OTHERS, &relayed().encode_v2()));
    sockets
}

/// There may be more to come, and never is.
fn silent(ledger: &Ledger) -> Vec<Socket> {
    let whole = relayed().encode_v2();
    let say = |bytes: &[u8]| say(ledger, BEHIND_PROXIES, bytes);
    vec![
        say(b""),
        say(&whole[..1]),
        say(&whole[..whole.len() - 1]),
        say(b"PROXY TCP4 192.0.2.7 "),
        // The most that is taken, but for a byte.
        say(&v2(16_000, &[0; 15_999])),
        // A client that has nothing to say; the proxy's own words gave it no time.
        say(&whole),
    ]
}

/// Bytes that are no header's, behind one that is whole.
fn strangers(ledger: &Ledger) -> Vec<Socket> {
    let garbage =
        [&relayed().encode_v2()[..], b"\x16\x03\x01\0\x05\x01\0\0\x01\xff\r\n\r\n"].concat();
    vec![
        say(ledger, BEHIND_PROXIES, &garbage),
        #[cfg(feature = "tls")]
        say(ledger, TLS_BEHIND_PROXIES, &garbage),
    ]
}

/// They come, say something or nothing, and are not there any more, half of them by a reset.
fn vanish(ledger: &Ledger) {
    let whole = relayed().encode_v2();
    for len in [0, 1, 15, 16, whole.len() - 1, whole.len()] {
        for resets in [false, true] {
            let socket = say(ledger, BEHIND_PROXIES, &whole[..len]);
            if resets {
                socket.reset_on_close();
            }
        }
    }
}

#[test]
fn whoever_is_no_good_proxy_leaves_nothing_behind_and_disturbs_nobody() {
    in_each_mode(|mode| {
        let ledger = Ledger::open(mode, |builder| {
            builder
                .handshake_timeout(SHORT)
                .close_timeout(SHORT)
                .ping_interval(None)
                .idle_timeout(None)
        });
        ledger.in_rounds(|| {
            let before = numbers(&ledger);
            let mut client = good(&ledger);
            let (lying, silent, strange) = (liars(&ledger), silent(&ledger), strangers(&ledger));
            // More of a header than there may be time for.
            let trickling = say(&ledger, BEHIND_PROXIES, &v2(4000, ADDRESSES));
            vanish(&ledger);
            eventually("all but the good one are gone", || {
                let _ = trickling.write(b"\x04");
                std::thread::sleep(SHORT / 30);
                ledger.connection_count() == 1
            });
            client.send_text("not disturbed");
            client.expect_text("not disturbed");
            client.leave();
            let tls_count = u64::from(cfg!(feature = "tls"));
            // Who has got a response and does not go is waited for too.
            let timeouts = silent.len() + 2;
            let expected = [lying.len() as u64, timeouts as u64, 1, tls_count];
            let counted = || since(before, numbers(&ledger));
            let total: u64 = expected.iter().sum();
            eventually("all are counted", || counted().iter().sum::<u64>() >= total);
            assert_eq!(counted(), expected);
            drop((lying, silent, strange));
        });
        ledger.close();
    });
}

/// As proxies do to see whether a server lives: `LOCAL`, and the end.
#[test]
fn health_checks_by_the_thousand_leave_nothing() {
    const COUNT: usize = 1000;
    in_each_mode(|mode| {
        let ledger = Ledger::open(mode, |builder| builder);
        let check = ProxyHeader::Unaddressed.encode_v2();
        ledger.in_rounds(|| {
            let mut client = good(&ledger);
            for at in 0..COUNT {
                let socket = say(&ledger, BEHIND_PROXIES, &check);
                if at % 2 == 0 {
                    socket.reset_on_close();
                }
            }
            client.send_text("not disturbed");
            client.expect_text("not disturbed");
            client.leave();
        });
        assert_eq!(numbers(&ledger), [0; 4]);
        ledger.close();
    });
}
