//! The subscribers of the latency half: one thread that reads for those who read, and the sockets of
//! those who never do.
//!
//! A publication says in its payload which it is, when it was meant to be made and how long after
//! the one before. So a reader that was spared some by conflation still tells, by the next that it
//! gets, how long it was without the news of those.

use std::collections::VecDeque;
use std::io::ErrorKind;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use hdrhistogram::Histogram;
use mio::{Events, Poll, Token};

use super::rounds::histogram;
use super::socket::Socket;
use super::{threads, wire};

/// What the payload of a publication begins with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stamp {
    /// Counts from 1.
    pub(crate) number: u64,
    /// Nanoseconds since the readers' base.
    pub(crate) intended: u64,
    /// Nanoseconds from one publication to the next; 0 when nobody asks how long it takes.
    pub(crate) interval: u64,
}

impl Stamp {
    const LEN: usize = 24;

    pub(crate) fn write(self, payload: &mut [u8]) {
        let fields = [self.number, self.intended, self.interval];
        for (place, field) in payload.chunks_exact_mut(8).zip(fields) {
            place.copy_from_slice(&field.to_le_bytes());
        }
    }

    fn read(payload: &[u8]) -> Self {
        let mut fields = payload[..Self::LEN].chunks_exact(8);
        let mut next = || u64::from_le_bytes(fields.next().expect("three").try_into().expect("8"));
        Self { number: next(), intended: next(), interval: next() }
    }

    /// When an earlier publication was meant to be made.
    fn intended_of(self, number: u64) -> u64 {
        self.intended.saturating_sub((self.number - number) * self.interval)
    }
}

pub(crate) struct Readers {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Kept open and not read.
    _stalled: Vec<std::net::TcpStream>,
}

struct Shared {
    /// All publications up to this one have been read by every reader.
    read_by_all: AtomicU64,
    /// Nanoseconds from when a publication was meant to be made until the last reader had it.
    latencies: Mutex<Histogram<u64>>,
    ended: AtomicBool,
}

impl Readers {
    /// Connects all of them, the stalled ones spread evenly among the others. Times are since `base`.
    pub(crate) fn connect(
        address: SocketAddr,
        readers: usize,
        stalled: usize,
        base: Instant,
    ) -> Self {
        let mut reading = Vec::new();
        let mut not_reading = Vec::new();
        for i in 0..readers {
            reading.push(wire::connect_websocket(address));
            while not_reading.len() < (i + 1) * stalled / readers {
                not_reading.push(wire::connect_websocket(address));
            }
        }
        let shared = Arc::new(Shared {
            read_by_all: AtomicU64::new(0),
            latencies: Mutex::new(histogram()),
            ended: AtomicBool::new(false),
        });
        let thread = std::thread::spawn({
            let shared = shared.clone();
            move || {
                threads::pin_this_thread(threads::CLIENT_CORE);
                Reading::new(reading, shared, base).run();
            }
        });
        Self { shared, thread: Some(thread), _stalled: not_reading }
    }

    /// Returns when every reader has publication `number`, or one after it.
    pub(crate) fn await_publication(&self, number: u64) {
        let start = Instant::now();
        while self.shared.read_by_all.load(Ordering::Acquire) < number {
            assert!(
                start.elapsed() < Duration::from_secs(60),
                "publication {number} does not come"
            );
            std::thread::sleep(Duration::from_micros(200));
        }
    }

    /// The latencies since the last call.
    pub(crate) fn take_latencies(&self) -> Histogram<u64> {
        let mut latencies = self.shared.latencies.lock().expect("the thread does not panic");
        std::mem::replace(&mut latencies, histogram())
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let end = thread.join();
            assert!(end.is_ok() || std::thread::panicking(), "the readers have failed");
        }
    }
}

/// What the reading thread holds.
struct Reading {
    poll: Poll,
    readers: Vec<Reader>,
    shared: Arc<Shared>,
    base: Instant,
    /// For each publication after `read_by_all`, who still waits for it, and when it was meant.
    waiting: VecDeque<Waiting>,
}

struct Reader {
    socket: Socket,
    /// The last publication that it has.
    number: u64,
}

struct Waiting {
    readers: usize,
    intended: u64,
    /// Whether its latency is asked for.
    timed: bool,
}

impl Reading {
    fn new(streams: Vec<std::net::TcpStream>, shared: Arc<Shared>, base: Instant) -> Self {
        let poll = Poll::new().expect("a poller");
        let adopt = |(i, stream): (usize, std::net::TcpStream)| Reader {
            socket: Socket::adopt(stream, poll.registry(), Token(i)),
            number: 0,
        };
        let readers = streams.into_iter().enumerate().map(adopt).collect();
        Self { poll, readers, shared, base, waiting: VecDeque::new() }
    }

    fn run(mut self) {
        let mut events = Events::with_capacity(1024);
        let mut buffer = vec![0; 256 * 1024];
        while !self.shared.ended.load(Ordering::Acquire) {
            let timeout = Some(Duration::from_millis(50));
            if let Err(error) = self.poll.poll(&mut events, timeout) {
                assert_eq!(error.kind(), ErrorKind::Interrupted, "the poller works");
                continue;
            }
            for event in &events {
                let mut last = None;
                let socket = &mut self.readers[event.token().0].socket;
                socket.read(&mut buffer, |payload| last = Some(Stamp::read(payload)));
                if let Some(stamp) = last {
                    self.advance(event.token().0, stamp);
                }
            }
        }
    }

    /// A reader has come to the publication with this stamp.
    fn advance(&mut self, reader: usize, stamp: Stamp) {
        let earlier = std::mem::replace(&mut self.readers[reader].number, stamp.number);
        assert!(stamp.number > earlier, "publication {} after {earlier}", stamp.number);
        let read_by_all = self.shared.read_by_all.load(Ordering::Relaxed);
        for number in earlier + 1..=stamp.number {
            let index = (number - read_by_all - 1) as usize;
            if index == self.waiting.len() {
                let (intended, timed) = (stamp.intended_of(number), stamp.interval > 0);
                self.waiting.push_back(Waiting { readers: self.readers.len(), intended, timed });
            }
            self.waiting[index].readers -= 1;
        }
        self.settle(read_by_all);
    }

    /// Takes the time of what nobody waits for any more.
    fn settle(&mut self, mut read_by_all: u64) {
        while self.waiting.front().is_some_and(|waiting| waiting.readers == 0) {
            let now = self.base.elapsed().as_nanos() as u64;
            let waiting = self.waiting.pop_front().expect("it was there");
            if waiting.timed {
                let mut latencies = self.shared.latencies.lock().expect("nobody panics with it");
                latencies.saturating_record(now.saturating_sub(waiting.intended).max(1));
            }
            read_by_all += 1;
            self.shared.read_by_all.store(read_by_all, Ordering::Release);
        }
    }
}
