//! Servers in the test's own process.

use std::time::Duration;

use tickwire::transport::{BindTarget, LocalAddr};
use tickwire::{Builder, Handler, Limits, Server, ServerHandle, TrustedProxies};

use super::{Client, Dial, HttpClient};

/// Where callbacks run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    Inline,
    /// On two handler threads.
    Threads,
}

impl Mode {
    /// A server at a free port, with one event loop. Tests that are not about limits do more than
    /// strangers may.
    pub(crate) fn builder(self) -> Builder {
        self.builder_at("127.0.0.1:0")
    }

    /// The same behind proxies.
    pub(crate) fn builder_behind(self, proxies: TrustedProxies) -> Builder {
        self.builder_at(BindTarget::from("127.0.0.1:0").behind(proxies))
    }

    pub(crate) fn builder_at(self, target: impl Into<BindTarget>) -> Builder {
        let handler_threads = match self {
            Self::Inline => 0,
            Self::Threads => 2,
        };
        bind(Server::builder(), target.into())
            .event_loops(1)
            .handler_threads(handler_threads)
            .limits(Limits::trusted())
    }

    pub(crate) fn start(self, handler: impl Handler) -> Running {
        Running::start(self.builder(), handler)
    }
}

/// In some test programs with TLS.
fn bind(builder: Builder, target: BindTarget) -> Builder {
    #[cfg(feature = "tls")]
    if super::is_over_tls() {
        return builder.bind_tls(target, super::tls::server_tls());
    }
    builder.bind(target)
}

/// Runs a test inline and with handler threads; the output of a failure says which it was.
pub(crate) fn in_each_mode(test: impl Fn(Mode)) {
    for mode in [Mode::Inline, Mode::Threads] {
        println!("in mode {mode:?}");
        test(mode);
    }
}

/// The same at the same time, for tests that wait for most of theirs.
pub(crate) fn in_each_mode_at_once(test: impl Fn(Mode) + Sync) {
    let test = &test;
    std::thread::scope(|scope| {
        for mode in [Mode::Inline, Mode::Threads] {
            let thread = std::thread::Builder::new().name(format!("in mode {mode:?}"));
            thread.spawn_scoped(scope, move || test(mode)).expect("a thread");
        }
    });
}

/// A running server. It is shut down and joined when it is dropped: a thread of it that has
/// panicked fails the test.
#[derive(Debug)]
pub(crate) struct Running {
    server: Option<Server>,
    handle: ServerHandle,
}

impl Running {
    #[track_caller]
    pub(crate) fn start(builder: Builder, handler: impl Handler) -> Self {
        let server = builder.start(handler).expect("the server starts");
        Self { handle: server.handle(), server: Some(server) }
    }

    pub(crate) fn handle(&self) -> &ServerHandle {
        &self.handle
    }

    /// The first address that it listens on.
    pub(crate) fn address(&self) -> LocalAddr {
        self.handle.local_addrs()[0].clone()
    }

    #[track_caller]
    pub(crate) fn connect(&self) -> Client {
        Client::connect(&self.address())
    }

    pub(crate) fn dial(&self) -> Dial {
        Dial::new(&self.address())
    }

    #[track_caller]
    pub(crate) fn http(&self) -> HttpClient {
        HttpClient::connect(&self.address())
    }

    /// Waits for the server's end, which the test has brought about.
    #[track_caller]
    pub(crate) fn join(mut self) {
        self.server.take().expect("a running server").join().expect("no thread panicked");
    }

    /// Hands the server out: nothing is done to it any more.
    pub(crate) fn into_server(mut self) -> Server {
        self.server.take().expect("a running server")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A test that fails may leave callbacks waiting for it: they are not waited for.
        if let Some(server) = self.server.take().filter(|_| !std::thread::panicking()) {
            server.shutdown(Duration::ZERO).expect("no thread of the server panicked");
        }
    }
}
