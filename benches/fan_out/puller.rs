//! The client of the CPU half, a process of its own: it empties its sockets and looks at nothing.
//!
//! It takes commands as lines on its standard input and answers with bytes on its standard output.
//! While it drains it does not wait in the poller but looks there every now and then, so that no
//! `write` of the server has to wake it: what waking costs would depend on chance.

use std::fmt;
use std::io::{self, BufRead, BufReader, ErrorKind, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::str::{FromStr, Split};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};

use super::{threads, wire};

/// The argument that makes this program the client.
pub(crate) const ROLE: &str = "--as-the-pulling-client";

/// Between two looks at the sockets.
const PAUSE: Duration = Duration::from_micros(30);

/// Nothing is to take longer: the other side must have gone.
const PATIENCE: Duration = Duration::from_secs(60);

/// Whom a connection is to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Peer {
    Engine,
    Bare,
}

/// The client as this process holds it.
pub(crate) struct Puller {
    child: Child,
    commands: Option<ChildStdin>,
    answers: ChildStdout,
}

impl Puller {
    pub(crate) fn start() -> Self {
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut child = Command::new(program)
            .arg(ROLE)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("this program can be run again");
        threads::pin_process(child.id(), threads::CLIENT_CORE);
        let commands = child.stdin.take();
        let answers = child.stdout.take().expect("it is piped");
        Self { child, commands, answers }
    }

    /// Has it connect `count` times. The answer has yet to come.
    pub(crate) fn connect(&mut self, peer: Peer, address: SocketAddr, count: usize) {
        self.command(format_args!("connect {peer} {address} {count}"));
    }

    /// Has it answer each time that further `window` bytes have arrived from `peer`, `count` times.
    pub(crate) fn drain(&mut self, peer: Peer, window: usize, count: usize) {
        self.command(format_args!("drain {peer} {window} {count}"));
        self.await_answer();
    }

    pub(crate) fn await_answer(&mut self) {
        self.answers.read_exact(&mut [0]).expect("the client works on");
    }

    fn command(&mut self, command: fmt::Arguments<'_>) {
        let commands = self.commands.as_mut().expect("open until the end");
        writeln!(commands, "{command}").expect("the client works on");
    }
}

impl Drop for Puller {
    fn drop(&mut self) {
        // The end of its input ends it; should it be busy with what will not come, it gives up.
        self.commands = None;
        if std::thread::panicking() {
            let _ = self.child.kill();
        }
        let _ = self.child.wait();
    }
}

/// The client's own `main`.
pub(crate) fn run() {
    let (mut engine, mut bare) = (Sockets::new(), Sockets::new());
    for line in BufReader::new(io::stdin()).lines() {
        let line = line.expect("commands are text");
        let mut words = line.split(' ');
        let command = words.next();
        let peer = next::<Peer>(&mut words);
        let sockets = if peer == Peer::Engine { &mut engine } else { &mut bare };
        match command {
            Some("connect") => sockets.connect(peer, next(&mut words), next(&mut words)),
            Some("drain") => sockets.drain(next(&mut words), next(&mut words)),
            other => unreachable!("no such command: {other:?}"),
        }
    }
}

fn next<T: FromStr>(words: &mut Split<'_, char>) -> T {
    words.next().and_then(|word| word.parse().ok()).expect("the command is whole")
}

fn answer() {
    let mut output = io::stdout();
    output.write_all(b"!").and_then(|()| output.flush()).expect("the bench works on");
}

/// The connections to one peer.
struct Sockets {
    poll: Poll,
    streams: Vec<TcpStream>,
    buffer: Vec<u8>,
}

impl Sockets {
    fn new() -> Self {
        let poll = Poll::new().expect("a poller");
        Self { poll, streams: Vec::new(), buffer: vec![0; 256 * 1024] }
    }

    fn connect(&mut self, peer: Peer, address: SocketAddr, count: usize) {
        for i in 0..count {
            let stream = match peer {
                Peer::Engine => wire::connect_websocket(address),
                Peer::Bare => std::net::TcpStream::connect(address).expect("somebody listens"),
            };
            stream.set_nonblocking(true).expect("a socket option");
            let mut stream = TcpStream::from_std(stream);
            let registry = self.poll.registry();
            registry.register(&mut stream, Token(i), Interest::READABLE).expect("room for it");
            self.streams.push(stream);
        }
        answer();
    }

    fn drain(&mut self, window: usize, count: usize) {
        answer();
        let mut events = Events::with_capacity(1024);
        let (mut answered, mut read, mut last) = (0, 0, Instant::now());
        while answered < count {
            self.poll.poll(&mut events, Some(Duration::ZERO)).expect("the poller works");
            if events.is_empty() {
                assert!(last.elapsed() < PATIENCE, "{read} bytes have come, and no more come");
                std::thread::sleep(PAUSE);
                continue;
            }
            last = Instant::now();
            for event in &events {
                read += read_all(&mut self.streams[event.token().0], &mut self.buffer);
            }
            while answered < count && read >= window {
                read -= window;
                answered += 1;
                answer();
            }
        }
        assert_eq!(read, 0, "nothing comes that was not asked for");
    }
}

/// Reads what there is; how many bytes that was.
fn read_all(stream: &mut TcpStream, buffer: &mut [u8]) -> usize {
    let mut total = 0;
    loop {
        match stream.read(buffer) {
            Ok(0) => panic!("the peer has ended the connection"),
            Ok(len) => total += len,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return total,
            Err(error) => panic!("a connection has failed: {error}"),
        }
        // A short read has emptied the socket: the next bytes are a new event.
        if total < buffer.len() {
            return total;
        }
    }
}

impl fmt::Display for Peer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Engine => "engine",
            Self::Bare => "bare",
        })
    }
}

impl FromStr for Peer {
    type Err = ();

    fn from_str(name: &str) -> Result<Self, ()> {
        [Self::Engine, Self::Bare].into_iter().find(|peer| peer.to_string() == name).ok_or(())
    }
}
