//! The body of a handler thread: batches in, callbacks, replies out.

use std::rc::Rc;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::agenda::Agenda;
use super::batch::{Batch, Job};
use super::guard::guard;
use super::handler::Handler;
use super::inline::decide;
use super::lane::{Lane, LaneReceiver};
use super::{Context, ServerHandle};
use crate::event_loop::{
    Closed, Command, ConnectionId, Decision, Loops, Outbox, Patience, post, stand_at_handler,
};
use crate::frame::CloseCode;
use crate::handshake::Request;
use crate::protocol::Message;
use crate::scheduling;

/// How long a batch's callbacks may take before those of other connections have their turn.
const MAX_TURN: Duration = Duration::from_micros(50);

/// Callbacks between two looks at the clock.
const MAX_UNTIMED: u32 = 16;

pub(super) struct HandlerThread<H: Handler> {
    handler: Arc<H>,
    server: ServerHandle,
    receiver: LaneReceiver,
    loops: Loops,
    max_backpressure: usize,
}

impl<H: Handler> HandlerThread<H> {
    pub(super) fn new(
        handler: Arc<H>,
        server: ServerHandle,
        receiver: LaneReceiver,
        loops: Loops,
        max_backpressure: usize,
    ) -> Self {
        Self { handler, server, receiver, loops, max_backpressure }
    }

    /// Works until every loop has ended.
    pub(super) fn run(self) {
        // What it yields is the rest of a slice.
        scheduling::shorten_slice();
        let outbox = Rc::new(Outbox::new(self.loops.clone(), self.max_backpressure));
        stand_at_handler(outbox.clone());
        let states = States { per_loop: self.loops.iter().map(|_| Vec::new()).collect() };
        let mut worker = Worker {
            handler: self.handler,
            server: self.server,
            outbox,
            loops: self.loops,
            states,
        };
        let receiver = self.receiver;
        let mut agenda = Agenda::default();
        while let Some(batch) = receiver.recv() {
            agenda.add(batch);
            while let Some((place, mut batch)) = agenda.next() {
                let is_long = worker.take_turn(&mut batch);
                if batch.is_empty() {
                    worker.done(batch, &receiver.lane);
                } else {
                    agenda.interrupt(place, batch);
                }
                if is_long || agenda.has_interrupted() {
                    // Left to itself the kernel may let a loop that shares the core wait for
                    // milliseconds, though it has replies to pass on and messages to bring.
                    std::thread::yield_now();
                }
                // All that waits in the lane, whoever filled it: the lane's limit counts it until it is
                // done.
                while let Some(batch) = receiver.try_recv() {
                    agenda.add(batch);
                }
            }
        }
    }
}

struct Worker<H: Handler> {
    handler: Arc<H>,
    server: ServerHandle,
    outbox: Rc<Outbox>,
    loops: Loops,
    states: States<H::State>,
}

impl<H: Handler> Worker<H> {
    /// Runs the batch's callbacks: all of them, or as many as its turn has time for. Says whether that
    /// is used up.
    fn take_turn(&mut self, batch: &mut Batch) -> bool {
        let mut previous = None;
        let mut count = 0_u32;
        let start = Instant::now();
        while let Some((id, job, payload)) = batch.next() {
            if previous.is_some_and(|previous| previous != id) {
                // One connection's replies do not wait for the next one's callbacks.
                self.outbox.next_connection();
            }
            previous = Some(id);
            match job {
                Job::Request { request, upgrade } => self.request(id, &request, upgrade),
                Job::Message { is_text, .. } => self.message(id, as_message(is_text, payload)),
                Job::Assembled(message) => self.message(id, message.as_message()),
                Job::Drain => {
                    self.call("drain", id, H::drain);
                }
                Job::Slow => {
                    self.call("slow", id, H::slow);
                }
                Job::Snapshot(topic) => self.server.take_snapshot(&topic),
                Job::EndOfInput { code, reason } => {
                    self.server.close(id, code, &reason);
                }
                Job::Close(closed) => self.close(id, &closed),
            }
            count += 1;
            // Short callbacks are many: the clock is read after ever more of them, but never so many that
            // long ones may hide behind them.
            let looks = count.is_power_of_two() || count % MAX_UNTIMED == 0;
            if looks && start.elapsed() >= MAX_TURN {
                break;
            }
        }
        self.outbox.flush();
        start.elapsed() >= MAX_TURN
    }

    /// A batch has been worked through.
    fn done(&self, batch: Batch, lane: &Lane) {
        lane.done(batch, |loop_index| {
            post(&self.loops[loop_index], Command::Resume { lane: lane.index }, Patience::Wait);
        });
    }

    fn request(&mut self, id: ConnectionId, request: &Request, upgrade: bool) {
        let (decision, state) = decide(&*self.handler, request, upgrade);
        let opens = matches!(decision, Decision::Upgrade { .. });
        if let Some(state) = state {
            self.states.insert(id, state);
        }
        let link = &self.loops[usize::from(id.loop_index)];
        post(link, Command::Decide { id, decision: Box::new(decision) }, Patience::Wait);
        if opens {
            self.call("open", id, H::open);
            self.outbox.handled(id, 0);
        }
    }

    fn message(&mut self, id: ConnectionId, message: Message<'_>) {
        self.call("message", id, |handler, ctx, state| handler.message(ctx, state, message));
        self.outbox.handled(id, message.len());
    }

    fn close(&mut self, id: ConnectionId, closed: &Closed) {
        // None: the request was refused, and `open` never called.
        if let Some(mut entry) = self.states.remove(id) {
            let (handler, mut ctx) = (&*self.handler, Context::gone(&self.server, id));
            // The state ends within: its drop is user code too.
            guard("close", move || handler.close(&mut ctx, &mut entry.state, closed));
        }
    }

    fn call(
        &mut self,
        callback: &str,
        id: ConnectionId,
        run: impl FnOnce(&H, &mut Context<'_>, &mut H::State),
    ) {
        let Some(entry) = self.states.find(id).filter(|entry| !entry.closing) else { return };
        let Entry { closing, state, .. } = entry;
        let done = guard(callback, || {
            run(&self.handler, &mut Context::lane(&self.server, id, &self.outbox, closing), state);
        });
        if done.is_none() {
            entry.closing = true;
            let link = &self.loops[usize::from(id.loop_index)];
            let (code, reason) = (CloseCode::INTERNAL_ERROR, "the handler failed");
            post(link, Command::Fail { id, code, reason }, Patience::Wait);
        }
    }
}

/// The loop has validated the text; checking once more is how it becomes a `str` without `unsafe`.
fn as_message(is_text: bool, payload: &[u8]) -> Message<'_> {
    if !is_text {
        return Message::Binary(payload);
    }
    simdutf8::basic::from_utf8(payload).map_or(Message::Binary(payload), Message::Text)
}

/// The states of this thread's connections: per loop, at the connection's place.
struct States<S> {
    per_loop: Vec<Vec<Option<Entry<S>>>>,
}

struct Entry<S> {
    generation: u32,
    /// A callback has closed the connection or panicked: no other is called, but for `close`.
    closing: bool,
    state: S,
}

impl<S> States<S> {
    fn insert(&mut self, id: ConnectionId, state: S) {
        let places = &mut self.per_loop[usize::from(id.loop_index)];
        let index = id.index as usize;
        if places.len() <= index {
            places.resize_with(index + 1, || None);
        }
        places[index] = Some(Entry { generation: id.generation, closing: false, state });
    }

    fn place(&mut self, id: ConnectionId) -> Option<&mut Option<Entry<S>>> {
        let place = self.per_loop[usize::from(id.loop_index)].get_mut(id.index as usize)?;
        place.as_ref().is_some_and(|entry| entry.generation == id.generation).then_some(place)
    }

    #[inline]
    fn find(&mut self, id: ConnectionId) -> Option<&mut Entry<S>> {
        self.place(id)?.as_mut()
    }

    fn remove(&mut self, id: ConnectionId) -> Option<Entry<S>> {
        self.place(id)?.take()
    }
}
