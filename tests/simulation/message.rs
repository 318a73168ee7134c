//! What messages say: enough of where they come from for a receiver to check them.

/// A numbered message of a kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) kind: Kind,
    /// From 0 for a client's messages, from 1 for publications.
    pub(crate) number: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// From the client, and back again from the server.
    Echo,
    /// The client asks for the publications of the topic.
    Subscribe,
    Publication,
}

impl Content {
    pub(crate) const LEN: usize = 9;

    /// The payload with `pad` bytes behind it that show a mix-up of messages.
    pub(crate) fn encode(self, pad: usize) -> Vec<u8> {
        let mut payload = vec![self.kind as u8];
        payload.extend_from_slice(&self.number.to_be_bytes());
        payload.resize(Self::LEN + pad, self.filler());
        payload
    }

    pub(crate) fn decode(payload: &[u8]) -> Self {
        let kind = match payload[0] {
            0 => Kind::Echo,
            1 => Kind::Subscribe,
            2 => Kind::Publication,
            other => panic!("no such kind of message: {other}"),
        };
        let number = u64::from_be_bytes(payload[1..Self::LEN].try_into().unwrap());
        let content = Self { kind, number };
        assert!(payload[Self::LEN..].iter().all(|&byte| byte == content.filler()), "torn");
        content
    }

    fn filler(self) -> u8 {
        (self.number as u8).wrapping_mul(7) ^ self.kind as u8
    }
}
