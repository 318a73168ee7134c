//! A client of a few lines, on a blocking socket: for connections that the load tool does not open.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use super::interrupt::is_caught;
use super::running::Running;
use crate::Result;

/// For what a server has to answer.
const PATIENCE: Duration = Duration::from_secs(10);

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";
/// A masked text message: `go`.
const MESSAGE: &[u8] = b"\x81\x82\x00\x00\x00\x00go";

/// Connects, and upgrades if the server speaks WebSocket.
pub(crate) fn connect(server: &Running) -> Result<TcpStream> {
    let mut stream = TcpStream::connect(&server.host)?;
    stream.set_nodelay(true)?;
    stream.set_read_timeout(Some(PATIENCE))?;
    if server.speaks_websocket {
        stream.write_all(UPGRADE)?;
        // Byte by byte: what follows the head is left where it is.
        let (mut head, mut byte) = (Vec::new(), [0]);
        while !head.ends_with(b"\r\n\r\n") {
            stream.read_exact(&mut byte)?;
            head.push(byte[0]);
        }
        if !head.starts_with(b"HTTP/1.1 101 ") {
            return Err(format!("refused: {}", String::from_utf8_lossy(&head)).into());
        }
    }
    Ok(stream)
}

/// Connections that have each had one message echoed, and then do nothing; closed when dropped.
#[derive(Debug, Default)]
pub(crate) struct Crowd {
    members: Vec<TcpStream>,
}

impl Crowd {
    /// Lets others in until there are so many.
    pub(crate) fn grow(&mut self, server: &Running, count: usize) -> Result<()> {
        // A server's frames are not masked, and so shorter by the key's four bytes.
        let reply_len = MESSAGE.len() - if server.speaks_websocket { 4 } else { 0 };
        while self.members.len() < count && !is_caught() {
            let mut stream = connect(server)?;
            stream.write_all(MESSAGE)?;
            stream.read_exact(&mut [0; MESSAGE.len()][..reply_len])?;
            self.members.push(stream);
        }
        Ok(())
    }
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
        let stream = connect(server)?;
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
