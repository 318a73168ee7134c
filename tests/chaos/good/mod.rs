//! The good clients: all of them must get all that is theirs.

mod echo;
mod subscriber;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tickwire::proxy_protocol::ProxyHeader;
use tickwire::transport::LocalAddr;

use crate::cores;
use crate::latency::Latencies;
use crate::support::feed::{Kind, Watcher};
use crate::support::{Client, Dial, Plan, Proxy, Received};
use echo::Echo;
use subscriber::{Manner, Subscriber};

/// Where a server is to be found.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    pub(crate) plain: LocalAddr,
    /// Where proxies say who comes.
    pub(crate) proxied: LocalAddr,
    #[cfg(feature = "tls")]
    pub(crate) tls: LocalAddr,
}

/// What clients of one kind have to do with each other.
pub(crate) struct Shared {
    pub(crate) latencies: Latencies,
    pub(crate) echoes: AtomicU64,
    pub(crate) cuts: AtomicU64,
    is_over: AtomicBool,
}

impl Shared {
    fn is_over(&self) -> bool {
        self.is_over.load(Ordering::Relaxed)
    }
}

/// All good clients, each on a thread of its own.
pub(crate) struct Crew {
    pub(crate) shared: Arc<Shared>,
    echoing: Vec<JoinHandle<()>>,
    subscribed: Vec<JoinHandle<Watcher>>,
    cutting: Proxy,
    /// Connections that there are at any time.
    pub(crate) count: usize,
}

impl Crew {
    /// Returns once all are connected and have subscribed.
    pub(crate) fn start(place: &Place) -> Self {
        let shared = Arc::new(Shared {
            latencies: Latencies::new(),
            echoes: AtomicU64::new(0),
            cuts: AtomicU64::new(0),
            is_over: AtomicBool::new(false),
        });
        let proxies = Proxies::start_giving_way(place);
        let echoing: Vec<_> = echoes(place, &proxies)
            .into_iter()
            .map(|echo| {
                spawn(&shared, echo, Echo::connect, |echo, client, shared| {
                    if !echo.is_timed() {
                        cores::give_way();
                    }
                    echo.run(client, shared);
                })
            })
            .collect();
        let subscribed: Vec<_> = subscribers(place, &proxies)
            .into_iter()
            .map(|one| {
                spawn(&shared, one, Subscriber::connect, |one, client, shared| {
                    cores::give_way();
                    one.run(client, shared)
                })
            })
            .collect();
        let count = echoing.len() + subscribed.len();
        Self { shared, echoing, subscribed, cutting: proxies.cutting, count }
    }

    /// Fails as soon as one of them has failed.
    pub(crate) fn check(&mut self) {
        let failed = |thread: &JoinHandle<()>| thread.is_finished();
        assert!(!self.echoing.iter().any(failed), "a client that echoes has failed");
        let failed = |thread: &JoinHandle<Watcher>| thread.is_finished();
        assert!(!self.subscribed.iter().any(failed), "a subscriber has failed");
    }

    /// After the last publication, which was this one: all leave, and all have got everything.
    pub(crate) fn finish(self, publication_count: u64) {
        self.shared.is_over.store(true, Ordering::Relaxed);
        for client in self.echoing {
            client.join().expect("a client that echoes");
        }
        let watchers = self.subscribed.into_iter().map(|it| it.join().expect("a subscriber"));
        check_feeds(&watchers.collect::<Vec<_>>(), publication_count);
        let cuts = self.shared.cuts.load(Ordering::Relaxed);
        let of_proxy = self.cutting.cut_count() as u64;
        println!("    {cuts} connections of good clients were cut, {of_proxy} by the proxy");
        assert!(cuts >= of_proxy, "each cut is one that was meant");
    }
}

/// Connects here, so that a failure is seen at once, and runs on a thread.
fn spawn<K: Send + 'static, R: Send + 'static>(
    shared: &Arc<Shared>,
    kind: K,
    connect: impl FnOnce(&K) -> Client,
    run: impl FnOnce(K, Client, &Shared) -> R + Send + 'static,
) -> JoinHandle<R> {
    let (client, shared) = (connect(&kind), shared.clone());
    thread::spawn(move || run(kind, client, &shared))
}

/// What lies between some clients and the server.
struct Proxies {
    bytewise: Proxy,
    delaying: Proxy,
    stalling: Proxy,
    cutting: Proxy,
    #[cfg(feature = "tls")]
    tls_bytewise: Proxy,
}

impl Proxies {
    fn start_giving_way(place: &Place) -> Self {
        let start = || {
            cores::give_way();
            Self::start(place)
        };
        thread::scope(|scope| scope.spawn(start).join()).expect("proxies")
    }

    fn start(place: &Place) -> Self {
        let plain = |plan| Proxy::start(&place.plain, plan);
        let bytewise = Plan { piece_len: 1, ..Plan::default() };
        let delay = Duration::from_millis(4);
        let stall = Some((8 << 10, Duration::from_millis(200)));
        Self {
            bytewise: plain(bytewise),
            delaying: plain(Plan { piece_len: 1400, delay, ..Plan::default() }),
            stalling: plain(Plan { stall, ..Plan::default() }),
            cutting: plain(Plan { cut_after: Some(10_000), cut_resets: true, ..Plan::default() }),
            #[cfg(feature = "tls")]
            tls_bytewise: Proxy::start(&place.tls, bytewise),
        }
    }
}

fn echoes(place: &Place, proxies: &Proxies) -> Vec<Echo> {
    let small = Echo::new("small", 200, 1, 50.0);
    let large = Echo::new("large", 100_000, 1, 4.0);
    let many = Echo::new("many", 300, 50, 10.0);
    let slow = Echo::new("slow", 100, 3, 5.0);
    let plain = Dial::new(&place.plain);
    let proxied = Dial::new(&place.proxied).through_proxy(&header().encode_v2(), 9);
    #[allow(unused_mut, reason = "features add some")]
    let mut clients = vec![
        // Those whose time is taken: nothing lies between them and the server.
        small.timed().by(&plain),
        small.timed().by(&plain),
        small.timed().by(&plain),
        small.timed().by(&plain),
        large.by(&plain),
        many.by(&plain),
        slow.named("byte by byte").by(&Dial::new(proxies.bytewise.address())),
        slow.named("delayed").by(&Dial::new(proxies.delaying.address())),
        large.named("large, stalled").by(&Dial::new(proxies.stalling.address())),
        slow.named("proxied").by(&proxied),
        slow.named("cut").cut().by(&Dial::new(proxies.cutting.address())),
    ];
    #[cfg(feature = "deflate")]
    {
        let deflate = plain.clone().deflate(tickwire::deflate::Params::default());
        clients.push(small.named("compressed").timed().by(&deflate));
        clients.push(large.named("large, compressed").by(&deflate));
    }
    #[cfg(feature = "tls")]
    {
        let tls = |address| Dial::new(address).tls(crate::support::tls::client_config());
        clients.push(small.named("TLS").timed().by(&tls(&place.tls)));
        clients.push(large.named("large, TLS").by(&tls(&place.tls)));
        let bytewise = tls(proxies.tls_bytewise.address());
        clients.push(slow.named("TLS byte by byte").by(&bytewise));
    }
    clients
}

/// Says for whom the proxy comes, at the port for that.
fn header() -> ProxyHeader {
    ProxyHeader::Relayed {
        source: ([192, 0, 2, 7], 5000).into(),
        destination: ([198, 51, 100, 1], 80).into(),
    }
}

fn subscribers(place: &Place, proxies: &Proxies) -> Vec<Subscriber> {
    let plain = || Dial::path(&place.plain, "/feed");
    let stalling = || Dial::path(proxies.stalling.address(), "/feed");
    let delaying = || Dial::path(proxies.delaying.address(), "/feed");
    #[allow(unused_mut, reason = "features add some")]
    let mut subscribers = vec![
        Subscriber::new(plain(), Manner::KeepsUp),
        Subscriber::new(plain(), Manner::KeepsUp),
        Subscriber::new(delaying(), Manner::Slow(Kind::Closing)),
        Subscriber::new(stalling(), Manner::Slow(Kind::Latest)),
        Subscriber::new(stalling(), Manner::Slow(Kind::Resync)),
        Subscriber::new(stalling(), Manner::Slow(Kind::Dropping)),
        Subscriber::new(plain(), Manner::ComesBack),
    ];
    #[cfg(feature = "deflate")]
    subscribers.push(Subscriber::new(
        plain().deflate(tickwire::deflate::Params::default()),
        Manner::KeepsUp,
    ));
    #[cfg(feature = "tls")]
    subscribers.push(Subscriber::new(
        Dial::path(&place.tls, "/feed").tls(crate::support::tls::client_config()),
        Manner::KeepsUp,
    ));
    subscribers
}

/// All have seen the last publication, know how many they lack, and have come to the same state.
fn check_feeds(watchers: &[Watcher], publication_count: u64) {
    let feeds = || watchers.iter().flat_map(|watcher| &watcher.feeds);
    for feed in feeds() {
        let kind = feed.kind;
        assert_eq!(feed.last, publication_count, "{kind:?}");
        assert_eq!(feed.received + feed.skipped, publication_count, "{kind:?}");
        assert!(kind != Kind::Closing || feed.skipped == 0, "{kind:?}: {} lost", feed.skipped);
        let same = feeds().find(|other| other.kind == kind).expect("itself at least");
        assert!(feed.book == same.book && feed.latest == same.latest, "{kind:?}: another state");
    }
    let sum = |number: fn(&crate::support::feed::Feed) -> u64| feeds().map(number).sum::<u64>();
    println!(
        "    {} subscriptions to {publication_count} publications each: {} came, {} were left out by \
         policy, {} snapshots",
        feeds().count(),
        sum(|feed| feed.received),
        sum(|feed| feed.skipped),
        sum(|feed| feed.snapshots),
    );
}

/// The next thing that comes but pings, which are answered.
fn recv(client: &mut Client) -> Received {
    loop {
        match client.recv() {
            Received::Ping(payload) => {
                // Who is cut meanwhile hears of it by the next thing that comes.
                let _ = client.try_send_raw(&pong(&payload));
            }
            other => return other,
        }
    }
}

/// The closing handshake; nothing comes any more but pings and its end.
fn leave(mut client: Client) {
    client.close(1000, "");
    assert_eq!(recv(&mut client), Received::Close(1000, String::new()));
    assert_eq!(recv(&mut client), Received::End);
}

fn pong(payload: &[u8]) -> Vec<u8> {
    let mut frame = Vec::new();
    let opcode = tickwire::frame::OpCode::Pong;
    tickwire::frame::encode_frame(&mut frame, true, opcode, Some([7; 4]), payload);
    frame
}
