//! Clients that keep a server busy, and come back when they are sent away.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;

use tickwire::transport::LocalAddr;

use super::support::{Client, Received};

/// Messages of one client on their way.
const IN_FLIGHT: usize = 4;

/// Runs until it is stopped.
pub(crate) struct Crowd {
    stop: Arc<AtomicBool>,
    talkers: Vec<JoinHandle<Talk>>,
    visitors: Vec<JoinHandle<usize>>,
}

/// What became of a client that talks all the time.
#[derive(Debug, Default)]
pub(crate) struct Talk {
    /// Messages that came back, each once and in order.
    pub(crate) echoed: usize,
    /// Times that it was sent away by a close frame with 1001.
    pub(crate) sent_away: usize,
    /// Times that the connection was cut.
    pub(crate) cut_off: usize,
}

impl Crowd {
    /// `talker_count` clients that send messages all the time, and two that come, say one thing and go.
    pub(crate) fn at(address: &LocalAddr, talker_count: usize) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let talkers = (0..talker_count)
            .map(|_| {
                let (address, stop) = (address.clone(), stop.clone());
                std::thread::spawn(move || talk(&address, &stop))
            })
            .collect();
        let visitors = (0..2)
            .map(|_| {
                let (address, stop) = (address.clone(), stop.clone());
                std::thread::spawn(move || visit(&address, &stop))
            })
            .collect();
        Self { stop, talkers, visitors }
    }

    /// What became of all; a client that has met anything unexpected fails the test.
    pub(crate) fn stop(self) -> (Vec<Talk>, usize) {
        self.stop.store(true, Ordering::Relaxed);
        let talks = self.talkers.into_iter().map(|it| it.join().expect("a talker")).collect();
        let visits = self.visitors.into_iter().map(|it| it.join().expect("a visitor")).sum();
        (talks, visits)
    }
}

/// Sends numbers, a few ahead of their echoes. What has not come back when the connection ends is said
/// again on the next.
fn talk(address: &LocalAddr, stop: &AtomicBool) -> Talk {
    let mut talk = Talk::default();
    let mut next = 0;
    let mut unanswered: VecDeque<usize> = VecDeque::new();
    loop {
        let mut client = Client::connect(address);
        for number in &unanswered {
            let _ = client.try_send_text(&number.to_string());
        }
        loop {
            let is_over = stop.load(Ordering::Relaxed);
            if is_over && unanswered.is_empty() {
                client.leave();
                return talk;
            }
            while !is_over && unanswered.len() < IN_FLIGHT {
                // A connection that is cut shows when it is read.
                let _ = client.try_send_text(&next.to_string());
                unanswered.push_back(next);
                next += 1;
            }
            match client.recv() {
                Received::Text(text) => {
                    let expected = unanswered.pop_front().expect("it was sent");
                    assert_eq!(text, expected.to_string());
                    talk.echoed += 1;
                }
                Received::Close(1001, _) => {
                    talk.sent_away += 1;
                    client.close(1001, "");
                    client.expect_end();
                    break;
                }
                Received::End | Received::Reset => {
                    talk.cut_off += 1;
                    break;
                }
                other => panic!("{other:?}"),
            }
        }
    }
}

/// Comes, says one thing and goes, again and again. Whoever is sent away before it is answered comes
/// again.
fn visit(address: &LocalAddr, stop: &AtomicBool) -> usize {
    let mut count = 0;
    while !stop.load(Ordering::Relaxed) {
        let mut client = Client::connect(address);
        client.send_text("hello");
        match client.recv() {
            Received::Text(text) => {
                assert_eq!(text, "hello");
                count += 1;
                client.close(1000, "");
                while !matches!(client.recv(), Received::End) {}
            }
            Received::Close(1001, _) => {
                client.close(1001, "");
                client.expect_end();
            }
            other => panic!("{other:?} instead of an echo"),
        }
    }
    count
}
