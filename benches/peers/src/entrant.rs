//! A server and what it does about the bytes of its messages: one competitor of a row.

use std::fmt;

use clap::ValueEnum;
use serde::{Serialize, Serializer};

use crate::peer::Peer;

/// What becomes of messages on their way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Coding {
    /// They travel as they are.
    Plain,
    /// TLS 1.3.
    Tls,
    /// permessage-deflate, each message by itself: `no_context_takeover` in both directions.
    Shared,
    /// permessage-deflate, with references to earlier messages.
    Dedicated,
}

impl Coding {
    pub(crate) const ALL: [Self; 4] = [Self::Plain, Self::Tls, Self::Shared, Self::Dedicated];

    /// As the servers' command line has it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Plain => "plain",
            Self::Tls => "tls",
            Self::Shared => "shared",
            Self::Dedicated => "dedicated",
        }
    }

    pub(crate) fn deflates(self) -> bool {
        matches!(self, Self::Shared | Self::Dedicated)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Entrant {
    pub(crate) peer: Peer,
    pub(crate) coding: Coding,
}

impl Entrant {
    pub(crate) const FLOOR: Self = Self { peer: Peer::Raw, coding: Coding::Plain };

    /// The floor for messages longer than what it receives at once, if they are to be whole.
    pub(crate) const FLOOR_OF_MESSAGES: Self =
        Self { peer: Peer::RawMessages, coding: Coding::Plain };

    /// The same server without TLS or compression.
    pub(crate) fn plain(self) -> Self {
        Self { coding: Coding::Plain, ..self }
    }
}

impl fmt::Display for Entrant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.coding {
            Coding::Plain => self.peer.fmt(f),
            Coding::Tls => f.pad(&format!("{}, TLS", self.peer)),
            coding => f.pad(&format!("{}, {}", self.peer, coding.name())),
        }
    }
}

impl Serialize for Entrant {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The floor and then the others, all plain.
pub(crate) fn with_floor(peers: &[Peer]) -> Vec<Entrant> {
    let is_floor = |peer| matches!(peer, Peer::Raw | Peer::RawMessages);
    let others = peers.iter().copied().filter(|&peer| !is_floor(peer));
    let others = others.map(|peer| Entrant { peer, coding: Coding::Plain });
    [Entrant::FLOOR].into_iter().chain(others).collect()
}

/// Each peer that has one of the codings besides plain, in those of these that it has.
pub(crate) fn coded(peers: &[Peer], codings: &[Coding]) -> Vec<Entrant> {
    let has_any = |peer: &&Peer| codings.iter().any(|&it| it != Coding::Plain && peer.has(it));
    let of = |&peer: &Peer| {
        let codings = codings.iter().filter(move |&&coding| peer.has(coding));
        codings.map(move |&coding| Entrant { peer, coding })
    };
    peers.iter().filter(has_any).flat_map(of).collect()
}
