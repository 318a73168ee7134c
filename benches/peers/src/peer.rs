//! Who takes part.

use std::fmt;
use std::str::FromStr;

use serde::{Serialize, Serializer};

use crate::Result;
use crate::entrant::Coding;

/// A server under comparison, by a name that people and the command line use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Peer {
    /// The floor: bytes, no WebSocket.
    Raw,
    /// The floor of whoever answers no message before it is whole.
    RawMessages,
    /// Callbacks on the one event loop.
    Tickwire,
    /// One event loop and one handler thread.
    TickwireThreads,
    Uwebsockets,
    Fastwebsockets,
    SockudoWs,
    TokioTungstenite,
    TokioWebsockets,
    WebSocket,
    Yawc,
}

impl Peer {
    pub(crate) const ALL: [Self; 11] = [
        Self::Raw,
        Self::RawMessages,
        Self::Tickwire,
        Self::TickwireThreads,
        Self::Uwebsockets,
        Self::Fastwebsockets,
        Self::SockudoWs,
        Self::TokioTungstenite,
        Self::TokioWebsockets,
        Self::WebSocket,
        Self::Yawc,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Raw => "raw",
            Self::RawMessages => "raw-messages",
            Self::Tickwire => "tickwire",
            Self::TickwireThreads => "tickwire-threads",
            Self::Uwebsockets => "uwebsockets",
            Self::Fastwebsockets => "fastwebsockets",
            Self::SockudoWs => "sockudo-ws",
            Self::TokioTungstenite => "tokio-tungstenite",
            Self::TokioWebsockets => "tokio-websockets",
            Self::WebSocket => "web-socket",
            Self::Yawc => "yawc",
        }
    }

    /// Why this program was built without it, if it was.
    pub(crate) fn missing(self) -> Option<&'static str> {
        let is_built = match self {
            Self::Raw | Self::RawMessages | Self::Tickwire | Self::TickwireThreads => true,
            Self::Uwebsockets => return missing_uwebsockets(),
            Self::Fastwebsockets => cfg!(feature = "fastwebsockets"),
            Self::SockudoWs => cfg!(feature = "sockudo-ws"),
            Self::TokioTungstenite => cfg!(feature = "tokio-tungstenite"),
            Self::TokioWebsockets => cfg!(feature = "tokio-websockets"),
            Self::WebSocket => cfg!(feature = "web-socket"),
            Self::Yawc => cfg!(feature = "yawc"),
        };
        (!is_built).then_some("its feature is off")
    }

    /// Whether it takes part in this.
    pub(crate) fn has(self, coding: Coding) -> bool {
        match coding {
            Coding::Plain => true,
            Coding::Tls => matches!(self, Self::Tickwire | Self::Fastwebsockets),
            Coding::Shared | Coding::Dedicated => {
                matches!(self, Self::Tickwire | Self::Uwebsockets | Self::SockudoWs | Self::Yawc)
            }
        }
    }

    /// All that this program was built with.
    pub(crate) fn built() -> Vec<Self> {
        Self::ALL.into_iter().filter(|peer| peer.missing().is_none()).collect()
    }
}

fn missing_uwebsockets() -> Option<&'static str> {
    match option_env!("UWEBSOCKETS_SERVER") {
        Some(_) => None,
        None => Some(option_env!("UWEBSOCKETS_MISSING").unwrap_or("its feature is off")),
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl FromStr for Peer {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let found = Self::ALL.into_iter().find(|peer| peer.name() == text);
        let names = || Self::ALL.map(Self::name).join(", ");
        found.ok_or_else(|| format!("there are: {}", names()))
    }
}

impl Serialize for Peer {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// Those of them that this program was built with; what is missing is said.
pub(crate) fn choose(wanted: &[Peer]) -> Result<Vec<Peer>> {
    if wanted.is_empty() {
        for peer in Peer::ALL {
            if let Some(reason) = peer.missing() {
                eprintln!("without {peer}: {reason}");
            }
        }
        return Ok(Peer::built());
    }
    for peer in wanted {
        if let Some(reason) = peer.missing() {
            return Err(format!("{peer} was not built: {reason}").into());
        }
    }
    Ok(wanted.to_vec())
}
