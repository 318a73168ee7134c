//! A connection and its messages.

use crate::clock::Nanos;
use crate::connection::{Bench, Connection, End, Received};
use crate::flight::{Flight, Reply};
use crate::tally::Tally;
use crate::template::Template;

#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) connection: Connection,
    pub(crate) flight: Flight,
    index: u32,
    /// When it began to connect.
    pub(crate) begun_at: Nanos,
    /// Its end has been asked for, and is no failure.
    pub(crate) is_leaving: bool,
    /// Messages of a subscription within the window.
    pub(crate) delivered: u64,
}

impl Session {
    pub(crate) fn new(connection: Connection, index: u32, now: Nanos) -> Self {
        let flight = Flight::new(index);
        Self { connection, flight, index, begun_at: now, is_leaving: false, delivered: 0 }
    }

    /// Whether there is nothing more to wait for before it leaves.
    pub(crate) fn has_its_reply(&self) -> bool {
        self.flight.len() == 0 && self.connection.is_open() && !self.is_leaving
    }

    /// A new connection in the old one's place, for the messages that follow.
    pub(crate) fn rejoin(&mut self, connection: Connection, now: Nanos) {
        (self.connection, self.begun_at, self.is_leaving) = (connection, now, false);
    }

    /// Takes the replies that have come.
    pub(crate) fn take_replies(
        &mut self,
        bench: &mut Bench,
        template: &Template,
        tally: &mut Tally,
    ) -> Result<Received, End> {
        let (flight, index) = (&mut self.flight, self.index);
        self.connection.receive(bench, |message, arrival| {
            let number = flight.expected();
            let reply = flight.take(message, template);
            tally.add_reply(reply, arrival);
            if !matches!(reply, Reply::InOrder { .. }) && tally.first_fault.is_none() {
                tally.first_fault = Some(describe(reply, index, number));
            }
        })
    }

    /// Counts what has come of subscriptions.
    pub(crate) fn take_deliveries(
        &mut self,
        bench: &mut Bench,
        tally: &mut Tally,
    ) -> Result<Received, End> {
        let delivered = &mut self.delivered;
        self.connection.receive(bench, |_, arrival| {
            *delivered += u64::from(tally.add_delivery(arrival));
        })
    }

    /// Sends what is due.
    pub(crate) fn send_due(&mut self, bench: &mut Bench, template: &Template) -> Result<(), End> {
        let flight = &mut self.flight;
        self.connection.send(bench, |out| flight.encode_due(out, template))
    }
}

/// What was wrong first, for people.
#[cold]
fn describe(reply: Reply, connection: u32, number: u64) -> String {
    let expected = format!("connection {connection} expected its message {number} back");
    match reply {
        Reply::InOrder { .. } => expected,
        Reply::Ahead { overtaken, .. } => {
            format!("{expected} and got its message {}", number + overtaken)
        }
        Reply::Late => format!("{expected} and got an earlier one, late"),
        Reply::Repeated => format!("{expected} and got an earlier one again"),
        Reply::Foreign { connection } => {
            format!("{expected} and got one of connection {connection}: does the server broadcast?")
        }
        Reply::Altered => format!("{expected} and got another: does the server echo?"),
    }
}
