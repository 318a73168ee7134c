//! What broadcasting servers publish.

use std::fs;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;

use crate::Result;
use crate::entrant::Coding;
use crate::options::Serve;

/// Bytes of a publication that says nothing.
pub(super) const BLANK_LEN: usize = 128;

/// Some, again and again.
#[derive(Debug)]
pub(super) struct Publications {
    texts: Vec<Bytes>,
    count: AtomicUsize,
}

impl Publications {
    /// The lines of the file that the server was given, or always the same.
    pub(super) fn of(options: &Serve) -> Result<Self> {
        let texts = match &options.file {
            Some(path) if options.coding != Coding::Tls => {
                let text = fs::read(path)?;
                let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.is_empty());
                lines.map(Bytes::copy_from_slice).collect()
            }
            _ => vec![Bytes::from_static(&[b'x'; BLANK_LEN])],
        };
        Ok(Self { texts, count: AtomicUsize::new(0) })
    }

    pub(super) fn next(&self) -> &Bytes {
        &self.texts[self.count.fetch_add(1, Ordering::Relaxed) % self.texts.len()]
    }
}
