//! The client: all connections in one thread.
//!
//! A payload says what kind of message it is, which one of its connection's, and when it was meant to
//! be sent; so every echo is known, and must be the next one.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::rounds::histogram;
use super::socket::Socket;

/// Bytes of a message.
pub(crate) const PAYLOAD_LEN: usize = 20;

/// Nothing is to take longer: the server must have lost something.
const PATIENCE: Duration = Duration::from_secs(30);

/// An open loop's messages of one kind.
#[derive(Clone, Debug)]
pub(crate) struct Flow {
    /// What their payloads begin with, and no other flow's.
    pub(crate) mark: u8,
    /// The connections that they are sent on, in turn.
    pub(crate) connections: Vec<usize>,
    /// Messages per second on all of them.
    pub(crate) rate: u64,
    /// Messages that one connection sends at once.
    pub(crate) burst: u64,
}

pub(crate) struct Client {
    poll: Poll,
    connections: Vec<Connection>,
    buffer: Vec<u8>,
}

struct Connection {
    socket: Socket,
    sent: u32,
    received: u32,
}

impl Client {
    pub(crate) fn connect(address: SocketAddr, count: usize) -> Self {
        let poll = Poll::new().expect("a poller");
        let connect = |i| {
            let socket = Socket::connect(address, poll.registry(), Token(i));
            Connection { socket, sent: 0, received: 0 }
        };
        let connections = (0..count).map(connect).collect();
        Self { poll, connections, buffer: vec![0; 64 * 1024] }
    }

    /// A closed loop: each connection has `depth` messages in flight until it has sent `count`.
    pub(crate) fn exchange(&mut self, depth: u32, count: u32) {
        let mut frames = Vec::new();
        for connection in &mut self.connections {
            (connection.sent, connection.received) = (0, 0);
            connection.send(depth.min(count), b'-', 0, &mut frames);
        }
        let mut unfinished = self.connections.len();
        let mut events = Events::with_capacity(1024);
        while unfinished > 0 {
            self.poll.poll(&mut events, Some(PATIENCE)).expect("the poller works");
            assert!(!events.is_empty(), "the server sends nothing more");
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                let came = connection.read(&mut self.buffer, |_, _| {});
                connection.send(came.min(count - connection.sent), b'-', 0, &mut frames);
                unfinished -= usize::from(came > 0 && connection.received == count);
            }
        }
    }

    /// An open loop: messages are sent when they are due, whatever the server does. How long after that
    /// each flow had its echoes, in nanoseconds.
    pub(crate) fn keep_pace(&mut self, flows: &[Flow], time: Duration) -> Vec<Histogram<u64>> {
        for connection in &mut self.connections {
            (connection.sent, connection.received) = (0, 0);
        }
        let mut schedules: Vec<Schedule<'_>> = flows.iter().map(Schedule::new).collect();
        let mut latencies: Vec<_> = flows.iter().map(|_| histogram()).collect();
        let mut frames = Vec::new();
        let mut events = Events::with_capacity(1024);
        let mut under_way = 0;
        let start = Instant::now();
        let mut now = Duration::ZERO;
        while now < time || under_way > 0 {
            for schedule in &mut schedules {
                while let Some((connection, due)) = schedule.take_due(now.min(time)) {
                    let Flow { mark, burst, .. } = *schedule.flow;
                    let connection = &mut self.connections[connection];
                    connection.send(burst as u32, mark, due.as_nanos() as u64, &mut frames);
                    under_way += burst;
                }
            }
            self.poll.poll(&mut events, Some(Duration::ZERO)).expect("the poller works");
            for event in &events {
                let connection = &mut self.connections[event.token().0];
                let came = connection.read(&mut self.buffer, |mark, meant| {
                    let latency = start.elapsed().as_nanos() as u64 - meant;
                    let flow = flows.iter().position(|flow| flow.mark == mark);
                    latencies[flow.expect("it was sent")].saturating_record(latency.max(1));
                });
                under_way -= u64::from(came);
            }
            now = start.elapsed();
            assert!(now < time + PATIENCE, "{under_way} messages are lost");
        }
        latencies
    }
}

impl Connection {
    fn send(&mut self, count: u32, mark: u8, meant: u64, frames: &mut Vec<u8>) {
        frames.clear();
        for _ in 0..count {
            self.sent += 1;
            // A masking key of zeros leaves the payload as it is.
            frames.extend_from_slice(&[0x82, 0x80 | PAYLOAD_LEN as u8, 0, 0, 0, 0]);
            frames.extend_from_slice(&[mark; PAYLOAD_LEN - 12]);
            frames.extend_from_slice(&self.sent.to_le_bytes());
            frames.extend_from_slice(&meant.to_le_bytes());
        }
        if count > 0 {
            self.socket.write(frames);
        }
    }

    /// Calls `on_echo` with the mark of each message that has come back, and when it was meant to be
    /// sent; returns how many there were.
    fn read(&mut self, buffer: &mut [u8], mut on_echo: impl FnMut(u8, u64)) -> u32 {
        let before = self.received;
        self.socket.read(buffer, |payload| {
            let (head, meant) = payload.split_at(PAYLOAD_LEN - 8);
            self.received += 1;
            assert_eq!(head[PAYLOAD_LEN - 12..], self.received.to_le_bytes(), "the next echo");
            on_echo(head[0], u64::from_le_bytes(meant.try_into().expect("8 bytes")));
        });
        self.received - before
    }
}

/// When a flow's bursts are due.
struct Schedule<'a> {
    flow: &'a Flow,
    burst_count: u64,
}

impl<'a> Schedule<'a> {
    fn new(flow: &'a Flow) -> Self {
        Self { flow, burst_count: 0 }
    }

    /// A burst that is due: on which connection, and since when.
    fn take_due(&mut self, now: Duration) -> Option<(usize, Duration)> {
        let Flow { connections, rate, burst, .. } = self.flow;
        let due = Duration::from_nanos(self.burst_count * burst * 1_000_000_000 / rate);
        if due >= now {
            return None;
        }
        let connection = connections[self.burst_count as usize % connections.len()];
        self.burst_count += 1;
        Some((connection, due))
    }
}
