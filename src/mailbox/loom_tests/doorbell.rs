//! Every interleaving of wakers and the sleeper, by loom: no message stays unseen while the loop
//! sleeps.

use loom::model::Builder;
use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

use super::super::Doorbell;

/// The parts that matter: a count of messages stands for the queue, and a flag that stays until it
/// is waited for stands for the poller and its waker.
#[derive(Default)]
struct Model {
    doorbell: Doorbell,
    queued: AtomicUsize,
    woken: Mutex<bool>,
    poller: Condvar,
}

impl Model {
    fn send(&self) {
        self.queued.fetch_add(1, Ordering::AcqRel);
        self.doorbell.ring(|| {
            *self.woken.lock().unwrap() = true;
            self.poller.notify_one();
        });
    }

    /// Takes messages until `expected` have come, sleeping whenever there is none. A lost wakeup is
    /// a deadlock, which loom reports.
    fn receive(&self, expected: usize) {
        let mut received = 0;
        loop {
            // A load may miss what a swap would see, and so may a queue's look at itself.
            let count = self.queued.load(Ordering::Acquire);
            self.queued.fetch_sub(count, Ordering::AcqRel);
            received += count;
            if received == expected {
                return;
            }
            self.doorbell.prepare_to_sleep();
            if self.queued.load(Ordering::Acquire) == 0 {
                self.poll();
            }
            self.doorbell.wake_up();
        }
    }

    fn poll(&self) {
        let mut woken = self.woken.lock().unwrap();
        while !*woken {
            woken = self.poller.wait(woken).unwrap();
        }
        *woken = false;
    }
}

fn check(sender_count: usize, messages_each: usize, preemption_bound: Option<usize>) {
    let mut builder = Builder::new();
    builder.preemption_bound = preemption_bound;
    builder.check(move || {
        let model = Arc::new(Model::default());
        let senders: Vec<_> = (0..sender_count)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || (0..messages_each).for_each(|_| model.send()))
            })
            .collect();
        model.receive(sender_count * messages_each);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}

#[test]
fn no_wakeup_is_lost_with_one_sender() {
    check(1, 1, None);
    check(1, 2, None);
}

/// All interleavings with up to three preemptions: without a bound they are too many to try.
#[test]
fn no_wakeup_is_lost_with_two_senders() {
    check(2, 1, Some(3));
}
