//! The thread that keeps the rooms.
//!
//! Connections live on several event loops, but a room must be one story: whoever comes in gets
//! the members and the history as of one moment, and everything after that moment, once. So
//! neither a lock nor luck: all changes are made by one thread, and all that clients are told
//! leaves from it. What one thread sends, subscribes and publishes arrives in order, so `joined`
//! comes before the first publication that the snapshot does not know, and everybody in a room
//! hears everything in the same order.
//!
//! Callbacks only hand over what they were asked for. They never wait for the hub, in inline mode
//! neither; the hub may wait for an event loop, which never waits for the hub.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use tickwire::{CloseCode, ConnectionId, Outcome, ServerHandle, Topic};

use crate::rooms::{Refused, Rooms, check_text, clean_name, clean_room};
use crate::wire::{Notice, Request, Said};

/// Requests that may wait for the hub; beyond that they are refused.
const MAX_WAITING_COUNT: usize = 10_000;

/// Changes of the list of rooms are gathered for so long: a thousand people that come at once
/// shall not make a thousand lists for each of them.
const ROOMS_PAUSE: Duration = Duration::from_millis(50);

/// How long a publication may wait for an event loop that is far behind.
const PUBLISH_PATIENCE: Duration = Duration::from_secs(1);

/// The callbacks' way to the hub.
#[derive(Debug)]
pub(crate) struct ToHub {
    events: Sender<Event>,
    waiting: Arc<AtomicUsize>,
}

/// What the hub hears of.
#[derive(Debug)]
enum Event {
    Opened(ConnectionId),
    Asked(ConnectionId, Request),
    Closed(ConnectionId),
}

/// The hub's end of the way, for [`Hub::run`].
#[derive(Debug)]
pub(crate) struct Inbox {
    events: Receiver<Event>,
    waiting: Arc<AtomicUsize>,
}

pub(crate) fn channel() -> (ToHub, Inbox) {
    let (sender, receiver) = mpsc::channel();
    let waiting = Arc::<AtomicUsize>::default();
    (ToHub { events: sender, waiting: waiting.clone() }, Inbox { events: receiver, waiting })
}

impl ToHub {
    pub(crate) fn opened(&self, id: ConnectionId) {
        self.tell(Event::Opened(id));
    }

    /// Says whether the hub will deal with it: not when it is far behind.
    pub(crate) fn asked(&self, id: ConnectionId, request: Request) -> bool {
        if self.waiting.load(Ordering::Relaxed) >= MAX_WAITING_COUNT {
            return false;
        }
        self.tell(Event::Asked(id, request));
        true
    }

    /// Each connection ends once, so this is bounded without a limit.
    pub(crate) fn closed(&self, id: ConnectionId) {
        self.tell(Event::Closed(id));
    }

    fn tell(&self, event: Event) {
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.events.send(event).is_err() {
            // It outlives the server, so it has panicked and said so.
            log::error!("the hub is gone");
        }
    }
}

/// The rooms, and who sits where.
pub(crate) struct Hub {
    server: ServerHandle,
    rooms: Rooms,
    seats: HashMap<ConnectionId, Seat>,
    /// Everybody subscribes to the list of rooms.
    list: Topic,
    /// When a changed list is to be published.
    list_due: Option<Instant>,
}

/// A member's place in a room.
struct Seat {
    room: String,
    name: String,
    topic: Topic,
}

impl Hub {
    pub(crate) fn new(server: ServerHandle) -> Self {
        let list = server.topic("rooms");
        Self { server, list, rooms: Rooms::default(), seats: HashMap::new(), list_due: None }
    }

    /// Runs until the server has ended.
    pub(crate) fn run(mut self, inbox: &Inbox) {
        loop {
            let pause = self
                .list_due
                .map_or(Duration::MAX, |due| due.saturating_duration_since(Instant::now()));
            match inbox.events.recv_timeout(pause) {
                Ok(event) => {
                    inbox.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.handle(event);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            if self.list_due.is_some_and(|due| Instant::now() >= due) {
                self.list_due = None;
                let rooms = Notice::Rooms { rooms: self.rooms.sizes() };
                publish(&self.list, &rooms);
            }
        }
    }

    fn handle(&mut self, event: Event) {
        match event {
            Event::Opened(id) => self.welcome(id),
            Event::Asked(id, Request::Join { room, name }) => {
                if let Err(refused) = self.join(id, &room, &name) {
                    self.complain(id, &refused.to_string());
                }
            }
            Event::Asked(id, Request::Say { text }) => self.say(id, text),
            Event::Asked(id, Request::Leave) => {
                if !self.leave(id) {
                    self.complain(id, "you are in no room");
                }
            }
            Event::Closed(id) => {
                self.leave(id);
            }
        }
    }

    fn welcome(&self, id: ConnectionId) {
        self.tell(id, &Notice::Rooms { rooms: self.rooms.sizes() });
        self.server.subscribe(id, &self.list);
    }

    fn join(&mut self, id: ConnectionId, room: &str, name: &str) -> Result<(), Refused> {
        if let Some(seat) = self.seats.get(&id) {
            self.complain(id, &format!("you are in {} already: leave it first", seat.room));
            return Ok(());
        }
        let (room, name) = (clean_room(room)?, clean_name(name)?);
        let there = self.rooms.join(room, name)?;
        let (members, history) = (there.members(), there.history());
        let count = members.len();
        let joined = Notice::Joined { room, name, members, history }.to_json();
        let topic = self.server.topic(&format!("room {room}"));
        let seat = Seat { room: room.to_owned(), name: name.to_owned(), topic };
        // In this order: see the module's comment.
        self.send(id, joined);
        self.server.subscribe(id, &seat.topic);
        publish(&seat.topic, &Notice::Member { room, name, present: true, members: count });
        self.seats.insert(id, seat);
        self.list_changed();
        Ok(())
    }

    fn say(&mut self, id: ConnectionId, text: String) {
        let Some(Seat { room, name, topic }) = self.seats.get(&id) else {
            return self.complain(id, "you are in no room");
        };
        if let Err(refused) = check_text(&text) {
            return self.complain(id, &refused.to_string());
        }
        let said = Said { name: name.clone(), text, time: milliseconds_since_epoch() };
        if publish(topic, &Notice::Said { room, said: &said }) == Outcome::Dropped {
            return self.complain(id, "the server is overloaded: nobody has heard you");
        }
        self.rooms.record(room, said);
    }

    /// Says whether there was a room to leave. Also for a connection that has ended.
    fn leave(&mut self, id: ConnectionId) -> bool {
        let Some(Seat { room, name, topic }) = self.seats.remove(&id) else { return false };
        self.server.unsubscribe(id, &topic);
        let members = self.rooms.leave(&room, &name);
        publish(&topic, &Notice::Member { room: &room, name: &name, present: false, members });
        self.list_changed();
        true
    }

    fn list_changed(&mut self) {
        self.list_due.get_or_insert_with(|| Instant::now() + ROOMS_PAUSE);
    }

    fn complain(&self, id: ConnectionId, message: &str) {
        self.tell(id, &Notice::Error { message });
    }

    fn tell(&self, id: ConnectionId, notice: &Notice<'_>) {
        self.send(id, notice.to_json());
    }

    /// A client that misses a part would show a wrong room ever after: it had better come back.
    fn send(&self, id: ConnectionId, json: String) {
        if self.server.send(id, json) == Outcome::Dropped {
            self.server.close(id, CloseCode::TRY_AGAIN_LATER, "too slow");
        }
    }
}

fn publish(topic: &Topic, notice: &Notice<'_>) -> Outcome {
    let outcome = topic.publish_wait(notice.to_json(), PUBLISH_PATIENCE);
    if outcome == Outcome::Dropped {
        log::warn!("an event loop is far behind: a notice to \"{}\" was dropped", topic.name());
    }
    outcome
}

fn milliseconds_since_epoch() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(since.as_millis()).unwrap_or(u64::MAX)
}
