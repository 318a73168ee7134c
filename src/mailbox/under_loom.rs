//! What the queue is made of otherwise, for the model checker: a channel, what wakes a poller, a pause.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use loom::sync::{Condvar, Mutex};

/// A channel for at most `capacity` messages.
pub(super) fn bounded<T>(capacity: usize) -> (Sender<T>, Receiver<T>) {
    let channel = Channel { messages: VecDeque::new(), capacity, is_received: true };
    let channel = Arc::new(Mutex::new(channel));
    (Sender(channel.clone()), Receiver(channel))
}

#[derive(Debug)]
struct Channel<T> {
    messages: VecDeque<T>,
    capacity: usize,
    is_received: bool,
}

#[derive(Debug)]
pub(super) struct Sender<T>(Arc<Mutex<Channel<T>>>);

impl<T> Clone for Sender<T> {
    fn clone(&self) -> Self {
        Self(self.0.clone())
    }
}

impl<T> Sender<T> {
    pub(super) fn try_send(&self, message: T) -> Result<(), T> {
        let mut channel = self.0.lock().unwrap();
        if !channel.is_received {
            return Err(message);
        }
        assert!(channel.messages.len() < channel.capacity, "a permit is room in the channel too");
        channel.messages.push_back(message);
        Ok(())
    }
}

#[derive(Debug)]
pub(super) struct Receiver<T>(Arc<Mutex<Channel<T>>>);

impl<T> Receiver<T> {
    pub(super) fn try_recv(&self) -> Result<T, ()> {
        self.0.lock().unwrap().messages.pop_front().ok_or(())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.lock().unwrap().messages.is_empty()
    }
}

impl<T> Drop for Receiver<T> {
    fn drop(&mut self) {
        self.0.lock().unwrap().is_received = false;
    }
}

/// A poller that somebody sleeps at, and its waker.
#[derive(Clone, Debug, Default)]
pub struct Waker(Arc<(Mutex<bool>, Condvar)>);

impl Waker {
    pub(super) fn wake(&self) -> std::io::Result<()> {
        let (woken, poller) = &*self.0;
        *woken.lock().unwrap() = true;
        poller.notify_one();
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn poll(&self) {
        let (woken, poller) = &*self.0;
        let mut woken = woken.lock().unwrap();
        while !*woken {
            woken = poller.wait(woken).unwrap();
        }
        *woken = false;
    }
}

pub(super) fn sleep(_: Duration) {
    loom::thread::yield_now();
}
