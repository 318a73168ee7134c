//! How a command reaches a loop, by which thread it is that asks.
//!
//! Every command goes through the loop's mailbox, those of the loop's own callbacks too: so that
//! publications and subscriptions have one order. A loop's thread (inline callbacks) never waits for
//! room. A handler thread first sends what its callbacks have gathered, so that one thread's sends
//! stay in order. On any other thread a command is simply sent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use bytes::Bytes;

use super::command::Command;
use super::outbox::Outbox;
use super::{LoopLink, Loops, Outcome};
use crate::mailbox::Permit;
use crate::pubsub::TopicCore;

thread_local! {
    static HERE: RefCell<Here> = const { RefCell::new(Here::Elsewhere) };
}

/// Which thread this is.
enum Here {
    Elsewhere,
    Loop(Rc<OwnMail>),
    Handler(Rc<Outbox>),
}

/// What a loop's own callbacks have sent to it by handles, as far as their further sends must know.
#[derive(Debug)]
pub(super) struct OwnMail {
    link: Arc<LoopLink>,
    /// There are commands in the mailbox that a callback's later sends must not overtake.
    pending: Cell<bool>,
}

impl OwnMail {
    pub(super) fn new(link: Arc<LoopLink>) -> Rc<Self> {
        Rc::new(Self { link, pending: Cell::new(false) })
    }

    #[inline]
    pub(super) fn is_pending(&self) -> bool {
        self.pending.get()
    }

    /// The mailbox has been emptied.
    pub(super) fn settle(&self) {
        self.pending.set(false);
    }

    /// Sends a command to the loop itself; says whether there was room. What must not be lost uses
    /// room that is kept for it.
    pub(super) fn post(&self, command: Command, patience: Patience) -> bool {
        self.pending.set(true);
        match patience {
            Patience::Wait => self.link.mailbox.send_over(command).is_ok(),
            Patience::None => self.link.mailbox.try_send(command).is_ok(),
        }
    }

    fn is_for(&self, link: &Arc<LoopLink>) -> bool {
        Arc::ptr_eq(&self.link, link)
    }
}

/// This thread is the loop's own from here on.
pub(super) fn stand_at_loop(own: Rc<OwnMail>) {
    HERE.replace(Here::Loop(own));
}

/// This thread is a handler thread from here on.
pub(crate) fn stand_at_handler(outbox: Rc<Outbox>) {
    HERE.replace(Here::Handler(outbox));
}

/// Whether to wait for room in a full mailbox. A loop's thread never waits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Patience {
    None,
    Wait,
}

/// Sends a command to a loop; says whether it was accepted.
pub(crate) fn post(link: &Arc<LoopLink>, command: Command, patience: Patience) -> bool {
    HERE.with_borrow(|here| match here {
        Here::Loop(own) if own.is_for(link) => own.post(command, patience),
        Here::Loop(_) => link.mailbox.try_send(command).is_ok(),
        Here::Handler(outbox) => {
            outbox.flush();
            send(link, command, patience)
        }
        Here::Elsewhere => send(link, command, patience),
    })
}

fn send(link: &LoopLink, command: Command, patience: Patience) -> bool {
    match patience {
        Patience::Wait => {
            link.mailbox.send(command);
            true
        }
        Patience::None => link.mailbox.try_send(command).is_ok(),
    }
}

/// Sends a frame to every loop that has subscribers, or to none of them when one has no room.
pub(crate) fn publish(loops: &Loops, topic: &TopicCore, frame: &Bytes) -> Outcome {
    HERE.with_borrow(|here| {
        if let Here::Handler(outbox) = here {
            outbox.flush();
        }
        let mut sequence = topic.lock_order();
        let mut permits: Vec<(&LoopLink, Permit<'_>)> = Vec::new();
        for index in topic.interested_loops() {
            let link = &loops[index];
            if link.mailbox.is_closed() {
                return Outcome::Gone;
            }
            match link.mailbox.reserve() {
                Some(permit) => permits.push((link, permit)),
                None => return Outcome::Dropped,
            }
            if let Here::Loop(own) = here {
                own.pending.set(own.pending.get() || own.is_for(link));
            }
        }
        *sequence += 1;
        for (link, permit) in permits {
            let command = Command::Publish { topic: topic.id(), frame: frame.clone() };
            link.mailbox.send_with(permit, command);
        }
        Outcome::Sent
    })
}
