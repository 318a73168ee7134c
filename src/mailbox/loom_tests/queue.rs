//! Room in a mailbox, and its end, whoever sends just then.

use loom::model::Builder;
use loom::thread;

use super::super::queue::{Inbox, Mailbox, mailbox};
use super::super::under_loom::Waker;

fn check(run: impl Fn() + Sync + Send + 'static) {
    let mut builder = Builder::new();
    builder.preemption_bound = Some(3);
    builder.check(run);
}

fn small(capacity: usize) -> (Mailbox<u32>, Inbox<u32>) {
    mailbox(capacity, Waker::default())
}

#[test]
fn senders_together_get_no_more_than_the_room() {
    check(|| {
        let (mailbox, inbox) = small(1);
        let other = mailbox.clone();
        let sender = thread::spawn(move || other.try_send(1).is_ok());
        let sent = mailbox.try_send(2).is_ok();
        assert!(sent != sender.join().unwrap(), "one of them has room");
        assert!(inbox.take().is_some() && inbox.take().is_none());
        assert_eq!(mailbox.try_send(3), Ok(()), "all the room is back");
        assert!(mailbox.reserve().is_none());
    });
}

#[test]
fn whoever_waits_for_room_gets_it_and_nothing_is_lost() {
    check(|| {
        let (mailbox, inbox) = small(1);
        mailbox.send(1);
        let other = mailbox.clone();
        let sender = thread::spawn(move || other.send(2));
        let mut taken = Vec::new();
        while taken.len() < 2 {
            match inbox.take() {
                Some(message) => taken.push(message),
                None => thread::yield_now(),
            }
        }
        sender.join().unwrap();
        assert_eq!(taken, [1, 2]);
        assert!(mailbox.reserve().is_some(), "all the room is back");
    });
}

#[test]
fn whoever_waits_for_room_hears_of_the_end() {
    check(|| {
        let (mailbox, inbox) = small(1);
        mailbox.send(1);
        let waiting = thread::spawn(move || mailbox.reserve_waiting().is_none());
        drop(inbox);
        assert!(waiting.join().unwrap());
    });
}

/// Permits are used and given back beside it, and senders find no room.
#[test]
fn a_mailbox_that_is_closed_stays_closed() {
    check(|| {
        let (mailbox, inbox) = small(1);
        let senders = [true, false].map(|sends| {
            let mailbox = mailbox.clone();
            thread::spawn(move || match mailbox.reserve() {
                Some(permit) if sends => mailbox.send_with(permit, 1),
                permit => drop(permit),
            })
        });
        drop(inbox);
        assert!(mailbox.is_closed());
        senders.into_iter().for_each(|sender| sender.join().unwrap());
        assert!(mailbox.is_closed() && mailbox.reserve().is_none());
    });
}

#[test]
fn a_message_for_two_mailboxes_goes_to_both_or_to_none() {
    check(|| {
        let (first, second) = (small(1), small(1));
        let publish = |message| {
            let (first, second) = (first.0.clone(), second.0.clone());
            move || {
                let Some(permit) = first.reserve() else { return };
                let Some(other) = second.reserve() else { return };
                first.send_with(permit, message);
                second.send_with(other, message);
            }
        };
        let publisher = thread::spawn(publish(1));
        publish(2)();
        publisher.join().unwrap();
        let taken = first.1.take();
        assert_eq!(second.1.take(), taken);
        assert!(first.1.take().is_none() && second.1.take().is_none());
        assert!(
            first.0.reserve().is_some() && second.0.reserve().is_some(),
            "all the room is back"
        );
    });
}

/// A lost wakeup is a deadlock, which loom reports.
#[test]
fn no_message_waits_while_the_loop_sleeps() {
    check(|| {
        let waker = Waker::default();
        let (mailbox, inbox) = mailbox(1, waker.clone());
        let sender = thread::spawn(move || mailbox.send(1));
        while inbox.take().is_none() {
            if inbox.prepare_to_sleep() {
                waker.poll();
            }
            inbox.wake_up();
        }
        sender.join().unwrap();
    });
}
