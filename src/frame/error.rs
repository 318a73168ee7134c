//! What is wrong with a frame by itself.

/// A violation of RFC 6455 §5.2 or §5.5 that one frame's header shows. All of them fail the
/// connection with 1002.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// RSV1, RSV2 or RSV3 is set and no extension gave it a meaning (§5.2).
    #[error("reserved bits are set and no extension uses them")]
    ReservedBits,
    /// An opcode that RFC 6455 reserves (§5.2).
    #[error("reserved opcode {0:#x}")]
    ReservedOpCode(u8),
    /// A control frame without FIN (§5.5).
    #[error("a control frame must not be fragmented")]
    FragmentedControl,
    /// A control frame with more than 125 bytes of payload (§5.5).
    #[error("a control frame's payload must not exceed 125 bytes")]
    ControlTooLong,
    /// A payload length that fits a shorter encoding (§5.2).
    #[error("the payload length is not encoded in the fewest bytes")]
    NotMinimal,
    /// A 64-bit payload length whose most significant bit is set (§5.2).
    #[error("the payload length exceeds 63 bits")]
    LengthOverflow,
    /// A frame from a client that is not masked (§5.1).
    #[error("frames from a client must be masked")]
    Unmasked,
    /// A frame from a server that is masked (§5.1).
    #[error("frames from a server must not be masked")]
    Masked,
}
