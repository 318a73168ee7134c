//! What a server is told of compression.

use std::time::Duration;

use super::{Direction, Terms, WindowBits};

/// Whether and how messages are compressed with clients that offer it.
///
/// ```
/// use tickwire::Compression;
///
/// let compression = Compression::shared();
/// assert_eq!(compression.level, 3);
/// let compression = Compression { level: 1, min_len: 512, ..Compression::dedicated() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Compression {
    /// Who has a compressor.
    pub mode: CompressionMode,
    /// From 1, the fastest, to 9, the smallest. Default: 3. Beyond that little is gained with
    /// messages of a few KiB.
    pub level: u8,
    /// Messages of fewer bytes are sent as they are, unless they ask for it. Default: 256.
    pub min_len: usize,
}

/// Who has a compressor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CompressionMode {
    /// Nobody: no offer is accepted. The default of a server.
    Off,
    /// Each event loop has one, for all of its connections: each message is compressed by itself
    /// (`server_no_context_takeover` and `client_no_context_takeover`), and a connection holds
    /// nothing.
    Shared,
    /// Connections have compressors of their own while they are sent to, and messages refer to those
    /// before them: the smallest messages, for the most memory.
    Dedicated(DedicatedCompression),
}

/// How much memory dedicated compressors may take.
///
/// What one takes, and what becomes of 1 KiB of an exchange's JSON, by the window of what is sent:
///
/// | `server_window_bits` | bytes of memory | bytes of a message |
/// |---|--:|--:|
/// | 8 and 9 | 148,000 | 346 |
/// | 10 | 148,000 | 231 |
/// | 11 | 152,000 | 217 |
/// | 12 | 164,000 | 215 |
/// | 13 | 184,000 | 216 |
/// | 14 | 217,000 | 211 |
/// | 15 | 283,000 | 207 |
///
/// 128 KiB of that is a table of zlib-rs that no setting makes smaller.
///
/// ```
/// use std::time::Duration;
/// use tickwire::{Compression, CompressionMode, DedicatedCompression};
///
/// let dedicated = DedicatedCompression {
///     server_window_bits: 12,
///     idle_after: Duration::from_secs(2),
///     ..DedicatedCompression::default()
/// };
/// let compression =
///     Compression { mode: CompressionMode::Dedicated(dedicated), ..Compression::dedicated() };
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DedicatedCompression {
    /// The window of what is sent, 8 to 15 bits. Default: 15. A compressor takes 4 times that window,
    /// which is 32 KiB at 15 bits, and up to 150 KiB beside it.
    pub server_window_bits: u8,
    /// The window of what is received, 8 to 15 bits. Default: 15. A connection holds what it has
    /// received, up to that much.
    pub client_window_bits: u8,
    /// Connections of one event loop that may have this. Those beyond are served as by
    /// [`Shared`](CompressionMode::Shared). Default: 1,024.
    pub max_count: usize,
    /// A compressor that has sent nothing for so long is freed: the next message is compressed without
    /// reference to those before, and brings a new one. So it is the connections that are sent to
    /// which take the memory of compressors, and those that rest keep only what they have received, as
    /// far as the clients may refer to it. Default: 10 seconds.
    pub idle_after: Duration,
}

impl DedicatedCompression {
    const DEFAULT: Self = Self {
        server_window_bits: 15,
        client_window_bits: 15,
        max_count: 1024,
        idle_after: Duration::from_secs(10),
    };
}

impl Default for DedicatedCompression {
    fn default() -> Self {
        Self::DEFAULT
    }
}

impl Compression {
    /// No compression.
    #[must_use]
    pub const fn off() -> Self {
        Self { mode: CompressionMode::Off, level: 3, min_len: 256 }
    }

    /// One compressor for each event loop.
    #[must_use]
    pub const fn shared() -> Self {
        Self { mode: CompressionMode::Shared, ..Self::off() }
    }

    /// Compressors of the connections' own.
    #[must_use]
    pub const fn dedicated() -> Self {
        let mode = CompressionMode::Dedicated(DedicatedCompression::DEFAULT);
        Self { mode, ..Self::off() }
    }

    /// What is agreed to with a new connection; `None`: no compression. `dedicated_count` is how many
    /// connections of its loop have compressors of their own.
    #[must_use]
    pub fn terms(&self, dedicated_count: usize) -> Option<Terms> {
        let alone = Direction { takes_over: false, window_bits: WindowBits::MAX };
        let context = |bits| Direction {
            takes_over: true,
            window_bits: WindowBits::new(bits).unwrap_or_default(),
        };
        match self.mode {
            CompressionMode::Off => None,
            CompressionMode::Dedicated(dedicated) if dedicated_count < dedicated.max_count => {
                let server = context(dedicated.server_window_bits);
                Some(Terms { server, client: context(dedicated.client_window_bits) })
            }
            CompressionMode::Shared | CompressionMode::Dedicated(_) => {
                Some(Terms { server: alone, client: alone })
            }
        }
    }
}

impl Default for Compression {
    fn default() -> Self {
        Self::off()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_when_all_compressors_are_taken_shares() {
        let mut compression = Compression::dedicated();
        if let CompressionMode::Dedicated(dedicated) = &mut compression.mode {
            dedicated.max_count = 2;
        }
        assert!(compression.terms(1).unwrap().server.takes_over);
        assert_eq!(compression.terms(2), Compression::shared().terms(0));
        assert_eq!(Compression::off().terms(0), None);
    }
}
