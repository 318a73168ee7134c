//! A TCP proxy that mistreats the bytes in between.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::time::Duration;

use tickwire::transport::LocalAddr;

/// What is done to each direction of each connection.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Plan {
    /// Bytes are passed on in pieces of at most this many, each in a write of its own.
    pub(crate) piece_len: usize,
    /// The wait behind each piece.
    pub(crate) delay: Duration,
    /// Both directions are cut when so many bytes have gone from client to server.
    pub(crate) cut_after: Option<usize>,
}

impl Default for Plan {
    fn default() -> Self {
        Self { piece_len: usize::MAX, delay: Duration::ZERO, cut_after: None }
    }
}

/// Accepts connections at an address of its own until the test ends.
#[derive(Debug)]
pub(crate) struct Proxy {
    address: LocalAddr,
}

impl Proxy {
    pub(crate) fn start(server: &LocalAddr, plan: Plan) -> Self {
        let LocalAddr::Tcp(server) = server.clone() else { panic!("not a TCP address") };
        let listener = TcpListener::bind("127.0.0.1:0").expect("bind");
        let address = LocalAddr::Tcp(listener.local_addr().expect("an address"));
        std::thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let server = TcpStream::connect(server).expect("the proxy reaches the server");
                let (client2, server2) = (clone(&client), clone(&server));
                std::thread::spawn(move || pump(client, server, plan));
                std::thread::spawn(move || {
                    pump(server2, client2, Plan { cut_after: None, ..plan });
                });
            }
        });
        Self { address }
    }

    pub(crate) fn address(&self) -> &LocalAddr {
        &self.address
    }
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.set_nodelay(true).expect("TCP_NODELAY");
    stream.try_clone().expect("clone a socket")
}

/// Passes bytes on until the stream ends, and then its end.
fn pump(mut from: TcpStream, mut to: TcpStream, plan: Plan) {
    let mut buffer = vec![0; 64 * 1024];
    let mut left = plan.cut_after.unwrap_or(usize::MAX);
    while let Ok(len @ 1..) = from.read(&mut buffer) {
        for piece in buffer[..len.min(left)].chunks(plan.piece_len) {
            if to.write_all(piece).is_err() {
                return;
            }
            if !plan.delay.is_zero() {
                std::thread::sleep(plan.delay);
            }
        }
        left -= len.min(left);
        if left == 0 {
            let _ = from.shutdown(Shutdown::Both);
            let _ = to.shutdown(Shutdown::Both);
            return;
        }
    }
    let _ = to.shutdown(Shutdown::Write);
}
