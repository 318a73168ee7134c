//! A client of a few lines, on a blocking socket: for connections that the load tool does not open.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use tickwire::buf::ReceiveBuffer;
use tickwire::deflate::{Compressor, WindowBits};
use tickwire::frame::{OpCode, encode_compressed_frame};
use tickwire::rustls::pki_types::ServerName;
use tickwire::rustls::{ClientConfig, ClientConnection, StreamOwned};

use super::Bench;
use super::interrupt::is_caught;
use super::running::Running;
use crate::Result;
use crate::entrant::Coding;
use crate::market::Market;

/// For what a server has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n";
const OFFER: &[u8] = b"Sec-WebSocket-Extensions: permessage-deflate\r\n";
/// A masked text message: `go`.
const MESSAGE: &[u8] = b"\x81\x82\x00\x00\x00\x00go";
/// Compressed messages that a connection sends, and their bytes before that.
const COMPRESSED_COUNT: usize = 40;
const COMPRESSED_LEN: usize = 1 << 10;

/// A connection of either kind.
pub(crate) trait Line: Read + Write {}

impl<T: Read + Write> Line for T {}

/// Connects, and no more.
fn reach(server: &Running) -> Result<TcpStream> {
    let stream = TcpStream::connect(&server.host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Upgrades, if the server speaks WebSocket.
fn upgrade(server: &Running, line: &mut dyn Line, offer: &[u8]) -> Result<()> {
    if !server.speaks_websocket {
        return Ok(());
    }
    line.write_all(&[UPGRADE, offer, b"\r\n"].concat())?;
    // Byte by byte: what follows the head is left where it is.
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        line.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head);
    if !head.starts_with("HTTP/1.1 101 ") {
        return Err(format!("refused: {head}").into());
    }
    match offer.is_empty() || head.contains("permessage-deflate") {
        true => Ok(()),
        false => Err("the server does not compress".into()),
    }
}

/// Connections that have had something echoed, and then do nothing; closed when dropped.
pub(crate) struct Crowd {
    members: Vec<Box<dyn Line>>,
    /// If they speak TLS.
    tls: Option<Arc<ClientConfig>>,
    offer: &'static [u8],
    /// What each of them has echoed.
    messages: Vec<Vec<u8>>,
}

impl Crowd {
    pub(crate) fn new(bench: &Bench<'_>, coding: Coding) -> Result<Self> {
        let tls = (coding == Coding::Tls).then(|| bench.files.client_config()).transpose()?;
        let (offer, messages) = match coding.deflates() {
            true => (OFFER, compressed_messages()),
            false => (&[][..], vec![MESSAGE.to_vec()]),
        };
        Ok(Self { members: Vec::new(), tls, offer, messages })
    }

    /// Lets others in until there are so many.
    pub(crate) fn grow(&mut self, server: &Running, count: usize) -> Result<()> {
        while self.members.len() < count && !is_caught() {
            let mut line = self.connect(server)?;
            upgrade(server, &mut line, self.offer)?;
            for message in &self.messages {
                line.write_all(message)?;
                match server.speaks_websocket {
                    true => skip_frame(&mut line)?,
                    false => line.read_exact(&mut vec![0; message.len()])?,
                }
            }
            self.members.push(line);
        }
        Ok(())
    }

    fn connect(&self, server: &Running) -> Result<Box<dyn Line>> {
        let stream = reach(server)?;
        let Some(config) = &self.tls else { return Ok(Box::new(stream)) };
        let name = ServerName::try_from("localhost")?;
        let session = ClientConnection::new(config.clone(), name)?;
        Ok(Box::new(StreamOwned::new(session, stream)))
    }
}

/// Masked frames, as a client sends them that compresses each message by itself.
fn compressed_messages() -> Vec<Vec<u8>> {
    let mut market = Market::new();
    let message = || {
        let (mut text, mut frame) = (Vec::new(), Vec::new());
        market.append(&mut text, COMPRESSED_LEN);
        let mut out = ReceiveBuffer::default();
        let compressed = Compressor::new(6, WindowBits::MAX).compress_alone(&text, &mut out);
        let compressed = compressed.expect("market data gets shorter");
        encode_compressed_frame(&mut frame, true, OpCode::Text, Some([1, 2, 3, 4]), compressed);
        frame
    };
    std::iter::repeat_with(message).take(COMPRESSED_COUNT).collect()
}

/// Reads a server's frame (RFC 6455 §5.2), and forgets it.
fn skip_frame(line: &mut dyn Line) -> Result<()> {
    let mut head = [0; 2];
    line.read_exact(&mut head)?;
    let len = match head[1] {
        126 => {
            let mut len = [0; 2];
            line.read_exact(&mut len)?;
            u16::from_be_bytes(len).into()
        }
        127 => return Err("a frame that is too long".into()),
        len => usize::from(len),
    };
    Ok(line.read_exact(&mut vec![0; len])?)
}

/// Somebody who keeps an eye on the clock: has a broadcasting server publish at a fixed pace until
/// dropped.
#[derive(Debug)]
pub(crate) struct Conductor {
    stream: TcpStream,
    is_ended: Arc<AtomicBool>,
    threads: Vec<JoinHandle<()>>,
}

impl Conductor {
    pub(crate) fn start(server: &Running, interval: Duration) -> Result<Self> {
        let mut stream = reach(server)?;
        upgrade(server, &mut stream, &[])?;
        let is_ended = Arc::new(AtomicBool::new(false));
        let (mut writer, mut reader) = (stream.try_clone()?, stream.try_clone()?);
        let ends = Arc::clone(&is_ended);
        let beat = move || {
            let mut next = Instant::now();
            while !ends.load(Ordering::Relaxed) && writer.write_all(MESSAGE).is_ok() {
                // After a standstill there is no hurry to catch up.
                next = (next + interval).max(Instant::now());
                thread::sleep(next.saturating_duration_since(Instant::now()));
            }
        };
        // It is a subscriber too.
        let drain = move || {
            let mut buffer = vec![0; 64 << 10];
            while matches!(reader.read(&mut buffer), Ok(1..)) {}
        };
        let threads = vec![thread::spawn(beat), thread::spawn(drain)];
        Ok(Self { stream, is_ended, threads })
    }
}

impl Drop for Conductor {
    fn drop(&mut self) {
        self.is_ended.store(true, Ordering::Relaxed);
        // The server may be gone already.
        let _ = self.stream.shutdown(Shutdown::Both);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
