//! A conversation with the feed.

use std::collections::VecDeque;

use serde_json::{Value, json};

use crate::message::{self, Message, Symbol};
use crate::program::Feed;
use crate::support::{Client, Dial, Received};

pub(crate) const JSON: &str = "tickwire.feed.json.v1";
pub(crate) const BINARY: &str = "tickwire.feed.binary.v1";

/// A connection that has been welcomed and knows the symbols.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) client: Client,
    pub(crate) welcome: Value,
    pub(crate) symbols: Vec<Symbol>,
    last_id: u64,
    /// Came while an answer was waited for.
    kept: VecDeque<Message>,
}

impl Session {
    #[track_caller]
    pub(crate) fn open(feed: &Feed, subprotocol: &str) -> Self {
        Self::dial(Dial::path(&feed.address, "/ws"), subprotocol)
    }

    /// A connection whose kernel takes in little that is not read.
    #[track_caller]
    pub(crate) fn open_narrow(feed: &Feed, subprotocol: &str) -> Self {
        Self::dial(Dial::path(&feed.address, "/ws").receive_len(32 << 10), subprotocol)
    }

    #[track_caller]
    fn dial(dial: Dial, subprotocol: &str) -> Self {
        let client = dial.subprotocol(subprotocol).connect();
        assert_eq!(client.response().subprotocol(), Some(subprotocol));
        let mut session = Self {
            client,
            welcome: Value::Null,
            symbols: Vec::new(),
            last_id: 0,
            kept: VecDeque::new(),
        };
        session.welcome = session.answer();
        assert_eq!(session.welcome["type"], "welcome");
        session.symbols = message::symbols(&session.ask(json!({ "op": "list" })));
        session
    }

    /// Sends a request under an id of its own, and waits for the answer to it.
    #[track_caller]
    pub(crate) fn ask(&mut self, mut request: Value) -> Value {
        self.last_id += 1;
        request["id"] = json!(self.last_id);
        self.client.send_text(&request.to_string());
        let answer = self.answer();
        assert_eq!(answer["id"], json!(self.last_id), "{answer}");
        answer
    }

    /// Sends a text, and waits for the answer to it.
    #[track_caller]
    pub(crate) fn ask_text(&mut self, text: &str) -> Value {
        self.client.send_text(text);
        self.answer()
    }

    #[track_caller]
    pub(crate) fn subscribe(&mut self, channel: &str, symbols: &[&str]) -> Value {
        let request = json!({ "op": "subscribe", "channel": channel, "symbols": symbols });
        let answer = self.ask(request);
        assert_eq!(answer["type"], "subscribed", "{answer}");
        assert_eq!(answer["channel"], channel);
        answer
    }

    /// Asks for what came after a number.
    #[track_caller]
    pub(crate) fn resume(&mut self, channel: &str, symbol: &str, after: u64) {
        let answer = self.ask(json!({
            "op": "subscribe", "channel": channel, "symbols": [symbol], "after": { symbol: after }
        }));
        assert_eq!(answer["type"], "subscribed", "{answer}");
    }

    #[track_caller]
    pub(crate) fn unsubscribe(&mut self, channel: &str, symbols: &[&str]) -> Value {
        self.ask(json!({ "op": "unsubscribe", "channel": channel, "symbols": symbols }))
    }

    /// The next answer; what else comes is kept for later.
    #[track_caller]
    pub(crate) fn answer(&mut self) -> Value {
        loop {
            match self.receive() {
                Some(Message::Answer(answer)) => return answer,
                Some(message) => self.kept.push_back(message),
                None => panic!("the connection ended before the answer came"),
            }
        }
    }

    /// The next message that is no answer; `None` once the server has closed.
    #[track_caller]
    pub(crate) fn next(&mut self) -> Option<Message> {
        self.kept.pop_front().or_else(|| self.receive())
    }

    /// The next thing that comes. A ping is answered: on a slow machine clients are silent for long.
    #[track_caller]
    pub(crate) fn recv(&mut self) -> Received {
        loop {
            match self.client.recv() {
                Received::Ping(payload) => self.client.pong(&payload),
                other => return other,
            }
        }
    }

    #[track_caller]
    fn receive(&mut self) -> Option<Message> {
        match self.recv() {
            Received::Text(text) => Some(message::from_json(&text)),
            Received::Binary(bytes) => Some(message::from_binary(&bytes, &self.symbols)),
            Received::Close(1001, _) => None,
            other => panic!("{other:?}"),
        }
    }

    /// The first symbol's name.
    pub(crate) fn first_symbol(&self) -> String {
        self.symbols[0].name.clone()
    }
}
