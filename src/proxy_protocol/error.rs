//! Why a PROXY header is not believed.

use thiserror::Error;

/// What is wrong with a PROXY header. The connection is to be given up without a word: whoever
/// speaks is no proxy, or one that is not set up for this.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum ProxyHeaderError {
    /// The first bytes are those of neither version.
    #[error("the connection does not begin with a PROXY header")]
    Missing,
    /// Version 1: no line end within 107 bytes.
    #[error("the PROXY line does not end within 107 bytes")]
    LineTooLong,
    /// Version 1: a line that is not as it must be.
    #[error("the PROXY line is malformed: {0}")]
    Line(&'static str),
    /// Version 2: a version, command, address family or transport that there is not.
    #[error("the PROXY header has no valid {0}")]
    Unknown(&'static str),
    /// Version 2: longer than what is taken.
    #[error("the PROXY header has {len} bytes, of which at most {max} are taken")]
    TooLong {
        /// Its length in bytes.
        len: usize,
        /// The most that is taken.
        max: usize,
    },
    /// Version 2: too short for its addresses, or a field (TLV) that reaches beyond the header.
    #[error("the PROXY header is cut off")]
    CutOff,
    /// Version 2: the checksum (CRC32c) is another.
    #[error("the PROXY header's checksum is wrong")]
    Checksum,
}
