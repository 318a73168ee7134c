//! TLS over real sockets: handshakes, certificates, ends and cuts, and what goes wrong.
//!
//! That everything else works over TLS as without it, `tests/engine_tls` shows.
#![cfg(feature = "tls")]

#[path = "../support/mod.rs"]
mod support;

mod certificates;
mod client_certificates;
mod connector;
mod ends;
mod handshakes;
mod misuse;
mod records;
mod settings;
mod slow;
mod traffic;

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use support::tls::{Identity, NAME, write_file};
use support::{Script, Socket};
use tickwire::rustls::{AlertDescription, ClientConfig, Error};
use tickwire::transport::LocalAddr;
use tickwire::{Builder, Closed, Server, Tls};

/// `script`, and the ends of its connections as its handler hears of them.
fn with_closes(script: Script) -> (Script, Receiver<Closed>) {
    let (sender, receiver) = channel();
    let script = script.on_close(move |_, closed| {
        let _ = sender.send(closed.clone());
    });
    (script, receiver)
}

/// Settings with this identity; the files are named after the test.
fn tls_of(test: &str, Identity { certificate, key }: &Identity) -> Tls {
    let certificate = write_file(&format!("{test}.pem"), certificate);
    Tls::from_files(certificate, write_file(&format!("{test}.key"), key))
}

fn builder(tls: Tls) -> Builder {
    Server::builder().bind_tls("127.0.0.1:0", tls).event_loops(1).handler_threads(0)
}

/// A handshake, up to the server's last word on it, which with TLS 1.3 comes behind the client's.
fn shake_hands(address: &LocalAddr, config: &Arc<ClientConfig>, name: &str) -> io::Result<Socket> {
    let socket = Socket::connect_plain(address, None)?.with_tls(config.clone(), name)?;
    socket.write_all(b"GET / HTTP/1.1\r\nHost: test.example\r\n\r\n")?;
    let mut head = [0; 12];
    let len = socket.read(&mut head)?;
    assert_eq!(&head[..len], b"HTTP/1.1 404");
    Ok(socket)
}

/// The alert by which the server has refused.
#[track_caller]
fn refusal(address: &LocalAddr, config: &Arc<ClientConfig>) -> AlertDescription {
    match error_of(&shake_hands(address, config, NAME).expect_err("the server refuses")) {
        Error::AlertReceived(alert) => alert,
        other => panic!("{other:?} instead of an alert"),
    }
}

#[track_caller]
fn error_of(error: &io::Error) -> Error {
    assert_eq!(error.kind(), ErrorKind::InvalidData, "{error:?}");
    let source = error.get_ref().and_then(|source| source.downcast_ref::<Error>());
    source.expect("an error of TLS").clone()
}
