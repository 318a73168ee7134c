//! A server that sends every message back.

use std::net::SocketAddr;
use std::time::Duration;

use tickwire::{Builder, Context, Handler, Limits, LocalAddr, Message, Server};

pub(crate) struct Echo;

impl Handler for Echo {
    type State = ();

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        ctx.send(message);
    }
}

/// A running server of one event loop, or of as many as its builder says.
pub(crate) struct EchoServer {
    server: Server,
    pub(crate) address: SocketAddr,
}

impl EchoServer {
    /// One event loop and this many handler threads; 0 is inline mode.
    pub(crate) fn start(handler_threads: usize) -> Self {
        let builder = Server::builder().event_loops(1).handler_threads(handler_threads);
        Self::start_with(builder.limits(Limits::trusted()))
    }

    pub(crate) fn start_with(builder: Builder) -> Self {
        Self::of(builder.bind("127.0.0.1:0").start(Echo).expect("loopback can be listened on"))
    }

    /// A server that listens on one TCP address.
    pub(crate) fn of(server: Server) -> Self {
        let [LocalAddr::Tcp(address)] = *server.local_addrs() else {
            unreachable!("one TCP address")
        };
        Self { server, address }
    }

    pub(crate) fn connections_per_loop(&self) -> Vec<usize> {
        self.server.handle().stats().connections_per_loop
    }

    pub(crate) fn end(self) {
        self.server.shutdown(Duration::from_secs(1)).expect("no thread panics");
    }
}
