//! Why a connection must be failed (RFC 6455 §7.1.7).

#[cfg(feature = "deflate")]
use crate::deflate::InflateError;
use crate::frame::{CloseCode, FrameError, InvalidClose};
use crate::utf8::InvalidUtf8;

/// The peer broke the protocol or a limit. [`close_code`](Self::close_code) says with what to close.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ProtocolError {
    /// A frame that is wrong by itself.
    #[error(transparent)]
    Frame(#[from] FrameError),
    /// A continuation frame without a message to continue (RFC 6455 §5.4).
    #[error("a continuation frame came without a message to continue")]
    UnexpectedContinuation,
    /// A new message within a fragmented one (RFC 6455 §5.4).
    #[error("a new message started before the fragmented one ended")]
    ExpectedContinuation,
    /// A close frame whose payload is wrong.
    #[error(transparent)]
    Close(#[from] InvalidClose),
    /// A text message that is not UTF-8 (RFC 6455 §8.1).
    #[error(transparent)]
    InvalidUtf8(#[from] InvalidUtf8),
    /// A compressed message that cannot be inflated (RFC 7692 §7.2.2).
    #[cfg(feature = "deflate")]
    #[error("a compressed message cannot be inflated")]
    CorruptDeflate,
    /// A compressed message in which more blocks than the limit say that they are the last one.
    #[cfg(feature = "deflate")]
    #[error("a compressed message goes on behind more than {limit} last blocks")]
    TooManyEnds {
        /// The limit that it exceeds, in blocks.
        limit: usize,
    },
    /// A compressed message that is made of more blocks than the limit.
    #[cfg(feature = "deflate")]
    #[error("a compressed message is made of more than {limit} blocks")]
    TooManyBlocks {
        /// The limit that it exceeds, in blocks.
        limit: usize,
    },
    /// A frame longer than the limit, in bytes.
    #[error("a frame exceeds the limit of {limit} bytes")]
    FrameTooBig {
        /// The limit that it exceeds, in bytes.
        limit: usize,
    },
    /// A message longer than the limit, in bytes.
    #[error("a message exceeds the limit of {limit} bytes")]
    MessageTooBig {
        /// The limit that it exceeds, in bytes.
        limit: usize,
    },
    /// A message in more fragments than the limit.
    #[error("a message exceeds the limit of {limit} fragments")]
    TooManyFragments {
        /// The limit that it exceeds, in fragments.
        limit: u32,
    },
}

impl ProtocolError {
    /// The code of the close frame that answers the error (RFC 6455 §7.4.1).
    #[must_use]
    pub const fn close_code(&self) -> CloseCode {
        match self {
            Self::Frame(_)
            | Self::UnexpectedContinuation
            | Self::ExpectedContinuation
            | Self::Close(InvalidClose::Truncated | InvalidClose::Code(_)) => {
                CloseCode::PROTOCOL_ERROR
            }
            Self::Close(InvalidClose::Reason) | Self::InvalidUtf8(_) => CloseCode::INVALID_PAYLOAD,
            // RFC 6455 §7.4.1: the data is not consistent with what it says it is.
            #[cfg(feature = "deflate")]
            Self::CorruptDeflate => CloseCode::INVALID_PAYLOAD,
            Self::FrameTooBig { .. } | Self::MessageTooBig { .. } => CloseCode::MESSAGE_TOO_BIG,
            #[cfg(feature = "deflate")]
            Self::TooManyEnds { .. } | Self::TooManyBlocks { .. } => CloseCode::POLICY_VIOLATION,
            Self::TooManyFragments { .. } => CloseCode::POLICY_VIOLATION,
        }
    }
}

#[cfg(feature = "deflate")]
impl From<InflateError> for ProtocolError {
    fn from(error: InflateError) -> Self {
        match error {
            InflateError::TooBig { limit } => Self::MessageTooBig { limit },
            InflateError::TooManyEnds { limit } => Self::TooManyEnds { limit },
            InflateError::TooManyBlocks { limit } => Self::TooManyBlocks { limit },
            InflateError::Corrupt => Self::CorruptDeflate,
        }
    }
}
