//! The yardstick: threads that do nothing but `write` the same bytes to each of their sockets.

use std::io::Write;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use socket2::SockRef;
use tickwire::SocketOptions;

use super::threads::Watched;

pub(crate) struct Bare {
    shared: Arc<Shared>,
    threads: Vec<JoinHandle<()>>,
    /// The writing threads.
    pub(crate) writers: Watched,
}

#[derive(Default)]
struct Shared {
    /// How often everybody is to be written to, since the start.
    turns: AtomicU64,
    /// How many bytes it is this time.
    len: AtomicUsize,
    ended: AtomicBool,
}

/// Where the yardstick's clients connect to.
pub(crate) struct Lobby {
    listener: TcpListener,
    pub(crate) address: SocketAddr,
}

impl Lobby {
    pub(crate) fn open() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("loopback can be listened on");
        let address = listener.local_addr().expect("a listener has an address");
        Self { listener, address }
    }

    /// Waits for `count` connections and shares them out to `writers` threads, which will write up
    /// to `max_len` bytes at once.
    pub(crate) fn start(self, count: usize, writers: usize, max_len: usize) -> Bare {
        let mut shares: Vec<Vec<TcpStream>> = (0..writers).map(|_| Vec::new()).collect();
        for i in 0..count {
            let (stream, _) = self.listener.accept().expect("the clients connect");
            set_options(&stream);
            shares[i % writers].push(stream);
        }
        let shared = Arc::new(Shared::default());
        let (writers, threads) = Watched::started_by("bare-writer", || {
            let start = |(i, sockets): (usize, Vec<TcpStream>)| {
                let shared = shared.clone();
                std::thread::Builder::new()
                    .name(format!("bare-writer-{i}"))
                    .spawn(move || write_in_turns(&shared, &sockets, &vec![b'x'; max_len]))
                    .expect("a thread can be started")
            };
            let threads: Vec<_> = shares.into_iter().enumerate().map(start).collect();
            std::thread::sleep(Duration::from_millis(20));
            threads
        });
        assert_eq!(writers.count(), threads.len(), "each writer is a named thread");
        Bare { shared, threads, writers }
    }
}

/// What the engine's sockets have.
fn set_options(stream: &TcpStream) {
    stream.set_nonblocking(true).expect("a socket option");
    stream.set_nodelay(true).expect("a TCP option");
    if let Some(lowat) = SocketOptions::default().notsent_lowat {
        SockRef::from(stream).set_tcp_notsent_lowat(lowat).expect("a TCP option");
    }
}

impl Bare {
    /// Has `len` bytes written to everybody.
    pub(crate) fn write_all(&self, len: usize) {
        self.shared.len.store(len, Ordering::Relaxed);
        self.shared.turns.fetch_add(1, Ordering::Release);
        self.threads.iter().for_each(|thread| thread.thread().unpark());
    }

    pub(crate) fn end(self) {
        self.shared.ended.store(true, Ordering::Release);
        for thread in self.threads {
            thread.thread().unpark();
            thread.join().expect("a writer does not panic");
        }
    }
}

fn write_in_turns(shared: &Shared, sockets: &[TcpStream], bytes: &[u8]) {
    let mut done = 0;
    while !shared.ended.load(Ordering::Acquire) {
        if shared.turns.load(Ordering::Acquire) == done {
            std::thread::park();
            continue;
        }
        done += 1;
        let bytes = &bytes[..shared.len.load(Ordering::Relaxed)];
        for mut socket in sockets {
            let written = socket.write(bytes).expect("everybody reads");
            assert_eq!(written, bytes.len(), "everybody has read what came before");
        }
    }
}
