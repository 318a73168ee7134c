//! A client: it follows its script, and holds what it receives against what it must be.

use std::time::Duration;

use tickwire::frame::{CloseCode, OpCode};
use tickwire::handshake::{ClientRequest, ResponseDecoder};
use tickwire::protocol::{Limits, Role};

use super::message::{Content, Kind};
use super::plan::Action;
use super::side::{Incoming, Side, State};

pub(crate) struct Client {
    pub(crate) side: Side,
    response: ResponseDecoder,
    script: Vec<(Duration, Action)>,
    /// How far the script has been followed.
    at: usize,
    pub(crate) frozen: bool,
    /// Messages sent, and how many of them have come back.
    pub(crate) sent: u64,
    pub(crate) echoed: u64,
    /// Pings sent, and the last that was answered: not each of them is.
    pinged: u64,
    ponged: u64,
    pub(crate) subscribed: bool,
    /// The first and the last publication, and how many there were.
    pub(crate) publications: Option<(u64, u64, u64)>,
}

impl Client {
    pub(crate) fn new(script: Vec<(Duration, Action)>, nonce: [u8; 16], now: Duration) -> Self {
        let request = ClientRequest::new("simulated", "/", nonce);
        let mut head = Vec::new();
        request.encode(&mut head).expect("a valid request");
        let seed = u64::from_be_bytes(*nonce.first_chunk().unwrap());
        let mut side = Side::new(Role::Client, Limits::default(), seed);
        side.last_heard = now;
        side.queue.push_opaque(head, 0, 0);
        Self {
            side,
            response: request.decoder(),
            script,
            at: 0,
            frozen: false,
            sent: 0,
            echoed: 0,
            pinged: 0,
            ponged: 0,
            subscribed: false,
            publications: None,
        }
    }

    /// When it does something next.
    pub(crate) fn next_act(&self) -> Option<Duration> {
        self.script.get(self.at).map(|(time, _)| *time)
    }

    /// Does what is due. What the network does is for the caller.
    pub(crate) fn act(&mut self, now: Duration) -> Option<Action> {
        let (_, action) = self.script.get(self.at).filter(|(time, _)| *time <= now)?;
        self.at += 1;
        let action = action.clone();
        let side = &mut self.side;
        match &action {
            Action::Freeze => self.frozen = true,
            Action::Cut => {}
            _ if !side.is_at_work() => {}
            Action::Send { pad, frame_count } => {
                let content = Content { kind: Kind::Echo, number: self.sent };
                side.send(&content.encode(*pad), *frame_count);
                self.sent += 1;
            }
            Action::Ping => {
                self.pinged += 1;
                side.send_control(OpCode::Ping, &self.pinged.to_be_bytes());
            }
            Action::Subscribe => {
                self.subscribed = true;
                side.send(&Content { kind: Kind::Subscribe, number: 0 }.encode(0), 1);
            }
            Action::Close => side.close(CloseCode::NORMAL, now),
        }
        Some(action)
    }

    /// Makes what it can of what was received.
    pub(crate) fn work(&mut self, now: Duration) {
        if self.side.state == State::Opening {
            let decoded = self.response.decode(&self.side.carry).expect("it is accepted");
            let Some((_, head_len)) = decoded else { return };
            self.side.carry.drain(..head_len);
            self.side.state = State::Open;
        }
        while let Some(incoming) = self.side.take(now) {
            match incoming {
                Incoming::Message(payload) => self.check(Content::decode(&payload)),
                Incoming::Pong(payload) => {
                    let number = u64::from_be_bytes(payload.try_into().expect("a ping of ours"));
                    assert!(self.ponged < number && number <= self.pinged, "pong {number}");
                    self.ponged = number;
                }
                Incoming::Close => {}
            }
        }
    }

    fn check(&mut self, content: Content) {
        assert!(!self.side.endpoint.is_close_sent(), "a message behind this side's close frame");
        match content.kind {
            Kind::Echo => {
                assert_eq!(content.number, self.echoed, "lost, repeated or reordered");
                self.echoed += 1;
                assert!(self.echoed <= self.sent);
            }
            Kind::Publication => {
                let number = content.number;
                let (first, last, count) = self.publications.unwrap_or((number, number - 1, 0));
                assert!(number > last, "publication {number} behind {last}");
                self.publications = Some((first, number, count + 1));
            }
            Kind::Subscribe => panic!("the server does not subscribe"),
        }
    }

    /// Whatever it has asked for has come: `latest` is the last publication, and `all` says whether
    /// there are none between that may be missing.
    pub(crate) fn check_settled(&self, latest: u64, all: bool) {
        assert_eq!(self.echoed, self.sent, "messages have not come back");
        // The last ping is always answered.
        assert_eq!(self.ponged, self.pinged);
        if let Some((first, last, count)) = self.publications {
            assert_eq!(last, latest, "the last publication is missing");
            assert!(!all || count == last - first + 1, "publications are missing");
        }
    }
}
