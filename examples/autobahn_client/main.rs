//! A client for Autobahn's fuzzing server, on the engine's sans-IO client role and its streams:
//! `autobahn_client --server ws://127.0.0.1:9002 --agent tickwire`.
//!
//! It asks for one case after another and echoes what each sends; the suite judges, not this.

mod wire;

use std::error::Error;
use std::io::{self, ErrorKind, IsTerminal};
use std::ops::Range;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
#[cfg(feature = "deflate")]
use tickwire::deflate::{Params, WindowBits};
#[cfg(feature = "deflate")]
use tickwire::frame::encode_compressed_frame;
use tickwire::frame::{OpCode, encode_frame};
use tickwire::handshake::{ClientRequest, ServerResponse};
use tickwire::protocol::{Endpoint, Event, Limits, Message, ProtocolError, Role, Workspace};

use crate::wire::{Address, Route, Wire};

/// The longest message that is taken, in bytes.
const MAX_MESSAGE_LEN: usize = 64 << 20;

/// As browsers offer it: the server may ask for shorter windows.
#[cfg(feature = "deflate")]
const OFFER: Params = Params {
    server_no_context_takeover: false,
    client_no_context_takeover: false,
    server_max_window_bits: None,
    client_max_window_bits: Some(WindowBits::MAX),
};

/// Bytes that are read at once; also more than a response's head may have.
const INPUT_LEN: usize = 64 << 10;

/// Gathered replies of this many bytes are written before more is decoded.
const WRITE_LEN: usize = 64 << 10;

/// The server closes the TCP connection (RFC 6455 §7.1.1); this is how long the client lets it.
const END_PATIENCE: Duration = Duration::from_secs(5);

/// Runs all cases of Autobahn's fuzzing server by echoing what it sends.
#[derive(Parser)]
struct Args {
    /// The fuzzing server: `ws://HOST:PORT`, or `wss://HOST:PORT` for TLS.
    #[arg(long, value_name = "URL")]
    server: Address,
    /// For wss://: a PEM file with the authorities to trust [default: the platform's]
    #[arg(long, value_name = "FILE")]
    tls_ca: Option<PathBuf>,
    /// The name that the reports are filed under.
    #[arg(long, value_name = "NAME", default_value = "tickwire")]
    agent: String,
}

fn main() -> ExitCode {
    let Args { server, tls_ca, agent } = Args::parse();
    let route = Route::new(server, tls_ca.as_deref());
    let run = |route| run_all(&route, &percent_encode(&agent));
    match route.map_err(Into::into).and_then(run) {
        Ok(count) => {
            eprintln!("{count} cases run; the suite's report says how they went");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("autobahn_client: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run_all(route: &Route, agent: &str) -> Result<u32, Box<dyn Error>> {
    let count = case_count(route)?;
    let (start, end) = if io::stderr().is_terminal() { ("\r", "") } else { ("", "\n") };
    for case in 1..=count {
        eprint!("{start}case {case} of {count}{end}");
        Connection::open(route, &format!("/runCase?case={case}&agent={agent}"))?
            .run(|message, reply| reply.send(message.opcode(), message.as_bytes()))
            .map_err(|error| format!("case {case}: {error}"))?;
    }
    eprint!("{start}");
    Connection::open(route, &format!("/updateReports?agent={agent}"))?.run(|_, _| {})?;
    Ok(count)
}

fn case_count(route: &Route) -> Result<u32, Box<dyn Error>> {
    let mut answer = None;
    Connection::open(route, "/getCaseCount")?.run(|message, _| {
        answer = message.as_text().map(str::to_owned);
    })?;
    let answer = answer.ok_or("the server ended the connection without the number of cases")?;
    let count = answer.parse().map_err(|_| format!("not a number of cases: {answer:?}"))?;
    Ok(count)
}

/// One connection from its opening handshake to its end.
struct Connection {
    wire: Wire,
    endpoint: Endpoint,
    workspace: Workspace,
    input: Box<[u8]>,
    /// Where in `input` received bytes lie that are not decoded yet.
    pending: Range<usize>,
    reply: Reply,
}

impl Connection {
    fn open(route: &Route, target: &str) -> Result<Self, Box<dyn Error>> {
        let host = &route.address.host;
        let wire = route.connect().map_err(|error| format!("cannot connect to {host}: {error}"))?;
        let mut limits = Limits::for_messages_up_to(MAX_MESSAGE_LEN);
        limits.max_fragment_count = 1 << 20;
        let mut connection = Self {
            wire,
            endpoint: Endpoint::new(),
            workspace: Workspace::new(Role::Client, limits),
            input: vec![0; INPUT_LEN].into_boxed_slice(),
            pending: 0..0,
            reply: Reply::default(),
        };
        connection
            .shake_hands(host, target)
            .map_err(|error| format!("opening handshake for {target}: {error}"))?;
        Ok(connection)
    }

    fn shake_hands(&mut self, host: &str, target: &str) -> Result<(), Box<dyn Error>> {
        let nonce = fastrand::u128(..).to_ne_bytes();
        let request = ClientRequest::new(host, target, nonce);
        #[cfg(feature = "deflate")]
        let request = request.extension(tickwire::handshake::offer_deflate(&OFFER));
        let mut head = Vec::new();
        request.encode(&mut head)?;
        self.wire.write_all(&head)?;
        let mut decoder = request.decoder();
        loop {
            if self.receive_input()? == 0 {
                return Err("the server ended the connection".into());
            }
            let received = &self.input[self.pending.clone()];
            if let Some((response, head_len)) = decoder.decode(received)? {
                self.pending.start += head_len;
                return self.agree(&response);
            }
        }
    }

    /// Compresses if the server does.
    #[cfg(feature = "deflate")]
    fn agree(&mut self, response: &ServerResponse) -> Result<(), Box<dyn Error>> {
        let agreed = tickwire::handshake::check_deflate(&[OFFER], response.extensions())?;
        if let Some(agreement) = agreed {
            self.endpoint = Endpoint::with_deflate(&self.workspace, &agreement);
        }
        Ok(())
    }

    #[cfg(not(feature = "deflate"))]
    fn agree(&mut self, _: &ServerResponse) -> Result<(), Box<dyn Error>> {
        Ok(())
    }

    /// Gives each message to `on_message` until the connection has ended, in whatever way: how it
    /// should end is for the suite to know.
    fn run(mut self, mut on_message: impl FnMut(Message<'_>, &mut Sender<'_>)) -> io::Result<()> {
        match self.converse(&mut on_message) {
            Err(error) if error.kind() == ErrorKind::TimedOut => {
                Err(io::Error::new(ErrorKind::TimedOut, "the server hangs"))
            }
            // A case may end by a drop of the connection.
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn converse(
        &mut self,
        on_message: &mut impl FnMut(Message<'_>, &mut Sender<'_>),
    ) -> io::Result<()> {
        loop {
            self.decode(on_message)?;
            self.reply.flush(&mut self.wire)?;
            if self.endpoint.is_closed() {
                self.await_end();
                return Ok(());
            }
            if self.receive(on_message)? == 0 {
                return Ok(());
            }
        }
    }

    /// Decodes all that has been received, and answers it.
    fn decode(
        &mut self,
        on_message: &mut impl FnMut(Message<'_>, &mut Sender<'_>),
    ) -> io::Result<()> {
        loop {
            let input = &mut self.input[self.pending.clone()];
            let (len, event) = match self.endpoint.decode(&mut self.workspace, input) {
                Ok(decoded) => decoded,
                Err(error) => {
                    self.fail(error);
                    return Ok(());
                }
            };
            self.pending.start += len;
            match event {
                None => return Ok(()),
                Some(Event::Message(message)) => {
                    let Self { reply, endpoint, workspace, .. } = self;
                    on_message(message, &mut Sender { reply, endpoint, workspace });
                }
                Some(Event::Assembled(message)) => {
                    on_message(message.as_message(), &mut self.sender());
                    self.workspace.recycle(message);
                }
                Some(Event::Ping(payload)) => self.reply.push(OpCode::Pong, payload),
                Some(Event::Pong(_)) => {}
                Some(Event::Close(close)) => {
                    // The code goes back as it came (RFC 6455 §5.5.1).
                    let key = Some(masking_key());
                    self.endpoint.close(&mut self.reply.frames, close.code, "", key);
                }
            }
            if self.reply.frames.len() >= WRITE_LEN {
                self.reply.flush(&mut self.wire)?;
            }
        }
    }

    /// Receives once: the rest of a large payload straight into its message, all else into the
    /// input. 0 is the end of the stream.
    fn receive(
        &mut self,
        on_message: &mut impl FnMut(Message<'_>, &mut Sender<'_>),
    ) -> io::Result<usize> {
        if self.endpoint.payload_remaining() < INPUT_LEN {
            return self.receive_input();
        }
        let Some(spare) = self.endpoint.payload_spare(usize::MAX) else { return Ok(0) };
        let len = self.wire.read(spare)?;
        match self.endpoint.payload_received(&mut self.workspace, len) {
            Ok(None) => {}
            Ok(Some(message)) => {
                on_message(message.as_message(), &mut self.sender());
                self.workspace.recycle(message);
            }
            Err(error) => self.fail(error),
        }
        Ok(len)
    }

    fn sender(&mut self) -> Sender<'_> {
        let Self { reply, endpoint, workspace, .. } = self;
        Sender { reply, endpoint, workspace }
    }

    /// Fails the connection (RFC 6455 §7.1.7): its last frame says why.
    fn fail(&mut self, error: ProtocolError) {
        let (code, reason) = (error.close_code(), error.to_string());
        self.endpoint.close(&mut self.reply.frames, code, &reason, Some(masking_key()));
    }

    /// Receives behind what is pending; 0 is the end of the stream.
    fn receive_input(&mut self) -> io::Result<usize> {
        // What is pending is a part of a head, so there is room behind it.
        self.input.copy_within(self.pending.clone(), 0);
        self.pending = 0..self.pending.len();
        let len = self.wire.read(&mut self.input[self.pending.end..])?;
        self.pending.end += len;
        Ok(len)
    }

    /// Leaves it to the server to close the TCP connection, but not for ever.
    fn await_end(&mut self) {
        self.wire.set_patience(END_PATIENCE);
        while matches!(self.wire.read(&mut self.input), Ok(1..)) {}
    }
}

/// What a message is answered by.
struct Sender<'a> {
    reply: &'a mut Reply,
    #[cfg_attr(not(feature = "deflate"), allow(dead_code))]
    endpoint: &'a mut Endpoint,
    #[cfg_attr(not(feature = "deflate"), allow(dead_code))]
    workspace: &'a mut Workspace,
}

impl Sender<'_> {
    /// Sends a message, compressed if that is agreed upon.
    fn send(&mut self, opcode: OpCode, payload: &[u8]) {
        #[cfg(feature = "deflate")]
        if let Some(compressed) = self.endpoint.deflate(self.workspace, payload, true) {
            let (frames, key) = (&mut self.reply.frames, Some(masking_key()));
            return encode_compressed_frame(frames, true, opcode, key, compressed);
        }
        self.reply.push(opcode, payload);
    }
}

/// Frames that are to be sent. As a client's they are masked, each with a key of its own.
#[derive(Default)]
struct Reply {
    frames: Vec<u8>,
}

impl Reply {
    fn push(&mut self, opcode: OpCode, payload: &[u8]) {
        encode_frame(&mut self.frames, true, opcode, Some(masking_key()), payload);
    }

    fn flush(&mut self, wire: &mut Wire) -> io::Result<()> {
        wire.write_all(&self.frames)?;
        self.frames.clear();
        Ok(())
    }
}

/// Different for each frame. Not from a strong source of randomness, as RFC 6455 §5.3 wants it
/// where scripts choose the payloads: here nobody does.
fn masking_key() -> [u8; 4] {
    fastrand::u32(..).to_ne_bytes()
}

/// `text` as the value of a query's parameter.
fn percent_encode(text: &str) -> String {
    let mut encoded = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            encoded.push(byte.into());
        } else {
            encoded.push_str(&format!("%{byte:02X}"));
        }
    }
    encoded
}
