//! Connections to be made.

use std::collections::VecDeque;
use std::io;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};
#[cfg(feature = "deflate")]
use tickwire::deflate::Params;
use tickwire::frame::{OpCode, encode_frame};
use tickwire::handshake::{ClientRequest, ExtensionOffer};
use tickwire::protocol::{Endpoint, Limits, Role, Workspace};
use tickwire::transport::LocalAddr;

use super::client::KEY;
use super::{Client, HttpClient, HttpResponse, Socket, Writer};

/// Messages of any length that a test may want are taken.
const MAX_MESSAGE_LEN: usize = 256 << 20;

/// A connection to be made: an opening handshake and how to send it.
#[derive(Clone, Debug)]
pub(crate) struct Dial {
    address: LocalAddr,
    request: ClientRequest,
    from: Option<IpAddr>,
    receive_len: Option<usize>,
    frames_behind: Vec<u8>,
    preface: Option<Preface>,
    #[cfg(feature = "deflate")]
    offers: Vec<Params>,
    #[cfg(feature = "tls")]
    tls: Option<Arc<tickwire::rustls::ClientConfig>>,
}

impl Dial {
    pub(crate) fn new(address: &LocalAddr) -> Self {
        Self::path(address, "/")
    }

    pub(crate) fn path(address: &LocalAddr, path: &str) -> Self {
        let request = ClientRequest::new("test.example", path, *b"nonce of a test.");
        Self {
            address: address.clone(),
            request,
            from: None,
            receive_len: None,
            frames_behind: Vec::new(),
            preface: None,
            #[cfg(feature = "deflate")]
            offers: Vec::new(),
            #[cfg(feature = "tls")]
            tls: None,
        }
    }

    /// Offers permessage-deflate.
    #[cfg(feature = "deflate")]
    pub(crate) fn deflate(mut self, offer: Params) -> Self {
        self.request = self.request.extension(tickwire::handshake::offer_deflate(&offer));
        self.offers.push(offer);
        self
    }

    /// Offers an extension as it stands, whatever that is.
    pub(crate) fn extension(self, extension: ExtensionOffer) -> Self {
        Self { request: self.request.extension(extension), ..self }
    }

    pub(crate) fn origin(self, origin: &str) -> Self {
        Self { request: self.request.origin(origin), ..self }
    }

    pub(crate) fn subprotocol(self, name: &str) -> Self {
        Self { request: self.request.subprotocol(name), ..self }
    }

    pub(crate) fn header(self, name: &'static str, value: &'static str) -> Self {
        let (name, value) = (HeaderName::from_static(name), HeaderValue::from_static(value));
        Self { request: self.request.header(name, value), ..self }
    }

    /// Connects from this address of the machine.
    pub(crate) fn from(self, address: IpAddr) -> Self {
        Self { from: Some(address), ..self }
    }

    /// Keeps the kernel from taking in more than about `len` bytes that the test has not read.
    pub(crate) fn receive_len(self, len: usize) -> Self {
        Self { receive_len: Some(len), ..self }
    }

    /// TLS by this configuration, not by the one that tests share.
    #[cfg(feature = "tls")]
    pub(crate) fn tls(self, config: Arc<tickwire::rustls::ClientConfig>) -> Self {
        Self { tls: Some(config), ..self }
    }

    /// Sends `header` before anything else, as a proxy does, in pieces of at most `piece_len` bytes;
    /// what follows is in the same segment as the last.
    pub(crate) fn through_proxy(self, header: &[u8], piece_len: usize) -> Self {
        Self { preface: Some(Preface { header: header.to_vec(), piece_len }), ..self }
    }

    /// A text message that is sent in the same write as the request's head.
    pub(crate) fn text_behind(mut self, text: &str) -> Self {
        encode_frame(&mut self.frames_behind, true, OpCode::Text, Some(KEY), text.as_bytes());
        self
    }

    /// Connects; the server must accept.
    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        match self.try_connect() {
            Ok(client) => client,
            Err(error) => panic!("the server does not accept the handshake: {error}"),
        }
    }

    /// Connects, if the server likes.
    pub(crate) fn try_connect(&self) -> io::Result<Client> {
        let http = self.try_send()?;
        let (response, input) = http.switch(self.request.decoder())?;
        let workspace = Workspace::new(Role::Client, Limits::for_messages_up_to(MAX_MESSAGE_LEN));
        #[cfg(feature = "deflate")]
        let (endpoint, workspace) = {
            let workspace = workspace.with_compression(tickwire::Compression::dedicated());
            let agreed = tickwire::handshake::check_deflate(&self.offers, response.extensions());
            let agreed = agreed.expect("the server answers an offer");
            let deflating = |agreement| Endpoint::with_deflate(&workspace, &agreement);
            (agreed.map_or_else(Endpoint::new, deflating), workspace)
        };
        #[cfg(not(feature = "deflate"))]
        let endpoint = Endpoint::new();
        let writer = Writer { socket: Arc::new(http.into_socket()) };
        Ok(Client { writer, response, endpoint, workspace, input, events: VecDeque::new() })
    }

    /// Connects and takes whatever HTTP response comes instead of an upgrade.
    #[track_caller]
    pub(crate) fn refused(&self) -> HttpResponse {
        self.send().response()
    }

    /// Sends the request and leaves the answer to the test.
    #[track_caller]
    pub(crate) fn send(&self) -> HttpClient {
        self.try_send().expect("connect and send")
    }

    fn try_send(&self) -> io::Result<HttpClient> {
        let socket = self.socket()?;
        let mut head = Vec::new();
        self.request.encode(&mut head).expect("the test's request is in order");
        head.extend_from_slice(&self.frames_behind);
        socket.write_all(&head)?;
        Ok(HttpClient::new(socket))
    }

    fn socket(&self) -> io::Result<Socket> {
        let socket = Socket::connect_from(self.from, &self.address, self.receive_len)?;
        if let Some(preface) = &self.preface {
            preface.send(&socket)?;
        }
        #[cfg(feature = "tls")]
        if let Some(config) = &self.tls {
            return socket.with_tls(config.clone(), super::tls::NAME);
        }
        socket.with_the_servers_tls()
    }
}

/// What a proxy sends first.
#[derive(Clone, Debug)]
struct Preface {
    header: Vec<u8>,
    piece_len: usize,
}

impl Preface {
    fn send(&self, socket: &Socket) -> io::Result<()> {
        let last_at = (self.header.len() - 1) / self.piece_len * self.piece_len;
        for piece in self.header[..last_at].chunks(self.piece_len) {
            socket.write_all(piece)?;
            std::thread::sleep(Duration::from_millis(1));
        }
        socket.write_with_the_next(&self.header[last_at..])
    }
}
