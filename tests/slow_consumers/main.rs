//! The promise that slow subscribers harm nobody but themselves, and cost no more memory than was
//! allowed: two hundred subscribers of each kind of topic, of which ten stop reading for some
//! seconds while publications go on as fast as the others read them, until queues without a limit would
//! hold twice of what is allowed.
//!
//! Memory is what the process's allocator has handed out to all threads but the clients': exact, and
//! the same on every machine, unlike the kernel's account of pages.

#[path = "../support/allocations.rs"]
mod allocations;
#[path = "../support/mod.rs"]
mod support;

mod crowd;
mod publisher;

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use crowd::Crowd;
use publisher::{Progress, Publisher, WINDOW};
use support::feed::{FRAME_LEN, Feed, KEY_COUNT, Kind, LAG_LEN, Publications, RING, Watcher};
use support::{Client, Dial, Mode, Running, Script, eventually};
use tickwire::{ConnectionId, SocketOptions, Topic, TopicStats};

/// Each of them subscribes to all topics.
const READER_COUNT: usize = 190;
/// Each topic has so many besides, who subscribe to nothing else.
const SLEEPER_COUNT: usize = 10;
const SUBSCRIBER_COUNT: u64 = (READER_COUNT + SLEEPER_COUNT) as u64;

const MAX_BACKPRESSURE: usize = 128 << 10;

/// Whoever reads never has so much waiting that it lags: the publisher does not go so far ahead.
const _: () = assert!(Kind::ALL.len() * WINDOW as usize * FRAME_LEN < LAG_LEN);

/// Publications of one turn are joined up to this many bytes.
const MAX_BATCH_LEN: usize = 64 << 10;

/// What a publication may take beside its bytes where it waits: its place in a list that may have
/// room for twice as many, and the count of those who share it.
const ITEM_LEN: usize = 160;

/// What else may come and go meanwhile: tables and pools that grow, replies, timers.
const SLACK_LEN: usize = 1 << 20;

/// Everybody has got so many publications of a topic before the sleepers fall asleep.
const AWAKE_COUNT: u64 = 100;

#[test]
fn ten_of_two_hundred_stop_reading_and_nobody_else_notices() {
    allocations::leave_out_this_thread();
    stall(Mode::Inline, Duration::from_secs(5));
    stall(Mode::Threads, Duration::from_secs(2));
}

/// What the readers saw, and what the publisher meant them to see.
struct Seen {
    readers: Vec<Watcher>,
    sleepers: Vec<Watcher>,
    publisher: Publisher,
}

fn stall(mode: Mode, at_least: Duration) {
    let service = Service::start(mode);
    let (first, second) = (service.readers(), service.readers());
    let (sleepers, ids) = service.sleepers();
    let progress = Progress::default();
    let (count, stop) = (AtomicU64::new(0), AtomicBool::new(false));
    let held_before = allocations::held_by_process();
    allocations::take_peak_of_process();

    let seen = std::thread::scope(|scope| {
        let (asleep, fell_asleep) = channel();
        let (wake, woken) = channel();
        let until = Stop(&stop);
        let [first_progress, second_progress, sleepers_progress] = &progress;
        let first = scope.spawn(|| keep_up(first, first_progress));
        let second = scope.spawn(|| keep_up(second, second_progress));
        let sleepers = scope.spawn(move || doze(sleepers, sleepers_progress, &asleep, &woken));
        let publisher = scope.spawn(|| {
            let mut publisher = Publisher::new(service.server.handle());
            publisher.run(&progress, &count, &stop);
            publisher
        });

        support::soon(&fell_asleep);
        let published_len = service.sleep(&count, at_least);
        check_memory(allocations::take_peak_of_process() - held_before, published_len);
        service.check_queues(&ids);
        wake.send(()).expect("the sleepers wait");
        // They come back under full load too.
        let now = count.load(Ordering::Relaxed);
        eventually("it goes on", || count.load(Ordering::Relaxed) > now + 10 * WINDOW);
        drop(until);
        let mut readers = first.join().expect("readers");
        readers.extend(second.join().expect("readers"));
        let sleepers = sleepers.join().expect("sleepers");
        Seen { readers, sleepers, publisher: publisher.join().expect("the publisher") }
    });
    check_memory(allocations::take_peak_of_process() - held_before, 0);
    check_readers(&seen);
    check_sleepers(&seen);
    check_numbers(&service.server, &seen);
}

/// Reads all along.
fn keep_up(mut crowd: Crowd, progress: &AtomicU64) -> Vec<Watcher> {
    allocations::leave_out_this_thread();
    crowd.read(|crowd| {
        progress.store(crowd.progress(), Ordering::Relaxed);
        crowd.is_done()
    });
    crowd.into_watchers()
}

/// Reads for a while, then not, then to the end.
fn doze(
    mut crowd: Crowd,
    progress: &AtomicU64,
    asleep: &Sender<()>,
    woken: &Receiver<()>,
) -> Vec<Watcher> {
    allocations::leave_out_this_thread();
    crowd.read(|crowd| {
        progress.store(crowd.progress(), Ordering::Relaxed);
        crowd.progress() >= AWAKE_COUNT
    });
    progress.store(u64::MAX, Ordering::Relaxed);
    asleep.send(()).expect("the test listens");
    woken.recv().expect("the test wakes");
    crowd.read(Crowd::is_done);
    crowd.into_watchers()
}

/// Ends the publisher's run when it is dropped, also by a failure: nobody waits for ever.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The server, and how clients come to it.
struct Service {
    server: Running,
    opened: Receiver<ConnectionId>,
}

impl Service {
    fn start(mode: Mode) -> Self {
        let (ids, opened) = channel();
        let script = Script::new()
            .on_open(move |ctx| ids.send(ctx.id()).expect("the test listens"))
            .on_text(|ctx, name| {
                let kind = Kind::by_name(name);
                let topic = ctx.server().topic_with(name, kind.options());
                ctx.subscribe(&topic);
                ctx.send("subscribed");
            });
        let socket_options = SocketOptions { notsent_lowat: Some(16 << 10), ..Default::default() };
        let builder = mode
            .builder()
            .event_loops(2)
            .max_backpressure(MAX_BACKPRESSURE)
            .socket_options(socket_options)
            // Whoever sleeps answers no ping, and takes its time to answer a close frame.
            .ping_interval(None)
            .idle_timeout(None)
            .close_timeout(Duration::from_secs(600));
        Self { server: Running::start(builder, script), opened }
    }

    fn subscribe(&self, dial: &Dial, kinds: &[Kind]) -> (Client, ConnectionId) {
        let mut client = dial.connect();
        let id = support::soon(&self.opened);
        for kind in kinds {
            client.send_text(kind.name());
            client.expect_text("subscribed");
        }
        (client, id)
    }

    /// Half of those who keep up.
    fn readers(&self) -> Crowd {
        let dial = self.server.dial();
        let reader = |_| (self.subscribe(&dial, &Kind::ALL).0, Watcher::of_all());
        Crowd::new((0..READER_COUNT / 2).map(reader).collect())
    }

    fn sleepers(&self) -> (Crowd, Vec<(Kind, ConnectionId)>) {
        let dial = self.server.dial().receive_len(8 << 10);
        let kinds = (0..SLEEPER_COUNT).flat_map(|_| Kind::ALL);
        let sleeper = |kind: Kind| {
            let (client, id) = self.subscribe(&dial, &[kind]);
            ((client, Watcher::of_one(kind)), (kind, id))
        };
        let (sleepers, ids) = kinds.map(sleeper).unzip();
        (Crowd::new(sleepers), ids)
    }

    fn stats(&self, kind: Kind) -> TopicStats {
        self.server.handle().topic_with(kind.name(), kind.options()).stats()
    }

    /// Lets the sleepers sleep; returns how much was published to each of them meanwhile.
    fn sleep(&self, count: &AtomicU64, at_least: Duration) -> usize {
        let (start, first) = (Instant::now(), count.load(Ordering::Relaxed));
        let lags = || [Kind::Latest, Kind::Resync].map(|kind| self.stats(kind).lags);
        eventually("every sleeper is found out", || {
            let closed = self.stats(Kind::Closing).closed;
            let dropped = self.stats(Kind::Dropping).dropped;
            lags() == [SLEEPER_COUNT as u64; 2] && closed == SLEEPER_COUNT as u64 && dropped > 0
        });
        let published_len = || (count.load(Ordering::Relaxed) - first) as usize * FRAME_LEN;
        let is_enough = || Kind::ALL.len() * SLEEPER_COUNT * published_len() > 2 * bound();
        eventually("queues without a limit would be beyond the bound", is_enough);
        std::thread::sleep(at_least.saturating_sub(start.elapsed()));
        assert_eq!(lags(), [SLEEPER_COUNT as u64; 2], "nobody else has come to lag");
        published_len()
    }

    /// What waits for each sleeper is what its topic allows.
    fn check_queues(&self, sleepers: &[(Kind, ConnectionId)]) {
        // Behind everything there may be a close frame.
        const MAX_CLOSE_FRAME_LEN: usize = 127;
        for &(kind, id) in sleepers {
            let waiting = self.server.handle().buffered_amount(id).expect("a connection");
            let limit = match kind {
                Kind::Latest | Kind::Resync => LAG_LEN,
                Kind::Closing => MAX_BACKPRESSURE + MAX_CLOSE_FRAME_LEN,
                Kind::Dropping => MAX_BACKPRESSURE,
            };
            assert!(waiting > limit / 2 && waiting <= limit, "{kind:?}: {waiting} of {limit}");
        }
    }
}

/// The most bytes that the server may hold beyond what it held with all connected, by its
/// configuration and the publisher's window.
fn bound() -> usize {
    let waiting = |len: usize| len + len.div_ceil(FRAME_LEN) * ITEM_LEN;
    let sleepers = SLEEPER_COUNT
        * [LAG_LEN, LAG_LEN, MAX_BACKPRESSURE, MAX_BACKPRESSURE]
            .map(|len| waiting(len) + MAX_BATCH_LEN)
            .iter()
            .sum::<usize>();
    let window = waiting(Kind::ALL.len() * WINDOW as usize * FRAME_LEN);
    let readers = READER_COUNT * window;
    // In the mailboxes of two loops, gathered there, and joined.
    let on_the_way = 3 * 2 * window;
    let (ring_count, ring_len) = RING;
    let retained = waiting(KEY_COUNT * FRAME_LEN) + ring_len + ring_count * ITEM_LEN;
    sleepers + readers + on_the_way + retained + SLACK_LEN
}

fn check_memory(peak_len: isize, published_len: usize) {
    println!(
        "at most {peak_len} bytes held, {} allowed; {published_len} published to each sleeper",
        bound(),
    );
    assert!(peak_len <= bound() as isize, "{peak_len} bytes of {} held", bound());
}

fn check_readers(seen: &Seen) {
    let Publications { count, book, latest, .. } = &seen.publisher.done;
    assert_eq!(seen.readers.len(), READER_COUNT);
    for feed in seen.readers.iter().flat_map(|reader| &reader.feeds) {
        assert_eq!((feed.received, feed.skipped, feed.snapshots), (*count, 0, 0), "{feed:?}");
        assert!(feed.kind != Kind::Resync || feed.book == *book);
        assert!(feed.kind != Kind::Latest || feed.latest == *latest);
    }
}

fn check_sleepers(seen: &Seen) {
    let Publications { count, book, latest, .. } = &seen.publisher.done;
    for sleeper in &seen.sleepers {
        let feed = &sleeper.feeds[0];
        assert!(feed.received >= AWAKE_COUNT && feed.received < *count, "{feed:?}");
        if feed.kind == Kind::Closing {
            assert_eq!(sleeper.closed, Some(1013), "{feed:?}");
            assert!(sleeper.ended && feed.skipped == 0);
            continue;
        }
        assert_eq!((sleeper.closed, feed.last), (None, *count), "{feed:?}");
        match feed.kind {
            Kind::Latest => assert_eq!(feed.latest, *latest, "exactly the final state"),
            Kind::Resync => {
                assert!(feed.snapshots > 0 && feed.book == *book, "exactly the final book");
            }
            Kind::Closing | Kind::Dropping => assert!(feed.skipped > 0, "{feed:?}"),
        }
    }
}

fn check_numbers(server: &Running, seen: &Seen) {
    let count = seen.publisher.done.count;
    let watchers = || seen.readers.iter().chain(&seen.sleepers);
    let mut conflated = 0;
    for (kind, topic) in Kind::ALL.into_iter().zip(&seen.publisher.done.topics) {
        let sum = |number: fn(&Feed) -> u64| -> u64 {
            let feeds = watchers().flat_map(|watcher| &watcher.feeds);
            feeds.filter(|feed| feed.kind == kind).map(number).sum()
        };
        let stats = settled(topic);
        println!("{kind:?}: {stats:?}");
        assert_eq!(stats.publications, count);
        assert_eq!(
            stats.offered,
            stats.delivered + stats.conflated + stats.dropped + stats.pending,
            "{stats:?}",
        );
        assert_eq!((stats.pending, stats.replayed), (0, 0), "{stats:?}");
        assert_eq!(stats.delivered, sum(|feed| feed.received), "{stats:?}");
        assert_eq!(stats.snapshots, sum(|feed| feed.snapshots), "{stats:?}");
        assert_eq!(stats.resyncs, stats.snapshots, "nobody began with one");
        let is_closing = kind == Kind::Closing;
        assert_eq!(stats.closed, if is_closing { SLEEPER_COUNT as u64 } else { 0 }, "{stats:?}");
        if is_closing {
            assert!(stats.offered < count * SUBSCRIBER_COUNT, "the closed ones leave: {stats:?}");
        } else {
            assert_eq!(stats.offered, count * SUBSCRIBER_COUNT, "{stats:?}");
            assert_eq!(stats.conflated + stats.dropped, sum(|feed| feed.skipped), "{stats:?}");
        }
        assert_eq!(stats.conflated > 0, kind == Kind::Latest, "{stats:?}");
        assert_eq!(stats.dropped > 0, kind != Kind::Latest, "{stats:?}");
        conflated += stats.conflated;
    }
    let totals = server.handle().stats().total;
    assert_eq!(totals.subscribers_closed, SLEEPER_COUNT as u64);
    assert_eq!(totals.deliveries_conflated, conflated);
}

/// A topic's numbers once its last publication has gone everywhere.
fn settled(topic: &Topic) -> TopicStats {
    let sum = |stats: TopicStats| stats.delivered + stats.conflated + stats.dropped + stats.pending;
    eventually("the numbers add up", || sum(topic.stats()) == topic.stats().offered);
    topic.stats()
}
