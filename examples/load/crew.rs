//! The connections of a thread, and the poller that tells of them.

use std::io::{self, ErrorKind};
use std::mem;
use std::sync::Arc;
use std::time::Duration;

use mio::{Events, Poll, Token};
use tickwire::frame::{OpCode, encode_frame};

use crate::clock::Nanos;
use crate::connection::{Bench, Connection, End, Received};
use crate::cpu_time::{CpuTime, Effort};
use crate::error::LoadError;
use crate::handshake;
use crate::options::Load;
use crate::pace::Pace;
use crate::session::Session;
use crate::share::Share;
use crate::shared::Shared;
use crate::tally::{Tally, Window};
use crate::template::Template;

/// Connections of a thread whose handshake is under way: fewer than any server's backlog takes.
const MAX_OPENING: usize = 64;
/// Messages of an open loop that become due before replies are looked at.
const MAX_BURST: usize = 1024;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Opening,
    Loading,
    /// Nothing new becomes due.
    Draining,
    Leaving,
}

pub(crate) struct Crew {
    shared: Arc<Shared>,
    share: Share,
    load: Load,
    stage: Stage,
    poll: Poll,
    events: Events,
    sessions: Vec<Session>,
    opened_count: usize,
    ended_count: usize,
    /// All sessions before this one have been opened.
    first_opening: usize,
    /// Sessions that have more to read although the poller will not say so again.
    unread: Vec<usize>,
    /// The session whose turn it is to send in an open loop, and those that have something to send.
    turn_of: usize,
    due: Vec<usize>,
    /// Messages to measure that have not become due yet.
    quota: Option<u64>,
    bench: Bench,
    template: Template,
    tally: Tally,
}

impl Crew {
    pub(crate) fn new(share: Share, shared: Arc<Shared>) -> io::Result<Self> {
        let options = &shared.options;
        Ok(Self {
            share,
            load: options.load(),
            stage: Stage::Opening,
            poll: Poll::new()?,
            events: Events::with_capacity(1024),
            sessions: Vec::with_capacity(share.connections as usize),
            opened_count: 0,
            ended_count: 0,
            first_opening: 0,
            unread: Vec::new(),
            turn_of: 0,
            due: Vec::with_capacity(MAX_BURST),
            quota: share.messages,
            bench: Bench::new(shared.clock),
            template: match options.address.is_plain() {
                true => Template::plain(options.size),
                #[cfg(feature = "deflate")]
                false if options.deflates() => Template::deflated(options.opcode(), options.size),
                false => Template::new(options.opcode(), options.size),
            },
            tally: Tally::new(),
            shared,
        })
    }

    // ---- connections ----

    pub(crate) fn is_all_open(&self) -> bool {
        self.opened_count == self.share.connections as usize
    }

    pub(crate) fn may_begin_another(&self) -> bool {
        self.sessions.len() < self.share.connections as usize
            && self.sessions.len() - self.opened_count < MAX_OPENING
    }

    /// Begins to connect; says whether the server took it, or has to accept some others first.
    pub(crate) fn begin_another(&mut self) -> Result<bool, LoadError> {
        let index = self.sessions.len();
        let Some(connection) = self.begin_connection(index)? else { return Ok(false) };
        let number = self.share.first + index as u32;
        self.sessions.push(Session::new(connection, number, self.shared.clock.now()));
        Ok(true)
    }

    /// Begins a session's connection; `None` if the server has to accept some others first.
    fn begin_connection(&self, index: usize) -> Result<Option<Connection>, LoadError> {
        let options = &self.shared.options;
        let socket = self.shared.target.connect(options.congestion.as_deref());
        let stream = match socket.and_then(|socket| self.shared.security.secure(socket)) {
            Ok(stream) => stream,
            Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
            Err(error) => return Err(self.cannot_open(End::Socket(error))),
        };
        let mut connection = if options.address.is_plain() {
            Connection::plain(stream, self.template.payload_len())
        } else {
            let (request, decoder) =
                handshake::begin(options).map_err(|error| self.cannot_open(End::Refused(error)))?;
            Connection::new(stream, request, decoder, options.deflates())
        };
        connection.register(self.poll.registry(), Token(index)).map_err(LoadError::System)?;
        Ok(Some(connection))
    }

    /// A session that has its reply says goodbye, to come back with the next message.
    fn leave(&mut self, index: usize) -> Result<(), LoadError> {
        let session = &mut self.sessions[index];
        session.is_leaving = true;
        match session.connection.leave() {
            Ok(true) => Ok(()),
            Ok(false) | Err(_) => self.rejoin(index),
        }
    }

    /// Opens a session's next connection, for its next message if there is one.
    fn rejoin(&mut self, index: usize) -> Result<(), LoadError> {
        self.fill(index, 1);
        if self.sessions[index].flight.len() == 0 {
            self.end(index, &End::HungUp);
            return Ok(());
        }
        self.sessions[index].connection.abort();
        match self.begin_connection(index)? {
            Some(connection) => {
                self.sessions[index].rejoin(connection, self.shared.clock.now());
                Ok(())
            }
            None => Err(self.gives_no_answer()),
        }
    }

    /// For how long the oldest handshake has been under way.
    pub(crate) fn longest_opening(&mut self, now: Nanos) -> Nanos {
        let is_opening = |session: &Session| session.connection.is_opening();
        let opening = self.sessions[self.first_opening..].iter().position(is_opening);
        self.first_opening += opening.unwrap_or(self.sessions.len() - self.first_opening);
        let oldest = self.sessions.get(self.first_opening);
        oldest.map_or(0, |session| now.saturating_sub(session.begun_at))
    }

    pub(crate) fn close_all(&mut self) {
        self.stage = Stage::Leaving;
        for index in 0..self.sessions.len() {
            let connection = &mut self.sessions[index].connection;
            if connection.is_open() {
                if let Err(end) = connection.close() {
                    self.end(index, &end);
                }
            } else if connection.is_opening() {
                self.end(index, &End::HungUp);
            }
        }
    }

    pub(crate) fn has_living(&self) -> bool {
        self.ended_count < self.sessions.len()
    }

    // ---- the load ----

    pub(crate) fn begin_load(&mut self, window: Window) {
        self.stage = Stage::Loading;
        self.tally.window = window;
        if let Load::Closed { depth } = self.load {
            for index in 0..self.sessions.len() {
                self.fill(index, depth);
                self.send(index);
            }
        }
    }

    /// Whether there is nothing left to load with.
    pub(crate) fn is_done(&self) -> bool {
        let has_all = match (self.load, self.share.messages) {
            (Load::Subscribe, Some(wanted)) => self.tally.messages >= wanted,
            _ => self.quota == Some(0),
        };
        has_all || !self.has_living()
    }

    /// Since when nothing has come of a closed loop: it sends nothing more by itself then.
    pub(crate) fn stuck_since(&self) -> Option<Nanos> {
        let is_closed = matches!(self.load, Load::Closed { .. });
        is_closed.then_some(self.tally.last_reply_at)
    }

    /// What a closed loop is about: there are always so many messages under way.
    fn fill(&mut self, index: usize, depth: u32) {
        let now = self.shared.clock.now();
        while self.sessions[index].flight.len() < depth as usize && self.take_quota(now) {
            self.sessions[index].flight.add_due(now);
        }
    }

    /// What an open loop is about: messages are sent when their time has come, one connection after
    /// the other.
    pub(crate) fn send_on_time(&mut self, pace: &mut Pace, now: Nanos) {
        while self.due.len() < MAX_BURST && self.quota != Some(0) {
            let Some(intended) = pace.take_due(now) else { break };
            self.take_quota(intended);
            self.tally.add_sending(intended, now);
            let index = self.turn_of;
            self.turn_of = (index + 1) % self.sessions.len();
            if self.sessions[index].connection.is_ended() {
                self.tally.unsent += 1;
                continue;
            }
            self.sessions[index].flight.add_due(intended);
            self.due.push(index);
        }
        let mut due = mem::take(&mut self.due);
        for index in due.drain(..) {
            self.send(index);
        }
        self.due = due;
    }

    /// Whether one more message may be meant for this time.
    fn take_quota(&mut self, at: Nanos) -> bool {
        match &mut self.quota {
            Some(left) if at >= self.tally.window.from => {
                let is_left = *left > 0;
                *left -= u64::from(is_left);
                is_left
            }
            _ => true,
        }
    }

    /// Nothing becomes due any more.
    pub(crate) fn end_load(&mut self, now: Nanos, effort: Effort) {
        self.stage = Stage::Draining;
        self.tally.is_interrupted = self.shared.is_interrupted();
        self.tally.efforts.push(effort);
        if self.quota == Some(0) {
            // What is due belongs to the messages that were asked for.
            return;
        }
        self.tally.window.end(now);
        let dropped: u64 = self.sessions.iter_mut().map(|session| session.flight.drop_due()).sum();
        if matches!(self.load, Load::Open { .. }) {
            self.tally.unsent += dropped;
        }
    }

    /// What the server took for what was measured.
    pub(crate) fn note_server_cpu(&mut self, cpu: Option<CpuTime>) {
        self.tally.server_cpu = cpu;
    }

    /// Messages without a reply that may still get one.
    pub(crate) fn under_way(&self) -> usize {
        let living = self.sessions.iter().filter(|session| !session.connection.is_ended());
        living.map(|session| session.flight.len()).sum()
    }

    pub(crate) fn messages_so_far(&self) -> u64 {
        self.tally.messages
    }

    /// What came of it all.
    pub(crate) fn into_tally(mut self) -> Tally {
        for session in &self.sessions {
            self.tally.faults.lost += session.flight.lost_count();
            self.tally.add_connection(session.delivered);
        }
        self.tally.conclude(self.quota == Some(0));
        self.tally
    }

    // ---- events ----

    /// Waits for something to happen and deals with it; says whether something did.
    ///
    /// # Errors
    /// Why a connection could not be opened. The end of an open one is counted.
    pub(crate) fn turn(&mut self, patience: Duration) -> Result<bool, LoadError> {
        let mut unread = mem::take(&mut self.unread);
        let patience = if unread.is_empty() { patience } else { Duration::ZERO };
        match self.poll.poll(&mut self.events, Some(patience)) {
            Err(error) if error.kind() != ErrorKind::Interrupted => {
                return Err(LoadError::System(error));
            }
            _ => {}
        }
        // Nothing is allocated for this stand-in.
        let events = mem::replace(&mut self.events, Events::with_capacity(0));
        let has_work = !(unread.is_empty() && events.is_empty());
        let ready = events.iter().map(|event| event.token().0);
        for index in unread.drain(..).chain(ready) {
            self.serve(index)?;
        }
        self.events = events;
        Ok(has_work)
    }

    /// Takes what has come for a session, and sends what is due.
    fn serve(&mut self, index: usize) -> Result<(), LoadError> {
        let session = &mut self.sessions[index];
        let was_opening = session.connection.is_opening();
        if session.connection.is_ended() {
            return Ok(());
        }
        let received = match self.load {
            Load::Subscribe => session.take_deliveries(&mut self.bench, &mut self.tally),
            Load::Closed { .. } | Load::Open { .. } => {
                session.take_replies(&mut self.bench, &self.template, &mut self.tally)
            }
        };
        let is_opening = session.connection.is_opening();
        if was_opening && !is_opening && self.stage == Stage::Opening {
            self.welcome(index);
        }
        match received {
            Ok(Received::All) => {}
            Ok(Received::Some) => self.unread.push(index),
            Err(end) if is_opening => return Err(self.cannot_open(end)),
            Err(_) if self.sessions[index].is_leaving && self.stage == Stage::Loading => {
                return self.rejoin(index);
            }
            Err(end) => {
                self.end(index, &end);
                return Ok(());
            }
        }
        if let (Load::Closed { depth }, Stage::Loading) = (self.load, self.stage) {
            if !self.shared.options.reconnect {
                self.fill(index, depth);
            } else if self.sessions[index].has_its_reply() {
                return self.leave(index);
            }
        }
        match self.sessions[index].send_due(&mut self.bench, &self.template) {
            Err(end) if is_opening => Err(self.cannot_open(end)),
            Err(end) => {
                self.end(index, &end);
                Ok(())
            }
            Ok(()) => Ok(()),
        }
    }

    /// A connection is open: it gets its subscriptions.
    fn welcome(&mut self, index: usize) {
        self.opened_count += 1;
        self.shared.add_opened();
        for text in &self.shared.options.send {
            let key = fastrand::u32(..).to_ne_bytes();
            let append = |out: &mut Vec<u8>| {
                encode_frame(out, true, OpCode::Text, Some(key), text.as_bytes());
            };
            self.sessions[index].connection.queue(append);
        }
    }

    fn send(&mut self, index: usize) {
        if let Err(end) = self.sessions[index].send_due(&mut self.bench, &self.template) {
            self.end(index, &end);
        }
    }

    /// An open connection is over.
    fn end(&mut self, index: usize, end: &End) {
        let session = &mut self.sessions[index];
        if session.connection.is_ended() {
            return;
        }
        session.connection.end();
        session.flight.drop_due();
        self.ended_count += 1;
        if self.stage != Stage::Leaving && !session.is_leaving {
            self.tally.add_end(end);
        }
    }

    // ---- errors ----

    fn cannot_open(&self, end: End) -> LoadError {
        let (address, opened, wanted) = self.progress();
        match end {
            End::Socket(source) => LoadError::Connect { address, opened, wanted, source },
            end => LoadError::Open { address, opened, wanted, end },
        }
    }

    pub(crate) fn gives_no_answer(&self) -> LoadError {
        let (address, opened, wanted) = self.progress();
        LoadError::NoAnswer { address, opened, wanted }
    }

    fn progress(&self) -> (String, usize, u32) {
        let options = &self.shared.options;
        (options.address.to_string(), self.shared.opened(), options.connections)
    }
}
