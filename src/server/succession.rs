//! The thread that waits for a server's successor.

use std::io::{self, ErrorKind, Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use mio::net::UnixStream;
use mio::{Events, Interest, Poll, Token, Waker};

use super::ServerHandle;
use super::hand_over::{HandOver, PATIENCE};
use crate::transport::{DONE, GOES_ON, Listener, READY, SocketFile, SocketFiles, send_listeners};

const LISTENER: Token = Token(0);
const SUCCESSOR: Token = Token(1);
const WAKER: Token = Token(2);

/// No wait is longer: the system's has an end.
const MAX_WAIT: Duration = Duration::from_secs(3600);

/// Ends the wait: the server ends by itself.
#[derive(Debug)]
pub(super) struct CallOff {
    called_off: AtomicBool,
    waker: Waker,
}

impl CallOff {
    pub(super) fn call_off(&self) {
        self.called_off.store(true, Ordering::Release);
        if let Err(error) = self.waker.wake() {
            log::error!("the thread that waits for a successor cannot be woken: {error}");
        }
    }
}

/// What a wait has come to.
enum Outcome {
    /// The successor accepts connections.
    Succeeded,
    /// It has gone, or takes too long.
    Failed(io::Error),
    CalledOff,
}

pub(super) struct Succession {
    /// Where successors come to. Goes before the socket does, unless another process has that too.
    _file: SocketFile,
    settings: HandOver,
    handle: ServerHandle,
    poll: Poll,
    /// Kept as it came, to be handed on.
    shared: OwnedFd,
    listener: mio::net::UnixListener,
    reserve: Reserve,
    /// Of all listeners.
    files: SocketFiles,
    call_off: Arc<CallOff>,
}

/// Descriptors that are kept for a successor: it may come because all others have run out, and then each
/// that becomes free would go to the next client.
struct Reserve {
    count: usize,
    kept: Vec<OwnedFd>,
}

impl Reserve {
    /// Keeps as many as it should, or as there are but for one: some client is to be served too.
    fn fill(&mut self, like: impl AsFd) {
        while self.kept.len() < self.count {
            let (one, spare) =
                (like.as_fd().try_clone_to_owned(), like.as_fd().try_clone_to_owned());
            let (Ok(one), Ok(_)) = (one, spare) else { break };
            self.kept.push(one);
        }
    }

    fn release(&mut self) {
        self.kept.clear();
    }
}

impl Succession {
    pub(super) fn new(
        settings: HandOver,
        handle: ServerHandle,
        listener: UnixListener,
        files: SocketFiles,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        let call_off = Arc::new(CallOff { called_off: AtomicBool::new(false), waker });
        let shared = OwnedFd::from(listener.try_clone()?);
        listener.set_nonblocking(true)?;
        let mut listener = mio::net::UnixListener::from_std(listener);
        poll.registry().register(&mut listener, LISTENER, Interest::READABLE)?;
        // A connection to it, what it is given, and what a client takes that is just being accepted.
        let mut reserve = Reserve { count: 3 + handle.local_addrs().len(), kept: Vec::new() };
        // Clients may come before the thread that waits for a successor has had its first turn.
        reserve.fill(&shared);
        let file = files.file(settings.path.clone());
        Ok(Self { _file: file, settings, handle, poll, shared, listener, reserve, files, call_off })
    }

    pub(super) fn call_off(&self) -> Arc<CallOff> {
        self.call_off.clone()
    }

    /// Waits until the server has been succeeded or ends.
    pub(super) fn run(mut self) {
        loop {
            match self.next_successor() {
                Ok(None) => break,
                Ok(Some(mut successor)) => match self.serve(&mut successor) {
                    Outcome::Succeeded => return self.withdraw(&mut successor),
                    // The successor has all sockets, this one's too: it goes on alone.
                    Outcome::CalledOff => return,
                    Outcome::Failed(error) => {
                        self.files.claim();
                        log::warn!("a successor has given up, this server goes on: {error}");
                    }
                },
                Err(error) => {
                    log::error!("no successor can come any more: {error}");
                    break;
                }
            }
        }
    }

    /// `None`: called off.
    fn next_successor(&mut self) -> io::Result<Option<UnixStream>> {
        loop {
            if self.is_called_off() {
                return Ok(None);
            }
            self.keep_reserve();
            let mut accepted = self.listener.accept();
            if accepted.as_ref().is_err_and(Listener::is_exhausted) {
                self.release_reserve();
                accepted = self.listener.accept();
            }
            match accepted {
                Ok((stream, _)) => {
                    self.release_reserve();
                    return Ok(Some(stream));
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => {
                    // Without a descriptor it was not even looked whether somebody is there.
                    self.keep_reserve();
                    self.wait(None)?;
                }
                Err(error) => {
                    // Descriptors may have run out: there is no hurry.
                    log::warn!("a successor cannot be accepted: {error}");
                    self.wait(Some(Duration::from_millis(100)))?;
                }
            }
        }
    }

    fn keep_reserve(&mut self) {
        self.reserve.fill(&self.shared);
        self.handle.hold_accepting(false);
    }

    /// Not for the next clients.
    fn release_reserve(&mut self) {
        self.handle.hold_accepting(true);
        self.reserve.release();
    }

    fn serve(&mut self, successor: &mut UnixStream) -> Outcome {
        self.files.share();
        let handed_over =
            self.listeners().and_then(|listeners| send_listeners(&*successor, &listeners));
        self.handle.hold_accepting(false);
        if let Err(error) = handed_over {
            return Outcome::Failed(error);
        }
        let outcome = self.await_start(successor);
        if let Outcome::Failed(_) = outcome {
            // It has the sockets, and if it is only late it would take them for its own.
            let _ = successor.write(&[GOES_ON]);
        }
        outcome
    }

    fn await_start(&mut self, successor: &mut UnixStream) -> Outcome {
        let registry = self.poll.registry();
        if let Err(error) = registry.register(successor, SUCCESSOR, Interest::READABLE) {
            return Outcome::Failed(error);
        }
        let start = Instant::now();
        loop {
            let mut answer = [0];
            match successor.read(&mut answer) {
                Ok(1) if answer == [READY] => return Outcome::Succeeded,
                Ok(_) => return Outcome::Failed(ErrorKind::UnexpectedEof.into()),
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Outcome::Failed(error),
            }
            let left = self.settings.patience.saturating_sub(start.elapsed());
            if left.is_zero() {
                return Outcome::Failed(ErrorKind::TimedOut.into());
            }
            if let Err(error) = self.wait(Some(left.min(MAX_WAIT))) {
                return Outcome::Failed(error);
            }
            if self.is_called_off() {
                return Outcome::CalledOff;
            }
        }
    }

    /// The successor accepts: this server stops to, and sends its clients away.
    fn withdraw(&self, successor: &mut UnixStream) {
        log::info!(
            "a successor has taken over: connections are closed over {:?}",
            self.settings.window
        );
        self.handle.withdraw(self.settings.window, self.settings.deadline);
        // An answer to this comes when accepting has ended.
        let _ = self.listeners();
        let _ = successor.write(&[DONE]);
    }

    /// All listening sockets: where successors come to, and those of the server.
    fn listeners(&self) -> io::Result<Vec<OwnedFd>> {
        let (sender, receiver) = mpsc::channel();
        self.handle.share_listeners(sender);
        let listeners = receiver.recv_timeout(PATIENCE).map_err(io::Error::other)??;
        let own = self.shared.try_clone()?;
        Ok(std::iter::once(own).chain(listeners).collect())
    }

    fn wait(&mut self, timeout: Option<Duration>) -> io::Result<()> {
        match self.poll.poll(&mut Events::with_capacity(4), timeout) {
            Err(error) if error.kind() != ErrorKind::Interrupted => Err(error),
            _ => Ok(()),
        }
    }

    fn is_called_off(&self) -> bool {
        self.call_off.called_off.load(Ordering::Acquire)
    }
}
