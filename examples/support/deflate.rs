//! The flag that compresses: `--deflate`, `--deflate dedicated`, `--deflate off`.

use clap::ValueEnum;
use tickwire::Compression;

/// Who has a compressor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Deflate {
    /// Nobody: messages are sent as they are.
    Off,
    /// Each event loop: no memory for a connection.
    Shared,
    /// Each connection: smaller messages.
    Dedicated,
}

impl From<Deflate> for Compression {
    fn from(deflate: Deflate) -> Self {
        match deflate {
            Deflate::Off => Self::off(),
            Deflate::Shared => Self::shared(),
            Deflate::Dedicated => Self::dedicated(),
        }
    }
}
