//! The little of the protocol that a client here needs, on blocking sockets.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

const UPGRADE: &[u8] = b"GET / HTTP/1.1\r\nHost: bench\r\nUpgrade: websocket\r\n\
    Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\
    Sec-WebSocket-Version: 13\r\n\r\n";

/// An upgraded connection.
pub(crate) fn connect_websocket(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).expect("the server listens");
    stream.set_nodelay(true).expect("a TCP option");
    stream.write_all(UPGRADE).expect("the server reads");
    let mut head = [0; 512];
    let mut len = 0;
    while !head[..len].ends_with(b"\r\n\r\n") {
        let read = stream.read(&mut head[len..]).expect("the server answers");
        assert!(read > 0, "refused: {}", String::from_utf8_lossy(&head[..len]));
        len += read;
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head[..len]));
    stream
}

/// The first frame of `bytes`: its payload and its whole length. `None` while it is incomplete.
pub(crate) fn split_frame(bytes: &[u8]) -> Option<(&[u8], usize)> {
    assert!(
        bytes.first().is_none_or(|first| *first == 0x82),
        "only whole binary messages are sent"
    );
    let (head_len, len) = match *bytes.get(1)? {
        126 => (4, usize::from(u16::from_be_bytes(bytes.get(2..4)?.try_into().ok()?))),
        127 => unreachable!("no message is that long"),
        len => (2, usize::from(len)),
    };
    Some((bytes.get(head_len..head_len + len)?, head_len + len))
}
