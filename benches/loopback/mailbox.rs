//! The hop into an event loop: a bounded queue and a poller that is woken only when it sleeps.

use std::hint::black_box;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput};
use mio::{Events, Poll, Token, Waker};
use tickwire::mailbox::{Inbox, Mailbox, mailbox};

/// As an event loop's mailbox has.
const CAPACITY: usize = 16 * 1024;

const BATCHES: [usize; 2] = [1, 64];

/// About the size of an event loop's command. `None` ends the thread that takes it.
type Letter = Option<[u64; 7]>;

const LETTER: Letter = Some([7; 7]);

pub(crate) fn hop(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("mailbox");
    for batch in BATCHES {
        group.throughput(Throughput::Elements(batch as u64));
        let (mailbox, mut sleeper) = loop_end();
        group.bench_function(BenchmarkId::new("to a loop that is awake", batch), |bencher| {
            bencher.iter(|| {
                send_all(&mailbox, batch);
                take_all(&sleeper.inbox, batch);
            });
        });
        group.bench_function(BenchmarkId::new("to a loop that sleeps", batch), |bencher| {
            bencher.iter(|| {
                assert!(sleeper.inbox.prepare_to_sleep(), "all has been taken");
                send_all(&mailbox, batch);
                sleeper.poll();
                sleeper.inbox.wake_up();
                take_all(&sleeper.inbox, batch);
            });
        });
        group.bench_function(BenchmarkId::new("to a thread and back", batch), |bencher| {
            let (there, mut far_end) = loop_end();
            let (back, mut near_end) = loop_end();
            let thread = std::thread::spawn(move || far_end.pass_on(&back));
            bencher.iter(|| {
                send_all(&there, batch);
                for _ in 0..batch {
                    black_box(near_end.recv());
                }
            });
            there.send(None);
            thread.join().expect("it only passes on");
        });
    }
    group.finish();
}

fn send_all(mailbox: &Mailbox<Letter>, count: usize) {
    for _ in 0..count {
        mailbox.try_send(black_box(LETTER)).expect("a batch fits");
    }
}

fn take_all(inbox: &Inbox<Letter>, count: usize) {
    for _ in 0..count {
        black_box(inbox.take().expect("all have been sent"));
    }
}

/// What an event loop has of its mailbox.
struct LoopEnd {
    inbox: Inbox<Letter>,
    poll: Poll,
    events: Events,
}

fn loop_end() -> (Mailbox<Letter>, LoopEnd) {
    let poll = Poll::new().expect("a poller");
    let waker = Waker::new(poll.registry(), Token(0)).expect("a waker");
    let (mailbox, inbox) = mailbox(CAPACITY, waker);
    (mailbox, LoopEnd { inbox, poll, events: Events::with_capacity(8) })
}

impl LoopEnd {
    fn poll(&mut self) {
        // Only so that a lost wakeup becomes a failure.
        let patience = Duration::from_secs(10);
        self.poll.poll(&mut self.events, Some(patience)).expect("it can be polled");
        assert!(!self.events.is_empty(), "a wakeup is lost");
    }

    /// The next letter, asleep until there is one.
    fn recv(&mut self) -> Letter {
        loop {
            if let Some(letter) = self.inbox.take() {
                return letter;
            }
            if self.inbox.prepare_to_sleep() {
                self.poll();
            }
            self.inbox.wake_up();
        }
    }

    fn pass_on(&mut self, to: &Mailbox<Letter>) {
        while let letter @ Some(_) = self.recv() {
            to.try_send(letter).expect("there is room for what came");
        }
    }
}
