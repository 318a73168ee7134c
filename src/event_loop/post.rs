//! How a command reaches a loop, by which thread it is that asks.
//!
//! Every command goes through the loop's mailbox, those of the loop's own callbacks too: so that
//! publications and subscriptions have one order. A loop's thread (inline callbacks) never waits for
//! room. A handler thread first sends what its callbacks have gathered, so that one thread's sends
//! stay in order. On any other thread a command is simply sent.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use super::command::Command;
use super::outbox::Outbox;
use super::{ConnectionId, LoopLink, Loops, Outcome};
use crate::mailbox::Permit;
use crate::pubsub::{
    Batch, Publication, SharedFrame, SubscribeOptions, Subscribed, Subscription, TopicCore,
    TopicRegistry,
};

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

/// Sends publications to every loop that has subscribers, or to none of them when one has no room.
/// `None`: the first of them would not have the sequence number that is `expected`. There is at least
/// one; its frame is gone once it is sent.
pub(crate) fn publish(
    loops: &Loops,
    topic: &TopicCore,
    publications: &mut [Publication],
    expected: Option<u64>,
) -> Option<Outcome> {
    // Several are joined before anybody waits for this thread.
    let joined = (publications.len() > 1).then(|| join(publications));
    let parts = topic.options().merge.is_some().then(|| (&*publications).into());
    HERE.with_borrow(|here| {
        if let Here::Handler(outbox) = here {
            outbox.flush();
        }
        let mut turn = topic.take_turn();
        let first = turn.sequence() + 1;
        if expected.is_some_and(|expected| expected != first) {
            return None;
        }
        if !turn.has_room(publications) {
            return Some(Outcome::Dropped);
        }
        // With one loop, or one that subscribes, nothing is allocated here.
        let mut last: Option<(&LoopLink, Permit<'_>)> = None;
        let mut others: Vec<(&LoopLink, Permit<'_>)> = Vec::new();
        for index in topic.interested_loops() {
            let link = &loops[index];
            if link.mailbox.is_closed() {
                return Some(Outcome::Gone);
            }
            match link.mailbox.reserve() {
                Some(permit) => others.extend(last.replace((link, permit))),
                None => return Some(Outcome::Dropped),
            }
            if let Here::Loop(own) = here {
                own.pending.set(own.pending.get() || own.is_for(link));
            }
        }
        turn.record(publications);
        let frames = joined.unwrap_or_else(|| std::mem::take(&mut publications[0].frame));
        let batch = Batch { topic: topic.id(), first, last: turn.sequence(), frames, parts };
        for (link, permit) in others {
            link.mailbox.send_with(permit, Command::Publish(batch.clone()));
        }
        // A frame for one loop alone is moved there: it never becomes shared memory.
        if let Some((link, permit)) = last {
            link.mailbox.send_with(permit, Command::Publish(batch));
        }
        Some(Outcome::Sent)
    })
}

fn join(publications: &[Publication]) -> SharedFrame {
    let frames: Vec<_> = publications.iter().map(|publication| publication.frame.clone()).collect();
    SharedFrame::join(&frames)
}

/// Subscribes a connection of the loop `link` to a topic, and says what it begins with: what that is
/// is settled here, in the order of the topic's publications.
pub(crate) fn subscribe(
    link: &Arc<LoopLink>,
    id: ConnectionId,
    topic: &Arc<TopicCore>,
    options: &SubscribeOptions,
) -> Subscribed {
    HERE.with_borrow(|here| {
        let Some(permit) = reserve(here, link) else {
            let closed = link.mailbox.is_closed();
            return if closed { Subscribed::Gone } else { Subscribed::Dropped };
        };
        let turn = topic.take_turn();
        let (begin, subscribed) = turn.begin(options.start);
        topic.add_interest(usize::from(link.index));
        let subscription = Subscription {
            begin,
            wants_replay: subscribed == Subscribed::Replayed,
            interval: options.interval(),
        };
        let command = Command::Subscribe { id, topic: topic.clone(), subscription };
        link.mailbox.send_with(permit, command);
        subscribed
    })
}

/// Subscribes a connection of the loop `link` to all topics whose names begin with `prefix`: those that
/// there are, and each one that is made later.
pub(crate) fn subscribe_prefix(
    link: &Arc<LoopLink>,
    id: ConnectionId,
    topics: &TopicRegistry,
    prefix: &str,
    options: &SubscribeOptions,
) -> Outcome {
    let found = HERE.with_borrow(|here| {
        let permit = reserve(here, link)?;
        let command = Command::SubscribePrefix { id, prefix: prefix.into(), options: *options };
        let loop_index = usize::from(link.index);
        Some(topics.add_prefix(prefix, loop_index, || link.mailbox.send_with(permit, command)))
    });
    let Some(found) = found else {
        return if link.mailbox.is_closed() { Outcome::Gone } else { Outcome::Dropped };
    };
    let all = found.iter().all(|topic| subscribe(link, id, topic, options).is_subscribed());
    if all { Outcome::Sent } else { Outcome::Dropped }
}

/// Room for a command that must not be lost, waited for where a thread may wait.
fn reserve<'a>(here: &Here, link: &'a Arc<LoopLink>) -> Option<Permit<'a>> {
    match here {
        Here::Loop(own) if own.is_for(link) => link.mailbox.reserve_over(),
        Here::Loop(_) => link.mailbox.reserve(),
        Here::Handler(outbox) => {
            outbox.flush();
            link.mailbox.reserve_waiting()
        }
        Here::Elsewhere => link.mailbox.reserve_waiting(),
    }
}

/// Gives a topic a snapshot and tells the loops that wait for one; says whether it was of use.
pub(crate) fn supply_snapshot(
    loops: &Loops,
    topic: &TopicCore,
    sequence: u64,
    frame: SharedFrame,
) -> bool {
    let supplied = topic.supply_snapshot(sequence, frame);
    if supplied {
        for index in topic.take_waiting_loops() {
            // A mailbox without room: the loop looks again after the next publication.
            let _ = loops[index].mailbox.send_over(Command::SnapshotSupplied { topic: topic.id() });
        }
    }
    supplied
}
