//! One topic for each channel, symbol and encoding: where the market's messages leave.

use std::time::Duration;

use tickwire::{Outcome, Outgoing, ServerHandle, Topic};

use crate::market::{Sink, Update};
use crate::message::{Channel, Directory, Encoding};

/// How long a publication waits for an event loop that is thousands of messages behind.
const PATIENCE: Duration = Duration::from_secs(1);

/// The topics of each kind of message, see [`place`].
const KINDS: [(Channel, Encoding); 7] = [
    (Channel::Ticker, Encoding::Json),
    (Channel::Ticker, Encoding::Binary),
    (Channel::Trades, Encoding::Json),
    (Channel::Trades, Encoding::Binary),
    (Channel::Book, Encoding::Json),
    (Channel::Book, Encoding::Binary),
    // JSON text for all: see `Update::binary`.
    (Channel::Raw, Encoding::Json),
];

/// All topics of the feed. Held as long as the feed lives, so that each keeps its name and order.
pub(crate) struct Topics {
    by_symbol: Vec<[Topic; KINDS.len()]>,
    lost: u64,
}

impl Topics {
    /// Makes the topics for all symbols.
    pub(crate) fn new(server: &ServerHandle, directory: &Directory) -> Self {
        let of_symbol = |symbol: &str| {
            KINDS.map(|(channel, encoding)| {
                server.topic(&format!("{}/{symbol}/{encoding:?}", channel.name()))
            })
        };
        let instruments = directory.instruments().iter();
        let by_symbol = instruments.map(|instrument| of_symbol(&instrument.symbol)).collect();
        Self { by_symbol, lost: 0 }
    }

    /// The topic of one kind of message.
    pub(crate) fn of(&self, channel: Channel, symbol: u16, encoding: Encoding) -> &Topic {
        &self.by_symbol[usize::from(symbol)][place(channel, encoding)]
    }

    /// Publications that no subscriber got, because an event loop took none for [`PATIENCE`].
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    fn send<'m>(
        &mut self,
        channel: Channel,
        symbol: u16,
        encoding: Encoding,
        message: impl Into<Outgoing<'m>>,
    ) {
        let topic = self.of(channel, symbol, encoding);
        if topic.publish_wait(message, PATIENCE) == Outcome::Dropped {
            log::warn!("{}: a message was lost, an event loop hangs", topic.name());
            self.lost += 1;
        }
    }
}

impl Sink for Topics {
    fn wants(&self, channel: Channel, symbol: u16, encoding: Encoding) -> bool {
        self.of(channel, symbol, encoding).subscriber_count() > 0
    }

    fn publish(&mut self, update: Update<'_>) {
        let Update { channel, symbol, json, binary, .. } = update;
        if let Some(json) = json {
            self.send(channel, symbol, Encoding::Json, json);
        }
        if let Some(binary) = binary {
            self.send(channel, symbol, Encoding::Binary, binary);
        }
    }
}

/// Where a kind of message stands in [`KINDS`].
fn place(channel: Channel, encoding: Encoding) -> usize {
    let binary = usize::from(encoding == Encoding::Binary);
    match channel {
        Channel::Ticker => binary,
        Channel::Trades => 2 + binary,
        Channel::Book => 4 + binary,
        Channel::Raw => 6,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_is_at_its_place() {
        for (at, (channel, encoding)) in KINDS.into_iter().enumerate() {
            assert_eq!(place(channel, encoding), at);
        }
        assert_eq!(place(Channel::Raw, Encoding::Binary), place(Channel::Raw, Encoding::Json));
    }
}
