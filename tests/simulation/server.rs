//! The server: it echoes, and has a topic.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tickwire::frame::{CloseCode, OpCode};
use tickwire::handshake::{
    HeadLimits, RequestDecoder, encode_switching_protocols, validate_upgrade,
};
use tickwire::protocol::{KeepAliveAction, Role};
use tickwire::pubsub::{
    Batch, Note, Offer, Overflow, Parcel, Publication, Sink, SlowConsumer, Start, SubscriberTable,
    Subscription, TopicCore, TopicId, TopicOptions, TopicRegistry,
};

use super::message::{Content, Kind};
use super::plan::{MAX_MESSAGE_LEN, ServerPlan};
use super::side::{Incoming, Side, State};
use super::timers::MAX_LATENESS;

/// The longest message of a client as it goes back.
const MAX_ECHO_LEN: usize = MAX_MESSAGE_LEN + 4;

/// A server's side of a connection.
pub(crate) struct Served {
    pub(crate) side: Side,
    accepted_at: Duration,
    pinged: bool,
    subscribed: bool,
    pub(crate) lagging: bool,
    /// Why it is closed.
    pub(crate) is_slow: bool,
}

pub(crate) struct Server {
    plan: ServerPlan,
    pub(crate) topic: Arc<TopicCore>,
    table: SubscriberTable,
    /// By their keys.
    pub(crate) connections: Vec<Option<Served>>,
    /// Subscribers that are to be brought up to date.
    pub(crate) behind: Vec<u32>,
}

impl Server {
    pub(crate) fn new(plan: ServerPlan, client_count: usize) -> Self {
        let slow = SlowConsumer { lag_len: plan.max_backpressure / 2, ..SlowConsumer::default() };
        let options = if plan.conflates {
            TopicOptions::latest()
        } else {
            TopicOptions::every(Overflow::Close)
        };
        Self {
            plan,
            topic: TopicRegistry::new(1, slow).topic("topic", options, |_, _| {}),
            table: SubscriberTable::new(0),
            connections: (0..client_count).map(|_| None).collect(),
            behind: Vec::new(),
        }
    }

    pub(crate) fn accept(&mut self, key: usize, now: Duration) {
        let mut side = Side::new(Role::Server, self.plan.limits, 0);
        side.last_heard = now;
        self.connections[key] = Some(Served {
            side,
            accepted_at: now,
            pinged: false,
            subscribed: false,
            lagging: false,
            is_slow: false,
        });
    }

    pub(crate) fn served(&mut self, key: usize) -> &mut Served {
        self.connections[key].as_mut().expect("accepted")
    }

    /// Whether it reads: while half of what may wait does, nothing more is made to wait.
    pub(crate) fn reads(&self, key: usize) -> bool {
        let served = self.connections[key].as_ref().expect("accepted");
        !served.side.is_over() && served.side.queue.len() <= self.plan.max_backpressure / 2
    }

    /// Makes what it can of what was received.
    pub(crate) fn work(&mut self, key: usize, now: Duration) {
        if self.served(key).side.state == State::Opening && !self.open(key) {
            return;
        }
        while self.reads(key) {
            let served = self.served(key);
            match served.side.take(now) {
                Some(Incoming::Message(payload)) => self.message(key, &payload, now),
                Some(Incoming::Pong(_) | Incoming::Close) => {}
                None => break,
            }
        }
        self.check_bounds(key);
    }

    fn open(&mut self, key: usize) -> bool {
        let side = &mut self.served(key).side;
        let decoded = RequestDecoder::new().decode(&side.carry, &HeadLimits::default());
        let Some((request, head_len)) = decoded.expect("a valid request") else { return false };
        side.carry.drain(..head_len);
        let accept = validate_upgrade(&request).expect("an upgrade").accept();
        let mut answer = Vec::new();
        encode_switching_protocols(&accept, None, None, &HeaderMap::new(), &mut answer);
        side.queue.push_opaque(answer, 0, 0);
        side.state = State::Open;
        true
    }

    fn message(&mut self, key: usize, payload: &[u8], now: Duration) {
        let served = self.served(key);
        match Content::decode(payload).kind {
            Kind::Echo => served.side.send(payload, 1),
            Kind::Subscribe if !served.subscribed => {
                served.subscribed = true;
                let (begin, _) = self.topic.take_turn().begin(Start::Retained);
                self.topic.add_interest(0);
                let subscription = Subscription { begin, wants_replay: false, interval: None };
                let topic = self.topic.clone();
                self.with_table(now, |table, sink| {
                    table.insert(&topic, key as u32, &subscription, now, sink);
                });
            }
            Kind::Subscribe => {}
            Kind::Publication => panic!("clients do not publish"),
        }
    }

    /// What waits is bounded by what may wait.
    fn check_bounds(&mut self, key: usize) {
        // Half of it and an echo; or publications up to all of it, or one into an empty queue. And
        // control frames beside.
        let max_len = self.plan.max_backpressure + MAX_ECHO_LEN + 4096 + 10;
        let len = self.served(key).side.queue.len();
        assert!(len <= max_len, "{len} bytes wait, beyond {max_len}");
    }

    pub(crate) fn publish(&mut self, pad: usize, now: Duration) {
        let mut turn = self.topic.take_turn();
        let number = turn.sequence() + 1;
        let mut frame = Vec::new();
        let payload = Content { kind: Kind::Publication, number }.encode(pad);
        tickwire::frame::encode_frame(&mut frame, true, OpCode::Binary, None, &payload);
        let frame = bytes::Bytes::from(frame);
        let publication = Publication { key: bytes::Bytes::new(), frame: frame.clone().into() };
        turn.record(&[publication]);
        drop(turn);
        let frames = frame.into();
        let id = self.topic.id();
        let batch = Batch { topic: id, first: number, last: number, frames, parts: None };
        if let Some(mut fan_out) = self.table.begin(batch) {
            let mut budget = usize::MAX;
            assert!(self.with_table(now, |table, sink| table.go_on(
                &mut fan_out,
                now,
                sink,
                &mut budget
            )));
        }
        for key in 0..self.connections.len() {
            if self.connections[key].is_some() {
                self.check_bounds(key);
            }
        }
    }

    /// Brings a lagging subscriber up to date if it can take more.
    pub(crate) fn catch_up(&mut self, key: u32, now: Duration) {
        let id = self.topic.id();
        if self.served(key as usize).lagging {
            self.with_table(now, |table, sink| table.catch_up(id, key, now, sink));
        }
    }

    /// When it must be looked at next.
    pub(crate) fn deadline(&self, key: usize) -> Option<Duration> {
        let served = self.connections[key].as_ref()?;
        let side = &served.side;
        match side.state {
            State::Ended(_) => None,
            State::Opening => Some(served.accepted_at + self.plan.handshake_timeout),
            State::Open => {
                if let Some(since) = side.closing_since {
                    return Some(since + self.plan.close_timeout);
                }
                match self.plan.keep_alive.action(Duration::ZERO, served.pinged) {
                    KeepAliveAction::Wait(silence) => Some(side.last_heard + silence?),
                    other => panic!("{other:?} after no time"),
                }
            }
        }
    }

    /// Does what the time calls for; says whether it gives the connection up.
    pub(crate) fn expire(&mut self, key: usize, now: Duration) -> bool {
        let Some(deadline) = self.deadline(key).filter(|&deadline| deadline <= now) else {
            return false;
        };
        assert!(now - deadline <= MAX_LATENESS, "{:?} behind a deadline", now - deadline);
        let keep_alive = self.plan.keep_alive;
        let served = self.served(key);
        if !served.side.is_at_work() {
            return true;
        }
        let silence = now - served.side.last_heard;
        match keep_alive.action(silence, served.pinged) {
            KeepAliveAction::Ping => {
                served.pinged = true;
                served.side.send_control(OpCode::Ping, b"");
                false
            }
            KeepAliveAction::GiveUp => {
                assert!(keep_alive.idle_timeout.is_some_and(|timeout| silence >= timeout));
                true
            }
            KeepAliveAction::Wait(_) => panic!("nothing to do at a deadline"),
        }
    }

    pub(crate) fn heard(&mut self, key: usize) {
        self.served(key).pinged = false;
    }

    /// The connection is over.
    pub(crate) fn end(&mut self, key: usize, gave_up: bool) {
        let served = self.served(key);
        served.side.end(gave_up);
        if std::mem::take(&mut served.subscribed) {
            served.lagging = false;
            let id = self.topic.id();
            self.table.remove(id, key as u32);
        }
    }

    fn with_table<R>(
        &mut self,
        now: Duration,
        act: impl FnOnce(&mut SubscriberTable, &mut Sockets<'_>) -> R,
    ) -> R {
        let Self { table, connections, behind, plan, .. } = self;
        let max_backpressure = plan.max_backpressure;
        act(table, &mut Sockets { connections, behind, max_backpressure, now })
    }
}

/// The connections as the fan-out sees them.
struct Sockets<'a> {
    connections: &'a mut [Option<Served>],
    behind: &'a mut Vec<u32>,
    max_backpressure: usize,
    now: Duration,
}

impl Sockets<'_> {
    fn served(&mut self, key: u32) -> &mut Served {
        self.connections[key as usize].as_mut().expect("a subscriber")
    }
}

impl Sink for Sockets<'_> {
    fn offer(&mut self, key: u32, parcel: &Parcel<'_>) -> Offer {
        let limit = parcel.limit.min(self.max_backpressure);
        let served = self.served(key);
        if !served.side.is_at_work() {
            return Offer::Gone;
        }
        let queued = served.side.queue.len();
        if queued > 0 && queued + parcel.frames.len() > limit {
            return Offer::Full;
        }
        served.side.queue.push_publication(parcel.frames, 0, 0, parcel.count, 0);
        Offer::Taken
    }

    fn queued_len(&self, key: u32) -> usize {
        self.connections[key as usize].as_ref().map_or(0, |served| served.side.queue.len())
    }

    fn drop_aged(
        &mut self,
        _: u32,
        _: &dyn Fn(TopicId) -> Option<Duration>,
        _: &mut dyn FnMut(TopicId, u64),
    ) {
        panic!("nothing ages here");
    }

    fn close(&mut self, key: u32) {
        let now = self.now;
        let served = self.served(key);
        served.is_slow = true;
        served.side.close(CloseCode::TRY_AGAIN_LATER, now);
    }

    fn set_lagging(&mut self, key: u32, _: TopicId, lagging: bool) {
        assert_ne!(std::mem::replace(&mut self.served(key).lagging, lagging), lagging);
    }

    fn catch_up_soon(&mut self, key: u32) {
        self.behind.push(key);
    }

    fn look_again_at(&mut self, _: u32, _: Duration) {
        panic!("nobody asked for a rate");
    }

    fn ask_for_snapshot(&mut self, _: u32, _: &Arc<TopicCore>) {
        panic!("the topic has no source");
    }

    fn note(&mut self, _: u32, _: Note) {}
}
