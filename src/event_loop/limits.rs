//! What clients may do, and how much of it.

use std::time::Duration;

use super::rate::Rate;
use crate::protocol;

/// What clients may make a server take, hold and do. Whoever exceeds a limit is told so by a close code
/// or an HTTP status, and each has a counter in [`Counters`](super::Counters).
///
/// The default is [`internet`](Self::internet): a server whose clients are strangers. The
/// [README](crate#) has a table of all limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The longest message, in bytes, all fragments together and inflated. Beyond: close code 1009.
    /// Default: 1 MiB; trusted: 16 MiB.
    pub max_message_len: usize,
    /// The longest payload of one frame, in bytes. Beyond: close code 1009. Default: 1 MiB; trusted:
    /// 16 MiB.
    pub max_frame_len: usize,
    /// The most fragments that a message may come in, empty ones included. Beyond: close code 1008.
    /// Default: 65,536 in both.
    pub max_fragment_count: u32,
    /// Connections at a time from one IPv4 address, or from one IPv6 network of 64 bits. Beyond: HTTP
    /// status 429 without a look at the request, and with TLS an end without a handshake. `None`: any
    /// number. Default: 1,024, for many people may share one address; trusted: `None`.
    pub max_connections_per_address: Option<u32>,
    /// Whether connections from the machine itself (127.0.0.0/8 and ::1) are counted too. A reverse
    /// proxy on the same machine has such an address for all its clients. Default: not, in both.
    pub counts_loopback: bool,
    /// Connections that the server lets in, all addresses together; who is turned away at once is not
    /// counted. Beyond: they wait in the system's backlog. `None`: as many as come. Default: 2,000 a
    /// second, 4,096 at once; trusted: `None`.
    pub accept_rate: Option<Rate>,
    /// Messages of one connection, fragments and HTTP requests included. Beyond: the connection is not
    /// read until it has saved up some again, so TCP pushes back on the client and nothing is lost; see
    /// [`max_excess_time`](Self::max_excess_time). Between half of the burst and all of it comes at once.
    /// `None`: as many as come. Default: 1,000 a second, 4,000 at once; trusted: `None`.
    pub message_rate: Option<Rate>,
    /// Bytes of one connection, as they come and once more as they are inflated; a TLS record that brings
    /// none counts as 512 of them, and a last block that a compressed message goes on behind as 2 KiB. A
    /// compressed message of many blocks that hold little counts as 4 KiB for each, but as no more than 128
    /// times its compressed length: their tables take that much time. Beyond: as with
    /// [`message_rate`](Self::message_rate). `None`: as many as come. Default: 4 MiB a second, 16 MiB at
    /// once; trusted: `None`.
    pub byte_rate: Option<Rate>,
    /// Pings and pongs of one connection. Beyond: as with [`message_rate`](Self::message_rate). `None`: as
    /// many as come. Default: 20 a second, 200 at once; trusted: `None`.
    pub control_frame_rate: Option<Rate>,
    /// Topics that a connection may subscribe to, and prefixes, all together: its handler may do so because
    /// the client asks for it. Beyond: close code 1008. `None`: any number. Default: 10,000; trusted: `None`.
    pub max_subscriptions: Option<u32>,
    /// How long a client may go on sending more than these three rates, held back again and again. Beyond:
    /// close code 1008; HTTP status 429 before the upgrade. Default: 10 s in both.
    pub max_excess_time: Duration,
    /// Bytes a second that a request's head has to come at, on the average, from its first byte and the
    /// [`head_grace`](Self::head_grace) on; before it a client's part of the TLS handshake too, which is
    /// done in that time or not at all. Beyond: HTTP status 408, and an end without a word in a TLS
    /// handshake. `None`: both have the whole [`handshake_timeout`](crate::Config::handshake_timeout).
    /// Default: 500; trusted: `None`.
    pub min_head_rate: Option<u32>,
    /// The time that a request's head has got in any case, and a TLS handshake. Default: 3 s in both.
    pub head_grace: Duration,
    /// Bytes that may wait for all connections together, each counted as if it had a copy of its own, to be
    /// looked at once a turn of a loop, and every 100 ms. Beyond: those for which the most waits are closed
    /// with 1013, and what waits for them is dropped. `None`: what each may have, times connections.
    /// Default: 1 GiB; trusted: `None`.
    pub max_queued_len: Option<usize>,
    /// Bytes of memory for what has come of messages and requests that are not whole, of all connections
    /// together, an eighth more or less. Beyond: those of whom the most has come are closed with 1013. `None`: what each
    /// may have, times connections. Default: 1 GiB; trusted: `None`.
    pub max_unfinished_len: Option<usize>,
    /// How long the socket of a connection may take nothing of what waits for it, as when its client does
    /// not read. Beyond: the connection is given up; nothing that was sent to it would arrive. A client that
    /// reads slowly is not, as long as it reads what the system has taken over
    /// ([`notsent_lowat`](crate::SocketOptions::notsent_lowat)) in that time. `None`: for as long as the client
    /// is heard. Default: 30 s; trusted: `None`.
    pub write_timeout: Option<Duration>,
    /// How long a connection may live, give or take the [`lifetime_jitter`](Self::lifetime_jitter): so
    /// that clients find their way to new servers, and credentials are looked at again. It begins anew with
    /// an upgrade. Beyond: close code 1001 (`Connection: close` before the upgrade). `None`: as long as it
    /// likes. At most 90 days. Default: 24 hours; trusted: `None`.
    pub max_lifetime: Option<Duration>,
    /// How far a connection's lifetime may be from [`max_lifetime`](Self::max_lifetime), by chance, so
    /// that those who came together do not go together. Default: 2 hours in both.
    pub lifetime_jitter: Duration,
}

impl Limits {
    /// For clients that are strangers.
    #[must_use]
    pub const fn internet() -> Self {
        Self {
            max_message_len: 1 << 20,
            max_frame_len: 1 << 20,
            max_fragment_count: 1 << 16,
            max_connections_per_address: Some(1024),
            counts_loopback: false,
            accept_rate: Some(Rate::new(2000, 4096)),
            message_rate: Some(Rate::new(1000, 4000)),
            byte_rate: Some(Rate::new(4 << 20, 16 << 20)),
            control_frame_rate: Some(Rate::new(20, 200)),
            max_subscriptions: Some(10_000),
            max_excess_time: Duration::from_secs(10),
            min_head_rate: Some(500),
            head_grace: Duration::from_secs(3),
            max_queued_len: Some(1 << 30),
            max_unfinished_len: Some(1 << 30),
            write_timeout: Some(Duration::from_secs(30)),
            max_lifetime: Some(Duration::from_secs(24 * 3600)),
            lifetime_jitter: Duration::from_secs(2 * 3600),
        }
    }

    /// For clients that are one's own: nothing but what keeps a mistake from taking the server down.
    #[must_use]
    pub const fn trusted() -> Self {
        Self {
            max_message_len: 16 << 20,
            max_frame_len: 16 << 20,
            max_fragment_count: 1 << 16,
            max_connections_per_address: None,
            counts_loopback: false,
            accept_rate: None,
            message_rate: None,
            byte_rate: None,
            control_frame_rate: None,
            max_subscriptions: None,
            max_excess_time: Duration::from_secs(10),
            min_head_rate: None,
            head_grace: Duration::from_secs(3),
            max_queued_len: None,
            max_unfinished_len: None,
            write_timeout: None,
            max_lifetime: None,
            lifetime_jitter: Duration::from_secs(2 * 3600),
        }
    }

    /// For strangers who send messages of up to `len` bytes.
    #[must_use]
    pub const fn for_messages_up_to(len: usize) -> Self {
        Self::internet().with_messages_up_to(len)
    }

    /// The same for messages of up to `len` bytes, in one frame or in many. The burst of `byte_rate` is no less
    /// than two of them.
    #[must_use]
    pub const fn with_messages_up_to(self, len: usize) -> Self {
        let max_unfinished_len = match self.max_unfinished_len {
            Some(all) if all < len => Some(len),
            all => all,
        };
        let byte_rate = match self.byte_rate {
            Some(rate) if rate.burst as usize / 2 < len => {
                let most = i32::MAX as usize;
                let burst = if len > most / 2 { most } else { 2 * len };
                Some(Rate::new(rate.per_second, burst as u32))
            }
            rate => rate,
        };
        Self { max_message_len: len, max_frame_len: len, max_unfinished_len, byte_rate, ..self }
    }

    /// Those that the protocol itself looks after.
    pub(super) const fn of_messages(&self) -> protocol::Limits {
        let Self { max_message_len, max_frame_len, max_fragment_count, .. } = *self;
        protocol::Limits { max_message_len, max_frame_len, max_fragment_count }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self::internet()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const README: &str = include_str!("../../README.md");
    const SOURCE: &str = include_str!("limits.rs");

    /// What is written above a field.
    fn docs(field: &str) -> String {
        let (before, _) = SOURCE.split_once(&format!("    pub {field}: ")).expect(field);
        let (_, docs) = before.rsplit_once(",\n").unwrap_or(("", before));
        let lines = docs.lines().filter_map(|line| line.trim().strip_prefix("/// "));
        lines.collect::<Vec<_>>().join(" ")
    }

    /// The line of the README's table that is about a field.
    fn row(field: &str) -> &'static str {
        let name = format!("`{field}`");
        let mut rows = README.lines().filter(|line| line.starts_with("| `"));
        rows.find(|row| row.contains(&name)).expect(field)
    }

    /// Field by field: both presets, and what the docs and the README say of them.
    macro_rules! presets {
        ($($field:ident: $internet:expr, $trusted:expr, $docs:literal, $row:literal;)*) => {
            let (Limits { $($field,)* }, trusted) = (Limits::internet(), Limits::trusted());
            $(
                let name = stringify!($field);
                assert_eq!($field, $internet, "internet: {name}");
                assert_eq!(trusted.$field, $trusted, "trusted: {name}");
                assert!(docs(name).contains($docs), "{name}: {}", docs(name));
                assert!(row(name).contains($row), "{name}: {}", row(name));
            )*
        };
    }

    #[test]
    fn of_messages_of_any_length_two_may_come_at_once() {
        for len in [1 << 10, 1 << 20, 64 << 20, 1 << 40] {
            let rate = Limits::for_messages_up_to(len).byte_rate.expect("a rate");
            let internet = Limits::internet().byte_rate.expect("a rate");
            assert_eq!(rate.per_second, internet.per_second);
            assert_eq!(rate.burst as usize, (2 * len).clamp(16 << 20, i32::MAX as usize));
        }
    }

    #[test]
    fn presets_are_what_is_written_of_them() {
        const MIB: usize = 1 << 20;
        let rate = |per_second, burst| Some(Rate { per_second, burst });
        let secs = Duration::from_secs;
        presets! {
            max_message_len: MIB, 16 * MIB,
                "Default: 1 MiB; trusted: 16 MiB.", "| 1 MiB | 16 MiB |";
            max_frame_len: MIB, 16 * MIB,
                "Default: 1 MiB; trusted: 16 MiB.", "| 1 MiB | 16 MiB |";
            max_fragment_count: 65_536, 65_536,
                "Default: 65,536 in both.", "| 65,536 | 65,536 |";
            max_connections_per_address: Some(1024), None,
                "Default: 1,024, for many people may share one address; trusted: `None`.",
                "| 1,024 | none |";
            counts_loopback: false, false,
                "Default: not, in both.", "loopback only with `counts_loopback`";
            accept_rate: rate(2000, 4096), None,
                "Default: 2,000 a second, 4,096 at once; trusted: `None`.",
                "| 2,000/s, 4,096 at once | none |";
            message_rate: rate(1000, 4000), None,
                "Default: 1,000 a second, 4,000 at once; trusted: `None`.",
                "| 1,000/s, 4,000 at once | none |";
            byte_rate: rate(4 << 20, 16 << 20), None,
                "Default: 4 MiB a second, 16 MiB at once; trusted: `None`.",
                "| 4 MiB/s, 16 MiB at once | none |";
            control_frame_rate: rate(20, 200), None,
                "Default: 20 a second, 200 at once; trusted: `None`.",
                "| 20/s, 200 at once | none |";
            max_subscriptions: Some(10_000), None,
                "Default: 10,000; trusted: `None`.", "| 10,000 | none |";
            max_excess_time: secs(10), secs(10),
                "Default: 10 s in both.", "| 10 s | 10 s |";
            min_head_rate: Some(500), None,
                "Default: 500; trusted: `None`.", "| 500 B/s | none |";
            head_grace: secs(3), secs(3),
                "Default: 3 s in both.", "after a `head_grace` of 3 s";
            max_queued_len: Some(1024 * MIB), None,
                "Default: 1 GiB; trusted: `None`.", "| 1 GiB | none |";
            max_unfinished_len: Some(1024 * MIB), None,
                "Default: 1 GiB; trusted: `None`.", "| 1 GiB | none |";
            write_timeout: Some(secs(30)), None,
                "Default: 30 s; trusted: `None`.", "| 30 s | none |";
            max_lifetime: Some(secs(24 * 3600)), None,
                "Default: 24 hours; trusted: `None`.", "| 24 h | none |";
            lifetime_jitter: secs(2 * 3600), secs(2 * 3600),
                "Default: 2 hours in both.", "a `lifetime_jitter` of 2 h";
        }
        assert_eq!(Limits::default(), Limits::internet());
    }
}
