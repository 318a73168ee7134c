//! How a command reaches a loop, by which thread it is that asks.
//!
//! On a loop's own thread (inline callbacks) a command for that loop is put aside and carried out
//! in the same turn; for another loop it is sent without ever waiting. On a handler thread, what its
//! callbacks have sent before goes first, so that one thread's sends stay in order. On any other
//! thread it is simply sent.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;
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
    Loop(Rc<Aside>),
    Handler(Rc<Outbox>),
}

/// Commands of a loop's own callbacks to itself.
#[derive(Debug)]
pub(super) struct Aside {
    link: Arc<LoopLink>,
    commands: RefCell<VecDeque<Command>>,
    count: Cell<usize>,
}

impl Aside {
    pub(super) fn new(link: Arc<LoopLink>) -> Rc<Self> {
        Rc::new(Self { link, commands: RefCell::default(), count: Cell::new(0) })
    }

    /// Whether there are commands that what comes later must not overtake.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.count.get() == 0
    }

    pub(super) fn push(&self, command: Command) {
        self.commands.borrow_mut().push_back(command);
        self.count.set(self.count.get() + 1);
    }

    pub(super) fn take(&self) -> Option<Command> {
        let command = self.commands.borrow_mut().pop_front()?;
        self.count.set(self.count.get() - 1);
        Some(command)
    }

    fn is_for(&self, link: &Arc<LoopLink>) -> bool {
        Arc::ptr_eq(&self.link, link)
    }
}

/// This thread is the loop's own from here on.
pub(super) fn stand_at_loop(aside: Rc<Aside>) {
    HERE.replace(Here::Loop(aside));
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
        Here::Loop(aside) if aside.is_for(link) => {
            aside.push(command);
            true
        }
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
        let mut routes: Vec<(&LoopLink, Route<'_>)> = Vec::new();
        for index in topic.interested_loops() {
            let link = &loops[index];
            let route = match here {
                Here::Loop(aside) if aside.is_for(link) => Route::Aside(aside),
                _ if link.mailbox.is_closed() => return Outcome::Gone,
                _ => match link.mailbox.reserve() {
                    Some(permit) => Route::Mailbox(permit),
                    None => return Outcome::Dropped,
                },
            };
            routes.push((link, route));
        }
        *sequence += 1;
        for (link, route) in routes {
            let command = Command::Publish { topic: topic.id(), frame: frame.clone() };
            match route {
                Route::Aside(aside) => aside.push(command),
                Route::Mailbox(permit) => link.mailbox.send_with(permit, command),
            }
        }
        Outcome::Sent
    })
}

enum Route<'a> {
    Aside(&'a Aside),
    Mailbox(Permit<'a>),
}
