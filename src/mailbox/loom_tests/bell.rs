//! A thread that parks finds everything that is rung for, and the end.

use loom::model::Builder;
use loom::sync::Arc;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::thread;

use super::super::bell::{Bell, RingAtEnd};

/// The channel of a lane: messages are a count, and so are those who may send.
#[derive(Default)]
struct Channel {
    bell: Bell,
    queued: AtomicUsize,
    senders: AtomicUsize,
}

impl AsRef<Bell> for Channel {
    fn as_ref(&self) -> &Bell {
        &self.bell
    }
}

/// As in a lane: first the sender goes, then the bell rings.
struct Sender {
    end: End,
    _ring: RingAtEnd<Channel>,
}

struct End(Arc<Channel>);

impl Drop for End {
    fn drop(&mut self) {
        self.0.senders.fetch_sub(1, Ordering::AcqRel);
    }
}

impl Sender {
    fn new(channel: &Arc<Channel>) -> Self {
        channel.senders.fetch_add(1, Ordering::AcqRel);
        Self { end: End(channel.clone()), _ring: RingAtEnd(channel.clone()) }
    }

    fn send(&self) {
        let channel = &*self.end.0;
        channel.queued.fetch_add(1, Ordering::AcqRel);
        channel.bell.ring();
    }
}

impl Channel {
    /// Some messages, or the end: none are queued, and nobody can send any more.
    fn try_recv(&self) -> Option<usize> {
        let senders = self.senders.load(Ordering::Acquire);
        match self.queued.swap(0, Ordering::AcqRel) {
            0 if senders > 0 => None,
            count => Some(count),
        }
    }
}

/// A lost wakeup is a deadlock, which loom reports.
fn check(sender_count: usize, messages_each: usize, preemption_bound: Option<usize>) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemption_bound;
    builder.check(move || {
        let channel = Arc::new(Channel::default());
        let senders: Vec<_> = (0..sender_count).map(|_| Sender::new(&channel)).collect();
        let threads: Vec<_> = senders
            .into_iter()
            .map(|sender| thread::spawn(move || (0..messages_each).for_each(|_| sender.send())))
            .collect();
        let mut received = 0;
        loop {
            match channel.bell.wait_for(|| channel.try_recv()) {
                0 => break,
                count => received += count,
            }
        }
        assert_eq!(received, sender_count * messages_each);
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

#[test]
fn the_end_of_a_lane_wakes_its_thread() {
    check(1, 0, None);
    check(2, 0, Some(3));
}

#[test]
fn messages_and_then_the_end_are_found() {
    check(1, 1, None);
    check(1, 2, Some(3));
    check(2, 1, Some(2));
}
