//! One frame on the wire (RFC 6455 §5): header, opcode, close code, and whole frames encoded.

mod close;
mod encode;
mod error;
mod header;
mod opcode;

pub use close::{CloseCode, CloseFrame, InvalidClose, MAX_CLOSE_REASON_LEN};
pub use encode::{
    encode_close, encode_compressed_frame, encode_frame, find_frame_boundary, server_frame_head,
};
pub use error::FrameError;
pub use header::{FrameHeader, HeaderRules, MAX_CONTROL_PAYLOAD_LEN, MAX_HEADER_LEN};
pub use opcode::OpCode;
