//! The client's side: a non-blocking stream against servers of this engine.

use std::io::{ErrorKind, IoSlice};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Token};
use tickwire::transport::{LocalAddr, Stream, StreamFault, TlsConnector};

use super::support::tls::{Authority, NAME, authority, server_tls, write_file};
use super::support::{Mode, PATIENCE, Running, Script, eventually};
use super::{builder, tls_of};

/// A stream and who tells of its readiness.
struct Polled {
    poll: Poll,
    stream: Stream,
}

impl Polled {
    fn connect(connector: &TlsConnector, address: &LocalAddr, name: &str) -> Self {
        let LocalAddr::Tcp(address) = address else { panic!("not a TCP address") };
        let socket = mio::net::TcpStream::connect(*address).expect("connect");
        let mut stream = connector.connect(Stream::Tcp(socket), name).expect("a name");
        let poll = Poll::new().expect("a poller");
        stream.register(poll.registry(), Token(0)).expect("register");
        Self { poll, stream }
    }

    /// Everything up to the stream's end, or what ends it; `bytes` are sent meanwhile.
    fn exchange(&mut self, mut bytes: &[u8]) -> std::io::Result<Vec<u8>> {
        let (mut received, mut events) = (Vec::new(), Events::with_capacity(8));
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            self.stream.flush().or_else(not_ready)?;
            while !bytes.is_empty() {
                let pieces = [IoSlice::new(&bytes[..1]), IoSlice::new(&bytes[1..])];
                match self.stream.write_vectored(&pieces) {
                    Ok(len) => bytes = &bytes[len..],
                    Err(error) => {
                        not_ready(error)?;
                        break;
                    }
                }
            }
            let mut piece = [0; 1000];
            loop {
                match self.stream.read(&mut piece) {
                    Ok(0) => return Ok(received),
                    Ok(len) => received.extend_from_slice(&piece[..len]),
                    Err(error) => {
                        not_ready(error)?;
                        break;
                    }
                }
            }
            let wait = Some(Duration::from_millis(if bytes.is_empty() { 1000 } else { 10 }));
            self.poll.poll(&mut events, wait).expect("poll");
        }
        panic!("the stream did not end");
    }
}

fn not_ready(error: std::io::Error) -> std::io::Result<bool> {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::NotConnected => Ok(false),
        _ => Err(error),
    }
}

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n";

fn connector(test: &str, authority: &Authority) -> TlsConnector {
    let ca = write_file(&format!("{test}-ca.pem"), &authority.pem());
    TlsConnector::with_ca_file(ca).expect("a good file")
}

#[test]
fn what_is_said_before_the_handshake_is_done_arrives_behind_it() {
    let server = Mode::Inline.start(Script::echo());
    let connector = connector("early", authority());
    for name in [NAME, "127.0.0.1", "localhost"] {
        let mut polled = Polled::connect(&connector, &server.address(), name);
        let answer = polled.exchange(REQUEST).expect("a response");
        assert!(answer.starts_with(b"HTTP/1.1 404"), "{}", answer.escape_ascii());
        assert_eq!(polled.stream.fault(), None, "a clean end");
    }
    eventually("sessions are resumed", || server.handle().stats().total.tls_handshakes == 3);
}

#[test]
fn servers_that_are_not_to_be_trusted_are_told_by_an_alert() {
    let expired = authority().issue_expired(&[NAME]);
    let expired = Running::start(builder(tls_of("told", &expired)), Script::echo());
    let good = Running::start(builder(server_tls()), Script::echo());
    let own = connector("own", authority());
    let strange = connector("strange", &Authority::new("somebody else"));
    for (server, connector, name, what, count) in [
        (&expired, &own, NAME, "expired", 1),
        (&good, &own, "other.example", "not valid for name", 1),
        (&good, &strange, NAME, "UnknownIssuer", 2),
    ] {
        let mut polled = Polled::connect(connector, &server.address(), name);
        let error = polled.exchange(REQUEST).expect_err("not to be trusted");
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        let Some(StreamFault::Handshake(why)) = polled.stream.fault() else { panic!("{error}") };
        assert!(why.contains(what), "{why}");
        eventually("the server has got the alert", || {
            server.handle().stats().total.tls_handshakes_failed == count
        });
    }
}

#[test]
fn the_platform_s_authorities_do_not_know_ours() {
    let Ok(connector) = TlsConnector::with_platform_roots() else {
        // A machine without any.
        return;
    };
    let server = Mode::Inline.start(Script::echo());
    let mut polled = Polled::connect(&connector, &server.address(), NAME);
    polled.exchange(REQUEST).expect_err("an unknown issuer");
}

#[test]
fn names_that_no_certificate_is_for_are_refused() {
    let connector = connector("names", authority());
    let server = Mode::Inline.start(Script::echo());
    let LocalAddr::Tcp(address) = server.address() else { panic!("not a TCP address") };
    for name in ["", "a b", "host:443", "*.example"] {
        let socket = mio::net::TcpStream::connect(address).expect("connect");
        let error = connector.connect(Stream::Tcp(socket), name).expect_err(name);
        assert!(error.to_string().contains("neither a host's name nor an IP address"), "{error}");
    }
}
