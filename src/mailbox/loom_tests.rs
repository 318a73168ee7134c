//! Every interleaving of wakers and the sleeper, by loom: no message stays unseen while the loop
//! sleeps.

use loom::sync::atomic::{AtomicUsize, Ordering};
use loom::sync::{Arc, Notify};
use loom::thread;

use super::Doorbell;

/// The parts that matter: a count of messages stands for the queue, a notification for the poller.
#[derive(Default)]
struct Model {
    doorbell: Doorbell,
    queued: AtomicUsize,
    poller: Notify,
}

fn send(model: &Model) {
    model.queued.fetch_add(1, Ordering::Release);
    model.doorbell.ring(|| model.poller.notify());
}

/// Takes messages until `expected` have come, sleeping whenever there is none. A lost wakeup is a
/// deadlock, which loom reports.
fn receive(model: &Model, expected: usize) {
    let mut received = 0;
    while received < expected {
        received += model.queued.swap(0, Ordering::Acquire);
        if received == expected {
            break;
        }
        model.doorbell.prepare_to_sleep();
        if model.queued.load(Ordering::Acquire) == 0 {
            model.poller.wait();
        }
        model.doorbell.wake_up();
    }
}

#[test]
fn no_wakeup_is_lost_with_one_sender() {
    loom::model(|| {
        let model = Arc::new(Model::default());
        let sender = {
            let model = model.clone();
            thread::spawn(move || {
                send(&model);
                send(&model);
            })
        };
        receive(&model, 2);
        sender.join().unwrap();
    });
}

#[test]
fn no_wakeup_is_lost_with_two_senders() {
    loom::model(|| {
        let model = Arc::new(Model::default());
        let senders: Vec<_> = (0..2)
            .map(|_| {
                let model = model.clone();
                thread::spawn(move || send(&model))
            })
            .collect();
        receive(&model, 2);
        for sender in senders {
            sender.join().unwrap();
        }
    });
}
