//! A running server and its threads.

use std::thread::{self, JoinHandle};
use std::time::Duration;

use super::{Builder, Error, Result, ServerHandle};
use crate::transport::LocalAddr;

/// A running server. Dropping it shuts it down without waiting.
#[derive(Debug)]
#[must_use = "dropping a server shuts it down; call `join`"]
pub struct Server {
    threads: Threads,
}

impl Server {
    /// The settings of a server to be started.
    pub fn builder() -> Builder {
        Builder::default()
    }

    /// A handle for other threads.
    #[must_use]
    pub fn handle(&self) -> ServerHandle {
        self.threads.handle.clone()
    }

    /// Where it listens, with real ports.
    #[must_use]
    pub fn local_addrs(&self) -> &[LocalAddr] {
        self.threads.handle.local_addrs()
    }

    /// Waits until the server has ended: somebody calls [`ServerHandle::shutdown`].
    ///
    /// # Errors
    ///
    /// One of its threads panicked, which is a bug of this library: handlers' panics are caught.
    pub fn join(mut self) -> Result<()> {
        self.threads.join()
    }

    /// Shuts down as [`ServerHandle::shutdown`] does and waits for the end.
    ///
    /// # Errors
    ///
    /// As [`join`](Self::join).
    pub fn shutdown(self, deadline: Duration) -> Result<()> {
        self.threads.handle.shutdown(deadline);
        self.join()
    }
}

/// The threads started so far. When a start fails halfway, dropping this ends them.
#[derive(Debug)]
pub(super) struct Threads {
    handle: ServerHandle,
    threads: Vec<JoinHandle<()>>,
}

impl Threads {
    pub(super) fn new(handle: ServerHandle) -> Self {
        Self { handle, threads: Vec::new() }
    }

    pub(super) fn spawn(
        &mut self,
        name: String,
        body: impl FnOnce() + Send + 'static,
    ) -> Result<()> {
        let thread = thread::Builder::new()
            .name(name)
            .spawn(body)
            .map_err(|error| Error::system("cannot start a thread", error))?;
        self.threads.push(thread);
        Ok(())
    }

    pub(super) fn into_server(self) -> Server {
        Server { threads: self }
    }

    fn join(&mut self) -> Result<()> {
        let mut result = Ok(());
        for thread in self.threads.drain(..) {
            let name = thread.thread().name().unwrap_or("unnamed").to_owned();
            if thread.join().is_err() {
                result = Err(Error::panicked(&name));
            }
        }
        result
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        if !self.threads.is_empty() {
            self.handle.shutdown(Duration::ZERO);
        }
    }
}
