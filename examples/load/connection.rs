//! One connection on a non-blocking socket: WebSocket, by the engine's sans-IO client role, or plain
//! bytes.

use std::io::{self, ErrorKind};
use std::mem;
use std::time::Duration;

use mio::{Registry, Token};
use socket2::SockRef;
use thiserror::Error;
use tickwire::frame::{CloseCode, OpCode, encode_frame};
use tickwire::handshake::{HandshakeError, ResponseDecoder, ServerResponse};
use tickwire::protocol::{Endpoint, Event, Limits, Message, ProtocolError, Role, Workspace};
use tickwire::transport::Stream;

use crate::clock::{Clock, Nanos};
use crate::plain::Cutter;

/// The longest message that is taken, in bytes. None of it is reserved before it comes.
const MAX_MESSAGE_LEN: usize = 1 << 30;
/// Bytes that are read at once.
const INPUT_LEN: usize = 256 << 10;
/// Bytes of frames that are written at once.
const OUTPUT_LEN: usize = 64 << 10;
/// Reads of one connection before others get their turn.
const MAX_READS: u32 = 8;

/// Why a connection is over.
#[derive(Debug, Error)]
pub(crate) enum End {
    #[error(transparent)]
    Refused(HandshakeError),
    #[error("closed by the server: {code}{}", in_parentheses(.reason))]
    Closed { code: CloseCode, reason: String },
    #[error("the server hung up without a close frame")]
    HungUp,
    #[error("the server does not compress")]
    Uncompressed,
    #[error("the server breaks the protocol: {0}")]
    Protocol(ProtocolError),
    #[error(transparent)]
    Socket(io::Error),
}

fn in_parentheses(text: &str) -> String {
    if text.is_empty() { String::new() } else { format!(" ({text})") }
}

/// Whether a connection has more to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Received {
    /// The poller will tell when there is more.
    All,
    /// It will not: there may be more, but others come first.
    Some,
}

/// When a message came, and in how many bytes.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Arrival {
    pub(crate) at: Nanos,
    /// Of its payload.
    pub(crate) len: usize,
    /// Of its frames, compressed if it was, and of control frames before it.
    pub(crate) framed_len: usize,
}

/// What the connections of a thread use in turn.
#[derive(Debug)]
pub(crate) struct Bench {
    pub(crate) clock: Clock,
    workspace: Workspace,
    input: Box<[u8]>,
    output: Vec<u8>,
}

impl Bench {
    pub(crate) fn new(clock: Clock) -> Self {
        let limits = Limits::for_messages_up_to(MAX_MESSAGE_LEN);
        Self {
            clock,
            workspace: Workspace::new(Role::Client, limits),
            input: vec![0; INPUT_LEN].into_boxed_slice(),
            output: Vec::with_capacity(2 * OUTPUT_LEN),
        }
    }
}

/// From the first byte of the handshake to the last of the closing.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: Stream,
    stage: Stage,
    protocol: Protocol,
    /// Compression is offered, and the server must agree.
    deflates: bool,
    /// Received and not decodable without what follows: a piece of a head.
    kept: Vec<u8>,
    /// Bytes of frames, since the last message.
    framed_len: usize,
    /// What the socket has not taken at once: empty most of the time. The first `taken_len` bytes of
    /// it the socket has taken since.
    unsent: Vec<u8>,
    taken_len: usize,
}

#[derive(Debug)]
enum Stage {
    /// The socket connects, and needs no handshake.
    Connecting,
    /// The handshake's answer is awaited.
    Opening(Box<ResponseDecoder>),
    Open,
    Ended,
}

#[derive(Debug)]
enum Protocol {
    WebSocket(Endpoint),
    Plain(Cutter),
}

impl Connection {
    /// A connection on a socket that begins to connect.
    pub(crate) fn new(
        stream: Stream,
        request: Vec<u8>,
        decoder: ResponseDecoder,
        deflates: bool,
    ) -> Self {
        Self {
            deflates,
            stream,
            stage: Stage::Opening(Box::new(decoder)),
            protocol: Protocol::WebSocket(Endpoint::new()),
            kept: Vec::new(),
            framed_len: 0,
            unsent: request,
            taken_len: 0,
        }
    }

    /// One on which messages of `message_len` bytes come, and nothing but messages.
    pub(crate) fn plain(stream: Stream, message_len: usize) -> Self {
        Self {
            stream,
            stage: Stage::Connecting,
            protocol: Protocol::Plain(Cutter::new(message_len)),
            deflates: false,
            kept: Vec::new(),
            framed_len: 0,
            unsent: Vec::new(),
            taken_len: 0,
        }
    }

    /// Asks for events, once for all.
    pub(crate) fn register(&mut self, registry: &Registry, token: Token) -> io::Result<()> {
        self.stream.register(registry, token)
    }

    #[inline]
    pub(crate) fn is_opening(&self) -> bool {
        matches!(self.stage, Stage::Opening(_) | Stage::Connecting)
    }

    #[inline]
    pub(crate) fn is_open(&self) -> bool {
        matches!(self.stage, Stage::Open)
    }

    #[inline]
    pub(crate) fn is_ended(&self) -> bool {
        matches!(self.stage, Stage::Ended)
    }

    /// Nothing is read or written any more.
    pub(crate) fn end(&mut self) {
        self.stage = Stage::Ended;
        (self.kept, self.unsent, self.taken_len) = (Vec::new(), Vec::new(), 0);
    }

    /// Reads what has come, and gives `take` each message.
    ///
    /// # Errors
    /// Why the connection is over. All that came before that was taken.
    pub(crate) fn receive(
        &mut self,
        bench: &mut Bench,
        mut take: impl FnMut(Message<'_>, Arrival),
    ) -> Result<Received, End> {
        for _ in 0..MAX_READS {
            let kept_len = self.kept.len();
            let len = match self.stream.read(&mut bench.input[kept_len..]) {
                Ok(0) => return Err(End::HungUp),
                Ok(len) => len,
                Err(error) if is_not_ready(&error) => {
                    self.note_readiness(&error);
                    return Ok(Received::All);
                }
                Err(error) => return Err(End::Socket(error)),
            };
            let at = bench.clock.now();
            bench.input[..kept_len].copy_from_slice(&self.kept);
            self.kept.clear();
            let input = &mut bench.input[..kept_len + len];
            let used_len = self.decode(&mut bench.workspace, input, |message, framed_len| {
                take(message, Arrival { at, len: message.len(), framed_len });
            })?;
            self.kept.extend_from_slice(&bench.input[used_len..kept_len + len]);
            // Whoever gets less than asked for has got all there is.
            if kept_len + len < bench.input.len() {
                return Ok(Received::All);
            }
        }
        Ok(Received::Some)
    }

    /// The first event of a socket that connects is that it is connected, or an error.
    #[inline]
    fn note_readiness(&mut self, error: &io::Error) {
        if matches!(self.stage, Stage::Connecting) && error.kind() == ErrorKind::WouldBlock {
            self.stage = Stage::Open;
        }
    }

    /// Decodes all of `input` that can be decoded; says how much that is. `take` gets each message and
    /// the bytes that it had on the wire.
    fn decode(
        &mut self,
        workspace: &mut Workspace,
        input: &mut [u8],
        mut take: impl FnMut(Message<'_>, usize),
    ) -> Result<usize, End> {
        let mut at = 0;
        if let Stage::Opening(decoder) = &mut self.stage {
            let Some((response, head_len)) = decoder.decode(input).map_err(End::Refused)? else {
                return Ok(0);
            };
            if self.deflates {
                self.protocol = Protocol::WebSocket(agree(workspace, &response)?);
            }
            self.stage = Stage::Open;
            at = head_len;
        }
        let endpoint = match &mut self.protocol {
            Protocol::WebSocket(endpoint) => endpoint,
            Protocol::Plain(cutter) => {
                self.stage = Stage::Open;
                cutter.cut(input, |bytes| take(Message::Binary(bytes), bytes.len()));
                return Ok(input.len());
            }
        };
        loop {
            let (len, event) = match endpoint.decode(workspace, &mut input[at..]) {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.say_close(error.close_code());
                    return Err(End::Protocol(error));
                }
            };
            at += len;
            self.framed_len += len;
            match event {
                None => return Ok(at),
                Some(Event::Message(message)) => take(message, mem::take(&mut self.framed_len)),
                Some(Event::Assembled(message)) => {
                    take(message.as_message(), mem::take(&mut self.framed_len));
                    workspace.recycle(message);
                }
                Some(Event::Ping(payload)) => {
                    let key = Some(masking_key());
                    encode_frame(&mut self.unsent, true, OpCode::Pong, key, payload);
                }
                Some(Event::Pong(_)) => {}
                Some(Event::Close(frame)) => {
                    let (code, reason) = (frame.code, frame.reason.to_owned());
                    self.say_close(code);
                    return Err(End::Closed { code, reason });
                }
            }
        }
    }

    /// Writes what is left over, and then the frames that `encode_next` appends, until there are no
    /// more or the socket takes no more.
    pub(crate) fn send(
        &mut self,
        bench: &mut Bench,
        mut encode_next: impl FnMut(&mut Vec<u8>) -> bool,
    ) -> Result<(), End> {
        while self.flush()? && self.is_open() && !self.is_close_sent() {
            let output = &mut bench.output;
            output.clear();
            while output.len() < OUTPUT_LEN && encode_next(output) {}
            if output.is_empty() {
                break;
            }
            let len = write(&mut self.stream, output)?;
            self.unsent.extend_from_slice(&output[len..]);
        }
        Ok(())
    }

    /// Queues what `append` appends; it goes out with the next [`send`](Self::send).
    pub(crate) fn queue(&mut self, append: impl FnOnce(&mut Vec<u8>)) {
        append(&mut self.unsent);
    }

    /// Begins the closing handshake; a plain connection is closed in our direction.
    pub(crate) fn close(&mut self) -> Result<(), End> {
        match &mut self.protocol {
            Protocol::WebSocket(endpoint) => {
                endpoint.close(&mut self.unsent, CloseCode::NORMAL, "", Some(masking_key()));
                self.flush().map(|_| ())
            }
            Protocol::Plain(_) => self.stream.shutdown_write().map_err(End::Socket),
        }
    }

    /// Says goodbye before the load is over; says whether the server will answer.
    pub(crate) fn leave(&mut self) -> Result<bool, End> {
        match &self.protocol {
            Protocol::WebSocket(_) => self.close().map(|()| true),
            Protocol::Plain(_) => Ok(false),
        }
    }

    /// Ends it so that nothing of it stays behind: a port that waits for late segments is not to be
    /// had for the next connection.
    pub(crate) fn abort(&mut self) {
        if let Stream::Tcp(stream) = &self.stream {
            // Where that does not work, ports may run short, which will be said.
            let _ = SockRef::from(stream).set_linger(Some(Duration::ZERO));
        }
        self.end();
    }

    fn is_close_sent(&self) -> bool {
        match &self.protocol {
            Protocol::WebSocket(endpoint) => endpoint.is_close_sent(),
            Protocol::Plain(_) => false,
        }
    }

    /// Says goodbye as the last thing; the socket may not take it any more.
    fn say_close(&mut self, code: CloseCode) {
        if let Protocol::WebSocket(endpoint) = &mut self.protocol {
            endpoint.close(&mut self.unsent, code, "", Some(masking_key()));
            let _ = self.flush();
        }
    }

    /// Writes what is left over; says whether the socket took it all.
    fn flush(&mut self) -> Result<bool, End> {
        self.taken_len += write(&mut self.stream, &self.unsent[self.taken_len..])?;
        if self.taken_len < self.unsent.len() {
            return Ok(false);
        }
        self.unsent.clear();
        self.taken_len = 0;
        self.stream.flush().map_err(End::Socket)
    }
}

/// Writes what the socket takes.
fn write(stream: &mut Stream, bytes: &[u8]) -> Result<usize, End> {
    let mut at = 0;
    while at < bytes.len() {
        match stream.write(&bytes[at..]) {
            Ok(len) => at += len,
            Err(error) if is_not_ready(&error) => break,
            Err(error) => return Err(End::Socket(error)),
        }
    }
    Ok(at)
}

/// As browsers offer it. Nothing that is sent refers back, so whatever the server makes of it is kept.
#[cfg(feature = "deflate")]
pub(crate) const OFFER: tickwire::deflate::Params = tickwire::deflate::Params {
    server_no_context_takeover: false,
    client_no_context_takeover: true,
    server_max_window_bits: None,
    client_max_window_bits: None,
};

/// The endpoint of a connection on which the server has agreed to compression.
#[cfg(feature = "deflate")]
fn agree(workspace: &Workspace, response: &ServerResponse) -> Result<Endpoint, End> {
    let agreed = tickwire::handshake::check_deflate(&[OFFER], response.extensions());
    let agreement = agreed.map_err(End::Refused)?.ok_or(End::Uncompressed)?;
    Ok(Endpoint::with_deflate(workspace, &agreement))
}

#[cfg(not(feature = "deflate"))]
fn agree(_: &Workspace, _: &ServerResponse) -> Result<Endpoint, End> {
    Err(End::Uncompressed)
}

fn is_not_ready(error: &io::Error) -> bool {
    // Some systems say of a socket that still connects that it is not connected.
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::NotConnected)
}

/// Not from a strong source of randomness: no script chooses what this program sends.
fn masking_key() -> [u8; 4] {
    fastrand::u32(..).to_ne_bytes()
}
