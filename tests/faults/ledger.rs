//! A server of which everything is counted.

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tickwire::transport::{BindTarget, LocalAddr};
use tickwire::{Builder, CloseCode, ConnectionId, Response, ServerHandle, TrustedProxies, Upgrade};

use super::allocations::held_by_process;
use super::support::{Mode, Running, Script, eventually};

/// Memory that may stay behind for reuse, in bytes: what goes to handler threads and comes back keeps
/// buffers of up to 256 KiB each. A queue for each connection would be far more.
const SPARE_LEN: isize = 600 * 1024;

/// What a request gets, in bytes: more than sockets take at once.
pub(crate) const PAGE_LEN: usize = 1 << 20;

/// Bytes that may wait for a handler thread.
pub(crate) const MAX_LANE_LEN: usize = 64 << 10;

/// Descriptors and memory are the process's: one test at a time.
static ALONE: Mutex<()> = Mutex::new(());

pub(crate) fn alone() -> MutexGuard<'static, ()> {
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Where the listeners are among the server's addresses.
pub(crate) const PLAIN: usize = 0;
pub(crate) const BEHIND_PROXIES: usize = 1;
/// Behind proxies that are somewhere else.
pub(crate) const BEHIND_OTHERS: usize = 2;
#[cfg(feature = "tls")]
pub(crate) const TLS: usize = 3;
#[cfg(feature = "tls")]
pub(crate) const TLS_BEHIND_PROXIES: usize = 4;

type Calls = Arc<Mutex<HashMap<ConnectionId, Count>>>;

/// How often callbacks were called for a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Count {
    opens: u32,
    closes: u32,
}

/// Keeps callbacks from going on.
#[derive(Default)]
struct Gate {
    is_shut: Mutex<bool>,
    opens: Condvar,
}

impl Gate {
    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap_or_else(PoisonError::into_inner) = is_shut;
        self.opens.notify_all();
    }

    fn pass(&self) {
        let mut is_shut = self.is_shut.lock().unwrap_or_else(PoisonError::into_inner);
        while *is_shut {
            is_shut = self.opens.wait(is_shut).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

pub(crate) struct Ledger {
    server: Option<Running>,
    calls: Calls,
    gate: Arc<Gate>,
    /// Descriptors before the server was started, and while it has no clients.
    descriptors: (usize, usize),
    _alone: MutexGuard<'static, ()>,
}

impl Ledger {
    /// A server that does what it is told: `close`, `fill` sends as much as may wait, `hold` and an upgrade
    /// at `/held` take until it is [let go](Self::let_go), and anything else comes back. A request gets
    /// [`PAGE_LEN`] bytes. It listens at a plain address, behind proxies, and with TLS.
    pub(crate) fn open(mode: Mode, settings: impl FnOnce(Builder) -> Builder) -> Self {
        let alone = alone();
        let before = descriptor_count();
        let (calls, gate): (Calls, Arc<Gate>) = (Arc::default(), Arc::default());
        let builder = mode.builder().event_loops(2).max_lane_len(MAX_LANE_LEN);
        let proxies = TrustedProxies::at(["127.0.0.0/8"]).expect("a prefix");
        let behind =
            |proxies: &TrustedProxies| BindTarget::from("127.0.0.1:0").behind(proxies.clone());
        let elsewhere = TrustedProxies::at(["192.0.2.0/24"]).expect("a prefix");
        let builder = builder.bind(behind(&proxies)).bind(behind(&elsewhere));
        #[cfg(feature = "tls")]
        let builder = {
            use super::support::tls::server_tls;
            builder.bind_tls("127.0.0.1:0", server_tls()).bind_tls(behind(&proxies), server_tls())
        };
        let server = Running::start(settings(builder), script(&calls, &gate));
        let descriptors = (before, descriptor_count());
        Self { server: Some(server), calls, gate, descriptors, _alone: alone }
    }

    pub(crate) fn server(&self) -> &Running {
        self.server.as_ref().expect("it runs")
    }

    pub(crate) fn handle(&self) -> &ServerHandle {
        self.server().handle()
    }

    /// From now on callbacks that are told to hold do.
    pub(crate) fn hold(&self) {
        self.gate.set(true);
    }

    /// They go on, and others do not begin to hold.
    pub(crate) fn let_go(&self) {
        self.gate.set(false);
    }

    pub(crate) fn address(&self, place: usize) -> LocalAddr {
        self.server().handle().local_addrs()[place].clone()
    }

    pub(crate) fn connection_count(&self) -> usize {
        self.server().handle().stats().connections
    }

    pub(crate) fn open_count(&self) -> usize {
        self.calls().values().filter(|count| **count == Count { opens: 1, closes: 0 }).count()
    }

    /// Nobody is there any more, nothing waits for anybody, and everybody has been closed once who was
    /// opened. Returns how many were.
    #[track_caller]
    pub(crate) fn settle(&self) -> usize {
        eventually("all are gone", || self.connection_count() == 0);
        let all_closed = || self.calls().values().all(|count| count.closes == 1);
        eventually("all are closed", all_closed);
        // A second one would come at once.
        std::thread::sleep(Duration::from_millis(5));
        let calls = std::mem::take(&mut *self.calls());
        for (id, count) in &calls {
            assert_eq!(*count, Count { opens: 1, closes: 1 }, "{id}");
        }
        let waiting = || self.server().handle().stats().total.bytes_queued;
        eventually("nothing waits", || waiting() == 0);
        let (_, while_empty) = self.descriptors;
        eventually("all descriptors are closed", || descriptor_count() <= while_empty);
        calls.len()
    }

    /// Runs `round` a few times: in the end the server holds no more than after the first.
    #[track_caller]
    pub(crate) fn in_rounds(&self, round: impl Fn()) {
        round();
        self.settle();
        let held = held_by_process();
        for _ in 0..2 {
            round();
            self.settle();
        }
        // Large buffers stay for a second or two, for whoever comes next.
        eventually("it holds no more than before", || held_by_process() - held <= SPARE_LEN);
    }

    /// The server ends, and leaves nothing.
    #[track_caller]
    pub(crate) fn close(mut self) {
        self.settle();
        drop(self.server.take());
        self.check_descriptors();
    }

    /// The server ends by itself, and leaves nothing.
    #[track_caller]
    pub(crate) fn join(mut self) {
        self.settle();
        self.server.take().expect("it runs").join();
        self.check_descriptors();
    }

    #[track_caller]
    fn check_descriptors(&self) {
        let (before, _) = self.descriptors;
        eventually("its own descriptors are closed", || descriptor_count() <= before);
    }

    fn calls(&self) -> MutexGuard<'_, HashMap<ConnectionId, Count>> {
        self.calls.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn script(calls: &Calls, gate: &Arc<Gate>) -> Script {
    let count = |change: fn(&mut Count)| {
        let calls = calls.clone();
        move |id: ConnectionId| {
            let mut calls = calls.lock().unwrap_or_else(PoisonError::into_inner);
            change(calls.entry(id).or_default());
        }
    };
    let (opened, closed) = (count(|it| it.opens += 1), count(|it| it.closes += 1));
    let (upgrades, messages) = (gate.clone(), gate.clone());
    let page = vec![b'x'; PAGE_LEN];
    Script::new()
        .on_upgrade(move |request| {
            if request.path() == "/held" {
                upgrades.pass();
            }
            Ok(Upgrade::new(()))
        })
        .on_http(move |_| Response::new(http::StatusCode::OK).body("text/plain", page.clone()))
        .on_open(move |ctx| opened(ctx.id()))
        .on_close(move |ctx, _| closed(ctx.id()))
        .on_text(move |ctx, text| match text {
            "hold" => messages.pass(),
            "close" => ctx.close(CloseCode::NORMAL, "as you wish"),
            "fill" => {
                let piece = "x".repeat(64 * 1024);
                while ctx.send(&*piece).is_accepted() && ctx.buffered_amount() < 512 * 1024 {}
            }
            text => {
                ctx.send(text);
            }
        })
}

fn descriptor_count() -> usize {
    // That of the directory itself counts each time.
    std::fs::read_dir("/proc/self/fd").expect("/proc/self/fd").count()
}
