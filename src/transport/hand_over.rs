//! What passes between a server and its successor, on a Unix-domain socket.
//!
//! The server greets whoever connects, and its listening sockets come with the greeting. The successor
//! says when it accepts connections at them; the server stops to, and confirms. A successor that goes
//! away before has changed nothing; one that goes away later takes the sockets with it. A server that does
//! not wait any longer says so: then it is the successor that has to go.

use std::io::{self, IoSlice, IoSliceMut, Read, Write};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, ReturnFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, recvmsg, sendmsg,
};

/// With the version of this protocol.
const GREETING: &[u8] = b"tickwire hand-over 1\n";

/// The successor accepts connections.
pub const READY: u8 = b'R';

/// The server has stopped to.
pub const DONE: u8 = b'D';

/// The server has lost patience, and goes on.
pub const GOES_ON: u8 = b'X';

/// Descriptors that the kernel lets pass at once.
pub const MAX_DESCRIPTOR_COUNT: usize = 253;

/// Sends listening sockets to a successor that has just connected.
///
/// # Errors
///
/// What the system says, or that they are too many.
pub fn send_listeners(successor: impl AsFd, listeners: &[OwnedFd]) -> io::Result<()> {
    let descriptors: Vec<BorrowedFd<'_>> = listeners.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTOR_COUNT))];
    let mut control = SendAncillaryBuffer::new(&mut space);
    if !control.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(io::Error::other("more listeners than can be handed over"));
    }
    // It is the first that is sent: there is room for all of it.
    let sent = sendmsg(successor, &[IoSlice::new(GREETING)], &mut control, SendFlags::NOSIGNAL)?;
    if sent < GREETING.len() {
        return Err(io::ErrorKind::WriteZero.into());
    }
    Ok(())
}

/// Receives the listening sockets of a predecessor. `None`: it has ended.
///
/// # Errors
///
/// What the system says, or that it is no server of this kind.
pub fn receive_listeners(predecessor: &UnixStream) -> io::Result<Option<Vec<OwnedFd>>> {
    let mut greeting = [0; GREETING.len()];
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTOR_COUNT))];
    let mut control = RecvAncillaryBuffer::new(&mut space);
    let received = loop {
        let mut buffers = [IoSliceMut::new(&mut greeting)];
        match recvmsg(predecessor, &mut buffers, &mut control, receive_flags()) {
            Err(rustix::io::Errno::INTR) => {}
            // It has closed its end before it has accepted this one.
            Err(rustix::io::Errno::CONNRESET) => return Ok(None),
            received => break received?,
        }
    };
    let mut listeners = Vec::new();
    for message in control.drain() {
        if let RecvAncillaryMessage::ScmRights(descriptors) = message {
            listeners.extend(descriptors);
        }
    }
    if received.bytes == 0 {
        return Ok(None);
    }
    if greeting != GREETING {
        return Err(io::Error::other("who listens there is no server that this one can succeed"));
    }
    if received.flags.contains(ReturnFlags::CTRUNC) {
        return Err(io::Error::other("not all listeners have come: descriptors have run out"));
    }
    Ok(Some(listeners))
}

/// What the predecessor says to being relieved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Relief {
    /// It accepts no connections any more.
    Done,
    /// It goes on: this is too late.
    TooLate,
}

/// Tells the predecessor that connections are accepted here, and waits until it accepts none.
///
/// # Errors
///
/// It has gone away, which changes nothing for the successor.
pub fn relieve(mut predecessor: &UnixStream) -> io::Result<Relief> {
    // Whoever has closed its end may have said why.
    let told = predecessor.write_all(&[READY]);
    let mut answer = [0];
    let answered = predecessor.read_exact(&mut answer);
    if answered.is_ok() && answer == [GOES_ON] {
        return Ok(Relief::TooLate);
    }
    told.and(answered).map(|()| Relief::Done)
}

fn receive_flags() -> RecvFlags {
    #[cfg(any(target_os = "linux", target_os = "android", target_os = "freebsd"))]
    return RecvFlags::CMSG_CLOEXEC;
    #[cfg(not(any(target_os = "linux", target_os = "android", target_os = "freebsd")))]
    RecvFlags::empty()
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    #[test]
    fn listeners_arrive_as_they_were() {
        let (server, successor) = UnixStream::pair().expect("a pair");
        let listeners: Vec<TcpListener> =
            (0..20).map(|_| TcpListener::bind("127.0.0.1:0").expect("bind")).collect();
        let addresses = |listeners: &[TcpListener]| -> Vec<_> {
            listeners.iter().map(|it| it.local_addr().expect("an address")).collect()
        };
        let expected = addresses(&listeners);
        let descriptors: Vec<OwnedFd> = listeners.into_iter().map(OwnedFd::from).collect();
        send_listeners(&server, &descriptors).expect("they are sent");
        drop(descriptors);
        let received = receive_listeners(&successor).expect("they arrive").expect("it is there");
        let received: Vec<TcpListener> = received.into_iter().map(TcpListener::from).collect();
        assert_eq!(addresses(&received), expected);
        assert!(std::net::TcpStream::connect(expected[19]).is_ok());
    }

    #[test]
    fn a_server_that_goes_on_and_one_that_has_gone_are_told_apart() {
        let (mut server, successor) = UnixStream::pair().expect("a pair");
        server.write_all(&[GOES_ON]).expect("it is there");
        drop(server);
        assert_eq!(relieve(&successor).expect("it has said so"), Relief::TooLate);
        let (server, successor) = UnixStream::pair().expect("a pair");
        drop(server);
        assert!(relieve(&successor).is_err());
        let (mut server, successor) = UnixStream::pair().expect("a pair");
        server.write_all(&[DONE]).expect("it is there");
        assert_eq!(relieve(&successor).expect("it has said so"), Relief::Done);
    }

    #[test]
    fn a_server_that_ends_and_a_stranger_are_told_apart() {
        let (server, successor) = UnixStream::pair().expect("a pair");
        drop(server);
        assert!(receive_listeners(&successor).expect("the end").is_none());
        let (mut server, successor) = UnixStream::pair().expect("a pair");
        server.write_all(b"220 mail.example ESMTP ready\r\n").expect("a greeting");
        assert!(receive_listeners(&successor).is_err());
    }
}
