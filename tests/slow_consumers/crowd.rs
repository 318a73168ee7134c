//! Many connections read by one thread.

use std::io::{ErrorKind, Read, Write};
use std::time::{Duration, Instant};

use mio::net::TcpStream;
use mio::{Events, Interest, Poll, Token};
use tickwire::frame::{CloseCode, encode_close};

use crate::support::feed::Watcher;
use crate::support::{Client, PATIENCE};

pub(crate) struct Crowd {
    poll: Poll,
    members: Vec<Member>,
    buffer: Vec<u8>,
}

struct Member {
    stream: TcpStream,
    /// Part of a frame.
    rest: Vec<u8>,
    watcher: Watcher,
}

impl Crowd {
    pub(crate) fn new(clients: Vec<(Client, Watcher)>) -> Self {
        let poll = Poll::new().expect("a poller");
        let mut members = Vec::new();
        for (client, watcher) in clients {
            let stream = client.into_stream();
            stream.set_nonblocking(true).expect("a socket option");
            let mut stream = TcpStream::from_std(stream);
            let token = Token(members.len());
            poll.registry().register(&mut stream, token, Interest::READABLE).expect("register");
            members.push(Member { stream, rest: Vec::new(), watcher });
        }
        Self { poll, members, buffer: vec![0; 64 << 10] }
    }

    pub(crate) fn watchers(&self) -> impl Iterator<Item = &Watcher> {
        self.members.iter().map(|member| &member.watcher)
    }

    pub(crate) fn into_watchers(self) -> Vec<Watcher> {
        self.members.into_iter().map(|member| member.watcher).collect()
    }

    /// What all of them have.
    pub(crate) fn progress(&self) -> u64 {
        self.watchers().map(Watcher::progress).min().unwrap_or(0)
    }

    pub(crate) fn is_done(&self) -> bool {
        self.watchers().all(Watcher::is_done)
    }

    /// Reads what comes until `is_enough`, which is asked again and again.
    pub(crate) fn read(&mut self, mut is_enough: impl FnMut(&Self) -> bool) {
        let mut events = Events::with_capacity(256);
        let mut last_event = Instant::now();
        // What came while nobody looked is not announced again.
        for member in &mut self.members {
            member.read(&mut self.buffer);
        }
        while !is_enough(self) {
            self.poll.poll(&mut events, Some(Duration::from_millis(100))).expect("poll");
            for event in &events {
                let Token(at) = event.token();
                self.members[at].read(&mut self.buffer);
                last_event = Instant::now();
            }
            assert!(last_event.elapsed() < PATIENCE, "nothing came in {PATIENCE:?}");
        }
    }
}

impl Member {
    fn read(&mut self, buffer: &mut [u8]) {
        while !self.watcher.ended {
            match self.stream.read(buffer) {
                Ok(0) => self.watcher.ended = true,
                Ok(len) => self.decode(&buffer[..len]),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return,
                Err(error) => panic!("cannot read: {error}"),
            }
        }
    }

    fn decode(&mut self, piece: &[u8]) {
        let joined;
        let mut input = piece;
        if !self.rest.is_empty() {
            joined = [&self.rest[..], piece].concat();
            input = &joined;
        }
        while let Some((opcode, payload, rest)) = next_frame(input) {
            match opcode {
                0x2 => self.watcher.take(payload),
                0x8 => self.close(payload),
                other => panic!("a frame that nobody sends: opcode {other}"),
            }
            input = rest;
        }
        self.rest = input.to_vec();
    }

    fn close(&mut self, payload: &[u8]) {
        let code = u16::from_be_bytes([payload[0], payload[1]]);
        self.watcher.closed = Some(code);
        let mut frame = Vec::new();
        encode_close(&mut frame, CloseCode::from(code), "", Some([1, 2, 3, 4]));
        self.stream.write_all(&frame).expect("a short frame");
    }
}

/// A whole frame of a server (RFC 6455 §5.2): its opcode, its payload, and what follows.
fn next_frame(input: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&[first, second], rest) = input.split_first_chunk::<2>()?;
    let (len, rest) = match second {
        126 => {
            let (len, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*len)), rest)
        }
        len => (usize::from(len), rest),
    };
    assert!(first & 0xf0 == 0x80 && second < 127, "unmasked, unfragmented, short");
    (rest.len() >= len).then(|| (first & 0xf, &rest[..len], &rest[len..]))
}
