//! Why there is no report, and what to do about it.

use std::io;

use http::StatusCode;
use thiserror::Error;
use tickwire::handshake::HandshakeError;

use crate::connection::End;

#[derive(Debug, Error)]
pub(crate) enum LoadError {
    #[error("{threads} threads have nothing to do with {connections} connections")]
    IdleThreads { threads: u32, connections: u32 },
    #[error("a server that speaks no WebSocket has no subscriptions")]
    PlainSubscription,
    #[error("nothing is known of the CPU time of process {pid}")]
    UnknownProcess { pid: u32 },
    #[error("{needed} open files are needed, but the limit is {soft}")]
    Descriptors { needed: u64, soft: u64, hard: u64 },
    #[error("{0}")]
    Tls(String),
    #[error("cannot look up {host}: {source}")]
    UnknownHost { host: String, source: io::Error },
    #[error("cannot connect to {address}{}: {source}", after(*opened, *wanted))]
    Connect { address: String, opened: usize, wanted: u32, source: io::Error },
    #[error("{address} does not open a WebSocket{}: {end}", after(*opened, *wanted))]
    Open { address: String, opened: usize, wanted: u32, end: End },
    #[error("{address} gives no answer{}", after(*opened, *wanted))]
    NoAnswer { address: String, opened: usize, wanted: u32 },
    #[error("interrupted when {opened} of {wanted} connections were open: nothing was measured")]
    Interrupted { opened: usize, wanted: u32 },
    #[error(transparent)]
    System(io::Error),
}

/// How far it had come, if that says anything.
fn after(opened: usize, wanted: u32) -> String {
    match opened {
        0 => String::new(),
        _ => format!(" after {opened} of {wanted} connections"),
    }
}

impl LoadError {
    /// What may help.
    pub(crate) fn advice(&self) -> Option<String> {
        let text = match self {
            Self::IdleThreads { connections, .. } => {
                return Some(format!(
                    "Give --threads {connections} at most, or more --connections."
                ));
            }
            Self::Descriptors { needed, hard, .. } if needed > hard => {
                return Some(format!(
                    "The hard limit is {hard}: raise it (`LimitNOFILE=` of systemd, \
                     limits.conf, `docker run --ulimit nofile={needed}`), then: ulimit -n {needed}"
                ));
            }
            Self::Descriptors { needed, .. } => {
                return Some(format!("In this shell, before the tool: ulimit -n {needed}"));
            }
            Self::PlainSubscription => "Give ws://HOST:PORT/ or unix:SOCKET, or no --subscribe.",
            Self::UnknownProcess { .. } => {
                "Does it run on this machine? Only Linux tells CPU times so exactly, in /proc."
            }
            Self::UnknownHost { .. } => "Is the name right, and the network there?",
            Self::Connect { source, opened, .. } => match source.kind() {
                io::ErrorKind::ConnectionRefused if *opened == 0 => {
                    "Is the server running? One to try: cargo run --release --example echo"
                }
                io::ErrorKind::ConnectionRefused => "Has the server ended? Look at what it said.",
                io::ErrorKind::NotFound => "There is no such socket. Is the server running?",
                io::ErrorKind::AddrNotAvailable => {
                    "This machine has no more local ports for this address: see \
                     net.ipv4.ip_local_port_range, or let the server listen on a Unix socket too."
                }
                io::ErrorKind::ConnectionReset => {
                    "The server hung up: it may have a limit on connections or open files."
                }
                _ => return None,
            },
            Self::NoAnswer { .. } => "Is it a WebSocket server, and not stuck or overloaded?",
            Self::Open { end: End::Refused(error), .. } => return refusal_advice(error),
            Self::Open { .. } => "The server's log may tell more.",
            Self::Tls(_) | Self::Interrupted { .. } | Self::System(_) => return None,
        };
        Some(text.to_owned())
    }
}

fn refusal_advice(error: &HandshakeError) -> Option<String> {
    let HandshakeError::Refused(response) = error else { return None };
    let text = match response.status {
        StatusCode::SERVICE_UNAVAILABLE => {
            "It takes no more connections: raise its limit, or give fewer --connections."
        }
        StatusCode::TOO_MANY_REQUESTS => "Connections come too fast for it: give --ramp-up RATE.",
        StatusCode::NOT_FOUND => "Is the path right?",
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            "It wants to know who asks: give --header 'Authorization: ...' or such."
        }
        StatusCode::OK | StatusCode::BAD_REQUEST | StatusCode::UPGRADE_REQUIRED => {
            "Is there a WebSocket at this path, and does it need a --subprotocol?"
        }
        status if status.is_redirection() => {
            let location = response.headers.get(http::header::LOCATION)?;
            return Some(format!("It is elsewhere: {}", location.to_str().ok()?));
        }
        _ => return None,
    };
    Some(text.to_owned())
}
