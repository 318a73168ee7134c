//! How far the closing handshake has come (RFC 6455 §7).

/// The states of the diagram in [`endpoint`](super::endpoint), together in one byte: most messages
/// only ask whether it has begun at all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Closing {
    #[default]
    Open,
    CloseSent,
    /// A close frame was received, or the connection was failed: input is ignored from here on.
    InputEnded,
    Closed,
}

impl Closing {
    pub(super) fn sent(self) -> Self {
        match self {
            Self::Open | Self::CloseSent => Self::CloseSent,
            Self::InputEnded | Self::Closed => Self::Closed,
        }
    }

    pub(super) fn input_ended(self) -> Self {
        match self {
            Self::Open | Self::InputEnded => Self::InputEnded,
            Self::CloseSent | Self::Closed => Self::Closed,
        }
    }

    #[inline]
    pub(super) fn is_sent(self) -> bool {
        matches!(self, Self::CloseSent | Self::Closed)
    }

    #[inline]
    pub(super) fn is_input_ended(self) -> bool {
        matches!(self, Self::InputEnded | Self::Closed)
    }
}
