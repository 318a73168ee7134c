//! The queue itself: bounded by permits, so that a message for several loops is put into all of
//! their mailboxes or into none.

use std::sync::Arc;
#[cfg(not(tickwire_loom))]
use std::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(tickwire_loom))]
use std::thread::sleep;
use std::time::Duration;

#[cfg(not(tickwire_loom))]
use crossbeam_channel::{Receiver, Sender, bounded};
#[cfg(tickwire_loom)]
use loom::sync::atomic::{AtomicUsize, Ordering};
#[cfg(not(tickwire_loom))]
use mio::Waker;

use super::Doorbell;
#[cfg(tickwire_loom)]
use super::under_loom::{Receiver, Sender, Waker, bounded, sleep};

/// The sending side. Cheap to clone; any thread may use it.
#[derive(Debug)]
pub struct Mailbox<T> {
    shared: Arc<Shared>,
    sender: Sender<T>,
}

/// The receiving side, owned by the event loop.
#[derive(Debug)]
pub struct Inbox<T> {
    shared: Arc<Shared>,
    receiver: Receiver<T>,
}

#[derive(Debug)]
struct Shared {
    doorbell: Doorbell,
    waker: Waker,
    /// Permits given out and messages not yet taken.
    occupied: AtomicUsize,
    capacity: usize,
}

/// Room beyond the capacity for [`Mailbox::send_over`], in messages. None for the model checker: its
/// channel holds that no permit is given twice.
const KEPT_CAPACITY: usize = if cfg!(tickwire_loom) { 0 } else { 4096 };

/// The mailbox is full: the loop is behind. Gives back what was to be sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Full<T>(pub T);

/// Room for one message, to be used by [`Mailbox::send_with`] or given back by dropping it.
#[derive(Debug)]
pub struct Permit<'a>(&'a Shared);

impl Drop for Permit<'_> {
    fn drop(&mut self) {
        self.0.occupied.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A mailbox for at most `capacity` messages and its inbox; `waker` wakes the loop's poller.
#[must_use]
pub fn mailbox<T>(capacity: usize, waker: Waker) -> (Mailbox<T>, Inbox<T>) {
    let (sender, receiver) = bounded(capacity + KEPT_CAPACITY);
    let occupied = AtomicUsize::new(0);
    let shared = Arc::new(Shared { doorbell: Doorbell::default(), waker, occupied, capacity });
    (Mailbox { shared: shared.clone(), sender }, Inbox { shared, receiver })
}

impl<T> Mailbox<T> {
    /// Reserves room for one message, or says that there is none.
    #[must_use]
    pub fn reserve(&self) -> Option<Permit<'_>> {
        let shared = &*self.shared;
        if shared.occupied.fetch_add(1, Ordering::Relaxed) < shared.capacity {
            Some(Permit(shared))
        } else {
            shared.occupied.fetch_sub(1, Ordering::Relaxed);
            None
        }
    }

    /// Sends by a permit of this mailbox: never fails for want of room. A loop that has ended drops
    /// the message.
    pub fn send_with(&self, permit: Permit<'_>, message: T) {
        debug_assert!(std::ptr::eq(permit.0, &*self.shared), "a permit of another mailbox");
        // The permit's room passes to the message; the inbox frees it.
        std::mem::forget(permit);
        // A permit is room in the channel too: it fails only once the loop has ended.
        let _ = self.sender.try_send(message);
        self.shared.doorbell.ring(|| {
            // The poller is gone only together with the loop.
            let _ = self.shared.waker.wake();
        });
    }

    /// Sends without waiting.
    ///
    /// # Errors
    ///
    /// [`Full`] with the message when there is no room.
    pub fn try_send(&self, message: T) -> Result<(), Full<T>> {
        match self.reserve() {
            Some(permit) => {
                self.send_with(permit, message);
                Ok(())
            }
            None => Err(Full(message)),
        }
    }

    /// Sends without waiting, beyond the capacity if need be: for what must not be lost and comes
    /// from a thread that must not wait.
    ///
    /// # Errors
    ///
    /// [`Full`] with the message when even the room kept for this is used up (4,096 messages).
    pub fn send_over(&self, message: T) -> Result<(), Full<T>> {
        match self.reserve_over() {
            Some(permit) => {
                self.send_with(permit, message);
                Ok(())
            }
            None => Err(Full(message)),
        }
    }

    /// Reserves room as [`send_over`](Self::send_over) finds it.
    #[must_use]
    pub fn reserve_over(&self) -> Option<Permit<'_>> {
        let occupied = self.shared.occupied.fetch_add(1, Ordering::Relaxed);
        let permit = Permit(&self.shared);
        (occupied < self.shared.capacity + KEPT_CAPACITY).then_some(permit)
    }

    /// Sends, waiting for room if there is none. Not for event-loop threads: two of them might wait
    /// for each other.
    pub fn send(&self, message: T) {
        if let Some(permit) = self.reserve_waiting() {
            self.send_with(permit, message);
        }
    }

    /// Reserves room, waiting for it as [`send`](Self::send) does. `None`: the loop has ended.
    #[must_use]
    pub fn reserve_waiting(&self) -> Option<Permit<'_>> {
        let mut pause = Duration::from_micros(20);
        loop {
            if let Some(permit) = self.reserve() {
                return Some(permit);
            }
            if self.is_closed() {
                return None;
            }
            // A full mailbox is thousands of messages: the loop is busy, and a precise wakeup would
            // only slow it down.
            sleep(pause);
            pause = (pause * 2).min(Duration::from_millis(1));
        }
    }

    /// Whether the loop has ended and its inbox is gone.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        // The inbox marks the end by filling the mailbox for good.
        self.shared.occupied.load(Ordering::Relaxed) >= CLOSED
    }
}

/// More messages than any capacity: marks a mailbox whose inbox is gone.
const CLOSED: usize = usize::MAX / 2;

impl<T> Clone for Mailbox<T> {
    fn clone(&self) -> Self {
        Self { shared: self.shared.clone(), sender: self.sender.clone() }
    }
}

impl<T> Inbox<T> {
    /// The next message.
    #[inline]
    pub fn take(&self) -> Option<T> {
        let message = self.receiver.try_recv().ok()?;
        self.shared.occupied.fetch_sub(1, Ordering::Relaxed);
        Some(message)
    }

    /// Whether there is a message, or will be soon, for somebody has a permit: less than a look into the
    /// channel costs.
    #[inline]
    #[must_use]
    pub fn is_awaited(&self) -> bool {
        self.shared.occupied.load(Ordering::Relaxed) > 0
    }

    /// Announces sleep; says whether the loop may sleep, that is, whether the inbox is empty. Call
    /// [`wake_up`](Self::wake_up) after the poll either way.
    #[must_use]
    pub fn prepare_to_sleep(&self) -> bool {
        self.shared.doorbell.prepare_to_sleep();
        self.receiver.is_empty()
    }

    /// The loop is awake: nobody needs to wake it.
    pub fn wake_up(&self) {
        self.shared.doorbell.wake_up();
    }
}

impl<T> Drop for Inbox<T> {
    fn drop(&mut self) {
        self.shared.occupied.fetch_add(CLOSED, Ordering::Relaxed);
    }
}

#[cfg(all(test, not(tickwire_loom)))]
mod tests {
    use super::*;

    fn small<T>(capacity: usize) -> (Mailbox<T>, Inbox<T>, mio::Poll) {
        let poll = mio::Poll::new().unwrap();
        let waker = Waker::new(poll.registry(), mio::Token(0)).unwrap();
        let (mailbox, inbox) = mailbox(capacity, waker);
        (mailbox, inbox, poll)
    }

    #[test]
    fn a_full_mailbox_gives_the_message_back_and_recovers() {
        let (mailbox, inbox, _poll) = small(2);
        assert_eq!(mailbox.try_send(1), Ok(()));
        assert_eq!(mailbox.try_send(2), Ok(()));
        assert_eq!(mailbox.try_send(3), Err(Full(3)));
        assert_eq!(inbox.take(), Some(1));
        assert_eq!(mailbox.try_send(4), Ok(()));
        assert_eq!([inbox.take(), inbox.take(), inbox.take()], [Some(2), Some(4), None]);
    }

    #[test]
    fn a_permit_holds_room_until_it_is_used_or_dropped() {
        let (mailbox, inbox, _poll) = small(1);
        let permit = mailbox.reserve().unwrap();
        assert!(mailbox.reserve().is_none());
        drop(permit);
        let permit = mailbox.reserve().unwrap();
        mailbox.send_with(permit, 'x');
        assert!(mailbox.reserve().is_none());
        assert_eq!(inbox.take(), Some('x'));
        assert!(mailbox.reserve().is_some());
    }

    #[test]
    fn what_must_not_be_lost_finds_room_in_a_full_mailbox() {
        let (mailbox, inbox, _poll) = small(1);
        mailbox.try_send(0).unwrap();
        for i in 1..=KEPT_CAPACITY {
            assert_eq!(mailbox.send_over(i), Ok(()));
        }
        assert_eq!(mailbox.send_over(9), Err(Full(9)));
        assert_eq!(mailbox.try_send(9), Err(Full(9)));
        assert_eq!((0..=KEPT_CAPACITY).find(|&i| inbox.take() != Some(i)), None);
        assert_eq!(mailbox.try_send(9), Ok(()));
    }

    #[test]
    fn the_poller_is_woken_only_when_it_sleeps() {
        let (mailbox, inbox, mut poll) = small(8);
        let mut events = mio::Events::with_capacity(4);
        mailbox.try_send(1).unwrap();
        poll.poll(&mut events, Some(Duration::ZERO)).unwrap();
        assert!(events.is_empty(), "an awake loop is not rung for");
        assert!(!inbox.prepare_to_sleep(), "there is a message already");
        inbox.wake_up();
        assert_eq!(inbox.take(), Some(1));
        assert!(inbox.prepare_to_sleep());
        mailbox.try_send(2).unwrap();
        mailbox.try_send(3).unwrap();
        poll.poll(&mut events, None).unwrap();
        assert_eq!(events.iter().count(), 1);
    }

    #[test]
    fn waiting_senders_lose_nothing_and_an_ended_loop_frees_them() {
        let (mailbox, inbox, _poll) = small(3);
        let senders: Vec<_> = (0..4)
            .map(|sender| {
                let mailbox = mailbox.clone();
                std::thread::spawn(move || (0..500).for_each(|i| mailbox.send((sender, i))))
            })
            .collect();
        let mut next = [0; 4];
        while next.iter().sum::<usize>() < 2000 {
            match inbox.take() {
                Some((sender, i)) => {
                    assert_eq!(next[sender], i, "each sender's messages stay in order");
                    next[sender] += 1;
                }
                None => std::thread::yield_now(),
            }
        }
        for sender in senders {
            sender.join().unwrap();
        }
        for i in 0..3 {
            mailbox.send((0, i));
        }
        let waiting = {
            let mailbox = mailbox.clone();
            std::thread::spawn(move || mailbox.send((9, 9)))
        };
        drop(inbox);
        waiting.join().unwrap();
        assert!(mailbox.is_closed());
    }
}
