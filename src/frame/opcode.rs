//! Opcodes (RFC 6455 §5.2, §11.8).

/// What a frame's payload is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum OpCode {
    /// A further fragment of the message that is under way.
    Continuation = 0x0,
    /// Text, in UTF-8.
    Text = 0x1,
    /// Bytes.
    Binary = 0x2,
    /// Closing handshake (RFC 6455 §5.5.1).
    Close = 0x8,
    /// Asks for a pong (RFC 6455 §5.5.2).
    Ping = 0x9,
    /// Answers a ping (RFC 6455 §5.5.3).
    Pong = 0xA,
}

impl OpCode {
    /// The opcode of the low four bits of a frame's first byte; `None` for the reserved ones.
    #[inline]
    #[must_use]
    pub const fn from_bits(bits: u8) -> Option<Self> {
        match bits {
            0x0 => Some(Self::Continuation),
            0x1 => Some(Self::Text),
            0x2 => Some(Self::Binary),
            0x8 => Some(Self::Close),
            0x9 => Some(Self::Ping),
            0xA => Some(Self::Pong),
            _ => None,
        }
    }

    /// Close, ping and pong: short, whole, and allowed between the fragments of a message.
    #[inline]
    #[must_use]
    pub const fn is_control(self) -> bool {
        self as u8 & 0x8 != 0
    }
}
