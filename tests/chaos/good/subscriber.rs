//! A client that takes publications and holds them against the rules of their topics.

use std::sync::atomic::Ordering;

use super::{Shared, leave, recv};
use crate::support::feed::{Kind, Watcher};
use crate::support::{Client, Dial, Received};

/// Publications between two cuts of a subscriber that comes back.
const CUT_COUNT: u64 = 170;

/// What is to be expected of a subscriber.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Subscribes to all topics and must miss nothing.
    KeepsUp,
    /// Subscribes to one topic; may miss what its policy leaves out.
    Slow(Kind),
    /// Resets its connection again and again, and goes on where it was.
    ComesBack,
}

pub(super) struct Subscriber {
    dial: Dial,
    manner: Manner,
}

impl Subscriber {
    pub(super) fn new(dial: Dial, manner: Manner) -> Self {
        Self { dial, manner }
    }

    /// Connects and subscribes.
    pub(super) fn connect(&self) -> Client {
        let mut client = self.dial.connect();
        for kind in self.kinds() {
            client.send_text(kind.name());
            client.expect_text("subscribed");
        }
        client
    }

    /// Reads until the last publication has come.
    pub(super) fn run(self, mut client: Client, shared: &Shared) -> Watcher {
        let mut watcher = match self.manner {
            Manner::KeepsUp => Watcher::of_all(),
            Manner::Slow(kind) => Watcher::of_one(kind),
            Manner::ComesBack => Watcher::of_one(Kind::Resync),
        };
        let mut until_cut = CUT_COUNT;
        while !watcher.is_done() {
            match recv(&mut client) {
                Received::Binary(publication) => watcher.take(&publication),
                Received::Text(text) => assert_eq!(text, "subscribed"),
                other => panic!("{other:?} instead of a publication, for {:?}", self.manner),
            }
            until_cut -= 1;
            if until_cut == 0 && !watcher.is_done() {
                until_cut = CUT_COUNT;
                if self.manner == Manner::ComesBack {
                    client.reset();
                    shared.cuts.fetch_add(1, Ordering::Relaxed);
                    client = self.come_back(watcher.progress());
                }
            }
        }
        leave(client);
        watcher
    }

    fn come_back(&self, last: u64) -> Client {
        let client = self.dial.connect();
        client.send_text(&format!("{} {last}", Kind::Resync.name()));
        client
    }

    fn kinds(&self) -> Vec<Kind> {
        match self.manner {
            Manner::KeepsUp => Kind::ALL.to_vec(),
            Manner::Slow(kind) => vec![kind],
            Manner::ComesBack => vec![Kind::Resync],
        }
    }
}
