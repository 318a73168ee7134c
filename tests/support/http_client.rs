//! A blocking HTTP client: requests as they stand in the test, responses taken apart.

use std::cell::{Cell, RefCell};
use std::io::{self, ErrorKind};
use std::net::Shutdown;
use std::time::Duration;

use tickwire::handshake::{ResponseDecoder, ServerResponse};
use tickwire::transport::LocalAddr;

use super::Socket;

#[derive(Debug)]
pub(crate) struct HttpClient {
    socket: Socket,
    /// Received and not used yet.
    input: RefCell<Vec<u8>>,
    /// The wait before each read.
    pace: Cell<Duration>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct HttpResponse {
    pub(crate) status: u16,
    headers: Vec<(String, String)>,
    pub(crate) body: Vec<u8>,
}

impl HttpResponse {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.headers.iter().find(|(other, _)| other.eq_ignore_ascii_case(name));
        found.map(|(_, value)| value.as_str())
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("a body of text")
    }
}

impl HttpClient {
    pub(crate) fn new(socket: Socket) -> Self {
        Self { socket, input: RefCell::default(), pace: Cell::default() }
    }

    #[track_caller]
    pub(crate) fn connect(address: &LocalAddr) -> Self {
        Self::new(Socket::connect(address).expect("connect"))
    }

    #[track_caller]
    pub(crate) fn send(&self, bytes: impl AsRef<[u8]>) {
        self.socket.write_all(bytes.as_ref()).expect("send a request");
    }

    /// A GET with nothing special about it.
    #[track_caller]
    pub(crate) fn get(&self, path: &str) {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: test.example\r\n\r\n"));
    }

    #[track_caller]
    pub(crate) fn shutdown_write(&self) {
        self.socket.shutdown(Shutdown::Write).expect("shut the write side down");
    }

    /// Reads slowly from here on: waits so long before each read.
    pub(crate) fn set_pace(&self, pace: Duration) {
        self.pace.set(pace);
    }

    /// The next response, with as much content as its `Content-Length` says.
    #[track_caller]
    pub(crate) fn response(&self) -> HttpResponse {
        let mut response = self.head();
        let len = response.header("content-length").map_or(0, |len| len.parse().expect("a number"));
        response.body = self.bytes(len);
        response
    }

    /// The next `len` bytes, whatever they are.
    #[track_caller]
    pub(crate) fn bytes(&self, len: usize) -> Vec<u8> {
        while self.input.borrow().len() < len {
            self.read_some("the rest");
        }
        self.input.borrow_mut().drain(..len).collect()
    }

    /// The next response's head; for one to `HEAD` that is all there is.
    #[track_caller]
    pub(crate) fn head(&self) -> HttpResponse {
        loop {
            let mut lines = [httparse::EMPTY_HEADER; 64];
            let mut head = httparse::Response::new(&mut lines);
            let mut input = self.input.borrow_mut();
            if let httparse::Status::Complete(len) = head.parse(&input).expect("a response") {
                let header = |header: &httparse::Header<'_>| {
                    (header.name.to_owned(), String::from_utf8_lossy(header.value).into_owned())
                };
                let response = HttpResponse {
                    status: head.code.expect("a status"),
                    headers: head.headers.iter().map(header).collect(),
                    body: Vec::new(),
                };
                input.drain(..len);
                return response;
            }
            drop(input);
            self.read_some("a response's head");
        }
    }

    /// The stream must end without another byte.
    #[track_caller]
    pub(crate) fn expect_end(&self) {
        assert_eq!(self.input.borrow().as_slice(), b"", "bytes behind the last response");
        let mut byte = [0];
        let read = self.socket.read(&mut byte).expect("the end of the stream");
        assert_eq!(read, 0, "a byte instead of the end of the stream");
    }

    /// The server must hang up, by an end or a reset, without another byte.
    #[track_caller]
    pub(crate) fn expect_gone(&self) {
        let mut byte = [0];
        match self.socket.read(&mut byte) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("{other:?} instead of the connection's end"),
        }
    }

    /// Waits for the response that accepts an upgrade; what lies behind it are frames. A
    /// refusal is a [`HandshakeError`](tickwire::handshake::HandshakeError) within the error.
    pub(crate) fn switch(
        &self,
        mut decoder: ResponseDecoder,
    ) -> io::Result<(ServerResponse, Vec<u8>)> {
        loop {
            let decoded = decoder.decode(&self.input.borrow()).map_err(io::Error::other)?;
            if let Some((response, len)) = decoded {
                return Ok((response, self.input.borrow_mut().split_off(len)));
            }
            self.try_read_some()?;
        }
    }

    pub(crate) fn into_socket(self) -> Socket {
        self.socket
    }

    #[track_caller]
    fn read_some(&self, what: &str) {
        if let Err(error) = self.try_read_some() {
            panic!("{what} did not come: {error}");
        }
    }

    fn try_read_some(&self) -> io::Result<()> {
        std::thread::sleep(self.pace.get());
        let mut piece = vec![0; 64 * 1024];
        match self.socket.read(&mut piece)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            len => self.input.borrow_mut().extend_from_slice(&piece[..len]),
        }
        Ok(())
    }
}
