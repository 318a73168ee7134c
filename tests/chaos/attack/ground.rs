//! What attackers stand on: where the server is, how long it goes on, and their ways to connect and
//! to see what became of them.

use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant};

use tickwire::frame::{OpCode, encode_frame};
use tickwire::handshake::HandshakeError;
use tickwire::transport::LocalAddr;

use super::Answer;
use crate::support::{Client, Dial, Received, Socket};

/// The time was over before the engine had done anything about the attack.
pub(crate) const GONE: &str = "(left at the end)";

/// Attackers look at the clock at least so often.
const GLANCE: Duration = Duration::from_millis(100);

#[derive(Clone)]
pub(crate) struct Ground {
    /// The attacker's own address.
    from: Ipv4Addr,
    plain: LocalAddr,
    proxied: LocalAddr,
    #[cfg(feature = "tls")]
    tls: Option<(LocalAddr, std::sync::Arc<tickwire::rustls::ClientConfig>)>,
    end: Instant,
}

impl Ground {
    pub(super) fn new(plain: SocketAddr, proxied: SocketAddr, seconds: f64) -> Self {
        Self {
            from: Ipv4Addr::LOCALHOST,
            plain: LocalAddr::Tcp(plain),
            proxied: LocalAddr::Tcp(proxied),
            #[cfg(feature = "tls")]
            tls: None,
            end: Instant::now() + Duration::from_secs_f64(seconds),
        }
    }

    #[cfg(feature = "tls")]
    pub(super) fn with_tls(self, address: SocketAddr, ca: &std::path::Path) -> Self {
        let connector = tickwire::transport::TlsConnector::with_ca_file(ca);
        let config = connector.expect("the authority's file").config().clone();
        Self { tls: Some((LocalAddr::Tcp(address), config)), ..self }
    }

    /// The same for an attacker with this address.
    pub(super) fn for_one_from(&self, from: Ipv4Addr) -> Self {
        Self { from, ..self.clone() }
    }

    pub(super) fn time_left(&self) -> Duration {
        self.end.saturating_duration_since(Instant::now())
    }

    pub(super) fn is_over(&self) -> bool {
        self.time_left().is_zero()
    }

    /// A connection that has said nothing yet.
    pub(super) fn socket(&self) -> Result<Socket, Answer> {
        made(Socket::connect_from(Some(self.from.into()), &self.plain, None))
    }

    /// The same at the port where proxies say who comes.
    pub(super) fn proxied_socket(&self) -> Result<Socket, Answer> {
        made(Socket::connect_from(Some(self.from.into()), &self.proxied, None))
    }

    /// The same at the port where TLS is spoken.
    #[cfg(feature = "tls")]
    pub(super) fn tls_socket(&self) -> Result<Socket, Answer> {
        let (address, _) = self.tls.as_ref().expect("a server with TLS");
        made(Socket::connect_from(Some(self.from.into()), address, None))
    }

    /// An open connection.
    pub(super) fn open(&self) -> Result<Client, Answer> {
        self.open_by(&self.dial("/"))
    }

    /// A connection with TLS on which nothing has been asked for.
    #[cfg(feature = "tls")]
    pub(super) fn greet_tls(&self) -> Result<Socket, Answer> {
        let (_, config) = self.tls.as_ref().expect("a server with TLS");
        made(self.tls_socket()?.with_tls(config.clone(), crate::support::tls::NAME))
    }

    #[cfg(feature = "tls")]
    pub(super) fn open_tls(&self) -> Result<Client, Answer> {
        let (address, config) = self.tls.as_ref().expect("a server with TLS");
        self.open_by(&Dial::new(address).tls(config.clone()).from(self.from.into()))
    }

    pub(super) fn open_by(&self, dial: &Dial) -> Result<Client, Answer> {
        let client = dial.try_connect().map_err(|error| refusal(&error))?;
        // Nobody who floods waits for long.
        client.socket().set_write_timeout(GLANCE).expect("a timeout");
        Ok(client)
    }

    pub(super) fn dial(&self, path: &str) -> Dial {
        Dial::path(&self.plain, path).from(self.from.into())
    }

    /// A client of a proxy that says so by this header.
    pub(super) fn dial_proxied(&self, header: &[u8]) -> Dial {
        Dial::new(&self.proxied).from(self.from.into()).through_proxy(header, header.len())
    }

    /// Sends something wrong to an open connection and sees what comes of it.
    pub(super) fn answer_to(&self, bytes: &[u8]) -> Result<Answer, Answer> {
        let mut client = self.open()?;
        // It may have been cut off in the midst of it.
        let _ = client.try_send_raw(bytes);
        Ok(self.answer(&mut client))
    }

    /// Waits for the engine to end the connection: the code of its close frame, or how else it ended.
    pub(super) fn answer(&self, client: &mut Client) -> Answer {
        while !self.is_over() {
            match client.recv_within(GLANCE) {
                Some(Received::Close(code, _)) => return format!("close {code}"),
                Some(Received::End) => return "end".to_owned(),
                Some(Received::Reset) => return "reset".to_owned(),
                _ => {}
            }
        }
        GONE.to_owned()
    }

    /// Waits for the end of a connection without a WebSocket: an HTTP status, or what else it is.
    pub(super) fn answer_without(&self, socket: &Socket) -> Answer {
        let mut received = Vec::new();
        socket.set_timeouts(GLANCE).expect("a timeout");
        while !self.is_over() {
            let mut piece = [0; 4096];
            match socket.read(&mut piece) {
                Ok(0) => return answered(&received, "end"),
                Ok(len) => received.extend_from_slice(&piece[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(_) => return answered(&received, "reset"),
            }
        }
        GONE.to_owned()
    }
}

fn made(socket: io::Result<Socket>) -> Result<Socket, Answer> {
    let socket = socket.map_err(|error| refusal(&error))?;
    socket.set_write_timeout(GLANCE).expect("a timeout");
    Ok(socket)
}

/// Why there is no connection.
fn refusal(error: &io::Error) -> Answer {
    let handshake = error.get_ref().and_then(|error| error.downcast_ref::<HandshakeError>());
    match handshake {
        Some(HandshakeError::Refused(refused)) => format!("http {}", refused.status.as_u16()),
        Some(other) => panic!("the server's response is wrong: {other}"),
        None => "not let in".to_owned(),
    }
}

/// What was said last before a connection's end.
fn answered(received: &[u8], end: &str) -> Answer {
    match received {
        [] => end.to_owned(),
        // A record of the type "alert" (RFC 8446 §5.1).
        [21, ..] => "alert".to_owned(),
        _ => {
            let text = String::from_utf8_lossy(received);
            let statuses = text.split("HTTP/1.1 ").skip(1).filter_map(|rest| rest.get(..3));
            let status = statuses.last().filter(|_| text.starts_with("HTTP/1.1 "));
            status.map_or_else(|| format!("{text:?}"), |status| format!("http {status}"))
        }
    }
}

/// A client's frame.
pub(super) fn frame(fin: bool, opcode: OpCode, payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    encode_frame(&mut frame, fin, opcode, Some(fastrand::u32(..).to_be_bytes()), payload);
    frame
}
