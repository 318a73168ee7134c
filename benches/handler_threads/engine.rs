//! The contestants: servers that send every message back, at some of them after a bit of work.

use std::time::{Duration, Instant};

use tickwire::{Context, Handler, Limits, Message, Server};

use super::client::Client;
use super::echo::EchoServer;
use super::threads::{self, Watched};

/// How long the handler works at a message that says so.
pub(crate) const WORK: Duration = Duration::from_micros(50);

/// What the payload of such a message begins with.
pub(crate) const WORK_MARK: u8 = b'w';

struct Worker;

impl Handler for Worker {
    type State = ();

    fn message(&self, ctx: &mut Context<'_>, _: &mut (), message: Message<'_>) {
        if message.as_bytes().first() == Some(&WORK_MARK) {
            let start = Instant::now();
            while start.elapsed() < WORK {
                std::hint::spin_loop();
            }
        }
        ctx.send(message);
    }
}

/// A server with its connections.
pub(crate) struct Side {
    server: EchoServer,
    client: Client,
    /// Event loop and handler threads.
    threads: Watched,
}

impl Side {
    /// One event loop and this many handler threads, which connections are given to in turn.
    pub(crate) fn start(handler_threads: usize, connections: usize) -> Self {
        let (watched, server) = Watched::started_by("tickwire-", || start(handler_threads));
        assert_eq!(watched.count(), 1 + handler_threads, "each thread has a name");
        let client = Client::connect(server.address, connections);
        Self { server, client, threads: watched }
    }

    /// Runs `run` on the client's core; also says what CPU time the server took meanwhile.
    pub(crate) fn run<T: Send>(
        &mut self,
        run: impl FnOnce(&mut Client) -> T + Send,
    ) -> (T, Duration) {
        let before = self.threads.settled_cpu_time();
        let value = threads::on_core(threads::CLIENT_CORE, || run(&mut self.client));
        (value, self.threads.settled_cpu_time() - before)
    }

    pub(crate) fn end(self) {
        drop(self.client);
        self.server.end();
    }
}

fn start(handler_threads: usize) -> EchoServer {
    let server = Server::builder()
        .bind("127.0.0.1:0")
        .event_loops(1)
        .handler_threads(handler_threads)
        .limits(Limits::trusted())
        .start(Worker)
        .expect("loopback can be listened on");
    // A thread gives itself its name.
    std::thread::sleep(Duration::from_millis(20));
    EchoServer::of(server)
}
