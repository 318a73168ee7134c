//! Every state that a connection can be in, and how a peer brings it there.

use tickwire::handshake::ClientRequest;
use tickwire::proxy_protocol::ProxyHeader;

#[cfg(feature = "tls")]
use super::ledger::TLS;
use super::ledger::{BEHIND_PROXIES, Ledger, MAX_LANE_LEN, PLAIN};
use super::support::{Client, Dial, Mode, Socket, eventually};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has been sent.
    Connected,
    /// Half a PROXY header.
    InProxyHeader,
    /// A PROXY header and nothing behind it.
    BehindProxyHeader,
    /// Half a ClientHello.
    #[cfg(feature = "tls")]
    InTlsHandshake,
    /// An open connection over TLS.
    #[cfg(feature = "tls")]
    OpenOverTls,
    /// Half a request.
    InRequest,
    /// A plain request has been answered, and another may come.
    BetweenRequests,
    Open,
    /// Half a frame's header.
    InFrameHeader,
    /// Half a frame's payload.
    InPayload,
    /// A fragment of a message.
    InMessage,
    /// A large message, half of it.
    InLargePayload,
    /// What the server has sent is not read, and more waits.
    Unread,
    /// The server's close frame is not answered.
    CloseReceived,
    /// Both close frames have been exchanged.
    Closed,
    /// A page is on its way that is not read, and behind it the end.
    PageUnread,
    /// So is a close frame, behind what else is not read.
    CloseUnread,
    /// A handler thread decides upon the request, and takes its time.
    Deciding,
    /// Its lane is full: it is not read.
    Stalled,
}

impl State {
    pub(crate) const ALL: &[Self] = &[
        Self::Connected,
        Self::InProxyHeader,
        Self::BehindProxyHeader,
        #[cfg(feature = "tls")]
        Self::InTlsHandshake,
        #[cfg(feature = "tls")]
        Self::OpenOverTls,
        Self::InRequest,
        Self::BetweenRequests,
        Self::Open,
        Self::InFrameHeader,
        Self::InPayload,
        Self::InMessage,
        Self::InLargePayload,
        Self::Unread,
        Self::CloseReceived,
        Self::Closed,
        Self::PageUnread,
        Self::CloseUnread,
    ];

    /// Those that last until callbacks are [let go](Ledger::let_go); nothing else is possible meanwhile.
    pub(crate) const HELD: &[Self] = &[Self::Deciding, Self::Stalled];

    /// Those that there are in `mode`.
    pub(crate) fn all(mode: Mode) -> impl Iterator<Item = Self> {
        let held = if mode == Mode::Threads { Self::HELD } else { &[] };
        Self::ALL.iter().chain(held).copied()
    }

    /// So many peers whose connections are in this state.
    pub(crate) fn peers(self, ledger: &Ledger, count: usize) -> Vec<Peer> {
        let peers: Vec<Peer> = (0..count).map(|_| self.peer(ledger)).collect();
        if self == Self::Stalled {
            stall(ledger, &peers);
        }
        peers
    }

    /// A peer whose connection is in this state, or, if that takes more than one, is about to be: see
    /// [`peers`](Self::peers).
    pub(crate) fn peer(self, ledger: &Ledger) -> Peer {
        let plain = |bytes: &[u8]| raw(ledger, PLAIN, bytes);
        let header = ProxyHeader::Relayed {
            source: ([192, 0, 2, 7], 1).into(),
            destination: ([192, 0, 2, 1], 2).into(),
        };
        match self {
            Self::Connected => plain(b""),
            Self::InProxyHeader => raw(ledger, BEHIND_PROXIES, &header.encode_v2()[..20]),
            Self::BehindProxyHeader => raw(ledger, BEHIND_PROXIES, &header.encode_v2()),
            #[cfg(feature = "tls")]
            Self::InTlsHandshake => raw(ledger, TLS, b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03"),
            #[cfg(feature = "tls")]
            Self::OpenOverTls => {
                let config = super::support::tls::client_config();
                opened(ledger, &Dial::new(&ledger.address(TLS)).tls(config), |_| {})
            }
            Self::InRequest => {
                let request = request("/");
                plain(&request[..request.len() / 2])
            }
            Self::BetweenRequests => {
                let peer = plain(b"HEAD / HTTP/1.1\r\nHost: test.example\r\n\r\n");
                let mut head = [0; 12];
                peer.socket().read(&mut head).expect("a response");
                peer
            }
            Self::Open | Self::Stalled => open(ledger, |_| {}),
            Self::InFrameHeader => in_frame(ledger, b"\x81\xfe\x01"),
            Self::InPayload => in_frame(ledger, b"\x81\x85\0\0\0\0he"),
            Self::InMessage => in_frame(ledger, b"\x01\x83\0\0\0\0hel"),
            Self::InLargePayload => in_payload(ledger, 512 << 10, 200_000),
            Self::Unread => open(ledger, |client| client.send_text("fill")),
            Self::CloseReceived => open(ledger, |client| {
                client.send_text("close");
                client.expect_close(1000);
            }),
            Self::Closed => open(ledger, |client| {
                client.close(1000, "");
                client.expect_close(1000);
            }),
            Self::PageUnread => {
                let before = ledger.handle().stats().total.http_responses;
                let request = b"GET / HTTP/1.1\r\nHost: test.example\r\nConnection: close\r\n\r\n";
                let peer = plain(request);
                let responses = || ledger.handle().stats().total.http_responses;
                eventually("a page is sent", || responses() > before);
                peer
            }
            Self::CloseUnread => open(ledger, |client| client.send_texts(["fill", "close"])),
            Self::Deciding => {
                ledger.hold();
                plain(&request("/held"))
            }
        }
    }

    /// Whether the handler has been told of the connection, and not yet of its end.
    pub(crate) fn is_open(self) -> bool {
        match self {
            Self::Connected
            | Self::InProxyHeader
            | Self::BehindProxyHeader
            | Self::InRequest
            | Self::BetweenRequests
            | Self::Closed
            | Self::PageUnread
            | Self::Deciding => false,
            #[cfg(feature = "tls")]
            Self::InTlsHandshake => false,
            _ => true,
        }
    }
}

/// Somebody at the other end.
pub(crate) enum Peer {
    Raw(Socket),
    Client(Box<Client>),
}

impl Peer {
    pub(crate) fn socket(&self) -> &Socket {
        match self {
            Self::Raw(socket) => socket,
            Self::Client(client) => client.socket(),
        }
    }

    pub(crate) fn client(&self) -> Option<&Client> {
        match self {
            Self::Raw(_) => None,
            Self::Client(client) => Some(client),
        }
    }

    /// Reads what comes until the server has ended the connection, whichever way; returns how many bytes
    /// that was.
    pub(crate) fn read_to_end(&self) -> usize {
        let (mut total, mut piece) = (0, vec![0; 64 * 1024]);
        loop {
            match self.socket().read(&mut piece) {
                Ok(0) => return total,
                Ok(len) => total += len,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                    panic!("the server does not end the connection")
                }
                Err(_) => return total,
            }
        }
    }
}

/// One that asks for an upgrade.
fn request(path: &str) -> Vec<u8> {
    let mut request = Vec::new();
    let whole = ClientRequest::new("test.example", path, *b"nonce of a test.");
    whole.encode(&mut request).expect("a request");
    request
}

/// Has the handler threads hold, and sends more than their lanes have room for. Each of the peers has a lane
/// of its loop for itself: connections take turns at loops, and those of a loop at lanes.
fn stall(ledger: &Ledger, peers: &[Peer]) {
    let total = || ledger.handle().stats().total;
    let clients = || peers.iter().filter_map(Peer::client);
    ledger.hold();
    let before = total().messages_received;
    clients().for_each(|client| client.send_text("hold"));
    eventually("all hold", || total().messages_received == before + peers.len() as u64);
    let text = "x".repeat(MAX_LANE_LEN + 1);
    for client in clients() {
        let before = total().messages_received;
        client.send_text(&text);
        eventually("its lane is full", || total().messages_received > before);
    }
    let before = total().bytes_received;
    for client in clients() {
        // What was told of the turn before may have been on its way: twice.
        for _ in 0..2 {
            let turns = total().turns;
            client.send_text("behind");
            eventually("its loop has looked at it", || total().turns > turns);
        }
    }
    assert_eq!(total().bytes_received, before, "who is stalled is not read");
}

/// A connection on which these bytes have been sent, and read where they are not encrypted.
fn raw(ledger: &Ledger, place: usize, bytes: &[u8]) -> Peer {
    let accepted = || ledger.handle().stats().total.accepted;
    let before = accepted();
    let address = ledger.address(place);
    let socket = Socket::connect_plain(&address, Some(16 << 10)).expect("connect");
    // Others may be gone meanwhile.
    eventually("it is accepted", || accepted() > before);
    let is_plain = [PLAIN, BEHIND_PROXIES].contains(&place);
    let len = if is_plain { bytes.len() } else { 0 };
    are_read(ledger, len, || socket.write_all(bytes).expect("send"));
    Peer::Raw(socket)
}

/// An open connection on which a part of a message has been sent and read.
fn in_frame(ledger: &Ledger, bytes: &[u8]) -> Peer {
    open(ledger, |client| are_read(ledger, bytes.len(), || client.send_raw(bytes)))
}

/// The server waits for the rest of a message of `len` bytes, of which it has `sent_len`.
pub(crate) fn in_payload(ledger: &Ledger, len: u64, sent_len: usize) -> Peer {
    let mut frame = b"\x82\xff".to_vec();
    frame.extend(len.to_be_bytes());
    frame.extend([0; 4]);
    frame.resize(frame.len() + sent_len, 7);
    in_frame(ledger, &frame)
}

/// Sends, and waits until the server has read so many bytes.
pub(crate) fn are_read(ledger: &Ledger, len: usize, send: impl FnOnce()) {
    let received = || ledger.handle().stats().total.bytes_received;
    let before = received();
    send();
    eventually("the bytes are read", || received() >= before + len as u64);
}

/// An open connection that little is read of, and what was done on it.
fn open(ledger: &Ledger, act: impl FnOnce(&mut Client)) -> Peer {
    opened(ledger, &Dial::new(&ledger.address(PLAIN)).receive_len(16 << 10), act)
}

fn opened(ledger: &Ledger, dial: &Dial, act: impl FnOnce(&mut Client)) -> Peer {
    let messages = || ledger.handle().stats().total.messages_received;
    let before = messages();
    let mut client = dial.connect();
    // Its handler has heard of it, and the turn in which it has is over.
    client.send_text("hello");
    client.expect_text("hello");
    eventually("its first message is counted", || messages() > before);
    act(&mut client);
    Peer::Client(Box::new(client))
}
