//! The server, in a process of its own: it echoes, publishes, counts what it is called for, and
//! answers questions on its standard input.

use std::collections::BTreeMap;
use std::io::{self, BufRead};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use clap::Args;
use serde::{Deserialize, Serialize};
use tickwire::transport::BindTarget;
use tickwire::{
    Closed, Context, Counters, Handler, Message, Refusal, Request, Response, Server, ServerHandle,
    Start, SubscribeOptions, TrustedProxies, Upgrade,
};

use crate::support::eventually;
use crate::support::feed::{Kind, Mark, Publications};
use crate::{cores, settings};

/// Publications a second on each topic.
const RATE: u32 = if cfg!(debug_assertions) { 50 } else { 200 };

#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Where all of its threads run.
    #[arg(long)]
    core: usize,
    #[arg(long)]
    handler_threads: usize,
    /// One more listener, with TLS.
    #[arg(long, requires = "tls_key")]
    tls_certificate: Option<PathBuf>,
    #[arg(long)]
    tls_key: Option<PathBuf>,
}

/// What the server says of itself.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Numbers {
    /// Calls of the handler.
    pub(crate) opened: u64,
    pub(crate) closed: u64,
    /// Connections whose calls of `open` and `close` do not pair.
    pub(crate) broken: u64,
    /// States of connections that there are.
    pub(crate) states: u64,
    pub(crate) panics: u64,
    pub(crate) connections: usize,
    pub(crate) bytes_queued: u64,
    pub(crate) accepted: u64,
    pub(crate) upgraded: u64,
    pub(crate) protocol_errors: u64,
    pub(crate) timeouts: u64,
    pub(crate) messages: u64,
    pub(crate) deliveries: u64,
    pub(crate) subscribers_closed: u64,
    /// How often each limit was met that attackers are meant to meet.
    pub(crate) limits_met: BTreeMap<String, u64>,
}

pub(crate) fn run(options: &Options) {
    cores::pin(options.core);
    let calls: Arc<Calls> = Arc::default();
    count_panics(calls.clone());
    let server = start(options, calls.clone());
    let handle = server.handle();
    let addresses = handle.local_addrs();
    println!("listening on {}", addresses[0]);
    let (stop, mut publisher) = (Arc::new(AtomicU64::new(0)), None);
    // When the test ends, however it does, so does its pipe.
    for question in io::stdin().lock().lines().map_while(Result::ok) {
        match &*question {
            "proxied" => println!("{}", addresses[1]),
            "tls" => println!("{}", addresses[2]),
            "numbers" => {
                let numbers = calls.numbers(&handle);
                println!("{}", serde_json::to_string(&numbers).expect("numbers"));
            }
            "publish" => {
                let (handle, stop) = (handle.clone(), stop.clone());
                publisher = Some(std::thread::spawn(move || publish(&handle, &stop)));
                println!("publishing");
            }
            "finish" => {
                stop.store(1, Ordering::Relaxed);
                let publisher = publisher.take().expect("a publisher");
                println!("{}", publisher.join().expect("a publisher that did not panic"));
            }
            "quit" => break,
            other => panic!("what is {other:?}?"),
        }
    }
    server.shutdown(Duration::from_secs(1)).expect("no thread panicked");
    println!("bye");
}

fn start(options: &Options, calls: Arc<Calls>) -> Server {
    let proxies = TrustedProxies::at(["127.0.0.0/8"]).expect("a network");
    let builder = Server::builder()
        .config(settings::config(options.handler_threads))
        .bind("127.0.0.1:0")
        .bind(BindTarget::from("127.0.0.1:0").behind(proxies));
    #[cfg(feature = "tls")]
    let builder = match (&options.tls_certificate, &options.tls_key) {
        (Some(certificate), Some(key)) => {
            builder.bind_tls("127.0.0.1:0", tickwire::Tls::from_files(certificate, key))
        }
        _ => builder,
    };
    builder.start(Service { calls }).expect("the server starts")
}

fn count_panics(calls: Arc<Calls>) {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        calls.panics.fetch_add(1, Ordering::Relaxed);
        hook(panic);
    }));
}

/// Publishes at a steady rate until told to stop, and then once more when all has gone where it can;
/// returns how often.
fn publish(server: &ServerHandle, stop: &AtomicU64) -> u64 {
    let mut publications = Publications::new(server);
    let mut due = Instant::now();
    while stop.load(Ordering::Relaxed) == 0 {
        publications.publish(Mark::Publication);
        due += Duration::from_secs(1) / RATE;
        std::thread::sleep(due.saturating_duration_since(Instant::now()));
    }
    eventually("all that waits is gone", || server.stats().total.bytes_queued == 0);
    publications.publish(Mark::Final);
    publications.count
}

/// Echoes at `/`; at `/feed` a text names a topic to subscribe to, and perhaps the publication after
/// which to begin, and all else is echoed.
struct Service {
    calls: Arc<Calls>,
}

#[derive(Default)]
struct Calls {
    opened: AtomicU64,
    closed: AtomicU64,
    broken: AtomicU64,
    states: AtomicU64,
    panics: AtomicU64,
}

impl Calls {
    fn numbers(&self, server: &ServerHandle) -> Numbers {
        let stats = server.stats();
        let total = stats.total;
        let number = |number: &AtomicU64| number.load(Ordering::Relaxed);
        Numbers {
            opened: number(&self.opened),
            closed: number(&self.closed),
            broken: number(&self.broken),
            states: number(&self.states),
            panics: number(&self.panics),
            connections: stats.connections,
            bytes_queued: total.bytes_queued,
            accepted: total.accepted,
            upgraded: total.upgraded,
            protocol_errors: total.protocol_errors,
            timeouts: total.timeouts,
            messages: total.messages_received,
            deliveries: total.deliveries,
            subscribers_closed: total.subscribers_closed,
            limits_met: limits_met(&total),
        }
    }
}

fn limits_met(counters: &Counters) -> BTreeMap<String, u64> {
    let met = [
        ("over_address_limit", counters.over_address_limit),
        ("accept_waits", counters.accept_waits),
        ("throttled", counters.throttled),
        ("message_floods", counters.message_floods),
        ("byte_floods", counters.byte_floods),
        ("control_frame_floods", counters.control_frame_floods),
        ("slow_heads", counters.slow_heads),
        ("write_timeouts", counters.write_timeouts),
        ("queues_shed", counters.queues_shed),
    ];
    met.into_iter().map(|(name, count)| (name.to_owned(), count)).collect()
}

/// A connection's state; it knows whether what was called for it pairs.
#[derive(Default)]
struct Session {
    calls: Option<Arc<Calls>>,
    is_feed: bool,
    opened: u32,
    closed: u32,
}

impl Drop for Session {
    fn drop(&mut self) {
        if let Some(calls) = &self.calls {
            calls.states.fetch_sub(1, Ordering::Relaxed);
            if self.opened > 1 || self.opened != self.closed {
                calls.broken.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

impl Handler for Service {
    type State = Session;

    fn upgrade(&self, request: &Request) -> Result<Upgrade<Session>, Refusal> {
        self.calls.states.fetch_add(1, Ordering::Relaxed);
        let (calls, is_feed) = (Some(self.calls.clone()), request.path() == "/feed");
        Ok(Upgrade::new(Session { calls, is_feed, ..Session::default() }))
    }

    fn open(&self, _: &mut Context<'_>, session: &mut Session) {
        session.opened += 1;
        self.calls.opened.fetch_add(1, Ordering::Relaxed);
    }

    fn message(&self, ctx: &mut Context<'_>, session: &mut Session, message: Message<'_>) {
        match message {
            Message::Text(text) if session.is_feed => subscribe(ctx, text),
            message => {
                ctx.send(message);
            }
        }
    }

    fn close(&self, _: &mut Context<'_>, session: &mut Session, _: &Closed) {
        session.closed += 1;
        self.calls.closed.fetch_add(1, Ordering::Relaxed);
    }

    fn http(&self, _: &Request) -> Response {
        Response::text("a page\n")
    }
}

fn subscribe(ctx: &mut Context<'_>, text: &str) {
    let mut words = text.split(' ');
    let name = words.next().unwrap_or_default();
    let start = words.next().map_or(Start::Retained, |sequence| {
        Start::After(sequence.parse().expect("a sequence number"))
    });
    let topic = ctx.server().topic_with(name, Kind::by_name(name).options());
    ctx.subscribe_with(&topic, SubscribeOptions { start, ..SubscribeOptions::default() });
    ctx.send("subscribed");
}
