//! A TCP proxy that mistreats the bytes in between.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use tickwire::transport::LocalAddr;

/// What is done to each direction of each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Bytes are passed on in pieces of at most this many, each in a write of its own.
    pub(crate) piece_len: usize,
    /// The wait behind each piece.
    pub(crate) delay: Duration,
    /// Each time that so many bytes have been passed on, nothing is for so long.
    pub(crate) stall: Option<(usize, Duration)>,
    /// Both directions are cut when so many bytes have gone from client to server.
    pub(crate) cut_after: Option<usize>,
    /// The cut resets both connections, instead of ending them.
    pub(crate) cut_resets: bool,
}

impl Default for Plan {
    fn default() -> Self {
        Self {
            piece_len: usize::MAX,
            delay: Duration::ZERO,
            stall: None,
            cut_after: None,
            cut_resets: false,
        }
    }
}

/// Accepts connections at an address of its own until the test ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: LocalAddr,
    cut_count: Arc<AtomicUsize>,
}

impl Proxy {
    pub(crate) fn start(server: &LocalAddr, plan: Plan) -> Self {
        let LocalAddr::Tcp(server) = server.clone() else { panic!("not a TCP address") };
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = LocalAddr::Tcp(listener.local_addr().expect("an address"));
        let cut_count: Arc<AtomicUsize> = Arc::default();
        let cuts = cut_count.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                connect(client, server, plan, &cuts);
            }
        });
        Self { address, cut_count }
    }

    pub(crate) fn address(&self) -> &LocalAddr {
        &self.address
    }

    /// Connections that were cut so far.
    pub(crate) fn cut_count(&self) -> usize {
        self.cut_count.load(Ordering::Relaxed)
    }
}

fn connect(client: TcpStream, server: SocketAddr, plan: Plan, cut_count: &Arc<AtomicUsize>) {
    let server = TcpStream::connect(server).expect("the proxy reaches the server");
    let cut: Arc<AtomicBool> = Arc::default();
    let (client2, server2) = (clone(&client), clone(&server));
    let there = Pump { from: client, to: server, plan, cut: cut.clone() };
    let back = Pump { from: server2, to: client2, plan: Plan { cut_after: None, ..plan }, cut };
    let cut_count = cut_count.clone();
    std::thread::spawn(move || {
        if there.run() {
            cut_count.fetch_add(1, Ordering::Relaxed);
        }
    });
    std::thread::spawn(move || back.run());
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.try_clone().expect("clone a socket")
}

/// One direction of a connection.
struct Pump {
    from: TcpStream,
    to: TcpStream,
    plan: Plan,
    /// The other direction has cut the connection.
    cut: Arc<AtomicBool>,
}

impl Pump {
    /// Passes bytes on until the stream ends, and then its end. Says whether it has cut both.
    fn run(mut self) -> bool {
        let mut buffer = vec![0; 64 * 1024];
        let mut left = self.plan.cut_after.unwrap_or(usize::MAX);
        let mut until_stall = self.plan.stall.map_or(usize::MAX, |(len, _)| len);
        while let Ok(len @ 1..) = self.from.read(&mut buffer) {
            for piece in buffer[..len.min(left)].chunks(self.plan.piece_len) {
                if self.to.write_all(piece).is_err() {
                    // Who sends must not wait for a reader that there is no more.
                    let _ = self.from.shutdown(Shutdown::Both);
                    return false;
                }
                if !self.plan.delay.is_zero() {
                    std::thread::sleep(self.plan.delay);
                }
                until_stall = until_stall.saturating_sub(piece.len());
                if let Some((len, stall)) = self.plan.stall.filter(|_| until_stall == 0) {
                    std::thread::sleep(stall);
                    until_stall = len;
                }
            }
            left -= len.min(left);
            if left == 0 {
                self.cut();
                return true;
            }
        }
        if !self.cut.load(Ordering::Relaxed) {
            let _ = self.to.shutdown(Shutdown::Write);
        }
        false
    }

    fn cut(&self) {
        if !self.plan.cut_resets {
            let _ = self.from.shutdown(Shutdown::Both);
            let _ = self.to.shutdown(Shutdown::Both);
            return;
        }
        self.cut.store(true, Ordering::Relaxed);
        for stream in [&self.from, &self.to] {
            let lingers = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
            lingers.expect("SO_LINGER");
            // Wakes the other direction, whose sockets these are too: once both have let go of them
            // they are reset.
            let _ = stream.shutdown(Shutdown::Read);
        }
    }
}
